extends "res://tests/cloudlink_case.gd"
## [CloudLinkClient]: lobbies of all versions of CloudLink on a server of ours.

const Player := preload("res://tests/fixtures/cloudlink_player.gd")
const Menu := preload("res://tongues/menu.tscn")


func test_players_of_each_version_are_connected() -> void:
	var server := add_cloudlink()
	for version in VERSIONS:
		var is_mesh := version == CloudLinkClient.VERSION_CLOUDLINK_5
		var players: Array[Player] = []
		for number in 3 if is_mesh else 2:
			var player := _add_player(server, {"version": version, "user_name": str(number)})
			players.append(player)
			await check_enters(
				player.client.create_lobby("ice") if number == 0 else player.client.join_lobby("ice"))
		await check_connected(players)
		var host := players[0].client
		check(host.is_host() and not players[1].client.is_host(), "who is the host")
		check_equal(players[1].client.get_host(), host.get_member(), "which is known")
		check_equal(players[0].id(), host.get_unique_id(), "our own id")
		check_equal(players[0].id() == 1, not is_mesh, "whether the host is 1")
		check_equal(players[1].client.get_peer_id(host.get_member()), players[0].id(), "by text")
		check_equal(players[0].client.get_peer_id(players[1].client.get_member()), players[1].id(),
			"the other way round")
		for player in players:
			player.queue_free()


func test_what_a_host_can_ask_for() -> void:
	var server := add_cloudlink()
	var host := add_cloudlink_client(server, {"user_name": "Ada", "pubkey": "key"})
	await check_enters(host.create_lobby("ice", {max_players = 1, password = "s"}))
	var guest := add_cloudlink_client(server)
	var told := record(guest)
	check_equal(await _value(guest.list_lobbies()), PackedStringArray(["ice"]), "the lobbies")
	check_equal(await _value(guest.find_lobby("ice")), {host = host.get_member(), host_name = "Ada",
		max_players = 1, players = 0, locked = false, has_password = true}, "what it is like")
	await check_fails(guest.find_lobby("no"), SignalingClient.FAILURE_NOT_FOUND)
	await check_fails(guest.join_lobby("no"), SignalingClient.FAILURE_NOT_FOUND)
	await check_fails(guest.create_lobby("ice"), SignalingClient.FAILURE_REJECTED)
	await check_fails(guest.join_lobby("ice"), SignalingClient.FAILURE_PASSWORD)
	await check_fails(guest.manage_lobby("lock"), SignalingClient.FAILURE_NOT_HOST)
	check_equal(await _value(host.manage_lobby("lock")), null, "locked")
	await check_fails(guest.join_lobby("ice", {password = "s"}), SignalingClient.FAILURE_LOCKED)
	await _value(host.manage_lobby("unlock"))
	await check_enters(guest.join_lobby("ice", {password = "s"}))
	await check_fails(guest.join_lobby("ice"), SignalingClient.FAILURE_IN_LOBBY)
	await until(func() -> bool: return guest.get_members().size() == 2, 5.0, "the host is known")
	var entry: Dictionary = guest.get_members()[1]
	check_equal([entry.name, entry.pubkey, entry.host, entry.is_me], ["Ada", "key", true, false],
		"what is told of it")
	await check_fails(host.manage_lobby("kick", "nobody"), SignalingClient.FAILURE_NO_SUCH_MEMBER)
	await _value(host.manage_lobby("transfer_ownership", guest.get_member()))
	await until(func() -> bool: return guest.is_host() and not host.is_host(), 5.0, "another host")
	var last := record_all(host)
	await _value(guest.manage_lobby("kick", host.get_member()))
	await until(func() -> bool: return told_of(last, "disconnected"), 5.0, "out")
	check_equal([host.get_state(), last.filter(
		func(entry: Array) -> bool: return entry[0] == "lobby_left")[0][1]],
		[CloudLinkClient.STATE_FAILED, SignalingClient.FAILURE_KICKED], "removed")
	told.clear()
	await _value(guest.manage_lobby("close_lobby"))
	check_equal([guest.get_lobby(), guest.get_state()], ["", CloudLinkClient.STATE_LEFT], "closed")
	await check_enters(guest.create_lobby("fire"))


