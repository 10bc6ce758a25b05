extends "res://tests/signaling_case.gd"
## [SignalingServer]: which protocols are spoken where, and the view of all their lobbies.

## Where each protocol is spoken.
const PATHS: Dictionary[int, Array] = {
	SignalingServer.PROTOCOL_GODOT: ["/", "/godot"],
	SignalingServer.PROTOCOL_CLOUDLINK_OMEGA: ["/ws/game?v=0", "/signaling/game?v=0"],
	SignalingServer.PROTOCOL_CLOUDLINK_5: ["/?ugi=game", "/signaling?ugi=game"],
	SignalingServer.PROTOCOL_PEER_SERVER: ["/peerjs?key=peerjs&id=a&token=b"],
	SignalingServer.PROTOCOL_ROOMS: ["/room"],
	SignalingServer.PROTOCOL_CALLING: ["/calling"],
}
## Answers of HTTP.
const FORBIDDEN := 403
const NOT_FOUND := 404
const UPGRADE_REQUIRED := 426


func test_only_the_native_protocol_is_spoken_unless_told_otherwise() -> void:
	var server := add_server()
	check_equal(server.protocols, SignalingServer.PROTOCOL_GODOT, "the property")
	await _check_spoken(server, SignalingServer.PROTOCOL_GODOT)
	for path: String in PATHS[SignalingServer.PROTOCOL_GODOT]:
		await _add_socket(server, path)


func test_paths_can_be_chosen() -> void:
	var server := add_server({"godot_path": "/match"})
	check_equal(await _answer(server, "/match"), UPGRADE_REQUIRED, "the path chosen")
	check_equal(await _answer(server, "/"), UPGRADE_REQUIRED, "the path that is always there")
	check_equal(await _answer(server, "/godot"), NOT_FOUND, "the usual path")


func test_the_paths_of_all_protocols_can_be_chosen() -> void:
	var server := add_server({
		protocols = 63, omega_path = "/omega", omega_late_path = "/late/signaling",
		cloudlink5_path = "/five", peer_server_path = "/peers", rooms_path = "/r", calling_path = "/c",
	})
	for path: String in ["/omega/game", "/late/signaling/game", "/five?ugi=game", "/peers", "/r", "/c"]:
		check_equal(await _answer(server, path), UPGRADE_REQUIRED, path)
	for path: String in ["/ws/game", "/signaling/game", "/signaling?ugi=game", "/peerjs", "/room"]:
		check_equal(await _answer(server, path), NOT_FOUND, path)


func test_pages_from_elsewhere_are_turned_away() -> void:
	var server := add_server({"allowed_origins": ["https://example.com"]})
	check_equal(await _answer(server, "/"), UPGRADE_REQUIRED, "no page")
	for origin: Array in [["https://example.com", UPGRADE_REQUIRED],
			["https://elsewhere.example", FORBIDDEN]]:
		check_equal(await _answer(server, "/", ["Origin: " + origin[0]]), origin[1], origin[0])


func test_what_makes_no_sense_is_refused() -> void:
	# It is complained about.
	Engine.print_error_messages = false
	for wrong: Dictionary in [{protocols = 0}, {protocols = 64}, {protocols = -1},
			{allowed_origins = ["example.com"]}, {allowed_origins = ["https://example.com/"]},
			{godot_path = "godot"}, {rooms_path = ""}, {rooms_path = "/calling"},
			{calling_path = "/ws/game"}, {calling_path = "/calling?a=b"}, {omega_path = "/signaling"},
			{omega_late_path = "/ws"}, {cloudlink5_path = "/godot"}, {peer_server_path = "peers"}]:
		var server := SignalingServer.new()
		server.port = 0
		_set_all(server, wrong)
		add_child(server)
		check_equal(server.listen(), ERR_INVALID_PARAMETER, str(wrong))
	Engine.print_error_messages = true


func test_a_lobby_tells_its_protocol() -> void:
	var server := add_server()
	await add_member(server)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	var entry: Dictionary = server.get_lobbies()[0]
	check_equal([entry.protocol, entry.key], ["godot", entry.name], "the native protocol")


func test_it_shows_the_lobbies_of_omega() -> void:
	var hosting := {opcode = 4, payload = "hall"}
	var joining := {opcode = 5, payload = "hall"}
	await _check_lobby(SignalingServer.PROTOCOL_CLOUDLINK_OMEGA, {
		path = "/ws/my%20game", host = [{opcode = 2}, hosting], member = [{opcode = 2}, joining],
		expected = {protocol = "omega", key = "omega:my game/hall", game = "my game",
			name = "hall", locked = false, has_password = false, max_players = 0},
	})


