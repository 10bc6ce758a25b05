extends "res://tests/signaling_case.gd"
## [SignalingClient] as the way into Godot's multiplayer: whole games in one process, each with a
## multiplayer API of its own, over real WebRTC connections.

const Player := preload("res://tests/fixtures/player.gd")
const SIZES: Array[int] = [1, 1024, 60 * 1024]
## Seconds for all connections of a lobby; debug builds encrypt slowly.
const PATIENCE := 60.0


func test_three_in_a_mesh() -> void:
	await _check_lobby(3, true)


func test_three_around_a_host() -> void:
	await _check_lobby(3, false)


func test_eight_in_a_mesh() -> void:
	await _check_lobby(8, true)


func test_eight_around_a_host() -> void:
	await _check_lobby(8, false)


func _check_lobby(count: int, mesh: bool) -> void:
	var server := add_server()
	var players := await _add_lobby(server, count, mesh)
	await _check_calls(players)

	var leaver: Player = players.pop_back()
	var leaver_id := leaver.id()
	leaver.client.stop()
	check_equal(leaver.others(), [], "the leaver is alone")
	check(leaver.multiplayer.multiplayer_peer is OfflineMultiplayerPeer, "as at first")
	check(leaver.client.get_multiplayer_peer() == null, "no multiplayer peer")
	for player in players:
		await until(func() -> bool: return not leaver_id in player.others(), 5.0,
			"%d notices that somebody quit" % player.id())
	await _check_peers(players)


func test_the_game_goes_on_without_the_server() -> void:
	var server := add_server()
	var players := await _add_lobby(server, 3, true)
	players[1].client.close()
	await reach(players[1].client, SignalingClient.STATE_LEFT)
	await frames(10)
	await _check_calls(players)
	server.stop()
	for player: Player in [players[0], players[2]]:
		await reach(player.client, SignalingClient.STATE_WAITING_FOR_NETWORK)
	await frames(10)
	for player in players:
		player.receiver.calls.clear()
	await _check_calls(players)


func test_the_host_leaving_ends_a_game_around_a_host() -> void:
	var server := add_server()
	var players := await _add_lobby(server, 3, false, "close")
	var told: Array[int] = []
	var left: Array[int] = []
	players[1].client.lobby_left.connect(
		func(failure: int, _message: String) -> void: left.append(failure))
	players[1].multiplayer.server_disconnected.connect(func() -> void: told.append(1))
	players[2].multiplayer.server_disconnected.connect(func() -> void: told.append(2))
	players[0].client.stop()
	await until(func() -> bool: return told.size() == 2, 5.0, "both notice")
	await until(func() -> bool: return not left.is_empty(), 5.0, "the lobby is gone too")
	check_equal(left, [SignalingClient.FAILURE_HOST_LEFT] as Array[int], "why")
	# And whoever wants to can host the next one.
	players[1].client.start(url_of(server))
	await reach(players[1].client, SignalingClient.STATE_JOINED)
	check_equal(players[1].id(), 1, "the new host")


func test_the_hosting_game_plays_too() -> void:
	var server := add_server()
	var players: Array[Player] = [_add_player(server), _add_player(server)]
	check_equal(players[0].client.connect_to_server(server), OK, "through memory")
	await reach(players[0].client, SignalingClient.STATE_JOINED)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	players[1].client.start("", server.get_lobbies()[0].name)
	await reach(players[1].client, SignalingClient.STATE_JOINED)
	await _check_peers(players)
	await _check_calls(players)


