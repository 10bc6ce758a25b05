extends PanelContainer
## The ground the avatars walk on.

const GAP := 44.0
const DOT := Color("262b3a")


func _draw() -> void:
	for x in range(GAP / 2.0, size.x, GAP):
		for y in range(GAP / 2.0, size.y, GAP):
			draw_circle(Vector2(x, y), 1.6, DOT, true, -1.0, true)
