//! The node `SignalingClient`.

mod links;
mod mesh;
mod session;

use std::rc::Rc;

use godot::classes::notify::NodeNotification;
use godot::classes::{Node, WebRtcMultiplayerPeer};
use godot::global::Error;
use godot::prelude::*;
use godot::signal::ConnectHandle;
use signaling_core::PeerId;
use signaling_net::Endpoint;
use signaling_protocols::godot::client::candidate_payload;
use signaling_protocols::godot::{ClientEvent, ClientRequest, Join, RelayKind, Topology};

use crate::frame::each_frame;
use crate::server::SignalingServer;
use links::LinkEvent;
use mesh::Mesh;
use session::Session;

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
/// A game that hosts the lobbies itself uses [method connect_to_server] to join one of them.
///
/// The signaling connection is only needed to meet. When it ends, [signal disconnected] is emitted
/// and connected players stay connected: the game goes on.
///
/// With [member assign_multiplayer_peer] off the node only signals: the signals and `send_` methods
/// carry the session descriptions and candidates, and the game does the rest.
///
/// The signals are emitted on the main thread, once a frame, also while the tree is paused. The
/// node works while it is inside the tree; leaving the tree is like calling [method stop].
#[derive(GodotClass)]
#[class(init, base = Node)]
pub(crate) struct SignalingClient {
    /// The address of the signaling server, such as `"ws://192.168.1.20:9080"`.
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
    lobby: GString,

    /// What kind of lobby to create: if `true`, every peer connects to every other; if `false`, all
    /// connect to the host only. Whoever joins a lobby takes it as it is.
    ///
    /// Read when the client connects.
    #[export]
    #[init(val = true)]
    mesh: bool,

    /// If `true`, the client joins the lobby as soon as it is connected to the server. If `false`,
    /// call [method join_lobby]; the server does not wait for long.
    ///
    /// Read when the client connects.
    #[export]
    #[init(val = true)]
    autojoin: bool,

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
    /// server.
    ///
    /// Read when a lobby is joined.
    #[export]
    ice_servers: Array<VarDictionary>,

    /// More of what [method WebRTCPeerConnection.initialize] takes, to which [member ice_servers]
    /// is added. For example, for a host in a container that publishes one port:
    /// `{"udpMux": 5000, "publicAddress": "203.0.113.7"}`. [WebRTCNativePeerConnection] describes
    /// the keys that the web does not have.
    ///
    /// Read when a lobby is joined.
    #[export]
    rtc_configuration: VarDictionary,

    /// The code that the signaling connection was closed with, as told by [signal disconnected]; 0
    /// before.
    #[var(no_set)]
    code: i64,

    /// The reason that the signaling connection was closed with, as told by [signal disconnected];
    /// empty before.
    #[var(no_set)]
    reason: GString,

    /// `true` from [signal lobby_sealed] until the next connection: the end of this connection is to
    /// be expected then.
    #[var(no_set)]
    sealed: bool,

    /// What [method get_multiplayer_peer] returns, under the name that the client of Godot's
    /// `webrtc_signaling` demo has for it.
    #[var(get = get_multiplayer_peer, no_set)]
    rtc_mp: PhantomVar<Option<Gd<WebRtcMultiplayerPeer>>>,

    state: State,
    id: Option<PeerId>,
    /// What the session knows our connections to others by.
    generation: u64,
    session: Option<Session>,
    /// Counts sessions, so that what an old one still has to tell is not told.
    epoch: u64,
    connections: Option<Rc<Mesh>>,
    turns: Option<ConnectHandle>,
    base: Base<Node>,
}

/// ```text
///   idle ─ connect ─► initializing ─ lobby ─► joined ─ connection ends ─► left
///    ▲                     └──────────────── connection ends ───────────► failed
///    └─ stop from anywhere
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Idle,
    Initializing,
    Joined,
    Left,
    Failed,
}