func test_a_host_serves_everybody_on_one_port() -> void:
	var server := add_server()
	var free := PacketPeerUDP.new()
	check_equal(free.bind(0), OK, "a free port")
	var port := free.get_local_port()
	free.close()
	var host := _add_player(server)
	host.client.mesh = false
	host.client.rtc_configuration = {udpMux = port}
	host.client.start()
	await reach(host.client, SignalingClient.STATE_JOINED)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	var players: Array[Player] = [host]
	for _index in 3:
		var guest := _add_player(server)
		guest.client.mesh = false
		guest.client.start("", server.get_lobbies()[0].name)
		await reach(guest.client, SignalingClient.STATE_JOINED)
		players.append(guest)
	await _check_peers(players)
	await _check_calls(players)
	for guest: Player in players.slice(1):
		var pair: Dictionary = host.client.get_peer_statistics(guest.id()).selected_pair
		check((pair.local_address as String).ends_with(":%d" % port), pair.local_address)


func test_ice_servers_of_no_use_are_told() -> void:
	var server := add_server()
	var host := _add_player(server)
	# Nobody listens there.
	var url := "turn:127.0.0.1:9?transport=tcp"
	host.client.ice_servers = [{urls = [url], username = "me", credential = "secret"}]
	var failures: Array = []
	host.client.ice_server_failed.connect(
		func(failed: String, code: int, _reason: String) -> void: failures.append([failed, code]))
	host.client.start()
	await reach(host.client, SignalingClient.STATE_JOINED)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	var guest := _add_player(server)
	guest.client.start("", server.get_lobbies()[0].name)
	await reach(guest.client, SignalingClient.STATE_JOINED)
	await _check_peers([host, guest] as Array[Player])
	await until(func() -> bool: return not failures.is_empty(), 5.0, "the failure")
	check_equal(failures, [[url, 701]], "failures")


func test_the_multiplayer_peer_is_there_when_connected_is_emitted() -> void:
	var server := add_server()
	for mesh: bool in [true, false]:
		var player := _add_player(server)
		var seen: Array = []
		player.client.connected.connect(func(id: int, use_mesh: bool) -> void:
			seen.assign([id, use_mesh, player.id(), player.multiplayer.multiplayer_peer]))
		player.client.start("", "", mesh)
		await reach(player.client, SignalingClient.STATE_JOINED)
		check_equal(seen, [1, mesh, 1, player.client.get_multiplayer_peer()], "while connected")
		check_equal(player.client.rtc_mp, player.client.get_multiplayer_peer(), "the demo's name")


func test_a_multiplayer_peer_that_is_not_ours_is_left_alone() -> void:
	var server := add_server()
	var player := _add_player(server)
	player.client.start()
	await reach(player.client, SignalingClient.STATE_JOINED)
	var other := OfflineMultiplayerPeer.new()
	player.multiplayer.multiplayer_peer = other
	player.client.stop()
	check_equal(player.multiplayer.multiplayer_peer, other, "still there")


func test_a_new_lobby_replaces_the_old_connections() -> void:
	var server := add_server()
	var players := await _add_lobby(server, 2, true)
	var old := players[0].client.get_multiplayer_peer()
	players[0].client.connect_to_url(url_of(server))
	await reach(players[0].client, SignalingClient.STATE_JOINED)
	check(players[0].client.get_multiplayer_peer() != old, "another multiplayer peer")
	check_equal(players[0].multiplayer.multiplayer_peer,
		players[0].client.get_multiplayer_peer(), "assigned")
	await until(func() -> bool: return players[1].others().is_empty(), 5.0, "the other notices")


func test_a_demo_client_plays_along() -> void:
	var server := add_server()
	var players: Array[Player] = [_add_player(server), _add_player(server)]
	var demo := preload("res://tests/fixtures/demo_player.gd").new(players[1])
	demo.open(url_of(server))
	await until(demo.poll, 5.0, "connected")
	demo.send(DemoClient.JOIN, 0, "")
	await until(demo.has.bind(DemoClient.JOIN), 5.0, "lobby created")
	players[0].client.start("", demo.data_of(DemoClient.JOIN))
	await until(func() -> bool:
		demo.play()
		return not players[0].others().is_empty() and not players[1].others().is_empty(),
		PATIENCE, "they meet")
	await _check_calls(players)


