class_name LobbyCard
extends PanelContainer
## Shows the lobby this game is in, how it is connected, and the way out.

## Emitted when the player has had enough.
signal leave_requested()

@onready var _code: Label = %Code
@onready var _copy: Button = %Copy
@onready var _leave: Button = %Leave
@onready var _address: Label = %Address
@onready var _light: Light = %Light
@onready var _status: Label = %Status


func _ready() -> void:
	_copy.pressed.connect(func() -> void: DisplayServer.clipboard_set(_code.text))
	_leave.pressed.connect(leave_requested.emit)


## Shows the lobby's code, "" while there is none, and where friends find its server.
func show_lobby(code: String, url: String) -> void:
	_code.text = code if code else "…"
	_copy.disabled = code.is_empty()
	_address.text = "on %s" % url


func show_status(text: String, color: Color) -> void:
	_status.text = text
	_light.color = color