func test_another_host_of_the_late_omega() -> void:
	var server := add_cloudlink()
	var players: Array[Player] = []
	for number in 3:
		var player := _add_player(server, {"version": CloudLinkClient.VERSION_OMEGA_LATE_2023})
		players.append(player)
		await check_enters(player.client.create_lobby("ice", {host_policy = "migrate"})
			if number == 0 else player.client.join_lobby("ice"))
	await until(func() -> bool: return players[0].others().size() == 2, 15.0, "all are connected")
	check_equal(players[1].others(), [1], "with the host alone")
	check_equal(players[0].client.leave_lobby(), OK, "the host leaves")
	players.remove_at(0)
	await until(func() -> bool: return players[0].client.is_host(), 5.0, "another host")
	await until(func() -> bool: return players[0].id() == 1, 5.0, "which is 1")
	await check_connected(players)


func test_what_the_late_omega_tells_of_lobbies() -> void:
	var server := add_cloudlink()
	var late := {"version": CloudLinkClient.VERSION_OMEGA_LATE_2023}
	var guest := add_cloudlink_client(server, late)
	var seen := record_all(guest)
	guest.start()
	await until(func() -> bool: return told_of(seen, "connected"), 5.0, "connected")
	var host := add_cloudlink_client(server, late.merged({"user_name": "Ada"}))
	var options := {max_players = 3, password = "s", host_policy = "stay"}
	await check_enters(host.create_lobby("ice", options))
	await until(func() -> bool: return told_of(seen, "lobby_listed"), 5.0, "it is listed")
	check_equal(seen.back(), ["lobby_listed", {name = "ice", host = host.get_member(),
		host_name = "Ada", max_players = 3, has_password = true}], "what is told of it")
	await check_fails(guest.join_lobby("ice"), SignalingClient.FAILURE_PASSWORD)
	await check_fails(guest.join_lobby("ice", {password = "t"}), SignalingClient.FAILURE_PASSWORD)
	await check_enters(guest.join_lobby("ice", {password = "s"}))
	# Whoever makes an offer is the host, if none is known.
	await until(func() -> bool: return guest.get_member() in host.get_members().map(
		func(entry: Dictionary) -> String: return entry.member), 5.0, "the guest is known")
	host.send_offer(guest.get_member(), "v=0")
	await until(func() -> bool: return guest.get_host() == host.get_member(), 5.0, "the host is known")
	host.leave_lobby()
	await until(func() -> bool: return ["host_changed", "", false] in seen, 5.0, "nobody is the host")
	check_equal(guest.get_lobby(), "ice", "but the lobby is there")


func test_a_channel_that_another_client_asks_the_server_for() -> void:
	var server := add_cloudlink()
	var client := add_cloudlink_client(server, {"version": CloudLinkClient.VERSION_OMEGA_LATE_2023})
	var told := record_all(client)
	await check_enters(client.create_lobby("ice"))
	var socket := WebSocketPeer.new()
	socket.connect_to_url(url_of(server) + "/signaling/tests?v=0")
	await until(func() -> bool:
		socket.poll()
		return socket.get_ready_state() == WebSocketPeer.STATE_OPEN, 5.0, "the other is connected")
	socket.send_text(JSON.stringify({opcode = 2, payload = "Web"}))
	var channel := {id = 3, name = "chat", ordered = false}
	socket.send_text(JSON.stringify({opcode = 35, payload = channel, rx = client.get_member()}))
	await until(func() -> bool:
		socket.poll()
		return told_of(told, "channel_requested"), 5.0, "it asks")
	check_equal(told.back().slice(2), [3, "chat", false], "for which")


func test_strangers_cannot_reach_who_opened_the_lobby() -> void:
	var server := add_cloudlink()
	var client := add_cloudlink_client(server, {"version": CloudLinkClient.VERSION_OMEGA_LATE_2023})
	await check_enters(client.create_lobby("ice", {password = "s"}))
	var told := record_all(client)
	var socket := WebSocketPeer.new()
	socket.connect_to_url(url_of(server) + "/signaling/tests?v=0")
	await until(func() -> bool:
		socket.poll()
		return socket.get_ready_state() == WebSocketPeer.STATE_OPEN, 5.0, "the other is connected")
	var offer := JSON.stringify(
		{opcode = 10, payload = {type = "offer", sdp = "v=0"}, rx = client.get_member()})
	socket.send_text(JSON.stringify({opcode = 2, payload = "Eve"}))
	socket.send_text(offer)
	socket.send_text(JSON.stringify({opcode = 5, payload = {lobby_id = "ice", password = "s"}}))
	await until(func() -> bool:
		socket.poll()
		return told_of(told, "member_joined"), 5.0, "it knows the password")
	check_equal(told.map(func(entry: Array) -> String: return entry[0]), ["member_joined"],
		"what it said before is not heard")
	socket.send_text(offer)
	await until(func() -> bool:
		socket.poll()
		return told_of(told, "offer_received"), 5.0, "what it says now is")


