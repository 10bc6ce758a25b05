class_name Swatch
extends BaseButton
## A colour to choose: a ring if it is ours, a dot if another player has it.

const RADIUS := 6.5

var color := Color.WHITE
var is_mine := false:
	set(value):
		is_mine = value
		queue_redraw()


func _init() -> void:
	custom_minimum_size = Vector2(18, 18)
	size_flags_vertical = SIZE_SHRINK_CENTER
	focus_mode = FOCUS_NONE


func _draw() -> void:
	var center := size / 2.0
	var taken := disabled and not is_mine
	draw_circle(center, RADIUS / 3.0 if taken else RADIUS, color, true, -1.0, true)
	if is_mine or is_hovered() and not disabled:
		draw_circle(center, RADIUS + 1.5, Color.WHITE, false, 1.5, true)
