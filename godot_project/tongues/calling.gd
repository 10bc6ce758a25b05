class_name CallingDemo
extends VBoxContainer
## A chat among those who meet in a room. Everybody is announced in one namespace, where the others
## see them and can invite them; whoever is invited comes.

## Emitted when a line arrives.
signal heard(user: String, text: String)

const NAMESPACE := "godot-demo"
const NEWS_COLOR := Color("8d95a8")

## The names of those who are announced, by their user ids.
var _names: Dictionary[String, String] = {}

@onready var client: CallingClient = $CallingClient
@onready var _url: LineEdit = %Url
@onready var _user: LineEdit = %User
@onready var _connect: Button = %Connect
@onready var _room: LineEdit = %Room
@onready var _join: Button = %Join
@onready var _leave: Button = %Leave
@onready var _people: ItemList = %People
@onready var _log: RichTextLabel = %Log
@onready var _line: LineEdit = %Line


func _enter_tree() -> void:
	get_tree().set_multiplayer(MultiplayerAPI.create_default_interface(), get_path())


func _exit_tree() -> void:
	get_tree().set_multiplayer(null, get_path())


func _ready() -> void:
	_connect.pressed.connect(enter)
	_join.pressed.connect(func() -> void: join(_room.text))
	_leave.pressed.connect(leave)
	_people.item_activated.connect(
		func(index: int) -> void: invite(_people.get_item_metadata(index)))
	_line.text_submitted.connect(say)
	client.state_changed.connect(func(_old: int, _new: int) -> void: _refresh())
	client.failed.connect(
		func(_failure: int, message: String, _details: Dictionary) -> void: _tell(message))
	client.namespace_user_added.connect(_on_user_listed)
	client.namespace_user_changed.connect(_on_user_listed)
	client.namespace_user_removed.connect(_on_user_unlisted)
	client.invited.connect(_on_invited)
	client.room_joined.connect(func(room: String) -> void: _tell("You are in %s." % room))
	client.room_left.connect(func(room: String) -> void: _tell("You have left %s." % room))
	multiplayer.peer_connected.connect(
		func(id: int) -> void: _tell("Connected to %s." % _name_of(id)))
	_refresh()


## Connects to the server, announces us, and asks who else is there.
func enter() -> void:
	_names.clear()
	if client.start(_url.text) != OK:
		return _tell("This is no address of a server.")
	client.set_status({name = _user.text})
	client.register_user(NAMESPACE)
	var listing := client.subscribe(NAMESPACE)
	if await _is_done(listing):
		for user: String in listing.value.users:
			_on_user_listed(NAMESPACE, user, listing.value.users[user])


## Joins a room; one at a time.
func join(room: String) -> void:
	await leave()
	await _is_done(client.join_room(room))
	_refresh()


func leave() -> void:
	for room in client.get_rooms():
		await _is_done(client.leave_room(room))
	_refresh()


## Invites somebody to the room where we are.
func invite(user: String) -> void:
	for room in client.get_rooms():
		await _is_done(client.invite(room, user))


## Says something to everybody who is connected.
func say(text: String) -> void:
	_line.clear()
	if not text.strip_edges().is_empty() and client.get_multiplayer_peer() != null:
		_hear.rpc(text.strip_edges())


## The names of those who are announced, sorted.
func listed() -> Array:
	var names := _names.values()
	names.sort()
	return names


@rpc("any_peer", "call_local", "reliable")
func _hear(text: String) -> void:
	var user := _name_of(multiplayer.get_remote_sender_id())
	_log.add_text("%s  %s\n" % [user, text.left(_line.max_length)])
	heard.emit(user, text)


func _is_done(request: SignalingRequest) -> bool:
	if await request.completed:
		return true
	_tell(request.message)
	return false


func _name_of(id: int) -> String:
	for user in _names:
		if CallingClient.get_peer_id(user) == id:
			return _names[user]
	return str(id)


func _tell(text: String) -> void:
	_log.push_color(NEWS_COLOR)
	_log.add_text(text + "\n")
	_log.pop()


func _refresh() -> void:
	var is_connected_now := client.get_state() == CallingClient.STATE_CONNECTED
	_join.disabled = not is_connected_now
	_leave.disabled = client.get_rooms().is_empty()
	_line.editable = client.get_multiplayer_peer() != null
	_people.clear()
	for user in _names:
		var index := _people.add_item(_names[user], null, user != client.get_user())
		_people.set_item_metadata(index, user)


func _on_user_listed(_namespace: String, user: String, status: Dictionary) -> void:
	_names[user] = str(status.get("name", user)).left(_user.max_length)
	_refresh()


func _on_user_unlisted(_namespace: String, user: String) -> void:
	_names.erase(user)
	_refresh()


func _on_invited(
		invite: int, room: String, user: String, _status: Dictionary, _data: Variant) -> void:
	_tell("%s invites you to %s." % [_names.get(user, user), room])
	await leave()
	await _is_done(client.accept_invite(invite))
	_refresh()
