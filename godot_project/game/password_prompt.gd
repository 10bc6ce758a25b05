class_name PasswordPrompt
extends PanelContainer
## Asks for the password of a lobby.

signal entered(password: String)
signal cancelled()

@onready var _reason: Label = %Reason
@onready var _password: LineEdit = %Password
@onready var _join: Button = %Join
@onready var _cancel: Button = %Cancel


func _ready() -> void:
	_password.text_submitted.connect(func(_text: String) -> void: _enter())
	_join.pressed.connect(_enter)
	_cancel.pressed.connect(_on_cancel_pressed)


## Asks, and says why.
func ask(reason: String) -> void:
	_reason.text = reason
	_password.clear()
	show()
	_password.grab_focus()


func _enter() -> void:
	hide()
	entered.emit(_password.text)


func _on_cancel_pressed() -> void:
	hide()
	cancelled.emit()
