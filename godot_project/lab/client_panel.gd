class_name ClientPanel
extends PanelContainer
## One signaling client with buttons. It has a branch of the multiplayer tree of its own, so that
## several of them can meet one another inside one game.

## Emitted when this client has entered [param lobby].
signal entered_lobby(lobby: String)

const MESH := 0
const INFO := Color("8d95a8")
const GOOD := Color("4cc38a")
const BAD := Color("f2686f")

## The server to connect to.
var url := LaunchOptions.DEFAULT_URL
var _sealed := false
var _running := false

@onready var client: SignalingClient = $SignalingClient
@onready var _pinger: Pinger = $Pinger
@onready var _title: Label = %Title
@onready var _identity: Label = %Identity
@onready var _topology: OptionButton = %Topology
@onready var _host: Button = %Host
@onready var _code: LineEdit = %Code
@onready var _join: Button = %Join
@onready var _ping: Button = %Ping
@onready var _peers: Button = %Peers
@onready var _seal: Button = %Seal
@onready var _leave: Button = %Leave
@onready var _log: RichTextLabel = %Log


func _enter_tree() -> void:
	get_tree().set_multiplayer(MultiplayerAPI.create_default_interface(), get_path())


func _exit_tree() -> void:
	get_tree().set_multiplayer(null, get_path())


func _ready() -> void:
	_title.text = name.capitalize()
	_host.pressed.connect(host)
	_join.pressed.connect(join)
	_code.text_submitted.connect(func(_text: String) -> void: join())
	_code.text_changed.connect(func(_text: String) -> void: _refresh())
	_ping.pressed.connect(ping)
	_peers.pressed.connect(list_peers)
	_seal.pressed.connect(seal)
	_leave.pressed.connect(leave)
	client.connected.connect(_on_connected)
	client.lobby_joined.connect(_on_lobby_joined)
	client.lobby_sealed.connect(_on_lobby_sealed)
	client.disconnected.connect(_on_disconnected)
	client.peer_connected.connect(_on_peer_announced)
	multiplayer.peer_connected.connect(_on_peer_connected)
	multiplayer.peer_disconnected.connect(_on_peer_disconnected)
	_pinger.answered.connect(_on_pinger_answered)
	_say("not connected")
	_refresh()


## Opens a lobby of its own.
func host() -> void:
	_start("")


## Joins the lobby whose code was typed in.
func join() -> void:
	if not _code.text.strip_edges().is_empty():
		_start(_code.text.strip_edges())


## Offers a lobby code, unless this client is already in a lobby.
func suggest_lobby(lobby: String) -> void:
	if not _running:
		_code.text = lobby
		_refresh()


func ping() -> void:
	_say("pinging %s" % _peer_names())
	_pinger.ping_all()


func list_peers() -> void:
	_say("connected to %s" % _peer_names())


func seal() -> void:
	client.seal_lobby()


func leave() -> void:
	client.stop()
	_stopped()
	_say("left")


func _start(lobby: String) -> void:
	_say("connecting to %s" % url)
	_running = true
	_sealed = false
	var error := client.start(url, lobby, _topology.selected == MESH)
	if error != OK:
		_stopped()
		_say(Explain.connect_error(error, url), BAD)
	_refresh()


func _stopped() -> void:
	_running = false
	_identity.text = ""
	_refresh()


func _on_connected(id: int, use_mesh: bool) -> void:
	_identity.text = "id %d%s" % [id, ", host" if id == 1 else ""]
	_say("this is peer %d, %s" % [id, "mesh" if use_mesh else "client-server"])
	_topology.selected = MESH if use_mesh else MESH + 1


func _on_lobby_joined(lobby: String) -> void:
	_say("in lobby %s" % lobby, GOOD)
	_code.text = lobby
	_refresh()
	entered_lobby.emit(lobby)


func _on_lobby_sealed() -> void:
	_say("the lobby is sealed")
	_sealed = true
	_refresh()


func _on_disconnected(code: int, reason: String) -> void:
	_say(Explain.disconnection(code, reason), INFO if code == 1000 else BAD)
	if multiplayer.get_peers().is_empty():
		client.stop()
		_stopped()
	else:
		_say("still connected to %s" % _peer_names(), GOOD)
		_refresh()


func _on_peer_announced(id: int) -> void:
	_say("%s is in the lobby" % _name_of(id))


func _on_peer_connected(id: int) -> void:
	_say("%s connected" % _name_of(id), GOOD)
	_refresh()


func _on_peer_disconnected(id: int) -> void:
	_say("%s disconnected" % _name_of(id), BAD)
	_refresh()


func _on_pinger_answered(peer: int, milliseconds: float) -> void:
	_say("%s answered in %.1f ms" % [_name_of(peer), milliseconds])


func _refresh() -> void:
	var alone := multiplayer.get_peers().is_empty()
	_topology.disabled = _running
	_host.disabled = _running
	_code.editable = not _running
	_join.disabled = _running or _code.text.strip_edges().is_empty()
	_ping.disabled = not _running or alone
	_peers.disabled = not _running
	_seal.disabled = (
		_sealed or client.get_unique_id() != 1
		or client.get_state() != SignalingClient.STATE_JOINED)
	_leave.disabled = not _running


func _peer_names() -> String:
	var names := Array(multiplayer.get_peers()).map(_name_of)
	return ", ".join(names) if names else "nobody"


func _name_of(id: int) -> String:
	return "host" if id == 1 else str(id)


func _say(text: String, color := INFO) -> void:
	_log.push_color(color)
	_log.add_text(text + "\n")
	_log.pop()
