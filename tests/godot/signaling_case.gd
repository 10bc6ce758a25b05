extends "res://tests/case.gd"
## What the tests of our nodes have in common.

## What the signals of lobbies tell beside those of the plain protocol; whoever listens to the last
## three has to decide.
const BESIDES: Array[String] = ["state_changed", "member_joined", "member_changed", "member_left",
	"lobby_left", "failed", "session_started", "hello_requested", "create_requested", "join_requested"]
const Branch := preload("res://tests/fixtures/branch.gd")
const DemoClient := preload("res://tests/fixtures/demo_client.gd")


## What the clients speak.
var extended := true


## A server in the tree that listens on a free port of this machine.
func add_server(properties: Dictionary = {}) -> SignalingServer:
	var server := SignalingServer.new()
	server.bind_address = "127.0.0.1"
	server.port = 0
	_set_all(server, properties)
	add_child(server)
	check_equal(server.listen(), OK, "the server listens")
	return server


## A client in the tree that only signals unless told otherwise, not connected yet.
func add_client(server: SignalingServer, properties: Dictionary = {}) -> SignalingClient:
	var client := SignalingClient.new()
	client.assign_multiplayer_peer = false
	client.extended = extended
	client.url = url_of(server)
	_set_all(client, properties)
	add_child(client)
	return client


## A client that has created a lobby, or joined the given one.
func add_member(
		server: SignalingServer, lobby := "", properties: Dictionary = {}) -> SignalingClient:
	var client := add_client(server, properties)
	client.start("", lobby)
	await reach(client, SignalingClient.STATE_JOINED)
	return client


func url_of(server: SignalingServer) -> String:
	return "ws://127.0.0.1:%d" % server.get_local_port()


func reach(client: SignalingClient, state: int) -> bool:
	return await until(func() -> bool: return client.get_state() == state, 5.0,
		"the client reaches state %d" % state)


## Waits until the node with this instance id is freed.
func gone(id: int, what: String) -> bool:
	return await until(func() -> bool: return not is_instance_id_valid(id), 5.0, what)


## All players are connected to each other: each calls each of the others.
func check_connected(players: Array) -> void:
	for player: Branch in players:
		await until(func() -> bool: return player.others().size() == players.size() - 1, 15.0,
			"%s is connected" % player.name)
	for player: Branch in players:
		for other: int in player.others():
			player.receiver.send(other, "reliable", 100)
	for player: Branch in players:
		for other: int in player.others():
			await until(func() -> bool: return player.receiver.has(other, "reliable", 100), 5.0,
				"%s hears %d" % [player.name, other])
		player.receiver.calls.clear()


## Writes down every emission of every signal that the class of [param object] declares, without
## some, as [code][name, argument, …][/code].
func record(object: Object, without: Array[String] = BESIDES) -> Array[Array]:
	var told: Array[Array] = []
	for declared: Dictionary in ClassDB.class_get_signal_list(object.get_class(), true):
		if declared.name in without:
			continue
		object.connect(declared.name, _write_down.bind(told, declared.name))
	return told


func told_of(told: Array[Array], signal_name: String) -> bool:
	return told.any(func(entry: Array) -> bool: return entry[0] == signal_name)


func _write_down(...arguments: Array) -> void:
	var signal_name: String = arguments.pop_back()
	var told: Array[Array] = arguments.pop_back()
	told.append([signal_name] + arguments)


func _set_all(object: Object, properties: Dictionary) -> void:
	for property: String in properties:
		object.set(property, properties[property])
