extends "res://tests/cloudlink_case.gd"
## What [CloudLinkClient] says to other members over data channels.

const WebClient := preload("res://tests/fixtures/web_client.gd")


func test_messages_go_over_channels() -> void:
	var server := add_cloudlink()
	for version in VERSIONS:
		var clients: Array[CloudLinkClient] = []
		for number in 2:
			clients.append(add_cloudlink_client(server, {"version": version, "open_channels": true}))
		await check_enters(clients[0].create_lobby("ice"))
		var told := [record_all(clients[0]), record_all(clients[1])]
		await check_enters(clients[1].join_lobby("ice"))
		var names: Array[String] = [clients[0].get_member(), clients[1].get_member()]
		for number in 2:
			await until(func() -> bool: return told_of(told[number], "channel_opened"), 15.0, "open")
			check_equal(clients[number].get_channels(names[1 - number]),
				PackedStringArray(["default"]), "the channels")
		await check_told(clients[0].send_message({a = [1, "b"]}), told[1],
			["message_received", names[0], "default", {a = [1.0, "b"]}, false])
		await check_told(clients[1].send_private_message(names[0], "psst"), told[0],
			["message_received", names[1], "default", "psst", true])
		check_equal(clients[0].leave_lobby(), OK, "leaves")
		# Where the lobby is closed with its host, its channels are not told of one by one.
		var is_closed := version == CloudLinkClient.VERSION_OMEGA_LATE_2023
		var end := "lobby_left" if is_closed else "channel_closed"
		await until(func() -> bool: return told_of(told[1], end), 15.0, "the end of it")
		check_equal(clients[1].get_channels(names[0]), PackedStringArray(), "no channels any more")
		clients.map(func(client: CloudLinkClient) -> void: client.queue_free())


func test_what_is_said_on_a_new_channel_at_once_is_heard() -> void:
	var clients := await add_connected(add_cloudlink())
	var told := record_all(clients[1])
	var teller := clients[0].get_member()
	clients[0].channel_opened.connect(func(member: String, channel: String) -> void:
		check_equal(clients[0].send_private_message(member, "hi", channel), OK, "sent"))
	for number in 10:
		var channel := "chat %d" % number
		check_equal(clients[0].open_channel(clients[1].get_member(), channel), OK, "opened")
		await until(func() -> bool:
			return ["message_received", teller, channel, "hi", true] in told, 5.0, "heard")


func test_what_is_private_is_for_one_member_alone() -> void:
	var clients := await add_connected(add_cloudlink(), 3)
	var host := clients[0].get_member()
	var told := [record(clients[1]), record(clients[2])]
	for client in clients:
		client.share_variable("score", 0)
		client.share_list("items", [])
	var friend := clients[1].get_member()
	clients[0].share_variable("hand", 0, friend)
	clients[0].share_list("cards", [], friend)
	for client: CloudLinkClient in clients.slice(1):
		client.share_variable("hand", 0, host)
		client.share_list("cards", [], host)
	await check_told(clients[0].send_private_message(friend, "psst"), told[0],
		["message_received", host, "default", "psst", true])
	await check_told(
		clients[0].set_variable("hand", 7), told[0], ["variable_changed", "hand", 7.0, host])
	await check_told(
		clients[0].set_list("cards", ["ace"]), told[0], ["list_changed", "cards", ["ace"], host])
	# What is for all comes last, and is all that the others hear.
	clients[0].set_variable("score", 1)
	clients[0].set_list("items", [1])
	await check_told(clients[0].send_message("hi"), told[1],
		["message_received", host, "default", "hi", false])
	check_equal(told[1], [["variable_changed", "score", 1.0, host], ["list_changed", "items", [1.0],
		host], ["message_received", host, "default", "hi", false]] as Array[Array], "nothing else")
	clients[2].set_variable("hand", 3)
	await check_told(
		clients[2].send_message("now"), told[0],
		["message_received", clients[2].get_member(), "default", "now", false])
	check_equal(clients[0].get_variable("hand"), 7.0, "nobody else changes what two share")


