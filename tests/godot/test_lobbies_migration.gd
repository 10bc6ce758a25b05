extends "res://tests/signaling_case.gd"
## The host goes, and the game goes on.

const Player := preload("res://tests/fixtures/player.gd")
const Process := preload("res://tests/fixtures/process.gd")
const Proxy := preload("res://tests/fixtures/proxy.gd")
const PATIENCE := 30.0
## How long players may wait for the game to go on.
const PAUSE := 5.0

var _games: Array[Process] = []


func _exit_tree() -> void:
	for game in _games:
		game.kill()


func test_the_host_of_a_mesh_is_killed() -> void:
	await _check_match_goes_on("mesh", ["host_changed"])


func test_the_host_that_all_are_connected_to_is_killed() -> void:
	await _check_match_goes_on("star", ["migration_started", "host_changed", "migration_finished"])


func test_the_host_is_killed_while_a_member_is_away() -> void:
	for kind: String in ["mesh", "star"]:
		for away: int in [0, 1]:
			await _check_members_meet_again(kind, away)


func test_a_host_hands_over_and_comes_last() -> void:
	var server := add_server()
	var players: Array[LobbyPlayer] = []
	for index in 3:
		players.append(await _add_player(server, "star"))
	await _meet(players, "star")
	var second := players[1].id()
	check_equal(await players[0].client.transfer_host(second).completed, true, "handed over")
	for player in players:
		await until(player.has_finished_migration, PAUSE, "everybody is connected to the new host")
		check_equal(player.told, ["migration_started", "host_changed", "migration_finished"],
			"in this order")
		check_equal(player.renames, [[1, players[0].id()], [second, 1]], "which id became which")
	check_equal(players[1].id(), 1, "the new host")
	check(players[0].id() > 1, "the old one is a member")
	await _check_calls(players[1], [players[0], players[2]])
	players[2].client.stop()
	await until(func() -> bool: return players[1].others().size() == 1, PAUSE, "one leaves")
	check_equal(await players[1].client.update_lobby({locked = true}).completed, true, "its right")


## Four games play, each in a process of its own; the host's is killed.
func _check_match_goes_on(kind: String, signals: Array) -> void:
	var server := add_server()
	var host := await _start_host(server, kind)
	for index in 3:
		_start_game(server, kind)
	await until(_have_all_heard.bind({}), PATIENCE, "a match")
	var second: int = server.get_lobbies()[0].members[1]
	var eldest := _games.filter(func(game: Process) -> bool: return game.player() == second)
	host.kill()
	_games.erase(host)
	var begun := Time.get_ticks_msec()
	await until(_were_all_told.bind(signals), PAUSE, "everybody has followed to another host")
	for game in _games:
		check_equal(int(game.told().host), eldest[0].player(), "the eldest is the host")
	await until(_have_all_heard.bind(_counts()), PAUSE, "they play on")
	var pause := (Time.get_ticks_msec() - begun) / 1000.0
	check(pause < PAUSE, "within %s s (it took %s s)" % [PAUSE, pause])
	for game in _games:
		check_equal(game.complaints, "", "complaints")


## Two players have lost their host, and the one with this index the server as well; it comes back,
## and another one comes later.
func _check_members_meet_again(kind: String, away: int) -> void:
	var server := add_server()
	var host := await _start_host(server, kind)
	var proxy := Proxy.new()
	add_child(proxy)
	proxy.lead_to(server.get_local_port())
	var players: Array[LobbyPlayer] = []
	for index in 2:
		players.append(await _add_player(server, kind, proxy.url() if index == away else ""))
	await _meet(players, kind, 1)
	var present := players[1 - away]
	proxy.is_cut = true
	await until(present.misses_somebody, PAUSE, "the cut is noticed")
	host.kill()
	await until(present.is_host, PAUSE, "whoever is there is the host")
	proxy.is_cut = false
	await until(players[away].has_other_host, PAUSE, "the other one hears of it")
	players.append(await _add_player(server, kind))
	await _meet(players, kind)
	for player in players:
		await until(player.sees.bind(server.get_lobbies()[0]), PAUSE, "all see what is so")
	await _check_calls(present, players.filter(func(other: Player) -> bool: return other != present))
	for player in players:
		player.free()
	server.free()


