extends "res://tests/signaling_case.gd"
## Games that speak the extended protocol, and games and servers that do not.

const Player := preload("res://tests/fixtures/player.gd")
const OldServer := preload("res://tests/fixtures/old_server.gd")


func test_old_and_new_clients_play_together() -> void:
	for is_host_new: bool in [true, false]:
		var server := add_server()
		var players := [_add_player(url_of(server), is_host_new),
			_add_player(url_of(server), not is_host_new)]
		players[0].client.start()
		await reach(players[0].client, SignalingClient.STATE_JOINED)
		players[1].client.start("", players[0].client.get_lobby().code)
		await _check_plays(players)
		for player: Player in players:
			var ids := player.client.get_members().map(
				func(member: Dictionary) -> int: return member.id)
			ids.sort()
			var expected := [1, players[1].id()]
			check_equal(ids, expected, "members")
			player.free()
		server.free()


func test_a_new_client_on_an_old_server() -> void:
	var server := OldServer.new()
	add_child(server)
	var players := [_add_player(server.url(), true), _add_player(server.url(), true)]
	var created: SignalingRequest = players[0].client.create_lobby()
	check_equal(await created.completed, true, "created: " + created.message)
	check_equal([created.value, server.strange], [OldServer.LOBBY, 1], "as the old server can")
	players[1].client.start("", created.value)
	await _check_plays(players)
	var member: SignalingClient = players[1].client
	for request: SignalingRequest in [member.list_lobbies(), member.update_me({}),
			member.set_lobby_value("a", 1, null)]:
		check_equal(await request.completed, false, "what it cannot")
		check_equal(request.failure, SignalingClient.FAILURE_NEEDS_EXTENDED, "why")
	check_equal(await member.leave_lobby().completed, true, "left")
	check_equal(players[1].multiplayer.multiplayer_peer is OfflineMultiplayerPeer, true, "alone")


func _check_plays(players: Array) -> void:
	for player: Player in players:
		await until(func() -> bool: return player.others().size() == 1, 20.0, "they meet")
	for pair: Array in [[players[0], players[1]], [players[1], players[0]]]:
		pair[0].receiver.send(pair[1].id(), "reliable", 100)
		await until(pair[1].receiver.has.bind(pair[0].id(), "reliable", 100), 5.0, "and play")


func _add_player(url: String, is_extended: bool) -> Player:
	var player := Player.new()
	player.client.url = url
	player.client.extended = is_extended
	add_child(player, true)
	return player
