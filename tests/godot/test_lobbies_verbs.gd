extends "res://tests/signaling_case.gd"
## What players can do with lobbies: [SignalingClient]'s requests, one by one.

## What a request fails with where nothing else fits.
const NONE := SignalingClient.FAILURE_NONE


func test_creating_and_joining() -> void:
	var server := add_server()
	var host := add_client(server, {"player_name": "Owl"})
	var created := host.create_lobby(
		{max_players = 3, metadata = {mode = "ctf"}, me = {colour = "red"}})
	check_equal(created.is_completed(), false, "not before the method has returned")
	check_equal(await created.completed, true, "created")
	check_equal([created.error, created.failure, created.message], [OK, NONE, ""], "no failure")
	var code: String = created.value
	check_equal(code.length(), 5, "a code that can be typed")
	check_equal(created.details, host.get_lobby(), "details")
	check_equal([host.get_lobby().max_players, host.get_lobby().metadata.mode], [3, "ctf"], "lobby")

	var guest := add_client(server, {"player_name": "Fox"})
	var told := record(host, [] as Array[String])
	var joined := guest.join_lobby(" %s-%s " % [code.left(2).to_lower(), code.substr(2)])
	check_equal(await joined.completed, true, "joined with the code as typed")
	check_equal(joined.value, code, "the code")
	check_equal(_names(guest), ["Owl", "Fox"], "members in join order")
	check_equal(guest.get_members()[0].metadata, {colour = "red"}, "metadata of a member")
	check_equal(guest.get_members()[0].host, true, "the host")
	var id := guest.get_unique_id()
	await until(func() -> bool: return told_of(told, "peer_connected"), 5.0, "told")
	check_equal(told, [["member_joined", id], ["peer_connected", id]] as Array[Array], "the host")

	check_equal(await guest.update_me({ready = true}).completed, true, "updated")
	await until(func() -> bool: return told_of(told, "member_changed"), 5.0, "the host is told")
	check_equal(host.get_members()[1].metadata, {ready = true}, "as a whole")
	check_equal(await guest.leave_lobby().completed, true, "left")
	check_equal([guest.get_lobby(), guest.get_members()], [{}, [] as Array[Dictionary]], "nothing")
	check_equal(guest.get_state(), SignalingClient.STATE_LEFT, "left")
	await until(func() -> bool: return told_of(told, "member_left"), 5.0, "the host is told")
	check_equal(await guest.join_lobby(code).completed, true, "and back on the same connection")


func test_failures_are_told_apart_and_the_connection_stays() -> void:
	var server := add_server()
	var host := add_client(server)
	var code := await _create(host, {max_players = 2, password = "secret"})
	var guest := add_client(server)
	await _check_fails(guest.join_lobby("00000"), SignalingClient.FAILURE_NOT_FOUND, "nowhere")
	await _check_fails(guest.join_lobby(code), SignalingClient.FAILURE_PASSWORD, "no password")
	check_equal(guest.get_state(), SignalingClient.STATE_FAILED, "failed")
	check_equal(await host.update_lobby({locked = true}).completed, true, "locked")
	await _check_fails(
		guest.join_lobby(code, {password = "secret"}), SignalingClient.FAILURE_LOCKED, "locked")
	check_equal(await host.update_lobby({locked = false}).completed, true, "unlocked")
	check_equal(await guest.join_lobby(code, {password = "secret"}).completed, true, "let in")
	await _check_fails(guest.join_lobby(code), SignalingClient.FAILURE_IN_LOBBY, "twice")
	await _check_fails(guest.close_lobby(), SignalingClient.FAILURE_NOT_HOST, "not the host")
	var late := add_client(server, {"password": "secret"})
	await _check_fails(late.join_lobby(code), SignalingClient.FAILURE_FULL, "full")
	await _check_fails(host.kick(77), SignalingClient.FAILURE_NO_SUCH_MEMBER, "nobody")
	check_equal(late.send_lobby_message("hello").error, ERR_UNCONFIGURED, "outside")
	var entering := host.leave_lobby()
	check_equal([await entering.completed, entering.error], [true, OK], "left")
	var created := host.create_lobby()
	var early := host.send_lobby_message("hello")
	check_equal(early.error, OK, "may be asked on the way into a lobby")
	check_equal([await created.completed, await early.completed], [true, true], "and is done there")


