extends "res://tests/signaling_case.gd"
## [RoomClient]: calls, group chats and broadcasts on a server of ours.

const Player := preload("res://tests/fixtures/room_player.gd")
const Proxy := preload("res://tests/fixtures/proxy.gd")
const UdpLine := preload("res://tests/fixtures/udp_line.gd")
const Introduction := preload("res://tests/fixtures/introduction.gd")
const Menu := preload("res://tongues/menu.tscn")
const JOINED := RoomClient.STATE_JOINED


func test_a_call_connects_two_players() -> void:
	var server := _add_rooms()
	var caller := _add_player(server, {"user_id": "ann", "session_id": "1",
		"host": "Server", "category": "screenshare", "device_id": "under the desk"})
	var callee := _add_player(server, {"user_id": "bob"})
	await _check_enters(caller.client.create(), "admin")
	await _check_enters(callee.client.join(), "publisher")
	await check_connected([caller, callee])
	check_equal(caller.id(), RoomClient.get_peer_id("ann", "1"), "the id of a session")
	var me := callee.client.get_me()
	check_equal(me.id, callee.id(), "our own id")
	check_equal(callee.client.get_unique_id(), callee.id(), "which is that in the room")
	check(me.session_id.length() > 20, "a session is drawn")
	check_equal(RoomClient.get_peer_id("bob", me.session_id), callee.id(), "by its texts")
	var listed := callee.client.get_publishers()
	check_equal(listed.map(func(entry: Dictionary) -> String: return entry.user_id),
		["ann", "bob"], "the publishers")
	check_equal(listed[0], {user_id = "ann", session_id = "1", id = caller.id(), role = "admin",
		video = false, audio = false, host = "Server", category = "screenshare",
		device_id = "under the desk", is_me = false}, "what is told of one")
	check_equal([listed[1].host, listed[1].category, listed[1].device_id], ["", "", ""],
		"who does not tell")
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "the server's view")
	check_equal(server.get_lobbies()[0].key, "rooms:lounge", "its key")


func test_what_is_told_of_a_call() -> void:
	var server := _add_rooms()
	var caller := _add_client(server, {"user_id": "ann"})
	var told := record(caller, [] as Array[String])
	await _check_enters(caller.create(), "admin")
	check_equal(told.slice(0, 3), [
		["state_changed", RoomClient.STATE_IDLE, RoomClient.STATE_INITIALIZING],
		["state_changed", RoomClient.STATE_INITIALIZING, JOINED],
		["room_joined", "lounge", "admin"]] as Array[Array], "into the room")
	check_equal(told[3][0], "publishers_changed", "who publishes")
	var callee := _add_client(server, {"user_id": "bob", "audio": true})
	await _check_enters(callee.join(), "publisher")
	await _until_listed(caller, 2)
	check_equal(caller.get_publishers()[1].audio, true, "what the other one sends")
	check_equal(callee.update(true, false), OK, "sends something else")
	await until(func() -> bool: return caller.get_publishers()[1].video, 5.0, "the others know")
	told.clear()
	check_equal(caller.leave(), OK, "leaves")
	await until(func() -> bool: return told_of(told, "room_left"), 5.0, "out of the room")
	check_equal(told, [["state_changed", JOINED, RoomClient.STATE_LEFT],
		["room_left", SignalingClient.FAILURE_NONE, ""]] as Array[Array], "what is told of it")
	check_equal([caller.get_role(), caller.get_unique_id(), caller.get_publishers().size()],
		["", 0, 0], "nothing is known any more")
	await _until_listed(callee, 1)
	check_equal(callee.get_role(), "admin", "the room is another's now")
	await _check_enters(caller.join(), "publisher")


func test_whoever_leaves_hangs_up() -> void:
	var players := await _add_call(_add_rooms())
	players[0].client.leave()
	await until(func() -> bool: return players[1].others().is_empty(), 5.0, "the other one sees it")
	check(players[0].client.get_multiplayer_peer() == null, "no peer is left")
	check(players[0].multiplayer.multiplayer_peer is OfflineMultiplayerPeer, "as before")
	await _check_enters(players[0].client.join(), "publisher")
	await check_connected(players)


