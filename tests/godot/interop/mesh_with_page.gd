extends "res://tests/case.gd"
## Two players in a mesh with a page in a browser, which answers "ping …" with "pong …" on the same
## channel. User arguments: [code]--url=[/code] of the signaling server, and [code]--lobby=[/code]
## to join; without a lobby they create one and print its name.

const Player := preload("res://tests/fixtures/player.gd")
const MODES: Dictionary[String, MultiplayerPeer.TransferMode] = {
	"reliable": MultiplayerPeer.TRANSFER_MODE_RELIABLE,
	"ordered": MultiplayerPeer.TRANSFER_MODE_UNRELIABLE_ORDERED,
	"unreliable": MultiplayerPeer.TRANSFER_MODE_UNRELIABLE,
}
const SIZES: Array[int] = [10, 1000, 60 * 1024]
## Longer messages need not leave within the millisecond that Godot gives an unreliable one.
const LONGEST_UNRELIABLE := 1000
## Frames after which an unreliable message is sent once more.
const RESEND_FRAMES := 15


func test_a_page_plays_along() -> void:
	var players: Array[Player] = [_add_player(), _add_player()]
	var lobby := user_argument("lobby")
	if lobby.is_empty():
		lobby = await _enter(players[0], "")
		print("lobby ", lobby)
	else:
		await _enter(players[0], lobby)
	await _enter(players[1], lobby)
	for player in players:
		await until(func() -> bool: return player.others().size() == 2, 20.0,
			"%d is connected to the other player and the page" % player.id())
	for player in players:
		await _exchange(player, _page_of(player, players))


func _add_player() -> Player:
	var player := Player.new()
	add_child(player, true)
	return player


## Joins or creates a lobby; its name.
func _enter(player: Player, lobby: String) -> String:
	var joined: Array[String] = []
	player.client.lobby_joined.connect(func(joined_lobby: String) -> void:
		joined.append(joined_lobby))
	player.client.start(user_argument("url"), lobby)
	await until(func() -> bool: return not joined.is_empty(), 20.0, "in a lobby")
	return "" if joined.is_empty() else joined[0]


func _page_of(player: Player, players: Array[Player]) -> int:
	var ids := players.map(func(other: Player) -> int: return other.id())
	var others := player.others().filter(func(id: int) -> bool: return not id in ids)
	return 0 if others.is_empty() else others[0]


## Lets the player and the page talk on every channel, in every size.
func _exchange(player: Player, page: int) -> void:
	var heard: Array[PackedByteArray] = []
	var api: SceneMultiplayer = player.multiplayer
	api.peer_packet.connect(func(from: int, packet: PackedByteArray) -> void:
		if from == page:
			heard.append(packet))
	for mode: String in MODES:
		for size in SIZES:
			if mode != "reliable" and size > LONGEST_UNRELIABLE:
				continue
			var text := "%s %d " % [mode, size]
			text = text.rpad(size, "~")
			var frame := [0]
			await until(func() -> bool:
				var again: bool = mode != "reliable" and frame[0] % RESEND_FRAMES == 0
				if again or frame[0] == 0:
					api.send_bytes(("ping " + text).to_utf8_buffer(), page, MODES[mode])
				frame[0] += 1
				return ("pong " + text).to_utf8_buffer() in heard,
				20.0, "the page answers %d: %s of %d bytes" % [player.id(), mode, size])

