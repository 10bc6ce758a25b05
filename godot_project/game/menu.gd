class_name Menu
extends VBoxContainer
## Where a game begins: who are you, and where do you play?

## Emitted when the player wants this game to host the lobbies itself.
signal host_here_requested(port: int, options: Dictionary)
## Emitted when the player wants a new lobby on a server elsewhere.
signal host_requested(url: String, options: Dictionary)
## Emitted when the player wants to join friends.
signal join_requested(url: String, lobby: String)
## Emitted when the player wants to join anybody.
signal quick_join_requested(url: String, options: Dictionary)

const NAMES: Array[String] = ["Badger", "Falcon", "Fox", "Heron", "Lynx", "Otter", "Raven", "Wolf"]

## Between games it watches the list of lobbies.
@export var client: SignalingClient

@onready var browser: LobbyBrowser = %LobbyBrowser
@onready var _name: LineEdit = %PlayerName
@onready var _url: LineEdit = %Url
@onready var _create: CreateCard = %CreateCard
@onready var _code: LineEdit = %Code
@onready var _join: Button = %Join
@onready var _quick_join: Button = %QuickJoin
@onready var _message: Label = %Message


## Before the browser is ready.
func _enter_tree() -> void:
	(%LobbyBrowser as LobbyBrowser).client = client


func _ready() -> void:
	_name.text = NAMES.pick_random()
	_url.text = LaunchOptions.DEFAULT_URL
	_create.host_here_requested.connect(host_here_requested.emit)
	_create.host_requested.connect(_on_host_requested)
	browser.join_requested.connect(_request_join)
	_join.pressed.connect(_on_join_pressed)
	_code.text_submitted.connect(func(_text: String) -> void: _on_join_pressed())
	_quick_join.pressed.connect(_on_quick_join_pressed)
	_url.text_submitted.connect(func(_text: String) -> void: browse())
	_name.focus_exited.connect(_on_name_focus_exited)
	for field: LineEdit in [_name, _url, _code]:
		field.text_changed.connect(func(_text: String) -> void: _refresh())
	_refresh()


func player_name() -> String:
	return _name.text.strip_edges()


func set_player_name(player: String) -> void:
	_name.text = player
	_refresh()


## Shows which lobbies the server has.
func browse() -> void:
	browser.watch(_server_url(), player_name())


## Says why there is no game.
func complain(text: String) -> void:
	_message.text = text


func _refresh() -> void:
	var named := not player_name().is_empty()
	var reachable := named and not _server_url().is_empty()
	_create.enable(named, reachable)
	_quick_join.disabled = not reachable
	_join.disabled = not reachable or _code.text.strip_edges().is_empty()


func _server_url() -> String:
	return _url.text.strip_edges()


## Others are to see the new name.
func _on_name_focus_exited() -> void:
	if is_visible_in_tree() and client.player_name != player_name():
		browse()


func _request_join(code: String) -> void:
	if not player_name().is_empty():
		join_requested.emit(_server_url(), code)


func _on_host_requested(options: Dictionary) -> void:
	host_requested.emit(_server_url(), options)


func _on_quick_join_pressed() -> void:
	quick_join_requested.emit(_server_url(), _create.options())


func _on_join_pressed() -> void:
	if not _join.disabled:
		_request_join(_code.text.strip_edges())