func test_a_group_chat_connects_those_who_publish() -> void:
	var server := _add_rooms()
	var players: Array[Player] = []
	for user: String in ["ann", "bob", "eve"]:
		var player := _add_player(server, {"user_id": user, "channel": "m2m"})
		players.append(player)
		var is_first := players.size() == 1
		await _check_enters(player.client.create() if is_first else player.client.join(),
			"admin" if is_first else "viewer")
	var owner := players[0].client
	var told := record(owner, [] as Array[String])
	# Whoever asks first is not let, and whoever has not asked is.
	check_equal(players[1].client.request_publish("Let me!"), OK, "asks")
	await until(func() -> bool: return told_of(told, "publish_requested"), 5.0, "heard")
	check_equal([told[0][1], told[0].slice(3)], ["bob", [false, false, "Let me!"]], "who asks")
	var rejected := record(players[1].client)
	check_equal(owner.reject_publish("bob", told[0][2]), OK, "no")
	await until(func() -> bool: return told_of(rejected, "publish_rejected"), 5.0, "rejected")
	for user: String in ["eve", "bob"]:
		check_equal(owner.accept_publish(user), OK, "yes")
	await until(func() -> bool: return told_of(rejected, "publish_accepted"), 5.0, "accepted")
	await check_connected(players)
	check_equal(players[1].client.get_role(), "publisher", "a publisher now")
	# A publisher removes another one.
	var kicked := record(players[2].client)
	check_equal(players[1].client.kick("eve"), OK, "kicks")
	await until(func() -> bool: return told_of(kicked, "room_left"), 5.0, "is told")
	check_equal(kicked.back()[1], SignalingClient.FAILURE_KICKED, "why")
	await until(func() -> bool: return players[0].others() == [players[1].id()], 5.0, "is gone")


func test_a_broadcast_ends_with_its_publisher() -> void:
	var server := _add_rooms()
	var source := _add_client(server, {"channel": "p2m", "assign_multiplayer_peer": true})
	await _check_enters(source.create(), "admin")
	check(source.get_multiplayer_peer() == null, "nobody can connect")
	var viewer := _add_client(server, {"channel": "p2m"})
	var told := record(viewer)
	await _check_enters(viewer.join(), "viewer")
	check_equal(viewer.request_publish(), OK, "asks for what there is not")
	await until(func() -> bool: return told_of(told, "refused"), 5.0, "refused")
	check_equal(told.back().slice(0, 3), ["refused", "publishRequest", 2002], "by its code")
	source.stop()
	await until(func() -> bool: return told_of(told, "room_left"), 5.0, "closed")
	check_equal(told.back()[1], SignalingClient.FAILURE_CLOSED, "why")


func test_why_a_room_is_not_entered() -> void:
	var server := _add_rooms()
	var client := _add_client(server)
	var told := record(client, ["state_changed"] as Array[String])
	await _check_fails(client.join(), SignalingClient.FAILURE_NOT_FOUND, 4001)
	check_equal(client.get_state(), RoomClient.STATE_FAILED, "failed")
	check_equal(told, [] as Array[Array], "the request tells it alone")
	await _add_call(server)
	await _check_fails(client.join(), SignalingClient.FAILURE_FULL, 4051)
	await _check_fails(client.create(), SignalingClient.FAILURE_REJECTED, 4022)
	client.channel = "m2m"
	await _check_fails(client.join(), SignalingClient.FAILURE_INVALID, 2002)
	# What our server says to nobody who asks for as little as this.
	var proxy := _add_proxy(server)
	var unlucky := _add_client(server, {"url": proxy.url() + "/room", "room": "nowhere"})
	for answer: Array in [["\"c\":500 ", SignalingClient.FAILURE_SERVER_FULL, 500],
			["\"c\":2001", SignalingClient.FAILURE_INVALID, 2001],
			["\"c\":4002", SignalingClient.FAILURE_REJECTED, 4002]]:
		proxy.replaced = {"\"c\":4001": answer[0]}
		await _check_fails(unlucky.join(), answer[1], answer[2])
	for wrong: Dictionary in [{room = ""}, {room = "a".repeat(129)}, {url = "http://a"},
			{channel = "p3p"}, {callee_timeout = -1.0}, {host = "a".repeat(129)},
			{category = "a".repeat(129)}, {device_id = "a".repeat(129)}]:
		var other := _add_client(server, wrong)
		var request := other.create()
		check_equal(request.error, ERR_INVALID_PARAMETER, str(wrong))
		check_equal(other.get_state(), RoomClient.STATE_IDLE, "nothing begins")
		await request.completed


