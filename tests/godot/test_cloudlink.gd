extends "res://tests/signaling_case.gd"
## [CloudLinkClient]: lobbies of all versions of CloudLink on a server of ours.

const Player := preload("res://tests/fixtures/cloudlink_player.gd")
const Menu := preload("res://tongues/menu.tscn")
const VERSIONS: Array[int] = [CloudLinkClient.VERSION_CLOUDLINK_5,
	CloudLinkClient.VERSION_OMEGA_LATE_2023, CloudLinkClient.VERSION_OMEGA_OCTOBER_2023]


func test_players_of_each_version_are_connected() -> void:
	var server := _add_cloudlink()
	for version in VERSIONS:
		var is_mesh := version == CloudLinkClient.VERSION_CLOUDLINK_5
		var players: Array[Player] = []
		for number in 3 if is_mesh else 2:
			var player := _add_player(server, {"version": version, "user_name": str(number)})
			players.append(player)
			await _check_enters(
				player.client.create_lobby("ice") if number == 0 else player.client.join_lobby("ice"))
		await _check_connected(players)
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


func test_messages_go_over_channels() -> void:
	var server := _add_cloudlink()
	for version in VERSIONS:
		var clients: Array[CloudLinkClient] = []
		for number in 2:
			clients.append(_add_client(server, {"version": version, "open_channels": true}))
		await _check_enters(clients[0].create_lobby("ice"))
		var told := [_record(clients[0]), _record(clients[1])]
		await _check_enters(clients[1].join_lobby("ice"))
		var names: Array[String] = [clients[0].get_member(), clients[1].get_member()]
		for number in 2:
			await until(func() -> bool: return told_of(told[number], "channel_opened"), 15.0, "open")
			check_equal(clients[number].get_channels(names[1 - number]),
				PackedStringArray(["default"]), "the channels")
		await _check_message(clients[0].send_message({a = [1, "b"]}), told[1],
			["message_received", names[0], "default", {a = [1.0, "b"]}, false])
		await _check_message(clients[1].send_private_message(names[0], "psst"), told[0],
			["message_received", names[1], "default", "psst", true])
		check_equal(clients[1].open_channel(names[0], "chat", false), OK, "a further channel")
		for number in 2:
			await until(func() -> bool:
				return ["channel_opened", names[1 - number], "chat"] in told[number], 5.0, "open")
		await _check_message(clients[0].send_message("hi", "chat"), told[1],
			["message_received", names[0], "chat", "hi", false])
		check_equal(clients[0].open_channel(names[1], "chat"), ERR_ALREADY_EXISTS, "only once")
		check_equal(clients[0].close_channel(names[1], "chat"), OK, "closed")
		await until(func() -> bool:
			return ["channel_closed", names[0], "chat"] in told[1], 5.0, "closed there")
		await _check_message(clients[0].end_call(names[1]), told[1], ["call_ended", names[0]])
		await _check_message(clients[0].decline_call(names[1]), told[1], ["call_declined", names[0]])
		check_equal(clients[0].leave_lobby(), OK, "leaves")
		# Where the lobby is closed with its host, its channels are not told of one by one.
		var is_closed := version == CloudLinkClient.VERSION_OMEGA_LATE_2023
		var end := "lobby_left" if is_closed else "channel_closed"
		told[1].clear()
		await until(func() -> bool: return told_of(told[1], end), 15.0, "the end of it")
		check_equal(clients[1].get_channels(names[0]), PackedStringArray(), "no channels any more")
		clients.map(func(client: CloudLinkClient) -> void: client.queue_free())


