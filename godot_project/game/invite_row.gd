class_name InviteRow
extends HBoxContainer
## Somebody who could be invited.

signal invite_requested()
signal cancel_requested(invite: int)

## The invitation that waits for an answer; 0 if none does.
var invite := 0:
	set(value):
		invite = value
		_invite.text = "Invite" if invite == 0 else "Cancel"

@onready var _name: Label = %Name
@onready var _status: Label = %Status
@onready var _invite: Button = %Invite


func _ready() -> void:
	_invite.pressed.connect(_on_invite_pressed)


func show_user(called: String, status: String) -> void:
	_name.text = called
	_status.text = status


func show_answer(accepted: bool) -> void:
	_status.text = "comes" if accepted else "would rather not"
	invite = 0


func _on_invite_pressed() -> void:
	if invite == 0:
		invite_requested.emit()
	else:
		cancel_requested.emit(invite)
		invite = 0
