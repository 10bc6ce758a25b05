//! The node `SignalingClient`.
//!
//! Reading order:
//! - `verbs`: what a game may ask for, with `argument` and `options` for what goes with it.
//! - `request`: what each verb returns, and `failure`: why it failed.
//! - `state`: how far the client has come.
//! - `session`: the main thread's end of a session, and `asked`: what waits for its answers.
//! - `telling`: the node's turn, once a frame.
//! - `room` with `members`, `watched`, `migration`: what is known of the lobby, of lists, and of a
//!   change of hosts.
//! - `post`: how members reach each other through the server while they connect.

pub(crate) mod argument;
mod asked;
pub(crate) mod failure;
mod members;
mod migration;
pub(crate) mod options;
mod post;
pub(crate) mod request;
mod room;
mod session;
mod state;
mod telling;
mod verbs;
mod watched;

use std::rc::Rc;

use godot::classes::notify::NodeNotification;
use godot::classes::{Node, WebRtcMultiplayerPeer};
use godot::global::Error;
use godot::prelude::*;
use godot::signal::ConnectHandle;
use signaling_core::PeerId;
use signaling_net::Endpoint;
use signaling_protocols::godot::client::candidate_payload;
use signaling_protocols::godot::extended::Request;
use signaling_protocols::godot::{ClientRequest, Protocol, RelayKind, SessionOptions, Topology};

use crate::class_enum;
use crate::client_node;
use crate::line::{self, endpoint};
use crate::peers::Mesh;
use crate::server::SignalingServer;
use argument::Keys;
use asked::{Asked, Question};
use failure::{Failure, Trouble};
use migration::Migration;
use post::LobbyPost;
use request::{Misuse, SignalingRequest};
use room::Room;
use session::Session;
use state::State;
use watched::Watched;

/// Joins a lobby on a signaling server and connects to the other players there by WebRTC.
///
/// One player creates a lobby and passes its code on, the others join by that code. The node makes
/// a [WebRTCMultiplayerPeer], connects it to every peer that the lobby asks for, and sets it as the
/// `multiplayer_peer` of its branch of the tree, so that RPCs, [MultiplayerSpawner] and
/// [MultiplayerSynchronizer] work at once.
///
/// ```gdscript
/// @onready var client: SignalingClient = $SignalingClient
///
/// func _ready() -> void:
///     client.lobby_joined.connect(func(lobby): print("Others join with ", lobby))
///     client.disconnected.connect(func(code, reason): print(code, " ", reason))
///     multiplayer.peer_connected.connect(func(id): print("Player ", id, " is here"))
///
/// func host() -> void:
///     client.start("ws://signaling.example:9080")
///
/// func join(code: String) -> void:
///     client.start("ws://signaling.example:9080", code)
/// ```
///
/// [method start] is all that the simplest game needs. A game with a lobby browser, passwords, chat
/// or invitations uses the methods that return a [SignalingRequest], which can be awaited:
///
/// ```gdscript
/// func host() -> void:
///     var request := client.create_lobby({public = true, max_players = 8, metadata = {map = "ice"}})
///     if await request.completed:
///         print("Others join with ", request.value)
///     else:
///         status.text = request.message
///
/// func browse() -> void:
///     var request := client.list_lobbies({where = {map = "ice"}, sort = "-@players"})
///     if await request.completed:
///         for lobby in request.value:
///             print(lobby.code, " ", lobby.players, "/", lobby.max_players)
/// ```
///
/// A method that can do something without a lobby connects to [member url] first, if need be.
///
/// Metadata, messages, values and statuses go as JSON, by [method JSON.stringify] and back by
/// [method JSON.parse_string]: whole numbers come back as [float], and what JSON does not know, such
/// as [Vector2], as text. What has [constant @GDScript.NAN] or [constant @GDScript.INF] in it, or is
/// nested more than 16 deep, is refused.
///
/// A game that hosts the lobbies itself uses [method connect_to_server] to join one of them.
///
/// The signaling connection is only needed to meet. When it breaks off, the client makes it again
/// and keeps its place in the lobby, see [signal reconnecting]; connected players stay connected
/// meanwhile, and also when it has ended for good: the game goes on.
///
/// When the host of a lobby leaves or crashes, another player becomes the host, if the lobby's
/// host policy is "migrate": see [signal host_changed]. In a mesh no connection is touched. In a
/// client-server lobby the host has to be peer 1, so everybody connects anew: [signal
/// migration_started].
///
/// All this needs a server that speaks the extended protocol, such as [SignalingServer]. On the
/// servers of Godot's demo what they cannot do fails with [constant FAILURE_NEEDS_EXTENDED], and the
/// rest works.
///
/// With [member assign_multiplayer_peer] off the node only signals: the signals and `send_` methods
/// carry the session descriptions and candidates, and the game does the rest.
///
/// The signals are emitted on the main thread, once a frame, also while the tree is paused. The
/// node works while it is inside the tree; leaving the tree is like calling [method stop].
#[derive(GodotClass)]
#[class(init, base = Node)]
pub(crate) struct SignalingClient {
    /// The address of the signaling server, such as `"ws://192.168.1.20:9080"`. It begins with `ws://`;
    /// TLS (`wss://`) is not possible yet.
    ///
    /// Read when the client connects.
    #[export]
    #[init(val = GString::from("ws://127.0.0.1:9080"))]
    url: GString,

