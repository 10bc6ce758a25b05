extends Node
## Runs every test of one file, named by the user argument [code]--case=test_x.gd[/code], says
## what failed, and leaves with exit code 0 only when every test passed.

const Case := preload("res://tests/case.gd")
const CASE_ARGUMENT := "--case="


func _ready() -> void:
	# A test may pause the tree; the runner goes on.
	process_mode = PROCESS_MODE_ALWAYS
	var passed := await _run_file(_case_file())
	if passed:
		print("ALL TESTS PASSED")
	get_tree().quit(0 if passed else 1)


func _case_file() -> String:
	for argument in OS.get_cmdline_user_args():
		if argument.begins_with(CASE_ARGUMENT):
			return argument.trim_prefix(CASE_ARGUMENT)
	return ""


func _run_file(file: String) -> bool:
	var script := load("res://tests".path_join(file)) as GDScript
	if script == null or not script.can_instantiate():
		print("FAILED: %s is not a script that can run" % file)
		return false
	var passed := true
	var tests := _tests_in(script)
	for test in tests:
		passed = await _run_test(script, test) and passed
	if tests.is_empty():
		print("FAILED: %s has no test" % file)
	return passed and not tests.is_empty()


func _tests_in(script: GDScript) -> PackedStringArray:
	var names: PackedStringArray = []
	for method in script.get_script_method_list():
		var test: String = method.name
		if test.begins_with("test_") and not test in names:
			names.append(test)
	return names


func _run_test(script: GDScript, test: String) -> bool:
	var case: Case = script.new()
	case.name = test
	add_child(case)
	var started := Time.get_ticks_msec()
	await case.call(test)
	var failures := case.failures
	# A script error ends a test where it stands, perhaps before anything was checked.
	if case.checks == 0:
		failures.append("nothing was checked")
	case.queue_free()
	await case.tree_exited
	get_tree().paused = false
	for failure in failures:
		print("FAILED: %s: %s" % [test, failure])
	if failures.is_empty():
		print("ok: %s (%d ms)" % [test, Time.get_ticks_msec() - started])
	return failures.is_empty()
