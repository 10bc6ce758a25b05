extends RefCounted
## A line between two connections that can be cut: every datagram between them goes through here.
## Each side is told the candidates of the other changed, so that it reaches one end of the line.

## While true, what arrives is lost.
var is_cut := false

## What each of the two sides sends to, and where it is.
var _ends: Array[PacketPeerUDP] = []
var _sides: Array[Array] = [[], []]


func _init() -> void:
	for side in 2:
		var end := PacketPeerUDP.new()
		end.bind(0, "0.0.0.0")
		_ends.append(end)


## The candidate of one side (0 or 1) as the other should get it; empty if it should not.
func candidate_of(side: int, candidate: String) -> String:
	var fields := candidate.split(" ")
	if fields.size() < 6 or not fields[4].is_valid_ip_address() or ":" in fields[4]:
		return ""
	if _sides[side].is_empty():
		_sides[side] = [fields[4], int(fields[5])]
	# The other side sends to its own end of the line.
	fields[5] = str(_ends[1 - side].get_local_port())
	return " ".join(fields)


## The description of one side as the other should get it.
func description_of(side: int, sdp: String) -> String:
	var lines: PackedStringArray = []
	for line in sdp.split("\r\n"):
		if line.begins_with("a=candidate:"):
			line = candidate_of(side, line.substr(2)).insert(0, "a=")
		if line != "a=":
			lines.append(line)
	return "\r\n".join(lines)


## Passes on what has arrived. Call it each frame.
func poll() -> void:
	for side in 2:
		while _ends[side].get_available_packet_count() > 0:
			var packet := _ends[side].get_packet()
			var other: Array = _sides[1 - side]
			if not is_cut and not other.is_empty():
				_ends[1 - side].set_dest_address(other[0], other[1])
				_ends[1 - side].put_packet(packet)
