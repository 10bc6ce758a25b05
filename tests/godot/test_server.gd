extends "res://tests/signaling_case.gd"
## [SignalingServer]: starting, stopping, limits, and being there while the game is not.

## Signals that are told without the extended protocol.
const OF_THE_PLAIN_PROTOCOL: Array[String] = ["started", "stopped", "lobby_created",
	"lobby_sealed", "lobby_closed", "peer_joined", "peer_left"]


func _init() -> void:
	extended = false


func test_it_listens_and_tells_so_in_the_next_frame() -> void:
	var server := SignalingServer.new()
	server.port = 0
	add_child(server)
	var told := record(server)
	check_equal(server.is_listening(), false, "silent at first")
	check_equal(server.get_local_port(), 0, "no port at first")
	check_equal(server.listen(), OK, "listen")
	check(server.is_listening(), "listening")
	var port := server.get_local_port()
	check(port > 0, "a free port")
	check_equal(told, [] as Array[Array], "nothing is emitted from within listen()")
	await frames(2)
	check_equal(told, [["started", port]] as Array[Array], "started")


func test_autostart_starts_it() -> void:
	var server := SignalingServer.new()
	server.port = 0
	server.autostart = true
	add_child(server)
	check(not server.is_listening(), "not before its parent is ready to decide on who comes in")
	var told := record(server)
	await frames(2)
	check_equal(told, [["started", server.get_local_port()]] as Array[Array], "in the next frame")


func test_a_script_with_virtual_methods_of_its_own_does_not_disturb_it() -> void:
	var server := SignalingServer.new()
	server.set_script(preload("res://tests/fixtures/busy_node.gd"))
	server.port = 0
	server.autostart = true
	add_child(server)
	var told := record(server)
	await frames(2)
	check_equal(server.get_meta("calls"), ["_enter_tree", "_ready"], "the script's methods ran")
	check(told_of(told, "started"), "autostart and signals work")
	remove_child(server)
	check_equal(server.is_listening(), false, "stopped on leaving the tree")
	server.free()


func test_a_port_in_use_is_an_error_at_once() -> void:
	var first := add_server()
	var second := SignalingServer.new()
	second.bind_address = "127.0.0.1"
	add_child(second)
	check_equal(second.listen(first.get_local_port()), ERR_ALREADY_IN_USE, "another's port")
	check_equal(second.is_listening(), false, "not listening")
	check_equal(first.listen(), ERR_ALREADY_IN_USE, "listening already")
	check(first.is_listening(), "still listening")


func test_arguments_go_before_properties() -> void:
	var probe := add_server()
	var port := probe.get_local_port()
	probe.stop()
	var server := SignalingServer.new()
	server.bind_address = "not an address"
	server.port = 1
	add_child(server)
	check_equal(server.listen(port, "127.0.0.1"), OK, "listen")
	check_equal(server.get_local_port(), port, "the port given")


func test_what_makes_no_sense_is_refused() -> void:
	var server := SignalingServer.new()
	add_child(server)
	for arguments: Array in [[-1, ""], [65536, ""], [0, "localhost"], [0, "192.0.2.1"]]:
		check_equal(server.listen.callv(arguments), ERR_INVALID_PARAMETER, "listen%s" % [arguments])
	for wrong: Array in [
		["port", -1], ["port", 1 << 40], ["bind_address", ""], ["max_peers", 0],
		["max_lobbies", -1], ["max_message_bytes", 0], ["max_message_bytes", 1 << 40],
		["join_timeout", 0.0], ["join_timeout", -1.0], ["seal_timeout", NAN],
		["seal_timeout", INF], ["ping_interval", -1.0], ["ping_interval", 1e-9],
		["pong_timeout", 1e300],
	]:
		var usual: Variant = server.get(wrong[0])
		server.set(wrong[0], wrong[1])
		check_equal(server.listen(), ERR_INVALID_PARAMETER, "%s = %s" % wrong)
		server.set(wrong[0], usual)
	check_equal(server.is_listening(), false, "not listening")


func test_stopping_closes_everybody_and_tells_of_it() -> void:
	var server := add_server()
	var host := await add_member(server)
	var port := server.get_local_port()
	var lobby: String = server.get_lobbies()[0].name
	var told := record(server)
	server.stop()
	check_equal(server.is_listening(), false, "not listening")
	check_equal(server.get_local_port(), 0, "no port")
	check_equal(server.get_peer_count(), 0, "no peers")
	check_equal(server.get_lobbies().size(), 1, "the lobby is there until its end is told")
	check_equal(server.listen(port), OK, "the port is free at once")
	await reach(host, SignalingClient.STATE_LEFT)
	check_equal(host.code, 1001, "close code")
	check_equal(told, [["peer_left", lobby, 1], ["lobby_closed", lobby], ["stopped"],
		["started", port]] as Array[Array], "signals")
	check_equal(server.get_lobbies(), [] as Array[Dictionary], "no lobbies")
	server.stop()
	server.stop()
	await frames(2)
	check_equal(told.slice(4), [["stopped"]] as Array[Array], "stopped once")