func test_what_the_server_does_not_take() -> void:
	var server := add_cloudlink()
	var client := add_cloudlink_client(server)
	var told := record_all(client)
	await check_fails(client.create_lobby("x".repeat(600)), SignalingClient.FAILURE_SERVER_FULL)
	await until(func() -> bool: return told_of(told, "disconnected"), 5.0, "out")
	check_equal([told_of(told, "warned"), client.get_state()],
		[true, CloudLinkClient.STATE_FAILED], "and why")


func test_several_hosts_of_the_first_omega() -> void:
	var server := add_cloudlink()
	var version := CloudLinkClient.VERSION_OMEGA_OCTOBER_2023
	var guest := _add_player(server, {"version": version})
	await check_enters(guest.client.join_lobby("ice"))
	check_equal(guest.client.get_host(), "", "nobody hosts it yet")
	var host := _add_player(server, {"version": version})
	await check_enters(host.client.create_lobby("ice"))
	await check_connected([guest, host])
	host.queue_free()
	await until(func() -> bool: return guest.client.get_host().is_empty(), 5.0, "the host is gone")
	var next := _add_player(server, {"version": version})
	await check_enters(next.client.create_lobby("ice"))
	await check_connected([guest, next])


func test_what_is_told_of_a_lobby() -> void:
	var server := add_cloudlink()
	var bystander := add_cloudlink_client(server)
	var seen := record_all(bystander)
	check_equal(bystander.start(), OK, "connects")
	await until(func() -> bool: return told_of(seen, "connected"), 5.0, "connected")
	check_equal(seen, [["state_changed", CloudLinkClient.STATE_IDLE,
		CloudLinkClient.STATE_INITIALIZING], ["connected", bystander.get_member()]] as Array[Array],
		"what is told of it")
	seen.clear()
	var host := add_cloudlink_client(server)
	var told := record_all(host)
	await check_enters(host.create_lobby("ice"))
	check_equal(told.slice(-2), [["state_changed", CloudLinkClient.STATE_INITIALIZING,
		CloudLinkClient.STATE_JOINED], ["lobby_joined", "ice"]] as Array[Array], "into the lobby")
	await until(func() -> bool: return ["lobby_listed", {name = "ice"}] in seen, 5.0, "listed")
	told.clear()
	check_equal(host.leave_lobby(), OK, "leaves")
	await until(func() -> bool: return told_of(told, "disconnected"), 5.0, "out")
	check_equal(told.map(func(entry: Array) -> String: return entry[0]),
		["state_changed", "lobby_left", "disconnected"], "in this order")
	check_equal([told[1], told[2][1], host.get_state(), host.get_member()],
		[["lobby_left", SignalingClient.FAILURE_NONE, ""], 1000, CloudLinkClient.STATE_LEFT, ""],
		"nothing is known any more")
	await until(func() -> bool: return ["lobby_unlisted", "ice"] in seen, 5.0, "no longer listed")
	server.stop()
	await until(func() -> bool: return told_of(seen, "disconnected"), 5.0, "the server is gone")
	check_equal([told_of(seen, "failed"), bystander.get_state()],
		[true, CloudLinkClient.STATE_FAILED], "which is a failure")


func test_connections_of_the_game_itself() -> void:
	var server := add_cloudlink()
	for version in VERSIONS:
		var host := add_cloudlink_client(server, {"version": version})
		var guest := add_cloudlink_client(server, {"version": version})
		await check_enters(host.create_lobby("ice"))
		var heard := record(guest)
		var answered := record_all(host)
		await check_enters(guest.join_lobby("ice"))
		await until(func() -> bool: return told_of(answered, "member_joined"), 5.0, "a member")
		var names: Array[String] = [host.get_member(), guest.get_member()]
		check_equal(host.send_offer(names[1], "v=0"), OK, "an offer")
		await until(func() -> bool:
			return ["offer_received", names[0], "v=0"] in heard, 5.0, "heard")
		check_equal(guest.send_answer(names[0], "v=1"), OK, "an answer")
		await until(func() -> bool:
			return ["answer_received", names[1], "v=1"] in answered, 5.0, "heard")
		check_equal(host.send_candidate(names[1], "0", 0, "candidate:1"), OK, "a candidate")
		await until(func() -> bool:
			return ["candidate_received", names[0], "0", 0, "candidate:1"] in heard, 5.0, "heard")
		check_equal(host.send_candidate(names[1], "0", -1, "candidate:1"),
			ERR_INVALID_PARAMETER, "there is no such part")
		host.stop()
		check_equal(host.send_offer(names[1], "v=0"), ERR_UNCONFIGURED, "not connected")


