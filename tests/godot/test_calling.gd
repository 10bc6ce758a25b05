extends "res://tests/signaling_case.gd"
## [CallingClient]: namespaces, rooms and invitations on a server of ours.

const Player := preload("res://tests/fixtures/calling_player.gd")
const Introduction := preload("res://tests/fixtures/introduction.gd")
const Menu := preload("res://tongues/menu.tscn")
const CONNECTED := CallingClient.STATE_CONNECTED

## A server that does not answer.
var _mute: WebSocketPeer


func test_what_is_told_of_a_connection() -> void:
	var server := _add_calling()
	var client := CallingClient.new()
	client.url = _url(server)
	check_equal(client.start(), ERR_UNCONFIGURED, "outside of the tree")
	add_child(client)
	check_equal([client.get_user(), client.get_unique_id()], ["", 0], "nobody yet")
	var told := _record(client)
	check_equal(client.start(), OK, "starts")
	await until(func() -> bool: return told_of(told, "connected"), 5.0, "connected")
	check_equal(told, [
		["state_changed", CallingClient.STATE_IDLE, CallingClient.STATE_INITIALIZING],
		["state_changed", CallingClient.STATE_INITIALIZING, CONNECTED],
		["connected", client.get_user(), "godot-signaling"]] as Array[Array], "what is told")
	check_equal(client.get_user().length(), 36, "a UUID")
	check_equal(client.get_unique_id(), CallingClient.get_peer_id(client.get_user()), "by our id")
	await _check_done(client.ping())
	told.clear()
	server.stop()
	await until(func() -> bool: return told_of(told, "disconnected"), 5.0, "the server is gone")
	check_equal([told[0], told[1].slice(0, 2), told[2][0]], [
		["state_changed", CONNECTED, CallingClient.STATE_FAILED],
		["failed", SignalingClient.FAILURE_SERVER_CLOSED], "disconnected"], "what is told of it")
	check_equal(told.size(), 3, "and nothing else")


func test_users_of_a_namespace() -> void:
	var server := _add_calling()
	var ann := _add_client(server)
	var bob := _add_client(server)
	await _check_done(ann.subscribe("lobby"), {users = {}, rooms = {}})
	var told := _record(ann)
	await _check_done(bob.set_status({name = "Bob"}))
	await _check_done(bob.register_user("lobby"))
	await _check_done(bob.set_status({name = "Bob", level = 7.0}))
	var listed := ann.subscribe("lobby")
	check_equal(await listed.completed, false, "twice")
	check_equal([listed.failure, listed.details.reason], [SignalingClient.FAILURE_REJECTED,
		"User was already subscribed to that namespace"], "why")
	await _check_done(bob.unregister_user("lobby"))
	await until(func() -> bool: return told.size() == 3, 5.0, "all is told")
	var user := bob.get_user()
	check_equal(told, [["namespace_user_added", "lobby", user, {name = "Bob"}],
		["namespace_user_changed", "lobby", user, {name = "Bob", level = 7.0}],
		["namespace_user_removed", "lobby", user]] as Array[Array], "once each, in order")
	await _check_done(ann.unsubscribe("lobby"))
	await _check_fails(ann.unsubscribe("lobby"), SignalingClient.FAILURE_NOT_FOUND)


func test_rooms_of_a_namespace() -> void:
	var server := _add_calling()
	var watcher := _add_client(server)
	await _check_done(watcher.subscribe("lobby"), {users = {}, rooms = {}})
	var told := _record(watcher)
	var ann := _add_client(server)
	var bob := _add_client(server)
	await _check_done(ann.join_room("den", {name = "Ann"}), "den")
	await _check_done(watcher.register_room("lobby", "den"))
	await _check_done(bob.join_room("den"), "den")
	await _check_done(ann.set_room_status("den", "open", true))
	await _check_done(ann.set_peer_status("den", {name = "Eve"}))
	await _check_done(bob.leave_room("den"))
	await _check_done(ann.leave_room("den"))
	await until(func() -> bool: return told_of(told, "namespace_room_removed"), 5.0, "told")
	var member := {user = ann.get_user(), id = ann.get_unique_id(), status = {name = "Ann"},
		pending = false}
	check_equal(told[0], ["namespace_room_added", "lobby", "den", {}, [member]], "the room")
	check_equal(told.slice(1), [
		["namespace_member_joined", "lobby", "den", bob.get_user(), {}, false],
		["namespace_room_changed", "lobby", "den", {open = true}],
		["namespace_member_changed", "lobby", "den", ann.get_user(), {name = "Eve"}],
		["namespace_member_left", "lobby", "den", bob.get_user()],
		["namespace_member_left", "lobby", "den", ann.get_user()],
		["namespace_room_removed", "lobby", "den"]] as Array[Array], "what becomes of it")
	await _check_fails(watcher.unregister_room("lobby", "den"), SignalingClient.FAILURE_REJECTED)
	await _check_fails(watcher.register_room("lobby", "none"), SignalingClient.FAILURE_NOT_FOUND)