func test_variables_and_lists_are_shared() -> void:
	var clients := await add_connected(add_cloudlink())
	var told := [record(clients[0]), record(clients[1])]
	for client in clients:
		check_equal(client.share_variable("score", 0), OK, "a variable")
		check_equal(client.share_list("items", [1, 2]), OK, "a list")
	for number in 2:
		var teller := clients[number]
		var heard: Array[Array] = told[1 - number]
		var me := teller.get_member()
		await check_told(teller.set_variable("score", 7 + number), heard,
			["variable_changed", "score", 7.0 + number, me])
		await check_told(
			teller.set_list("items", [1, true]), heard, ["list_changed", "items", [1.0, true], me])
		await check_told(teller.set_list_item("items", 3, "x"), heard,
			["list_changed", "items", [1.0, true, null, "x"], me])
		await check_told(
			teller.resize_list("items", 1), heard, ["list_changed", "items", [1.0], me])
	for client in clients:
		check_equal([client.get_variable("score"), client.get_list("items")], [8.0, [1.0]], "both know")
	check_equal(clients[0].share_list("score", []), ERR_ALREADY_EXISTS, "the id is taken")
	check_equal(clients[0].set_variable("other", 1), ERR_DOES_NOT_EXIST, "not shared")
	check_equal(clients[0].set_variable("items", 1), ERR_DOES_NOT_EXIST, "a list")
	check(clients[0].unshare("items") and not clients[0].unshare("items"), "no longer")
	check_equal(clients[0].get_list("items"), [], "nor known")


func test_channels_are_opened_and_closed_by_either_side() -> void:
	var clients := await add_connected(add_cloudlink())
	var names: Array[String] = [clients[0].get_member(), clients[1].get_member()]
	var told := [record(clients[0]), record(clients[1])]
	for number in 2:
		var channel := "chat %d" % number
		var other := 1 - number
		check_equal(clients[number].open_channel(names[other], channel, false), OK, "opened")
		for side in 2:
			await until(func() -> bool:
				return ["channel_opened", names[1 - side], channel] in told[side], 5.0, "open")
		check_equal(clients[number].open_channel(names[other], channel), ERR_ALREADY_EXISTS, "once")
		await check_told(clients[number].send_message("hi", channel), told[other],
			["message_received", names[number], channel, "hi", false])
		await check_told(clients[other].send_private_message(names[number], "psst", channel),
			told[number], ["message_received", names[other], channel, "psst", true])
		check_equal(clients[other].close_channel(names[number], channel), OK, "closed")
		for side in 2:
			await until(func() -> bool:
				return ["channel_closed", names[1 - side], channel] in told[side], 5.0, "closed")
		check_equal(
			clients[number].close_channel(names[other], channel), ERR_UNCONFIGURED, "no longer")


func test_two_channels_of_one_name_become_one() -> void:
	var clients := await add_connected(add_cloudlink())
	var names: Array[String] = [clients[0].get_member(), clients[1].get_member()]
	var told := [record(clients[0]), record(clients[1])]
	for number in 2:
		check_equal(clients[number].open_channel(names[1 - number], "chat"), OK, "opened by both")
	# The host has made the offer: its channel stays, and the guest goes over to it.
	await until(func() -> bool: return told[1].size() == 3, 5.0, "one is closed")
	check_equal(told[1], [["channel_opened", names[0], "chat"], ["channel_closed", names[0], "chat"],
		["channel_opened", names[0], "chat"]] as Array[Array], "that of the guest")
	for number in 2:
		await check_told(clients[number].send_message("hi", "chat"), told[1 - number],
			["message_received", names[number], "chat", "hi", false])