func test_what_cannot_be_asked() -> void:
	var server := add_cloudlink()
	var late := add_cloudlink_client(server, {"version": CloudLinkClient.VERSION_OMEGA_LATE_2023})
	var unknown := late.list_lobbies()
	await check_fails(unknown, SignalingClient.FAILURE_NEEDS_EXTENDED)
	check("VERSION_CLOUDLINK_5" in unknown.details.hint, "what to do")
	var october := add_cloudlink_client(
		server, {"version": CloudLinkClient.VERSION_OMEGA_OCTOBER_2023})
	for refused: SignalingRequest in [late.create_lobby("ice", {size = 1}),
			late.create_lobby("ice", {locked = true}), late.join_lobby("ice", {max_players = 1}),
			october.create_lobby("ice", {password = "s"}), october.join_lobby("ice", {password = "s"}),
			october.create_lobby("ice", {max_players = 1})]:
		await check_fails(refused, SignalingClient.FAILURE_INVALID)
	await check_fails(late.create_lobby("ice", {host_policy = "flee"}),
		SignalingClient.FAILURE_INVALID)
	await check_fails(late.manage_lobby("lock"), SignalingClient.FAILURE_NEEDS_EXTENDED)
	check_equal(late.send_message("hi"), ERR_UNCONFIGURED, "no channels")
	check_equal(late.leave_lobby(), ERR_UNCONFIGURED, "not connected")
	var five := add_cloudlink_client(server)
	await check_fails(five.create_lobby("ice", {host_policy = "stay"}), SignalingClient.FAILURE_INVALID)
	await check_fails(five.create_lobby("ice", {max_players = -2}), SignalingClient.FAILURE_INVALID)
	await check_fails(five.manage_lobby("dance"), SignalingClient.FAILURE_INVALID)
	await check_fails(five.manage_lobby("kick", 1), SignalingClient.FAILURE_INVALID)
	for wrong: Dictionary in [{game = ""}, {url = "http://a"}, {peer_server_url = "http://a"}]:
		check_equal(add_cloudlink_client(server, wrong).start(), ERR_INVALID_PARAMETER, str(wrong))
	var cancelled := five.join_lobby("ice")
	check_equal(five.join_lobby("ice").error, ERR_ALREADY_IN_USE, "one lobby at a time")
	five.stop()
	await check_fails(cancelled, SignalingClient.FAILURE_CANCELLED)


func test_requests_that_are_too_many_say_so() -> void:
	var mute := TCPServer.new()
	check_equal(mute.listen(0, "127.0.0.1"), OK, "somebody who never answers")
	var client := add_cloudlink_client(
		add_cloudlink(), {"url": "ws://127.0.0.1:%d" % mute.get_local_port()})
	var requests: Array[SignalingRequest] = []
	for _number in 2000:
		requests.append(client.list_lobbies())
	var failures := func(failure: int) -> int:
		return requests.filter(
			func(request: SignalingRequest) -> bool: return request.failure == failure).size()
	await until(func() -> bool:
		return failures.call(SignalingClient.FAILURE_OVERLOADED) == 2000 - 256, 5.0, "too many")
	client.stop()
	await frames(2)
	check_equal(failures.call(SignalingClient.FAILURE_CANCELLED), 256, "the others have waited")


func test_a_node_may_be_freed_by_whoever_waits_for_it() -> void:
	var server := add_cloudlink()
	for method: String in ["create_lobby", "join_lobby"]:
		var client := add_cloudlink_client(server)
		var id := client.get_instance_id()
		var request: SignalingRequest = client.call(method, method)
		await request.completed
		client.free()
		check(not is_instance_id_valid(id), "freed at once")
		await frames(2)


