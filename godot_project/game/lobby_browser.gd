class_name LobbyBrowser
extends PanelContainer
## The public lobbies of a signaling server, live. Its own [SignalingClient] watches the list and
## enters no lobby.

## Emitted when the player has chosen a lobby.
signal join_requested(code: String)
## Emitted when the lobby with this code is new in the list.
signal listed(code: String)

const ROW := preload("res://game/lobby_row.tscn")

var _rows: Dictionary[String, LobbyRow] = {}

@onready var _client: SignalingClient = $SignalingClient
@onready var _retry: Timer = $Retry
@onready var _light: Light = %Light
@onready var _status: Label = %Status
@onready var _list: VBoxContainer = %List
@onready var _empty: Label = %Empty


func _ready() -> void:
	_client.lobby_listed.connect(_on_client_lobby_listed)
	_client.lobby_unlisted.connect(_on_client_lobby_unlisted)
	_client.reconnecting.connect(_on_client_reconnecting)
	_client.resumed.connect(_say.bind("Live", Light.GOOD))
	_client.disconnected.connect(_on_client_disconnected)
	_retry.timeout.connect(_watch)


## Shows the lobbies of the server at [param url] from now on.
func watch(url: String) -> void:
	stop()
	_client.url = url
	_watch()


## Lets go of the server.
func stop() -> void:
	_retry.stop()
	_client.stop()
	_clear()
	_say("", Light.OFF)


func _watch() -> void:
	_say("Reaching the server…", Light.BUSY)
	var request := _client.watch_lobbies()
	if await request.completed:
		_clear()
		var lobbies: Array = request.value
		for lobby: Dictionary in lobbies:
			_on_client_lobby_listed(lobby)
		_say("Live", Light.GOOD)
	elif request.failure != SignalingClient.FAILURE_CANCELLED:
		_say(request.message, Light.BAD)


func _clear() -> void:
	for row: LobbyRow in _rows.values():
		row.queue_free()
	_rows.clear()
	_empty.show()


func _say(text: String, color: Color) -> void:
	_status.text = text
	_light.color = color


func _on_client_lobby_listed(lobby: Dictionary) -> void:
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
	_clear()
	_retry.start()
