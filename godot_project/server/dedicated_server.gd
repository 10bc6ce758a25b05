class_name DedicatedServer
extends SignalingServer
## A signaling server and nothing else: what an export with "dedicated_server" runs.


func _ready() -> void:
	started.connect(func(bound: int) -> void: print("listening on port %d" % bound))
	lobby_created.connect(func(lobby: String) -> void: print("lobby %s opened" % lobby))
	lobby_closed.connect(func(lobby: String) -> void: print("lobby %s closed" % lobby))
	var error := listen()
	if error != OK:
		printerr(Explain.listen_error(error, port))
		get_tree().quit(1)