func test_misuse_is_an_error_at_once() -> void:
	var server := add_server()
	var client := add_client(server)
	for request: SignalingRequest in [
			client.create_lobby({max_player = 3}), client.create_lobby({max_players = "3"}),
			client.create_lobby({max_players = -1}), client.create_lobby({max_players = 5000}),
			client.create_lobby({host_policy = "stay"}), client.create_lobby({host_grace = -1.0}),
			client.create_lobby({metadata = []}), client.create_lobby({code_length = 3}),
			client.create_lobby({password = "x".repeat(65)}),
			client.join_lobby(""), client.join_lobby("K7RF2", {name = "x"}),
			client.list_lobbies({where = {mode = {"~": 1}}}), client.list_lobbies({sorted = "x"}),
			client.quick_join({open = true}), client.accept_invite(-1),
			client.set_status("x".repeat(1025)), client.send_lobby_message("x".repeat(4097)),
			client.set_lobby_value("k".repeat(65), 1, null), client.kick(1, "x".repeat(121))]:
		check_equal(request.error, ERR_INVALID_PARAMETER, "error of '%s'" % request.message)
		check(request.message != "" and not request.is_completed(), "told, but not completed yet")
		check_equal(await request.completed, false, "in the next frame")
		check_equal(request.failure, SignalingClient.FAILURE_INVALID, "failure")
	for request: SignalingRequest in [client.kick(1), client.leave_lobby(), client.update_me({}),
			client.send_lobby_message(1), client.set_lobby_value("a", 1, null), client.invite("u")]:
		check_equal(request.error, ERR_UNCONFIGURED, "without a lobby")
		await _check_fails(request, SignalingClient.FAILURE_NOT_IN_LOBBY, "without a lobby")
	check_equal(client.get_state(), SignalingClient.STATE_IDLE, "nothing was begun")
	client.url = "wss://localhost"
	check_equal(client.create_lobby().error, ERR_UNAVAILABLE, "TLS")
	client.url = "ws://127.0.0.1:1"
	await _check_fails(
		client.create_lobby(), SignalingClient.FAILURE_SERVER_UNREACHABLE, "nobody there")


func test_what_json_cannot_say_is_refused() -> void:
	var server := add_server()
	var client := add_client(server)
	await _create(client, {metadata = {mode = "ctf"}})
	var endless: Array = []
	endless.append(endless)
	for value: Variant in [NAN, INF, -INF, [1, [NAN]], {level = {x = INF}},
			PackedFloat32Array([0.5, NAN]), PackedFloat64Array([INF]), endless]:
		for request: SignalingRequest in [
				client.update_lobby({metadata = {value = value}}), client.update_me({value = value}),
				client.set_lobby_value("a", value, null), client.set_lobby_value("a", null, value),
				client.send_lobby_message(value), client.set_status(value),
				client.list_lobbies({where = {level = value}})]:
			check_equal(request.error, ERR_INVALID_PARAMETER, "refused: %s" % request.message)
			check("INF" in request.message, "why")
	endless.clear()
	check_equal(await client.set_lobby_value("a", 1.5e300, null).completed, true, "a large number")
	check_equal(client.get_lobby().metadata, {mode = "ctf"}, "nothing was changed")


