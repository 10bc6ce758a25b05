class_name CallingDemo
extends VBoxContainer
## A chat among those who meet in a room. Everybody is announced in one namespace, where the others
## see them and can invite them.

## Emitted when a line arrives.
signal heard(user: String, text: String)

const NAMESPACE := "godot-demo"
const NEWS_COLOR := Color("8d95a8")
const HELP := "Connect from two windows, join a room, and invite the other. One can be the server: Serve here."
const NOBODY := -1

## Those who are announced, by their user ids.
var _present: Array[String] = []
## The names of those who are announced, or were.
var _names: Dictionary[String, String] = {}
## Whom we have invited, by the number of the invitation.
var _invited: Dictionary[int, String] = {}
## The invitation that waits for our answer, if it is not [constant NOBODY]'s; the latest.
var _invite := NOBODY

@onready var client: CallingClient = $CallingClient
@onready var _url: LineEdit = %Url
@onready var _user: LineEdit = %User
@onready var _connect: Button = %Connect
@onready var _room: LineEdit = %Room
@onready var _join: Button = %Join
@onready var _leave: Button = %Leave
@onready var _people: ItemList = %People
@onready var _invite_button: Button = %Invite
@onready var _invitation: HBoxContainer = %Invitation
@onready var _question: Label = %Question
@onready var _log: RichTextLabel = %Log
@onready var _line: LineEdit = %Line


func _enter_tree() -> void:
	get_tree().set_multiplayer(MultiplayerAPI.create_default_interface(), get_path())


func _exit_tree() -> void:
	get_tree().set_multiplayer(null, get_path())


func _ready() -> void:
	_connect.pressed.connect(_on_connect_pressed)
	_join.pressed.connect(func() -> void: join(_room.text))
	_leave.pressed.connect(leave)
	_people.item_selected.connect(func(_index: int) -> void: _refresh_buttons())
	_people.item_activated.connect(func(_index: int) -> void: invite(_chosen()))
	_invite_button.pressed.connect(func() -> void: invite(_chosen()))
	(%Accept as Button).pressed.connect(accept)
	(%Decline as Button).pressed.connect(decline)
	_line.text_submitted.connect(say)
	_follow_client()
	multiplayer.peer_connected.connect(
		func(id: int) -> void: _tell("Connected to %s." % _name_of(id)))
	multiplayer.peer_disconnected.connect(
		func(id: int) -> void: _tell("No longer connected to %s." % _name_of(id)))
	_tell(HELP)
	_refresh()


func _follow_client() -> void:
	client.state_changed.connect(func(_old: int, _new: int) -> void: _refresh())
	client.connected.connect(
		func(_id: String, server: String) -> void: _tell("You are on %s." % server))
	client.disconnected.connect(func(_code: int, _reason: String) -> void: _forget())
	client.failed.connect(
		func(_failure: int, message: String, _details: Dictionary) -> void: _tell(message))
	client.namespace_user_added.connect(_on_user_listed)
	client.namespace_user_changed.connect(_on_user_listed)
	client.namespace_user_removed.connect(_on_user_unlisted)
	client.room_joined.connect(func(room: String) -> void: _tell("You are in %s." % room))
	client.room_left.connect(func(room: String) -> void: _tell("You have left %s." % room))
	client.member_joined.connect(
		func(_room: String, _id: String, _status: Dictionary, _pending: bool) -> void: _refresh())
	client.member_accepted.connect(func(_room: String, _id: String) -> void: _refresh())
	client.member_left.connect(func(_room: String, _id: String) -> void: _refresh())
	client.invited.connect(_on_invited)
	client.invite_cancelled.connect(_on_invite_cancelled)
	client.invite_answered.connect(_on_invite_answered)


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


## Leaves the server.
func exit() -> void:
	client.stop()
	_tell("You are no longer on the server.")
	_forget()


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
		var request := client.invite(room, user)
		if await _is_done(request):
			_invited[request.value] = _names.get(user, user)
			_tell("You have invited %s." % _invited[request.value])


