extends "res://tests/signaling_case.gd"
## The host goes, and the game goes on.

const Player := preload("res://tests/fixtures/player.gd")
const PATIENCE := 30.0
## How long players may wait for the game to go on.
const PAUSE := 5.0


func test_the_host_of_a_mesh_is_killed() -> void:
	var server := add_server()
	var host := await _start_host(server, "mesh")
	var players := await _add_players(server, true)
	var peers := players.map(func(player: Player) -> Object: return player.peer())
	OS.kill(host)
	var begun := Time.get_ticks_msec()
	for player in players:
		await until(player.has_host.bind(players[0].id()), PAUSE, "the eldest is the host")
	_check_pause(begun)
	for player in players:
		check_equal(player.told.filter(_is_of_migration), [], "no connection is made anew")
		check_equal(player.peer(), peers[players.find(player)], "nor is the multiplayer peer")
	await _check_calls(players)


func test_the_host_that_all_are_connected_to_is_killed() -> void:
	var server := add_server()
	var host := await _start_host(server, "star")
	var players := await _add_players(server, false)
	OS.kill(host)
	var begun := Time.get_ticks_msec()
	for player in players:
		await until(player.has_finished_migration, PAUSE, "everybody is connected to the new host")
	_check_pause(begun)
	check_equal(players[0].id(), 1, "the eldest is the host")
	for player in players:
		check_equal(player.told.filter(_is_of_migration),
			["migration_started", "host_changed", "migration_finished"], "in this order")
		check_equal(player.client.get_members().size(), 3, "members")
	await _check_calls(players)
	players[1].client.stop()
	await until(func() -> bool: return players[0].others().size() == 1, PAUSE, "one leaves")
	check_equal(await players[0].client.update_lobby({locked = true}).completed, true, "its right")


func test_a_host_hands_over_and_comes_last() -> void:
	var server := add_server()
	var players := await _add_players(server, false)
	var second := players[1].id()
	check_equal(await players[0].client.transfer_host(second).completed, true, "handed over")
	for player in players:
		await until(player.has_finished_migration, PAUSE, "everybody is connected to the new host")
	check_equal(players[1].id(), 1, "the new host")
	check(players[0].id() > 1, "the old one is a member")
	await _check_calls([players[1], players[0], players[2]])


## Starts a game that hosts a lobby, and returns its process.
func _start_host(server: SignalingServer, kind: String) -> int:
	var project := ProjectSettings.globalize_path("res://")
	var arguments: PackedStringArray = ["--headless", "--path", project,
		"res://tests/fixtures/host.tscn", "--", url_of(server), kind]
	var process := OS.create_process(OS.get_executable_path(), arguments)
	await until(func() -> bool: return server.get_lobbies().size() == 1, PATIENCE, "a lobby")
	return process


## Three players that are connected to each other, and to the host if there is one.
func _add_players(server: SignalingServer, mesh: bool) -> Array[LobbyPlayer]:
	var players: Array[LobbyPlayer] = []
	var others := server.get_lobbies().size()
	for index in 3:
		var player := LobbyPlayer.new()
		player.client.url = url_of(server)
		player.client.mesh = mesh
		add_child(player, true)
		players.append(player)
		var lobbies := server.get_lobbies()
		player.client.start("", "" if lobbies.is_empty() else lobbies[0].name)
		await reach(player.client, SignalingClient.STATE_JOINED)
		await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	for player in players:
		var is_host := player.id() == 1
		var count := 2 + others if mesh or is_host else 1
		await until(func() -> bool: return player.others().size() == count, PATIENCE,
			"%d is connected to %d others" % [player.id(), count])
		player.listen()
	return players


## The first of them calls the others, and they call it.
func _check_calls(players: Array) -> void:
	var first: LobbyPlayer = players[0]
	for other: LobbyPlayer in players.slice(1):
		first.receiver.send(other.id(), "reliable", 100)
		other.receiver.send(first.id(), "reliable", 100)
		await until(other.receiver.has.bind(first.id(), "reliable", 100), PAUSE, "it hears")
		await until(first.receiver.has.bind(other.id(), "reliable", 100), PAUSE, "it is heard")


func _check_pause(begun: int) -> void:
	var pause := (Time.get_ticks_msec() - begun) / 1000.0
	check(pause < PAUSE, "the game goes on within %s s (it took %s s)" % [PAUSE, pause])


func _is_of_migration(signal_name: String) -> bool:
	return signal_name.begins_with("migration_") or (
		signal_name == "host_changed" and not _is_mesh())


func _is_mesh() -> bool:
	return name == "test_the_host_of_a_mesh_is_killed"


class LobbyPlayer:
	extends Player
	## The names of the signals of the client, from a moment on.
	var told: Array[String] = []


	func listen() -> void:
		for signal_name: String in ["migration_started", "migration_finished", "host_changed"]:
			client.connect(signal_name,
				func(..._arguments: Array) -> void: told.append(signal_name))


	func peer() -> WebRTCMultiplayerPeer:
		return client.get_multiplayer_peer()


	func has_host(id: int) -> bool:
		return client.get_lobby().get("host", 0) == id


	func has_finished_migration() -> bool:
		return "migration_finished" in told
