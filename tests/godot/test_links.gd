extends "res://tests/signaling_case.gd"
## What [SignalingClient] does about bad lines between players.

const Player := preload("res://tests/fixtures/player.gd")
const Line := preload("res://tests/webrtc_line.gd")

## The one whose client is tested.
var player := Player.new()
## The other side, done by hand, so that the line to it can be cut.
var other: SignalingClient
var connection := WebRTCPeerConnection.new()
var peer := WebRTCMultiplayerPeer.new()
var line := Line.new()
## What the client told.
var told: Array[Array] = []
## How often it offered.
var offers := 0
## Whether the other side reacts to offers.
var answers := true


func test_a_blip_is_survived_and_told() -> void:
	await _meet()
	line.is_cut = true
	await _until(func() -> bool: return told_of(told, "link_unstable"), 4.0, "it is noticed")
	check_equal(told[0], ["link_unstable", 1], "what is told")
	await _until(func() -> bool: return offers >= 2, 5.0, "a restart is tried")
	var scene: SceneMultiplayer = player.multiplayer
	scene.send_bytes("patience".to_utf8_buffer(), 1)
	line.is_cut = false
	await _until(func() -> bool: return told_of(told, "link_recovered"), 5.0, "it heals")
	await _until(func() -> bool: return peer.get_available_packet_count() > 0, 5.0, "a packet")
	check(peer.get_packet().get_string_from_utf8().ends_with("patience"), "what was sent meanwhile")
	check_equal(player.others(), [1], "nobody was dropped")
	check_equal(peer.get_peer(player.id()).connected, true, "there neither")
	check_equal(connection.get_connection_state(), WebRTCPeerConnection.STATE_CONNECTED, "state")
	await _leave()


func test_restarts_keep_a_connection_alive_while_the_other_side_agrees() -> void:
	await _meet()
	line.is_cut = true
	await _until(func() -> bool: return offers >= 6, 20.0, "restarts are tried")
	check_equal(player.others(), [1], "nobody was dropped")
	line.is_cut = false
	await _until(func() -> bool: return told_of(told, "link_recovered"), 5.0, "it heals")
	check(not told_of(told, "peer_failed"), "nothing failed")
	await _leave()


func test_a_peer_that_stays_away_is_given_up_with_a_reason() -> void:
	await _meet()
	var gone: Array[int] = []
	player.multiplayer.peer_disconnected.connect(func(id: int) -> void: gone.append(id))
	var failures: Array[Array] = []
	player.client.failed.connect(
		func(failure: int, _message: String, details: Dictionary) -> void:
			failures.append([failure, details.peer, details.local_candidates, "STUN" in details.hint]))
	line.is_cut = true
	answers = false
	await _until(func() -> bool: return told_of(told, "peer_failed"), 9.0, "it is given up")
	check_equal(told.back(), ["peer_failed", 1, "the other side fell silent"], "why")
	check_equal(failures, [[SignalingClient.FAILURE_ICE_FAILED, 1,
		PackedStringArray(["host"]), false]] as Array[Array],
		"with the kinds of candidates, and no hint at servers that would not have helped")
	check_equal(gone, [1] as Array[int], "the multiplayer API tells too")
	check_equal(player.client.get_peer_statistics(1), {}, "nothing is left to tell")
	await _leave()


func test_it_can_be_freed_from_within_its_signals() -> void:
	await _meet()
	var client := player.client
	client.link_unstable.connect(func(_id: int) -> void: client.queue_free())
	line.is_cut = true
	await gone(client.get_instance_id(), "freed from within")
	await frames(2)
	check_equal(told.back(), ["link_unstable", 1], "nothing follows")
	await _leave_without_client()


func test_it_can_be_freed_when_a_server_is_of_no_use() -> void:
	var client := player.client
	# Nobody listens there.
	var relay := "turn:127.0.0.1:9?transport=tcp"
	client.ice_servers = [{urls = relay, username = "me", credential = "secret"}]
	client.ice_server_failed.connect(func(..._arguments: Array) -> void: client.queue_free())
	await _begin()
	await gone(client.get_instance_id(), "freed from within")
	await _leave_without_client()


func test_statistics_of_a_peer() -> void:
	await _meet()
	await _until(
		func() -> bool: return player.client.get_peer_statistics(1).get("selected_pair", {}) != {},
		5.0, "there are some")
	var statistics := player.client.get_peer_statistics(1)
	check_equal(statistics.selected_pair.state, "succeeded", "the pair")
	check_equal(statistics.channels.size(), 3, "the channels of the multiplayer peer")
	for id: int in [0, -1, 2, 1 << 40]:
		check_equal(player.client.get_peer_statistics(id), {}, "nobody")
	await _leave()


## Lets the two meet and connect.
func _meet() -> void:
	await _begin()
	await _until(
		func() -> bool: return player.others() == [1] and peer.get_peer(player.id()).connected,
		20.0, "they are connected")


## Lets the two meet in a lobby.
func _begin() -> void:
	var server := add_server()
	other = await add_member(server)
	peer.create_mesh(1)
	_connect_by_hand()
	player.client.url = url_of(server)
	add_child(player)
	for event: String in ["link_unstable", "link_recovered", "peer_failed"]:
		player.client.connect(
			event, func(...arguments: Array) -> void: told.append([event] + arguments))
	player.client.start("", server.get_lobbies()[0].name)


func _connect_by_hand() -> void:
	other.peer_connected.connect(func(id: int) -> void: peer.add_peer(connection, id))
	other.offer_received.connect(
		func(_id: int, sdp: String) -> void:
			offers += 1
			if answers:
				connection.set_remote_description("offer", line.description_of(0, sdp)))
	other.candidate_received.connect(
		func(_id: int, mid: String, index: int, candidate: String) -> void:
			candidate = line.candidate_of(0, candidate)
			if candidate != "":
				connection.add_ice_candidate(mid, index, candidate))
	connection.session_description_created.connect(
		func(kind: String, sdp: String) -> void:
			connection.set_local_description(kind, sdp)
			other.send_answer(player.id(), line.description_of(1, sdp)))
	connection.ice_candidate_created.connect(
		func(mid: String, index: int, candidate: String) -> void:
			candidate = line.candidate_of(1, candidate)
			if candidate != "":
				other.send_candidate(player.id(), mid, index, candidate))


func _leave_without_client() -> void:
	player.client = SignalingClient.new()
	player.add_child(player.client)
	await _leave()


## The handlers hold references to the connection.
func _leave() -> void:
	player.client.stop()
	peer.close()
	connection.close()
	for event: String in ["session_description_created", "ice_candidate_created"]:
		for handler in connection.get_signal_connection_list(event):
			connection.disconnect(event, handler.callable)
	await frames(2)


func _until(condition: Callable, seconds: float, what: String) -> void:
	await until(
		func() -> bool:
			line.poll()
			peer.poll()
			return condition.call(),
		seconds, what)