    /// The code of the lobby to join. Empty: create a lobby and be its host.
    ///
    /// Read when the client connects.
    #[export_group(name = "Lobby")]
    #[export]
    #[var(get = get_lobby_to_join)]
    lobby: GString,

    /// What kind of lobby to create: if `true`, every peer connects to every other; if `false`, all
    /// connect to the host only. Whoever joins a lobby takes it as it is.
    ///
    /// Read when the client connects.
    #[export]
    #[init(val = true)]
    mesh: bool,

    /// What becomes of a lobby that is created when its host goes: "migrate" lets the member that
    /// has been there longest be the host, "close" ends the lobby, and "wait" waits for the host's
    /// return, for a minute, before another member becomes the host.
    ///
    /// The lobby lives on the server: where that is part of the host's game, both go together, and
    /// nobody takes over. Players who shall outlive their host need a server elsewhere, such as the
    /// program `signaling-server` or a dedicated server.
    ///
    /// Read when a lobby is created.
    #[export(enum = (migrate, close, wait))]
    #[init(val = GString::from("migrate"))]
    host_policy: GString,

    /// The password of the lobby that is created or joined. Empty: none.
    ///
    /// Read when a lobby is created or joined.
    #[export]
    password: GString,

    /// If `true`, [method start], [method connect_to_url] and [method connect_to_server] join or
    /// create a lobby. If `false`, they only connect, which [signal session_started] tells; call
    /// [method create_lobby], [method join_lobby] or [method quick_join], which fail with [constant
    /// FAILURE_IN_LOBBY] otherwise. A server that speaks the plain protocol alone does not wait for
    /// long.
    ///
    /// Read when the client connects.
    #[export]
    #[init(val = true)]
    autojoin: bool,

    /// The name that other players see. At most 64 bytes.
    ///
    /// Read when the client connects: another name needs another connection. A name that changes in
    /// a lobby belongs into [method update_me].
    #[export_group(name = "Player")]
    #[export]
    player_name: GString,

    /// What tells the server who we are, if it wants to know. At most 4096 bytes.
    ///
    /// Read when the client connects.
    #[export]
    auth_token: GString,

    /// Which game this is: only lobbies of the same game are found. At most 64 bytes.
    ///
    /// Read when the client connects.
    #[export]
    game_id: GString,

    /// The version of the game: only players of the same version come together. At most 64 bytes.
    ///
    /// Read when the client connects.
    #[export]
    game_version: GString,

    /// If `false`, the client speaks the protocol of Godot's `webrtc_signaling` demo and nothing
    /// else, as though the server knew no other: then a lost connection is not made again, and
    /// everything but [method start], [method create_lobby], [method join_lobby] and [method
    /// seal_lobby] fails.
    ///
    /// Read when the client connects.
    #[export_group(name = "Protocol")]
    #[export]
    #[init(val = true)]
    extended: bool,

    /// If `true`, the client connects to the other peers by WebRTC and sets
    /// `multiplayer.multiplayer_peer` for its branch of the tree. If `false`, it only signals.
    ///
    /// Read when the server has told our id.
    #[export_group(name = "WebRTC")]
    #[export]
    #[init(val = true)]
    assign_multiplayer_peer: bool,