func test_it_shows_the_lobbies_of_the_later_omega() -> void:
	var lobby := {lobby_id = "hall", password = "sesame"}
	var hosting := lobby.merged({max_peers = 2, allow_host_reclaim = false,
		allow_peers_to_claim_host = false})
	await _check_lobby(SignalingServer.PROTOCOL_CLOUDLINK_OMEGA, {
		path = "/signaling/go",
		host = [{opcode = 2, payload = "Ann"}, {opcode = 4, payload = hosting}],
		member = [{opcode = 2, payload = "Ben"}, {opcode = 5, payload = lobby}],
		expected = {protocol = "omega", key = "omega-late:go/hall", game = "go",
			name = "hall", locked = false, has_password = true, max_players = 2},
	})


func test_it_shows_rooms() -> void:
	var ann := {s = "JOIN", ch = "p2p", rid = "hall", ss = {userId = "ann", sessionId = "1"}}
	var ben: Dictionary = ann.merged({ss = {userId = "ben", sessionId = "2"}}, true)
	await _check_lobby(SignalingServer.PROTOCOL_ROOMS, {
		path = "/room",
		host = [{action = "join", data = ann.merged({roomCreating = true})}],
		member = [{action = "join", data = ben}],
		member_leaves = [{action = "leave", data = ben.merged({s = "LEAVE"}, true)}],
		host_leaves = [{action = "leave", data = ann.merged({s = "LEAVE"}, true)}],
		expected = {protocol = "rooms", key = "rooms:hall", game = "", name = "hall",
			locked = false, has_password = false, max_players = 2},
	})


func test_clients_in_rooms_are_told_of_stun_servers() -> void:
	var ice_servers: Array[Dictionary] = [{urls = ["stun:a.example", "stun:b.example"]},
		{urls = "turn:c.example", username = "me", credential = "secret"}]
	var server := add_server(
		{"protocols": SignalingServer.PROTOCOL_ROOMS, "ice_servers": ice_servers})
	var socket := await _add_socket(server, "/room")
	socket.send_text(JSON.stringify({action = "join", data = {
		s = "JOIN", ch = "p2p", rid = "hall", uid = "ann", roomCreating = true}}))
	await until(func() -> bool:
		socket.poll()
		return socket.get_available_packet_count() > 0, 5.0, "in the room")
	var ack: Dictionary = JSON.parse_string(socket.get_packet().get_string_from_utf8())
	check_equal(ack.b.es.icfg.is, ["stun:a.example", "stun:b.example"], "those without a password")


func test_it_shows_the_lobbies_of_cloudlink_5() -> void:
	var lobby := {name = "hall", max_players = 3, locked = false, password = "sesame"}
	await _check_lobby(SignalingServer.PROTOCOL_CLOUDLINK_5, {
		path = "/?ugi=chess",
		host = [{opcode = "INIT", payload = {username = "Ann"}},
			{opcode = "CREATE_LOBBY", payload = lobby}],
		member = [{opcode = "INIT", payload = {username = "Ben"}},
			{opcode = "JOIN_LOBBY", payload = {name = "hall", password = "sesame"}}],
		expected = {protocol = "cloudlink5", key = "cloudlink5:chess/hall", game = "chess",
			name = "hall", locked = false, has_password = true, max_players = 4},
	})


func test_it_shows_the_rooms_of_calling() -> void:
	var joining := {type = "room_join", tid = 1, room = "hall"}
	await _check_lobby(SignalingServer.PROTOCOL_CALLING, {
		path = "/calling", host = [joining], member = [joining], hosts = 0,
		expected = {protocol = "calling", key = "calling:hall", game = "", name = "hall",
			locked = false, has_password = false, max_players = 32},
	})


func test_protocols_do_not_disturb_each_other() -> void:
	var server := add_server({"protocols": 63})
	await _check_spoken(server, 63)
	await add_member(server)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	# Whoever lets go of a socket closes it.
	var host := await _add_socket(server, "/ws/go")
	await _say(host, [{opcode = 2}, {opcode = 4, payload = "hall"}])
	await until(func() -> bool: return server.get_lobbies().size() == 2, 5.0, "two lobbies")
	var told := record(server)
	server.stop()
	await frames(2)
	check_equal(told.map(func(entry: Array) -> String: return entry[0]), ["peer_left",
		"lobby_closed", "peer_left", "lobby_closed", "stopped"], "all is told to end")
	check_equal(server.get_lobbies(), [] as Array[Dictionary], "nothing is left")