func test_what_cannot_be_asked() -> void:
	var server := _add_rooms()
	var client := _add_client(server)
	for method: Callable in [client.leave, client.update.bind(true, true), client.kick.bind("ann"),
			client.send_offer.bind("v=0"), client.send_answer.bind("v=0"), client.recover,
			client.send_candidate.bind("candidate:1")]:
		check_equal(method.call(), ERR_UNCONFIGURED, "outside of a room: %s" % method)
	await _check_enters(client.create(), "admin")
	check_equal(client.kick(""), ERR_INVALID_PARAMETER, "nobody is kicked")
	var twice := client.create("other")
	check_equal(twice.error, ERR_ALREADY_IN_USE, "one room at a time")
	check_equal(await twice.completed, false, "refused")
	check_equal(twice.failure, SignalingClient.FAILURE_IN_LOBBY, "why")
	check("leave()" in twice.details.hint, "what to do")
	var told := record(client, [] as Array[String])
	client.send_candidate("candidate:".rpad(200_000, "x"))
	await until(func() -> bool: return told_of(told, "failed"), 5.0, "too large")
	check_equal([told[0][1], told[0][3].signal],
		[SignalingClient.FAILURE_INVALID, "iceCandidate"], "what was not sent")
	client.stop()
	var cancelled := client.join()
	client.stop()
	check_equal(await cancelled.completed, false, "cancelled")
	check_equal(cancelled.failure, SignalingClient.FAILURE_CANCELLED, "by stop()")


func test_nobody_comes() -> void:
	var client := _add_client(_add_rooms(), {"callee_timeout": 0.5})
	var told := record(client, [] as Array[String])
	await _check_enters(client.create(), "admin")
	await until(func() -> bool: return told_of(told, "room_left"), 5.0, "given up")
	check_equal([told[-2][0], told[-2][1]], ["failed", SignalingClient.FAILURE_NO_SUCH_MEMBER],
		"why")
	check_equal(client.get_state(), RoomClient.STATE_FAILED, "failed")


func test_what_is_said_while_the_network_is_down_is_kept() -> void:
	var server := _add_rooms()
	var caller := _add_client(server, {"user_id": "ann"})
	await _check_enters(caller.create(), "admin")
	var heard := record(caller, [] as Array[String])
	var proxy := _add_proxy(server)
	var callee := _add_client(server, {"user_id": "bob", "url": proxy.url() + "/room"})
	await _check_enters(callee.join(), "publisher")
	var session: String = callee.get_me().session_id
	var told := record(callee, [] as Array[String])
	proxy.is_cut = true
	await until(func() -> bool: return told_of(told, "reconnecting"), 5.0, "noticed")
	check_equal(told[0], ["state_changed", JOINED, RoomClient.STATE_WAITING_FOR_NETWORK], "state")
	for number in 3:
		check_equal(callee.send_candidate("candidate:%d" % number), OK, "said meanwhile")
	check_equal(caller.send_candidate("candidate:back"), OK, "said to it meanwhile")
	heard.clear()
	proxy.is_cut = false
	await until(func() -> bool: return told_of(told, "candidate_received"), 10.0, "all goes on")
	check_equal(told.filter(func(entry: Array) -> bool: return entry[0] == "state_changed").slice(1),
		[["state_changed", RoomClient.STATE_WAITING_FOR_NETWORK, RoomClient.STATE_REINITIALIZING],
		["state_changed", RoomClient.STATE_REINITIALIZING, JOINED]] as Array[Array], "the way back")
	check_equal(told.back(), ["candidate_received", "ann", caller.get_me().session_id, "", 0,
		"candidate:back"], "what was kept for it")
	await until(func() -> bool: return heard.size() == 3, 5.0, "what it kept")
	for number in 3:
		check_equal(heard[number], ["candidate_received", "bob", session, "", 0,
			"candidate:%d" % number], "in order")


