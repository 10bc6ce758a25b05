extends "res://tests/case.gd"
## The demo project: its command line, the lab, and the game from both sides.

const GAME := preload("res://game/game.tscn")
const LAB := preload("res://lab/lab.tscn")


func test_the_command_line() -> void:
	var options := LaunchOptions.parse(["--join=K7QF", "--bot", "--players=2", "--name=A=B"])
	check_equal(options.error, "", "no error")
	check_equal(options.role, LaunchOptions.Role.JOIN, "role")
	check_equal(options.lobby, "K7QF", "lobby")
	check_equal(options.url, LaunchOptions.DEFAULT_URL, "a guest needs some server")
	check_equal([options.bot, options.players, options.player_name], [true, 2, "A=B"], "bot")
	check_equal(LaunchOptions.parse(["--host"]).url, "", "a host may be its own server")
	check_equal(LaunchOptions.parse(["--server", "--port=0"]).port, 0, "any port")
	for wrong: String in [
			"--port=65536", "--port=x", "--players=1", "--scene=x", "--bot", "--join", "x"]:
		check(not LaunchOptions.parse([wrong]).error.is_empty(), "refused: " + wrong)


func test_the_clients_of_the_lab_meet() -> void:
	var lab: Lab = LAB.instantiate()
	add_child(lab)
	(lab.get_node("ServerPanel").find_child("Port") as SpinBox).value = 0
	await lab.show_off()
	for number: int in [1, 2, 3]:
		var client: ClientPanel = lab.get_node("Client%d" % number)
		check_equal(client.multiplayer.get_peers().size(), 2, "%s has met the others" % client.name)
		var told := (client.find_child("Log") as RichTextLabel).get_parsed_text()
		check_equal(told.count(" answered in "), 2, "%s got its pings answered" % client.name)


func test_a_game_with_a_guest_who_leaves() -> void:
	for mesh: bool in [true, false]:
		var host := _add_game()
		var guest := await _add_guest(host, mesh)
		await _meet(host, guest)
		guest.leave()
		await until(func() -> bool: return host.players.all().size() == 1, 5.0, "the guest has gone")
		host.leave()


func test_a_game_whose_host_leaves() -> void:
	for mesh: bool in [true, false]:
		var host := _add_game()
		var guest := await _add_guest(host, mesh)
		await _meet(host, guest)
		var reasons: Array[String] = []
		guest.left.connect(func(reason: String) -> void: reasons.append(reason))
		host.leave()
		await until(func() -> bool: return not reasons.is_empty(), 5.0, "the guest is told")
		check_equal(reasons, ["The host has left."] as Array[String], "why")
		check(guest.players.all().is_empty(), "nobody is left")


func test_a_lobby_from_the_list_with_a_password() -> void:
	var url := _add_server()
	var guest := _add_game()
	(guest.find_child("LobbyBrowser") as LobbyBrowser).watch(url, "Guest")
	(guest.find_child("Url") as LineEdit).text = url
	var host := _add_game()
	host.host(url, {"public": true, "password": "sesame", "metadata": {"title": "Treasure"}})
	var list := guest.find_child("List")
	await until(func() -> bool: return list.get_child_count() == 1, 5.0, "the lobby is listed")
	check_equal((list.get_child(0).find_child("Title") as Label).text, "Treasure", "its title")
	(list.get_child(0).find_child("Join") as Button).pressed.emit()
	var prompt: PasswordPrompt = guest.get_node("PasswordPrompt")
	for password: String in ["open", "sesame"]:
		await until(func() -> bool: return prompt.visible, 10.0, "asked for the password")
		(prompt.find_child("Password") as LineEdit).text = password
		(prompt.find_child("Join") as Button).pressed.emit()
	await _meet(host, guest)
	guest.leave()
	host.leave()


