class_name Game
extends MarginContainer
## A small game for many: create a lobby, find one in the list, join one by its code or be invited,
## walk about, chat. When the host is lost another player takes over.
##
## The session lives here. [SignalingClient] enters the lobby and connects the players; from then
## on this is plain Godot: a [MultiplayerSpawner], [MultiplayerSynchronizer]s and RPCs.

## Emitted when this game has entered [param lobby].
signal entered(lobby: String)
## Emitted when the game is over; [param reason] is for the player to read, empty when leaving was
## meant.
signal left(reason: String)

## How long the host, or the next one, may take to answer, in seconds.
const PATIENCE := 15.0
## How long the server may take to say why the host is gone, in seconds.
const FAREWELL := 1.0
## How long a lobby waits for the return of its host, if that is its policy, in seconds.
const HOST_GRACE := 20.0
## Why a lobby may be over for us, while its players are still connected.
const ENDINGS: Array[int] = [
	SignalingClient.FAILURE_KICKED, SignalingClient.FAILURE_BANNED,
	SignalingClient.FAILURE_CLOSED, SignalingClient.FAILURE_HOST_LEFT,
]

var player_name: String:
	get:
		return _menu.player_name()

var _mesh := true
## Why the game is over when nobody else has said it in time.
var _verdict := ""
## The code of the lobby that we want to join, "" if we create one.
var _code := ""
## Whether the lobbies of the server are to be shown between games.
var _browses := false
## The players of whom the chat has told.
var _met: Dictionary[int, bool] = {}

@onready var players: Players = $Players
@onready var pinger: Pinger = $Pinger
@onready var chat: Chat = %Chat
@onready var narrator: Narrator = $Narrator
@onready var _client: SignalingClient = $SignalingClient
@onready var _server: SignalingServer = $SignalingServer
@onready var _patience: Timer = $Patience
@onready var _menu: Menu = $Menu
@onready var _play: Control = $Play
@onready var _password: PasswordPrompt = $PasswordPrompt
@onready var _invitation: InvitePrompt = $InvitePrompt
@onready var _world: Node2D = %World
@onready var _notice: Label = %Notice
@onready var _card: LobbyCard = %LobbyCard
@onready var _invite_card: InviteCard = %InviteCard
@onready var _settings: LobbySettings = %LobbySettings
@onready var _player_list: PlayerList = %PlayerList
@onready var _palette: Palette = %Palette


func _ready() -> void:
	_menu.host_here_requested.connect(host_here)
	_menu.host_requested.connect(host)
	_menu.join_requested.connect(join)
	_menu.quick_join_requested.connect(quick_join)
	_password.entered.connect(_on_password_entered)
	_password.cancelled.connect(leave)
	_invitation.accepted.connect(accept_invitation)
	_card.leave_requested.connect(leave)
	_card.inviting_toggled.connect(_invite_card.open)
	_card.settings_toggled.connect(_settings.open)
	_palette.changed.connect(_player_list.refresh)
	_patience.timeout.connect(func() -> void: leave(_verdict))
	_world.child_entered_tree.connect(_on_avatar_entered)
	_world.child_exiting_tree.connect(_on_avatar_exiting)
	multiplayer.peer_disconnected.connect(_on_peer_disconnected)
	_listen_to_client()


func _listen_to_client() -> void:
	_client.connected.connect(_on_client_connected)
	_client.lobby_joined.connect(_on_client_lobby_joined)
	_client.lobby_left.connect(_on_client_lobby_left)
	_client.migration_started.connect(_on_client_migration_started)
	_client.member_renamed.connect(_on_client_member_renamed)
	_client.host_changed.connect(_on_client_host_changed)
	_client.member_left.connect(_on_client_member_left)
	_client.disconnected.connect(_on_client_disconnected)


## Shows the lobbies of the server while nothing is played.
func browse() -> void:
	_browses = true
	if _menu.visible:
		_menu.browse()


