class_name Palette
extends HBoxContainer
## Gives each player a colour that no other has. Each colour is a value of the lobby that names the
## user who has it, and it is set only if it is still what we know it to be: of two players who want
## the same colour at the same time, one gets it.

## Emitted when a player may have another colour.
signal changed()

const COLORS: Array[Color] = [
	Color("5b9dff"), Color("f25fb4"), Color("9ab52f"), Color("f5a04c"), Color("2bb8b8"),
	Color("b78cff"), Color("f2686f"), Color("4cc38a"), Color("e3c94a"), Color("c9cfdd"),
]

@export var client: SignalingClient
@export var players: Players
@export var narrator: Narrator


func _ready() -> void:
	for number in COLORS.size():
		_add_swatch(number)
	client.lobby_joined.connect(func(_lobby: String) -> void: _take_any())
	client.lobby_value_changed.connect(
		func(_key: String, _value: Variant, _by: int) -> void: refresh())
	client.member_left.connect(func(_id: int) -> void: refresh())
	client.lobby_left.connect(func(_failure: int, _message: String) -> void: refresh())


## Takes a colour, and gives up the one before. Returns false if another player was faster.
func take(number: int) -> bool:
	# It may still name a user who has left.
	var known: Variant = client.get_lobby_value(_key(number))
	var request := client.set_lobby_value(_key(number), client.get_user(), known)
	if not await request.completed:
		return false
	for other in COLORS.size():
		if other != number and holder(other) == client.get_unique_id():
			client.set_lobby_value(_key(other), null, client.get_user())
	return true


## The member that has a colour; 0 if it is free.
func holder(number: int) -> int:
	var user: Variant = client.get_lobby_value(_key(number))
	for member in client.get_members():
		if member.user == user:
			return member.id
	return 0


## Paints the players as the lobby has it. Who has no colour of the lobby stays as it is.
func refresh() -> void:
	visible = _has_values()
	for number in COLORS.size():
		_show(number, holder(number))
	changed.emit()


func _show(number: int, id: int) -> void:
	var swatch: Swatch = get_child(number)
	swatch.is_mine = id != 0 and id == client.get_unique_id()
	swatch.disabled = id != 0
	swatch.tooltip_text = narrator.name_of(id) if id != 0 else "Take this colour"
	var avatar := players.find(id)
	if avatar != null:
		avatar.color = COLORS[number]


func _take_any() -> void:
	for number in COLORS.size():
		if _has_values() and holder(number) == 0 and await take(number):
			return


## Not in a lobby of the plain protocol, nor after the lobby is lost.
func _has_values() -> bool:
	return client.get_lobby().has("metadata")


func _add_swatch(number: int) -> void:
	var swatch := Swatch.new()
	swatch.color = COLORS[number]
	swatch.pressed.connect(take.bind(number))
	add_child(swatch)


func _key(number: int) -> String:
	return "color%d" % number
