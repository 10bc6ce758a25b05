class_name Narrator
extends Node
## Says on the lobby card what is happening to the connections, and why something failed.

@export var client: SignalingClient
@export var card: LobbyCard
@export var players: Players

## What is said while nothing is wrong.
var _calm := ""


func _ready() -> void:
	client.state_changed.connect(_on_state_changed)
	client.reconnecting.connect(_on_reconnecting)
	client.resumed.connect(settle)
	client.failed.connect(_on_failed)
	client.link_unstable.connect(_on_link_unstable)
	client.link_recovered.connect(func(_id: int) -> void: settle())
	client.peer_unstable.connect(_on_peer_unstable)
	client.peer_stable.connect(func(_id: int) -> void: settle())
	client.migration_started.connect(warn.bind("The host has changed. Connecting anew…"))
	client.migration_finished.connect(settle)


## Says what goes on until something else does.
func settle(calm := _calm) -> void:
	_calm = calm
	card.show_status(calm, Light.GOOD)


func warn(text: String) -> void:
	card.show_status(text, Light.BUSY)


func complain(text: String) -> void:
	card.show_status(text, Light.BAD)


## Says why a request failed, if it does.
func follow(request: SignalingRequest) -> void:
	if not await request.completed:
		complain(request.message)


## What to call a player: as its avatar, or else as a member of the lobby.
func name_of(id: int) -> String:
	var avatar := players.find(id)
	if avatar != null:
		return avatar.player_name
	for member in client.get_members():
		if member.id == id and member.name != "":
			return member.name
	return "Peer %d" % id


## Whether a player is in the lobby. Who crashed is not any more, or its return is waited for.
func _is_there(id: int) -> bool:
	return client.get_members().any(func(member: Dictionary) -> bool:
		return member.id == id and not member.unstable)


func _on_state_changed(_old: int, new: int) -> void:
	match new:
		SignalingClient.STATE_INITIALIZING:
			warn("Reaching the server…")
		SignalingClient.STATE_REINITIALIZING:
			warn("Back at the server. Taking our place again…")


func _on_reconnecting(attempt: int, delay: float) -> void:
	warn("The server is lost, the game goes on. Try %d in %.1f s…" % [attempt, delay])


func _on_failed(failure: int, message: String, details: Dictionary) -> void:
	if failure == SignalingClient.FAILURE_ICE_FAILED:
		var peer: int = details.peer
		if not _is_there(peer):
			return
		message = "No connection to %s: %s." % [name_of(peer), details.reason]
	elif failure == SignalingClient.FAILURE_LOST:
		message += " The game goes on."
	complain(message)


func _on_link_unstable(id: int) -> void:
	warn("%s is hard to reach…" % name_of(id))


func _on_peer_unstable(id: int) -> void:
	warn("%s has lost the server. Waiting for its return…" % name_of(id))
