class_name Away
extends Node
## Tells the other members when the player looks at another window.

@export var client: SignalingClient


func _notification(what: int) -> void:
	match what:
		NOTIFICATION_APPLICATION_FOCUS_OUT:
			_tell(true)
		NOTIFICATION_APPLICATION_FOCUS_IN:
			_tell(false)


func _tell(away: bool) -> void:
	if is_node_ready() and client.get_state() == SignalingClient.STATE_JOINED:
		client.update_me({"away": away})