    /// The STUN and TURN servers to use, in the form that [method WebRTCPeerConnection.initialize]
    /// takes, for example `[{"urls": ["stun:stun.example.com:3478"]}]`, and for TURN
    /// `[{"urls": ["turn:turn.example.com"], "username": "me", "credential": "secret"}]`. None are
    /// needed on one network; across the internet most players need a STUN server, and some a TURN
    /// server. Those that the signaling server tells of are used too,
    /// as far as they are understood here.
    ///
    /// Read when a lobby is joined.
    #[export]
    ice_servers: Array<VarDictionary>,

    /// More of what [method WebRTCPeerConnection.initialize] takes. [member ice_servers] are used
    /// beside those that it has under the key `iceServers`. For example, for a host in a container
    /// that publishes one port: `{"udpMux": 5000, "publicAddress": "203.0.113.7"}`.
    /// [WebRTCNativePeerConnection] describes the keys that the web does not have.
    ///
    /// Read when a lobby is joined.
    #[export]
    #[init(val = Keys::none())]
    rtc_configuration: Keys,

    /// The code that the signaling connection was closed with, as told by [signal disconnected]; 0
    /// before.
    #[var(no_set)]
    code: i64,

    /// The reason that the signaling connection was closed with, as told by [signal disconnected];
    /// empty before.
    #[var(no_set)]
    reason: GString,

    /// `true` from [signal lobby_sealed] until the end of the lobby is told by [signal lobby_left].
    /// In the plain protocol the connection ends with the lobby: then it stays `true` for [signal
    /// disconnected], until the next connection.
    #[var(no_set)]
    sealed: bool,

    /// What [method get_multiplayer_peer] returns, under the name that the client of Godot's
    /// `webrtc_signaling` demo has for it.
    #[var(get = get_multiplayer_peer, no_set)]
    rtc_mp: PhantomVar<Option<Gd<WebRtcMultiplayerPeer>>>,

    #[init(val = State::Idle)]
    state: State,
    /// What [signal state_changed] has told last.
    #[init(val = State::Idle)]
    told_state: State,
    id: Option<PeerId>,
    /// What the session knows our connections to others by.
    generation: u64,
    /// Our id for invitations; empty for servers of the plain protocol.
    user: GString,
    /// Those that the signaling server told of.
    told_ice_servers: VarArray,
    session: Option<Session>,
    /// Counts sessions, so that what an old one still has to tell is not told.
    epoch: u64,
    asked: Asked,
    watched: Watched,
    room: Option<Room>,
    migration: Option<Migration>,
    /// What was said of why nothing came of the connection, so that it is said once.
    told_failure: Option<Failure>,
    connections: Option<Rc<Mesh>>,
    turns: Option<ConnectHandle>,
    base: Base<Node>,
}

/// Makes the enums of the classes here known to the engine.
pub(crate) fn register_enums() {
    class_enum::register::<State>();
    class_enum::register::<Failure>();
}

#[godot_api]
impl SignalingClient {
    /// Emitted when the server has told our id, before every [signal peer_connected]. The host has
    /// the id 1. `use_mesh` tells the kind of the lobby, see [member mesh]. The multiplayer peer
    /// exists by now.
    #[signal]
    fn connected(id: i64, use_mesh: bool);

    /// Emitted when a lobby was created or joined, with its code.
    #[signal]
    fn lobby_joined(lobby: GString);

    /// Emitted when we are out of the lobby: `failure` is [constant FAILURE_NONE] if we left it, and
    /// otherwise why, for example [constant FAILURE_KICKED]; `message` is a sentence that a player
    /// can read, or the words of whoever kicked us or closed the lobby.
    ///
    /// Connected players stay connected, unless we called [method leave_lobby], or were kicked or
    /// banned: then the multiplayer peer is gone, as after [method stop].
    #[signal]
    fn lobby_left(failure: Failure, message: GString);

    /// Emitted when the host has changed the lobby, with what [method get_lobby] returns.
    #[signal]
    fn lobby_changed(lobby: VarDictionary);

