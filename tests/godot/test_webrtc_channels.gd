extends "res://tests/case.gd"
## What the engine's class reference promises of WebRTCDataChannel.

const Pair := preload("res://tests/webrtc_pair.gd")
const UNSPECIFIED := 65535


func test_options_are_read_and_shown() -> void:
	var connection := WebRTCPeerConnection.new()
	var channel := connection.create_data_channel("défaut")
	check_equal(channel.get_label(), "défaut", "label")
	check_equal(channel.get_protocol(), "", "protocol")
	check_equal(channel.is_ordered(), true, "ordered")
	check_equal(channel.is_negotiated(), false, "negotiated")
	check_equal(channel.get_id(), UNSPECIFIED, "id")
	check_equal(channel.get_max_retransmits(), UNSPECIFIED, "retransmits")
	check_equal(channel.get_max_packet_life_time(), UNSPECIFIED, "life time")
	check_equal(channel.get_ready_state(), WebRTCDataChannel.STATE_CONNECTING, "state")
	check_equal(channel.write_mode, WebRTCDataChannel.WRITE_MODE_BINARY, "write mode")
	check_equal(channel.get_buffered_amount(), 0, "buffered amount")
	check_equal(channel.get_available_packet_count(), 0, "packets")
	check_equal(channel.was_string_packet(), false, "string packet")
	check_equal(channel.poll(), OK, "polling it")
	channel = connection.create_data_channel("", {
		negotiated = true, id = 7, ordered = false, maxRetransmits = 3, protocol = "chat"})
	check_equal(channel.get_protocol(), "chat", "protocol")
	check_equal(channel.is_ordered(), false, "ordered")
	check_equal(channel.is_negotiated(), true, "negotiated")
	check_equal(channel.get_id(), 7, "id")
	check_equal(channel.get_max_retransmits(), 3, "retransmits")
	check_equal(channel.get_max_packet_life_time(), UNSPECIFIED, "life time")
	channel = connection.create_data_channel("", {maxPacketLifeTime = 250})
	check_equal(channel.get_max_packet_life_time(), 250, "life time")


func test_what_the_multiplayer_peer_means_by_unreliable() -> void:
	var connection := WebRTCPeerConnection.new()
	var channel := connection.create_data_channel("unreliable", {maxPacketLifetime = 1})
	check_equal(channel.get_max_retransmits(), 0, "sent once")
	check_equal(channel.get_max_packet_life_time(), UNSPECIFIED, "but always once")
	channel = connection.create_data_channel("unreliable", {maxPacketLifetime = 100})
	check_equal(channel.get_max_packet_life_time(), 100, "a life time that leaves time to live")
	channel = connection.create_data_channel("", {maxPacketLifetime = 1, maxRetransmits = 2})
	check_equal(channel.get_max_retransmits(), 2, "the right spelling counts")


func test_typed_dictionaries_are_read_too() -> void:
	var connection := WebRTCPeerConnection.new()
	var servers: Array[Dictionary] = [{urls = ["stun:192.0.2.1"] as Array[String]}]
	var config: Dictionary[String, Array] = {"iceServers": servers}
	check_equal(connection.initialize(config), OK, "the configuration")
	var options: Dictionary[String, int] = {"maxRetransmits": 2}
	var channel := connection.create_data_channel("typed", options)
	check_equal(channel.get_max_retransmits(), 2, "the options")


func test_options_that_cannot_be_are_refused() -> void:
	var connection := WebRTCPeerConnection.new()
	var _channel := connection.create_data_channel("first", {negotiated = true, id = 1})
	for options: Dictionary in [
			{negotiated = true},
			{negotiated = true, id = 1},
			{negotiated = true, id = -1},
			{negotiated = true, id = 65535},
			{negotiated = true, id = "2"},
			{negotiated = "yes", id = 2},
			{maxRetransmits = 1, maxPacketLifeTime = 1},
			{maxRetransmits = -1},
			{maxRetransmits = 65536},
			{maxPacketLifeTime = "1"},
			{ordered = "no"},
			{protocol = 7},
	]:
		check(connection.create_data_channel("second", options) == null, str(options))
	check(connection.create_data_channel("x".repeat(65536)) == null, "a label too long")


func test_packets_of_every_size_arrive_whole() -> void:
	var pair := Pair.new()
	var channels := await _open(pair, {id = 1})
	for size: int in [1, 2, 1024, 1200, 60 * 1024, 256 * 1024]:
		var packet := PackedByteArray()
		packet.resize(size)
		packet.fill(size % 251)
		check_equal(channels[0].put_packet(packet), OK, "putting %d bytes" % size)
		check_equal(await _next(channels[1]), packet, "%d bytes" % size)
	var too_large := PackedByteArray()
	too_large.resize(256 * 1024 + 1)
	check_equal(channels[0].put_packet(too_large), ERR_INVALID_PARAMETER, "one byte more")
	await until(
		func() -> bool: return channels[0].get_buffered_amount() == 0, 5.0, "all has left")
	pair.close()


