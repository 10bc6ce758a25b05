extends Node
## What a test file extends. Each method whose name starts with "test_" runs on an instance of
## its own, a node in the tree that is freed afterwards together with everything added to it.

## What did not hold, in the order it was found; the runner prints it.
var failures: PackedStringArray = []
## How many checks were made; the runner fails a test that made none.
var checks := 0


## Records a failure when [param condition] is false. Returns the condition, so that a test may
## stop where going on makes no sense.
func check(condition: bool, what: String) -> bool:
	checks += 1
	if not condition:
		failures.append(what)
	return condition


## Records a failure when the two values differ in type or content.
func check_equal(actual: Variant, expected: Variant, what: String) -> bool:
	var same: bool = typeof(actual) == typeof(expected) and actual == expected
	var values := "" if same else " (got %s, expected %s)" % [
		var_to_str(actual), var_to_str(expected)]
	return check(same, what + values)


## Waits, frame by frame, until [param condition] returns true; records a failure when it does
## not within [param seconds] of real time.
func until(condition: Callable, seconds: float, what: String) -> bool:
	var deadline := Time.get_ticks_msec() + int(seconds * 1000.0)
	var fulfilled: bool = condition.call()
	while not fulfilled and Time.get_ticks_msec() < deadline:
		await get_tree().process_frame
		fulfilled = condition.call()
	return check(fulfilled, "%s (waited %s s)" % [what, seconds])


## The value of the user argument [code]--name=value[/code]; empty if there is none.
func user_argument(wanted: String) -> String:
	for argument in OS.get_cmdline_user_args():
		if argument.begins_with("--%s=" % wanted):
			return argument.get_slice("=", 1)
	return ""


## Waits for [param count] frames, also while the tree is paused.
func frames(count: int) -> void:
	for _frame in count:
		await get_tree().process_frame
