class_name Chat
extends VBoxContainer
## A text chat. What a player says goes from peer to peer by an RPC; until it is connected to the
## host, it goes through the signaling server as a message of the lobby.

## Emitted when a line arrives, also one's own. [param direct] tells that an RPC carried it.
signal heard(peer: int, text: String, direct: bool)

const LINE_LIMIT := 200
const NEWS_COLOR := Color("8d95a8")

@export var players: Players
@export var client: SignalingClient
@export var narrator: Narrator

@onready var _log: RichTextLabel = %Log
@onready var _line: LineEdit = %Line


func _ready() -> void:
	_line.text_submitted.connect(_on_line_text_submitted)
	client.lobby_message.connect(_on_lobby_message)


func say(text: String) -> void:
	if players.find(players.me) != null:
		_hear.rpc(text)
		return
	var request := client.send_lobby_message({"chat": text})
	if await request.completed:
		_add_line(client.get_unique_id(), text, false)
	else:
		tell_news(request.message)


## Adds a line that nobody said.
func tell_news(text: String) -> void:
	_log.push_color(NEWS_COLOR)
	_log.add_text(text + "\n")
	_log.pop()


func clear() -> void:
	_log.clear()
	_line.clear()


@rpc("any_peer", "call_local", "reliable")
func _hear(text: String) -> void:
	_add_line(multiplayer.get_remote_sender_id(), text, true)


func _add_line(peer: int, text: String, direct: bool) -> void:
	var avatar := players.find(peer)
	text = text.left(LINE_LIMIT)
	if avatar != null:
		avatar.say(text)
	_log.push_color(avatar.color if avatar else NEWS_COLOR)
	_log.add_text(narrator.name_of(peer))
	_log.pop()
	_log.add_text("  %s\n" % text)
	heard.emit(peer, text, direct)


func _unhandled_key_input(event: InputEvent) -> void:
	if is_visible_in_tree() and event.is_action_pressed(&"ui_text_submit"):
		_line.grab_focus()
		get_viewport().set_input_as_handled()


func _on_line_text_submitted(text: String) -> void:
	if not text.strip_edges().is_empty():
		say(text.strip_edges())
	_line.clear()
	_line.release_focus()


## Other games may send what they like.
func _on_lobby_message(id: int, data: Variant, _to_all: bool) -> void:
	if data is Dictionary and (data as Dictionary).get("chat") is String:
		_add_line(id, (data as Dictionary).chat, false)
