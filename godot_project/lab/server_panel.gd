class_name ServerPanel
extends PanelContainer
## Starts and stops the signaling server of the lab, and shows its lobbies.

## Emitted when the clients should connect to another address.
signal url_changed(url: String)

@onready var _server: SignalingServer = $SignalingServer
@onready var _status: Label = %Status
@onready var _light: Light = %Light
@onready var _port: SpinBox = %Port
@onready var _toggle: Button = %Toggle
@onready var _url: LineEdit = %Url
@onready var _lobbies: RichTextLabel = %Lobbies
@onready var _log: RichTextLabel = %Log


func _ready() -> void:
	_toggle.pressed.connect(_on_toggle_pressed)
	_url.text_changed.connect(url_changed.emit)
	_server.started.connect(_on_server_started)
	_server.stopped.connect(_on_server_stopped)
	_server.lobby_created.connect(func(lobby: String) -> void: _say("%s opened" % lobby))
	_server.lobby_sealed.connect(func(lobby: String) -> void: _say("%s sealed" % lobby))
	_server.lobby_closed.connect(func(lobby: String) -> void: _say("%s closed" % lobby))
	_server.peer_joined.connect(func(_lobby: String, id: int) -> void: _say("peer %d joined" % id))
	_server.peer_left.connect(func(_lobby: String, id: int) -> void: _say("peer %d left" % id))
	($Refresh as Timer).timeout.connect(_show_lobbies)
	_url.text = LaunchOptions.DEFAULT_URL
	_show_stopped("Stopped")


func start() -> void:
	_server.port = int(_port.value)
	var error := _server.listen()
	if error != OK:
		_show_stopped(Explain.listen_error(error, _server.port), Light.BAD)
		return
	_url.text = "ws://127.0.0.1:%d" % _server.get_local_port()
	url_changed.emit(_url.text)


func _on_toggle_pressed() -> void:
	if _server.is_listening():
		_server.stop()
	else:
		start()


func _on_server_started(port: int) -> void:
	_say("listening on port %d" % port)
	_status.text = "Listening on port %d" % port
	_light.color = Light.GOOD
	_toggle.text = "Stop"
	_port.editable = false
	_show_lobbies()


func _on_server_stopped() -> void:
	_say("stopped")
	_show_stopped("Stopped")


func _show_stopped(status: String, color := Light.OFF) -> void:
	_status.text = status
	_light.color = color
	_toggle.text = "Start"
	_port.editable = true
	_show_lobbies()


func _show_lobbies() -> void:
	_lobbies.clear()
	var lobbies := _server.get_lobbies()
	for lobby in lobbies:
		_show_lobby(lobby)
	if lobbies.is_empty():
		_lobbies.add_text(
			"None yet: press Host in a client." if _server.is_listening()
			else "Start the server first.")


func _show_lobby(lobby: Dictionary) -> void:
	var members: PackedInt32Array = lobby.members
	_lobbies.push_color(Color.WHITE)
	_lobbies.add_text("%s\n" % lobby.name)
	_lobbies.pop()
	_lobbies.add_text("%s, %d inside%s\n" % [
		"mesh" if lobby.mesh else "client-server", members.size(), ", sealed" if lobby.sealed else ""])


func _say(text: String) -> void:
	_log.add_text(text + "\n")
