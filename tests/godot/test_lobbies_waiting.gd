extends "res://tests/signaling_case.gd"
## Lobbies whose host policy is "wait".

const Proxy := preload("res://tests/fixtures/proxy.gd")


func test_a_host_that_returns_in_time_is_still_the_host() -> void:
	for mesh: bool in [true, false]:
		var server := add_server({"resume_timeout": 0.3})
		var proxy := _add_proxy(server)
		var host := await _add_host(proxy, {mesh = mesh})
		var member := await _add_guest(server.get_local_port(), host)
		# Whoever is not the host is waited for no longer than anywhere else.
		var other := await _add_guest(proxy.port(), host)
		var told := record(member, [] as Array[String])
		proxy.is_cut = true
		await until(func() -> bool: return ["member_left", other.get_unique_id()] in told, 5.0,
			"another one is lost")
		check_equal(member.get_lobby().host, 1, "the host is waited for")
		proxy.is_cut = false
		await until(func() -> bool: return ["peer_stable", 1] in told, 10.0, "it returns")
		check_equal(await host.update_lobby({locked = true}).completed, true, "its right")
		check_equal([host.get_unique_id(), host.get_members().size()], [1, 2], "its place")
		await until(func() -> bool: return member.get_lobby().locked, 5.0, "told")
		for unwanted: String in ["host_changed", "migration_started", "lobby_left"]:
			check(not told_of(told, unwanted), "no " + unwanted)
		server.free()


func test_a_host_that_does_not_return_is_replaced() -> void:
	for mesh: bool in [true, false]:
		var server := add_server()
		var proxy := _add_proxy(server)
		var host := await _add_host(proxy, {mesh = mesh, host_grace = 0.5})
		var member := await _add_guest(server.get_local_port(), host)
		var code: String = member.get_lobby().code
		var id := member.get_unique_id()
		var told_host := record(host, [] as Array[String])
		var told := record(member, [] as Array[String])
		proxy.is_cut = true
		await until(func() -> bool: return told_of(told, "host_changed"), 5.0, "another host")
		var new_id := id if mesh else 1
		check(["host_changed", new_id, true] in told, "it is whoever is there")
		check_equal(told_of(told, "migration_started"), not mesh, "a new epoch")
		check_equal(_ids(member), [new_id], "alone")
		proxy.is_cut = false
		await until(func() -> bool: return told_of(told_host, "lobby_left"), 10.0, "too late")
		check_equal(told_host.back()[1], SignalingClient.FAILURE_LOST, "why")
		check_equal(await host.join_lobby(code).completed, true, "it may come back")
		check_equal(_ids(host), [new_id, host.get_unique_id()], "as the last one")
		check_equal(host.get_lobby().host, new_id, "and no host")
		server.free()


func test_a_lobby_ends_with_a_host_that_does_not_return() -> void:
	var server := add_server()
	var proxy := _add_proxy(server)
	var host := await _add_host(proxy, {host_grace = 0.5, then_migrate = false})
	var member := await _add_guest(server.get_local_port(), host)
	var told := record(member, [] as Array[String])
	proxy.is_cut = true
	await until(func() -> bool: return told_of(told, "lobby_left"), 5.0, "the end")
	check_equal(told.back()[1], SignalingClient.FAILURE_HOST_LEFT, "why")
	check_equal(server.get_lobbies(), [] as Array[Dictionary], "no lobby")


func test_a_host_that_leaves_is_not_waited_for() -> void:
	for then_migrate: bool in [true, false]:
		var server := add_server()
		var host := await _add_host(_add_proxy(server), {then_migrate = then_migrate})
		var member := await _add_guest(server.get_local_port(), host)
		var told := record(member, [] as Array[String])
		check_equal(await host.leave_lobby().completed, true, "left")
		var follows := "host_changed" if then_migrate else "lobby_left"
		await until(func() -> bool: return told_of(told, follows), 5.0, follows)
		server.free()


func _add_proxy(server: SignalingServer) -> Proxy:
	var proxy := Proxy.new()
	add_child(proxy)
	proxy.lead_to(server.get_local_port())
	return proxy


func _add_host(proxy: Proxy, options: Dictionary) -> SignalingClient:
	var host := _add(proxy.port())
	options.host_policy = "wait"
	check_equal(await host.create_lobby(options).completed, true, "created")
	return host


func _add_guest(port: int, host: SignalingClient) -> SignalingClient:
	var guest := _add(port)
	check_equal(await guest.join_lobby(host.get_lobby().code).completed, true, "joined")
	return guest


func _add(port: int) -> SignalingClient:
	var client := SignalingClient.new()
	client.assign_multiplayer_peer = false
	client.url = "ws://127.0.0.1:%d" % port
	add_child(client)
	return client


func _ids(client: SignalingClient) -> Array:
	return client.get_members().map(func(member: Dictionary) -> int: return member.id)
