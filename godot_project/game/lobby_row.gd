class_name LobbyRow
extends PanelContainer
## A public lobby in the browser.

signal join_requested()

@onready var _title: Label = %Title
@onready var _about: Label = %About
@onready var _players: Label = %Players
@onready var _join: Button = %Join


func _ready() -> void:
	_join.pressed.connect(join_requested.emit)


## Shows what [method SignalingClient.list_lobbies] tells of a lobby.
func show_lobby(lobby: Dictionary) -> void:
	_title.text = title_of(lobby)
	var about := PackedStringArray([lobby.code, "mesh" if lobby.mesh else "client-server"])
	_about.text = " · ".join(about + traits_of(lobby))
	_players.text = "%d of %d" % [lobby.players, lobby.max_players]
	_join.disabled = lobby.locked or lobby.sealed or lobby.players >= lobby.max_players


## What to call a lobby.
static func title_of(lobby: Dictionary) -> String:
	var metadata: Dictionary = lobby.metadata
	return str(metadata.get("title", "%s's lobby" % lobby.host_name))


## What keeps others out of a lobby.
static func traits_of(lobby: Dictionary) -> PackedStringArray:
	var traits := PackedStringArray()
	if lobby.has_password:
		traits.append("password")
	if lobby.locked:
		traits.append("locked")
	if lobby.sealed:
		traits.append("sealed")
	if not lobby.public:
		traits.append("not listed")
	return traits
