class_name Steering
extends MultiplayerSynchronizer
## Where a player wants to go. Only the player writes it, only the host reads it.

## At most one long.
@export var direction := Vector2.ZERO


func _process(_delta: float) -> void:
	if is_multiplayer_authority():
		direction = Vector2.ZERO if _is_busy() else Input.get_vector(
			&"move_left", &"move_right", &"move_up", &"move_down")


## Whether the player types, or looks at something else.
func _is_busy() -> bool:
	var body: Avatar = get_parent()
	return not body.is_visible_in_tree() or get_viewport().gui_get_focus_owner() is LineEdit