func test_a_scene_can_be_freed_in_the_middle_of_a_handshake() -> void:
	var server := add_server()
	for patience in 12:
		var players: Array[Player] = [_add_player(server), _add_player(server)]
		players[0].client.connect_to_server(server)
		await reach(players[0].client, SignalingClient.STATE_JOINED)
		await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
		players[1].client.start("", server.get_lobbies()[0].name)
		await frames(patience * 3)
		for player in players:
			player.free()
		await until(func() -> bool: return server.get_lobbies().is_empty(), 5.0, "no lobby")


func test_it_can_be_freed_from_within_the_signals_of_the_multiplayer_api() -> void:
	var server := add_server()
	for signal_name: String in ["connected_to_server", "peer_connected", "peer_disconnected",
			"server_disconnected"]:
		# With another policy the guest may begin anew before it sees that the host has hung up.
		var players := await _add_lobby(server, 2, false, "close")
		# The server closes whoever writes to a peer that has just left: let the last candidates
		# arrive first.
		await frames(30)
		var id := players[1].get_instance_id()
		players[1].multiplayer.connect(signal_name,
			func(..._arguments: Array) -> void: players[1].queue_free())
		if signal_name.ends_with("to_server") or signal_name == "peer_connected":
			players[1].client.start(url_of(server), server.get_lobbies()[0].name)
		else:
			players[0].client.stop()
		await gone(id, "freed from within " + signal_name)
		players[0].free()
		await until(func() -> bool: return server.get_lobbies().is_empty(), 5.0, "no lobby")


func _add_player(server: SignalingServer) -> Player:
	var player := Player.new()
	player.client.url = url_of(server)
	add_child(player, true)
	return player


## Players that have met in one lobby.
func _add_lobby(
		server: SignalingServer, count: int, mesh: bool, host_policy := "migrate"
) -> Array[Player]:
	var players: Array[Player] = []
	for index in count:
		var player := _add_player(server)
		player.client.mesh = mesh
		player.client.host_policy = host_policy
		players.append(player)
	players[0].client.start()
	await reach(players[0].client, SignalingClient.STATE_JOINED)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	for player: Player in players.slice(1):
		player.client.start("", server.get_lobbies()[0].name)
	for player in players:
		await reach(player.client, SignalingClient.STATE_JOINED)
	await _check_peers(players)
	return players


## Waits until each player is connected to whom the lobby's kind asks for, and to nobody else.
func _check_peers(players: Array[Player]) -> void:
	for player in players:
		var expected := _partners(player, players).map(func(other: Player) -> int: return other.id())
		expected.sort()
		await until(func() -> bool: return player.others() == expected, PATIENCE,
			"%d is connected to %s" % [player.id(), expected])


func _partners(player: Player, players: Array[Player]) -> Array[Player]:
	return players.filter(func(other: Player) -> bool:
		return other != player and (player.client.mesh or player.id() == 1 or other.id() == 1))


## Lets everybody call everybody with every size in every way: all at once where the transport has
## to cope with it, one by one, and again until it arrives, where it may drop what is too much.
func _check_calls(players: Array[Player]) -> void:
	var pairs: Array[Array] = []
	for player in players:
		for other in _partners(player, players):
			pairs.append([player, other])
	for size in SIZES:
		for pair in pairs:
			pair[0].receiver.send(pair[1].id(), "reliable", size)
		for pair in pairs:
			await _check_heard(pair[0], pair[1], "reliable", size)
		for kind: String in ["unreliable", "unreliable_ordered"]:
			for pair in pairs:
				await _check_heard(pair[0], pair[1], kind, size)


func _check_heard(player: Player, other: Player, kind: String, size: int) -> void:
	var id := player.id()
	var attempts := [0]
	await until(func() -> bool:
		if kind != "reliable" and attempts[0] % 30 == 0:
			player.receiver.send(other.id(), kind, size)
		attempts[0] += 1
		return other.receiver.has(id, kind, size),
		20.0, "%d hears %s of %d bytes from %d" % [other.id(), kind, size, id])
