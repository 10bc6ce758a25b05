extends "res://tests/signaling_case.gd"
## How players find lobbies, and each other: lists, quick join, statuses and invitations.


func test_public_lobbies_are_listed_as_asked() -> void:
	var server := add_server()
	for level in 3:
		await _add_host(server, {public = true, metadata = {level = level, mode = "Capture"}})
	var hidden := await _add_host(server, {metadata = {level = 7}})
	var client := add_client(server)
	var all := client.list_lobbies()
	check_equal(await all.completed, true, "listed")
	check_equal([all.value.size(), all.details.total], [3, 3], "the public ones")
	var some := client.list_lobbies({where = {level = {"<": 2}, mode = {contains = "CAP"}},
		sort = "-level", limit = 1, offset = 1})
	check_equal(await some.completed, true, "listed")
	check_equal(some.details.total, 2, "how many there are")
	check_equal(some.value.map(_level), [0.0], "a page of them")
	check_equal(some.value[0].players, 1, "players")
	var found := client.find_lobby(hidden.get_lobby().code.to_lower())
	check_equal(await found.completed, true, "found by its code")
	check_equal([found.value.metadata.level, found.value.public], [7.0, false], "hidden or not")


func test_a_list_that_is_watched() -> void:
	var server := add_server()
	var host := await _add_host(server, {public = true, metadata = {mode = "ctf"}})
	var code: String = host.get_lobby().code
	var client := add_client(server)
	var told := record(client, [] as Array[String])
	var watched := client.watch_lobbies({where = {mode = "ctf"}})
	check_equal(await watched.completed, true, "watched")
	check_equal(watched.value.map(_code), [code], "what is there")
	told.clear()
	var other := await _add_host(server, {public = true, metadata = {mode = "ctf"}})
	await _add_host(server, {public = true, metadata = {mode = "race"}})
	await until(func() -> bool: return told_of(told, "lobby_listed"), 5.0, "a new one")
	check_equal(told[0][1].code, other.get_lobby().code, "which")
	told.clear()
	check_equal(await other.update_lobby({public = false}).completed, true, "hidden")
	await until(func() -> bool: return told_of(told, "lobby_unlisted"), 5.0, "gone")
	check_equal(told, [["lobby_unlisted", other.get_lobby().code]] as Array[Array], "which")
	check_equal(await client.unwatch_lobbies().completed, true, "no longer")


func test_quick_join() -> void:
	var server := add_server()
	var first := add_client(server)
	check_equal(await first.quick_join({where = {mode = "ctf"}},
		{metadata = {mode = "ctf"}, max_players = 2}).completed, true, "created")
	check_equal(first.get_lobby().public, true, "for others to find")
	var second := add_client(server)
	check_equal(await second.quick_join({where = {mode = "ctf"}}).completed, true, "found")
	check_equal(second.get_lobby().code, first.get_lobby().code, "the same")
	var third := add_client(server)
	check_equal(await third.quick_join({where = {mode = "ctf"}}).completed, true, "created")
	check(third.get_lobby().code != first.get_lobby().code, "because that is full")


func test_statuses_and_invitations() -> void:
	var server := add_server()
	var host := await _add_host(server, {password = "secret"}, "Owl")
	var friend := add_client(server, {"player_name": "Fox"})
	check_equal(await friend.set_status({away = false}, "friends").completed, true, "published")
	var told := record(host, [] as Array[String])
	var watched := host.watch_statuses("friends")
	check_equal(await watched.completed, true, "watched")
	check_equal(watched.value,
		[{user = friend.get_user(), name = "Fox", status = {away = false}}], "who is there")
	await friend.set_status(null, "friends").completed
	await until(func() -> bool: return told_of(told, "status_changed"), 5.0, "told")
	check_equal(told.back(), ["status_changed", "friends", friend.get_user(), "Fox", null], "gone")

	var invited := record(friend, [] as Array[String])
	var invite := host.invite(friend.get_user(), "come")
	check_equal(await invite.completed, true, "invited")
	await until(func() -> bool: return told_of(invited, "invited"), 5.0, "told")
	var number: int = invited[0][1]
	check_equal(invited[0].slice(2, 4), [host.get_user(), "Owl"], "by whom")
	check_equal(invited[0][5], "come", "what goes with it")
	check_equal(await friend.deny_invite(number).completed, true, "denied")
	await until(func() -> bool: return told_of(told, "invite_answered"), 5.0, "told")
	check_equal(told.back(), ["invite_answered", invite.value, false], "denied")

	invited.clear()
	invite = host.invite(friend.get_user())
	check_equal(await invite.completed, true, "again")
	await until(func() -> bool: return told_of(invited, "invited"), 5.0, "told")
	var accepted := friend.accept_invite(invited[0][1], {me = {colour = "red"}})
	check_equal(await accepted.completed, true, "without the password: " + accepted.message)
	check_equal(friend.get_lobby().code, host.get_lobby().code, "in the lobby")

	var third := add_client(server)
	check_equal(await third.watch_statuses().completed, true, "a namespace without a name")
	await until(func() -> bool: return third.get_user() != "", 5.0, "known")
	invited = record(third, [] as Array[String])
	invite = host.invite(third.get_user())
	check_equal(await invite.completed, true, "invited")
	check_equal(await host.cancel_invite(invite.value).completed, true, "taken back")
	await until(func() -> bool: return told_of(invited, "invite_cancelled"), 5.0, "told")


func _add_host(server: SignalingServer, options: Dictionary, player := "") -> SignalingClient:
	var host := add_client(server, {"player_name": player})
	var request := host.create_lobby(options)
	check_equal(await request.completed, true, "created")
	return host


func _code(lobby: Dictionary) -> String:
	return lobby.code


func _level(lobby: Dictionary) -> float:
	return lobby.metadata.level
