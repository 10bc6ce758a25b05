class_name Steering
extends MultiplayerSynchronizer
## Where a player wants to go. Only the player writes it, only the host reads it.

## At most one long.
@export var direction := Vector2.ZERO


func _process(_delta: float) -> void:
	if is_multiplayer_authority():
		direction = Vector2.ZERO if _is_typing() else Input.get_vector(
			&"move_left", &"move_right", &"move_up", &"move_down")


func _is_typing() -> bool:
	return get_viewport().gui_get_focus_owner() is LineEdit
