class_name LobbySettings
extends MarginContainer
## Where the host changes the lobby, or closes it. Each change is sent at once; what the lobby is
## like then is shown when the server has told.

@export var client: SignalingClient
@export var narrator: Narrator

@onready var _limit: SpinBox = %Limit
@onready var _locked: CheckBox = %Locked
@onready var _public: CheckBox = %Public
@onready var _password: LineEdit = %Password
@onready var _close: Button = %Close


func _ready() -> void:
	_limit.value_changed.connect(func(value: float) -> void: _change("max_players", int(value)))
	_locked.toggled.connect(func(on: bool) -> void: _change("locked", on))
	_public.toggled.connect(func(on: bool) -> void: _change("public", on))
	_password.text_submitted.connect(_on_password_text_submitted)
	_close.pressed.connect(func() -> void: narrator.follow(client.close_lobby()))
	client.lobby_changed.connect(_show)


func open(on: bool) -> void:
	visible = on
	if on:
		_show(client.get_lobby())


func _change(key: String, value: Variant) -> void:
	var request := client.update_lobby({key: value})
	if not await request.completed:
		narrator.complain(request.message)
		_show(client.get_lobby())


func _show(lobby: Dictionary) -> void:
	if lobby.has("metadata"):
		_limit.set_value_no_signal(lobby.max_players)
		_locked.set_pressed_no_signal(lobby.locked)
		_public.set_pressed_no_signal(lobby.public)
		_password.placeholder_text = "Enter a new one, or none" if lobby.has_password else "None"


func _on_password_text_submitted(password: String) -> void:
	_change("password", password)
	_password.clear()
	_password.release_focus()
