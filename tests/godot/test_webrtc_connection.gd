extends "res://tests/case.gd"
## What the engine's class reference promises of WebRTCPeerConnection.

const Pair := preload("res://tests/webrtc_pair.gd")
const SDP_KIND := 0
const SDP_TEXT := 1

var _signals: Array = []


func test_an_unused_connection_is_new_and_costs_nothing() -> void:
	var connection := WebRTCPeerConnection.new()
	check_equal(connection.get_connection_state(), WebRTCPeerConnection.STATE_NEW, "connection")
	check_equal(
		connection.get_gathering_state(), WebRTCPeerConnection.GATHERING_STATE_NEW, "gathering")
	check_equal(
		connection.get_signaling_state(), WebRTCPeerConnection.SIGNALING_STATE_STABLE, "signaling")
	check_equal(connection.poll(), OK, "polling it")


func test_initialize_reads_what_is_documented() -> void:
	var connection := WebRTCPeerConnection.new()
	for config: Dictionary in [
			{},
			{iceServers = []},
			{iceServers = [{urls = "stun:stun.example.com"}]},
			{iceServers = [{urls = ["stun:stun.example.com:3478", "stun:[2001:db8::1]:19302"]}]},
			{iceServers = [{urls = PackedStringArray(["stun:192.0.2.1"])}]},
			{iceServers = [
				{urls = ["turn:turn.example.com?transport=udp"], username = "me", credential = "x"}]},
			{iceServers = [
				{urls = "turns:turn.example.com?transport=tcp", username = "", credential = ""}]},
			{iceTransportPolicy = "all", somethingElse = 1},
			{iceTransportPolicy = "relay"},
			{portRangeBegin = 5000, portRangeEnd = 5100},
			{portRangeBegin = 5000},
			{portRangeEnd = 65535, bindAddress = "127.0.0.1"},
			{bindAddress = ["127.0.0.1", "::1"]},
			{publicAddress = "203.0.113.7"},
			{udpMux = 5000, publicAddress = "203.0.113.7"},
			{publicAddress = PackedStringArray(["203.0.113.7", "2001:db8::7"])},
			{hideLocalAddresses = true},
			{mtu = 1200},
			{mtu = 9000},
	]:
		check_equal(connection.initialize(config), OK, str(config))


func test_initialize_refuses_what_is_malformed() -> void:
	var connection := WebRTCPeerConnection.new()
	for config: Dictionary in [
			{iceServers = "stun:stun.example.com"},
			{iceServers = ["stun:stun.example.com"]},
			{iceServers = [{}]},
			{iceServers = [{urls = 7}]},
			{iceServers = [{urls = [7]}]},
			{iceServers = [{urls = "http://example.com"}]},
			{iceServers = [{urls = "stun:example.com:port"}]},
			{iceServers = [{urls = "turn:example.com"}]},
			{iceServers = [{urls = "turns:example.com?transport=udp", username = "", credential = ""}]},
			{iceServers = [{urls = "turn:example.com", username = 7}]},
			{iceServers = [{urls = "turn:example.com", credential = []}]},
			{iceServers = [{urls = "turn:example.com", username = "me"}]},
			{iceServers = [{urls = "turns:a", username = "", credential = "", caCertificate = "x"}]},
			{iceServers = [{urls = "turns:a", username = "", credential = "", caCertificate = 7}]},
			{iceTransportPolicy = "public"},
			{iceTransportPolicy = 1},
			{portRangeBegin = 0},
			{portRangeBegin = 5001, portRangeEnd = 5000},
			{portRangeEnd = 1023},
			{portRangeEnd = 65536},
			{portRangeBegin = "5000"},
			{udpMux = 0},
			{udpMux = true},
			{udpMux = 5000, portRangeBegin = 5000},
			{bindAddress = "localhost"},
			{bindAddress = "0.0.0.0"},
			{bindAddress = ["127.0.0.1", 7]},
			{publicAddress = "game.example.com"},
			{publicAddress = ["ff02::1"]},
			{hideLocalAddresses = "yes"},
			{mtu = 1199},
			{mtu = 9001},
			{mtu = "1280"},
	]:
		check_equal(connection.initialize(config), ERR_INVALID_PARAMETER, str(config))