func test_a_server_that_comes_back() -> void:
	var server := _add_rooms()
	var client := _add_client(server)
	await _check_enters(client.create(), "admin")
	var told := record(client, [] as Array[String])
	server.port = server.get_local_port()
	server.stop()
	await until(func() -> bool: return told_of(told, "reconnecting"), 5.0, "gone")
	check_equal(client.get_state(), RoomClient.STATE_WAITING_FOR_NETWORK, "waits for it")
	check_equal(client.update(true, true), OK, "said meanwhile")
	check_equal(server.listen(), OK, "back")
	await until(func() -> bool: return told_of(told, "resumed"), 10.0, "in the room again")
	await until(func() -> bool: return client.get_publishers()[0].video, 5.0, "what was kept")
	check_equal([client.get_role(), told_of(told, "failed")], ["admin", false], "as before")
	# Whoever did not create the room finds none.
	var guest := _add_client(server)
	await _check_enters(guest.join(), "publisher")
	var lost := record(guest, ["state_changed", "reconnecting", "publishers_changed"] as Array[String])
	server.stop()
	client.stop()
	check_equal(server.listen(), OK, "back again")
	await until(func() -> bool: return told_of(lost, "room_left"), 10.0, "out of it")
	check_equal(lost.map(func(entry: Array) -> Array: return entry.slice(0, 2)),
		[["failed", SignalingClient.FAILURE_NOT_FOUND],
		["room_left", SignalingClient.FAILURE_NOT_FOUND]], "why")


func test_a_server_that_falls_silent() -> void:
	var server := _add_rooms()
	var proxy := _add_proxy(server)
	var client := _add_client(server, {"url": proxy.url() + "/room"})
	await _check_enters(client.create(), "admin")
	var told := record(client, [] as Array[String])
	proxy.is_silent = true
	await until(func() -> bool: return told_of(told, "reconnecting"), 15.0, "noticed")
	check_equal(client.get_state(), RoomClient.STATE_WAITING_FOR_NETWORK, "not heard")
	proxy.is_silent = false
	await until(func() -> bool: return told_of(told, "resumed"), 10.0, "heard again")


func test_joining_anew() -> void:
	var client := _add_client(_add_rooms())
	await _check_enters(client.create(), "admin")
	var told := record(client, [] as Array[String])
	for number in 3:
		check_equal(client.recover(), OK, "joins anew")
		await until(func() -> bool: return told.count(["resumed"]) == number + 1, 5.0, "again")
	check_equal(told.slice(0, 3), [["state_changed", JOINED, RoomClient.STATE_REINITIALIZING],
		["state_changed", RoomClient.STATE_REINITIALIZING, JOINED], ["resumed"]] as Array[Array],
		"what is told of it")
	check_equal(client.recover(), OK, "once more")
	await until(func() -> bool: return told_of(told, "room_left"), 5.0, "in vain")
	check_equal(told.slice(-3).map(func(entry: Array) -> Array: return entry.slice(0, 2)), [
		["state_changed", JOINED], ["failed", SignalingClient.FAILURE_ICE_FAILED],
		["room_left", SignalingClient.FAILURE_ICE_FAILED]], "failed")


func test_a_call_survives_cuts() -> void:
	var server := _add_rooms()
	var proxy := _add_proxy(server)
	var caller := _add_player(server)
	await _check_enters(caller.client.create(), "admin")
	var callee := _add_player(server, {"url": proxy.url() + "/room"})
	# The offer is on its way.
	callee.client.room_joined.connect(
		func(_room: String, _role: String) -> void: proxy.is_cut = true)
	var told := record(callee.client)
	await _check_enters(callee.client.join(), "publisher")
	await until(func() -> bool: return told_of(told, "reconnecting"), 5.0, "cut in the middle")
	proxy.is_cut = false
	await check_connected([caller, callee])
	server.stop()
	await check_connected([caller, callee])


func test_a_connection_survives_a_blip() -> void:
	var call := await _add_call_over_line(_add_rooms(), "lounge")
	var told := record(call.players[1].client)
	call.line.deaf = [0, 1]
	await until(func() -> bool: return told_of(told, "link_unstable"), 5.0, "it is noticed")
	check_equal(told, [["link_unstable", call.players[0].id()]] as Array[Array], "what is told")
	call.line.deaf = []
	await until(func() -> bool: return told_of(told, "link_recovered"), 5.0, "it heals")
	await check_connected(call.players)
	# It can be freed by that, too.
	call.line.deaf = [0, 1]
	await _check_freed_by(call.players[1].client, "link_unstable", Callable())


func test_a_connection_that_fails_is_made_anew() -> void:
	var server := _add_rooms()
	var calls: Array[Call] = []
	# Those at whom nothing arrives notice it first; the others do later, or are told.
	for deaf: Array in [[0, 1], [0], [1]]:
		var call := await _add_call_over_line(server, "deaf %s" % [deaf])
		call.cut(deaf)
		calls.append(call)
	for call in calls:
		await until(func() -> bool: return call.has_failed, 20.0, "fails")
	for call in calls:
		await until(func() -> bool: return call.count == 4, 15.0, "connected again")
		await check_connected(call.players)
		check_equal(call.players.map(func(player: Player) -> int: return player.client.get_state()),
			[JOINED, JOINED], "in the room all the time")


