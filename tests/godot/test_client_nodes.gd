extends "res://tests/signaling_case.gd"
## What the nodes of all clients do alike.

const TellingApi := preload("res://tests/fixtures/telling_api.gd")


func test_a_node_may_be_freed_while_it_assigns_its_multiplayer_peer() -> void:
	var url := url_of(_add_server())
	for client in _clients(url):
		var api := _add_with_api(client)
		var id := client.get_instance_id()
		api.replaced.connect(func() -> void: instance_from_id(id).free(), CONNECT_ONE_SHOT)
		_enter(client)
		await gone(id, "freed")
		await frames(2)


func test_a_node_may_be_freed_while_it_begins_anew() -> void:
	var url := url_of(_add_server())
	for client in _clients(url):
		var api := _add_with_api(client)
		_enter(client)
		await api.replaced
		var id := client.get_instance_id()
		api.replaced.connect(func() -> void: instance_from_id(id).free(), CONNECT_ONE_SHOT)
		check_equal(_start(client), ERR_UNCONFIGURED, "freed meanwhile")
		check(not is_instance_id_valid(id), "freed at once")


func _add_server() -> SignalingServer:
	return add_server({"protocols": SignalingServer.PROTOCOL_GODOT
		| SignalingServer.PROTOCOL_CLOUDLINK_5 | SignalingServer.PROTOCOL_PEER_SERVER
		| SignalingServer.PROTOCOL_ROOMS | SignalingServer.PROTOCOL_CALLING})


## One of each, not in the tree yet.
func _clients(url: String) -> Array[Node]:
	var signaling := SignalingClient.new()
	signaling.url = url
	var cloudlink := CloudLinkClient.new()
	cloudlink.url = url
	cloudlink.game = "tests"
	cloudlink.user_name = "someone"
	var rooms := RoomClient.new()
	rooms.url = url + "/room"
	rooms.room = "lounge"
	var calling := CallingClient.new()
	calling.url = url + "/calling"
	return [signaling, cloudlink, rooms, calling]


## Puts a client into a branch of the tree with an API of its own.
func _add_with_api(client: Node) -> TellingApi:
	var branch := Node.new()
	add_child(branch)
	var api := TellingApi.new()
	get_tree().set_multiplayer(api, branch.get_path())
	branch.add_child(client)
	return api


func _enter(client: Node) -> void:
	if client is SignalingClient:
		(client as SignalingClient).start()
	elif client is CloudLinkClient:
		(client as CloudLinkClient).create_lobby("ice")
	elif client is RoomClient:
		(client as RoomClient).create()
	else:
		(client as CallingClient).start()
		(client as CallingClient).join_room("den")


## Not by name: the engine frees no object while one of its methods is called so.
func _start(client: Node) -> int:
	if client is SignalingClient:
		return (client as SignalingClient).start()
	elif client is CloudLinkClient:
		return (client as CloudLinkClient).start()
	elif client is CallingClient:
		return (client as CallingClient).start()
	(client as RoomClient).stop()
	return ERR_UNCONFIGURED
