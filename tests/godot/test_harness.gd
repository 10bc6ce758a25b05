extends "res://tests/case.gd"
## The harness must not be green by mistake: a failing check is reported, and the process fails.


func test_failures_are_reported_and_end_the_process_with_an_error() -> void:
	var output: Array = []
	var code := OS.execute(OS.get_executable_path(), [
		"--headless", "--path", ProjectSettings.globalize_path("res://"),
		"res://tests/runner.tscn", "--", "--case=fixtures/failing.gd",
	], output, true)
	var text: String = output[0]
	check_equal(code, 1, "the process fails")
	check(not "ALL TESTS PASSED" in text, "the closing line is missing")
	for reason: String in [
		"test_a_failing_check: the check that fails",
		"test_values_that_differ: one is two (got 1, expected 2)",
		"test_a_condition_that_never_holds: the moment that never comes (waited 0.01 s)",
		"test_that_checks_nothing: nothing was checked",
	]:
		check("FAILED: " + reason in text, "reported: " + reason)
	check("ok: test_that_passes" in text, "the other tests run")


func test_values_of_another_type_are_not_equal() -> void:
	var other := (load("res://tests/case.gd") as GDScript).new() as Node
	check_equal(other.check_equal(1, 1.0, "types"), false, "an int is not a float")
	check_equal(other.check_equal([1], [1], "arrays"), true, "arrays compare by content")
	other.free()


func test_waiting_goes_on_while_the_tree_is_paused() -> void:
	get_tree().paused = true
	await frames(3)
	check(get_tree().paused, "frames pass and the tree stays paused")
