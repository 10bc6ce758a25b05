class_name Game
extends MarginContainer
## A small game for many: host a lobby or join one by its code, walk about, chat.
##
## The session lives here. [SignalingClient] enters the lobby and connects the players; from then
## on this is plain Godot: a [MultiplayerSpawner], [MultiplayerSynchronizer]s and RPCs.

## Emitted when this game has entered [param lobby].
signal entered(lobby: String)
## Emitted when the game is over; [param reason] is for the player to read, empty when leaving was meant.
signal left(reason: String)

## How long a newcomer waits for the host's connection, in seconds.
const PATIENCE := 15.0

var player_name: String:
	get:
		return _menu.player_name()

var _mesh := true
## Whether the host is connected and has given us an avatar.
var _met_host := false

@onready var players: Players = $Players
@onready var pinger: Pinger = $Pinger
@onready var chat: Chat = %Chat
@onready var _client: SignalingClient = $SignalingClient
@onready var _server: SignalingServer = $SignalingServer
@onready var _patience: Timer = $Patience
@onready var _menu: Menu = $Menu
@onready var _play: Control = $Play
@onready var _world: Node2D = %World
@onready var _notice: Label = %Notice
@onready var _card: LobbyCard = %LobbyCard
@onready var _player_list: PlayerList = %PlayerList


func _ready() -> void:
	_menu.host_here_requested.connect(host_here)
	_menu.host_requested.connect(host)
	_menu.join_requested.connect(join)
	_card.leave_requested.connect(leave)
	_client.connected.connect(_on_client_connected)
	_client.lobby_joined.connect(_on_client_lobby_joined)
	_client.disconnected.connect(_on_client_disconnected)
	_patience.timeout.connect(leave.bind("The host does not answer."))
	_world.child_entered_tree.connect(_on_avatar_entered)
	_world.child_exiting_tree.connect(_on_avatar_exiting)
	multiplayer.peer_connected.connect(_on_peer_connected)
	multiplayer.peer_disconnected.connect(_on_peer_disconnected)


## Lets this very game host the lobbies, and enters one through memory: no other server is needed.
func host_here(port: int, mesh: bool) -> void:
	_server.port = port
	var error := _server.listen()
	if error != OK:
		_end(Explain.listen_error(error, port))
		return
	_begin("ws://%s:%d" % [_own_address(), _server.get_local_port()], "", mesh)
	_leave_on(_client.connect_to_server(_server))


## Opens a lobby on the signaling server at [param url].
func host(url: String, mesh: bool) -> void:
	_begin(url, "", mesh)
	_leave_on(_client.start())


## Joins the lobby with this code on the signaling server at [param url].
func join(url: String, code: String) -> void:
	_begin(url, code)
	_leave_on(_client.start())


## Ends the game and goes back to the menu.
func leave(reason := "") -> void:
	if _play.visible:
		_end(reason)


## Hosts or joins as the command line asked.
func run(options: LaunchOptions) -> void:
	_server.started.connect(func(port: int) -> void: print("listening on port %d" % port))
	entered.connect(func(lobby: String) -> void: print("lobby %s" % lobby))
	if not options.player_name.is_empty():
		_menu.set_player_name(options.player_name)
	if options.role == LaunchOptions.Role.JOIN:
		join(options.url, options.lobby)
	elif options.url.is_empty():
		host_here(options.port, options.mesh)
	else:
		host(options.url, options.mesh)


func _begin(url: String, lobby: String, mesh := true) -> void:
	_client.url = url
	_client.lobby = lobby
	_client.mesh = mesh
	_met_host = false
	chat.clear()
	_player_list.refresh()
	_notice.show()
	_card.show_lobby("", url)
	_card.show_status("Entering the lobby…", Light.BUSY)
	_patience.start(PATIENCE)
	_menu.hide()
	_play.show()


func _end(reason: String) -> void:
	_patience.stop()
	_menu.complain(reason)
	_menu.show()
	_play.hide()
	players.clear()
	_client.stop()
	_server.stop()
	left.emit(reason)


func _leave_on(error: Error) -> void:
	if error != OK:
		leave(Explain.connect_error(error, _client.url))


func _on_client_connected(_id: int, use_mesh: bool) -> void:
	_mesh = use_mesh


func _on_client_lobby_joined(lobby: String) -> void:
	_card.show_lobby(lobby, _client.url)
	_card.show_status("Connecting to the host…", Light.BUSY)
	if multiplayer.is_server():
		players.enter(player_name)
	entered.emit(lobby)


## Peers that are connected stay so without the signaling server.
func _on_client_disconnected(code: int, reason: String) -> void:
	if _met_host:
		_card.show_status("%s The game goes on." % Explain.disconnection(code, reason), Light.BUSY)
	else:
		leave.call_deferred(Explain.disconnection(code, reason))


func _on_peer_connected(id: int) -> void:
	if id == 1:
		players.enter(player_name)


func _on_peer_disconnected(id: int) -> void:
	if id == 1:
		leave.call_deferred("The host has left the game.")


func _on_avatar_entered(avatar: Avatar) -> void:
	_player_list.refresh()
	if avatar.player == multiplayer.get_unique_id():
		_met_host = true
		_patience.stop()
		_notice.hide()
		_card.show_status("Connected, %s" % ("mesh" if _mesh else "client-server"), Light.GOOD)
	chat.tell_news("%s is here" % avatar.player_name)


func _on_avatar_exiting(avatar: Avatar) -> void:
	_player_list.refresh.call_deferred()
	chat.tell_news("%s has left" % avatar.player_name)


func _own_address() -> String:
	for address in IP.get_local_addresses():
		if address.is_valid_ip_address() and "." in address and not address.begins_with("127."):
			return address
	return "127.0.0.1"