    /// Emitted when somebody is in the lobby whom we did not know of, for each that was there
    /// before us and for ourselves too; see [method get_members]. [signal peer_connected] follows if
    /// a connection to it is made.
    #[signal]
    fn member_joined(id: i64);

    /// Emitted when a member has changed its metadata, or we know something else anew of it: see
    /// [method get_members]. Round trips are not told.
    #[signal]
    fn member_changed(id: i64);

    /// Emitted when a member is out of the lobby, whatever the cause.
    #[signal]
    fn member_left(id: i64);

    /// Emitted when a member's connection to the server is lost and the server waits for its return.
    /// Players that are connected to it may notice nothing. [signal peer_stable] or [signal
    /// member_left] follows.
    #[signal]
    fn peer_unstable(id: i64);

    /// Emitted when a member has returned after [signal peer_unstable].
    #[signal]
    fn peer_stable(id: i64);

    /// Emitted when a member sent something with [method send_lobby_message], to us alone or to all.
    #[signal]
    fn lobby_message(id: i64, data: Variant, to_all: bool);

    /// Emitted when a value of the lobby is another now, see [method set_lobby_value], for each
    /// that was there before us, too. `value` is `null` when it is gone. `by` is the id of the
    /// member that set it, or 0 if that is not known, as for a value that was there before us or was
    /// set while our connection was lost.
    #[signal]
    fn lobby_value_changed(key: GString, value: Variant, by: i64);

    /// Emitted when the lobby has another host. It may be ourselves: then [param is_me] is `true`,
    /// and the rights of the host are ours.
    ///
    /// Not emitted when the host's game went away with the server in it, because the lobby went with
    /// the server: see [member host_policy].
    #[signal]
    fn host_changed(id: i64, is_me: bool);

    /// Emitted when a client-server lobby has another host, before all connections to others are
    /// made anew: the multiplayer peer is still the old one, and [method get_unique_id] tells our
    /// new id, 1 for the new host. [signal host_changed] and [signal migration_finished] follow.
    /// `multiplayer.peer_disconnected` is not emitted for those whom the old one knew. It may be
    /// disconnected already, because the old host is gone: then `multiplayer.get_unique_id()` fails.
    ///
    /// Not emitted in a mesh, where all connections stay.
    #[signal]
    fn migration_started();

    /// Emitted after [signal migration_started] and before [signal host_changed] for each member
    /// whose id is another from now on, ourselves included: an old host that stays gets a new id,
    /// which is told first, and then the new host gets the id 1. What a game keeps by id has to
    /// follow:
    ///
    /// ```gdscript
    /// func _on_member_renamed(old_id: int, new_id: int) -> void:
    ///     scores[new_id] = scores[old_id]
    ///     scores.erase(old_id)
    /// ```
    #[signal]
    fn member_renamed(old_id: i64, new_id: i64);

    /// Emitted when the connections stand that had to be made anew after [signal
    /// migration_started], or have failed. Not emitted when we are out of the lobby before.
    #[signal]
    fn migration_finished();

    /// Emitted when a public lobby that was asked for with [method watch_lobbies] is new or has
    /// changed, with what [method list_lobbies] tells of it.
    #[signal]
    fn lobby_listed(lobby: VarDictionary);

    /// Emitted when a lobby that [method watch_lobbies] or [signal lobby_listed] told of is no
    /// longer public, or is gone.
    #[signal]
    fn lobby_unlisted(code: GString);

    /// Emitted when somebody has set its status in a namespace that was asked for with [method
    /// watch_statuses]. `status` is `null` when there is none any more.
    #[signal]
    fn status_changed(namespace: GString, user: GString, name: GString, status: Variant);

    /// Emitted when somebody invites us into its lobby, which `lobby` describes as [method
    /// list_lobbies] does. `invite` is what [method accept_invite] and [method deny_invite] take.
    #[signal]
    fn invited(invite: i64, user: GString, name: GString, lobby: VarDictionary, data: Variant);

    /// Emitted when an invitation of ours was accepted or denied; denied also when the user is gone.
    #[signal]
    fn invite_answered(invite: i64, accepted: bool);

    /// Emitted when an invitation for us is over: it was taken back, or who made it is gone, or the
    /// lobby.
    #[signal]
    fn invite_cancelled(invite: i64);

