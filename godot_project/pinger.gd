class_name Pinger
extends Timer
## Measures how long a call to each peer and back takes: one RPC there, one RPC back. Asks
## whenever the timer runs out, or when told.

## Emitted when [param peer] has answered, with the time since the question in milliseconds.
signal answered(peer: int, milliseconds: float)


func _ready() -> void:
	timeout.connect(ping_all)


## Asks every connected peer.
func ping_all() -> void:
	if not multiplayer.get_peers().is_empty():
		_ping.rpc(Time.get_ticks_usec())


@rpc("any_peer", "reliable")
func _ping(sent_usec: int) -> void:
	_pong.rpc_id(multiplayer.get_remote_sender_id(), sent_usec)


@rpc("any_peer", "reliable")
func _pong(sent_usec: int) -> void:
	answered.emit(multiplayer.get_remote_sender_id(), (Time.get_ticks_usec() - sent_usec) / 1000.0)
