extends "res://tests/case.gd"
## The engine's own WebRTCMultiplayerPeer over the native transport.

const SIZES: Array[int] = [1, 1024, 60 * 1024]
const MODES: Array[MultiplayerPeer.TransferMode] = [
	MultiplayerPeer.TRANSFER_MODE_RELIABLE,
	MultiplayerPeer.TRANSFER_MODE_UNRELIABLE_ORDERED,
	MultiplayerPeer.TRANSFER_MODE_UNRELIABLE,
]

## Every connection of a test, to be polled even before it belongs to a peer.
var _connections: Array[WebRTCPeerConnection] = []


func test_two_in_a_mesh() -> void:
	var peers := _mesh([7, 9])
	await _until_connected(peers, 1)
	await _exchange(peers[0], 9, peers[1])
	await _exchange(peers[1], 7, peers[0])
	_close(peers)


func test_server_and_client() -> void:
	var server := WebRTCMultiplayerPeer.new()
	check_equal(server.create_server(), OK, "the server")
	var client := WebRTCMultiplayerPeer.new()
	check_equal(client.create_client(5), OK, "the client")
	var peers: Array[WebRTCMultiplayerPeer] = [server, client]
	_link(server, 5, client, 1)
	check_equal(
		client.get_connection_status(), MultiplayerPeer.CONNECTION_CONNECTING, "not connected yet")
	await _until_connected(peers, 1)
	check_equal(
		client.get_connection_status(), MultiplayerPeer.CONNECTION_CONNECTED, "connected")
	await _exchange(server, 5, client)
	await _exchange(client, 1, server)
	_close(peers)


func test_own_channels_are_made_as_configured() -> void:
	var peers: Array[WebRTCMultiplayerPeer] = []
	for id: int in [2, 3]:
		var peer := WebRTCMultiplayerPeer.new()
		check_equal(peer.create_mesh(id, [MultiplayerPeer.TRANSFER_MODE_UNRELIABLE]), OK, "mesh")
		peers.append(peer)
	_link(peers[0], 3, peers[1], 2)
	await _until_connected(peers, 1)
	peers[0].transfer_channel = 1
	await _send(peers[0], 3, peers[1], PackedByteArray([1]))
	check_equal(peers[1].get_packet_channel(), 1, "the channel")
	peers[1].get_packet()
	_close(peers)


func test_four_in_a_mesh() -> void:
	var peers := _mesh([2, 3, 4, 5])
	await _until_connected(peers, 3)
	peers[0].set_target_peer(MultiplayerPeer.TARGET_PEER_BROADCAST)
	peers[0].put_packet(PackedByteArray([1, 2, 3]))
	for peer: WebRTCMultiplayerPeer in peers.slice(1):
		await _until_packet(peer)
		check_equal(peer.get_packet_peer(), 2, "the sender")
		check_equal(peer.get_packet(), PackedByteArray([1, 2, 3]), "the packet")
	_close(peers)


func test_a_peer_that_leaves_is_noticed() -> void:
	var peers := _mesh([2, 3])
	await _until_connected(peers, 1)
	var gone: Array[int] = []
	peers[1].peer_disconnected.connect(func(id: int) -> void: gone.append(id))
	# The connection lives in the peer alone, as in a game that keeps no reference.
	_connections.clear()
	peers[0].close()
	await until(
		func() -> bool:
			peers[1].poll()
			return gone == [2],
		1.0, "the other one notices")
	_close(peers)


func _mesh(ids: Array[int]) -> Array[WebRTCMultiplayerPeer]:
	var peers: Array[WebRTCMultiplayerPeer] = []
	for id in ids:
		var peer := WebRTCMultiplayerPeer.new()
		check_equal(peer.create_mesh(id), OK, "mesh of %d" % id)
		peers.append(peer)
	for i in ids.size():
		for j in range(i + 1, ids.size()):
			_link(peers[i], ids[j], peers[j], ids[i])
	return peers


## Connects two peers; the first one knows the other as [param second_id], and so on.
func _link(
		first: WebRTCMultiplayerPeer, second_id: int,
		second: WebRTCMultiplayerPeer, first_id: int) -> void:
	var offerer := WebRTCPeerConnection.new()
	var answerer := WebRTCPeerConnection.new()
	_connections.append_array([offerer, answerer])
	_introduce(offerer, answerer)
	_introduce(answerer, offerer)
	check_equal(first.add_peer(offerer, second_id), OK, "adding a peer")
	check_equal(second.add_peer(answerer, first_id), OK, "adding a peer")
	check_equal(offerer.create_offer(), OK, "an offer")


## Weakly, for the handlers must not keep the connections alive.
func _introduce(from: WebRTCPeerConnection, to: WebRTCPeerConnection) -> void:
	var from_ref: WeakRef = weakref(from)
	var to_ref: WeakRef = weakref(to)
	from.session_description_created.connect(
		func(kind: String, sdp: String) -> void:
			from_ref.get_ref().set_local_description(kind, sdp)
			to_ref.get_ref().set_remote_description(kind, sdp))
	from.ice_candidate_created.connect(
		func(mid: String, index: int, candidate: String) -> void:
			to_ref.get_ref().add_ice_candidate(mid, index, candidate))


func _until_connected(peers: Array[WebRTCMultiplayerPeer], others: int) -> void:
	var connected := {}
	for peer in peers:
		connected[peer] = 0
		peer.peer_connected.connect(func(_id: int) -> void: connected[peer] += 1)
	await until(
		func() -> bool:
			for peer in peers:
				peer.poll()
			return connected.values().all(func(count: int) -> bool: return count == others),
		10.0, "everybody is connected")
	for peer in peers:
		for connection in peer.peer_connected.get_connections():
			peer.peer_connected.disconnect(connection.callable)


func _exchange(from: WebRTCMultiplayerPeer, to_id: int, to: WebRTCMultiplayerPeer) -> void:
	for mode in MODES:
		for size in SIZES:
			var packet := PackedByteArray()
			packet.resize(size)
			packet.fill(size % 251)
			from.transfer_mode = mode
			await _send(from, to_id, to, packet)
			check_equal(to.get_packet_peer(), from.get_unique_id(), "the sender")
			check_equal(to.get_packet_mode(), mode, "the mode")
			check_equal(to.get_packet(), packet, "%d bytes in mode %d" % [size, mode])


func _send(
		from: WebRTCMultiplayerPeer, to_id: int,
		to: WebRTCMultiplayerPeer, packet: PackedByteArray) -> void:
	from.set_target_peer(to_id)
	check_equal(from.put_packet(packet), OK, "putting %d bytes" % packet.size())
	await _until_packet(to)


func _until_packet(peer: WebRTCMultiplayerPeer) -> void:
	await until(
		func() -> bool:
			peer.poll()
			return peer.get_available_packet_count() > 0,
		5.0, "a packet")


func _close(peers: Array[WebRTCMultiplayerPeer]) -> void:
	for peer in peers:
		peer.close()
	_connections.clear()