func test_text_and_binary_are_told_apart() -> void:
	var pair := Pair.new()
	var channels := await _open(pair, {id = 1})
	channels[0].write_mode = WebRTCDataChannel.WRITE_MODE_TEXT
	check_equal(channels[0].write_mode, WebRTCDataChannel.WRITE_MODE_TEXT, "write mode")
	# Text with a NUL in it: "a\0é".
	var text := PackedByteArray([0x61, 0x00, 0xC3, 0xA9])
	channels[0].put_packet(text)
	check_equal(await _next(channels[1]), text, "text with a NUL")
	check(channels[1].was_string_packet(), "it was text")
	channels[0].write_mode = WebRTCDataChannel.WRITE_MODE_BINARY
	channels[0].put_packet(PackedByteArray([0, 1, 2]))
	check_equal(await _next(channels[1]), PackedByteArray([0, 1, 2]), "bytes with a NUL")
	check(not channels[1].was_string_packet(), "it was binary")
	channels[0].put_var({position = Vector2(1, 2)})
	await until(
		func() -> bool: return channels[1].get_available_packet_count() == 1, 5.0, "a variant")
	check_equal(channels[1].get_var(), {position = Vector2(1, 2)}, "the variant")
	pair.close()


func test_packets_wait_in_order_and_without_poll() -> void:
	var pair := Pair.new()
	var channels := await _open(pair, {id = 1})
	for i in 100:
		channels[0].put_packet(PackedByteArray([i]))
	await until(
		func() -> bool: return channels[1].get_available_packet_count() == 100, 5.0, "all of them")
	for i in 100:
		check_equal(channels[1].get_packet(), PackedByteArray([i]), "packet %d" % i)
	check_equal(channels[1].get_available_packet_count(), 0, "nothing is left")
	pair.close()


func test_a_channel_that_is_not_open_refuses_packets() -> void:
	var connection := WebRTCPeerConnection.new()
	var channel := connection.create_data_channel("chat")
	check_equal(channel.put_packet(PackedByteArray([1])), ERR_UNCONFIGURED, "not open yet")
	channel.close()
	check_equal(channel.put_packet(PackedByteArray([1])), ERR_UNCONFIGURED, "closed")


func test_a_channel_made_on_one_side_is_received_on_the_other() -> void:
	var pair := Pair.new()
	var ours := pair.offerer.create_data_channel(
		"Grüße", {protocol = "chat", ordered = false, maxRetransmits = 2})
	check_equal(pair.offerer.create_offer(), OK, "an offer")
	await until(
		func() -> bool:
			pair.poll()
			return pair.received_by_answerer.size() == 1,
		5.0, "it is received")
	var theirs := pair.received_by_answerer[0]
	check_equal(theirs.get_label(), "Grüße", "label")
	check_equal(theirs.get_protocol(), "chat", "protocol")
	check_equal(theirs.is_ordered(), false, "ordered")
	check_equal(theirs.is_negotiated(), false, "negotiated")
	check_equal(theirs.get_max_retransmits(), 2, "retransmits")
	check_equal(theirs.get_ready_state(), WebRTCDataChannel.STATE_OPEN, "state")
	check_equal(theirs.get_id(), ours.get_id(), "id")
	check(ours.get_id() != UNSPECIFIED, "the id is known now")
	theirs.put_packet("hello".to_utf8_buffer())
	check_equal(await _next(ours), "hello".to_utf8_buffer(), "it works")
	# The other direction too, while connected.
	var late := pair.answerer.create_data_channel("late")
	await until(
		func() -> bool:
			pair.poll()
			return pair.received_by_offerer.size() == 1,
		5.0, "another one is received")
	check(late.get_id() != ours.get_id(), "it has an id of its own")
	check_equal(pair.received_by_offerer[0].get_label(), "late", "label")
	pair.close()


func test_closing_a_channel_is_seen_on_the_other_side() -> void:
	var pair := Pair.new()
	var channels := await _open(pair, {id = 1})
	channels[0].put_packet("last words".to_utf8_buffer())
	channels[0].close()
	await until(
		func() -> bool: return channels.all(func(channel: WebRTCDataChannel) -> bool:
			return channel.get_ready_state() == WebRTCDataChannel.STATE_CLOSED),
		5.0, "both are closed")
	check_equal(channels[1].get_packet(), "last words".to_utf8_buffer(), "nothing was lost")
	check_equal(
		pair.offerer.get_connection_state(), WebRTCPeerConnection.STATE_CONNECTED, "the connection")
	pair.close()


func test_a_channel_nobody_refers_to_is_closed() -> void:
	var pair := Pair.new()
	var channels := await _open(pair, {id = 1})
	var other := channels[1]
	channels.clear()
	await until(
		func() -> bool: return other.get_ready_state() == WebRTCDataChannel.STATE_CLOSED,
		5.0, "the other side closes")
	pair.close()


func _open(pair: Pair, options: Dictionary) -> Array[WebRTCDataChannel]:
	var channels := pair.negotiate("chat", options)
	pair.offerer.create_offer()
	await until(pair.are_open.bind(channels), 5.0, "both channels open")
	check_equal(pair.errors, [] as Array[int], "errors")
	return channels


func _next(channel: WebRTCDataChannel) -> PackedByteArray:
	await until(
		func() -> bool: return channel.get_available_packet_count() > 0, 5.0, "a packet")
	return channel.get_packet()
