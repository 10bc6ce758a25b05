class_name RoomsDemo
extends VBoxContainer
## A chat in a room. Those who publish are connected to each other and talk by RPCs; whoever enters a
## group chat as a viewer asks to publish, and the owner lets everybody.

## Emitted when a line arrives.
signal heard(user: String, text: String)

const NEWS_COLOR := Color("8d95a8")

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
	_leave.pressed.connect(client.leave)
	_line.text_submitted.connect(say)
	client.state_changed.connect(func(_old: int, _new: int) -> void: _refresh())
	client.room_joined.connect(_on_room_joined)
	client.room_left.connect(
		func(_failure: int, message: String) -> void: _tell("You are out. " + message))
	client.publish_requested.connect(_on_publish_requested)
	client.publishers_changed.connect(_on_publishers_changed)
	client.refused.connect(
		func(what: String, _code: int, message: String) -> void: _tell("%s: %s" % [what, message]))
	client.reconnecting.connect(
		func(_attempt: int, _delay: float) -> void: _tell("Looking for the server …"))
	multiplayer.peer_connected.connect(
		func(id: int) -> void: _tell("Connected to %s." % _name_of(id)))
	_refresh()


## Creates a room or joins it, by the client's method.
func enter(method: Callable) -> void:
	client.url = _url.text
	client.room = _room.text
	client.user_id = _user.text
	client.channel = _channel.get_item_text(_channel.selected).get_slice(" ", 0)
	var request: SignalingRequest = method.call()
	if not await request.completed:
		_tell(request.message)
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
	for publisher in client.get_publishers():
		if publisher.id == id:
			return publisher.user_id
	return str(id)


func _tell(text: String) -> void:
	_log.push_color(NEWS_COLOR)
	_log.add_text(text + "\n")
	_log.pop()


func _refresh() -> void:
	var is_out := client.get_state() in [
		RoomClient.STATE_IDLE, RoomClient.STATE_LEFT, RoomClient.STATE_FAILED]
	_create.disabled = not is_out
	_join.disabled = not is_out
	_leave.disabled = is_out
	_line.editable = client.get_state() == RoomClient.STATE_JOINED


func _on_room_joined(room: String, role: String) -> void:
	_tell("You are in %s as %s." % [room, role])
	if role == "viewer" and client.channel != "p2m":
		client.request_publish()


func _on_publish_requested(
		user: String, session: String, _video: bool, _audio: bool, _message: String) -> void:
	client.accept_publish(user, session)


func _on_publishers_changed(publishers: Array[Dictionary]) -> void:
	var names := publishers.map(func(publisher: Dictionary) -> String: return publisher.user_id)
	_people.text = "Publishing: " + ", ".join(names)