## Lets this very game host the lobbies, and creates one through memory: no other server is needed.
## [param options] are those of [method SignalingClient.create_lobby].
func host_here(port: int, options: Dictionary) -> void:
	_server.port = port
	var error := _server.listen()
	if error != OK:
		_end(Explain.listen_error(error, port))
		return
	_begin("ws://%s:%d" % [_own_address(), _server.get_local_port()])
	error = _client.connect_to_server(_server)
	if error != OK:
		leave(error_string(error))
	else:
		# Without this game there is no server on which the lobby could live on.
		_enter(_client.create_lobby(options.merged({"host_policy": "close"}, true)))


## Creates a lobby on the signaling server at [param url].
func host(url: String, options: Dictionary) -> void:
	_begin(url, options)
	_enter(_client.create_lobby(options))


## Joins the lobby with this code on the signaling server at [param url].
func join(url: String, code: String) -> void:
	_begin(url)
	_code = code
	_enter(_client.join_lobby(code))


## Joins any public lobby on the signaling server at [param url], or creates one.
func quick_join(url: String, options: Dictionary) -> void:
	_begin(url, options)
	_enter(_client.quick_join({}, options))


## Joins the lobby of the player who has invited us. The invitation came to this very connection.
func accept_invitation(invite: int) -> void:
	_show_play()
	_enter(_client.accept_invite(invite))


## Ends the game and goes back to the menu.
func leave(reason := "") -> void:
	if _play.visible:
		_end(reason)


## Hosts or joins as the command line asked. A bot finds its lobby in the list.
func run(options: LaunchOptions) -> void:
	_server.started.connect(func(port: int) -> void: print("listening on port %d" % port))
	entered.connect(func(lobby: String) -> void: print("lobby %s" % lobby))
	if not options.player_name.is_empty():
		_menu.set_player_name(options.player_name)
	var limit := LaunchOptions.MOST_PLAYERS
	var wishes := {"mesh": options.mesh, "public": true, "max_players": limit}
	if options.role == LaunchOptions.Role.JOIN and options.bot:
		_join_listed(options.url, options.lobby)
	elif options.role == LaunchOptions.Role.JOIN:
		join(options.url, options.lobby)
	elif options.url.is_empty():
		host_here(options.port, wishes)
	else:
		host(options.url, wishes)


func _join_listed(url: String, lobby: String) -> void:
	_menu.browser.watch(url, player_name)
	while await _menu.browser.listed != lobby:
		pass
	join(url, lobby)


## [param options] are those of a lobby that is created.
func _begin(url: String, options := {}) -> void:
	_client.stop()
	_client.url = url
	_client.player_name = player_name
	_client.mesh = options.get("mesh", true)
	_client.password = options.get("password", "")
	_show_play()


func _show_play() -> void:
	_code = ""
	_met.clear()
	chat.clear()
	_palette.refresh()
	_card.show_entering(_client.url)
	narrator.warn("Entering the lobby…")
	_await_host()
	_menu.browser.rest()
	_menu.hide()
	_invitation.hide()
	_play.show()


## What comes of a way into a lobby. When it is open, [signal SignalingClient.lobby_joined] tells.
func _enter(request: SignalingRequest) -> void:
	if await request.completed or request.failure == SignalingClient.FAILURE_CANCELLED:
		return
	if request.failure == SignalingClient.FAILURE_PASSWORD:
		_patience.stop()
		_notice.hide()
		narrator.warn("The lobby wants a password")
		_password.ask(request.message)
	elif request.failure == SignalingClient.FAILURE_NEEDS_EXTENDED and _can_be_plain():
		chat.tell_news("This server knows plain lobbies only")
		_enter(_client.create_lobby())
	else:
		leave(request.message)


## A lobby that somebody wants to be closed to strangers has to be.
func _can_be_plain() -> bool:
	return _code.is_empty() and _client.password.is_empty()


