class_name RoomsDemo
extends VBoxContainer
## A chat in a room. Those who publish are connected to each other and talk by RPCs; whoever enters a
## group chat as a viewer asks to publish, and the owner lets everybody.

## Emitted when a line arrives.
signal heard(user: String, text: String)

const NEWS_COLOR := Color("8d95a8")
const HELP := "Create a room, and join it from another window. One of them can be the server: Serve here."
## What the client calls our roles, in words.
const ROLES: Dictionary[String, String] = {
	"admin": "its owner", "publisher": "one who takes part", "viewer": "one who watches"}

## The names of those who publish, or did, by their peer ids.
var _names: Dictionary[int, String] = {}

@onready var client: RoomClient = $RoomClient
@onready var _url: LineEdit = %Url
@onready var _user: LineEdit = %User
@onready var _room: LineEdit = %Room
@onready var _channel: OptionButton = %Channel
@onready var _create: Button = %Create
@onready var _join: Button = %Join
@onready var _leave: Button = %Leave
@onready var _people: Label = %People
@onready var _log: RichTextLabel = %Log
@onready var _line: LineEdit = %Line


func _enter_tree() -> void:
	get_tree().set_multiplayer(MultiplayerAPI.create_default_interface(), get_path())


func _exit_tree() -> void:
	get_tree().set_multiplayer(null, get_path())


func _ready() -> void:
	_create.pressed.connect(func() -> void: enter(client.create))
	_join.pressed.connect(func() -> void: enter(client.join))
	_leave.pressed.connect(leave)
	_line.text_submitted.connect(say)
	client.state_changed.connect(func(_old: int, _new: int) -> void: _refresh())
	client.room_joined.connect(_on_room_joined)
	client.room_left.connect(
		func(_failure: int, message: String) -> void: _tell("You are out. " + message))
	client.publish_requested.connect(_on_publish_requested)
	client.publish_rejected.connect(func() -> void: _tell("The owner wants you to watch."))
	client.publishers_changed.connect(_on_publishers_changed)
	client.refused.connect(
		func(what: String, _code: int, message: String) -> void: _tell("%s: %s" % [what, message]))
	client.reconnecting.connect(_on_reconnecting)
	client.resumed.connect(func() -> void: _tell("The server is there again."))
	client.peer_failed.connect(func(id: int, reason: String) -> void:
		_tell("The connection to %s has failed: %s." % [_name_of(id), reason]))
	multiplayer.peer_connected.connect(
		func(id: int) -> void: _tell("Connected to %s." % _name_of(id)))
	multiplayer.peer_disconnected.connect(
		func(id: int) -> void: _tell("No longer connected to %s." % _name_of(id)))
	_tell(HELP)
	_refresh()


## Creates a room or joins it, by the client's method.
func enter(method: Callable) -> void:
	client.url = _url.text
	client.room = _room.text
	client.user_id = _user.text
	client.channel = _channel.get_item_text(_channel.selected).get_slice(" ", 0)
	var request: SignalingRequest = method.call()
	var succeeded: bool = await request.completed
	if request.error == ERR_INVALID_PARAMETER:
		_tell("A room has a name, and a server an address that begins with ws://.")
	elif not succeeded and request.failure != SignalingClient.FAILURE_CANCELLED:
		_tell(request.message)
	_refresh()


## Leaves the room, and does not wait for a server that is away.
func leave() -> void:
	if client.get_state() == RoomClient.STATE_JOINED:
		client.leave()
	else:
		client.stop()
		_tell("You are out.")
		_refresh()


## Says something to everybody who is connected.
func say(text: String) -> void:
	_line.clear()
	if not text.strip_edges().is_empty() and client.get_multiplayer_peer() != null:
		_hear.rpc(text.strip_edges())


@rpc("any_peer", "call_local", "reliable")
func _hear(text: String) -> void:
	var user := _name_of(multiplayer.get_remote_sender_id())
	_log.add_text("%s  %s\n" % [user, text.left(_line.max_length)])
	heard.emit(user, text)


func _name_of(id: int) -> String:
	return _names.get(id, str(id))


func _tell(text: String) -> void:
	_log.push_color(NEWS_COLOR)
	_log.add_text(text + "\n")
	_log.pop()


func _refresh() -> void:
	var is_out := client.get_state() in [
		RoomClient.STATE_IDLE, RoomClient.STATE_LEFT, RoomClient.STATE_FAILED]
	for field: LineEdit in [_url, _user, _room]:
		field.editable = is_out
	for button: Button in [_channel, _create, _join]:
		button.disabled = not is_out
	_leave.disabled = is_out
	_line.editable = client.get_multiplayer_peer() != null and client.get_role() != "viewer"
	if is_out:
		_people.text = "In no room"


func _on_room_joined(room: String, role: String) -> void:
	_tell("You are in %s, as %s." % [room, ROLES[role]])
	if client.channel == "p2m":
		_tell("Nobody is connected in a broadcast: it is watched by other means.")
	elif role == "viewer":
		client.request_publish()


func _on_publish_requested(
		user: String, session: String, _video: bool, _audio: bool, _message: String) -> void:
	client.accept_publish(user, session)


func _on_publishers_changed(publishers: Array[Dictionary]) -> void:
	for publisher in publishers:
		_names[publisher.id] = publisher.user_id.left(_user.max_length)
	var names := publishers.map(func(publisher: Dictionary) -> String:
		return _name_of(publisher.id) + (" (owner)" if publisher.role == "admin" else ""))
	_people.text = "Taking part: " + ", ".join(names)
	_refresh()


func _on_reconnecting(attempt: int, _delay: float) -> void:
	if attempt > 1:
		return
	if client.get_state() == RoomClient.STATE_INITIALIZING:
		_tell("The server cannot be reached yet.")
	else:
		_tell("The server is away. You will be in the room again when it is back.")
