class_name PlayerRow
extends HBoxContainer
## A player in the list, and what the host can do about it.

signal kick_requested()
signal host_requested()

@onready var _light: Light = %Light
@onready var _name: Label = %Name
@onready var _role: Label = %Role
@onready var _distance: Label = %Distance
@onready var _make_host: Button = %MakeHost
@onready var _kick: Button = %Kick


func _ready() -> void:
	_make_host.pressed.connect(host_requested.emit)
	_kick.pressed.connect(kick_requested.emit)


func show_player(called: String, color: Color, role: String, commandable: bool) -> void:
	_name.text = called
	_light.color = color
	_role.text = role
	_make_host.visible = commandable
	_kick.visible = commandable


func show_distance(milliseconds: float) -> void:
	_distance.text = "%.0f ms" % milliseconds
