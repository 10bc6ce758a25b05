extends "res://tests/cloudlink_case.gd"
## A game in a lobby of CloudLink 5 with a web client in a page. The page sends back what is said to
## all, opens a channel for each that is opened, and closes the connection when it is told to hang
## up. User arguments: [code]--url=[/code] of the server, and [code]--lobby=[/code] to join; without
## a lobby the game creates one and prints its name.

const PATIENCE := 20.0


func test_a_web_client_talks_back() -> void:
	var client := CloudLinkClient.new()
	client.assign_multiplayer_peer = false
	client.open_channels = true
	client.url = user_argument("url")
	client.game = "interop"
	add_child(client)
	var told := record_all(client)
	var lobby := user_argument("lobby")
	if lobby.is_empty():
		await check_enters(client.create_lobby("den", {max_players = 1}))
		print("lobby den")
	else:
		await check_enters(client.join_lobby(lobby))
	await until(func() -> bool: return told_of(told, "channel_opened"), PATIENCE, "connected")
	var page: String = client.get_members().filter(
		func(member: Dictionary) -> bool: return not member.is_me)[0].member

	for message: Variant in ["grüße", {a = [1.0, null, "ü"]}, "x".repeat(100_000)]:
		await check_answered(client, told, page, "default", message)
	check_equal(client.open_channel(page, "chat", false), OK, "opens a channel")
	await until(func() -> bool: return ["channel_opened", page, "chat back"] in told, PATIENCE,
		"the page opens one, too")
	for channel: String in ["chat", "chat back"]:
		await check_answered(client, told, page, channel, "on %s" % channel)

	check_equal(client.end_call(page), OK, "hangs up")
	await until(func() -> bool: return ["channel_closed", page, "default"] in told, PATIENCE,
		"the page closes the connection")
	check_equal(client.get_channels(page), PackedStringArray(), "no channels any more")


func check_answered(client: CloudLinkClient, told: Array[Array], page: String, channel: String,
		message: Variant) -> void:
	check_equal(client.send_message(message, channel), OK, "sent")
	await until(func() -> bool:
		return ["message_received", page, channel, message, true] in told,
		PATIENCE, "comes back on %s: %s" % [channel, str(message).left(40)])
