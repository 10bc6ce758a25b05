extends "res://tests/signaling_case.gd"
## [SignalingClient] as a signaling client of the plain protocol: joining, sending, ending, and its
## errors.


## Signals that are told without the extended protocol, and without connections to others.
const OF_THE_PLAIN_PROTOCOL: Array[String] = ["state_changed", "connected", "member_joined",
	"peer_connected", "lobby_joined", "offer_received", "answer_received", "candidate_received",
	"peer_disconnected", "member_left", "lobby_sealed", "lobby_left", "disconnected"]


func _init() -> void:
	extended = false


func test_creating_a_lobby() -> void:
	var server := add_server()
	var client := add_client(server)
	var told := record(client)
	check_equal(client.get_state(), SignalingClient.STATE_IDLE, "idle at first")
	check_equal(client.start(), OK, "start")
	check_equal(client.get_state(), SignalingClient.STATE_INITIALIZING, "initializing")
	check_equal(client.get_unique_id(), 0, "no id yet")
	await reach(client, SignalingClient.STATE_JOINED)
	var lobby: String = told[1][1]
	check_equal(told, [["connected", 1, true], ["lobby_joined", lobby]] as Array[Array], "signals")
	check_equal(lobby.length(), 16, "a code")
	check_equal(client.get_unique_id(), 1, "the host's id")
	check(client.get_multiplayer_peer() == null, "it only signals")
	check(multiplayer.multiplayer_peer is OfflineMultiplayerPeer, "nothing was assigned")


func test_states_and_failures_are_enums_of_the_class() -> void:
	var names := ClassDB.class_get_enum_list("SignalingClient", true)
	names.sort()
	check_equal(names, PackedStringArray(["Failure", "State"]), "enums")
	for constant in ClassDB.class_get_integer_constant_list("SignalingClient", true):
		var its_enum := ClassDB.class_get_integer_constant_enum("SignalingClient", constant, true)
		check_equal(constant.get_slice("_", 0).capitalize(), String(its_enum), constant)
	var state: SignalingClient.State = add_client(add_server()).get_state()
	check_equal(state, SignalingClient.State.STATE_IDLE, "a state")
	check_equal(SignalingClient.Failure.FAILURE_FULL, 6, "numbers never change")


func test_joining_a_lobby_by_its_code() -> void:
	var server := add_server()
	var host := add_client(server)
	var told := record(host)
	host.start("", "", false)
	await reach(host, SignalingClient.STATE_JOINED)
	var lobby: String = told[1][1]
	var member := add_client(server)
	var told_member := record(member)
	member.start(url_of(server), lobby)
	await reach(member, SignalingClient.STATE_JOINED)
	var id := member.get_unique_id()
	check(id > 1, "an id of its own")
	check_equal(told_member, [["connected", id, false], ["peer_connected", 1],
		["lobby_joined", lobby]] as Array[Array], "the member's signals")
	await until(func() -> bool: return told_of(told, "peer_connected"), 5.0, "announced")
	member.stop()
	await until(func() -> bool: return told_of(told, "peer_disconnected"), 5.0, "gone")
	check_equal(told, [["connected", 1, false], ["lobby_joined", lobby], ["peer_connected", id],
		["peer_disconnected", id]] as Array[Array], "the host's signals")


func test_start_takes_its_arguments_before_the_properties_and_leaves_these_alone() -> void:
	var server := add_server()
	var host := await add_member(server)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	var lobby: String = server.get_lobbies()[0].name
	var client := add_client(server, {"url": "ws://127.0.0.1:1", "lobby": "nowhere"})
	check_equal(client.start(url_of(server), lobby), OK, "start")
	await reach(client, SignalingClient.STATE_JOINED)
	check_equal([client.url, client.lobby, client.mesh], ["ws://127.0.0.1:1", "nowhere", true],
		"properties")
	host.stop()

	var told := record(client)
	client.url = url_of(server)
	client.lobby = ""
	client.mesh = false
	client.start()
	await reach(client, SignalingClient.STATE_JOINED)
	check_equal(told[0], ["connected", 1, false], "the properties hold without arguments")


