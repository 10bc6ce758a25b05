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
		check_equal(reasons, ["The host has left the game."] as Array[String], "why")
		check(guest.players.all().is_empty(), "nobody is left")


func test_a_match_goes_on_without_its_host() -> void:
	var server := SignalingServer.new()
	server.port = 0
	add_child(server)
	server.listen()
	var url := "ws://127.0.0.1:%d" % server.get_local_port()
	for mesh: bool in [true, false]:
		var lobbies: Array[String] = []
		var host := _add_game()
		host.entered.connect(lobbies.append)
		host.host(url, {"mesh": mesh})
		await until(func() -> bool: return not lobbies.is_empty(), 5.0, "the host's lobby")
		var first := _add_game()
		first.join(url, lobbies[0])
		await until(func() -> bool: return first.players.all().size() == 2, 10.0, "two avatars")
		var second := _add_game()
		second.join(url, lobbies[0])
		for game: Game in [host, first, second]:
			await until(func() -> bool: return game.players.all().size() == 3, 10.0, "three avatars")
		var color := first.players.find(first.multiplayer.get_unique_id()).color
		host.get_parent().queue_free()
		for game: Game in [first, second]:
			await until(func() -> bool: return _is_hosted_anew(game), 10.0, "two avatars, another host")
		check_equal(first.players.host, first.multiplayer.get_unique_id(), "the oldest is the host")
		var id := first.multiplayer.get_unique_id()
		check_equal(second.players.find(id).color, color, "and looks as before")
		await _meet(first, second)
		first.leave()
		second.leave()


func _is_hosted_anew(game: Game) -> bool:
	return game.players.all().size() == 2 and game.players.find(game.players.host) != null


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


## Both see two avatars, see the guest's one move, and hear what the guest says.
func _meet(host: Game, guest: Game) -> void:
	var heard: Array[String] = []
	for game: Game in [host, guest]:
		game.chat.heard.connect(func(_id: int, text: String, _direct: bool) -> void: heard.append(text))
		await until(func() -> bool: return game.players.all().size() == 2, 10.0, "two avatars")
	var id := guest.multiplayer.get_unique_id()
	var start := guest.players.find(id).position
	Input.action_press(&"move_right")
	for game: Game in [host, guest]:
		await until(func() -> bool: return game.players.find(id).position.x > start.x + 10.0, 5.0,
			"the guest moves")
	Input.action_release(&"move_right")
	guest.chat.say("hello")
	await until(func() -> bool: return heard == ["hello", "hello"], 5.0, "both hear the guest")