func test_members_of_a_room() -> void:
	var server := _add_calling()
	var ann := _add_client(server)
	var bob := _add_client(server)
	await _check_done(ann.join_room("den"), "den")
	check_equal(server.get_lobbies()[0].key, "calling:den", "the server's view")
	var told := _record(ann)
	await _check_done(bob.set_status({name = "Bob", cam = false}))
	await _check_done(bob.join_room("den", {cam = true}), "den")
	await _check_done(bob.set_status({name = "Bo", cam = false}))
	await _check_done(bob.send_to("den", ann.get_user(), "greeting", {text = "Hello"}))
	await _check_done(bob.send_to("den", ann.get_user(), "nothing"))
	await until(func() -> bool: return told.size() == 4, 5.0, "all is told")
	var user := bob.get_user()
	check_equal(told, [["member_joined", "den", user, {name = "Bob", cam = true}, false],
		["member_changed", "den", user, {name = "Bo", cam = true}],
		["message_received", "den", user, "greeting", {text = "Hello"}],
		["message_received", "den", user, "nothing", null]] as Array[Array], "what is told")
	check_equal(ann.get_members("den"), [{user = user, id = bob.get_unique_id(), pending = false,
		status = {name = "Bo", cam = true}}] as Array[Dictionary], "who is there")
	check_equal(bob.get_members("den").map(func(member: Dictionary) -> String: return member.user),
		[ann.get_user()], "the others, not ourselves")
	told.clear()
	var left := _record(bob)
	await _check_done(bob.leave_room("den"))
	check_equal(left, [["room_left", "den"]] as Array[Array], "told before the answer")
	await until(func() -> bool: return told == [["member_left", "den", user]], 5.0, "is gone")
	check_equal(ann.get_members("den").size(), 0, "nobody else")
	check_equal([bob.get_rooms(), bob.get_members("den").size()], [PackedStringArray(), 0], "out")
	var drawn := ann.join_room()
	check(await drawn.completed, "a room without a name")
	check_equal(drawn.value.length(), 36, "has one that the server draws")
	check_equal(ann.get_rooms().size(), 2, "in two rooms")


func test_the_status_of_a_room_is_set_by_one_of_two() -> void:
	var server := _add_calling()
	var ann := _add_client(server)
	var bob := _add_client(server)
	for client: CallingClient in [ann, bob]:
		await _check_done(client.join_room("den"), "den")
	var told := _record(bob)
	await _check_done(ann.set_room_status("den", "white", "ann", true))
	await _check_fails(bob.set_room_status("den", "white", "bob", true),
		SignalingClient.FAILURE_CONFLICT)
	check_equal(bob.get_room_status("den"), {white = "ann"}, "who was first")
	await _check_done(bob.set_room_status("den", "white", "bob", true, "ann"))
	check_equal(bob.get_room_status("den"), {white = "bob"}, "our own change")
	await until(func() -> bool: return ann.get_room_status("den") == {white = "bob"}, 5.0, "heard")
	await _check_done(ann.set_room_status("den", "white", null))
	await until(func() -> bool: return bob.get_room_status("den") == {}, 5.0, "taken away")
	check_equal(told, [["room_changed", "den", {white = "ann"}], ["room_changed", "den", {}]]
		as Array[Array], "only what others do is told")


