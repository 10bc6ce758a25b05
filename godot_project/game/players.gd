class_name Players
extends MultiplayerSpawner
## Brings the players' avatars into the world. A player asks the host for an avatar; the host spawns
## it on every peer that has asked, and takes it away when the player leaves.
##
## When another player becomes the host, the old host's avatars go, and each player asks the new
## host for one that is like its last: so the new host need not know what the old one knew.

const AVATAR := preload("res://game/avatar.tscn")
const NAME_LIMIT := 14
## A lobby has no more members than this.
const MOST := 4096
## Of a turn. Turned so far, each newcomer lands in a wide gap between the others: with its colour
## on the colour wheel, and with its place around the centre.
const GOLDEN_RATIO := 0.618034
## How far from the centre the avatars begin, in pixels.
const ROOM := Vector2(250, 160)

## The host's peer id; 0 while there is none.
var host := 0
## Our own peer id, also when the connections are gone already.
var me := 0

var _player_name := ""
var _has_asked := false
## What our last avatar was like; the index is -1 before there was one.
var _last_index := -1
var _last_place := Vector2.ZERO
## The index of the next newcomer.
var _next_index := 0
## What the peers have asked for, by id. It may be asked of us before we know that we are the host.
var _wishes: Dictionary[int, Array] = {}


func _init() -> void:
	spawn_function = _make_avatar


func _ready() -> void:
	_world().child_exiting_tree.connect(_on_avatar_exiting)
	multiplayer.peer_connected.connect(func(_id: int) -> void: _ask())
	multiplayer.peer_disconnected.connect(_on_peer_disconnected)


## Plays where [param host_id] is the host, as soon as it is connected and the world is free of the
## last host's avatars.
func follow(host_id: int, player_name: String) -> void:
	var last_host := host
	host = host_id
	me = multiplayer.get_unique_id()
	_player_name = player_name
	_has_asked = false
	if last_host != host and last_host in multiplayer.get_peers() and find(me) != null:
		find(me).steer_no_more(last_host)
		_let_go.rpc_id(last_host)
	_hand_over()
	_ask()


## Takes everybody out of the world until there is a host to [method follow].
func pause() -> void:
	_wishes.clear()
	_empty_world()
	host = 0


## Does not wait for the end of the connection to a host that is gone: its avatars go at once.
func give_up(host_id: int) -> void:
	if host == host_id:
		host = 0
	_empty_world()


## Whether the avatars come and go with the players, and not with the host.
func is_settled() -> bool:
	return _has_asked


## Forgets everything, for the next game.
func clear() -> void:
	pause()
	_last_index = -1
	_next_index = 0
	set_multiplayer_authority(1)


## The avatar of the player with this peer id, or null.
func find(id: int) -> Avatar:
	return _world().get_node_or_null(str(id)) as Avatar


func all() -> Array[Avatar]:
	var avatars: Array[Avatar] = []
	avatars.assign(_world().get_children())
	return avatars


func _ask() -> void:
	var is_there := _is_host() or host in multiplayer.get_peers()
	if host != 0 and is_there and not _has_asked and _world().get_child_count() == 0:
		_has_asked = true
		set_multiplayer_authority(host)
		_request_avatar.rpc_id(host, _player_name, _last_index, _last_place)


@rpc("any_peer", "call_local", "reliable")
func _request_avatar(player_name: String, index: int, place: Vector2) -> void:
	var wish := [player_name.strip_edges().left(NAME_LIMIT), clampi(index, -1, MOST), place]
	_wishes[multiplayer.get_remote_sender_id()] = wish
	if _is_host() and _has_asked:
		for id: int in _wishes:
			_grant(id)


## Asked of the last host. Its avatars go from the peer, because the wish for them is gone.
@rpc("any_peer", "reliable")
func _let_go() -> void:
	_wishes.erase(multiplayer.get_remote_sender_id())
	_hand_over()


## The last host keeps its avatars until nobody steers them any more.
func _hand_over() -> void:
	if host not in [0, me] and get_multiplayer_authority() == me and _wishes.keys() == [me]:
		_wishes.clear()
		_empty_world()


func _grant(id: int) -> void:
	if find(id) == null:
		var index: int = _wishes[id][1]
		var place: Vector2 = _wishes[id][2]
		if index < 0:
			index = _next_index
			place = _first_place(index)
		spawn([id, _wishes[id][0], index, place.clamp(Avatar.FIELD.position, Avatar.FIELD.end)])


func _make_avatar(data: Array) -> Avatar:
	var avatar: Avatar = AVATAR.instantiate()
	var id: int = data[0]
	var player_name: String = data[1]
	var index: int = data[2]
	_next_index = maxi(_next_index, index + 1)
	var turn := index * GOLDEN_RATIO
	avatar.index = index
	avatar.dress(id, host, player_name, Color.from_ok_hsl(fposmod(turn - 0.28, 1.0), 0.85, 0.65))
	avatar.show_to(func(peer: int) -> bool: return _wishes.has(peer))
	avatar.position = data[3]
	return avatar


func _first_place(index: int) -> Vector2:
	return Avatar.FIELD.get_center() + Vector2.UP.rotated(index * GOLDEN_RATIO * TAU) * ROOM


func _empty_world() -> void:
	_has_asked = false
	for avatar in all():
		_world().remove_child(avatar)
		avatar.queue_free()


func _is_host() -> bool:
	return host == me


func _on_avatar_exiting(avatar: Avatar) -> void:
	if avatar.player == me:
		_last_index = avatar.index
		_last_place = avatar.position
	_ask.call_deferred()


func _on_peer_disconnected(id: int) -> void:
	_wishes.erase(id)
	_hand_over()
	var avatar := find(id)
	if _is_host() and get_multiplayer_authority() == me and avatar != null:
		avatar.queue_free()


func _world() -> Node:
	return get_node(spawn_path)