func test_joining_by_hand() -> void:
	var server := add_server()
	var client := add_client(server, {"autojoin": false})
	client.connect_to_url()
	var created := client.create_lobby()
	check_equal(created.error, OK, "while connecting")
	check_equal(await created.completed, true, "created")
	check_equal(client.get_state(), SignalingClient.STATE_JOINED, "joined")
	var again := client.join_lobby("elsewhere")
	check_equal(await again.completed, false, "in a lobby already")
	check_equal(again.failure, SignalingClient.FAILURE_IN_LOBBY, "why")

	var late := add_client(server, {"autojoin": false})
	late.connect_to_url(url_of(server))
	await until(func() -> bool: return server.get_peer_count() == 2, 5.0, "connected")
	await frames(5)
	check_equal(late.get_state(), SignalingClient.STATE_INITIALIZING, "not joined by itself")
	var joined := late.join_lobby(created.value)
	check_equal(await joined.completed, true, "when connected")
	check_equal(server.get_lobbies()[0].members.size(), 2, "in the same lobby")


func test_wrong_use_is_an_error() -> void:
	var server := add_server()
	var client := add_client(server)
	for url: Array in [["", ERR_INVALID_PARAMETER], ["nonsense", ERR_INVALID_PARAMETER],
			["http://localhost", ERR_INVALID_PARAMETER], ["wss://localhost", ERR_UNAVAILABLE]]:
		client.url = url[0]
		check_equal(client.start(), url[1], "start with '%s'" % url[0])
		check_equal(client.connect_to_url(url[0]), url[1], "connect with '%s'" % url[0])
		check_equal(client.get_state(), SignalingClient.STATE_IDLE, "nothing goes on")
	check_equal(client.connect_to_server(null), ERR_INVALID_PARAMETER, "no server")
	check_equal(client.seal_lobby(), ERR_UNCONFIGURED, "seal")
	_check_sending(client, 1, ERR_UNCONFIGURED)
	client.start(url_of(server))
	_check_sending(client, 1, ERR_UNCONFIGURED)
	await reach(client, SignalingClient.STATE_JOINED)
	for id: int in [0, -1, 1 << 31]:
		_check_sending(client, id, ERR_INVALID_PARAMETER)
	check_equal(client.send_candidate(1, "0", 1 << 31, ""), ERR_INVALID_PARAMETER, "index")
	_check_sending(client, 1, OK)
	client.close()
	await reach(client, SignalingClient.STATE_LEFT)
	_check_sending(client, 1, ERR_UNCONFIGURED)
	check_equal(client.seal_lobby(), ERR_UNCONFIGURED, "seal")
	check_equal(client.join_lobby("").error, ERR_INVALID_PARAMETER, "join without a code")
	client.close()
	client.stop()
	client.stop()


func _check_sending(client: SignalingClient, id: int, error: Error) -> void:
	check_equal(client.send_offer(id, "o"), error, "offer to %d" % id)
	check_equal(client.send_answer(id, "a"), error, "answer to %d" % id)
	check_equal(client.send_candidate(id, "0", 0, "c"), error, "candidate to %d" % id)


func test_sealing_is_the_hosts_right() -> void:
	var server := add_server({"seal_timeout": 0.3})
	var host := await add_member(server)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	var lobby: String = server.get_lobbies()[0].name
	var member := await add_member(server, lobby)
	var told := record(member)
	check_equal(member.seal_lobby(), ERR_UNAUTHORIZED, "not the host")
	check_equal(host.seal_lobby(), OK, "the host")
	check(not member.sealed, "not sealed yet")
	await until(func() -> bool: return told_of(told, "lobby_sealed"), 5.0, "everybody is told")
	check(member.sealed, "sealed")
	var late := add_client(server)
	late.start("", lobby)
	await reach(late, SignalingClient.STATE_FAILED)
	check_equal([late.code, late.reason], [4000, "Lobby is sealed"], "too late")
	await reach(member, SignalingClient.STATE_LEFT)
	check_equal(told, [["lobby_sealed"], ["disconnected", 1000, "Seal complete"]] as Array[Array],
		"the member's signals")