func test_initialize_takes_a_certificate_of_the_games_own() -> void:
	var crypto := Crypto.new()
	var certificate := crypto.generate_self_signed_certificate(crypto.generate_rsa(2048))
	var server := {
		urls = "turns:turn.example.com", username = "me", credential = "x",
		caCertificate = certificate.save_to_string()}
	check_equal(WebRTCPeerConnection.new().initialize({iceServers = [server]}), OK, "initialize")


func test_initialize_begins_anew() -> void:
	var connection := WebRTCPeerConnection.new()
	var channel := connection.create_data_channel("old", {negotiated = true, id = 1})
	connection.close()
	check_equal(connection.create_offer(), ERR_UNCONFIGURED, "a closed connection")
	check_equal(connection.initialize(), OK, "initialize")
	check_equal(connection.get_connection_state(), WebRTCPeerConnection.STATE_NEW, "state")
	check_equal(channel.get_ready_state(), WebRTCDataChannel.STATE_CLOSED, "the old channel")
	check_equal(connection.create_offer(), ERR_UNCONFIGURED, "no channel any more")
	channel = connection.create_data_channel("new", {negotiated = true, id = 1})
	check(channel != null, "the id is free again")
	check_equal(connection.create_offer(), OK, "an offer")


func test_create_offer_needs_a_channel_and_only_creates() -> void:
	var connection := WebRTCPeerConnection.new()
	check_equal(connection.create_offer(), ERR_UNCONFIGURED, "without a channel")
	var _channel := connection.create_data_channel("chat")
	var offer := await _description_of(connection)
	check_equal(offer[SDP_KIND], "offer", "kind")
	check(offer[SDP_TEXT].contains("m=application"), "it offers a data channel")
	check_equal(
		connection.get_signaling_state(), WebRTCPeerConnection.SIGNALING_STATE_STABLE, "signaling")
	check_equal(
		connection.get_gathering_state(), WebRTCPeerConnection.GATHERING_STATE_NEW, "gathering")
	check_equal(connection.set_local_description("offer", offer[SDP_TEXT]), OK, "setting it")
	check_equal(
		connection.get_signaling_state(), WebRTCPeerConnection.SIGNALING_STATE_HAVE_LOCAL_OFFER,
		"signaling, at once")
	await until(
		func() -> bool:
			connection.poll()
			return (connection.get_gathering_state()
				== WebRTCPeerConnection.GATHERING_STATE_COMPLETE),
		5.0, "gathering ends")


func test_signals_come_from_poll_only() -> void:
	var connection := WebRTCPeerConnection.new()
	var _channel := connection.create_data_channel("chat")
	_listen(connection)
	check_equal(connection.create_offer(), OK, "an offer")
	await frames(20)
	check_equal(_signals.size(), 0, "signals without poll")
	await until(
		func() -> bool:
			connection.poll()
			return _signals.size() == 1,
		5.0, "the signal")


func test_a_remote_offer_produces_an_answer() -> void:
	var offerer := WebRTCPeerConnection.new()
	var _channel := offerer.create_data_channel("chat")
	var offer := await _description_of(offerer)
	var answerer := WebRTCPeerConnection.new()
	_listen(answerer)
	check_equal(answerer.set_remote_description("offer", offer[SDP_TEXT]), OK, "the offer")
	check_equal(
		answerer.get_signaling_state(), WebRTCPeerConnection.SIGNALING_STATE_HAVE_REMOTE_OFFER,
		"signaling, at once")
	await until(
		func() -> bool:
			answerer.poll()
			return _signals.size() > 0,
		5.0, "an answer")
	var answer: Array = _signals[0]
	check_equal(answer[SDP_KIND], "answer", "kind")
	check_equal(answerer.set_local_description("answer", answer[SDP_TEXT]), OK, "setting it")
	check_equal(
		answerer.get_signaling_state(), WebRTCPeerConnection.SIGNALING_STATE_STABLE, "signaling")


