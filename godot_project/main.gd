extends Node
## Takes the role that the command line asks for: the window with the demo, or a dedicated server.
## [LaunchOptions] lists the arguments.

const DEDICATED_SERVER := preload("res://server/dedicated_server.tscn")
const DESKTOP := preload("res://desktop.tscn")


func _ready() -> void:
	var options := LaunchOptions.parse(OS.get_cmdline_user_args())
	if not options.error.is_empty():
		printerr(options.error)
		get_tree().quit(2)
	elif options.role == LaunchOptions.Role.SERVER:
		_serve(options)
	else:
		_play(options)


func _serve(options: LaunchOptions) -> void:
	var server: DedicatedServer = DEDICATED_SERVER.instantiate()
	server.port = options.port
	add_child(server)


func _play(options: LaunchOptions) -> void:
	var desktop: Desktop = DESKTOP.instantiate()
	add_child(desktop)
	desktop.open(options)