func test_dictionaries_with_types_are_dictionaries() -> void:
	var server := add_server()
	var client := add_client(server)
	var metadata: Dictionary[String, int] = {"level": 3}
	var options: Dictionary[String, Dictionary] = {"metadata": metadata, "me": metadata}
	await _create(client, options)
	check_equal(client.get_lobby().metadata, {"level": 3.0}, "of the lobby")
	check_equal(client.get_members()[0].metadata, {"level": 3.0}, "of a member")
	check_equal(await client.update_me(metadata).completed, true, "as an argument")


func test_values_may_have_another_type_that_means_the_same() -> void:
	var server := add_server()
	var host := add_client(server, {"player_name": &"Owl"})
	var code := await _create(host, {&"max_players": 4.0, "code_length": 6.0,
		"host_policy": &"wait", "host_grace": 10, "password": &"secret",
		"metadata": {"mode": &"duel"}})
	check_equal([code.length(), host.get_lobby().max_players], [6, 4], "whole floats")
	check_equal([host.get_lobby().host_policy, host.get_lobby().metadata],
		["wait", {mode = "duel"}], "names")
	var guest := add_client(server)
	check_equal(await guest.join_lobby(code, {password = &"secret"}).completed, true, "joined")
	check_equal(await host.update_lobby({max_players = 2.0}).completed, true, "changed")
	var id: Variant = float(guest.get_unique_id())
	check_equal(await host.kick(id).completed, true, "an argument")
	check_equal(await guest.list_lobbies({limit = 10.0, sort = &"@code"}).completed, true, "listed")
	for request: SignalingRequest in [
			host.update_lobby({max_players = 2.5}), host.update_lobby({password = 7}),
			host.update_lobby({public = 1}), host.create_lobby({host_grace = "10"})]:
		check_equal(request.error, ERR_INVALID_PARAMETER, "something else: " + request.message)


func test_a_lobby_of_quick_join_is_found_by_quick_join() -> void:
	var server := add_server()
	var filter := {where = {mode = "duel", level = {">": 3}}}
	var options := {metadata = {level = 7}}
	var host := add_client(server)
	check_equal(await host.quick_join(filter, options).completed, true, "created")
	check_equal(host.get_lobby().metadata, {mode = "duel", level = 7.0}, "fits the filter")
	var guest := add_client(server)
	check_equal(await guest.quick_join(filter, options).completed, true, "joined")
	check_equal(guest.get_lobby().code, host.get_lobby().code, "the same lobby")


func test_why_it_failed_is_told_in_terms_of_the_class() -> void:
	var server := add_server()
	var host := add_client(server)
	host.start()
	var request := host.create_lobby()
	check_equal(await request.completed, false, "in a lobby already")
	check("autojoin" in request.details.hint, "the usual cause: " + request.details.hint)
	host.autojoin = false
	host.connect_to_server(server)
	check_equal(await host.create_lobby({public = true}).completed, true, "on another connection")
	request = host.kick(host.get_unique_id())
	check_equal(await request.completed, false, "kicked oneself")
	check("yourself" in request.message, request.message)
	check_equal(host.list_lobbies({sort = "@newest"}).error, ERR_INVALID_PARAMETER, "no such order")
	for property: String in ["game_id", "game_version", "player_name"]:
		var client := add_client(server, {property: "x".repeat(65)})
		request = client.create_lobby()
		check_equal(await request.completed, false, property)
		check_equal(request.failure, SignalingClient.FAILURE_INVALID, property)
		check("`%s`" % property in request.message, request.message)


func test_the_session_may_stand_without_a_lobby() -> void:
	var server := add_server()
	for protocol: bool in [true, false]:
		var client := add_client(server, {"autojoin": false, "extended": protocol})
		var told := record(client, ["state_changed"] as Array[String])
		check_equal(client.connect_to_server(server), OK, "connects")
		await until(func() -> bool: return not told.is_empty(), 5.0, "told")
		check_equal(told, [["session_started"]] as Array[Array], "nothing else")
		check_equal(client.get_user() != "", protocol, "our id for invitations")
		check_equal(await client.create_lobby().completed, true, "a lobby, later")
		check_equal(told.count(["session_started"]), 1, "once")


