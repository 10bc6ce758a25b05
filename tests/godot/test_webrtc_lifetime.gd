extends "res://tests/case.gd"
## Connections that end at awkward moments: in the middle of a handshake, in their own signals,
## with the game.

const Pair := preload("res://tests/webrtc_pair.gd")
const OPTIONS := {negotiated = true, id = 1}

## Outlives every test, so that the game quits with these open.
static var _left_open: Array = []

var _connection: WebRTCPeerConnection
var _channel: WebRTCDataChannel
var _emitted := 0


func test_closing_in_its_own_signal() -> void:
	await _make_offer(func() -> void: _connection.close())
	check_equal(_connection.get_connection_state(), WebRTCPeerConnection.STATE_CLOSED, "state")
	_connection = null


func test_closing_in_the_middle_of_many_signals() -> void:
	_prepare(func() -> void: _connection.close())
	for _i in 10:
		_connection.create_offer()
	await frames(10)
	_connection.poll()
	check_equal(_emitted, 1, "nothing is emitted after close")
	_connection = null


func test_beginning_anew_in_its_own_signal() -> void:
	await _make_offer(func() -> void: check_equal(_connection.initialize(), OK, "initialize"))
	check_equal(_connection.get_connection_state(), WebRTCPeerConnection.STATE_NEW, "state")
	_channel = _connection.create_data_channel("chat", OPTIONS)
	check(_channel != null, "it can be used again")
	_connection = null


func test_polling_in_its_own_signal() -> void:
	await _make_offer(func() -> void: check_equal(_connection.poll(), OK, "poll"))
	_connection = null


func test_letting_go_in_its_own_signal() -> void:
	await _make_offer(func() -> void: _connection = null)
	check(_connection == null, "it is gone")


func test_letting_go_of_everything_in_a_channel_signal() -> void:
	var pair := Pair.new()
	var _ours := pair.offerer.create_data_channel("chat")
	pair.answerer.data_channel_received.connect(
		func(channel: WebRTCDataChannel) -> void:
			channel.close()
			pair.received_by_answerer.clear()
			pair.answerer.close()
			_emitted += 1)
	pair.offerer.create_offer()
	await until(
		func() -> bool:
			pair.poll()
			return _emitted == 1,
		5.0, "the channel is received")
	await until(
		func() -> bool:
			return pair.offerer.get_connection_state() == WebRTCPeerConnection.STATE_CLOSED,
		1.0, "the other side sees the end")
	pair.close()


func test_letting_go_in_the_middle_of_a_handshake() -> void:
	for steps in 8:
		var pair := Pair.new()
		var _channels := pair.negotiate("chat", {id = 1})
		pair.offerer.create_offer()
		for _step in steps:
			pair.poll()
			OS.delay_usec(500)
		pair.close()
		pair = null
	check(true, "no crash")


func test_a_channel_outlives_its_connection() -> void:
	var pair := Pair.new()
	var channels := pair.negotiate("chat", {id = 1})
	pair.offerer.create_offer()
	await until(pair.are_open.bind(channels), 5.0, "both channels open")
	channels[1].put_packet(PackedByteArray([1]))
	await until(
		func() -> bool: return channels[0].get_available_packet_count() == 1, 5.0, "a packet")
	pair.close()
	pair = null
	check_equal(channels[0].get_ready_state(), WebRTCDataChannel.STATE_CLOSED, "state")
	check_equal(channels[0].put_packet(PackedByteArray([1])), ERR_UNCONFIGURED, "putting")
	check_equal(channels[0].get_label(), "chat", "label")


func test_packets_handed_out_stay_whole() -> void:
	var pair := Pair.new()
	var channels := pair.negotiate("chat", {id = 1})
	pair.offerer.create_offer()
	await until(pair.are_open.bind(channels), 5.0, "both channels open")
	for i in 3:
		channels[1].put_packet(PackedByteArray([i, i, i]))
	await until(
		func() -> bool: return channels[0].get_available_packet_count() == 3, 5.0, "packets")
	var packets: Array[PackedByteArray] = []
	for _i in 3:
		packets.append(channels[0].get_packet())
	pair.close()
	channels.clear()
	for i in 3:
		check_equal(packets[i], PackedByteArray([i, i, i]), "packet %d" % i)


func test_closing_a_hundred_connections_at_once() -> void:
	var pairs: Array[Pair] = []
	var closed: Array[WebRTCDataChannel] = []
	var told: Array[WebRTCDataChannel] = []
	for _i in 50:
		var pair := Pair.new()
		var channels := pair.negotiate("chat", {id = 1})
		closed.append(channels[0])
		told.append(channels[1])
		pair.offerer.create_offer()
		pairs.append(pair)
	var are_all := func(channels: Array[WebRTCDataChannel], state: int) -> bool:
		for pair in pairs:
			pair.poll()
		return channels.all(func(channel: WebRTCDataChannel) -> bool:
			return channel.get_ready_state() == state)
	await until(are_all.bind(closed + told, WebRTCDataChannel.STATE_OPEN), 10.0, "all are open")
	var frame := Engine.get_process_frames()
	for pair in pairs:
		pair.offerer.close()
	check(are_all.call(closed, WebRTCDataChannel.STATE_CLOSED), "closing takes effect at once")
	await get_tree().process_frame
	check_equal(Engine.get_process_frames(), frame + 1, "the next frame")
	await until(are_all.bind(told, WebRTCDataChannel.STATE_CLOSED), 1.0, "all others see the end")
	for pair in pairs:
		check_equal(
			pair.answerer.get_connection_state(), WebRTCPeerConnection.STATE_CLOSED, "state")
		pair.close()


func test_the_game_quits_with_connections_open() -> void:
	var open := Pair.new()
	var channels := open.negotiate("chat", {id = 1})
	open.offerer.create_offer()
	await until(open.are_open.bind(channels), 5.0, "both channels open")
	_disconnect_handlers(open)
	var half := Pair.new()
	var half_channels := half.negotiate("chat", {id = 1})
	half.offerer.create_offer()
	half.poll()
	_disconnect_handlers(half)
	_left_open = [open, channels, half, half_channels]


## Has the connection make an offer and calls [param reaction] in the signal.
func _make_offer(reaction: Callable) -> void:
	_prepare(reaction)
	check_equal(_connection.create_offer(), OK, "an offer")
	await until(
		func() -> bool:
			if _connection != null:
				_connection.poll()
			return _emitted > 0,
		5.0, "the signal")


func _prepare(reaction: Callable) -> void:
	_connection = WebRTCPeerConnection.new()
	_channel = _connection.create_data_channel("chat", OPTIONS)
	_connection.session_description_created.connect(
		func(_kind: String, _sdp: String) -> void:
			_emitted += 1
			reaction.call())


## The handlers hold references to the connections, which the game would break up too.
func _disconnect_handlers(pair: Pair) -> void:
	for connection: WebRTCPeerConnection in [pair.offerer, pair.answerer]:
		for event: String in [
				"session_description_created", "ice_candidate_created", "data_channel_received"]:
			for handler in connection.get_signal_connection_list(event):
				connection.disconnect(event, handler.callable)