func _start_host(server: SignalingServer, kind: String) -> Process:
	var host := _start_game(server, kind)
	await until(func() -> bool: return server.get_lobbies().size() == 1, PATIENCE, "a lobby")
	return host


## Starts a game that joins the lobby if there is one.
func _start_game(server: SignalingServer, kind: String) -> Process:
	var arguments: PackedStringArray = [url_of(server), kind]
	for lobby in server.get_lobbies():
		arguments.append(lobby.name)
	_games.append(Process.new(arguments))
	return _games.back()


func _were_all_told(signals: Array) -> bool:
	return _games.all(func(game: Process) -> bool: return game.told().told == signals)


## How many calls were heard, by who heard them and who called.
func _counts() -> Dictionary[Array, int]:
	var counts: Dictionary[Array, int] = {}
	for game in _games:
		for other in _games:
			if game != other:
				counts[[game, other]] = game.heard(other)
	return counts


## Whether everybody has heard everybody else, more often than that.
func _have_all_heard(counts: Dictionary) -> bool:
	var heard := _counts()
	return heard.keys().all(
		func(pair: Array) -> bool: return heard[pair] > counts.get(pair, 0))


## A player that creates the lobby or has joined it.
func _add_player(server: SignalingServer, kind: String, url := "") -> LobbyPlayer:
	var player := LobbyPlayer.new()
	player.client.url = url_of(server) if url.is_empty() else url
	player.client.mesh = kind == "mesh"
	add_child(player, true)
	player.listen()
	var lobbies := server.get_lobbies()
	player.client.start("", "" if lobbies.is_empty() else lobbies[0].name)
	await reach(player.client, SignalingClient.STATE_JOINED)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	return player


## Waits until the players are connected, also to so many others.
func _meet(players: Array[LobbyPlayer], kind: String, others := 0) -> void:
	for player in players:
		var is_central := kind == "mesh" or player.id() == 1
		var count := players.size() - 1 + others if is_central else 1
		await until(func() -> bool: return player.others().size() == count, PATIENCE,
			"%d is connected to %d others" % [player.id(), count])


## Each of them calls the first, and is called by it.
func _check_calls(first: LobbyPlayer, others: Array) -> void:
	for other: LobbyPlayer in others:
		first.receiver.send(other.id(), "reliable", 100)
		other.receiver.send(first.id(), "reliable", 100)
		await until(other.receiver.has.bind(first.id(), "reliable", 100), PAUSE, "it hears")
		await until(first.receiver.has.bind(other.id(), "reliable", 100), PAUSE, "it is heard")


class LobbyPlayer:
	extends Player
	## The signals of another host, in order.
	var told: Array[String] = []
	## Old ids and new ones, as told between the first of these signals and the second.
	var renames: Array = []


	func listen() -> void:
		client.member_renamed.connect(func(old_id: int, new_id: int) -> void:
			if told == ["migration_started"]:
				renames.append([old_id, new_id]))
		for signal_name: String in ["migration_started", "host_changed", "migration_finished"]:
			client.connect(signal_name,
				func(..._arguments: Array) -> void: told.append(signal_name))


	func has_finished_migration() -> bool:
		return "migration_finished" in told


	func has_other_host() -> bool:
		return "host_changed" in told


	func is_host() -> bool:
		return has_other_host() and client.get_lobby().host == client.get_unique_id()


	func misses_somebody() -> bool:
		return client.get_members().any(func(member: Dictionary) -> bool: return member.unstable)


	## Whether all that is known here is as the server has it.
	func sees(lobby: Dictionary) -> bool:
		var members := client.get_members()
		var ids := members.map(func(member: Dictionary) -> int: return member.id)
		var hosts := members.filter(func(member: Dictionary) -> bool: return member.host)
		return ids == Array(lobby.members) and client.get_unique_id() in ids \
			and hosts.map(func(member: Dictionary) -> int: return member.id) == [lobby.host] \
			and client.get_lobby().host == lobby.host and not misses_somebody()