    /// Emitted when [method get_state] has changed, before the signal of what has changed it.
    #[signal]
    fn state_changed(old: State, new: State);

    /// Emitted once when the connection to the server stands, with or without a lobby: [method
    /// get_user] tells our id from now on, and it is known what the server speaks. With [member
    /// autojoin], what becomes of the lobby is told next.
    #[signal]
    fn session_started();

    /// Emitted when the connection to the server is lost and another try to make it begins in
    /// `delay` seconds. `attempt` counts from 1. The lobby keeps our place for a while (30 seconds
    /// unless the server says otherwise), and connected players stay connected.
    #[signal]
    fn reconnecting(attempt: i64, delay: f64);

    /// Emitted when the connection to the server stands again after [signal reconnecting], and all
    /// goes on as before.
    #[signal]
    fn resumed();

    /// Emitted when our place in the lobby is lost: the connection to the server stands again, but it
    /// took too long or the server was started anew; or it could not be made again, and [signal
    /// disconnected] tells its end. [signal lobby_left] follows in any case. Connected players stay
    /// connected. `reason` is a sentence that a player can read.
    #[signal]
    fn resume_failed(reason: GString);

    /// Emitted when something failed that no [SignalingRequest] tells of: the lobby of [method
    /// start] was refused, the connection to the server has ended for good, a connection to another
    /// player could not be made, our stay in the lobby was ended against our will, before [signal
    /// lobby_left] tells of it, or a server that was started anew refused what stood before: then
    /// `details` has `request` ([String]), `"watch_lobbies"`, `"watch_statuses"` or
    /// `"set_status"`, which is over. `message` is a sentence that a player can read, and `details`
    /// has more for the developer: always `hint` ([String]), what can be done about it, and `name`
    /// ([String]), the name of the failure. When a lobby is lost together with the connection, each
    /// is told.
    #[signal]
    fn failed(failure: Failure, message: GString, details: VarDictionary);

    /// Emitted when the host has sealed the lobby: nobody can join it any more, and the server ends
    /// it after a while (10 seconds unless it is set differently). Then [signal lobby_left] follows
    /// and the connection to the server stays; in the plain protocol it ends with the lobby.
    #[signal]
    fn lobby_sealed();

    /// Emitted when another peer is in the lobby and a connection to it is being made. When it
    /// stands, `multiplayer.peer_connected` is emitted.
    #[signal]
    fn peer_connected(id: i64);

    /// Emitted when another peer has left the lobby. If it is connected already it stays so until
    /// it hangs up, which `multiplayer.peer_disconnected` tells.
    #[signal]
    fn peer_disconnected(id: i64);

    /// Emitted when nothing is heard from a connected peer at the moment: show a warning, or wait.
    /// While it is in the lobby and the connection to the server stands, the client looks for
    /// another path on its own, for example when a player walked from Wi-Fi to mobile data. What
    /// follows is [signal link_recovered], or [signal peer_failed] together with
    /// `multiplayer.peer_disconnected`.
    ///
    /// Only with the WebRTC transport of this addon, as is [signal link_recovered].
    #[signal]
    fn link_unstable(id: i64);

    /// Emitted when a peer is heard again after [signal link_unstable].
    #[signal]
    fn link_recovered(id: i64);

    /// Emitted when a connection to a peer could not be made, or was lost without either side
    /// closing it, with the reason in words: for example "no pair of candidates answered", which
    /// mostly means that a TURN server is needed.
    #[signal]
    fn peer_failed(id: i64, reason: GString);

    /// Emitted when one of [member ice_servers] is of no use, for each connection that tried it:
    /// [param code] is what the server said, for example 401 for a wrong username or
    /// credential, or 701 when nothing was heard of it, and [param reason] tells it in words. See
    /// [signal WebRTCNativePeerConnection.ice_server_failed].
    #[signal]
    fn ice_server_failed(url: GString, code: i32, reason: GString);

    /// Emitted when a peer has sent a session description of the type "offer".
    #[signal]
    fn offer_received(id: i64, offer: GString);

    /// Emitted when a peer has sent a session description of the type "answer".
    #[signal]
    fn answer_received(id: i64, answer: GString);

