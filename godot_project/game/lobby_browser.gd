class_name LobbyBrowser
extends PanelContainer
## The public lobbies of a signaling server, live. Who looks at them can be invited by players who
## are in a lobby.

## Emitted when the player has chosen a lobby.
signal join_requested(code: String)
## Emitted when the lobby with this code is new in the list.
signal listed(code: String)

const ROW := preload("res://game/lobby_row.tscn")

@export var client: SignalingClient

## Whether the client is ours to use: between games.
var _watches := false
var _rows: Dictionary[String, LobbyRow] = {}

@onready var _retry: Timer = $Retry
@onready var _light: Light = %Light
@onready var _status: Label = %Status
@onready var _list: VBoxContainer = %List
@onready var _empty: Label = %Empty


func _ready() -> void:
	client.lobby_listed.connect(_on_client_lobby_listed)
	client.lobby_unlisted.connect(_on_client_lobby_unlisted)
	client.reconnecting.connect(_on_client_reconnecting)
	client.resumed.connect(_say.bind("Live", Light.GOOD))
	client.disconnected.connect(_on_client_disconnected)
	_retry.timeout.connect(_watch)


## Shows the lobbies of the server at [param url] from now on.
func watch(url: String, player_name: String) -> void:
	client.stop()
	client.url = url
	client.player_name = player_name
	_watches = true
	_retry.stop()
	_watch()


## Shows nothing any more. A connection that stands is for the game to use.
func rest() -> void:
	_watches = false
	_retry.stop()
	_clear()
	if client.get_state() != SignalingClient.STATE_IDLE:
		client.unwatch_lobbies()
		client.set_status(null, InviteCard.NAMESPACE)


func _watch() -> void:
	_clear()
	_say("Reaching the server…", Light.BUSY)
	var request := client.watch_lobbies()
	if await request.completed and _watches:
		client.set_status("looks for a lobby", InviteCard.NAMESPACE)
		var lobbies: Array = request.value
		for lobby: Dictionary in lobbies:
			_on_client_lobby_listed(lobby)
		_empty.visible = _rows.is_empty()
		_say("Live", Light.GOOD)
	elif _watches and request.failure != SignalingClient.FAILURE_CANCELLED:
		_say(request.message, Light.BAD)


func _clear() -> void:
	for row: LobbyRow in _rows.values():
		row.queue_free()
	_rows.clear()
	_empty.hide()


func _say(text: String, color: Color) -> void:
	_status.text = text
	_light.color = color


func _on_client_lobby_listed(lobby: Dictionary) -> void:
	if not _watches:
		return
	var code: String = lobby.code
	var is_new := not _rows.has(code)
	if is_new:
		_rows[code] = _add_row(code)
	_rows[code].show_lobby(lobby)
	if is_new:
		listed.emit(code)


func _add_row(code: String) -> LobbyRow:
	var row: LobbyRow = ROW.instantiate()
	_list.add_child(row)
	row.join_requested.connect(join_requested.emit.bind(code))
	_empty.hide()
	return row


func _on_client_lobby_unlisted(code: String) -> void:
	if _rows.has(code):
		_rows[code].queue_free()
		_rows.erase(code)
	_empty.visible = _rows.is_empty()


func _on_client_reconnecting(_attempt: int, delay: float) -> void:
	_say("The server is lost. Next try in %.1f s…" % delay, Light.BUSY)


func _on_client_disconnected(_code: int, _reason: String) -> void:
	if _watches:
		_clear()
		_retry.start()
