extends RefCounted
## Two connections that are told of each other, as a signaling server would.

const Line := preload("res://tests/webrtc_line.gd")

var offerer := WebRTCPeerConnection.new()
var answerer := WebRTCPeerConnection.new()
## Channels that each side received, in order.
var received_by_offerer: Array[WebRTCDataChannel] = []
var received_by_answerer: Array[WebRTCDataChannel] = []
## What was signaled: [side, kind] and, for candidates, [side, "candidate", mid].
var log: Array[Array] = []
## Refusals of what the other side said; there should be none.
var errors: Array[int] = []
## What all datagrams between the two go through, if anything.
var line: Line


func _init() -> void:
	_introduce("offerer", offerer, answerer)
	_introduce("answerer", answerer, offerer)
	offerer.data_channel_received.connect(
		func(channel: WebRTCDataChannel) -> void: received_by_offerer.append(channel))
	answerer.data_channel_received.connect(
		func(channel: WebRTCDataChannel) -> void: received_by_answerer.append(channel))


## The handlers hold references to the connections, so that the pair must be taken apart.
func close() -> void:
	for connection: WebRTCPeerConnection in [offerer, answerer]:
		connection.close()
		for event: String in [
				"session_description_created", "ice_candidate_created", "data_channel_received"]:
			for handler in connection.get_signal_connection_list(event):
				connection.disconnect(event, handler.callable)


func poll() -> void:
	offerer.poll()
	answerer.poll()


## The same negotiated channel on both sides.
func negotiate(label: String, options: Dictionary) -> Array[WebRTCDataChannel]:
	options = options.merged({negotiated = true})
	return [
		offerer.create_data_channel(label, options),
		answerer.create_data_channel(label, options),
	]


func are_open(channels: Array[WebRTCDataChannel]) -> bool:
	poll()
	return channels.all(func(channel: WebRTCDataChannel) -> bool:
		return channel.get_ready_state() == WebRTCDataChannel.STATE_OPEN)


func _introduce(side: String, from: WebRTCPeerConnection, to: WebRTCPeerConnection) -> void:
	from.session_description_created.connect(
		func(kind: String, sdp: String) -> void:
			log.append([side, kind])
			_note(from.set_local_description(kind, sdp))
			if line != null:
				sdp = line.description_of(int(side == "answerer"), sdp)
			_note(to.set_remote_description(kind, sdp)))
	from.ice_candidate_created.connect(
		func(mid: String, index: int, candidate: String) -> void:
			log.append([side, "candidate", mid])
			if line != null:
				candidate = line.candidate_of(int(side == "answerer"), candidate)
			if candidate != "":
				_note(to.add_ice_candidate(mid, index, candidate)))


func _note(error: int) -> void:
	if error != OK:
		errors.append(error)
