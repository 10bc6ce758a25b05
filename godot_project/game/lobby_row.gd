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
	var metadata: Dictionary = lobby.metadata
	var host: String = lobby.host_name
	_title.text = str(metadata.get("title", "%s's lobby" % host))
	_about.text = " · ".join(_traits(lobby))
	_players.text = "%d of %d" % [lobby.players, lobby.max_players]
	_join.disabled = lobby.locked or lobby.players >= lobby.max_players


func _traits(lobby: Dictionary) -> PackedStringArray:
	var traits := PackedStringArray([lobby.code, "mesh" if lobby.mesh else "client-server"])
	if lobby.has_password:
		traits.append("password")
	if lobby.locked:
		traits.append("locked")
	return traits