func test_it_follows_the_lobbies() -> void:
	var server := add_server()
	var told := record(server)
	var host := await add_member(server, "", {"mesh": false})
	await until(func() -> bool: return told.size() == 3, 5.0, "three signals")
	var lobby: String = told[1][1]
	check_equal(told.slice(1), [["lobby_created", lobby], ["peer_joined", lobby, 1]] as Array[Array],
		"the host's lobby")

	var member := await add_member(server, lobby)
	var id := member.get_unique_id()
	check_equal(server.get_peer_count(), 2, "two peers")
	await until(func() -> bool: return told.size() == 4, 5.0, "four signals")
	check_equal(told[3], ["peer_joined", lobby, id], "the member")
	var entry: Dictionary = server.get_lobbies()[0]
	var age: float = entry.age
	check(age > 0.0 and age < 5.0, "age in seconds")
	entry.erase("age")
	check_equal(entry, {"protocol": "godot", "key": lobby, "name": lobby, "host": 1, "members": PackedInt32Array([1, id]),
		"mesh": false, "sealed": false, "public": false, "locked": false, "has_password": false,
		"max_players": 256, "metadata": {}}, "the lobby")

	told.clear()
	host.seal_lobby()
	await until(func() -> bool: return told_of(told, "lobby_sealed"), 5.0, "sealed")
	check_equal(server.get_lobbies()[0].sealed, true, "sealed in the list")
	member.close()
	await until(func() -> bool: return told_of(told, "peer_left"), 5.0, "left")
	check_equal(server.get_lobbies()[0].members, PackedInt32Array([1]), "the host remains")
	host.close()
	await until(func() -> bool: return told_of(told, "lobby_closed"), 5.0, "closed")
	check_equal(told, [["lobby_sealed", lobby], ["peer_left", lobby, id], ["peer_left", lobby, 1],
		["lobby_closed", lobby]] as Array[Array], "signals")


func test_getters_agree_with_the_signal_that_is_being_emitted() -> void:
	var server := add_server()
	var sizes: Array[int] = []
	var members := func() -> int:
		var lobbies := server.get_lobbies()
		return lobbies[0].members.size() if lobbies else -1
	server.lobby_created.connect(func(_lobby: String) -> void: sizes.append(members.call()))
	server.peer_joined.connect(func(_lobby: String, _id: int) -> void: sizes.append(members.call()))
	server.peer_left.connect(func(_lobby: String, _id: int) -> void: sizes.append(members.call()))
	server.lobby_closed.connect(func(_lobby: String) -> void: sizes.append(members.call()))
	await add_member(server)
	server.stop()
	await frames(2)
	check_equal(sizes, [0, 1, 0, -1] as Array[int], "members")


func test_lobbies_and_peers_can_be_put_out() -> void:
	var server := add_server()
	check_equal(server.close_lobby("nowhere"), ERR_DOES_NOT_EXIST, "no such lobby")
	var host := await add_member(server)
	await until(func() -> bool: return server.get_lobbies().size() == 1, 5.0, "a lobby")
	var lobby: String = server.get_lobbies()[0].name
	var member := await add_member(server, lobby)
	var id := member.get_unique_id()
	await until(func() -> bool: return server.get_lobbies()[0].members.size() == 2, 5.0, "both")

	check_equal(server.disconnect_peer("nowhere", id), ERR_DOES_NOT_EXIST, "no such lobby")
	for stranger: int in [0, -1, id ^ 2, 1 << 31]:
		check_equal(server.disconnect_peer(lobby, stranger), ERR_DOES_NOT_EXIST, "no such peer")
	check_equal(server.disconnect_peer(lobby, id, "too loud"), OK, "disconnect")
	await reach(member, SignalingClient.STATE_LEFT)
	check_equal([member.code, member.reason], [4000, "too loud"], "what the peer is told")

	check_equal(server.close_lobby(lobby, "good night"), OK, "close")
	await reach(host, SignalingClient.STATE_LEFT)
	check_equal([host.code, host.reason], [4000, "good night"], "what the host is told")
	server.stop()
	check_equal(server.close_lobby(lobby), ERR_UNCONFIGURED, "not running")
	check_equal(server.disconnect_peer(lobby, 1), ERR_UNCONFIGURED, "not running")


