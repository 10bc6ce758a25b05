class_name CloudLinkDemo
extends VBoxContainer
## A chat in a lobby of CloudLink, over data channels, so that its web clients can take part.

## Emitted when a line arrives.
signal heard(user: String, text: String)

const GAME := "godot demo"
const NEWS_COLOR := Color("8d95a8")

@onready var client: CloudLinkClient = $CloudLinkClient
@onready var _url: LineEdit = %Url
@onready var _user: LineEdit = %User
@onready var _version: OptionButton = %Version
@onready var _lobby: LineEdit = %Lobby
@onready var _create: Button = %Create
@onready var _join: Button = %Join
@onready var _list: Button = %List
@onready var _leave: Button = %Leave
@onready var _people: Label = %People
@onready var _log: RichTextLabel = %Log
@onready var _line: LineEdit = %Line


func _ready() -> void:
	client.game = GAME
	_create.pressed.connect(func() -> void: enter(client.create_lobby))
	_join.pressed.connect(func() -> void: enter(client.join_lobby))
	_list.pressed.connect(list)
	_leave.pressed.connect(client.leave_lobby)
	_line.text_submitted.connect(say)
	client.state_changed.connect(func(_old: int, _new: int) -> void: _refresh())
	client.lobby_joined.connect(func(lobby: String) -> void: _tell("You are in %s." % lobby))
	client.lobby_left.connect(
		func(_failure: int, message: String) -> void: _tell("You are out. " + message))
	client.host_changed.connect(func(_member: String, _is_me: bool) -> void: _refresh())
	client.member_joined.connect(func(_member: String) -> void: _refresh())
	client.member_left.connect(func(_member: String) -> void: _refresh())
	client.warned.connect(_tell)
	client.channel_opened.connect(
		func(member: String, _channel: String) -> void: _tell("%s is here." % _name_of(member)))
	client.channel_closed.connect(
		func(member: String, _channel: String) -> void: _tell("%s is gone." % _name_of(member)))
	client.message_received.connect(_on_message_received)
	_refresh()


## Creates a lobby or joins it, by the client's method.
func enter(method: Callable) -> void:
	_set_up()
	await _is_done(method.call(_lobby.text))
	_refresh()


## Tells which lobbies there are.
func list() -> void:
	_set_up()
	var request := client.list_lobbies()
	if await _is_done(request):
		_tell("Lobbies: " + ", ".join(request.value))


## Says something to everybody who is connected.
func say(text: String) -> void:
	_line.clear()
	if not text.strip_edges().is_empty() and client.send_message(text.strip_edges()) == OK:
		_show(client.user_name, text.strip_edges())


## What is read when the client connects. Another version needs another connection.
func _set_up() -> void:
	if client.get_lobby().is_empty() and client.version != _version.get_selected_id():
		client.stop()
	client.url = _url.text
	client.user_name = _user.text
	client.version = _version.get_selected_id() as CloudLinkClient.Version


func _is_done(request: SignalingRequest) -> bool:
	if await request.completed:
		return true
	_tell(request.message)
	return false


func _name_of(member: String) -> String:
	for entry in client.get_members():
		if entry.member == member and not entry.name.is_empty():
			return entry.name
	return member.left(6)


func _show(user: String, text: String) -> void:
	_log.add_text("%s  %s\n" % [user, text.left(_line.max_length)])
	heard.emit(user, text)


func _tell(text: String) -> void:
	_log.push_color(NEWS_COLOR)
	_log.add_text(text + "\n")
	_log.pop()


func _refresh() -> void:
	var is_in := client.get_state() == CloudLinkClient.STATE_JOINED
	_create.disabled = is_in
	_join.disabled = is_in
	_version.disabled = is_in
	_leave.disabled = not is_in
	_line.editable = is_in
	var names := client.get_members().map(
		func(entry: Dictionary) -> String: return _name_of(entry.member))
	_people.text = "In the lobby: " + ", ".join(names) if is_in else "In no lobby"


func _on_message_received(
		member: String, _channel: String, message: Variant, _private: bool) -> void:
	_show(_name_of(member), str(message))
