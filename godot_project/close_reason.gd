class_name CloseReason
## Says in words for players why a signaling connection ended.

## What the server answers, and what a player should read.
const WORDS: Dictionary[String, String] = {
	"Lobby does not exists": "There is no lobby with this code.",
	"Lobby is sealed": "This lobby is sealed, nobody can join it any more.",
	"Room host has disconnected": "The host has closed the lobby.",
	"Seal complete": "The lobby is sealed, the server is no longer needed.",
	"Have not joined lobby yet": "The server waited in vain for a lobby to be named.",
	"Only host can seal the lobby": "Only the host can seal the lobby.",
	"Too many peers connected": "The server is full.",
	"Too many lobbies open, disconnecting": "The server has no room for another lobby.",
}


static func describe(code: int, reason: String) -> String:
	if WORDS.has(reason):
		return WORDS[reason]
	match code:
		1000:
			return "The connection was closed."
		1001:
			return "The signaling server has shut down."
		1006, -1:
			return "The signaling server cannot be reached."
	return "The server closed the connection (%d%s)." % [code, "" if reason.is_empty() else ": " + reason]