func test_variables_and_lists_are_shared() -> void:
	var clients := await _add_connected(_add_cloudlink())
	var names: Array[String] = [clients[0].get_member(), clients[1].get_member()]
	var told := record(clients[1])
	for client in clients:
		check_equal(client.share_variable("score", 0), OK, "a variable")
		check_equal(client.share_list("items", [1, 2]), OK, "a list")
	check_equal(clients[0].share_list("score", []), ERR_ALREADY_EXISTS, "the id is taken")
	check_equal(clients[0].set_variable("other", 1), ERR_DOES_NOT_EXIST, "not shared")
	await _check_message(clients[0].set_variable("score", 7), told,
		["variable_changed", "score", 7.0, names[0]])
	check_equal([clients[0].get_variable("score"), clients[1].get_variable("score")], [7.0, 7.0],
		"both know")
	await _check_message(clients[0].set_list_item("items", 3, "x"), told,
		["list_changed", "items", [1.0, 2.0, null, "x"], names[0]])
	await _check_message(clients[0].resize_list("items", 1), told,
		["list_changed", "items", [1.0], names[0]])
	await _check_message(clients[0].set_list("items", [true]), told,
		["list_changed", "items", [true], names[0]])
	check_equal(clients[1].get_list("items"), [true], "the list")
	check(clients[0].unshare("items") and not clients[0].unshare("items"), "no longer")


func test_what_a_host_can_ask_for() -> void:
	var server := _add_cloudlink()
	var host := _add_client(server, {"user_name": "Ada", "pubkey": "key"})
	await _check_enters(host.create_lobby("ice", {max_players = 1, password = "s"}))
	var guest := _add_client(server)
	var told := record(guest)
	check_equal(await _value(guest.list_lobbies()), PackedStringArray(["ice"]), "the lobbies")
	check_equal(await _value(guest.find_lobby("ice")), {host = host.get_member(), host_name = "Ada",
		max_players = 1, players = 0, locked = false, has_password = true}, "what it is like")
	await _check_fails(guest.find_lobby("no"), SignalingClient.FAILURE_NOT_FOUND)
	await _check_fails(guest.join_lobby("no"), SignalingClient.FAILURE_NOT_FOUND)
	await _check_fails(guest.create_lobby("ice"), SignalingClient.FAILURE_REJECTED)
	await _check_fails(guest.join_lobby("ice"), SignalingClient.FAILURE_PASSWORD)
	await _check_fails(guest.manage_lobby("lock"), SignalingClient.FAILURE_NOT_HOST)
	check_equal(await _value(host.manage_lobby("lock")), null, "locked")
	await _check_fails(guest.join_lobby("ice", {password = "s"}), SignalingClient.FAILURE_LOCKED)
	await _value(host.manage_lobby("unlock"))
	await _check_enters(guest.join_lobby("ice", {password = "s"}))
	await _check_fails(guest.join_lobby("ice"), SignalingClient.FAILURE_IN_LOBBY)
	await until(func() -> bool: return guest.get_members().size() == 2, 5.0, "the host is known")
	var entry: Dictionary = guest.get_members()[1]
	check_equal([entry.name, entry.pubkey, entry.host, entry.is_me], ["Ada", "key", true, false],
		"what is told of it")
	await _check_fails(host.manage_lobby("kick", "nobody"), SignalingClient.FAILURE_NO_SUCH_MEMBER)
	await _value(host.manage_lobby("transfer_ownership", guest.get_member()))
	await until(func() -> bool: return guest.is_host() and not host.is_host(), 5.0, "another host")
	await _value(guest.manage_lobby("kick", host.get_member()))
	await until(func() -> bool: return host.get_state() == CloudLinkClient.STATE_FAILED, 5.0, "out")
	told.clear()
	await _value(guest.manage_lobby("close_lobby"))
	check_equal([guest.get_lobby(), guest.get_state()], ["", CloudLinkClient.STATE_LEFT], "closed")
	await _check_enters(guest.create_lobby("fire"))


func test_another_host_of_the_late_omega() -> void:
	var server := _add_cloudlink()
	var players: Array[Player] = []
	for number in 3:
		var player := _add_player(server, {"version": CloudLinkClient.VERSION_OMEGA_LATE_2023})
		players.append(player)
		await _check_enters(player.client.create_lobby("ice", {host_policy = "migrate"})
			if number == 0 else player.client.join_lobby("ice"))
	await until(func() -> bool: return players[0].others().size() == 2, 15.0, "all are connected")
	check_equal(players[1].others(), [1], "with the host alone")
	check_equal(players[0].client.leave_lobby(), OK, "the host leaves")
	players.remove_at(0)
	await until(func() -> bool: return players[0].client.is_host(), 5.0, "another host")
	await until(func() -> bool: return players[0].id() == 1, 5.0, "which is 1")
	await _check_connected(players)


