class_name PlayerList
extends VBoxContainer
## Lists the members of the lobby with their colours and how far away they are. The host can kick
## or ban them, or make another one the host.

const ROW := preload("res://game/player_row.tscn")
## The list scrolls when it is higher than this, in pixels.
const HEIGHT_LIMIT := 190.0

@export var players: Players
@export var pinger: Pinger
@export var client: SignalingClient
@export var narrator: Narrator

var _rows: Dictionary[int, PlayerRow] = {}


func _ready() -> void:
	pinger.answered.connect(_on_pinger_answered)
	for change: Signal in [client.member_joined, client.member_changed, client.member_left]:
		change.connect(func(_id: int) -> void: refresh())
	client.host_changed.connect(func(_id: int, _is_me: bool) -> void: refresh())


## Shows who is there now.
func refresh() -> void:
	var ids := _ids()
	for id: int in _rows.keys():
		if id not in ids:
			_rows[id].queue_free()
			_rows.erase(id)
	for id in ids:
		_show(id)
	var scroll: ScrollContainer = get_parent()
	scroll.custom_minimum_size.y = minf(get_combined_minimum_size().y, HEIGHT_LIMIT)


## The row of the player with this peer id, or null.
func row(id: int) -> PlayerRow:
	return _rows.get(id)


## The players outlive the lobby when the server is lost.
func _ids() -> Array[int]:
	var ids: Array[int] = []
	ids.assign(client.get_members().map(func(member: Dictionary) -> int: return member.id))
	for avatar in players.all():
		if avatar.player not in ids and not avatar.is_queued_for_deletion():
			ids.append(avatar.player)
	return ids


func _show(id: int) -> void:
	if not _rows.has(id):
		_rows[id] = _add_row(id)
	var avatar := players.find(id)
	var commandable := _host() == client.get_unique_id() and id != _host()
	_rows[id].show_player(
		narrator.name_of(id), avatar.color if avatar else Light.OFF, _role(id), commandable)


func _add_row(id: int) -> PlayerRow:
	var added: PlayerRow = ROW.instantiate()
	add_child(added)
	added.commanded.connect(_command.bind(id))
	return added


func _command(command: PlayerRow.Command, id: int) -> void:
	match command:
		PlayerRow.Command.MAKE_HOST:
			narrator.follow(client.transfer_host(id))
		PlayerRow.Command.KICK:
			narrator.follow(client.kick(id))
		PlayerRow.Command.BAN:
			narrator.follow(client.ban(id))


func _role(id: int) -> String:
	var roles := PackedStringArray()
	if id == players.me:
		roles.append("you")
	if id == _host():
		roles.append("host")
	if _is_away(id):
		roles.append("away")
	return ", ".join(roles)


func _is_away(id: int) -> bool:
	return client.get_members().any(func(member: Dictionary) -> bool:
		return member.id == id and member.metadata.get("away") == true)


func _host() -> int:
	return client.get_lobby().get("host", players.host)


func _on_pinger_answered(peer: int, milliseconds: float) -> void:
	if _rows.has(peer):
		_rows[peer].show_distance(milliseconds)
