extends "res://tests/signaling_case.gd"
## What only another process shows: how the extension ends, and that it rests in the editor.


func test_quitting_with_open_connections_is_clean_and_quick() -> void:
	for when: String in ["--handshaking", "--connected"]:
		var started := Time.get_ticks_msec()
		var run := _run(["res://tests/fixtures/quitting.tscn", "--", when])
		check_equal(run.code, 0, "exit code")
		check("QUITTING" in run.text, "it came so far")
		_check_clean(run.text)
		check(Time.get_ticks_msec() - started < 10_000, "no hang")


func test_nothing_starts_in_the_editor() -> void:
	# Whoever starts a server while this one holds the port complains.
	var server := add_server({"port": 29081})
	const SCENE := "res://tests/fixtures/autostart.tscn"
	check("cannot listen on port 29081" in _run(["--quit-after", "5", SCENE]).text, "in a game")
	var editor := _run(["--editor", "--quit", SCENE])
	check_equal(editor.code, 0, "exit code of the editor")
	_check_clean(editor.text)
	check(server.is_listening(), "held meanwhile")


func _run(arguments: PackedStringArray) -> Dictionary:
	var output: Array = []
	var project := ProjectSettings.globalize_path("res://")
	var code := OS.execute(OS.get_executable_path(),
		PackedStringArray(["--headless", "--path", project]) + arguments, output, true)
	return {"code": code, "text": output[0]}


func _check_clean(text: String) -> void:
	for complaint: String in ["ERROR", "WARNING", "leaked", "Orphan", "panicked"]:
		check(not complaint in text, "no %s in:\n%s" % [complaint, text])