func test_wrong_use_returns_an_error_and_changes_nothing() -> void:
	var connection := WebRTCPeerConnection.new()
	var _channel := connection.create_data_channel("chat")
	var offer := await _description_of(connection)
	var sdp: String = offer[SDP_TEXT]
	check_equal(connection.set_local_description("answer", sdp), ERR_UNAVAILABLE, "local answer")
	check_equal(connection.set_remote_description("answer", sdp), ERR_UNAVAILABLE, "answer first")
	check_equal(connection.set_local_description("offers", sdp), ERR_INVALID_PARAMETER, "a typo")
	check_equal(connection.set_remote_description("", sdp), ERR_INVALID_PARAMETER, "no type")
	check_equal(
		connection.set_local_description("offer", sdp + "a=x\r\n"), ERR_INVALID_PARAMETER,
		"an offer that was changed")
	check_equal(
		connection.set_remote_description("offer", "hello"), ERR_INVALID_PARAMETER, "no SDP")
	check_equal(
		connection.add_ice_candidate("0", 0, "hello"), ERR_INVALID_PARAMETER, "no candidate")
	check_equal(
		connection.add_ice_candidate("0", -1, ""), ERR_INVALID_PARAMETER, "a negative index")
	check_equal(
		connection.get_signaling_state(), WebRTCPeerConnection.SIGNALING_STATE_STABLE, "signaling")
	check_equal(connection.set_local_description("offer", sdp), OK, "it still works")
	var other := WebRTCPeerConnection.new()
	var _other_channel := other.create_data_channel("chat")
	var other_offer := await _description_of(other)
	check_equal(
		connection.set_remote_description("offer", other_offer[SDP_TEXT]), ERR_UNAVAILABLE,
		"both offering")


func test_a_closed_connection_refuses_everything() -> void:
	for is_used: bool in [false, true]:
		var connection := WebRTCPeerConnection.new()
		if is_used:
			check(connection.create_data_channel("chat") != null, "a channel")
		connection.close()
		connection.close()
		check_equal(connection.get_connection_state(), WebRTCPeerConnection.STATE_CLOSED, "state")
		check_equal(
			connection.get_signaling_state(), WebRTCPeerConnection.SIGNALING_STATE_CLOSED, "signaling")
		check(connection.create_data_channel("chat") == null, "a channel")
		check_equal(connection.create_offer(), ERR_UNCONFIGURED, "an offer")
		check_equal(
			connection.set_local_description("offer", ""), ERR_UNCONFIGURED, "a local description")
		check_equal(
			connection.set_remote_description("offer", ""), ERR_UNCONFIGURED, "a description")
		check_equal(connection.add_ice_candidate("0", 0, ""), ERR_UNCONFIGURED, "a candidate")
		check_equal(connection.poll(), OK, "polling it")


func test_a_pair_connects() -> void:
	var pair := Pair.new()
	var channels := pair.negotiate("chat", {id = 1})
	check_equal(pair.offerer.create_offer(), OK, "an offer")
	await until(pair.are_open.bind(channels), 5.0, "both channels open")
	check_equal(pair.errors, [] as Array[int], "errors")
	check_equal(
		pair.log.slice(0, 1), [["offerer", "offer"]] as Array[Array], "the offer comes first")
	check_equal(pair.log.count(["answerer", "answer"]), 1, "one answer")
	var candidates := pair.log.filter(
		func(entry: Array) -> bool: return entry[1] == "candidate")
	check(candidates.size() >= 2, "candidates of both sides")
	check(candidates.all(func(entry: Array) -> bool: return entry[2] != ""), "no mid is empty")
	for connection: WebRTCPeerConnection in [pair.offerer, pair.answerer]:
		check_equal(
			connection.get_connection_state(), WebRTCPeerConnection.STATE_CONNECTED, "state")
		check_equal(
			connection.get_signaling_state(), WebRTCPeerConnection.SIGNALING_STATE_STABLE, "signaling")
	pair.close()


