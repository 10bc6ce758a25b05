class_name CloudLinkDemo
extends VBoxContainer
## A chat in a lobby of CloudLink, over data channels, so that its web clients can take part.

## Emitted when a line arrives.
signal heard(user: String, text: String)

const GAME := "godot demo"
const NEWS_COLOR := Color("8d95a8")
const HELP := "Create a lobby, and join it from another window. One of them can be the server: Serve here."

## The names of the others, by what the server knows them by; the lobby forgets who has left.
var _names: Dictionary[String, String] = {}

@onready var client: CloudLinkClient = $CloudLinkClient
@onready var _url: LineEdit = %Url
@onready var _user: LineEdit = %User
@onready var _lobby: LineEdit = %Lobby
@onready var _version: OptionButton = %Version
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
	_version.item_selected.connect(func(_index: int) -> void: _refresh())
	_line.text_submitted.connect(say)
	client.state_changed.connect(func(_old: int, _new: int) -> void: _refresh())
	client.lobby_joined.connect(func(lobby: String) -> void: _tell("You are in %s." % lobby))
	client.lobby_left.connect(_on_lobby_left)
	client.host_changed.connect(_on_host_changed)
	client.member_joined.connect(func(_member: String) -> void: _refresh())
	client.member_left.connect(func(_member: String) -> void: _refresh())
	client.warned.connect(_tell)
	client.failed.connect(
		func(_failure: int, message: String, _details: Dictionary) -> void: _tell(message))
	client.channel_opened.connect(_on_channel_opened)
	client.channel_closed.connect(_on_channel_closed)
	client.message_received.connect(_on_message_received)
	_tell(HELP)
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
		var lobbies: PackedStringArray = request.value
		_tell("There is no lobby yet." if lobbies.is_empty() else "Lobbies: " + ", ".join(lobbies))


## Says something to everybody who is connected.
func say(text: String) -> void:
	_line.clear()
	if not text.strip_edges().is_empty() and client.send_message(text.strip_edges()) == OK:
		_show(client.user_name, text.strip_edges())


## What is read when the client connects. Whoever says something else now needs another connection.
func _set_up() -> void:
	var version := _version.get_selected_id() as CloudLinkClient.Version
	var is_known := [client.url, client.user_name, client.version] == [
		_url.text, _user.text, version]
	if client.get_lobby().is_empty() and not is_known:
		client.stop()
	client.url = _url.text
	client.user_name = _user.text
	client.version = version


## Why the connection has failed is told by the client itself.
func _is_done(request: SignalingRequest) -> bool:
	var succeeded: bool = await request.completed
	if request.error == ERR_INVALID_PARAMETER:
		_tell("This is no address of a server.")
	elif not succeeded and client.get_state() != CloudLinkClient.STATE_FAILED:
		_tell(request.message)
	return succeeded


func _name_of(member: String) -> String:
	for entry in client.get_members():
		if not entry.name.is_empty():
			_names[entry.member] = entry.name.left(_user.max_length)
	return _names.get(member, member.left(6))


func _show(user: String, text: String) -> void:
	_log.add_text("%s  %s\n" % [user, text.left(_line.max_length)])
	heard.emit(user, text)


func _tell(text: String) -> void:
	_log.push_color(NEWS_COLOR)
	_log.add_text(text + "\n")
	_log.pop()


func _refresh() -> void:
	var is_in := client.get_state() == CloudLinkClient.STATE_JOINED
	for field: LineEdit in [_url, _user, _lobby]:
		field.editable = not is_in
	for button: Button in [_version, _create, _join]:
		button.disabled = is_in
	_list.disabled = _version.get_selected_id() != CloudLinkClient.VERSION_CLOUDLINK_5
	_leave.disabled = not is_in
	_line.editable = is_in
	var names := client.get_members().map(func(entry: Dictionary) -> String:
		return _name_of(entry.member) + (" (host)" if entry.host else ""))
	_people.text = "In the lobby: " + ", ".join(names) if is_in else "In no lobby"


func _on_lobby_left(_failure: int, message: String) -> void:
	var is_told := client.get_state() == CloudLinkClient.STATE_FAILED
	_tell("You are out." if is_told else "You are out. " + message)


func _on_host_changed(_member: String, is_me: bool) -> void:
	if is_me:
		_tell("You are the host now.")
	_refresh()


func _on_channel_opened(member: String, _channel: String) -> void:
	_tell("Connected to %s." % _name_of(member))
	_refresh()


func _on_channel_closed(member: String, _channel: String) -> void:
	_tell("No longer connected to %s." % _name_of(member))
	_names.erase(member)


func _on_message_received(
		member: String, _channel: String, message: Variant, _private: bool) -> void:
	_show(_name_of(member), str(message))