func test_several_hosts_of_the_first_omega() -> void:
	var server := _add_cloudlink()
	var version := CloudLinkClient.VERSION_OMEGA_OCTOBER_2023
	var guest := _add_player(server, {"version": version})
	await _check_enters(guest.client.join_lobby("ice"))
	check_equal(guest.client.get_host(), "", "nobody hosts it yet")
	var host := _add_player(server, {"version": version})
	await _check_enters(host.client.create_lobby("ice"))
	await _check_connected([guest, host])
	host.queue_free()
	await until(func() -> bool: return guest.client.get_host().is_empty(), 5.0, "the host is gone")
	var next := _add_player(server, {"version": version})
	await _check_enters(next.client.create_lobby("ice"))
	await _check_connected([guest, next])


func test_what_is_told_of_a_lobby() -> void:
	var server := _add_cloudlink()
	var bystander := _add_client(server)
	var seen := _record(bystander)
	check_equal(bystander.start(), OK, "connects")
	await until(func() -> bool: return told_of(seen, "connected"), 5.0, "connected")
	check_equal(seen, [["state_changed", CloudLinkClient.STATE_IDLE,
		CloudLinkClient.STATE_INITIALIZING], ["connected", bystander.get_member()]] as Array[Array],
		"what is told of it")
	seen.clear()
	var host := _add_client(server)
	var told := _record(host)
	await _check_enters(host.create_lobby("ice"))
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
	var server := _add_cloudlink()
	for version in VERSIONS:
		var host := _add_client(server, {"version": version})
		var guest := _add_client(server, {"version": version})
		await _check_enters(host.create_lobby("ice"))
		var heard := record(guest)
		var answered := _record(host)
		await _check_enters(guest.join_lobby("ice"))
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
	var server := _add_cloudlink()
	var late := _add_client(server, {"version": CloudLinkClient.VERSION_OMEGA_LATE_2023})
	await _check_fails(late.list_lobbies(), SignalingClient.FAILURE_NEEDS_EXTENDED)
	await _check_fails(late.create_lobby("ice", {size = 1}), SignalingClient.FAILURE_INVALID)
	await _check_fails(late.create_lobby("ice", {host_policy = "flee"}),
		SignalingClient.FAILURE_INVALID)
	await _check_fails(late.manage_lobby("lock"), SignalingClient.FAILURE_NEEDS_EXTENDED)
	check_equal(late.send_message("hi"), ERR_UNCONFIGURED, "no channels")
	check_equal(late.leave_lobby(), ERR_UNCONFIGURED, "not connected")
	var five := _add_client(server)
	await _check_fails(five.manage_lobby("dance"), SignalingClient.FAILURE_INVALID)
	await _check_fails(five.manage_lobby("kick", 1), SignalingClient.FAILURE_INVALID)
	for wrong: Dictionary in [{game = ""}, {url = "http://a"}, {peer_server_url = "http://a"}]:
		check_equal(_add_client(server, wrong).start(), ERR_INVALID_PARAMETER, str(wrong))
	var cancelled := five.join_lobby("ice")
	check_equal(five.join_lobby("ice").error, ERR_ALREADY_IN_USE, "one lobby at a time")
	five.stop()
	await _check_fails(cancelled, SignalingClient.FAILURE_CANCELLED)


func test_without_a_peer_server_there_is_no_lobby() -> void:
	var server := add_server({"protocols": SignalingServer.PROTOCOL_CLOUDLINK_5})
	var client := _add_client(server)
	var told := record(client)
	await _check_fails(client.create_lobby("ice"), SignalingClient.FAILURE_CONNECTION_LOST)
	await until(func() -> bool: return told_of(told, "disconnected"), 5.0, "over")
	check(told.back()[2].begins_with("PeerServer"), "why: %s" % told.back()[2])


func test_a_node_may_be_freed_while_it_tells() -> void:
	var server := _add_cloudlink()
	for signal_name: String in ["state_changed", "connected", "lobby_joined"]:
		var client := _add_client(server)
		client.connect(signal_name, func(..._arguments: Array) -> void: client.queue_free())
		var id := client.get_instance_id()
		client.create_lobby(signal_name)
		await gone(id, signal_name)


