class_name Avatar
extends Node2D
## A player's body. Two synchronizers share the work: "State" belongs to the host, who moves all
## bodies, and carries the position to everybody; "Steering" belongs to the player and carries the
## wished direction to the host.

const RADIUS := 22.0
## In pixels per second.
const SPEED := 220.0
## So many letters fit over a head.
const SPEECH_LIMIT := 32
## Where bodies may be.
const FIELD := Rect2(40, 84, 734, 440)

## Where the eyes look.
@export var facing := Vector2.DOWN:
	set(value):
		facing = value
		queue_redraw()

var player := 1
var player_name := ""
## How many players came before this one.
var index := 0
var color := Color.WHITE:
	set(value):
		color = value
		queue_redraw()

@onready var _steering: Steering = $Steering
@onready var _speech: Label = $Speech
@onready var _speech_time: Timer = $SpeechTime


func _ready() -> void:
	_speech_time.timeout.connect(_speech.hide)


## Dresses the body, on every peer alike. Call it before the body enters the tree, because the
## synchronizers look at their authority then.
func dress(id: int, host: int, called: String, painted: Color) -> void:
	player = id
	player_name = called
	color = painted
	name = str(id)
	set_multiplayer_authority(host)
	var steering: Steering = $Steering
	steering.set_multiplayer_authority(id)
	steering.set_visibility_for(host, true)
	var label: Label = $Name
	label.text = called


## Lets the host spawn the body only on the peers for which [param filter] is true.
func show_to(filter: Callable) -> void:
	var state: MultiplayerSynchronizer = $State
	state.add_visibility_filter(filter)


## Tells [param host] nothing more, which is the host no longer.
func steer_no_more(host: int) -> void:
	_steering.set_visibility_for(host, false)


## Shows what the player said over the body, for a while.
func say(text: String) -> void:
	_speech.text = text if text.length() <= SPEECH_LIMIT else text.left(SPEECH_LIMIT) + "…"
	_speech.reset_size()
	_speech.position.x = -_speech.size.x / 2.0
	_speech.show()
	_speech_time.start()


func _physics_process(delta: float) -> void:
	if is_multiplayer_authority() and not _steering.direction.is_zero_approx():
		# The host trusts no player to keep to the speed limit.
		var velocity := _steering.direction.limit_length() * SPEED
		position = (position + velocity * delta).clamp(FIELD.position, FIELD.end)
		facing = velocity.normalized()


func _draw() -> void:
	draw_circle(Vector2(0, 5), RADIUS, Color(0, 0, 0, 0.35), true, -1.0, true)
	draw_circle(Vector2.ZERO, RADIUS, color, true, -1.0, true)
	draw_circle(Vector2.ZERO, RADIUS, color.darkened(0.35), false, 2.5, true)
	for side: float in [-1.0, 1.0]:
		var eye := facing * 8.0 + facing.orthogonal() * side * 7.5
		draw_circle(eye, 5.5, Color.WHITE, true, -1.0, true)
		draw_circle(eye + facing * 2.2, 2.6, Color("11131a"), true, -1.0, true)