## Lets two clients meet in a lobby and leave it, and looks at what the server shows meanwhile.
func _check_lobby(protocol: int, conversation: Dictionary) -> void:
	var server := add_server({"protocols": protocol})
	var told := record(server)
	var expected: Dictionary = conversation.expected
	var key: String = expected.key
	var size := func() -> int:
		var lobbies := server.get_lobbies()
		return lobbies[0].members.size() if lobbies else 0

	var host := await _add_socket(server, conversation.path)
	await _say(host, conversation.host)
	await until(func() -> bool: return size.call() == 1, 5.0, "a lobby")
	var member := await _add_socket(server, conversation.path)
	await _say(member, conversation.member)
	await until(func() -> bool: return size.call() == 2, 5.0, "two members")
	var entry: Dictionary = server.get_lobbies()[0]
	for fact: String in expected:
		check_equal(entry[fact], expected[fact], fact)
	var names: PackedStringArray = entry.member_names
	check_equal(entry.hosts, names.slice(0, conversation.get("hosts", 1)), "hosts")
	check_equal(entry.members, PackedInt32Array([_id_of(names[0]), _id_of(names[1])]), "members")
	check_equal(server.close_lobby(key), ERR_UNAVAILABLE, "closing it")
	check_equal(server.disconnect_peer(key, entry.members[0]), ERR_UNAVAILABLE, "putting one out")

	await _leave(member, conversation.get("member_leaves", []))
	await until(func() -> bool: return size.call() == 1, 5.0, "one member")
	await _leave(host, conversation.get("host_leaves", []))
	await until(func() -> bool: return told_of(told, "lobby_closed"), 5.0, "no lobby")
	var is_news := func(entry: Array) -> bool:
		return entry[0] not in ["started", "lobby_changed"]
	check_equal(told.filter(is_news), [["lobby_created", key], ["peer_joined", key, entry.members[0]],
		["peer_joined", key, entry.members[1]], ["peer_left", key, entry.members[1]],
		["peer_left", key, entry.members[0]], ["lobby_closed", key]] as Array[Array], "signals")


## The id that stands for a text.
func _id_of(text: String) -> int:
	var hash := 0x811c9dc5
	for byte in text.to_utf8_buffer():
		hash = ((hash ^ byte) * 0x01000193) & 0xffffffff
	hash &= 0x7fffffff
	return hash if hash >= 2 else hash + 2


## Asks for the paths of all protocols.
func _check_spoken(server: SignalingServer, protocols: int) -> void:
	for protocol: int in PATHS:
		var expected := UPGRADE_REQUIRED if protocols & protocol else NOT_FOUND
		for path: String in PATHS[protocol]:
			check_equal(await _answer(server, path), expected, path)


## What is answered to a request that is no WebSocket's.
func _answer(server: SignalingServer, path: String, headers: PackedStringArray = []) -> int:
	var http := HTTPClient.new()
	http.connect_to_host("127.0.0.1", server.get_local_port())
	await _poll_until(http, HTTPClient.STATUS_CONNECTED)
	http.request(HTTPClient.METHOD_GET, path, headers)
	await _poll_until(http, HTTPClient.STATUS_BODY)
	return http.get_response_code()


func _poll_until(http: HTTPClient, status: HTTPClient.Status) -> void:
	await until(func() -> bool:
		http.poll()
		return http.get_status() == status, 5.0, "HTTP reaches %d" % status)


## A socket that speaks whatever the test says.
func _add_socket(server: SignalingServer, path: String) -> WebSocketPeer:
	var socket := WebSocketPeer.new()
	socket.connect_to_url(url_of(server) + path)
	await until(func() -> bool:
		socket.poll()
		return socket.get_ready_state() == WebSocketPeer.STATE_OPEN, 5.0, path)
	return socket


## Sends each message when the one before is answered, and waits for the last answer.
func _say(socket: WebSocketPeer, messages: Array) -> void:
	for message: Dictionary in messages:
		socket.send_text(JSON.stringify(message))
		await until(func() -> bool:
			socket.poll()
			return socket.get_available_packet_count() > 0, 5.0, "an answer to %s" % message)
		while socket.get_available_packet_count() > 0:
			socket.get_packet()


## Says goodbye, or just goes where no words are needed.
func _leave(socket: WebSocketPeer, farewell: Array) -> void:
	for message: Dictionary in farewell:
		socket.send_text(JSON.stringify(message))
	if farewell.is_empty():
		socket.close()
	await until(func() -> bool:
		socket.poll()
		return not farewell.is_empty() or socket.get_ready_state() == WebSocketPeer.STATE_CLOSED,
		5.0, "gone")