func test_calls_end_and_are_declined() -> void:
	var clients := await add_connected(add_cloudlink())
	for number in 2:
		var told := record(clients[1 - number])
		var me := clients[number].get_member()
		var other := clients[1 - number].get_member()
		await check_told(clients[number].end_call(other), told, ["call_ended", me])
		await check_told(clients[number].decline_call(other), told, ["call_declined", me])


func test_what_is_too_much_is_refused() -> void:
	var clients := await add_connected(add_cloudlink())
	var told := record(clients[1])
	var other := clients[1].get_member()
	var large := "x".repeat(256 * 1024)
	var deep: Array = []
	for _level in 17:
		deep = [deep]
	for message: Variant in [large, deep, NAN]:
		check_equal(clients[0].send_message(message), ERR_INVALID_PARAMETER, "a message")
	for client in clients:
		client.share_variable("v", 1)
		client.share_list("l", [1])
	check_equal(clients[0].set_variable("v", large), ERR_INVALID_PARAMETER, "a variable")
	check_equal(clients[0].set_list("l", [large]), ERR_INVALID_PARAMETER, "a list")
	check_equal(clients[0].set_list_item("l", -1, 1), ERR_INVALID_PARAMETER, "an index")
	check_equal(clients[0].resize_list("l", 65537), ERR_INVALID_PARAMETER, "items")
	check_equal([clients[0].get_variable("v"), clients[0].get_list("l")], [1.0, [1.0]], "unchanged")
	check_equal(clients[0].open_channel(other, "é".repeat(129)), ERR_INVALID_PARAMETER, "a name")
	check_equal(clients[0].open_channel(other, "default"), ERR_ALREADY_EXISTS, "there from the start")
	check_equal(clients[0].open_channel("nobody", "chat"), ERR_UNCONFIGURED, "nobody")
	for number in 64:
		check_equal(clients[0].open_channel(other, str(number)), OK, "a channel")
	check_equal(clients[0].open_channel(other, "one more"), ERR_OUT_OF_MEMORY, "too many")
	# A little is for what is around it.
	var just_right := large.left(-64)
	check_equal(clients[0].send_message(just_right), OK, "a large message")
	await until(func() -> bool: return told_of(told, "message_received"), 5.0, "it arrives")
	check(told.back()[3] == just_right, "as it was")


func test_a_game_and_a_web_client_share_a_lobby() -> void:
	var web := WebClient.new()
	var client := await _add_guest_of(web)
	var told := record(client)
	for number: Array in [["score", ""], ["hand", web.id]]:
		client.share_variable(number[0], 0, number[1])
	for list: Array in [["items", ""], ["cards", web.id]]:
		client.share_list(list[0], [0], list[1])
	for said: Array in [
		[{opcode = "G_MSG", payload = {a = [1]}},
			["message_received", web.id, "default", {a = [1.0]}, false]],
		[{opcode = "P_MSG", payload = "psst"},
			["message_received", web.id, "default", "psst", true]],
		[{opcode = "G_VAR", id = "score", payload = 5}, ["variable_changed", "score", 5.0, web.id]],
		[{opcode = "P_VAR", id = "hand", payload = null}, ["variable_changed", "hand", null, web.id]],
		[{opcode = "G_LIST", id = "items", method = "set", payload = [1, 2]},
			["list_changed", "items", [1.0, 2.0], web.id]],
		[{opcode = "G_LIST", id = "items", method = "replace", payload = {property = "2", value = "x"}},
			["list_changed", "items", [1.0, 2.0, "x"], web.id]],
		[{opcode = "G_LIST", id = "items", method = "length", payload = 1},
			["list_changed", "items", [1.0], web.id]],
		[{opcode = "P_LIST", id = "cards", method = "reset", payload = ["ace"]},
			["list_changed", "cards", ["ace"], web.id]],
		[{opcode = "HANGUP"}, ["call_ended", web.id]],
		[{opcode = "DECLINE"}, ["call_declined", web.id]],
	]:
		web.say(said[0])
		await until(func() -> bool: return not told.is_empty(), 5.0, "heard: %s" % [said[0]])
		check_equal(told.pop_front(), said[1], str(said[0]))


