class_name PlayerList
extends VBoxContainer
## Lists the players with their colours and how far away they are.

## The list scrolls when it is higher than this, in pixels.
const HEIGHT_LIMIT := 190.0

@export var players: Players
@export var pinger: Pinger

var _milliseconds: Dictionary[int, float] = {}


func _ready() -> void:
	pinger.answered.connect(_on_pinger_answered)


## Shows who is there now.
func refresh() -> void:
	for row in get_children():
		remove_child(row)
		row.queue_free()
	for avatar in players.all():
		if not avatar.is_queued_for_deletion():
			add_child(_row(avatar))
	var scroll: ScrollContainer = get_parent()
	scroll.custom_minimum_size.y = minf(get_combined_minimum_size().y, HEIGHT_LIMIT)


func _on_pinger_answered(peer: int, milliseconds: float) -> void:
	_milliseconds[peer] = milliseconds
	refresh()


func _row(avatar: Avatar) -> Control:
	var row := HBoxContainer.new()
	var light := Light.new()
	light.color = avatar.color
	row.add_child(light)
	row.add_child(_label(avatar.player_name, &"Label"))
	row.add_child(_label(_role(avatar.player), &"MutedLabel"))
	var distance := _label(_distance(avatar.player), &"MutedLabel")
	distance.size_flags_horizontal = SIZE_EXPAND | SIZE_SHRINK_END
	row.add_child(distance)
	return row


func _label(text: String, variation: StringName) -> Label:
	var label := Label.new()
	label.text = text
	label.theme_type_variation = variation
	return label


func _role(id: int) -> String:
	var roles := PackedStringArray()
	if id == multiplayer.get_unique_id():
		roles.append("you")
	if id == 1:
		roles.append("host")
	return ", ".join(roles)


func _distance(id: int) -> String:
	return "%.0f ms" % _milliseconds[id] if _milliseconds.has(id) else ""
