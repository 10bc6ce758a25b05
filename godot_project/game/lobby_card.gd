class_name LobbyCard
extends PanelContainer
## Shows the lobby this game is in, how it is connected, and the way out.

## Emitted when the player has had enough.
signal leave_requested()
## Emitted when the player wants to invite others, or no longer.
signal inviting_toggled(on: bool)
## Emitted when the host wants to change the lobby, or no longer.
signal settings_toggled(on: bool)

@export var client: SignalingClient

@onready var _code: Label = %Code
@onready var _copy: Button = %Copy
@onready var _leave: Button = %Leave
@onready var _address: Label = %Address
@onready var _about: Label = %About
@onready var _invite: Button = %Invite
@onready var _settings: Button = %Settings
@onready var _light: Light = %Light
@onready var _status: Label = %Status


func _ready() -> void:
	_copy.pressed.connect(func() -> void: DisplayServer.clipboard_set(_code.text))
	_leave.pressed.connect(leave_requested.emit)
	_invite.toggled.connect(inviting_toggled.emit)
	_settings.toggled.connect(settings_toggled.emit)
	client.lobby_joined.connect(func(_lobby: String) -> void: _refresh())
	client.lobby_changed.connect(func(_lobby: Dictionary) -> void: _refresh())
	client.host_changed.connect(func(_id: int, _is_me: bool) -> void: _refresh())
	client.member_joined.connect(func(_id: int) -> void: _refresh())
	client.member_left.connect(func(_id: int) -> void: _refresh())
	client.lobby_left.connect(func(_failure: int, _message: String) -> void: _refresh())
	client.disconnected.connect(func(_code: int, _reason: String) -> void: _refresh())


## Shows where friends find the server, while there is no lobby yet.
func show_entering(url: String) -> void:
	_address.text = "on %s" % url
	_refresh()


func show_status(text: String, color: Color) -> void:
	_status.text = text
	_light.color = color


## Closes what the buttons have opened.
func close() -> void:
	_invite.button_pressed = false
	_settings.button_pressed = false


## What the server knows of the lobby; of a lobby of the plain protocol that is little.
func _refresh() -> void:
	var lobby := client.get_lobby()
	_code.text = lobby.get("code", "…")
	_copy.disabled = lobby.is_empty()
	_about.visible = lobby.has("metadata")
	if _about.visible:
		var title := PackedStringArray([LobbyRow.title_of(lobby)])
		_about.text = " · ".join(title + LobbyRow.traits_of(lobby))
	_invite.disabled = not _about.visible
	_settings.disabled = _invite.disabled or lobby.get("host") != client.get_unique_id()
	for button: Button in [_invite, _settings]:
		button.button_pressed = button.button_pressed and not button.disabled