func test_invitations() -> void:
	var server := _add_calling()
	var ann := _add_client(server)
	var bob := _add_client(server)
	await _check_done(ann.join_room("den", {name = "Ann"}), "den")
	await _check_done(bob.ping())
	var told := _record(ann)
	var heard := _record(bob)
	# Denied.
	await _check_done(ann.invite("den", bob.get_user(), {game = "chess"}), 0)
	await until(func() -> bool: return told_of(heard, "invited"), 5.0, "invited")
	check_equal(heard, [["invited", 0, "den", ann.get_user(), {name = "Ann"}, {game = "chess"}]]
		as Array[Array], "into what")
	check_equal(bob.get_members("den").size(), 1, "who is there")
	check_equal(bob.get_rooms(), PackedStringArray(), "we are not yet")
	await _check_fails(bob.send_to("den", ann.get_user(), "greeting"),
		SignalingClient.FAILURE_NOT_IN_LOBBY)
	await _check_fails(ann.invite("den", bob.get_user()), SignalingClient.FAILURE_IN_LOBBY)
	await _check_done(bob.deny_invite(0))
	await until(func() -> bool: return told_of(told, "member_left"), 5.0, "denied")
	check_equal(told, [["member_joined", "den", bob.get_user(), {}, true],
		["invite_answered", 0, false], ["member_left", "den", bob.get_user()]]
		as Array[Array], "what the inviter hears")
	check_equal(bob.get_members("den").size(), 0, "nothing is known any more")
	# Taken back.
	heard.clear()
	await _check_done(ann.invite("den", bob.get_user()), 1)
	await _check_done(ann.cancel_invite(1))
	await until(func() -> bool: return told_of(heard, "invite_cancelled"), 5.0, "cancelled")
	check_equal(heard.back(), ["invite_cancelled", 1], "which")
	await _check_fails(bob.accept_invite(1), SignalingClient.FAILURE_NO_SUCH_INVITE)
	# Accepted.
	told.clear()
	heard.clear()
	await _check_done(ann.invite("den", bob.get_user()), 2)
	await until(func() -> bool: return told_of(heard, "invited"), 5.0, "invited again")
	check_equal(heard.back().slice(1), [2, "den", ann.get_user(), {name = "Ann"}, {}], "no data")
	heard.clear()
	await _check_done(bob.accept_invite(2, {name = "Bob"}))
	check_equal(heard, [["room_joined", "den"]] as Array[Array], "in the room")
	await until(func() -> bool: return told_of(told, "member_changed"), 5.0, "accepted")
	check_equal(told.slice(1), [["invite_answered", 2, true],
		["member_accepted", "den", bob.get_user()],
		["member_changed", "den", bob.get_user(), {name = "Bob"}]] as Array[Array], "in order")
	await _check_fails(ann.invite("den", "nobody"), SignalingClient.FAILURE_NO_SUCH_USER)


func test_what_cannot_be_asked() -> void:
	var client := CallingClient.new()
	add_child(client)
	var early := client.join_room("den")
	check_equal(early.error, ERR_UNCONFIGURED, "before start()")
	check_equal(await early.completed, false, "refused")
	check_equal(early.failure, SignalingClient.FAILURE_NOT_CONNECTED, "why")
	for url: String in ["http://a", ""]:
		client.url = url
		check_equal(client.start(), ERR_INVALID_PARAMETER, "no address: %s" % url)
	check_equal(client.start("wss://a"), ERR_UNAVAILABLE, "not in this version")
	var server := _add_calling()
	check_equal(client.start(_url(server)), OK, "starts")
	for request: SignalingRequest in [client.set_status({a = NAN}), client.invite("a", "b", 7),
			client.invite("", "b"), client.send_to("a", "b", "c", "text"), client.set_room_status("a", "b", INF),
			client.accept_invite(-1), client.send_candidate("a", "b", "0", -1, "c")]:
		check_equal(request.error, ERR_INVALID_PARAMETER, request.message)
		await request.completed
	for request: SignalingRequest in [client.leave_room("none"), client.set_peer_status("none", {}),
			client.set_room_status("none", "a", 1)]:
		await _check_fails(request, SignalingClient.FAILURE_NOT_FOUND)
	await _check_fails(client.deny_invite(7), SignalingClient.FAILURE_NO_SUCH_INVITE)
	var cancelled := client.ping()
	client.stop()
	check_equal(client.get_state(), CallingClient.STATE_IDLE, "idle")
	await _check_fails(cancelled, SignalingClient.FAILURE_CANCELLED)
	check("call start()" in early.details.hint, "what to do")


func test_every_request_has_an_end() -> void:
	var server := _add_calling()
	var client := _add_client(server)
	await _check_done(client.join_room("den"), "den")
	var large := client.send_to("den", client.get_user(), "event", {text = "x".repeat(300_000)})
	await _check_fails(large, SignalingClient.FAILURE_INVALID)
	check_equal(large.message, "A message takes at most 256 KiB.", "nothing was lost by it")
	await _check_done(client.send_to("den", client.get_user(), "event", {}))
	await _start_without_answers(client)
	var lost := client.ping()
	_mute = null
	await _check_fails(lost, SignalingClient.FAILURE_CONNECTION_LOST)
	# Asked while the end of the connection is being told.
	var late := client.ping()
	await _check_fails(late, SignalingClient.FAILURE_NOT_CONNECTED)
	check("call start()" in late.details.hint, "what to do")
	await _check_fails(client.ping(), SignalingClient.FAILURE_NOT_CONNECTED)
	for part: Callable in [client.stop, func() -> void: remove_child(client), client.free]:
		if not client.is_inside_tree():
			add_child(client)
		client.start(_url(server))
		var waiting := client.join_room("den")
		part.call()
		await _check_fails(waiting, SignalingClient.FAILURE_CANCELLED)


