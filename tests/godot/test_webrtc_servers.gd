extends "res://tests/case.gd"
## What becomes of STUN and TURN servers.

# Nobody listens there.
const REFUSED := "turn:127.0.0.1:9?transport=tcp"

var _failures: Array[Array] = []
var _candidates: Array[String] = []


func test_a_server_of_no_use_is_told_and_holds_nothing_up() -> void:
	var server := {urls = [REFUSED], username = "me", credential = "secret"}
	var connection := await _gather({iceServers = [server]})
	check_equal(_failures.size(), 1, "failures")
	var failure: Array = _failures[0]
	check_equal(failure.slice(0, 2), [REFUSED, 701], "which, and the code")
	check(failure[2] != "", "the reason")
	check(not _candidates.is_empty(), "our own addresses are told all the same")
	connection.close()


func test_encrypted_stun_is_left_alone() -> void:
	var connection := await _gather({iceServers = [{urls = "stuns:127.0.0.1:9"}]})
	check_equal(_failures, [] as Array[Array], "failures")
	connection.close()


func test_relays_alone_give_no_address_away() -> void:
	var server := {urls = REFUSED, username = "me", credential = "secret"}
	var connection := await _gather({
		iceServers = [server, {urls = "stun:127.0.0.1:9"}], iceTransportPolicy = "relay"})
	check_equal(_candidates, [] as Array[String], "candidates")
	check_equal(_failures.size(), 1, "failures: the STUN server is not asked")
	connection.close()


## A connection that has found all it could find with this configuration.
func _gather(config: Dictionary) -> WebRTCPeerConnection:
	_failures.clear()
	_candidates.clear()
	var connection := WebRTCPeerConnection.new()
	check_equal(connection.initialize(config), OK, "initialize")
	var _channel := connection.create_data_channel("chat")
	var weak: WeakRef = weakref(connection)
	connection.session_description_created.connect(
		func(kind: String, sdp: String) -> void:
			var described: WebRTCPeerConnection = weak.get_ref()
			check_equal(described.set_local_description(kind, sdp), OK, "our own description"))
	connection.ice_candidate_created.connect(
		func(_mid: String, _index: int, candidate: String) -> void: _candidates.append(candidate))
	connection.connect("ice_server_failed",
		func(url: String, code: int, reason: String) -> void: _failures.append([url, code, reason]))
	check_equal(connection.create_offer(), OK, "an offer")
	await until(
		func() -> bool:
			connection.poll()
			return (connection.get_gathering_state()
				== WebRTCPeerConnection.GATHERING_STATE_COMPLETE),
		10.0, "all that can be found")
	connection.poll()
	return connection
