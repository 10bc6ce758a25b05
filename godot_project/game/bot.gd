class_name Bot
extends Node
## Plays by itself: walks, chats, pings, and prints what it sees of the others. It is content when
## it saw each other player's avatar, saw it move, heard a chat line and got a ping answered; the
## host also wants to be greeted before they are connected.
## Bots leave together: the host dismisses them when all have reported that they are content.

## How long everything may take, in seconds.
const PATIENCE := 30.0
## Answers under way may still arrive for so long, in seconds, before anybody leaves.
const FAREWELL := 0.5
## An avatar this far from where it was first seen has moved, in pixels.
const STEP := 30.0
## How far from home a bot strolls, in pixels.
const STROLL := Vector2(70, 50)
const SIGHTS: Array[String] = ["avatar", "movement", "chat line", "ping"]
const REMARKS: Array[String] = [
	"Hello everybody!", "Anyone for a game of tag?", "Straight from peer to peer!", "Nice lobby.",
]

@export var game: Game

## What a hosting bot does when all are content, before it dismisses them.
var finale := Callable()

## How many other players are expected; negative while nothing is.
var _others := -1
## Where its own avatar began.
var _home := Vector2.ZERO
var _greeted := false
var _reported := false
var _dismissed := false
## The peers that have reported to this host.
var _content: Array[int] = []
var _first_positions: Dictionary[int, Vector2] = {}
## What was seen of whom.
var _seen: Dictionary[String, bool] = {}
## Of how many others something is still to be seen.
var _missing: Dictionary[String, int] = {}


func _ready() -> void:
	set_process(false)


## Begins to play, in a game of [param player_count] players.
func start(player_count: int) -> void:
	_others = player_count - 1
	for what in SIGHTS:
		_missing[what] = _others
	game.chat.heard.connect(_on_chat_heard)
	game.entered.connect(_on_game_entered)
	game.pinger.answered.connect(_on_pinger_answered)
	game.left.connect(_on_game_left)
	($Deadline as Timer).timeout.connect(_on_deadline_timeout)
	($Deadline as Timer).start(PATIENCE)
	($Whim as Timer).timeout.connect(_on_whim_timeout)
	($Whim as Timer).start()
	set_process(true)


func _process(_delta: float) -> void:
	for avatar in game.players.all():
		if avatar.player != multiplayer.get_unique_id():
			_watch(avatar)


func _watch(avatar: Avatar) -> void:
	var id := avatar.player
	if not _first_positions.has(id):
		_first_positions[id] = avatar.position
		_see("avatar", id)
	elif avatar.position.distance_to(_first_positions[id]) > STEP:
		_see("movement", id)


## Notes what was seen of a player, and prints it the first time.
func _see(what: String, id: int, detail := "") -> void:
	var sight := "%s of %d" % [what, id]
	if id == multiplayer.get_unique_id() or _seen.has(sight):
		return
	_seen[sight] = true
	_missing[what] = maxi(_missing[what] - 1, 0)
	_say("%s of %s%s" % [what, _name_of(id), detail])
	if _missing.values().max() == 0 and not _reported:
		_reported = true
		_say("content")
		_report_content.rpc_id(1)


## Where a human hosts, everybody who is there has to report.
@rpc("any_peer", "call_local", "reliable")
func _report_content() -> void:
	_content.append(multiplayer.get_remote_sender_id())
	if _content.size() == maxi(_others + 1, multiplayer.get_peers().size()):
		if finale.is_valid():
			await finale.call()
		_dismiss.rpc()


@rpc("authority", "call_local", "reliable")
func _dismiss() -> void:
	if _others < 0:
		return
	_dismissed = true
	game.pinger.stop()
	await get_tree().create_timer(FAREWELL).timeout
	while multiplayer.is_server() and not multiplayer.get_peers().is_empty():
		await get_tree().process_frame
	game.leave()
	_say("done")
	get_tree().quit()


func _on_whim_timeout() -> void:
	var avatar := game.players.find(multiplayer.get_unique_id())
	if avatar == null:
		return
	_stroll(avatar)
	if not _greeted and multiplayer.get_peers().size() >= _others:
		_greeted = true
		game.chat.say(REMARKS[avatar.index % REMARKS.size()])


## Heads for some place near home, with the very keys a player would press.
func _stroll(avatar: Avatar) -> void:
	if _home == Vector2.ZERO:
		_home = avatar.position
	var goal := _home + STROLL * Vector2(randf_range(-1.0, 1.0), randf_range(-1.0, 1.0))
	var direction := avatar.position.direction_to(goal)
	_press(&"move_left", &"move_right", direction.x)
	_press(&"move_up", &"move_down", direction.y)


func _press(negative: StringName, positive: StringName, strength: float) -> void:
	Input.action_press(negative, maxf(-strength, 0.0))
	Input.action_press(positive, maxf(strength, 0.0))


## Whoever joins greets the host before it is connected, through the signaling server.
func _on_game_entered(_lobby: String) -> void:
	if multiplayer.is_server():
		_missing["greeting"] = _others
	else:
		game.chat.say("May I come in?")


func _on_chat_heard(peer: int, text: String, direct: bool) -> void:
	if direct:
		_see("chat line", peer, ": %s" % text)
	elif _missing.has("greeting"):
		_see("greeting", peer, ": %s" % text)


func _on_pinger_answered(peer: int, milliseconds: float) -> void:
	_see("ping", peer, ": %.1f ms" % milliseconds)


func _on_game_left(reason: String) -> void:
	if not _dismissed:
		_fail(reason)


func _on_deadline_timeout() -> void:
	_fail("the others have not left" if _dismissed else "still to be seen, of how many: %s" % _missing)


func _fail(reason: String) -> void:
	printerr("bot %s: failed: %s" % [game.player_name, reason])
	get_tree().quit(1)


func _name_of(id: int) -> String:
	return "%s (%d)" % [game.narrator.name_of(id), id]


func _say(text: String) -> void:
	print("bot %s: %s" % [game.player_name, text])
