@tool
extends EditorPlugin
## Reloads the extension while connections are open: only an editor can. They end, new ones can be
## made, and no thread stays behind.

const EXTENSION := "res://addons/signaling/signaling.gdextension"
const OPTIONS := {negotiated = true, id = 1}
const LIMIT_MSEC := 10_000

var _offerer: WebRTCPeerConnection
var _answerer: WebRTCPeerConnection
var _channels: Array[WebRTCDataChannel] = []
var _is_good := true


func _enter_tree() -> void:
	_run.call_deferred()


func _run() -> void:
	while EditorInterface.get_resource_filesystem().is_scanning():
		await get_tree().process_frame
	var threads := _threads()
	await _connect_two()
	for _i in 2:
		var status := GDExtensionManager.reload_extension(EXTENSION)
		_check(status == GDExtensionManager.LOAD_STATUS_OK, "it is reloaded")
		_check(_threads() <= threads, "no thread stays behind")
		_check(_offerer.get_connection_state() == WebRTCPeerConnection.STATE_NEW, "a connection")
		_check(_channels[0].get_ready_state() == WebRTCDataChannel.STATE_CLOSED, "a channel")
		_check(_channels[0].put_packet([1]) == ERR_UNCONFIGURED, "nothing can be sent")
		await _connect_two()
	_channels.clear()
	_offerer = null
	_answerer = null
	if _is_good:
		print("ALL TESTS PASSED")
	get_tree().quit()


func _connect_two() -> void:
	_offerer = WebRTCPeerConnection.new()
	_answerer = WebRTCPeerConnection.new()
	_offerer.session_description_created.connect(
		func(type: String, sdp: String) -> void:
			_offerer.set_local_description(type, sdp)
			_answerer.set_remote_description(type, sdp))
	_answerer.session_description_created.connect(
		func(type: String, sdp: String) -> void:
			_answerer.set_local_description(type, sdp)
			_offerer.set_remote_description(type, sdp))
	_offerer.ice_candidate_created.connect(
		func(media: String, index: int, name: String) -> void:
			_answerer.add_ice_candidate(media, index, name))
	_answerer.ice_candidate_created.connect(
		func(media: String, index: int, name: String) -> void:
			_offerer.add_ice_candidate(media, index, name))
	_channels = [
		_offerer.create_data_channel("chat", OPTIONS),
		_answerer.create_data_channel("chat", OPTIONS),
	]
	_offerer.create_offer()
	var deadline := Time.get_ticks_msec() + LIMIT_MSEC
	while not _are_open() and Time.get_ticks_msec() < deadline:
		await get_tree().process_frame
		_offerer.poll()
		_answerer.poll()
	_check(_are_open(), "two connections open")


func _are_open() -> bool:
	return _channels.all(
		func(channel: WebRTCDataChannel) -> bool:
			return channel.get_ready_state() == WebRTCDataChannel.STATE_OPEN)


## How many threads the process has; 0 where the system does not tell.
func _threads() -> int:
	return DirAccess.get_directories_at("/proc/self/task").size()


func _check(is_true: bool, what: String) -> void:
	if not is_true:
		_is_good = false
		push_error("FAILED: ", what)