func test_a_client_ends_with_the_server_in_its_own_game() -> void:
	var server := add_server()
	var client := add_client(server)
	client.connect_to_server(server)
	await reach(client, SignalingClient.STATE_JOINED)
	var told := record(client, [] as Array[String])
	server.stop()
	await until(func() -> bool: return told_of(told, "disconnected"), 5.0, "at once")
	check_equal(told.back(), ["disconnected", 1001, "Server shutting down"], "why")


func test_failures_are_an_enum() -> void:
	for property in ClassDB.class_get_property_list("SignalingRequest", true):
		if property.name == "failure":
			check_equal(property.class_name, &"SignalingClient.Failure", "its type")
			check(property.usage & PROPERTY_USAGE_CLASS_IS_ENUM != 0, "is an enum")


func test_a_request_is_completed_when_its_client_stops() -> void:
	var server := add_server()
	for ending: Callable in [
			func(client: SignalingClient) -> void: client.stop(),
			func(client: SignalingClient) -> void: client.start(),
			func(client: SignalingClient) -> void: client.free()]:
		var client := add_client(server)
		var request := client.create_lobby()
		ending.call(client)
		await _check_fails(request, SignalingClient.FAILURE_CANCELLED, "cancelled")


func test_nothing_begins_outside_the_tree() -> void:
	var server := add_server()
	var client := SignalingClient.new()
	client.url = url_of(server)
	check_equal(client.start(), ERR_UNCONFIGURED, "start")
	check_equal(client.connect_to_server(server), ERR_UNCONFIGURED, "through memory")
	var request := client.create_lobby()
	check_equal(request.error, ERR_UNCONFIGURED, "a request")
	client.free()
	check_equal(await request.completed, false, "is completed all the same")


func test_the_next_lobby_is_not_sealed() -> void:
	var server := add_server({"seal_timeout": 0.1})
	var host := add_client(server)
	await _create(host)
	check_equal(host.seal_lobby(), OK, "sealed")
	await until(func() -> bool: return host.sealed, 5.0, "told")
	check_equal([host.get_lobby().sealed, host.get_lobby().locked], [true, false], "told apart")
	await reach(host, SignalingClient.STATE_LEFT)
	check_equal(host.sealed, false, "the lobby has ended")
	await _create(host)
	check_equal(host.sealed, false, "another lobby on the same connection")


func test_removing_members() -> void:
	var server := add_server()
	var host := add_client(server)
	var code := await _create(host)
	var guest := add_client(server)
	check_equal(await guest.join_lobby(code).completed, true, "joined")
	var told := record(guest, [] as Array[String])
	check_equal(await host.kick(guest.get_unique_id(), "Go away.").completed, true, "kicked")
	await until(func() -> bool: return told_of(told, "lobby_left"), 5.0, "told")
	check_equal(told.back(), ["lobby_left", SignalingClient.FAILURE_KICKED, "Go away."], "why")
	check_equal(_failed(told), [SignalingClient.FAILURE_KICKED], "a failure like any other")
	check_equal(await guest.join_lobby(code).completed, true, "may come back")
	check_equal(await host.ban(guest.get_unique_id()).completed, true, "banned")
	await _check_fails(guest.join_lobby(code), SignalingClient.FAILURE_BANNED, "may not")
	# On the server's own machine players are told apart by their names.
	var other := add_client(server, {"player_name": "Owl"})
	var entered := other.join_lobby(code)
	check_equal(await entered.completed, true, "another one: " + entered.message)
	told = record(other, [] as Array[String])
	var told_host := record(host, [] as Array[String])
	check_equal(await host.close_lobby("Good night.").completed, true, "closed")
	await until(func() -> bool: return told_of(told, "lobby_left"), 5.0, "told")
	check_equal(told.back(), ["lobby_left", SignalingClient.FAILURE_CLOSED, "Good night."], "why")
	check_equal(other.get_state(), SignalingClient.STATE_LEFT, "left")
	check_equal(_failed(told), [SignalingClient.FAILURE_CLOSED], "a failure for a guest")
	await until(func() -> bool: return told_of(told_host, "lobby_left"), 5.0, "the host is told")
	check_equal(_failed(told_host), [], "as the host wished")