func test_candidates_may_come_before_the_description() -> void:
	var offerer := WebRTCPeerConnection.new()
	var answerer := WebRTCPeerConnection.new()
	var options := {negotiated = true, id = 1}
	var channel := offerer.create_data_channel("chat", options)
	var _other := answerer.create_data_channel("chat", options)
	var offer := await _description_of(offerer)
	offerer.ice_candidate_created.connect(
		func(mid: String, index: int, candidate: String) -> void:
			check_equal(answerer.add_ice_candidate(mid, index, candidate), OK, "early candidate"))
	offerer.set_local_description("offer", offer[SDP_TEXT])
	await until(
		func() -> bool:
			offerer.poll()
			return offerer.get_gathering_state() == WebRTCPeerConnection.GATHERING_STATE_COMPLETE,
		5.0, "all candidates are out")
	answerer.session_description_created.connect(
		func(kind: String, sdp: String) -> void:
			answerer.set_local_description(kind, sdp)
			offerer.set_remote_description(kind, sdp))
	answerer.set_remote_description("offer", offer[SDP_TEXT])
	await until(
		func() -> bool:
			offerer.poll()
			answerer.poll()
			return channel.get_ready_state() == WebRTCDataChannel.STATE_OPEN,
		5.0, "the channel opens")
	for connection in answerer.session_description_created.get_connections():
		answerer.session_description_created.disconnect(connection.callable)


func test_closing_is_seen_on_the_other_side() -> void:
	var pair := Pair.new()
	var channels := pair.negotiate("chat", {id = 1})
	pair.offerer.create_offer()
	await until(pair.are_open.bind(channels), 5.0, "both channels open")
	pair.offerer.close()
	check_equal(channels[0].get_ready_state(), WebRTCDataChannel.STATE_CLOSED, "ours, at once")
	await until(
		func() -> bool:
			return (pair.answerer.get_connection_state() == WebRTCPeerConnection.STATE_CLOSED
				and channels[1].get_ready_state() == WebRTCDataChannel.STATE_CLOSED),
		1.0, "the other side closes too")
	pair.close()


## Has the connection make an offer, and waits for it.
func _description_of(connection: WebRTCPeerConnection) -> Array:
	var descriptions := []
	var handler := func(kind: String, sdp: String) -> void: descriptions.append([kind, sdp])
	connection.session_description_created.connect(handler)
	check_equal(connection.create_offer(), OK, "an offer")
	await until(
		func() -> bool:
			connection.poll()
			return not descriptions.is_empty(),
		5.0, "a description")
	connection.session_description_created.disconnect(handler)
	return descriptions.front() if not descriptions.is_empty() else ["", ""]


func _listen(connection: WebRTCPeerConnection) -> void:
	connection.session_description_created.connect(
		func(kind: String, sdp: String) -> void: _signals.append([kind, sdp]))


func test_what_cannot_be_bound_is_told() -> void:
	var connection := WebRTCPeerConnection.new()
	# Reserved for documentation, so nobody's.
	check_equal(connection.initialize({bindAddress = "203.0.113.9"}), OK, "initialize")
	var _channel := connection.create_data_channel("chat")
	var errors: Array = []
	var _connected := connection.connect("address_failed",
		func(address: String, reason: String) -> void: errors.append([address, reason]))
	var offer := await _description_of(connection)
	check_equal(connection.set_local_description("offer", offer[SDP_TEXT]), OK, "setting it")
	await until(
		func() -> bool:
			connection.poll()
			return errors.size() == 1,
		5.0, "an error")
	await until(
		func() -> bool:
			return connection.get_connection_state() == WebRTCPeerConnection.STATE_FAILED,
		5.0, "it fails")
	var error: Array = errors[0]
	check_equal(error[0], "203.0.113.9", "what failed")
	check(error[1] != "", "why")