func test_the_demo() -> void:
	var server := _add_cloudlink()
	var demos: Array[CloudLinkDemo] = []
	for user: String in ["Ann", "Bob", "Eve"]:
		var menu: TonguesMenu = Menu.instantiate()
		add_child(menu, true)
		menu.open("CloudLink")
		var demo: CloudLinkDemo = menu.shown
		(demo.find_child("Url") as LineEdit).text = url_of(server)
		(demo.find_child("User") as LineEdit).text = user
		await demo.enter(demo.client.join_lobby if demos.size() > 0 else demo.client.create_lobby)
		demos.append(demo)
	for demo in demos:
		await until(func() -> bool:
			return demo.client.get_members().filter(func(entry: Dictionary) -> bool:
				return demo.client.get_channels(entry.member).size() == 1).size() == 2,
			15.0, "%s is connected" % demo.name)
	var heard: Array[Array] = []
	demos[0].heard.connect(func(user: String, text: String) -> void: heard.append([user, text]))
	demos[1].say("Hello")
	await until(func() -> bool: return heard.size() == 1, 5.0, "a line arrives")
	check_equal(heard[0], ["Bob", "Hello"], "who says what")


func _add_cloudlink() -> SignalingServer:
	return add_server({"protocols": SignalingServer.PROTOCOL_CLOUDLINK_OMEGA
		| SignalingServer.PROTOCOL_CLOUDLINK_5 | SignalingServer.PROTOCOL_PEER_SERVER})


## A client in the tree that only signals unless told otherwise.
func _add_client(server: SignalingServer, properties: Dictionary = {}) -> CloudLinkClient:
	var client := CloudLinkClient.new()
	client.assign_multiplayer_peer = false
	_set_up(client, server, properties)
	add_child(client)
	return client


func _add_player(server: SignalingServer, properties: Dictionary = {}) -> Player:
	var player := Player.new()
	_set_up(player.client, server, properties)
	add_child(player, true)
	return player


func _set_up(client: CloudLinkClient, server: SignalingServer, properties: Dictionary) -> void:
	client.url = url_of(server)
	client.game = "tests"
	client.user_name = "someone"
	_set_all(client, properties)


## Two clients of CloudLink 5 with a channel between them.
func _add_connected(server: SignalingServer) -> Array[CloudLinkClient]:
	var clients: Array[CloudLinkClient] = []
	for number in 2:
		clients.append(_add_client(server, {"open_channels": true}))
	await _check_enters(clients[0].create_lobby("ice"))
	await _check_enters(clients[1].join_lobby("ice"))
	for number in 2:
		await until(func() -> bool:
			return clients[number].get_channels(clients[1 - number].get_member()).size() == 1,
			15.0, "open")
	return clients


## Writes down all that a client tells.
func _record(client: CloudLinkClient) -> Array[Array]:
	return record(client, [] as Array[String])


func _check_enters(request: SignalingRequest) -> void:
	var entered: bool = await request.completed
	check(entered, "enters the lobby: %s" % request.message)


func _check_fails(request: SignalingRequest, failure: int) -> void:
	check_equal(await request.completed, false, "fails")
	check_equal(request.failure, failure, request.message)


func _value(request: SignalingRequest) -> Variant:
	check(await request.completed, "succeeds: %s" % request.message)
	return request.value


func _check_message(sent: int, told: Array[Array], expected: Array) -> void:
	check_equal(sent, OK, "sent")
	await until(func() -> bool: return expected in told, 5.0, "told: %s" % [expected])


## Each calls each of the others.
func _check_connected(players: Array) -> void:
	for player: Player in players:
		await until(func() -> bool: return player.others().size() == players.size() - 1, 15.0,
			"%s is connected" % player.name)
	for player: Player in players:
		for other: int in player.others():
			player.receiver.send(other, "reliable", 100)
	for player: Player in players:
		for other: int in player.others():
			await until(func() -> bool: return player.receiver.has(other, "reliable", 100), 5.0,
				"%s hears %d" % [player.name, other])
		player.receiver.calls.clear()
