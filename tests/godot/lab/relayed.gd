extends "res://tests/case.gd"
## One of two players who are told of a TURN server by the signaling server. User arguments:
## [code]--url=[/code] of the signaling server, [code]--lobby=[/code] to join (without, it creates
## one and prints its name), and [code]--is-refused[/code] if the TURN server refuses the passwords
## that the signaling server tells of.

const Player := preload("res://tests/fixtures/player.gd")
const DONE := "done"

var _player := Player.new()
var _lobby := _argument("lobby")
## What [signal SignalingClient.failed] has told.
var _failures: Array[Array] = []
## What the other player has said through the server.
var _messages: Array[String] = []


func test_a_relay_that_the_server_tells_of() -> void:
	var is_refused := "--is-refused" in OS.get_cmdline_user_args()
	# Of two that are refused, one shows the other where it is.
	if not (is_refused and _is_guest()):
		_player.client.rtc_configuration = {iceTransportPolicy = "relay"}
	_player.client.failed.connect(
		func(failure: SignalingClient.Failure, _message: String, details: Dictionary) -> void:
			_failures.append([failure, details]))
	_player.client.lobby_message.connect(
		func(_id: int, data: String, _to_all: bool) -> void: _messages.append(data))
	add_child(_player, true)
	await _enter()
	if is_refused:
		await _fail()
	else:
		await _play()
	await _wait_for_the_other()


func _enter() -> void:
	var client := _player.client
	client.start(_argument("url"), _lobby)
	var state := SignalingClient.STATE_JOINED
	await until(func() -> bool: return client.get_state() == state, 20.0, "in a lobby")
	if not _is_guest():
		print("lobby ", client.get_lobby().get("code"))


## What is played goes through the relay.
func _play() -> void:
	await until(func() -> bool: return _player.others().size() == 1, 30.0, "connected")
	var other: int = _player.others()[0]
	_player.receiver.send(other, "reliable", 1000)
	await until(
		func() -> bool: return _player.receiver.has(other, "reliable", 1000), 10.0, "heard")
	var pair: Dictionary = _player.client.get_peer_statistics(other).selected_pair
	check_equal(pair.local_type, "relay", "our end")
	check_equal(pair.remote_type, "relay", "the other end")
	check_equal(_failures, [] as Array[Array], "nothing failed")


## Why there is no way is told.
func _fail() -> void:
	await until(func() -> bool: return _failures.size() == 2, 45.0, "both failures are told")
	var turn := _failures[0]
	check_equal(turn[0], SignalingClient.FAILURE_TURN_UNREACHABLE, "first the relay")
	check_equal([turn[1].url, turn[1].code], ["turn:198.51.100.1", 401], "which, and why")
	var ice := _failures[1]
	check_equal(ice[0], SignalingClient.FAILURE_ICE_FAILED, "then the connection")
	var nothing := PackedStringArray()
	# A TURN server tells everybody's public address.
	var direct := PackedStringArray(["host", "srflx"])
	check_equal(ice[1].local_candidates, direct if _is_guest() else nothing, "our candidates")
	check_equal(ice[1].remote_candidates, nothing if _is_guest() else direct, "the other's")
	for details: Dictionary in [turn[1], ice[1]]:
		check(not details.reason.is_empty() and not details.hint.is_empty(), "words for it")


## Whoever goes first would take from the other what that still waits for.
func _wait_for_the_other() -> void:
	check(await _player.client.send_lobby_message(DONE).completed, "the other learns that we are done")
	await until(func() -> bool: return DONE in _messages, 45.0, "the other is done")


func _is_guest() -> bool:
	return not _lobby.is_empty()


func _argument(wanted: String) -> String:
	for argument in OS.get_cmdline_user_args():
		if argument.begins_with("--%s=" % wanted):
			return argument.get_slice("=", 1)
	return ""