func test_how_a_connection_ends_is_told() -> void:
	var server := add_server()
	var client := add_client(server)
	var told := record(client)
	client.start("", "nowhere")
	await reach(client, SignalingClient.STATE_FAILED)
	check_equal(told, [["disconnected", 4000, "Lobby does not exists"]] as Array[Array], "refused")
	check_equal([client.code, client.reason], [4000, "Lobby does not exists"], "properties")

	told.clear()
	client.start()
	check_equal([client.code, client.reason], [0, ""], "forgotten")
	await reach(client, SignalingClient.STATE_JOINED)
	client.close()
	await reach(client, SignalingClient.STATE_LEFT)
	check_equal(told.back(), ["disconnected", 1000, ""], "closed by us")

	client.start()
	await reach(client, SignalingClient.STATE_JOINED)
	var url := url_of(server)
	server.stop()
	await reach(client, SignalingClient.STATE_LEFT)
	check_equal(client.code, 1001, "closed by the server")

	client.start(url)
	await reach(client, SignalingClient.STATE_FAILED)
	check_equal(client.code, 1006, "nobody there")
	check("refused" in client.reason, "the reason says why: " + client.reason)


func test_descriptions_and_candidates_go_between_old_and_new_clients() -> void:
	var server := add_server()
	var old := DemoClient.new()
	old.open(url_of(server))
	await until(old.poll, 5.0, "connected")
	old.send(DemoClient.JOIN, 0, "")
	await until(old.has.bind(DemoClient.JOIN), 5.0, "lobby created")
	var client := add_client(server)
	var told := record(client)
	client.start("", old.data_of(DemoClient.JOIN))
	await reach(client, SignalingClient.STATE_JOINED)
	var id := client.get_unique_id()

	var sdp := "v=0\r\na=\"quoted\" \\ schön\r\n"
	client.send_offer(1, sdp)
	client.send_answer(1, "")
	client.send_candidate(1, "data", 2, "candidate:1 1 udp 1 192.0.2.1 9 typ host")
	await until(old.has.bind(DemoClient.CANDIDATE), 5.0, "all arrived")
	check_equal(old.messages.slice(-4), [[DemoClient.PEER_CONNECT, id, ""],
		[DemoClient.OFFER, id, sdp], [DemoClient.ANSWER, id, ""],
		[DemoClient.CANDIDATE, id, "\ndata\n2\ncandidate:1 1 udp 1 192.0.2.1 9 typ host"],
	] as Array[Array], "as the old client knows them")

	told.clear()
	old.send(DemoClient.OFFER, id, sdp)
	old.send(DemoClient.ANSWER, id, "answer")
	old.send(DemoClient.CANDIDATE, id, "\n0\n0\n")
	old.send(DemoClient.CANDIDATE, id, "\n0\n1\ncandidate:2")
	await until(func() -> bool: return told.size() == 3, 5.0, "three signals")
	check_equal(told, [["offer_received", 1, sdp], ["answer_received", 1, "answer"],
		["candidate_received", 1, "0", 1, "candidate:2"]] as Array[Array],
		"an empty candidate is dropped, as the old client does")
	old.socket.close()
	await reach(client, SignalingClient.STATE_LEFT)
	check_equal([client.code, client.reason], [4000, "Room host has disconnected"], "the end")
	await until(old.is_closed, 5.0, "closed")


func test_the_hosting_game_joins_through_memory() -> void:
	var server := add_server()
	var client := add_client(server)
	check_equal(client.connect_to_server(server), OK, "connect")
	await reach(client, SignalingClient.STATE_JOINED)
	check_equal(server.get_peer_count(), 1, "it counts")
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	var member := add_client(server, {"lobby": server.get_lobbies()[0].name})
	var told := record(member)
	member.connect_to_server(server)
	await reach(member, SignalingClient.STATE_JOINED)
	client.send_offer(member.get_unique_id(), "hello")
	await until(func() -> bool: return told_of(told, "offer_received"), 5.0, "relayed")
	server.stop()
	await reach(client, SignalingClient.STATE_LEFT)
	check_equal(client.code, 1001, "closed with the server")
	check_equal(client.connect_to_server(server), ERR_UNCONFIGURED, "it does not listen")


func test_it_works_while_the_tree_is_paused() -> void:
	var server := add_server()
	get_tree().paused = true
	var client := await add_member(server)
	var told := record(client)
	client.send_offer(1, "to myself")
	await until(func() -> bool: return told_of(told, "offer_received"), 5.0, "relayed")


