class_name Menu
extends VBoxContainer
## Where a game begins: who are you, and where do you play?

## Emitted when the player wants this game to host the lobbies itself.
signal host_here_requested(port: int, mesh: bool)
## Emitted when the player wants a new lobby on a server elsewhere.
signal host_requested(url: String, mesh: bool)
## Emitted when the player wants to join friends.
signal join_requested(url: String, lobby: String)

const MESH := 0
const NAMES: Array[String] = ["Badger", "Falcon", "Fox", "Heron", "Lynx", "Otter", "Raven", "Wolf"]

@onready var _name: LineEdit = %PlayerName
@onready var _topology: OptionButton = %Topology
@onready var _url: LineEdit = %Url
@onready var _port: SpinBox = %Port
@onready var _host_here: Button = %HostHere
@onready var _host: Button = %Host
@onready var _code: LineEdit = %Code
@onready var _join: Button = %Join
@onready var _message: Label = %Message


func _ready() -> void:
	_name.text = NAMES.pick_random()
	_url.text = LaunchOptions.DEFAULT_URL
	_port.value = LaunchOptions.DEFAULT_PORT
	_host_here.pressed.connect(_on_host_here_pressed)
	_host.pressed.connect(_on_host_pressed)
	_join.pressed.connect(_on_join_pressed)
	_code.text_submitted.connect(func(_text: String) -> void: _on_join_pressed())
	for field: LineEdit in [_name, _url, _code]:
		field.text_changed.connect(func(_text: String) -> void: _refresh())
	_refresh()


func player_name() -> String:
	return _name.text.strip_edges()


func set_player_name(player: String) -> void:
	_name.text = player
	_refresh()


## Says why there is no game.
func complain(text: String) -> void:
	_message.text = text


func _refresh() -> void:
	var nameless := player_name().is_empty()
	var nowhere := _url.text.strip_edges().is_empty()
	_host_here.disabled = nameless
	_host.disabled = nameless or nowhere
	_join.disabled = nameless or nowhere or _code.text.strip_edges().is_empty()


func _on_host_here_pressed() -> void:
	host_here_requested.emit(int(_port.value), _topology.selected == MESH)


func _on_host_pressed() -> void:
	host_requested.emit(_url.text.strip_edges(), _topology.selected == MESH)


func _on_join_pressed() -> void:
	if not _join.disabled:
		join_requested.emit(_url.text.strip_edges(), _code.text.strip_edges())
