class_name Explain
## Says in words for players what went wrong.

## What the server answers, and what a player should read.
const ANSWERS: Dictionary[String, String] = {
	"Lobby does not exists": "There is no lobby with this code.",
	"Lobby is sealed": "This lobby is sealed, nobody can join it any more.",
	"Room host has disconnected": "The host has closed the lobby.",
	"Seal complete": "The lobby is sealed, the server is no longer needed.",
	"Too many peers connected": "The server is full.",
	"Too many lobbies open, disconnecting": "The server has no room for another lobby.",
}


## Why a signaling connection has ended.
static func disconnection(code: int, reason: String) -> String:
	if ANSWERS.has(reason):
		return ANSWERS[reason]
	match code:
		1000:
			return "The connection was closed."
		1001:
			return "The signaling server has shut down."
		1006:
			return "The signaling server cannot be reached."
	return "The server closed the connection (%d %s)." % [code, reason]


## Why a connection to the address [param url] was not even tried.
static func connect_error(error: Error, url: String) -> String:
	match error:
		ERR_INVALID_PARAMETER:
			return "%s is no address of a signaling server, which begins with ws://." % url
		ERR_UNAVAILABLE:
			return "Encrypted addresses (wss://) do not work yet."
	return "Cannot connect to %s: %s." % [url, error_string(error)]


## Why a server does not listen on [param port].
static func listen_error(error: Error, port: int) -> String:
	if error == ERR_ALREADY_IN_USE:
		return "Port %d is already in use." % port
	return "Cannot listen on port %d: %s." % [port, error_string(error)]