func test_nothing_is_told_after_stop() -> void:
	var server := add_server()
	for last: String in ["connected", "peer_connected", "lobby_joined", "disconnected"]:
		var host := await add_member(server)
		var lobbies := server.get_lobbies
		await until(func() -> bool: return lobbies.call().size() == 1, 5.0, "a lobby")
		var client := add_client(server)
		var told := record(client)
		client.connect(last, func(..._arguments: Array) -> void: client.stop())
		client.lobby_joined.connect(func(_lobby: String) -> void: client.close())
		client.start("", server.get_lobbies()[0].name)
		await reach(client, SignalingClient.STATE_IDLE)
		await until(func() -> bool: return server.get_peer_count() == 1, 5.0, "gone from the server")
		await frames(5)
		check_equal(told.back()[0], last, "the last signal")
		host.free()
		await until(func() -> bool: return lobbies.call().is_empty(), 5.0, "no lobby")


func test_a_handler_may_start_anew() -> void:
	var server := add_server()
	var client := add_client(server)
	var told := record(client)
	client.disconnected.connect(
		func(_code: int, _reason: String) -> void: client.start(), CONNECT_ONE_SHOT)
	client.start("", "nowhere")
	await reach(client, SignalingClient.STATE_JOINED)
	check_equal(told.map(func(entry: Array) -> String: return entry[0]),
		["disconnected", "connected", "lobby_joined"], "signals")


func test_starting_over_and_over_leaves_one_connection() -> void:
	var server := add_server()
	var client := add_client(server)
	var told := record(client)
	for _attempt in 20:
		client.start()
	client.connect_to_url()
	client.connect_to_server(server)
	await reach(client, SignalingClient.STATE_JOINED)
	await until(func() -> bool: return server.get_peer_count() == 1, 5.0, "one connection")
	check_equal(told.size(), 2, "one story")


func test_it_can_be_freed_from_within_each_of_its_signals() -> void:
	var server := add_server({"seal_timeout": 0.1})
	for told_last: String in OF_THE_PLAIN_PROTOCOL:
		var host := await add_member(server)
		await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
		var client := add_client(server)
		client.connect(told_last, func(..._arguments: Array) -> void: client.queue_free())
		var client_id := client.get_instance_id()
		var told := record(host)
		client.start("", server.get_lobbies()[0].name)
		# Its first signal may come before the server has heard of it.
		var has_met := func() -> bool: return told_of(told, "peer_connected")
		var is_gone := func() -> bool: return not is_instance_id_valid(client_id)
		await until(func() -> bool: return has_met.call() or is_gone.call(), 5.0, "met, or gone")
		await frames(5)
		if is_instance_valid(client):
			await _let_everything_happen(client, host, server)
		await gone(client_id, "freed from within " + told_last)
		host.free()
		await until(func() -> bool: return server.get_lobbies().is_empty(), 5.0, "no lobby")


## Everything that a member can be told of after it has joined.
func _let_everything_happen(
		client: SignalingClient, host: SignalingClient, server: SignalingServer) -> void:
	host.send_offer(client.get_unique_id(), "o")
	host.send_answer(client.get_unique_id(), "a")
	host.send_candidate(client.get_unique_id(), "0", 0, "c")
	var third := await add_member(server, server.get_lobbies()[0].name)
	third.stop()
	host.seal_lobby()


func test_a_frozen_game_loses_nothing() -> void:
	var server := add_server()
	var host := await add_member(server)
	var told := record(host)
	for number in 1000:
		check_equal(host.send_offer(1, str(number)), OK, "sent")
	OS.delay_msec(200)
	await until(func() -> bool: return told.size() == 1000, 10.0, "all arrived")
	var order := range(1000).map(
		func(number: int) -> Array: return ["offer_received", 1, str(number)])
	check_equal(Array(told), order, "in order")


func test_leaving_the_tree_is_like_stop() -> void:
	var server := add_server()
	var client := await add_member(server)
	remove_child(client)
	check_equal(client.get_state(), SignalingClient.STATE_IDLE, "idle")
	await until(func() -> bool: return server.get_peer_count() == 0, 5.0, "gone from the server")
	check_equal(client.start(), ERR_UNCONFIGURED, "it does not work outside")
	add_child(client)
	check_equal(client.start(), OK, "but inside")
	await reach(client, SignalingClient.STATE_JOINED)
