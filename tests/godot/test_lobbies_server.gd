extends "res://tests/signaling_case.gd"
## What [SignalingServer] decides: who comes in, how long is waited, what clients are told to use.


const Proxy := preload("res://tests/fixtures/proxy.gd")


func test_nobody_waits_for_who_does_not_decide_any_more() -> void:
	var server := add_server({"decision_timeout": 60.0})
	var asked: Array[SignalingAdmission] = []
	var note := func(request: SignalingAdmission) -> void: asked.append(request)
	server.hello_requested.connect(note)
	await frames(2)
	var listed := add_client(server).list_lobbies()
	await until(func() -> bool: return not asked.is_empty(), 10.0, "asked")
	server.hello_requested.disconnect(note)
	check_equal(await listed.completed, true, "accepted")


func test_the_game_decides_who_comes_in() -> void:
	var server := add_server()
	var asked: Array[Array] = []
	server.hello_requested.connect(func(request: SignalingAdmission) -> void:
		asked.append(["hello", request.name, request.token, request.game_version])
		if request.token == "good":
			request.accept()
		else:
			request.reject("Log in again."))
	server.create_requested.connect(func(request: SignalingAdmission) -> void:
		asked.append(["create", request.user != "", request.lobby_metadata,
			request.lobby_max_players, request.lobby_public, request.lobby_mesh])
		request.accept()
		request.reject("too late"))
	server.join_requested.connect(func(request: SignalingAdmission) -> void:
		asked.append(["join", request.address, request.lobby, request.metadata])
		await frames(5)
		request.reject())
	await frames(2)
	var client := add_client(server,
		{"player_name": "Fox", "auth_token": "good", "game_version": "1.2"})
	var created := client.create_lobby({metadata = {mode = "ctf"}, max_players = 3})
	check_equal(await created.completed, true, "accepted")
	var other := add_client(server, {"auth_token": "good", "game_version": "1.2"})
	var joined := other.join_lobby(created.value, {me = {colour = "red"}})
	check_equal(await joined.completed, false, "rejected, later")
	check_equal(joined.failure, SignalingClient.FAILURE_REJECTED, "why")
	var stranger := add_client(server)
	var refused := stranger.list_lobbies()
	check_equal(await refused.completed, false, "rejected")
	check_equal([refused.failure, refused.message],
		[SignalingClient.FAILURE_UNAUTHORIZED, "Log in again."], "in the game's words")
	check_equal(asked, [["hello", "Fox", "good", "1.2"], ["create", true, {mode = "ctf"}, 3, false, true],
		["hello", "", "good", "1.2"], ["join", "127.0.0.1", created.value, {colour = "red"}],
		["hello", "", "", ""]] as Array[Array], "what was asked")


func test_what_nobody_decides_on() -> void:
	# A warning tells of it.
	Engine.print_error_messages = false
	for accepts: bool in [false, true]:
		var server := add_server({"decision_timeout": 0.2, "accept_undecided": accepts})
		server.create_requested.connect(func(_request: SignalingAdmission) -> void: pass)
		await frames(2)
		var client := add_client(server)
		check_equal(await client.create_lobby().completed, accepts, "undecided")
		await frames(2)
		server.free()
	Engine.print_error_messages = true


func test_whoever_listens_later_is_asked_from_then_on() -> void:
	var server := add_server()
	var client := add_client(server)
	check_equal(await client.create_lobby().completed, true, "nobody is asked")
	var asked: Array[SignalingAdmission] = []
	server.join_requested.connect(func(request: SignalingAdmission) -> void:
		asked.append(request)
		request.accept())
	await frames(2)
	var other := add_client(server, {"extended": false})
	check_equal(await other.join_lobby(client.get_lobby().code).completed, true, "accepted")
	check_equal([asked.size(), asked[0].plain], [1, true], "also of clients of the plain protocol")


func test_a_parent_that_listens_when_it_is_ready_decides_from_the_first_client_on() -> void:
	var server := SignalingServer.new()
	server.autostart = true
	server.bind_address = "127.0.0.1"
	server.port = 0
	var asked: Array[SignalingRequest] = []
	server.started.connect(func(port: int) -> void:
		var client := add_client(server, {"url": "ws://127.0.0.1:%d" % port})
		asked.append(client.create_lobby()))
	add_child(Doorkeeper.new(server))
	await until(func() -> bool: return not asked.is_empty(), 5.0, "started by itself")
	check_equal(await asked[0].completed, false, "asked about")
	check_equal(asked[0].message, "Closed.", "in the words of the parent")


func test_who_asked_before_a_new_start_is_not_asked_about() -> void:
	var server := add_server()
	var asked: Array[SignalingAdmission] = []
	server.hello_requested.connect(func(request: SignalingAdmission) -> void:
		asked.append(request)
		server.stop()
		check_equal(server.listen(), OK, "listens again"))
	await frames(2)
	for _index in 2:
		add_client(server).list_lobbies()
	# Both questions arrive while the game hangs, and wait for the same frame.
	OS.delay_msec(300)
	await until(func() -> bool: return not asked.is_empty(), 5.0, "the first one asks")
	await frames(2)
	check_equal(asked.size(), 1, "the second one asked a server that is gone")


func test_other_games_and_versions_are_turned_away() -> void:
	var server := add_server({"required_game_id": "tag", "required_game_version": "2"})
	var client := add_client(server, {"game_id": "tag", "game_version": "1"})
	var told := record(client, [] as Array[String])
	var request := client.create_lobby()
	check_equal(await request.completed, false, "an old version")
	check_equal(request.failure, SignalingClient.FAILURE_WRONG_VERSION, "why")
	await until(func() -> bool: return told_of(told, "disconnected"), 5.0, "and the end")
	client.game_version = "2"
	check_equal(await client.create_lobby().completed, true, "the right one")


