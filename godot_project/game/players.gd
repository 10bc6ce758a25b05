class_name Players
extends MultiplayerSpawner
## Brings the players' avatars into the world. A newcomer tells the host its name; the host spawns
## an avatar on every peer, and takes it away when the player leaves.

const AVATAR := preload("res://game/avatar.tscn")
const NAME_LIMIT := 14
## Of a turn. Turned so far, each newcomer lands in a wide gap between the others: with its colour
## on the colour wheel, and with its place around the centre.
const GOLDEN_RATIO := 0.618034
## How far from the centre the avatars begin, in pixels.
const ROOM := Vector2(250, 160)

var _spawned := 0


func _init() -> void:
	spawn_function = _make_avatar


func _ready() -> void:
	multiplayer.peer_disconnected.connect(_on_peer_disconnected)


## Asks the host for an avatar; on the host itself, makes it.
func enter(player_name: String) -> void:
	_request_avatar.rpc_id(1, player_name)


## The avatar of the player with this peer id, or null.
func find(id: int) -> Avatar:
	return _world().get_node_or_null(str(id)) as Avatar


func all() -> Array[Avatar]:
	var avatars: Array[Avatar] = []
	avatars.assign(_world().get_children())
	return avatars


## Empties the world for the next game.
func clear() -> void:
	_spawned = 0
	for avatar in all():
		_world().remove_child(avatar)
		avatar.queue_free()


@rpc("any_peer", "call_local", "reliable")
func _request_avatar(player_name: String) -> void:
	var id := multiplayer.get_remote_sender_id()
	if multiplayer.is_server() and find(id) == null:
		spawn([id, player_name.strip_edges().left(NAME_LIMIT), _spawned])
		_spawned += 1


func _make_avatar(data: Array) -> Avatar:
	var avatar: Avatar = AVATAR.instantiate()
	var id: int = data[0]
	var player_name: String = data[1]
	var index: int = data[2]
	var turn := index * GOLDEN_RATIO
	avatar.dress(id, player_name, Color.from_ok_hsl(fposmod(turn - 0.28, 1.0), 0.85, 0.65))
	avatar.position = Avatar.FIELD.get_center() + Vector2.UP.rotated(turn * TAU) * ROOM
	return avatar


func _on_peer_disconnected(id: int) -> void:
	var avatar := find(id)
	if multiplayer.is_server() and avatar != null:
		avatar.queue_free()


func _world() -> Node:
	return get_node(spawn_path)