    /// Emitted when a peer has sent an ICE candidate, with the arguments of [method
    /// WebRTCPeerConnection.add_ice_candidate].
    #[signal]
    fn candidate_received(id: i64, mid: GString, index: i64, sdp: GString);

    /// Emitted when the connection to the server has ended for good or could not be made, with the
    /// close code and reason: 1000 after [method close], 1006 when the network failed or the server
    /// went away and did not come back, 4000 when the server refused us. Connected peers stay
    /// connected. Not emitted while [signal reconnecting] tells that it will be made again: 1001,
    /// with which a server goes away, is told at once in the plain protocol, and of a server in this
    /// very game.
    ///
    /// Not emitted after [method stop].
    #[signal]
    fn disconnected(code: i64, reason: GString);

    /// Connects to a server and joins or creates a lobby, with the properties where [method
    /// join_lobby] and [method create_lobby] have options, after [method stop] for whatever went on
    /// before. The arguments hold for this connection only: an empty `url` or `lobby` and a `true`
    /// `mesh` mean the properties [member url], [member lobby] and [member mesh].
    ///
    /// Returns [constant OK] when the client connects; what becomes of it is told by signals, [signal
    /// lobby_joined] or [signal failed]. When the lobby is refused the connection stays, so that
    /// another can be tried; a server of the plain protocol ends it.
    ///
    /// Otherwise [constant ERR_UNCONFIGURED] if the node is outside the tree, [constant
    /// ERR_INVALID_PARAMETER] if the URL does not begin with `ws://`, [constant ERR_UNAVAILABLE] if
    /// it begins with `wss://`, which this version cannot do, or [constant ERR_CANT_CREATE] if the
    /// system grants no thread.
    #[func(gd_self)]
    fn start(
        mut this: Gd<Self>,
        #[opt(default = "")] url: GString,
        #[opt(default = "")] lobby: GString,
        #[opt(default = true)] mesh: bool,
    ) -> Error {
        Self::stop(this.clone());
        if !this.is_instance_valid() {
            return Error::ERR_UNCONFIGURED;
        }
        let mut node = this.bind_mut();
        let url = if url.is_empty() { node.url.clone() } else { url };
        let lobby = if lobby.is_empty() { node.lobby.clone() } else { lobby };
        let mesh = mesh && node.mesh;
        result(endpoint(&url).and_then(|endpoint| node.begin(endpoint, &lobby, mesh)))
    }

    /// Ends everything: closes the connection to the server and those to the other peers, and if
    /// the multiplayer peer of this branch is ours, an [OfflineMultiplayerPeer] takes its place. No
    /// signal of this node follows.
    #[func(gd_self)]
    fn stop(mut this: Gd<Self>) {
        let connections = {
            let mut node = this.bind_mut();
            node.forget_session();
            (node.state, node.told_state) = (State::Idle, State::Idle);
            node.connections.take()
        };
        if let Some(mesh) = connections {
            mesh.close();
        }
    }

    /// Connects to a server; an empty `url` means [member url]. Like [method start], but connected
    /// peers stay connected until the server has told our new id. For games that keep the two
    /// apart.
    ///
    /// Returns what [method start] returns.
    #[func]
    fn connect_to_url(&mut self, #[opt(default = "")] url: GString) -> Error {
        let url = if url.is_empty() { self.url.clone() } else { url };
        let (lobby, mesh) = (self.lobby.clone(), self.mesh);
        result(endpoint(&url).and_then(|endpoint| self.begin(endpoint, &lobby, mesh)))
    }

    /// Connects to a server in this very game, through memory instead of a socket: the game that
    /// hosts the lobbies joins one itself. The rest is like [method connect_to_url]; only that it ends
    /// at once with [method SignalingServer.stop], without a try to make it again.
    ///
    /// Returns [constant OK], [constant ERR_INVALID_PARAMETER] if `server` is `null`, [constant
    /// ERR_UNCONFIGURED] if it does not listen or the node is outside the tree, or [constant
    /// ERR_CANT_CREATE] if the system grants no thread.
    #[func]
    fn connect_to_server(&mut self, server: Option<Gd<SignalingServer>>) -> Error {
        let Some(server) = server else { return Error::ERR_INVALID_PARAMETER };
        let server = match server.bind().local() {
            Ok(server) => server,
            Err(error) => return error,
        };
        let (lobby, mesh) = (self.lobby.clone(), self.mesh);
        result(self.begin(Endpoint::Local(server), &lobby, mesh))
    }

