class_name TonguesMenu
extends VBoxContainer
## The demos of the other protocols, one at a time, and a server inside this game that speaks all of
## them.

const SCENES: Dictionary[String, String] = {
	"Rooms": "res://tongues/rooms.tscn",
	"Calling": "res://tongues/calling.tscn",
	"CloudLink": "res://tongues/cloudlink.tscn",
}

## The demo that is shown, if any.
var shown: Control

@onready var _scenes: HBoxContainer = %Scenes
@onready var _serve: Button = %Serve
@onready var _status: Label = %Status
@onready var _stage: PanelContainer = %Stage
@onready var _server: SignalingServer = $SignalingServer


func _ready() -> void:
	var group := ButtonGroup.new()
	for title: String in SCENES:
		var button := Button.new()
		button.text = title
		button.toggle_mode = true
		button.button_group = group
		button.theme_type_variation = &"ToggleButton"
		button.toggled.connect(_on_scene_toggled.bind(title))
		_scenes.add_child(button)
	(_scenes.get_child(0) as Button).button_pressed = true
	_serve.toggled.connect(_on_serve_toggled)


## Shows a demo instead of the one before.
func open(title: String) -> void:
	if shown != null:
		shown.queue_free()
	shown = (load(SCENES[title]) as PackedScene).instantiate()
	_stage.add_child(shown)


func _on_scene_toggled(on: bool, title: String) -> void:
	if on:
		open(title)


func _on_serve_toggled(on: bool) -> void:
	if not on:
		_server.stop()
		_status.text = ""
	elif _server.listen() == OK:
		_status.text = "Serving on port %d" % _server.get_local_port()
	else:
		_serve.set_pressed_no_signal(false)
		_status.text = "Port %d is taken" % _server.port