## The connection to the server stands: this is another try on it.
func _on_password_entered(password: String) -> void:
	_await_host()
	_enter(_client.join_lobby(_code, {"password": password}))


func _end(reason: String) -> void:
	_patience.stop()
	_password.hide()
	_card.close()
	_menu.complain(reason)
	_menu.show()
	_play.hide()
	players.clear()
	_client.stop()
	_server.stop()
	if _browses:
		_menu.browse()
	left.emit(reason)


func _on_client_connected(_id: int, use_mesh: bool) -> void:
	_mesh = use_mesh


func _on_client_lobby_joined(lobby: String) -> void:
	narrator.warn("Connecting to the host…")
	var host_id: int = _client.get_lobby().host
	players.follow(host_id, player_name)
	entered.emit(lobby)


func _on_client_lobby_left(failure: int, message: String) -> void:
	if failure in ENDINGS:
		leave.call_deferred(message)


## The new host of a client-server lobby becomes peer 1, and everybody connects to it.
func _on_client_migration_started() -> void:
	players.pause()
	_await_host()


func _on_client_member_renamed(old_id: int, new_id: int) -> void:
	if _met.erase(old_id):
		_met[new_id] = true


func _on_client_host_changed(id: int, is_me: bool) -> void:
	players.follow(id, player_name)
	_await_host()
	chat.tell_news("You are the host now" if is_me else "%s is the host now" % narrator.name_of(id))


## In a mesh the connection to a crashed host takes longer to fail than another host to be named.
func _on_client_member_left(id: int) -> void:
	if _mesh and id == players.get_multiplayer_authority():
		players.give_up(id)
		_await_host()


## Peers that are connected stay so without the signaling server.
func _on_client_disconnected(code: int, reason: String) -> void:
	var message := Explain.disconnection(code, reason)
	if players.find(players.me) != null:
		narrator.complain("%s The game goes on." % message)
	else:
		leave.call_deferred(message)


func _on_peer_disconnected(id: int) -> void:
	if id != players.host:
		return
	if not _mesh:
		# Without its server the multiplayer peer is of no use, and nobody has authority.
		players.pause()
	var policy: String = _client.get_lobby().get("host_policy", "close")
	if _client.get_state() != SignalingClient.STATE_JOINED:
		leave.call_deferred("The host has left.")
	elif policy == "close":
		narrator.warn("The host is gone…")
		_await_host(FAREWELL, "The host has left.")
	elif policy == "wait":
		narrator.warn("The host is gone. Waiting for its return…")
		_await_host(HOST_GRACE + PATIENCE)
	else:
		narrator.warn("The host is gone. Waiting for another…")
		_await_host()


## Until we have an avatar, or know why we get none.
func _await_host(patience := PATIENCE, verdict := "The host does not answer.") -> void:
	_verdict = verdict
	_notice.show()
	_patience.start(patience)


func _on_avatar_entered(avatar: Avatar) -> void:
	_palette.refresh()
	if avatar.player == players.me:
		_patience.stop()
		_notice.hide()
		narrator.settle("Connected, %s" % ("mesh" if _mesh else "client-server"))
	if not _met.has(avatar.player):
		_met[avatar.player] = true
		chat.tell_news("%s is here" % avatar.player_name)


func _on_avatar_exiting(avatar: Avatar) -> void:
	_player_list.refresh.call_deferred()
	if players.is_settled():
		_tell_who_left.call_deferred(avatar.player, avatar.player_name)


## When the connection to the host is lost all avatars go, ours too, but nobody has left.
func _tell_who_left(id: int, called: String) -> void:
	if players.find(players.me) != null:
		_met.erase(id)
		chat.tell_news("%s has left" % called)


func _own_address() -> String:
	for address in IP.get_local_addresses():
		if address.is_valid_ip_address() and "." in address and not address.begins_with("127."):
			return address
	return "127.0.0.1"
