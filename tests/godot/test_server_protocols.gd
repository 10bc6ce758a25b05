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
			{calling_path = "/ws/game"}, {calling_path = "/calling?a=b"}]:
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