func test_limits_and_timeouts_hold() -> void:
	var server := add_server({"max_peers": 2, "max_lobbies": 1, "max_message_bytes": 200,
		"join_timeout": 0.2, "seal_timeout": 0.2})
	var host := await add_member(server)
	for expected: Array in [
		[{}, "Too many lobbies open, disconnecting"],
		[{"lobby": "nowhere"}, "Lobby does not exists"],
		[{"autojoin": false}, "Have not joined lobby yet"],
	]:
		var client := add_client(server, expected[0])
		client.start()
		await reach(client, SignalingClient.STATE_FAILED)
		check_equal([client.code, client.reason], [4000, expected[1]], "refusal")

	var idle := add_client(server, {"autojoin": false})
	idle.start()
	await until(func() -> bool: return server.get_peer_count() == 2, 5.0, "two peers")
	var third := add_client(server)
	third.start()
	await reach(third, SignalingClient.STATE_FAILED)
	check_equal([third.code, third.reason], [4000, "Too many peers connected"], "refusal")

	host.seal_lobby()
	await reach(host, SignalingClient.STATE_LEFT)
	check_equal([host.code, host.reason], [1000, "Seal complete"], "the end of a sealed lobby")

	var talker := await add_member(server)
	talker.send_offer(1, "x".repeat(200))
	await reach(talker, SignalingClient.STATE_LEFT)
	check_equal(talker.code, 1009, "a message too large")


func test_who_is_silent_is_disconnected_when_asked_for() -> void:
	var server := add_server({"ping_interval": 0.1, "pong_timeout": 0.4, "join_timeout": 60.0})
	# Our client answers pings on its own; the demo's answers only when it is polled.
	var lively := await add_member(server)
	var frozen := DemoClient.new()
	frozen.open(url_of(server))
	await until(frozen.poll, 5.0, "connected")
	check_equal(server.get_peer_count(), 2, "two peers")
	await until(func() -> bool: return server.get_peer_count() == 1, 5.0, "the silent one is gone")
	check_equal(lively.get_state(), SignalingClient.STATE_JOINED, "the other one is not")


func test_it_goes_on_while_the_tree_is_paused() -> void:
	get_tree().paused = true
	var server := add_server()
	var told := record(server)
	var client := await add_member(server)
	check_equal(client.get_unique_id(), 1, "joined")
	await until(func() -> bool: return told_of(told, "peer_joined"), 5.0, "signals")
	check(get_tree().paused, "still paused")


func test_it_relays_while_the_main_thread_is_stalled() -> void:
	var server := add_server()
	var told := record(server)
	var players := Thread.new()
	var until_msec := Time.get_ticks_msec() + 2000
	players.start(_relay_until.bind(url_of(server), until_msec))
	OS.delay_msec(2000)
	var relayed: int = players.wait_to_finish()
	check(relayed > 100, "messages went both ways meanwhile (%d)" % relayed)
	await until(func() -> bool: return told_of(told, "lobby_closed"), 5.0, "told afterwards")


## Two clients on a thread of their own that pass a message to and fro; returns how often.
func _relay_until(url: String, until_msec: int) -> int:
	var host := DemoClient.new()
	var member := DemoClient.new()
	var relayed := 0
	host.open(url)
	while Time.get_ticks_msec() < until_msec:
		if host.poll() and host.messages.is_empty():
			host.send(DemoClient.JOIN, 0, "")
			_poll_while(host, func() -> bool: return not host.has(DemoClient.JOIN), until_msec)
			member.open(url)
			_poll_while(member, func() -> bool: return not member.poll(), until_msec)
			member.send(DemoClient.JOIN, 0, host.data_of(DemoClient.JOIN))
			_poll_while(member, func() -> bool: return not member.has(DemoClient.JOIN), until_msec)
			member.send(DemoClient.OFFER, 1, "ball")
		member.poll()
		for pair: Array in [[host, member], [member, host]]:
			var got: Array[Array] = pair[0].messages
			if not got.is_empty() and got.back()[0] == DemoClient.OFFER:
				pair[0].send(DemoClient.OFFER, got.pop_back()[1], "ball")
				relayed += 1
	return relayed


func _poll_while(client: DemoClient, condition: Callable, until_msec: int) -> void:
	while condition.call() and Time.get_ticks_msec() < until_msec:
		client.poll()


func test_leaving_the_tree_stops_it() -> void:
	var server := add_server()
	var client := await add_member(server)
	remove_child(server)
	check_equal(server.is_listening(), false, "not listening")
	await reach(client, SignalingClient.STATE_LEFT)
	var told := record(server)
	add_child(server)
	await frames(2)
	check(told_of(told, "stopped"), "told when it is back")
	check_equal(server.listen(), OK, "it can start again")


func test_it_can_be_freed_from_within_each_of_its_signals() -> void:
	for told_last: String in OF_THE_PLAIN_PROTOCOL:
		var server := add_server({"seal_timeout": 0.1})
		server.connect(told_last, func(..._arguments: Array) -> void: server.queue_free())
		server.connect(told_last, func(..._arguments: Array) -> void: server.stop())
		var host := add_client(server)
		host.lobby_joined.connect(func(_lobby: String) -> void: host.seal_lobby())
		host.start()
		server.lobby_closed.connect(func(_lobby: String) -> void: server.stop())
		await gone(server.get_instance_id(), "freed from within " + told_last)
		host.queue_free()
