class_name Chat
extends VBoxContainer
## A text chat: what one player says, an RPC carries to all.

## Emitted when a line arrives, also one's own.
signal heard(peer: int, text: String)

const LINE_LIMIT := 200
const NEWS_COLOR := Color("8d95a8")

@export var players: Players

@onready var _log: RichTextLabel = %Log
@onready var _line: LineEdit = %Line


func _ready() -> void:
	_line.text_submitted.connect(_on_line_text_submitted)


func say(text: String) -> void:
	_hear.rpc(text)


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
	var peer := multiplayer.get_remote_sender_id()
	var avatar := players.find(peer)
	text = text.left(LINE_LIMIT)
	if avatar != null:
		avatar.say(text)
	_log.push_color(avatar.color if avatar else NEWS_COLOR)
	_log.add_text(avatar.player_name if avatar else "Peer %d" % peer)
	_log.pop()
	_log.add_text("  %s\n" % text)
	heard.emit(peer, text)


func _unhandled_key_input(event: InputEvent) -> void:
	if is_visible_in_tree() and event.is_action_pressed(&"ui_text_submit"):
		_line.grab_focus()
		get_viewport().set_input_as_handled()


func _on_line_text_submitted(text: String) -> void:
	if not text.strip_edges().is_empty():
		say(text.strip_edges())
	_line.clear()
	_line.release_focus()