func test_signs_of_life() -> void:
	var server := _add_calling()
	var ann := _add_client(server)
	var bob := _add_client(server)
	for client: CallingClient in [ann, bob]:
		await _check_done(client.join_room("den"), "den")
	var told := _record(ann)
	await _check_done(ann.remote_ping(0.1))
	await until(func() -> bool: return told_of(told, "pinged"), 5.0, "the server is there")
	await _check_done(ann.remote_ping(0.0))
	for after: float in [-1.0, NAN, INF]:
		await _check_fails(ann.remote_timeout(after), SignalingClient.FAILURE_INVALID)
	await _check_done(bob.remote_timeout(0.1))
	var heard := _record(bob)
	await until(func() -> bool: return told_of(told, "member_left"), 5.0, "bob said nothing")
	await until(func() -> bool: return told_of(heard, "disconnected"), 5.0, "and is told so")
	check_equal(heard.back(), ["disconnected", 1001, "Timed out"], "how")


func test_nobody_answers() -> void:
	var server := _add_calling()
	var url := _url(server)
	server.stop()
	var client := CallingClient.new()
	add_child(client)
	var told := _record(client)
	client.start(url)
	var asked := client.join_room("den")
	await until(func() -> bool: return told_of(told, "disconnected"), 5.0, "is told")
	check_equal(told[-2].slice(0, 2), ["failed", SignalingClient.FAILURE_SERVER_UNREACHABLE], "why")
	check("/calling" in told[-2][3].hint, "where the server would be")
	await _check_fails(asked, SignalingClient.FAILURE_SERVER_UNREACHABLE)


func test_a_room_connects_all_who_are_in_it() -> void:
	var server := _add_calling()
	var players: Array[Player] = []
	for number in 3:
		var player := _add_player(server)
		await _check_done(player.client.join_room("den"), "den")
		players.append(player)
	await check_connected(players)
	for player in players:
		check_equal(player.id(), player.client.get_unique_id(), "the id of a user")
		check_equal(player.client.get_multiplayer_room(), "den", "the room")
	await _check_done(players[0].client.join_room("other"), "other")
	check_equal(players[0].client.get_multiplayer_room(), "den", "still the first")
	await _check_done(players[0].client.leave_room("den"))
	check(players[0].client.get_multiplayer_peer() == null, "no peer is left")
	check(players[0].multiplayer.multiplayer_peer is OfflineMultiplayerPeer, "as before")
	# The others may not have noticed yet.
	await _check_done(players[0].client.join_room("den"), "den")
	await check_connected(players)
	server.stop()
	await check_connected(players)
	players[0].client.stop()
	await until(func() -> bool: return players[1].others() == [players[2].id()], 5.0, "stopped")


func test_whoever_accepts_an_invitation_is_connected() -> void:
	var server := _add_calling()
	var players: Array[Player] = [_add_player(server), _add_player(server), _add_player(server)]
	await _check_done(players[0].client.join_room("den"), "den")
	for player: Player in players.slice(1):
		await _check_done(player.client.ping())
		await _check_done(players[0].client.invite("den", player.client.get_user()))
	for player: Player in players.slice(1):
		await until(func() -> bool: return not player.client.get_members("den").is_empty(), 5.0,
			"invited")
		check(player.client.get_multiplayer_peer() == null, "nothing before it is accepted")
	var accepted := players.slice(1).map(
		func(player: Player) -> SignalingRequest: return player.client.accept_invite(0))
	for request: SignalingRequest in accepted:
		await _check_done(request)
	await check_connected(players)


func test_connections_of_the_game_itself() -> void:
	var server := _add_calling()
	var clients: Array[CallingClient] = []
	var channels: Array[WebRTCDataChannel] = []
	var connections: Array[WebRTCPeerConnection] = []
	for number in 2:
		var client := _add_client(server)
		var connection := WebRTCPeerConnection.new()
		channels.append(connection.create_data_channel("chat", {negotiated = true, id = 1}))
		Introduction.make_in_room(client, "den", connection)
		await _check_done(client.join_room("den"), "den")
		clients.append(client)
		connections.append(connection)
	await until(func() -> bool: return clients[0].get_members("den").size() == 1, 5.0, "both")
	connections[0].create_offer()
	await until(func() -> bool:
		connections.map(func(connection: WebRTCPeerConnection) -> int: return connection.poll())
		return channels.all(func(channel: WebRTCDataChannel) -> bool:
			return channel.get_ready_state() == WebRTCDataChannel.STATE_OPEN), 10.0, "open")
	connections.map(Introduction.take_back)


