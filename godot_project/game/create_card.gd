class_name CreateCard
extends PanelContainer
## What a new lobby should be like.

## Emitted when the player wants the lobby on a server elsewhere. [param options] are those of
## [method SignalingClient.create_lobby].
signal host_requested(options: Dictionary)
## Emitted when the player wants this game to be the server.
signal host_here_requested(port: int, options: Dictionary)

const POLICIES: Array[String] = ["migrate", "wait", "close"]
const MESH := 0

@onready var _title: LineEdit = %Title
@onready var _limit: SpinBox = %Limit
@onready var _topology: OptionButton = %Topology
@onready var _policy: OptionButton = %Policy
@onready var _password: LineEdit = %Password
@onready var _public: CheckBox = %Public
@onready var _host: Button = %Host
@onready var _host_here: Button = %HostHere
@onready var _port: SpinBox = %Port


func _ready() -> void:
	_port.value = LaunchOptions.DEFAULT_PORT
	_host.pressed.connect(func() -> void: host_requested.emit(options()))
	_host_here.pressed.connect(_on_host_here_pressed)


func options() -> Dictionary:
	var chosen := {
		"max_players": int(_limit.value),
		"mesh": _topology.selected == MESH,
		"host_policy": POLICIES[_policy.selected],
		"host_grace": Game.HOST_GRACE,
		"password": _password.text,
		"public": _public.button_pressed,
	}
	var title := _title.text.strip_edges()
	if not title.is_empty():
		chosen.metadata = {"title": title}
	return chosen


## Whether a lobby can be made here, or on the server.
func enable(here: bool, there: bool) -> void:
	_host_here.disabled = not here
	_host.disabled = not there


func _on_host_here_pressed() -> void:
	host_here_requested.emit(int(_port.value), options())
