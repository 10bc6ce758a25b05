extends "res://tests/signaling_case.gd"
## The connection to the server is lost, and found again.

const Player := preload("res://tests/fixtures/player.gd")
const Proxy := preload("res://tests/fixtures/proxy.gd")


func test_a_lost_connection_is_made_again_and_nothing_is_missed() -> void:
	var server := add_server()
	var host := add_client(server)
	check_equal(await host.create_lobby().completed, true, "created")
	var told_host := record(host, [] as Array[String])
	var proxy := _add_proxy(server)
	var member := add_client(server, {"url": proxy.url()})
	check_equal(await member.join_lobby(host.get_lobby().code).completed, true, "joined")
	var id := member.get_unique_id()
	var told := record(member, [] as Array[String])
	proxy.is_cut = true
	await until(func() -> bool: return told_of(told, "reconnecting"), 5.0, "noticed")
	check_equal(told[0], ["state_changed", SignalingClient.STATE_JOINED,
		SignalingClient.STATE_WAITING_FOR_NETWORK], "the state")
	check_equal(told[1].slice(0, 2), ["reconnecting", 1], "the first try")
	await until(func() -> bool: return told_of(told_host, "peer_unstable"), 5.0, "told to others")
	check_equal(await host.send_lobby_message("meanwhile").completed, true, "sent meanwhile")
	check_equal(await host.set_lobby_value("a", 1, null).completed, true, "set meanwhile")
	var request := member.update_me({ready = true})
	proxy.is_cut = false
	check_equal(await request.completed, true, "asked meanwhile")
	check_equal(member.get_state(), SignalingClient.STATE_JOINED, "all goes on")
	check_equal(member.get_unique_id(), id, "in the same place")
	for signal_name: String in ["resumed", "lobby_message", "lobby_value_changed"]:
		check_equal(told.filter(func(entry: Array) -> bool: return entry[0] == signal_name).size(),
			1, signal_name)
	await until(func() -> bool: return told_of(told_host, "peer_stable"), 5.0, "it is back")
	check(not told_of(told_host, "member_left"), "it was never gone")


func test_a_place_that_was_not_kept_is_told() -> void:
	var server := add_server({"resume_timeout": 0.3})
	var host := add_client(server)
	check_equal(await host.create_lobby().completed, true, "created")
	var proxy := _add_proxy(server)
	var member := add_client(server, {"url": proxy.url()})
	check_equal(await member.join_lobby(host.get_lobby().code).completed, true, "joined")
	var told_host := record(host, [] as Array[String])
	var told := record(member, [] as Array[String])
	proxy.is_cut = true
	await until(func() -> bool: return told_of(told_host, "member_left"), 5.0, "given up")
	proxy.is_cut = false
	await until(func() -> bool: return told_of(told, "lobby_left"), 10.0, "told")
	check(told_of(told, "resume_failed"), "why")
	check_equal(told.back()[1], SignalingClient.FAILURE_LOST, "the failure")
	check_equal(await member.join_lobby(host.get_lobby().code).completed, true, "it may come back")


func test_a_negotiation_goes_on_after_a_cut() -> void:
	var server := add_server()
	var proxy := _add_proxy(server)
	var host := _add_player(url_of(server))
	host.client.start()
	await reach(host.client, SignalingClient.STATE_JOINED)
	var member := _add_player(proxy.url())
	# The offer is on its way.
	member.client.peer_connected.connect(func(_id: int) -> void: proxy.is_silent = true)
	member.client.start("", host.client.get_lobby().code)
	await until(func() -> bool: return proxy.is_silent, 5.0, "in the middle of it")
	var begun := Time.get_ticks_msec()
	proxy.is_cut = true
	proxy.is_silent = false
	await until(func() -> bool: return Time.get_ticks_msec() - begun > 10_000, 15.0, "a while")
	check_equal(member.others(), [], "not connected yet")
	proxy.is_cut = false
	await until(func() -> bool: return member.others() == [1], 15.0, "connected after all")
	await until(func() -> bool: return host.others() == [member.id()], 5.0, "there too")


func test_a_match_goes_on_while_the_server_is_started_anew() -> void:
	var port := _free_port()
	var process := _start_server(port)
	var host := _add_player("ws://127.0.0.1:%d" % port)
	await until(func() -> bool: return _is_reachable(port), 20.0, "the server is there")
	host.client.start()
	await reach(host.client, SignalingClient.STATE_JOINED)
	var member := _add_player("ws://127.0.0.1:%d" % port)
	member.client.start("", host.client.get_lobby().code)
	await until(func() -> bool: return host.others().size() == 1, 20.0, "a match")
	var told := record(member.client, [] as Array[String])
	OS.kill(process)
	await until(func() -> bool: return told_of(told, "reconnecting"), 5.0, "noticed")
	await _check_plays(host, member)
	process = _start_server(port)
	await until(func() -> bool: return told_of(told, "lobby_left"), 30.0, "the loss is told")
	check_equal(told.back()[1], SignalingClient.FAILURE_LOST, "the failure")
	await _check_plays(host, member)
	check_equal(await member.client.list_lobbies().completed, true, "the server is back")
	OS.kill(process)


func _add_proxy(server: SignalingServer) -> Proxy:
	var proxy := Proxy.new()
	add_child(proxy)
	proxy.lead_to(server.get_local_port())
	return proxy


func _add_player(url: String) -> Player:
	var player := Player.new()
	player.client.url = url
	add_child(player, true)
	return player


func _check_plays(one: Player, other: Player) -> void:
	for pair: Array[Player] in [[one, other] as Array[Player], [other, one] as Array[Player]]:
		pair[1].receiver.calls.clear()
		pair[0].receiver.send(pair[1].id(), "reliable", 100)
		await until(pair[1].receiver.has.bind(pair[0].id(), "reliable", 100), 5.0, "they play")


func _free_port() -> int:
	var listener := TCPServer.new()
	listener.listen(0, "127.0.0.1")
	return listener.get_local_port()


func _start_server(port: int) -> int:
	var arguments: PackedStringArray = ["--headless", "--path",
		ProjectSettings.globalize_path("res://"), "res://tests/fixtures/server.tscn", "--",
		str(port)]
	return OS.create_process(OS.get_executable_path(), arguments)


func _is_reachable(port: int) -> bool:
	var stream := StreamPeerTCP.new()
	stream.connect_to_host("127.0.0.1", port)
	OS.delay_msec(20)
	stream.poll()
	return stream.get_status() == StreamPeerTCP.STATUS_CONNECTED