func test_an_invitation() -> void:
	var url := _add_server()
	var host := _add_game()
	host.host(url, {"password": "sesame"})
	await until(func() -> bool: return host.players.all().size() == 1, 5.0, "the host plays")
	var guest := _add_game()
	(guest.find_child("LobbyBrowser") as LobbyBrowser).watch(url, "Guest")
	(host.find_child("Invite") as Button).button_pressed = true
	var list := host.find_child("InviteCard").find_child("List")
	var prompt: InvitePrompt = guest.get_node("InvitePrompt")
	await until(func() -> bool: return list.get_child_count() == 1, 5.0, "the guest is seen")
	for answer: String in ["Decline", "Join"]:
		_invite_first(host)
		await until(func() -> bool: return prompt.visible, 5.0, "invited")
		(prompt.find_child(answer) as Button).pressed.emit()
		if answer == "Decline":
			var status: Label = list.get_child(0).find_child("Status")
			await until(func() -> bool: return status.text == "would rather not", 5.0, "denied")
	await _meet(host, guest)
	check_equal(list.get_child_count(), 0, "who is there cannot be invited")
	guest.leave()
	host.leave()


func test_an_invitation_that_is_taken_back() -> void:
	var url := _add_server()
	var host := _add_game()
	host.host(url, {})
	await until(func() -> bool: return host.players.all().size() == 1, 5.0, "the host plays")
	var guest := _add_game()
	(guest.find_child("LobbyBrowser") as LobbyBrowser).watch(url, "Guest")
	(host.find_child("Invite") as Button).button_pressed = true
	var list := host.find_child("InviteCard").find_child("List")
	await until(func() -> bool: return list.get_child_count() == 1, 5.0, "the guest is seen")
	var row: InviteRow = list.get_child(0)
	var prompt: InvitePrompt = guest.get_node("InvitePrompt")
	for is_asked: bool in [true, false]:
		_invite_first(host)
		await until(func() -> bool: return prompt.visible == is_asked and (row.invite != 0) == is_asked,
			5.0, "asked" if is_asked else "asked no more")
	host.leave()


func test_a_colour_is_one_player_s() -> void:
	var host := _add_game()
	var guest := await _add_guest(host, true)
	await _meet(host, guest)
	var palettes: Array[Palette] = [host.find_child("Palette"), guest.find_child("Palette")]
	for palette in palettes:
		await until(func() -> bool: return palette.holder(0) == host.players.me, 5.0, "the first")
		await until(func() -> bool: return palette.holder(1) == guest.players.me, 5.0, "the next")
	check((palettes[1].get_child(0) as Swatch).disabled, "it is taken")
	for palette in palettes:
		(palette.get_child(5) as Swatch).pressed.emit()
	for palette in palettes:
		await until(func() -> bool: return palette.holder(5) != 0, 5.0, "somebody gets it")
		await until(func() -> bool: return palette.holder(0) == 0 or palette.holder(1) == 0, 5.0,
			"and gives up the other")
	check_equal(palettes[0].holder(5), palettes[1].holder(5), "they agree who")
	for game: Game in [host, guest]:
		check_equal(game.players.find(palettes[0].holder(5)).color, Palette.COLORS[5], "painted")
	guest.leave()
	host.leave()


func test_who_looks_elsewhere_is_away() -> void:
	var host := _add_game()
	var guest := await _add_guest(host, true)
	await _meet(host, guest)
	var row := (host.find_child("PlayerList") as PlayerList).row(guest.players.me)
	var role: Label = row.find_child("Role")
	for change: Array in [
			[NOTIFICATION_APPLICATION_FOCUS_OUT, "away"], [NOTIFICATION_APPLICATION_FOCUS_IN, ""]]:
		guest.propagate_notification(change[0])
		await until(func() -> bool: return role.text == change[1], 5.0, "role: %s" % change[1])
	guest.leave()
	host.leave()


