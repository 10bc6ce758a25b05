extends "res://tests/case.gd"
## Who stands behind WebRTCPeerConnection.

const SETTING := "signaling/webrtc/backend"


func test_the_builtin_transport_is_the_default() -> void:
	var connection := WebRTCPeerConnection.new()
	check_equal(connection.get_class(), "WebRTCNativePeerConnection", "its class")


func test_the_setting_is_known_to_the_editor() -> void:
	check_equal(ProjectSettings.get_setting(SETTING), "auto", "its default")
	var infos := ProjectSettings.get_property_list().filter(
		func(info: Dictionary) -> bool: return info.name == SETTING)
	check_equal(infos.size(), 1, "it is listed once")
	check_equal(infos[0].hint, PROPERTY_HINT_ENUM, "it is a choice")
	check_equal(infos[0].hint_string, "auto,builtin,external", "its values")
