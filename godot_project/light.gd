class_name Light
extends Control
## A small lamp that shows a state, or a player's colour, at a glance.

const OFF := Color("5b6377")
const BUSY := Color("f5b453")
const GOOD := Color("4cc38a")
const BAD := Color("f2686f")

@export var color := OFF:
	set(value):
		color = value
		queue_redraw()


func _init() -> void:
	custom_minimum_size = Vector2(12, 12)
	size_flags_vertical = SIZE_SHRINK_CENTER


func _draw() -> void:
	draw_circle(size / 2.0, 5.0, color, true, -1.0, true)
