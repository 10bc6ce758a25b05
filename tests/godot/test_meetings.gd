extends "res://tests/signaling_case.gd"
## Games meet a program in Rust, [code]guest[/code], which is named by the environment variable
## [code]GUEST[/code]: a data channel carries a message each way.

const Introduction := preload("res://tests/fixtures/introduction.gd")


func test_in_a_room() -> void:
	var server := add_server({"protocols": SignalingServer.PROTOCOL_ROOMS})
	var client := RoomClient.new()
	client.url = url_of(server) + "/room"
	client.assign_multiplayer_peer = false
	add_child(client)
	var connection := WebRTCPeerConnection.new()
	Introduction.make(client, connection)
	check_equal(await client.create("room").completed, true, "the room is there")
	await _check_meets("rooms", server, connection)
	Introduction.take_back(connection)


func test_among_those_who_call() -> void:
	var server := add_server({"protocols": SignalingServer.PROTOCOL_CALLING})
	var client := CallingClient.new()
	client.assign_multiplayer_peer = false
	add_child(client)
	var connection := WebRTCPeerConnection.new()
	Introduction.make_in_room(client, "den", connection)
	# Whoever was there first makes the offer.
	client.member_joined.connect(
		func(_room: String, _user: String, _status: Dictionary, _pending: bool) -> void:
			connection.create_offer())
	client.start(url_of(server) + "/calling")
	check_equal(await client.join_room("den").completed, true, "the room is there")
	await _check_meets("calling", server, connection)
	Introduction.take_back(connection)


func test_in_a_lobby_of_cloudlink() -> void:
	var guests: Dictionary[CloudLinkClient.Version, String] = {
		CloudLinkClient.VERSION_OMEGA_OCTOBER_2023: "omega-october-2023",
		CloudLinkClient.VERSION_OMEGA_LATE_2023: "omega-late-2023",
		CloudLinkClient.VERSION_CLOUDLINK_5: "cloudlink-5",
	}
	var server := add_server({"protocols": SignalingServer.PROTOCOL_CLOUDLINK_OMEGA
		| SignalingServer.PROTOCOL_CLOUDLINK_5 | SignalingServer.PROTOCOL_PEER_SERVER})
	for version in guests:
		var client := CloudLinkClient.new()
		client.version = version
		client.url = url_of(server)
		client.game = "a game"
		client.user_name = "Eve"
		client.assign_multiplayer_peer = false
		add_child(client)
		var connection := WebRTCPeerConnection.new()
		Introduction.make_in_lobby(client, connection)
		# Whoever was there first makes the offer.
		client.member_joined.connect(func(_member: String) -> void: connection.create_offer())
		check_equal(await client.create_lobby("den").completed, true, "the lobby is there")
		await _check_meets(guests[version], server, connection)
		Introduction.take_back(connection)
		client.stop()


## The guest comes, helps to connect, and says what it expects to hear.
func _check_meets(
		protocol: String, server: SignalingServer, connection: WebRTCPeerConnection) -> void:
	var channel := connection.create_data_channel("default", {negotiated = true, id = 0})
	var guest := OS.create_process(OS.get_environment("GUEST"),
		[protocol, "127.0.0.1:%d" % server.get_local_port()])
	await until(func() -> bool:
		connection.poll()
		return channel.get_available_packet_count() > 0, 30.0, "the guest is heard")
	check_equal(channel.get_packet().get_string_from_utf8(), "hello", "what it says")
	channel.put_packet("hello".to_utf8_buffer())
	await until(func() -> bool:
		connection.poll()
		return not OS.is_process_running(guest), 10.0, "the guest has heard us")
	check_equal(OS.get_process_exit_code(guest), 0, "and is content")