func test_a_web_client_hears_a_game() -> void:
	var web := WebClient.new()
	var client := await _add_guest_of(web)
	client.share_variable("score", 0)
	client.share_variable("hand", 0, web.id)
	client.share_list("items", [0])
	client.share_list("cards", [0], web.id)
	for error: Error in [client.send_message({a = [1]}), client.send_private_message(web.id, "psst"),
			client.set_variable("score", 5), client.set_variable("hand", null),
			client.set_list("items", [1, 2]), client.set_list_item("items", 2, "x"),
			client.resize_list("items", 1), client.set_list("cards", ["ace"]),
			client.end_call(web.id), client.decline_call(web.id)]:
		check_equal(error, OK, "sent")
	var expected: Array = [
		{opcode = "G_MSG", payload = {a = [1.0]}},
		{opcode = "P_MSG", payload = "psst"},
		{opcode = "G_VAR", payload = 5.0, id = "score"},
		{opcode = "P_VAR", payload = null, id = "hand"},
		{opcode = "G_LIST", payload = [1.0, 2.0], id = "items", method = "set"},
		{opcode = "G_LIST", payload = {property = "2", value = "x"}, id = "items", method = "replace"},
		{opcode = "G_LIST", payload = 1.0, id = "items", method = "length"},
		{opcode = "P_LIST", payload = ["ace"], id = "cards", method = "set"},
		{opcode = "HANGUP"},
		{opcode = "DECLINE"},
	]
	await until(func() -> bool: return web.heard.get("default", []).size() == expected.size(), 5.0,
		"all is heard")
	check_equal(web.heard.get("default"), expected, "as it was said")


func test_channels_with_a_web_client() -> void:
	var web := WebClient.new()
	var client := await _add_guest_of(web)
	var told := record(client)
	web.make_channel("chat", 5)
	web.say({opcode = "NEW_CHAN", payload = {id = 5, label = "chat", ordered = true}})
	await until(func() -> bool: return told_of(told, "channel_opened"), 5.0, "opened by it")
	web.say({opcode = "G_MSG", payload = "hi"}, "chat")
	await until(func() -> bool:
		return ["message_received", web.id, "chat", "hi", false] in told, 5.0, "heard on it")
	client.send_message("ho", "chat")
	await until(func() -> bool: return web.heard.has("chat"), 5.0, "and in return")
	check_equal(web.heard.chat, [{opcode = "G_MSG", payload = "ho"}], "as text")
	check_equal(client.open_channel(web.id, "back", false), OK, "opened by us")
	await until(func() -> bool: return web.heard.has("default"), 5.0, "it is asked for")
	var asked: Dictionary = web.heard.default[0]
	check_equal([asked.opcode, asked.payload.label, asked.payload.ordered],
		["NEW_CHAN", "back", false], "by name")
	web.make_channel("back", asked.payload.id, false)
	client.send_message("hey", "back")
	await until(func() -> bool: return web.heard.has("back"), 5.0, "heard on it")
	web.call_guest()
	await until(func() -> bool: return ["call_received", web.id] in told, 5.0, "it rings")


func test_a_channel_that_the_member_cannot_be_told_of_is_none() -> void:
	var web := WebClient.new()
	var client := await _add_guest_of(web)
	web.line.is_cut = true
	var counts: Array[int] = []
	for message: String in ["x".repeat(256_000), ""]:
		var count := 0
		while client.send_message(message) == OK and count < 10_000:
			count += 1
		check_equal(client.send_message(message), ERR_BUSY, "too much waits")
		counts.append(count)
	# A large message goes in pieces, and all of them or none.
	check_equal(counts[0], 65, "large messages in 16 MiB")
	check(counts[1] > 1000, "what is left for small ones: %d" % counts[1])
	for _number in 2:
		check_equal(client.open_channel(web.id, "chat"), ERR_BUSY, "this cannot be said")