func test_clients_are_told_of_ice_servers() -> void:
	# Nobody listens there.
	var server := add_server({"ice_servers": [_turn_server(9)] as Array[Dictionary]})
	var failed: Array[int] = []
	var player := await _add_players(server, failed)
	await until(func() -> bool: return not failed.is_empty(), 10.0, "it was tried")
	check_equal(failed[0], SignalingClient.FAILURE_TURN_UNREACHABLE, "what is told")
	await until(func() -> bool: return player.others().size() == 1, 20.0, "not needed here")


func test_ice_servers_from_everywhere_are_used() -> void:
	# Nobody listens there.
	var told := _turn_server(9)
	var own := _turn_server(7)
	var configured := _turn_server(11)
	var server := add_server({"ice_servers": [told] as Array[Dictionary]})
	var configuration: Dictionary[String, Array] = {"iceServers": [configured]}
	var properties := {"ice_servers": [own] as Array[Dictionary],
		"rtc_configuration": configuration}
	var player := await _add_players(server, [], properties)
	var urls: Array[String] = []
	player.client.ice_server_failed.connect(
		func(url: String, _code: int, _reason: String) -> void: urls.append(url))
	for used: Dictionary in [configured, own, told]:
		await until(func() -> bool: return used.urls[0] in urls, 10.0, "%s is tried" % used.urls)
	check_equal(player.client.ice_servers, [own] as Array[Dictionary], "the property is as it was")
	check_equal(player.client.rtc_configuration, configuration, "as is the other")


func test_where_no_connection_to_players_can_be_made() -> void:
	var server := add_server()
	# Each is complained about, once for each of the two players.
	Engine.print_error_messages = false
	for configuration: Dictionary in [{"iceServers": "stun:127.0.0.1:9"}, {"iceServers": [7]}]:
		await _check_no_webrtc(server, {"rtc_configuration": configuration})
	Engine.print_error_messages = true


func _check_no_webrtc(server: SignalingServer, properties: Dictionary) -> void:
	var failed: Array[int] = []
	var player := await _add_players(server, failed, properties)
	await until(func() -> bool: return failed.size() == 2, 5.0, "told to both")
	check_equal(failed, [SignalingClient.FAILURE_NO_WEBRTC, SignalingClient.FAILURE_NO_WEBRTC]
		as Array[int], "and once")
	check_equal(player.client.get_state(), SignalingClient.STATE_JOINED, "the lobby is as it was")
	check_equal(await player.client.close_lobby().completed, true, "and can be left")
	await until(func() -> bool: return server.get_lobbies().is_empty(), 5.0, "no lobby")


func _turn_server(port: int) -> Dictionary[String, Variant]:
	return {"urls": ["turn:127.0.0.1:%d?transport=tcp" % port],
		"username": "me", "credential": "secret"}


func test_an_ice_server_that_makes_no_sense_is_not_in_the_way() -> void:
	var server := add_server({"turn_urls": ["turn:127.0.0.1:9"], "turn_secret": "north"})
	var proxy := Proxy.new()
	add_child(proxy)
	proxy.lead_to(server.get_local_port())
	proxy.replaced = {"turn:127.0.0.1:9": "turn://127.0.0.1"}
	var failed: Array[int] = []
	# It is warned of.
	Engine.print_error_messages = false
	var player := await _add_players(server, failed, {"url": proxy.url()})
	await until(func() -> bool: return player.others().size() == 1, 20.0, "connected")
	Engine.print_error_messages = true
	check_equal(failed, [] as Array[int], "nothing failed")


## Two players that connect to each other, of whom the first is returned.
func _add_players(
		server: SignalingServer, failed: Array[int], properties: Dictionary = {}) -> Node:
	var players: Array[Node] = []
	for index in 2:
		var player: Node = preload("res://tests/fixtures/player.gd").new()
		player.client.url = url_of(server)
		_set_all(player.client, properties)
		add_child(player, true)
		players.append(player)
		player.client.failed.connect(
			func(failure: int, _message: String, _details: Dictionary) -> void:
				failed.append(failure))
		var lobbies := server.get_lobbies()
		player.client.start("", "" if lobbies.is_empty() else lobbies[0].name)
		await reach(player.client, SignalingClient.STATE_JOINED)
		await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	return players[0]


func test_settings_that_make_no_sense() -> void:
	# Some are complained about.
	Engine.print_error_messages = false
	for wrong: Dictionary in [{client_ping_interval = 0.0}, {max_metadata_bytes = 20000},
			{decision_timeout = 0.0}, {resume_timeout = -1.0},
			{turn_urls = ["turn:x"], turn_secret = "north", turn_lifetime = 0.0},
			{turn_urls = ["turn:x"]}, {turn_urls = ["turn://x"], turn_secret = "north"},
			{turn_urls = ["stun:x"], turn_secret = "north"},
			{ice_servers = [{urls = ["turn:x"]}] as Array[Dictionary]},
			{ice_servers = [{urls = ["stun:x"], more = "x".repeat(16400)}] as Array[Dictionary]}]:
		var server := SignalingServer.new()
		server.port = 0
		for property: String in wrong:
			server.set(property, wrong[property])
		add_child(server)
		check_equal(server.listen(), ERR_INVALID_PARAMETER, str(wrong))
	Engine.print_error_messages = true


## Turns everybody away.
class Doorkeeper:
	extends Node
	var _server: SignalingServer


	func _init(server: SignalingServer) -> void:
		_server = server
		add_child(server)


	func _ready() -> void:
		_server.hello_requested.connect(
			func(request: SignalingAdmission) -> void: request.reject("Closed."))
