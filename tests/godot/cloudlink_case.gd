extends "res://tests/signaling_case.gd"
## What the tests of [CloudLinkClient] have in common.

const VERSIONS: Array[int] = [CloudLinkClient.VERSION_CLOUDLINK_5,
	CloudLinkClient.VERSION_OMEGA_LATE_2023, CloudLinkClient.VERSION_OMEGA_OCTOBER_2023]


## A server that speaks all versions.
func add_cloudlink() -> SignalingServer:
	return add_server({"protocols": SignalingServer.PROTOCOL_CLOUDLINK_OMEGA
		| SignalingServer.PROTOCOL_CLOUDLINK_5 | SignalingServer.PROTOCOL_PEER_SERVER})


## A client in the tree that only signals unless told otherwise.
func add_cloudlink_client(server: SignalingServer, properties: Dictionary = {}) -> CloudLinkClient:
	var client := CloudLinkClient.new()
	client.assign_multiplayer_peer = false
	set_up(client, server, properties)
	add_child(client)
	return client


func set_up(client: CloudLinkClient, server: SignalingServer, properties: Dictionary) -> void:
	client.url = url_of(server)
	client.game = "tests"
	client.user_name = "someone"
	_set_all(client, properties)


## Clients of CloudLink 5 in a lobby, with a channel from each to each; the first is the host.
func add_connected(server: SignalingServer, count := 2) -> Array[CloudLinkClient]:
	var clients: Array[CloudLinkClient] = []
	for number in count:
		clients.append(add_cloudlink_client(server, {"open_channels": true}))
		var client := clients[number]
		await check_enters(
			client.create_lobby("ice") if number == 0 else client.join_lobby("ice"))
	for client in clients:
		for other in clients:
			await until(func() -> bool:
				return client == other or client.get_channels(other.get_member()).size() == 1,
				15.0, "open")
	return clients


## Writes down all that a client tells.
func record_all(client: CloudLinkClient) -> Array[Array]:
	return record(client, [] as Array[String])


func check_enters(request: SignalingRequest) -> void:
	var entered: bool = await request.completed
	check(entered, "enters the lobby: %s" % request.message)


func check_fails(request: SignalingRequest, failure: int) -> void:
	check_equal(await request.completed, false, "fails")
	check_equal(request.failure, failure, request.message)


## Something was sent, and the other side is told of it.
func check_told(sent: int, told: Array[Array], expected: Array) -> void:
	check_equal(sent, OK, "sent")
	await until(func() -> bool: return expected in told, 5.0, "told: %s" % [expected])
