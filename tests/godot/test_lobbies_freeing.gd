extends "res://tests/signaling_case.gd"
## [SignalingClient] can be freed, or stopped, from within each of its signals and requests.

const Player := preload("res://tests/fixtures/player.gd")


func test_from_within_the_signals_of_lobbies() -> void:
	var server := add_server({"client_ping_interval": 0.2})
	for told_last: String in ["state_changed", "member_joined", "member_changed", "member_left",
			"lobby_joined", "lobby_changed", "lobby_message", "lobby_value_changed",
			"host_changed", "lobby_listed", "status_changed", "invited", "invite_cancelled",
			"lobby_left"]:
		var host := add_client(server)
		check_equal(await host.create_lobby({public = true}).completed, true, "created")
		var client := add_client(server)
		client.connect(told_last, func(..._arguments: Array) -> void: client.queue_free())
		var id := client.get_instance_id()
		client.start("", host.get_lobby().code)
		client.watch_lobbies()
		client.watch_statuses()
		await until(
			func() -> bool: return host.get_members().size() == 2 or not is_instance_id_valid(id),
			5.0,
			"joined, or gone before")
		await _let_everything_happen(server, host, id)
		await gone(id, "freed from within " + told_last)
		host.free()
		await until(func() -> bool: return server.get_lobbies().is_empty(), 5.0, "no lobby")


## Everything that a member can be told of after it has joined.
func _let_everything_happen(server: SignalingServer, host: SignalingClient, id: int) -> void:
	var lobby: String = host.get_lobby().code
	host.update_lobby({max_players = 7})
	host.send_lobby_message("hello")
	host.set_lobby_value("a", 1, null)
	host.set_status("busy")
	var third := add_client(server)
	await third.join_lobby(lobby).completed
	third.update_me({ready = true})
	await third.leave_lobby().completed
	await third.create_lobby().completed
	if is_instance_id_valid(id):
		var client: SignalingClient = instance_from_id(id)
		await third.invite(client.get_user()).completed
	third.free()
	if is_instance_id_valid(id) and host.get_members().size() == 2:
		var member: int = host.get_members()[1].id
		await host.transfer_host(member).completed
	if is_instance_id_valid(id):
		var client: SignalingClient = instance_from_id(id)
		client.leave_lobby()


func test_from_within_a_request() -> void:
	var server := add_server()
	for ending: Callable in [
			func(client: SignalingClient) -> void: client.free(),
			func(client: SignalingClient) -> void: client.stop(),
			func(client: SignalingClient) -> void: client.create_lobby()]:
		var client := add_client(server)
		var request := client.create_lobby()
		var count := [0]
		request.completed.connect(func(_ok: bool) -> void:
			count[0] += 1
			ending.call(client))
		await request.completed
		await frames(5)
		check_equal(count, [1], "completed once")


func test_from_within_a_migration() -> void:
	var server := add_server()
	for told_last: String in ["migration_started", "migration_finished", "host_changed"]:
		var players: Array[Player] = []
		for index in 3:
			var player := Player.new()
			player.client.url = url_of(server)
			player.client.mesh = false
			add_child(player, true)
			players.append(player)
			player.client.start("", "" if index == 0 else players[0].client.get_lobby().code)
			await reach(player.client, SignalingClient.STATE_JOINED)
		await until(func() -> bool: return players[0].others().size() == 2, 20.0, "a match")
		var id := players[2].get_instance_id()
		players[2].client.connect(told_last,
			func(..._arguments: Array) -> void: players[2].queue_free())
		players[0].free()
		await gone(id, "freed from within " + told_last)
		await until(func() -> bool: return players[1].id() == 1, 5.0, "the others do not mind")
		players[1].free()
		await until(func() -> bool: return server.get_lobbies().is_empty(), 5.0, "no lobby")


func test_a_kicked_player_is_cut_off() -> void:
	var server := add_server()
	var players: Array[Player] = []
	for index in 3:
		var player := Player.new()
		player.client.url = url_of(server)
		add_child(player, true)
		players.append(player)
		player.client.start("", "" if index == 0 else players[0].client.get_lobby().code)
		await reach(player.client, SignalingClient.STATE_JOINED)
	for player in players:
		await until(func() -> bool: return player.others().size() == 2, 20.0, "a match")
	check_equal(await players[0].client.kick(players[2].id()).completed, true, "kicked")
	await until(func() -> bool: return players[2].others().is_empty(), 2.0, "alone")
	check(players[2].client.get_multiplayer_peer() == null, "no multiplayer peer")
	for player: Player in [players[0], players[1]]:
		await until(func() -> bool: return player.others().size() == 1, 2.0, "one is gone")