    /// Closes the connection to the server and leaves the lobby; connected peers stay connected.
    /// [signal disconnected] follows. Does nothing when there is no connection.
    #[func]
    fn close(&mut self) {
        self.session.iter_mut().for_each(Session::close);
    }

    /// Seals the lobby: nobody can join it any more, and the server ends it after a while. Only the
    /// host can. [signal lobby_sealed] follows for everybody.
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] if the client is not in a lobby,
    /// [constant ERR_UNAUTHORIZED] if it is not the host, or [constant ERR_BUSY] if too many
    /// requests wait already.
    #[func]
    fn seal_lobby(&mut self) -> Error {
        match &self.room {
            Some(room) if room.is_host() => self.request(ClientRequest::Seal),
            Some(_) => Error::ERR_UNAUTHORIZED,
            None => Error::ERR_UNCONFIGURED,
        }
    }

    /// Sends a session description of the type "offer" to a peer. Not needed with [member
    /// assign_multiplayer_peer].
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] if the client is not in a lobby,
    /// [constant ERR_INVALID_PARAMETER] if `id` is not from 1 to 2147483647, or [constant ERR_BUSY]
    /// if too many requests wait already. Sending to somebody who is not in the lobby makes the
    /// server end the connection.
    #[func]
    fn send_offer(&mut self, id: i64, sdp: GString) -> Error {
        self.relay(RelayKind::Offer, id, sdp.to_string())
    }

    /// Sends a session description of the type "answer" to a peer. Returns what [method send_offer]
    /// returns.
    #[func]
    fn send_answer(&mut self, id: i64, sdp: GString) -> Error {
        self.relay(RelayKind::Answer, id, sdp.to_string())
    }

    /// Sends an ICE candidate to a peer, with the arguments of [signal
    /// WebRTCPeerConnection.ice_candidate_created]. Returns what [method send_offer] returns.
    #[func]
    fn send_candidate(&mut self, id: i64, mid: GString, index: i64, sdp: GString) -> Error {
        let Ok(index) = i32::try_from(index) else { return Error::ERR_INVALID_PARAMETER };
        let payload = candidate_payload(&mid.to_string(), index, &sdp.to_string());
        self.relay(RelayKind::Candidate, id, payload)
    }

    /// Returns our id in the lobby, or 0 when there is none. Whoever creates a lobby has the id 1.
    /// Another id takes its place after [signal migration_started] if we are the new host.
    #[func]
    fn get_unique_id(&self) -> i64 {
        self.id.map_or(0, |id| id.get().into())
    }

    /// Returns [member lobby].
    #[func]
    fn get_lobby_to_join(&self) -> GString {
        self.lobby.clone()
    }

    /// Returns how far the client has come.
    #[func]
    fn get_state(&self) -> State {
        self.state
    }

    /// Returns the multiplayer peer that connects us to the others, or `null` when there is none:
    /// with [member assign_multiplayer_peer] it exists from [signal connected] to [method stop].
    #[func]
    fn get_multiplayer_peer(&self) -> Option<Gd<WebRtcMultiplayerPeer>> {
        self.connections.as_ref().map(|mesh| mesh.peer())
    }

    /// Returns how the connection to a peer is doing, in the form of [method
    /// WebRTCNativePeerConnection.get_statistics]. Empty if there is no connection, or another
    /// WebRTC library made it.
    #[func]
    fn get_peer_statistics(&self, id: i64) -> VarDictionary {
        let id = u64::try_from(id).ok().and_then(PeerId::new);
        let mesh = self.connections.as_ref();
        id.zip(mesh).map(|(id, mesh)| mesh.statistics(id)).unwrap_or_default()
    }
}

#[godot_api]
impl INode for SignalingClient {
    fn on_notification(&mut self, what: NodeNotification) {
        client_node::follow_tree(self, what);
    }
}

