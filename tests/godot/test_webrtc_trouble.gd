extends "res://tests/case.gd"
## What a game is told, and not told, when the line is bad.

const Pair := preload("res://tests/webrtc_pair.gd")
const Line := preload("res://tests/webrtc_line.gd")
const NAMES: Array[String] = ["offerer", "answerer"]

var _line := Line.new()
var _pair: Pair
var _channels: Array[WebRTCDataChannel] = []
## Signals, as [name of the side, what it was].
var _signals: Array[Array] = []


func after() -> void:
	for connection: WebRTCPeerConnection in [_pair.offerer, _pair.answerer]:
		for event: String in ["link_unstable", "link_recovered"]:
			for handler in connection.get_signal_connection_list(event):
				connection.disconnect(event, handler.callable)
	_pair.close()


func test_statistics_of_an_unused_connection_are_empty() -> void:
	_pair = Pair.new()
	check_equal(_statistics(0), {}, "statistics")
	after()


func test_a_blip_is_told_by_signals_and_hidden_in_the_state() -> void:
	await _connect({disconnectedTimeout = 500, failedTimeout = 20000})
	_line.is_cut = true
	check_equal(_channels[0].put_packet("patience".to_utf8_buffer()), OK, "a packet")
	await _until(func() -> bool: return _signals.size() == 2, 5.0, "both notice")
	for side in 2:
		check(_signals.has([NAMES[side], "unstable"]), NAMES[side])
		check_equal(_state(side), WebRTCPeerConnection.STATE_CONNECTED, "the state shown")
	_line.is_cut = false
	await _until(func() -> bool: return _signals.size() == 4, 5.0, "both recover")
	for side in 2:
		check(_signals.has([NAMES[side], "recovered"]), NAMES[side])
	await _until(
		func() -> bool: return _channels[1].get_available_packet_count() == 1, 5.0, "the packet")
	check_equal(_channels[1].get_packet().get_string_from_utf8(), "patience", "its content")
	after()


func test_the_state_tells_when_asked_to() -> void:
	await _connect({disconnectedTimeout = 500, failedTimeout = 1500, hideInterruptions = false})
	_line.is_cut = true
	await _until(
		func() -> bool: return _state(0) == WebRTCPeerConnection.STATE_DISCONNECTED, 5.0, "a blip")
	await _until(
		func() -> bool: return _state(0) == WebRTCPeerConnection.STATE_FAILED, 5.0, "the end")
	var statistics := _statistics(0)
	check_equal(statistics.failure, "the other side fell silent", "why")
	check_equal(statistics.selected_pair, {}, "no pair is in use")
	after()


func test_a_restart_revives_what_failed() -> void:
	await _connect({disconnectedTimeout = 300, failedTimeout = 1000})
	_line.is_cut = true
	check_equal(_channels[0].put_packet("patience".to_utf8_buffer()), OK, "a packet")
	await _until(
		func() -> bool:
			return (_state(0) == WebRTCPeerConnection.STATE_FAILED
				and _state(1) == WebRTCPeerConnection.STATE_FAILED),
		5.0, "both give up")
	_line.is_cut = false
	check_equal(_pair.offerer.create_offer(), OK, "a restart")
	await _until(
		func() -> bool: return _channels[1].get_available_packet_count() == 1, 5.0, "the packet")
	for side in 2:
		check_equal(_state(side), WebRTCPeerConnection.STATE_CONNECTED, "connected again")
	check_equal(_pair.errors, [] as Array[int], "errors")
	after()


func test_restarts_from_either_side_lose_nothing() -> void:
	await _connect({})
	for round in 6:
		check_equal([_pair.offerer, _pair.answerer][round % 2].create_offer(), OK, "a restart")
		for index in 30:
			_channels[0].put_packet(PackedByteArray([round, index]))
			await _frame()
	await _until(
		func() -> bool: return _channels[1].get_available_packet_count() == 180, 5.0, "all arrive")
	for round in 6:
		for index in 30:
			if _channels[1].get_packet() != PackedByteArray([round, index]):
				check(false, "packet %d of round %d" % [index, round])
	check_equal(_pair.errors, [] as Array[int], "errors")
	check_equal(_signals, [] as Array[Array], "no interruption")
	after()