#[godot_api]
impl SignalingClient {
    /// [method get_state]: not connected, and not trying to.
    #[constant]
    const STATE_IDLE: i64 = State::Idle as i64;
    /// [method get_state]: connecting to the server, or connected and not in a lobby yet.
    #[constant]
    const STATE_INITIALIZING: i64 = State::Initializing as i64;
    /// [method get_state]: in a lobby.
    #[constant]
    const STATE_JOINED: i64 = State::Joined as i64;
    /// [method get_state]: the connection to the server ended after a lobby had been joined.
    #[constant]
    const STATE_LEFT: i64 = State::Left as i64;
    /// [method get_state]: the connection to the server ended, or never came about, before a lobby
    /// was joined.
    #[constant]
    const STATE_FAILED: i64 = State::Failed as i64;

    /// Emitted when the server has told our id, before every [signal peer_connected]. The host has
    /// the id 1. `use_mesh` tells the kind of the lobby, see [member mesh]. The multiplayer peer
    /// exists by now.
    #[signal]
    fn connected(id: i64, use_mesh: bool);

    /// Emitted when a lobby was created or joined, with its code.
    #[signal]
    fn lobby_joined(lobby: GString);

    /// Emitted when the host has sealed the lobby: nobody can join it any more, and the server ends
    /// it, and with it this connection, after a while (10 seconds unless it is set differently).
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

    /// Emitted when the connection to the server has ended or could not be made, with the close
    /// code and reason: 1000 after [method close] or "Seal complete", 1001 when the server went
    /// away, 1006 when the network failed, 4000 when the server refused something (such as "Lobby
    /// does not exists"). Connected peers stay connected.
    ///
    /// Not emitted after [method stop].
    #[signal]
    fn disconnected(code: i64, reason: GString);