func test_a_host_changes_and_closes_the_lobby() -> void:
	var host := _add_game()
	var guest := await _add_guest(host, true)
	await _meet(host, guest)
	(host.find_child("Settings") as Button).button_pressed = true
	var settings: LobbySettings = host.find_child("LobbySettings")
	(settings.find_child("Limit") as SpinBox).value = 3
	(settings.find_child("Locked") as CheckBox).button_pressed = true
	(settings.find_child("Password") as LineEdit).text_submitted.emit("sesame")
	var client: SignalingClient = guest.get_node("SignalingClient")
	await until(func() -> bool: return client.get_lobby().has_password, 5.0, "changed")
	var lobby := client.get_lobby()
	check_equal([lobby.max_players, lobby.locked, lobby.public], [3, true, false], "as it is set")
	var about: Label = guest.find_child("LobbyCard").find_child("About")
	check(about.text.ends_with("password · locked · not listed"), "it says so: " + about.text)
	check((guest.find_child("Settings") as Button).disabled, "the guest may change nothing")
	var reasons: Array[String] = []
	for game: Game in [host, guest]:
		game.left.connect(reasons.append)
	(settings.find_child("Close") as Button).pressed.emit()
	await until(func() -> bool: return reasons.size() == 2, 5.0, "both are out")
	check_equal(reasons[0], "The lobby was closed.", "why")
	check(not settings.is_visible_in_tree() and not settings.visible, "the card is closed")


func test_quick_join() -> void:
	var url := _add_server()
	var host := _add_game()
	var guest := _add_game()
	host.entered.connect(func(_lobby: String) -> void: guest.quick_join(url, {}))
	host.quick_join(url, {})
	await _meet(host, guest)
	guest.leave()
	host.leave()


func test_a_banned_player_may_not_return() -> void:
	var url := _add_server()
	var games := await _add_party(url, true)
	var lobby: String = (games[0].get_node("SignalingClient") as SignalingClient).get_lobby().code
	var reasons: Array[String] = []
	games[2].left.connect(func(reason: String) -> void: reasons.append(reason))
	_command(games[0], games[2].players.me, PlayerRow.Command.BAN)
	for count: int in [1, 2]:
		await until(func() -> bool: return reasons.size() == count, 5.0, "out")
		check_equal(reasons.back(), "You are banned from this lobby.", "why")
		games[2].join(url, lobby)
	games[2].leave()
	await _meet(games[0], games[1])
	games[1].leave()
	games[0].leave()


func test_a_lobby_of_the_plain_protocol() -> void:
	var url := _add_server()
	var host := _add_game()
	var guest := _add_game()
	for game: Game in [host, guest]:
		(game.get_node("SignalingClient") as SignalingClient).extended = false
	host.entered.connect(func(lobby: String) -> void: guest.join(url, lobby))
	host.host(url, {"public": true, "max_players": 8})
	await _meet(host, guest)
	guest.leave()
	host.leave()


func test_what_the_host_may_do() -> void:
	var url := _add_server()
	for mesh: bool in [true, false]:
		var games := await _add_party(url, mesh)
		_command(games[0], games[1].players.me, PlayerRow.Command.MAKE_HOST)
		for game in games:
			await until(func() -> bool: return _is_hosted_by(game, games[1], 3), 10.0, "another host")
		var reasons: Array[String] = []
		games[2].left.connect(func(reason: String) -> void: reasons.append(reason))
		_command(games[1], games[2].players.me, PlayerRow.Command.KICK)
		await until(func() -> bool: return not reasons.is_empty(), 5.0, "kicked")
		await until(func() -> bool: return games[0].players.all().size() == 2, 5.0, "two are left")
		await _meet(games[1], games[0])
		games[0].leave()
		games[1].leave()


func test_a_match_goes_on_without_its_host() -> void:
	var url := _add_server()
	for mesh: bool in [true, false]:
		var games := await _add_party(url, mesh)
		var color := games[1].players.find(games[1].players.me).color
		games[0].get_parent().queue_free()
		games.pop_front()
		for game in games:
			await until(func() -> bool: return _is_hosted_by(game, games[0], 2), 10.0, "another host")
		check_equal(games[1].players.find(games[0].players.me).color, color, "looks as before")
		var client: SignalingClient = games[1].get_node("SignalingClient")
		check_equal(client.get_lobby().host_name, games[0].player_name, "whose lobby it is")
		await _meet(games[0], games[1])
		for game in games:
			game.leave()


