class_name PlayerRow
extends HBoxContainer
## A player in the list, and what the host can do about it.

signal commanded(command: Command)

## As in the menu of the host.
enum Command { MAKE_HOST, KICK, BAN }

@onready var _light: Light = %Light
@onready var _name: Label = %Name
@onready var _role: Label = %Role
@onready var _distance: Label = %Distance
@onready var _commands: MenuButton = %Commands


func _ready() -> void:
	var menu := _commands.get_popup()
	menu.id_pressed.connect(func(id: int) -> void: commanded.emit(id as Command))


func show_player(called: String, color: Color, role: String, commandable: bool) -> void:
	_name.text = called
	_light.color = color
	_role.text = role
	_commands.visible = commandable


func show_distance(milliseconds: float) -> void:
	_distance.text = "%.0f ms" % milliseconds