func test_messages_and_values() -> void:
	var server := add_server()
	var host := add_client(server)
	var code := await _create(host)
	var guest := add_client(server)
	check_equal(await guest.join_lobby(code).completed, true, "joined")
	var told := record(host, [] as Array[String])
	check_equal(await guest.send_lobby_message({text = "schön"}).completed, true, "to all")
	check_equal(await guest.send_lobby_message("psst", 1).completed, true, "to one")
	await until(func() -> bool: return told.size() == 2, 5.0, "arrived")
	var id := guest.get_unique_id()
	check_equal(told, [["lobby_message", id, {text = "schön"}, true],
		["lobby_message", id, "psst", false]] as Array[Array], "messages")

	told.clear()
	var mine := guest.set_lobby_value("slot", "guest", null)
	var yours := host.set_lobby_value("slot", "host", null)
	var won: Array = [await _outcome(mine), await _outcome(yours)]
	check(won[0] != won[1], "one of them gets it")
	var loser := yours if won[0] else mine
	var winner := "guest" if won[0] else "host"
	check_equal([loser.failure, loser.value], [SignalingClient.FAILURE_CONFLICT, winner], "who")
	await until(func() -> bool: return host.get_lobby_value("slot") == winner, 5.0, "set")
	check_equal(told[0].slice(0, 3), ["lobby_value_changed", "slot", winner], "told")
	var late := add_client(server)
	check_equal(await late.join_lobby(code).completed, true, "joined later")
	check_equal(late.get_lobby_value("slot"), winner, "known")
	check_equal(await late.set_lobby_value("slot", null, winner).completed, true, "gone")
	await until(func() -> bool: return host.get_lobby_value("slot") == null, 5.0, "for all")


func test_another_host() -> void:
	var server := add_server()
	var host := add_client(server)
	var code := await _create(host)
	var guest := add_client(server)
	check_equal(await guest.join_lobby(code).completed, true, "joined")
	var told := record(guest, [] as Array[String])
	var id := guest.get_unique_id()
	check_equal(await host.transfer_host(id).completed, true, "transferred")
	await until(func() -> bool: return told_of(told, "host_changed"), 5.0, "told")
	check_equal(told.back(), ["host_changed", id, true], "it is us")
	check_equal(guest.get_lobby().host, id, "known")
	check_equal(guest.get_unique_id(), id, "ids stay in a mesh")
	check_equal(await guest.update_lobby({max_players = 2}).completed, true, "the host's right")
	host.stop()
	await until(func() -> bool: return told_of(told, "member_left"), 5.0, "gone")
	check_equal(guest.get_state(), SignalingClient.STATE_JOINED, "the lobby lives on")


## The failures that were told.
func _failed(told: Array[Array]) -> Array:
	return told.filter(func(entry: Array) -> bool: return entry[0] == "failed").map(
		func(entry: Array) -> int: return entry[1])


func _names(client: SignalingClient) -> Array:
	return client.get_members().map(func(member: Dictionary) -> String: return member.name)


func _create(client: SignalingClient, options := {}) -> String:
	var request := client.create_lobby(options)
	check_equal(await request.completed, true, "created: " + request.message)
	return request.value


## The result of a request that may be completed already.
func _outcome(request: SignalingRequest) -> bool:
	return request.failure == NONE if request.is_completed() else await request.completed


func _check_fails(request: SignalingRequest, failure: int, what: String) -> void:
	check_equal(await request.completed, false, what)
	check_equal(request.failure, failure, what)
	check(request.message != "" and request.details.hint != "", "words for " + what)
