class_name Desktop
extends TabContainer
## The window: a tab with the signaling lab, a tab with the game, a tab with other protocols.

const LAB := 0
const GAME := 1
const TONGUES := 2
## How long a scene at work gets to fill with life before its picture is taken, in seconds.
const EXPOSURE := 2.0

@onready var _lab: Lab = $Lab
@onready var _game: Game = $Game
@onready var _bot: Bot = $Game/Bot


func _ready() -> void:
	set_tab_title(LAB, "Signaling lab")
	set_tab_title(GAME, "Game")
	set_tab_title(TONGUES, "Other protocols")


## Does what the command line asked for.
func open(options: LaunchOptions) -> void:
	var plays := options.role != LaunchOptions.Role.DESKTOP
	if not plays:
		tab_changed.connect(_on_tab_changed)
	current_tab = GAME if plays else maxi(LAB, LaunchOptions.SCENES.find(options.scene))
	if options.bot:
		_bot.start(options.players)
	if plays:
		_game.run(options)
	if not options.screenshot.is_empty():
		_photograph(options)


func _on_tab_changed(tab: int) -> void:
	if tab == GAME:
		_game.browse()


## A bot has its picture taken when it has met everybody, a lab when its clients have.
func _photograph(options: LaunchOptions) -> void:
	if options.bot:
		_bot.finale = _save_screenshot.bind(options.screenshot)
		return
	if current_tab == LAB:
		await _lab.show_off()
	await _save_screenshot(options.screenshot)
	get_tree().quit()


func _save_screenshot(path: String) -> void:
	await get_tree().create_timer(EXPOSURE).timeout
	await RenderingServer.frame_post_draw
	var error := get_viewport().get_texture().get_image().save_png(path)
	if error != OK:
		printerr("cannot save %s: %s" % [path, error_string(error)])
