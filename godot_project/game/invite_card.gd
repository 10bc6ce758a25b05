class_name InviteCard
extends MarginContainer
## Who could be invited: the players who look at the list of lobbies, live. They have set a status
## that says so.

## Where the statuses of this game are.
const NAMESPACE := "players"

const ROW := preload("res://game/invite_row.tscn")

@export var client: SignalingClient
@export var narrator: Narrator

var _rows: Dictionary[String, InviteRow] = {}

@onready var _list: VBoxContainer = %List
@onready var _empty: Label = %Empty


func _ready() -> void:
	client.status_changed.connect(_on_client_status_changed)
	client.invite_answered.connect(_on_client_invite_answered)


## Shows them from now on, or no longer.
func open(on: bool) -> void:
	visible = on
	_clear()
	if on:
		_watch()
	elif not client.get_lobby().is_empty():
		client.unwatch_statuses(NAMESPACE)


func _watch() -> void:
	var request := client.watch_statuses(NAMESPACE)
	if await request.completed:
		var users: Array = request.value
		for user: Dictionary in users:
			_on_client_status_changed(NAMESPACE, user.user, user.name, user.status)
	else:
		narrator.complain(request.message)


func _clear() -> void:
	for user: String in _rows.keys():
		_remove_row(user)


func _on_client_status_changed(_in: String, user: String, called: String, status: Variant) -> void:
	if status == null:
		_remove_row(user)
	elif visible:
		if not _rows.has(user):
			_rows[user] = _add_row(user)
		_rows[user].show_user(called, str(status))


func _add_row(user: String) -> InviteRow:
	var row: InviteRow = ROW.instantiate()
	_list.add_child(row)
	row.invite_requested.connect(_invite.bind(user))
	row.cancel_requested.connect(func(invite: int) -> void: client.cancel_invite(invite))
	_empty.hide()
	return row


func _remove_row(user: String) -> void:
	if _rows.has(user):
		_rows[user].queue_free()
		_rows.erase(user)
	_empty.visible = _rows.is_empty()


func _invite(user: String) -> void:
	var request := client.invite(user)
	if not await request.completed:
		narrator.complain(request.message)
	elif _rows.has(user):
		_rows[user].invite = request.value


## Who accepts, enters the lobby and has no status any more.
func _on_client_invite_answered(invite: int, accepted: bool) -> void:
	for row: InviteRow in _rows.values():
		if row.invite == invite:
			row.show_answer(accepted)