    /// Connects to a server and joins or creates a lobby, after [method stop] for whatever went on
    /// before. The arguments hold for this connection only: an empty `url` or `lobby` and a `true`
    /// `mesh` mean the properties [member url], [member lobby] and [member mesh].
    ///
    /// Returns [constant OK] when the client connects; what becomes of it is told by signals.
    /// Otherwise [constant ERR_INVALID_PARAMETER] if the URL does not begin with `ws://`, [constant
    /// ERR_UNAVAILABLE] if it begins with `wss://`, which this version cannot do, or [constant
    /// ERR_CANT_CREATE] if the system grants no thread.
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
        result(endpoint(&url).and_then(|endpoint| node.connect(endpoint, &lobby, mesh)))
    }

    /// Ends everything: closes the connection to the server and those to the other peers, and if
    /// the multiplayer peer of this branch is ours, an [OfflineMultiplayerPeer] takes its place. No
    /// signal of this node follows.
    #[func(gd_self)]
    fn stop(mut this: Gd<Self>) {
        let connections = {
            let mut node = this.bind_mut();
            node.forget_session();
            node.state = State::Idle;
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
        result(endpoint(&url).and_then(|endpoint| self.connect(endpoint, &lobby, mesh)))
    }

    /// Connects to a server in this very game, through memory instead of a socket: the game that
    /// hosts the lobbies joins one itself. The rest is like [method connect_to_url].
    ///
    /// Returns [constant OK], [constant ERR_INVALID_PARAMETER] if `server` is `null`, [constant
    /// ERR_UNCONFIGURED] if it does not listen, or [constant ERR_CANT_CREATE] if the system grants
    /// no thread.
    #[func]
    fn connect_to_server(&mut self, server: Option<Gd<SignalingServer>>) -> Error {
        let Some(server) = server else { return Error::ERR_INVALID_PARAMETER };
        let server = server.bind().local();
        let (lobby, mesh) = (self.lobby.clone(), self.mesh);
        result(server.and_then(|server| self.connect(Endpoint::Local(server), &lobby, mesh)))
    }

    /// Closes the connection to the server and leaves the lobby; connected peers stay connected.
    /// [signal disconnected] follows. Does nothing when there is no connection.
    #[func]
    fn close(&mut self) {
        self.session.iter_mut().for_each(Session::close);
    }

    /// Joins a lobby, for when [member autojoin] is off. An empty `lobby` means the one that was
    /// given to [method start], or [member lobby]; if that is empty too, a lobby is created. If the
    /// connection is still being made, the client joins when it stands.
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] if there is no connection, [constant
    /// ERR_ALREADY_IN_USE] if a lobby was joined or asked for already, or [constant ERR_BUSY] if
    /// too many requests wait already.
    #[func]
    fn join_lobby(&mut self, #[opt(default = "")] lobby: GString) -> Error {
        let Some(session) = &mut self.session else { return Error::ERR_UNCONFIGURED };
        session.join(lobby.to_string())
    }

    /// Seals the lobby: nobody can join it any more, and the server ends it after a while. Only the
    /// host can. [signal lobby_sealed] follows for everybody.
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] if the client is not in a lobby,
    /// [constant ERR_UNAUTHORIZED] if it is not the host, or [constant ERR_BUSY] if too many
    /// requests wait already.
    #[func]
    fn seal_lobby(&mut self) -> Error {
        match self.id {
            None => Error::ERR_UNCONFIGURED,
            Some(PeerId::HOST) => self.request(ClientRequest::Seal),
            Some(_) => Error::ERR_UNAUTHORIZED,
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

    /// Returns our id in the lobby, 1 for the host, or 0 when the server has not told it. It stays
    /// until [method stop] or the next connection.
    #[func]
    fn get_unique_id(&self) -> i64 {
        self.id.map_or(0, |id| id.get().into())
    }

    /// Returns how far the client has come: one of the `STATE_` constants.
    #[func]
    fn get_state(&self) -> i64 {
        self.state as i64
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
        match what {
            NodeNotification::ENTER_TREE => {
                self.turns = Some(each_frame(&self.to_gd(), Self::turn));
            }
            NodeNotification::EXIT_TREE => {
                self.turns.take().into_iter().for_each(ConnectHandle::disconnect);
                let this = self.to_gd();
                // What the multiplayer API emits meanwhile may call back.
                let _unlocked = self.base_mut();
                Self::stop(this);
            }
            _ => {}
        }
    }
}

impl SignalingClient {
    fn connect(&mut self, endpoint: Endpoint, lobby: &GString, mesh: bool) -> Result<(), Error> {
        let topology = if mesh { Topology::Mesh } else { Topology::ClientServer };
        let join = Join { lobby: lobby.to_string(), topology };
        let session = Session::connect(endpoint, join, self.autojoin)?;
        self.forget_session();
        self.session = Some(session);
        self.state = State::Initializing;
        self.code = 0;
        self.reason = GString::new();
        self.sealed = false;
        Ok(())
    }

    /// Lets go of the connection, which closes it.
    fn forget_session(&mut self) {
        self.epoch += 1;
        self.session = None;
        self.id = None;
    }

    fn request(&self, request: ClientRequest) -> Error {
        self.session.as_ref().map_or(Error::ERR_UNCONFIGURED, |session| session.request(request))
    }

    fn relay(&self, kind: RelayKind, id: i64, data: String) -> Error {
        if self.id.is_none() {
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

    /// One frame. Handlers may call back, remove or free the node: nothing is borrowed while a
    /// signal is emitted.
    fn turn(mut this: Gd<Self>) {
        Self::turn_session(&mut this);
        if this.is_instance_valid() {
            Self::turn_links(&this);
        }
    }

    /// Tells what has become of the connections to others.
    fn turn_links(this: &Gd<Self>) {
        let Some(mesh) = this.bind().connections.clone() else { return };
        let is_current = || {
            let is = |current: &Rc<Mesh>| Rc::ptr_eq(current, &mesh);
            this.is_instance_valid() && this.bind().connections.as_ref().is_some_and(is)
        };
        for event in mesh.turn() {
            if !is_current() {
                return;
            }
            let int = |id: PeerId| i64::from(id.get());
            let mut signals = this.signals();
            match event {
                LinkEvent::Unstable(id) => signals.link_unstable().emit(int(id)),
                LinkEvent::Recovered(id) => signals.link_recovered().emit(int(id)),
                LinkEvent::Failed { id, reason } => signals.peer_failed().emit(int(id), &reason),
                LinkEvent::ServerFailed { url, code, reason } => {
                    signals.ice_server_failed().emit(&url, code, &reason);
                }
            }
        }
    }

    fn turn_session(this: &mut Gd<Self>) {
        let Some((epoch, events)) = this.bind_mut().take_events() else { return };
        for event in events {
            this.bind_mut().note(&event);
            Self::connect_peers(this, &event);
            if !is_current(this, epoch) {
                return;
            }
            tell(this, event);
            if !is_current(this, epoch) {
                return;
            }
        }
    }

    fn take_events(&mut self) -> Option<(u64, Vec<ClientEvent>)> {
        let session = self.session.as_mut()?;
        Some((self.epoch, session.take_events()))
    }

    /// Brings the properties up to date, before the signal is emitted.
    fn note(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Opened => {
                self.session.iter_mut().for_each(Session::opened);
            }
            ClientEvent::Identified { id, generation, .. } => {
                self.id = Some(*id);
                self.generation = *generation;
            }
            ClientEvent::LobbyJoined { .. } => self.state = State::Joined,
            ClientEvent::Sealed => self.sealed = true,
            ClientEvent::Disconnected { code, reason, .. } => {
                let joined = self.state == State::Joined;
                self.state = if joined { State::Left } else { State::Failed };
                self.code = (*code).into();
                self.reason = GString::from(reason);
                self.session = None;
            }
            _ => {}
        }
    }

    /// What an event means to the WebRTC connections. Nothing is borrowed while the engine is
    /// called, because it emits signals.
    fn connect_peers(this: &mut Gd<Self>, event: &ClientEvent) {
        if let ClientEvent::Identified { id, topology, .. } = event {
            return Self::replace_mesh(this, *id, *topology);
        }
        let mesh = this.bind().connections.clone();
        if let Some(mesh) = mesh {
            mesh.handle(event);
        }
    }

    /// A new id means a new lobby: nothing of the old one can go on.
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

    fn new_mesh(&self, id: PeerId, topology: Topology) -> Option<Rc<Mesh>> {
        let session = self.session.as_ref().filter(|_| self.assign_multiplayer_peer)?;
        let api = self.base().get_multiplayer()?;
        let mut configuration = self.rtc_configuration.duplicate_shallow();
        configuration.set("iceServers", &self.ice_servers);
        let mesh = Mesh::new(id, topology, self.generation, configuration, api, session.handle());
        Some(Rc::new(mesh))
    }
}

fn is_current(client: &Gd<SignalingClient>, epoch: u64) -> bool {
    client.is_instance_valid() && client.bind().epoch == epoch
}

fn tell(client: &Gd<SignalingClient>, event: ClientEvent) {
    let mut signals = client.signals();
    let int = |id: PeerId| i64::from(id.get());
    match event {
        ClientEvent::Identified { id, topology, .. } => {
            signals.connected().emit(int(id), topology == Topology::Mesh);
        }
        ClientEvent::LobbyJoined { lobby, .. } => signals.lobby_joined().emit(&lobby),
        ClientEvent::Sealed => signals.lobby_sealed().emit(),
        ClientEvent::PeerConnected { id } => signals.peer_connected().emit(int(id)),
        ClientEvent::PeerDisconnected { id } => signals.peer_disconnected().emit(int(id)),
        ClientEvent::Offer { from, sdp } => signals.offer_received().emit(int(from), &sdp),
        ClientEvent::Answer { from, sdp } => signals.answer_received().emit(int(from), &sdp),
        ClientEvent::Candidate { from, mid, index, sdp } => {
            signals.candidate_received().emit(int(from), &mid, i64::from(index), &sdp);
        }
        ClientEvent::Disconnected { code, reason, .. } => {
            signals.disconnected().emit(i64::from(code), &reason);
        }
        // The others belong to the extended protocol, or mean nothing to the game.
        _ => {}
    }
}

fn endpoint(url: &GString) -> Result<Endpoint, Error> {
    let url = url.to_string();
    let has_scheme = |scheme: &str| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if has_scheme("ws://") {
        Ok(Endpoint::Url(url))
    } else if has_scheme("wss://") {
        Err(Error::ERR_UNAVAILABLE)
    } else {
        Err(Error::ERR_INVALID_PARAMETER)
    }
}

fn result(result: Result<(), Error>) -> Error {
    result.err().unwrap_or(Error::OK)
}