func test_connections_of_the_game_itself() -> void:
	var server := _add_rooms()
	var clients: Array[RoomClient] = []
	var channels: Array[WebRTCDataChannel] = []
	var connections: Array[WebRTCPeerConnection] = []
	for number in 2:
		var client := _add_client(server)
		var connection := WebRTCPeerConnection.new()
		channels.append(connection.create_data_channel("chat", {negotiated = true, id = 1}))
		Introduction.make(client, connection)
		await _check_enters(client.create() if number == 0 else client.join(),
			"admin" if number == 0 else "publisher")
		clients.append(client)
		connections.append(connection)
	connections[1].create_offer()
	await until(func() -> bool:
		connections.map(func(connection: WebRTCPeerConnection) -> int: return connection.poll())
		return channels.all(func(channel: WebRTCDataChannel) -> bool:
			return channel.get_ready_state() == WebRTCDataChannel.STATE_OPEN), 10.0, "open")
	connections.map(Introduction.take_back)


func test_a_node_may_be_freed_while_it_tells() -> void:
	var server := _add_rooms()
	for signal_name: String in ["state_changed", "room_joined", "publishers_changed"]:
		var client := _add_client(server, {"room": signal_name})
		await _check_freed_by(client, signal_name, client.create)
	var owner := _add_client(server, {"user_id": "ann", "channel": "m2m"})
	await _check_enters(owner.create(), "admin")
	var acts := {
		"resumed": func(client: RoomClient) -> void: client.recover(),
		"room_left": func(client: RoomClient) -> void: client.leave(),
		"refused": func(client: RoomClient) -> void: client.kick("ann"),
		"failed": func(client: RoomClient) -> void: client.send_candidate("".rpad(200_000, "x")),
		"publish_accepted": func(_client: RoomClient) -> void: owner.accept_publish("guest"),
		"publish_rejected": func(_client: RoomClient) -> void: owner.reject_publish("guest"),
		"offer_received": func(_client: RoomClient) -> void: owner.send_offer("v=0", "guest"),
		"answer_received": func(_client: RoomClient) -> void: owner.send_answer("v=0", "guest"),
		"candidate_received": func(_client: RoomClient) -> void: owner.send_candidate("c", "guest"),
	}
	for signal_name: String in acts:
		var guest := _add_client(server, {"user_id": "guest", "channel": "m2m"})
		await _check_enters(guest.join(), "viewer")
		await _check_freed_by(guest, signal_name, acts[signal_name].bind(guest))
	var asking := _add_client(server, {"channel": "m2m"})
	await _check_enters(asking.join(), "viewer")
	await _check_freed_by(owner, "publish_requested", asking.request_publish)
	var lost := _add_client(server, {"room": "another"})
	await _check_enters(lost.create(), "admin")
	await _check_freed_by(lost, "reconnecting", server.stop)


func test_a_node_may_be_freed_by_whoever_waits_for_it() -> void:
	var server := _add_rooms()
	for method: String in ["create", "join"]:
		var client := _add_client(server, {"room": method})
		var id := client.get_instance_id()
		var request: SignalingRequest = client.call(method)
		await request.completed
		client.free()
		check(not is_instance_id_valid(id), "freed at once")
		await frames(2)


func test_the_demo() -> void:
	var server := _add_rooms()
	var demos: Array[RoomsDemo] = []
	for user: String in ["Ann", "Bob", "Eve"]:
		var menu: TonguesMenu = Menu.instantiate()
		add_child(menu, true)
		menu.open("Rooms")
		var demo: RoomsDemo = menu.shown
		(demo.find_child("Url") as LineEdit).text = url_of(server) + "/room"
		(demo.find_child("User") as LineEdit).text = user
		(demo.find_child("Channel") as OptionButton).select(1)
		await demo.enter(demo.client.join if demos.size() > 0 else demo.client.create)
		demos.append(demo)
	var heard: Array[Array] = []
	demos[0].heard.connect(func(user: String, text: String) -> void: heard.append([user, text]))
	for demo in demos:
		await until(func() -> bool: return demo.multiplayer.get_peers().size() == 2, 15.0,
			"%s is connected" % demo.name)
	demos[1].say("Hello")
	await until(func() -> bool: return heard.size() == 1, 5.0, "a line arrives")
	check_equal(heard[0], ["Bob", "Hello"], "who says what")
	# Whoever leaves does not wait for a server that is away.
	server.stop()
	await until(func() -> bool:
		return demos[0].client.get_state() == RoomClient.STATE_WAITING_FOR_NETWORK, 5.0, "away")
	demos[0].leave()
	check(not (demos[0].find_child("Create") as Button).disabled, "out of the room")