func test_a_node_may_be_freed_while_it_tells() -> void:
	var server := _add_calling()
	for signal_name: String in ["state_changed", "connected", "room_joined", "room_left"]:
		var client := _add_client(server, {"assign_multiplayer_peer": true})
		client.connect(signal_name, func(..._arguments: Array) -> void: client.queue_free())
		var id := client.get_instance_id()
		client.join_room("den")
		client.leave_room("den")
		await gone(id, signal_name)
	var client := _add_client(server)
	client.connected.connect(func(_user: String, _server: String) -> void: client.stop())
	await _check_fails(client.ping(), SignalingClient.FAILURE_CANCELLED)


func test_the_demo() -> void:
	var server := _add_calling()
	var demos: Array[CallingDemo] = []
	for user: String in ["Ann", "Bob"]:
		var menu: TonguesMenu = Menu.instantiate()
		add_child(menu, true)
		menu.open("Calling")
		var demo: CallingDemo = menu.shown
		(demo.find_child("Url") as LineEdit).text = _url(server)
		(demo.find_child("User") as LineEdit).text = user
		await demo.enter()
		demos.append(demo)
	await until(func() -> bool: return demos[1].listed() == ["Ann", "Bob"], 5.0, "who is there")
	await demos[0].join("den")
	for is_wanted: bool in [false, true]:
		await demos[0].invite(demos[1].client.get_user())
		var invitation: Control = demos[1].find_child("Invitation")
		await until(func() -> bool: return invitation.visible, 5.0, "is asked")
		if is_wanted:
			demos[1].accept()
		else:
			demos[1].decline()
			var members := func() -> Array[Dictionary]: return demos[0].client.get_members("den")
			await until(func() -> bool: return members.call().is_empty(), 5.0, "declined")
	var heard: Array[Array] = []
	demos[0].heard.connect(func(user: String, text: String) -> void: heard.append([user, text]))
	for demo in demos:
		await until(func() -> bool: return demo.multiplayer.get_peers().size() == 1, 15.0,
			"%s is connected" % demo.name)
	demos[1].say("Hello")
	await until(func() -> bool: return heard.size() == 1, 5.0, "a line arrives")
	check_equal(heard[0], ["Bob", "Hello"], "who says what")


## Writes down all that a client tells, as [method record] does.
func _record(client: CallingClient) -> Array[Array]:
	return record(client, [] as Array[String])


## A server that speaks calling.
func _add_calling() -> SignalingServer:
	return add_server({"protocols": SignalingServer.PROTOCOL_CALLING})


func _url(server: SignalingServer) -> String:
	return url_of(server) + "/calling"


## A client in the tree that only signals unless told otherwise, on its way to the server.
func _add_client(server: SignalingServer, properties: Dictionary = {}) -> CallingClient:
	var client := CallingClient.new()
	client.assign_multiplayer_peer = false
	_set_all(client, properties)
	add_child(client)
	check_equal(client.start(_url(server)), OK, "starts")
	return client


func _add_player(server: SignalingServer) -> Player:
	var player := Player.new()
	add_child(player, true)
	check_equal(player.client.start(_url(server)), OK, "starts")
	return player


func _check_done(request: SignalingRequest, value: Variant = null) -> void:
	var done: bool = await request.completed
	check(done, "is done: %s" % request.message)
	if value != null:
		check_equal(request.value, value, "what is answered")


func _check_fails(request: SignalingRequest, failure: int) -> void:
	check_equal(await request.completed, false, "fails")
	check_equal(request.failure, failure, request.message)


## Connects to a server that says hello, and nothing more.
func _start_without_answers(client: CallingClient) -> void:
	var listener := TCPServer.new()
	listener.listen(0, "127.0.0.1")
	client.start("ws://127.0.0.1:%d" % listener.get_local_port())
	await until(listener.is_connection_available, 5.0, "the client comes")
	_mute = WebSocketPeer.new()
	_mute.accept_stream(listener.take_connection())
	await until(func() -> bool:
		_mute.poll()
		return _mute.get_ready_state() == WebSocketPeer.STATE_OPEN, 5.0, "the connection stands")
	_mute.send_text(JSON.stringify({type = "hello", id = "us", server = "mute"}))
	await client.connected
