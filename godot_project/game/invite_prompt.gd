class_name InvitePrompt
extends PanelContainer
## Asks whether to follow an invitation.

signal accepted(invite: int)

@export var client: SignalingClient

## The invitation that is asked about; 0 while none is.
var _invite := 0

@onready var _text: Label = %Text
@onready var _join: Button = %Join
@onready var _decline: Button = %Decline


func _ready() -> void:
	client.invited.connect(_on_client_invited)
	client.invite_cancelled.connect(_on_client_invite_cancelled)
	client.disconnected.connect(func(_code: int, _reason: String) -> void: hide())
	_join.pressed.connect(_on_join_pressed)
	_decline.pressed.connect(_on_decline_pressed)


## One at a time: whoever comes second may ask again.
func _on_client_invited(
		invite: int, _user: String, called: String, lobby: Dictionary, _data: Variant) -> void:
	if visible or not client.get_lobby().is_empty():
		client.deny_invite(invite)
		return
	_invite = invite
	_text.text = "%s invites you to %s" % [called, LobbyRow.title_of(lobby)]
	show()
	_join.grab_focus()


func _on_client_invite_cancelled(invite: int) -> void:
	if invite == _invite:
		hide()


func _on_join_pressed() -> void:
	hide()
	accepted.emit(_invite)


func _on_decline_pressed() -> void:
	hide()
	client.deny_invite(_invite)