func test_a_port_in_use() -> void:
	var other := TCPServer.new()
	other.listen(0)
	var game := _add_game()
	var reasons: Array[String] = []
	game.left.connect(func(reason: String) -> void: reasons.append(reason))
	game.host_here(other.get_local_port(), {})
	check_equal(reasons, ["Port %d is already in use." % other.get_local_port()] as Array[String],
		"why")


## A game with players of its own, in a branch of the multiplayer tree.
func _add_game() -> Game:
	var branch := Node.new()
	add_child(branch)
	var path := branch.get_path()
	get_tree().set_multiplayer(MultiplayerAPI.create_default_interface(), path)
	branch.tree_exiting.connect(get_tree().set_multiplayer.bind(null, path))
	var game: Game = GAME.instantiate()
	branch.add_child(game)
	return game


func _add_guest(host: Game, mesh: bool) -> Game:
	var lobbies: Array[String] = []
	host.entered.connect(lobbies.append)
	host.host_here(0, {"mesh": mesh})
	await until(func() -> bool: return not lobbies.is_empty(), 5.0, "the host's lobby")
	var server: SignalingServer = host.get_node("SignalingServer")
	var guest := _add_game()
	guest.join("ws://127.0.0.1:%d" % server.get_local_port(), lobbies[0])
	return guest


## The address of a server without a game.
func _add_server() -> String:
	var server := SignalingServer.new()
	server.port = 0
	add_child(server)
	check_equal(server.listen(), OK, "listens")
	return "ws://127.0.0.1:%d" % server.get_local_port()


## A host and two guests who have met.
func _add_party(url: String, mesh: bool) -> Array[Game]:
	var lobbies: Array[String] = []
	var games: Array[Game] = [_add_game(), _add_game(), _add_game()]
	for game in games:
		(game.find_child("PlayerName") as LineEdit).text = "Player %d" % games.find(game)
	games[0].entered.connect(lobbies.append)
	games[0].host(url, {"mesh": mesh})
	for guest: Game in games.slice(1):
		await until(func() -> bool: return not lobbies.is_empty(), 5.0, "the lobby")
		guest.join(url, lobbies[0])
		await until(func() -> bool: return guest.players.all().size() > 1, 10.0, "a guest")
	for game in games:
		await until(func() -> bool: return game.players.all().size() == 3, 10.0, "three avatars")
	return games


func _is_hosted_by(game: Game, host: Game, count: int) -> bool:
	var avatar := game.players.find(host.players.me)
	return game.players.host == host.players.host and host.players.host == host.players.me \
		and game.players.all().size() == count and avatar != null


## Chooses from the host's menu about the player with this id.
func _command(game: Game, id: int, command: PlayerRow.Command) -> void:
	var list: PlayerList = game.find_child("PlayerList")
	var menu: MenuButton = list.row(id).find_child("Commands")
	menu.get_popup().id_pressed.emit(command)


## Presses the button of the only player who can be invited.
func _invite_first(game: Game) -> void:
	var row := game.find_child("InviteCard").find_child("List").get_child(0)
	(row.find_child("Invite") as Button).pressed.emit()


## Both see two avatars, see the guest's one move, and hear what the guest says.
func _meet(host: Game, guest: Game) -> void:
	var heard: Array[String] = []
	for game: Game in [host, guest]:
		game.chat.heard.connect(func(_id: int, text: String, _direct: bool) -> void: heard.append(text))
		await until(func() -> bool: return game.players.all().size() == 2, 10.0, "two avatars")
	var id := guest.players.me
	var start := guest.players.find(id).position
	Input.action_press(&"move_right")
	for game: Game in [host, guest]:
		await until(func() -> bool: return game.players.find(id).position.x > start.x + 10.0, 5.0,
			"the guest moves")
	Input.action_release(&"move_right")
	guest.chat.say("hello")
	await until(func() -> bool: return heard == ["hello", "hello"], 5.0, "both hear the guest")