func test_a_member_that_falls_silent_is_given_up_with_a_reason() -> void:
	var web := WebClient.new()
	var client := await _add_guest_of(web)
	var told := record_all(client)
	var id := client.get_peer_id(web.id)
	check(client.get_peer_statistics(id).has("selected_pair"), "how it is doing")
	web.line.is_cut = true
	await until(func() -> bool: return told_of(told, "failed"), 15.0, "it is given up")
	check_equal(told.slice(0, 3), [["link_unstable", id], ["channel_closed", web.id, "default"],
		["peer_failed", id, "the other side fell silent"]] as Array[Array], "why")
	check_equal(told[3].slice(0, 2), ["failed", SignalingClient.FAILURE_ICE_FAILED], "in short")


func test_a_relay_that_is_of_no_use_is_told_of() -> void:
	var server := add_cloudlink()
	var host := add_cloudlink_client(server, {"open_channels": true})
	await check_enters(host.create_lobby("ice"))
	# Nobody listens there.
	var relay := "turn:127.0.0.1:9?transport=tcp"
	var relays: Array[Dictionary] = [{urls = relay, username = "me", credential = "secret"}]
	var client := add_cloudlink_client(server, {"open_channels": true, "ice_servers": relays})
	var told := record_all(client)
	await check_enters(client.join_lobby("ice"))
	await until(func() -> bool: return told_of(told, "failed"), 5.0, "a failure")
	var failed := told.filter(func(entry: Array) -> bool: return entry[0] == "failed")
	check_equal(failed[0][1], SignalingClient.FAILURE_TURN_UNREACHABLE, "which")
	check(told_of(told, "ice_server_failed"), "in detail")


func test_what_means_nothing_is_ignored() -> void:
	var web := WebClient.new()
	var client := await _add_guest_of(web)
	var told := record(client)
	client.share_variable("v", 1)
	client.share_list("l", [1])
	for text: String in ["", "no JSON", "[]", "{}", "{\"opcode\":1}", "{\"opcode\":\"DANCE\"}",
			"{\"opcode\":\"G_VAR\",\"payload\":1}", "{\"opcode\":\"G_VAR\",\"id\":\"w\",\"payload\":1}",
			"{\"opcode\":\"G_LIST\",\"id\":\"l\",\"payload\":[]}",
			"{\"opcode\":\"G_LIST\",\"id\":\"l\",\"method\":\"sort\",\"payload\":[]}",
			"{\"opcode\":\"G_LIST\",\"id\":\"l\",\"method\":\"length\",\"payload\":-1}",
			"{\"opcode\":\"G_LIST\",\"id\":\"v\",\"method\":\"set\",\"payload\":[]}",
			"{\"opcode\":\"NEW_CHAN\",\"payload\":{\"id\":1,\"label\":\"x\"}}",
			"{\"opcode\":\"NEW_CHAN\",\"payload\":{\"id\":2,\"label\":\"default\"}}"]:
		web.say_text(text)
	web.say({opcode = "G_MSG", payload = "hi"})
	await until(func() -> bool: return not told.is_empty(), 5.0, "what means something")
	check_equal(told, [["message_received", web.id, "default", "hi", false]] as Array[Array], "alone")
	web.hang_up()
	await until(func() -> bool:
		return ["channel_closed", web.id, "default"] in told, 15.0, "it hangs up")
	check_equal(told_of(told, "peer_failed"), false, "which is no failure")


## A game in a lobby of this web client, with a channel between them.
func _add_guest_of(web: WebClient) -> CloudLinkClient:
	var server := add_cloudlink()
	add_child(web)
	web.create(url_of(server), "tests", "ice")
	await until(func() -> bool: return web.is_hosting, 5.0, "the lobby is there")
	var client := add_cloudlink_client(server, {"open_channels": true})
	await check_enters(client.join_lobby("ice"))
	await until(func() -> bool: return client.get_channels(web.id).size() == 1, 15.0, "open")
	return client
