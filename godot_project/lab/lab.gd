class_name Lab
extends HBoxContainer
## The signaling lab: a server and three clients in one window.

@onready var _server: ServerPanel = $ServerPanel
@onready var _clients: Array[ClientPanel] = [$Client1, $Client2, $Client3]


func _ready() -> void:
	_server.url_changed.connect(_on_server_url_changed)
	for client in _clients:
		client.entered_lobby.connect(_on_client_entered_lobby)


## Plays a meeting of the three clients, so that there is something to see.
func show_off() -> void:
	_server.start()
	_clients[0].host()
	await _clients[0].entered_lobby
	for joiner: ClientPanel in [_clients[1], _clients[2]]:
		joiner.join()
		await joiner.entered_lobby
	for client in _clients:
		while client.multiplayer.get_peers().size() < _clients.size() - 1:
			await client.multiplayer.peer_connected
	for client in _clients:
		client.ping()
	await get_tree().create_timer(1.0).timeout
	for client in _clients:
		client.list_peers()


func _on_server_url_changed(url: String) -> void:
	for client in _clients:
		client.url = url


func _on_client_entered_lobby(lobby: String) -> void:
	for client in _clients:
		client.suggest_lobby(lobby)