## Follows the latest invitation.
func accept() -> void:
	var invite_number := _take_invite()
	await leave()
	await _is_done(client.accept_invite(invite_number))
	_refresh()


## Turns it down.
func decline() -> void:
	await _is_done(client.deny_invite(_take_invite()))


## Says something to everybody who is connected.
func say(text: String) -> void:
	_line.clear()
	if not text.strip_edges().is_empty() and client.get_multiplayer_peer() != null:
		_hear.rpc(text.strip_edges())


## The names of those who are announced, sorted.
func listed() -> Array:
	var names := _present.map(func(user: String) -> String: return _names[user])
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


func _is_away() -> bool:
	return client.get_state() in [CallingClient.STATE_IDLE, CallingClient.STATE_FAILED]


## Whom the list has selected, if anybody.
func _chosen() -> String:
	var selected := _people.get_selected_items()
	return "" if selected.is_empty() else _people.get_item_metadata(selected[0])


func _name_of(id: int) -> String:
	for user in _names:
		if CallingClient.get_peer_id(user) == id:
			return _names[user]
	return str(id)


func _tell(text: String) -> void:
	_log.push_color(NEWS_COLOR)
	_log.add_text(text + "\n")
	_log.pop()


## Who is still connected to us stays so, and keeps the name.
func _forget() -> void:
	_present.clear()
	_invited.clear()
	_take_invite()
	_refresh()


func _take_invite() -> int:
	var taken := _invite
	_invite = NOBODY
	_invitation.hide()
	return taken


func _refresh() -> void:
	var chosen := _chosen()
	_people.clear()
	for user in _present:
		var is_me := user == client.get_user()
		var index := _people.add_item(_names[user] + _mark_of(user), null, not is_me)
		_people.set_item_metadata(index, user)
		if user == chosen:
			_people.select(index)
	_refresh_buttons()


## Where somebody is, from where we are.
func _mark_of(user: String) -> String:
	if user == client.get_user():
		return " (you)"
	for room in client.get_rooms():
		for member in client.get_members(room):
			if member.user == user:
				return " (invited)" if member.pending else " (with you)"
	return ""


func _refresh_buttons() -> void:
	var is_connected_now := client.get_state() == CallingClient.STATE_CONNECTED
	_connect.text = "Connect" if _is_away() else "Disconnect"
	_connect.theme_type_variation = &"PrimaryButton" if _is_away() else &""
	for field: LineEdit in [_url, _user]:
		field.editable = _is_away()
	_join.disabled = not is_connected_now
	_leave.disabled = client.get_rooms().is_empty()
	_invite_button.disabled = client.get_rooms().is_empty() or _chosen().is_empty()
	_line.editable = client.get_multiplayer_peer() != null


func _on_connect_pressed() -> void:
	if _is_away():
		enter()
	else:
		exit()


func _on_user_listed(_namespace: String, user: String, status: Dictionary) -> void:
	var given := str(status.get("name", "")).strip_edges().left(_user.max_length)
	_names[user] = user.left(6) if given.is_empty() else given
	if user not in _present:
		_present.append(user)
	_refresh()


func _on_user_unlisted(_namespace: String, user: String) -> void:
	_present.erase(user)
	_refresh()


## One at a time: an earlier one is turned down.
func _on_invited(
		number: int, room: String, user: String, _status: Dictionary, _data: Variant) -> void:
	if _invite != NOBODY:
		decline()
	_invite = number
	_question.text = "%s invites you to %s." % [_names.get(user, user), room]
	_invitation.show()


func _on_invite_cancelled(number: int) -> void:
	if number == _invite:
		_take_invite()


func _on_invite_answered(number: int, accepted: bool) -> void:
	_tell("%s %s." % [_invited.get(number, "Somebody"), "comes" if accepted else "does not come"])
	_invited.erase(number)
