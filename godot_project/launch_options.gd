class_name LaunchOptions
extends RefCounted
## What the command line asks for, behind the lone [code]--[/code]:
## [codeblock lang=text]
## --server                 a dedicated signaling server, without a window
## --host                   opens a lobby on the server at --url, or else on one inside this game
## --join=CODE              joins the lobby with this code on the server at --url
## --url=ws://…             where the signaling server is
## --port=9080              where a server of this game listens; 0 takes any free port
## --mesh, --client-server  how the players of a hosted lobby connect; mesh unless told otherwise
## --bot                    plays by itself, and quits when it has met the others
## --players=3              how many players a bot expects, itself included
## --name=Fox               the player's name
## --scene=lab|game|protocols  the tab to show
## --screenshot=PATH        shows the scene at work, saves a PNG of it and quits
## [/codeblock]

enum Role { DESKTOP, SERVER, HOST, JOIN }

const DEFAULT_PORT := 9080
const MOST_PLAYERS := 64
const DEFAULT_URL := "ws://127.0.0.1:9080"
## In the order of the tabs.
const SCENES: Array[String] = ["lab", "game", "protocols"]

var role := Role.DESKTOP
var port := DEFAULT_PORT
## Where the signaling server is; empty when a host is to start its own.
var url := ""
var lobby := ""
var mesh := true
var bot := false
var players := 3
var player_name := ""
var scene := ""
var screenshot := ""
## What is wrong with the arguments, empty when nothing is.
var error := ""


static func parse(arguments: PackedStringArray) -> LaunchOptions:
	var options := LaunchOptions.new()
	for argument in arguments:
		var option := argument.get_slice("=", 0)
		options._take(option, argument.trim_prefix(option).trim_prefix("="))
	if options.role == Role.DESKTOP and OS.has_feature("dedicated_server"):
		options.role = Role.SERVER
	if options.role == Role.JOIN and options.url.is_empty():
		options.url = DEFAULT_URL
	if options.role == Role.JOIN and options.lobby.is_empty():
		options.error = "--join wants the code of a lobby"
	if options.bot and options.role not in [Role.HOST, Role.JOIN]:
		options.error = "--bot needs --host or --join=CODE"
	return options


func _take(option: String, value: String) -> void:
	match option:
		"--server":
			role = Role.SERVER
		"--host":
			role = Role.HOST
		"--join":
			role = Role.JOIN
			lobby = value
		"--url":
			url = value
		"--port":
			port = _number(option, value, 0, 65535)
		"--players":
			players = _number(option, value, 2, MOST_PLAYERS)
		"--mesh":
			mesh = true
		"--client-server":
			mesh = false
		"--bot":
			bot = true
		"--name":
			player_name = value
		"--scene":
			scene = value
			if value not in SCENES:
				error = "--scene is one of: %s" % ", ".join(SCENES)
		"--screenshot":
			screenshot = value
		_:
			error = "unknown argument: %s" % option


func _number(option: String, value: String, lowest: int, highest: int) -> int:
	if not value.is_valid_int() or value.to_int() < lowest or value.to_int() > highest:
		error = "%s wants a number from %d to %d" % [option, lowest, highest]
	return value.to_int()