func test_without_a_peer_server_there_is_no_lobby() -> void:
	var server := add_server({"protocols": SignalingServer.PROTOCOL_CLOUDLINK_5})
	var client := add_cloudlink_client(server)
	var told := record(client)
	await check_fails(client.create_lobby("ice"), SignalingClient.FAILURE_SERVER_UNREACHABLE)
	await until(func() -> bool: return told_of(told, "disconnected"), 5.0, "over")
	check(told.back()[2].begins_with("PeerServer"), "why: %s" % told.back()[2])


func test_a_node_may_be_freed_while_it_tells() -> void:
	var server := add_cloudlink()
	for signal_name: String in ["state_changed", "connected", "lobby_joined"]:
		var client := add_cloudlink_client(server)
		client.connect(signal_name, func(..._arguments: Array) -> void: client.queue_free())
		var id := client.get_instance_id()
		client.create_lobby(signal_name)
		await gone(id, signal_name)


func test_the_demo() -> void:
	var server := add_cloudlink()
	for version in VERSIONS:
		var demos: Array[CloudLinkDemo] = []
		for user: String in ["Ann", "Bob", "Eve"]:
			var demo := _open_demo(url_of(server), user, version)
			await demo.enter(
				demo.client.join_lobby if demos.size() > 0 else demo.client.create_lobby)
			demos.append(demo)
		# In CloudLink Omega all are connected to the host alone.
		for demo: CloudLinkDemo in demos.slice(1):
			await until(func() -> bool:
				return demo.client.get_channels(demos[0].client.get_member()).size() == 1,
				15.0, "%s is connected" % demo.name)
		var heard: Array[Array] = []
		demos[0].heard.connect(
			func(user: String, text: String) -> void: heard.append([user, text]))
		demos[1].say("Hello")
		await until(func() -> bool: return heard.size() == 1, 5.0, "a line arrives")
		check_equal(heard[0][1], "Hello", "what is said")
		for demo in demos:
			demo.client.stop()


func test_the_demo_in_words() -> void:
	var server := add_cloudlink()
	var host := _open_demo(url_of(server), "Ann", CloudLinkClient.VERSION_CLOUDLINK_5)
	var guest := _open_demo(url_of(server), "Bob", CloudLinkClient.VERSION_CLOUDLINK_5)
	await guest.list()
	await guest.enter(guest.client.join_lobby)
	await host.enter(host.client.create_lobby)
	await guest.list()
	await guest.enter(guest.client.join_lobby)
	for demo: CloudLinkDemo in [host, guest]:
		await until(func() -> bool: return "Connected" in _log_of(demo), 15.0, "they are connected")
	host.say("Hello")
	await until(func() -> bool: return "Hello" in _log_of(guest), 5.0, "a line arrives")
	host.client.leave_lobby()
	await until(func() -> bool: return "No longer" in _log_of(guest), 15.0, "the host leaves")
	server.stop()
	await until(func() -> bool: return "You are out" in _log_of(guest), 5.0, "the server is gone")
	await guest.enter(guest.client.join_lobby)
	(guest.find_child("Url") as LineEdit).text = "nonsense"
	await guest.enter(guest.client.join_lobby)
	var told := _log_of(guest).split("\n", false).slice(1)
	var expected := PackedStringArray(["There is no lobby yet.", "There is no such lobby.",
		"Lobbies: lounge", "You are in lounge.", "Connected to Ann.", "Ann  Hello",
		"You are the host now.", "No longer connected to Ann.",
		"The server has closed the connection.", "You are out.", "The server cannot be reached.",
		"This is no address of a server."])
	# That the host has left is told twice, by the server and by its connection.
	told.sort()
	expected.sort()
	check_equal(told, expected, "what is told")


func _open_demo(url: String, user: String, version: int) -> CloudLinkDemo:
	var menu: TonguesMenu = Menu.instantiate()
	add_child(menu, true)
	menu.open("CloudLink")
	var demo: CloudLinkDemo = menu.shown
	(demo.find_child("Url") as LineEdit).text = url
	(demo.find_child("User") as LineEdit).text = user
	var versions: OptionButton = demo.find_child("Version")
	versions.select(versions.get_item_index(version))
	return demo


func _log_of(demo: CloudLinkDemo) -> String:
	return (demo.find_child("Log") as RichTextLabel).get_parsed_text()


func _add_player(server: SignalingServer, properties: Dictionary = {}) -> Player:
	var player := Player.new()
	set_up(player.client, server, properties)
	add_child(player, true)
	return player


func _value(request: SignalingRequest) -> Variant:
	check(await request.completed, "succeeds: %s" % request.message)
	return request.value