impl SignalingClient {
    /// Connects, and joins or creates a lobby unless that is left to the game.
    fn begin(&mut self, endpoint: Endpoint, lobby: &GString, mesh: bool) -> Result<(), Misuse> {
        let first = self.autojoin.then(|| self.first_request(lobby, mesh)).transpose()?;
        let first = first.map(options::checked).transpose()?;
        self.connect(endpoint)?;
        first.map_or(Ok(()), |request| self.ask_session(request, None))
    }

    fn connect(&mut self, endpoint: Endpoint) -> Result<(), Misuse> {
        if self.turns.is_none() {
            return Err(Misuse::new(Error::ERR_UNCONFIGURED, "The node is outside the tree."));
        }
        let session = Session::connect(endpoint, self.session_options())?;
        self.forget_session();
        self.session = Some(session);
        self.state = State::Initializing;
        self.code = 0;
        self.reason = GString::new();
        self.sealed = false;
        self.told_failure = None;
        Ok(())
    }

    fn session_options(&self) -> SessionOptions {
        SessionOptions {
            protocol: if self.extended { Protocol::Extended } else { Protocol::Plain },
            game: self.game_id.to_string(),
            build: self.game_version.to_string(),
            name: self.player_name.to_string(),
            token: self.auth_token.to_string(),
        }
    }

    /// Lets go of the session, which leaves the lobby and closes the connection.
    fn forget_session(&mut self) {
        self.epoch += 1;
        self.session = None;
        self.id = None;
        self.room = None;
        self.migration = None;
        self.user = GString::new();
        self.told_ice_servers = VarArray::new();
        self.watched = Watched::default();
        self.asked.cancel(&Trouble::new(Failure::Cancelled));
    }

    /// Asks for something; the answer goes to `asked`, or is for the node itself.
    fn ask_session(
        &mut self,
        request: Request,
        asked: Option<Gd<SignalingRequest>>,
    ) -> Result<(), Misuse> {
        let no_session = || Misuse::new(Error::ERR_UNCONFIGURED, "There is no connection.");
        let session = self.session.as_mut().ok_or_else(no_session)?;
        let ticket = session.ask(request.clone())?;
        self.asked.add(ticket, Question::new(request, asked));
        Ok(())
    }

    fn request(&self, request: ClientRequest) -> Error {
        self.session.as_ref().map_or(Error::ERR_UNCONFIGURED, |session| session.request(request))
    }

    fn relay(&self, kind: RelayKind, id: i64, data: String) -> Error {
        if self.id.is_none() || self.session.is_none() {
            return Error::ERR_UNCONFIGURED;
        }
        match u64::try_from(id).ok().and_then(PeerId::new) {
            Some(to) => {
                let generation = self.generation;
                self.request(ClientRequest::Relay { generation, kind, to, data })
            }
            None => Error::ERR_INVALID_PARAMETER,
        }
    }

    /// A new id means a new lobby, or that everything in it begins anew: nothing of what was can go
    /// on. Nothing is borrowed while the engine is called, because it emits signals.
    fn replace_mesh(this: &mut Gd<Self>, id: PeerId, topology: Topology) {
        let old = this.bind_mut().connections.take();
        let new = this.bind().new_mesh(id, topology);
        this.bind_mut().connections.clone_from(&new);
        if let Some(mesh) = new {
            mesh.assign();
        }
        if let Some(mesh) = old {
            mesh.close();
        }
    }

    fn drop_mesh(this: &mut Gd<Self>) {
        let mesh = this.bind_mut().connections.take();
        if let Some(mesh) = mesh {
            mesh.close();
        }
    }

    fn new_mesh(&self, id: PeerId, topology: Topology) -> Option<Rc<Mesh>> {
        let session = self.session.as_ref().filter(|_| self.assign_multiplayer_peer)?;
        let api = self.base().get_multiplayer()?;
        let configuration = self.configuration();
        let post = LobbyPost { signaling: session.handle(), generation: self.generation };
        let mesh = Mesh::new(post::role(id, topology), configuration, api, post);
        Some(Rc::new(mesh))
    }

    /// What each connection to another player is made with.
    fn configuration(&self) -> VarDictionary {
        let told = self.told_ice_servers.iter_shared();
        line::configuration(&self.rtc_configuration, &self.ice_servers, told)
    }
}

fn result(result: Result<(), Misuse>) -> Error {
    result.err().map_or(Error::OK, |misuse| misuse.error)
}