## Takes a client out of the tree, and frees it, by a handler of its signal that something brings about.
func _check_freed_by(client: RoomClient, signal_name: String, act: Callable) -> void:
	var id := client.get_instance_id()
	client.connect(signal_name, func(..._arguments: Array) -> void:
		var told: RoomClient = instance_from_id(id)
		told.get_parent().remove_child(told)
		told.queue_free())
	if act.is_valid():
		act.call()
	await gone(id, signal_name)


## A server that speaks rooms.
func _add_rooms() -> SignalingServer:
	return add_server({"protocols": SignalingServer.PROTOCOL_ROOMS})


## A client in the tree that only signals unless told otherwise.
func _add_client(server: SignalingServer, properties: Dictionary = {}) -> RoomClient:
	var client := RoomClient.new()
	client.assign_multiplayer_peer = false
	_set_up(client, server, properties)
	add_child(client)
	return client


func _add_player(server: SignalingServer, properties: Dictionary = {}) -> Player:
	var player := Player.new()
	_set_up(player.client, server, properties)
	add_child(player, true)
	return player


func _set_up(client: RoomClient, server: SignalingServer, properties: Dictionary) -> void:
	client.url = url_of(server) + "/room"
	client.room = "lounge"
	_set_all(client, properties)


## Two players in a call, connected.
func _add_call(server: SignalingServer) -> Array[Player]:
	var players: Array[Player] = [_add_player(server), _add_player(server)]
	await _check_enters(players[0].client.create(), "admin")
	await _check_enters(players[1].client.join(), "publisher")
	await check_connected(players)
	return players


func _add_proxy(server: SignalingServer) -> Proxy:
	var proxy := Proxy.new()
	add_child(proxy)
	proxy.lead_to(server.get_local_port())
	return proxy


## Two players whose connection goes over a line.
func _add_call_over_line(server: SignalingServer, room: String) -> Call:
	var call := Call.new()
	add_child(call.line)
	for side in 2:
		var proxy := _add_proxy(server)
		proxy.replaced = call.line.replaced(side)
		call.add(proxy, _add_player(server, {"url": proxy.url() + "/room", "room": room,
			"rtc_configuration": call.line.configuration(side)}))
	await _check_enters(call.players[0].client.create(), "admin")
	await _check_enters(call.players[1].client.join(), "publisher")
	await check_connected(call.players)
	return call


func _check_enters(request: SignalingRequest, role: String) -> void:
	var entered: bool = await request.completed
	check(entered, "enters the room: %s" % request.message)
	check_equal(request.value, role, "the role")


func _check_fails(request: SignalingRequest, failure: int, code: int) -> void:
	check_equal(await request.completed, false, "fails")
	check_equal([request.failure, request.details.code], [failure, code], request.message)


func _until_listed(client: RoomClient, count: int) -> void:
	await until(func() -> bool: return client.get_publishers().size() == count, 5.0,
		"%d publish" % count)


## Two players, the line between them, and those to their server.
class Call:
	extends RefCounted
	var line := UdpLine.new()
	var players: Array[Player] = []
	var proxies: Array[Proxy] = []
	## How often they were told that they are connected.
	var count := 0
	## Whether one was told that the connection has failed.
	var has_failed := false


	func add(proxy: Proxy, player: Player) -> void:
		proxies.append(proxy)
		players.append(player)
		player.multiplayer.peer_connected.connect(func(_id: int) -> void: count += 1)


	## Until the connection fails, nothing arrives at some, and there is no agreement on a new path.
	func cut(deaf: Array) -> void:
		line.deaf = deaf
		for proxy in proxies:
			proxy.replaced["OFFER"] = "REFFO"
		for player in players:
			player.client.peer_failed.connect(_mend)


	func _mend(_id: int, _reason: String) -> void:
		has_failed = true
		line.deaf = []
		for proxy in proxies:
			proxy.replaced.erase("OFFER")