func test_when_both_offer_at_once_one_gives_in() -> void:
	await _connect({})
	check_equal(_pair.offerer.create_offer(), OK, "an offer")
	check_equal(_pair.answerer.create_offer(), OK, "an offer")
	await frames(10)
	await _until(
		func() -> bool:
			return (
				_pair.offerer.get_signaling_state() == WebRTCPeerConnection.SIGNALING_STATE_STABLE
				and (_pair.answerer.get_signaling_state()
					== WebRTCPeerConnection.SIGNALING_STATE_STABLE)),
		5.0, "they agree")
	_channels[0].put_packet("hello".to_utf8_buffer())
	await _until(
		func() -> bool: return _channels[1].get_available_packet_count() == 1, 5.0, "the packet")
	after()


func test_statistics_tell_of_path_and_traffic() -> void:
	await _connect({})
	for index in 10:
		_channels[0].put_packet(PackedByteArray([index]))
	await _until(
		func() -> bool:
			return (_statistics(0).messages_sent == 10
				and _statistics(1).messages_received == 10),
		5.0, "the messages are counted")
	var statistics := _statistics(0)
	for key: String in ["bytes_sent", "bytes_received", "packets_sent", "packets_received"]:
		check(statistics[key] > 10, key)
	var pair: Dictionary = statistics.selected_pair
	check_equal(pair.state, "succeeded", "the pair")
	check_equal([pair.local_type, pair.protocol, pair.relayed], ["host", "udp", false], "its kind")
	check(pair.checks_answered > 0, "checks")
	check(statistics.round_trip_time >= 0.0, "the round trip")
	check_equal(statistics.round_trip_time, pair.round_trip_time, "the same")
	check(statistics.message_round_trip_time >= 0.0, "the round trip of messages")
	check(statistics.loss >= 0.0 and statistics.loss <= 1.0, "loss")
	check_equal(statistics.failure, "", "no failure")
	check_equal(
		statistics.channels, [{label = "chat", id = 1, buffered_amount = 0}], "the channels")
	check(statistics.local_candidates.size() > 0, "our candidates")
	check(statistics.remote_candidates.size() > 0, "their candidates")
	check(statistics.pairs.has(pair), "the pair is one of all")
	after()


func test_timeouts_that_make_no_sense_are_refused() -> void:
	var connection := WebRTCPeerConnection.new()
	for config: Dictionary in [
			{disconnectedTimeout = 100},
			{disconnectedTimeout = -1},
			{disconnectedTimeout = "2"},
			{disconnectedTimeout = 7000},
			{disconnectedTimeout = 3000, failedTimeout = 2000},
			{hideInterruptions = "no"},
	]:
		check_equal(connection.initialize(config), ERR_INVALID_PARAMETER, str(config))
	check_equal(
		connection.initialize({disconnectedTimeout = 3000, failedTimeout = 9000}), OK, "sense")


## Connects the two over the line, with one channel.
func _connect(config: Dictionary) -> void:
	_pair = Pair.new()
	_pair.line = _line
	for connection: WebRTCPeerConnection in [_pair.offerer, _pair.answerer]:
		check_equal(connection.initialize(config), OK, "the configuration")
	for side in 2:
		var connection: WebRTCPeerConnection = [_pair.offerer, _pair.answerer][side]
		for event: String in ["unstable", "recovered"]:
			connection.connect(
				"link_" + event, func() -> void: _signals.append([NAMES[side], event]))
	_channels = _pair.negotiate("chat", {id = 1})
	check_equal(_pair.offerer.create_offer(), OK, "an offer")
	await _until(_pair.are_open.bind(_channels), 5.0, "both channels open")


func _until(condition: Callable, seconds: float, what: String) -> void:
	await until(
		func() -> bool:
			_line.poll()
			_pair.poll()
			return condition.call(),
		seconds, what)


func _frame() -> void:
	await frames(1)
	_line.poll()
	_pair.poll()


func _state(side: int) -> WebRTCPeerConnection.ConnectionState:
	return [_pair.offerer, _pair.answerer][side].get_connection_state()


func _statistics(side: int) -> Dictionary:
	return [_pair.offerer, _pair.answerer][side].call("get_statistics")
