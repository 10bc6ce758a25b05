//! The node `SignalingServer`.

mod admission;
mod lobby;
mod mirror;
mod settings;
mod telling;

use std::collections::VecDeque;
use std::io;

use godot::classes::Node;
use godot::classes::notify::NodeNotification;
use godot::global::Error;
use godot::prelude::*;
use godot::signal::ConnectHandle;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use signaling_core::PeerId;
use signaling_gateway::Gateway;
use signaling_net::{Listener, LocalServer, ServerHandle};
use signaling_protocols::godot::server::Hooks;
use signaling_protocols::godot::{GodotServer, ServerCommand};

use crate::frame::each_frame;
use crate::runtime;
use admission::{Decisions, SignalingAdmission};
use lobby::{About, Lobby, Member};
use mirror::Mirror;
use telling::Told;

/// Hosts lobbies in which WebRTC games find each other: a signaling server inside the game.
///
/// Players connect with a [SignalingClient] (or with the client of Godot's `webrtc_signaling`
/// demo), create a lobby or join one by its code, and are told of each other. The server passes
/// session descriptions and candidates between them; what the game sends afterwards goes from
/// player to player and never comes here.
///
/// ```gdscript
/// @onready var server: SignalingServer = $SignalingServer
///
/// func _on_host_pressed() -> void:
///     server.peer_joined.connect(func(lobby, id): print(id, " joined ", lobby))
///     if server.listen() != OK:
///         print("Is another server running on this machine?")
/// ```
///
/// Clients that speak CloudLink Omega, CloudLink 5, rooms or calling find each other here too, once
/// [member protocols] says so: `docs/protocols.md` tells of them. The signals and [method
/// get_lobbies] cover the lobbies of all protocols. What is decided on, and [member max_peers],
/// [member max_lobbies] and the like, are of the native protocol alone: the others have limits of
/// their own.
///
/// The server has a thread of its own: it serves while the game is paused, loads a level or hangs.
/// The signals are emitted on the main thread, once a frame, also while the tree is paused.
///
/// The node works while it is inside the tree. Leaving the tree stops the server.
#[derive(GodotClass)]
#[class(init, base = Node)]
pub(crate) struct SignalingServer {
    /// If `true`, the server starts in the first frame after the node is ready, when its parent has
    /// connected to its signals in `_ready`. In the editor it never does. A failure is printed; call
    /// [method listen] yourself to handle it.
    #[export]
    autostart: bool,

    /// The IP address to listen on. `"*"` means all addresses of this machine, IPv6 and IPv4;
    /// `"127.0.0.1"` admits only programs on this machine.
    ///
    /// Read when the server starts.
    #[export_group(name = "Network")]
    #[export]
    #[init(val = GString::from("*"))]
    bind_address: GString,

    /// The TCP port to listen on, 0 to 65535. 0 means any free port, see [method get_local_port].
    ///
    /// Read when the server starts.
    #[export(range = (0.0, 65535.0, 1.0))]
    #[init(val = 9080)]
    port: i64,

    /// Whether all clients come through a reverse proxy that tells their addresses: by the last entry
    /// of the header `X-Forwarded-For`, which it has to write itself, or of `Forwarded` where the
    /// former is missing; clients without an IP address there count as one. If `false`, they all
    /// share the proxy's address, and with it bans and wrong guesses. Without such a proxy anybody
    /// can pretend to be somebody else.
    ///
    /// Read when the server starts.
    #[export]
    trust_proxy: bool,

    /// The protocols that are spoken, added up: [constant PROTOCOL_GODOT] and the others. The path
    /// of a request says which, and one of a protocol that is not spoken is answered with HTTP 404.
    /// Nobody is asked about who comes in by others than the native one: see [signal hello_requested].
    ///
    /// Read when the server starts.
    #[export_group(name = "Protocols")]
    #[export]
    #[var(hint = FLAGS, hint_string =
        "Godot:1,CloudLink Omega:2,CloudLink 5:4,PeerServer:8,Rooms:16,Calling:32")]
    #[init(val = Self::PROTOCOL_GODOT)]
    protocols: i64,

    /// The pages that may connect from a browser, such as `"https://example.com"`; others are
    /// answered with HTTP 403. Programs that are no browser may always. Empty: all pages may.
    ///
    /// Read when the server starts.
    #[export]
    allowed_origins: PackedStringArray,

    /// The path of the native protocol, which is spoken at `/` as well.
    ///
    /// Read when the server starts.
    #[export]
    #[init(val = GString::from("/godot"))]
    godot_path: GString,

    /// The path of CloudLink Omega as it is specified, which the name of a game follows:
    /// `/ws/{game}`. No two protocols may be found at the same.
    ///
    /// Read when the server starts.
    #[export]
    #[init(val = GString::from("/ws"))]
    omega_path: GString,

    /// The path of CloudLink Omega as its later clients speak it, which the name of a game follows:
    /// `/signaling/{game}`.
    ///
    /// Read when the server starts.
    #[export]
    #[init(val = GString::from("/signaling"))]
    omega_late_path: GString,

    /// The path of CloudLink 5, which is spoken at `/?ugi={game}` as well.
    ///
    /// Read when the server starts.
    #[export]
    #[init(val = GString::from("/signaling"))]
    cloudlink5_path: GString,

    /// The path of the PeerServer. Clients of CloudLink 5 look for it at the default, `/peerjs`.
    ///
    /// Read when the server starts.
    #[export]
    #[init(val = GString::from("/peerjs"))]
    peer_server_path: GString,

    /// The path of rooms.
    ///
    /// Read when the server starts.
    #[export]
    #[init(val = GString::from("/room"))]
    rooms_path: GString,

    /// The path of calling.
    ///
    /// Read when the server starts.
    #[export]
    #[init(val = GString::from("/calling"))]
    calling_path: GString,

    /// How many clients may be connected at a time, in a lobby or not. One more is turned away with
    /// "Too many peers connected". Each costs a few kilobytes of memory.
    ///
    /// Read when the server starts.
    #[export_group(name = "Limits")]
    #[export(range = (1.0, 16384.0, 1.0))]
    #[init(val = 4096)]
    max_peers: i64,

    /// How many lobbies may exist at a time. Whoever wants to create one more is turned away with
    /// "Too many lobbies open, disconnecting".
    ///
    /// Read when the server starts.
    #[export(range = (1.0, 16384.0, 1.0))]
    #[init(val = 1024)]
    max_lobbies: i64,

    /// The largest message that is passed on, in bytes. A larger one closes its sender. Godot's own
    /// WebSocket client loses what is larger than 65535 bytes.
    ///
    /// Read when the server starts.
    #[export(range = (1024.0, 1000000.0, 1.0, suffix = "B"))]
    #[init(val = 65_535)]
    max_message_bytes: i64,

    /// How long a client may stay connected without being in a lobby, in seconds. Afterwards it is
    /// closed with "Have not joined lobby yet". Less than 5 seconds shuts out players on slow
    /// links.
    ///
    /// Read when the server starts.
    #[export_group(name = "Timing")]
    #[export(range = (0.1, 60.0, 0.1, or_greater, suffix = "s"))]
    #[init(val = 5.0)]
    join_timeout: f64,

    /// How long a sealed lobby lives on, in seconds, before its members are disconnected with "Seal
    /// complete". By then they should have connected to each other.
    ///
    /// Read when the server starts.
    #[export(range = (0.1, 60.0, 0.1, or_greater, suffix = "s"))]
    #[init(val = 10.0)]
    seal_timeout: f64,

    /// How often each client is pinged, in seconds, so that routers between do not forget an idle
    /// connection. 0 switches it off.
    ///
    /// Read when the server starts.
    #[export(range = (0.0, 60.0, 0.1, or_greater, suffix = "s"))]
    #[init(val = 10.0)]
    ping_interval: f64,

    /// A client from which nothing arrives for this long, in seconds, not even the answer to a
    /// ping, is disconnected. 0 switches it off. Choose it larger than [member ping_interval]; a
    /// game that is stopped in a debugger or on a phone's background does not answer.
    ///
    /// Read when the server starts.
    #[export(range = (0.0, 300.0, 0.1, or_greater, suffix = "s"))]
    pong_timeout: f64,

    /// How long a player whose connection was lost keeps its place in the lobby, in seconds. 0: not
    /// at all. Only with clients of the extended protocol, such as [SignalingClient].
    ///
    /// Read when the server starts.
    #[export(range = (0.0, 300.0, 0.1, or_greater, suffix = "s"))]
    #[init(val = 30.0)]
    resume_timeout: f64,

    /// How often clients of the extended protocol give a sign of life, in seconds: the connection
    /// of one that misses three counts as lost. They measure their round trips with it.
    ///
    /// Read when the server starts.
    #[export(range = (0.1, 60.0, 0.1, or_greater, suffix = "s"))]
    #[init(val = 5.0)]
    client_ping_interval: f64,

    /// The only game that may use the server, see [member SignalingClient.game_id]. Empty: any.
    ///
    /// Read when the server starts.
    #[export_group(name = "Admission")]
    #[export]
    required_game_id: GString,

    /// The only version of the game that may, see [member SignalingClient.game_version]. Empty: any.
    ///
    /// Read when the server starts.
    #[export]
    required_game_version: GString,

    /// The largest metadata of a lobby, in bytes of JSON, 0 to 16384.
    ///
    /// Read when the server starts.
    #[export(range = (0.0, 16384.0, 1.0, suffix = "B"))]
    #[init(val = 2048)]
    max_metadata_bytes: i64,

    /// How long a decision on a [SignalingAdmission] may take, in seconds. When it is not made in
    /// time, a warning says so once.
    #[export(range = (0.1, 60.0, 0.1, or_greater, suffix = "s"))]
    #[init(val = 5.0)]
    decision_timeout: f64,

    /// Whether what was not decided on in [member decision_timeout] is accepted. If `false`, it is
    /// rejected.
    #[export]
    accept_undecided: bool,

    /// STUN and TURN servers that clients are told of, which use them beside their own: see [member
    /// SignalingClient.ice_servers]. At most 16000 bytes of JSON. Clients in rooms are told of those
    /// that need no password.
    ///
    /// Read when the server starts.
    #[export_group(name = "ICE")]
    #[export]
    ice_servers: Array<VarDictionary>,

    /// TURN servers that clients are told of with a password of their own, good for [member
    /// turn_lifetime], for example `["turn:turn.example.com"]`. They have to share [member
    /// turn_secret] with this server, as coturn does with `use-auth-secret`.
    ///
    /// Read when the server starts.
    #[export]
    turn_urls: PackedStringArray,

    /// The secret that this server shares with those at [member turn_urls], which coturn calls
    /// `static-auth-secret`. It is told to nobody.
    ///
    /// Read when the server starts.
    #[export]
    turn_secret: GString,

    /// How long a password for [member turn_urls] is good, in seconds; longer than a player stays.
    ///
    /// Read when the server starts.
    #[export(range = (60.0, 604_800.0, 1.0, or_greater, suffix = "s"))]
    #[init(val = 86_400.0)]
    turn_lifetime: f64,

    /// Whether it was said that nobody decides.
    has_warned: bool,
    /// Whether [member autostart] is still to be seen to.
    starts_by_itself: bool,
    running: Option<Gateway>,
    /// What the machine asks us about.
    hooks: Hooks,
    /// What the game has decided.
    decisions: Decisions,
    /// The first ticket that the game has not heard of.
    unasked: u64,
    /// What the game has been told of.
    mirror: Mirror,
    /// What the game will be told of in the next frame. At most what one frame brings: the
    /// handle's bounded queue, or the differences between two states of bounded size.
    pending: VecDeque<Told>,
    turns: Option<ConnectHandle>,
    base: Base<Node>,
}

#[godot_api]
impl SignalingServer {
    /// The native protocol, which [SignalingClient] speaks, at `/` and [member godot_path].
    #[constant]
    const PROTOCOL_GODOT: i64 = 1;

    /// CloudLink Omega, at [member omega_path] and [member omega_late_path].
    #[constant]
    const PROTOCOL_CLOUDLINK_OMEGA: i64 = 2;

    /// CloudLink 5, at `/?ugi={game}` and [member cloudlink5_path]: its lobbies. Its clients connect
    /// to each other with [constant PROTOCOL_PEER_SERVER], here or elsewhere.
    #[constant]
    const PROTOCOL_CLOUDLINK_5: i64 = 4;

    /// A PeerServer, at [member peer_server_path], which has no lobbies.
    #[constant]
    const PROTOCOL_PEER_SERVER: i64 = 8;

    /// Rooms with heartbeats, at [member rooms_path].
    #[constant]
    const PROTOCOL_ROOMS: i64 = 16;

    /// Namespaces, rooms and invitations, at [member calling_path].
    #[constant]
    const PROTOCOL_CALLING: i64 = 32;

    /// Emitted when the server listens, with the port that clients connect to.
    #[signal]
    fn started(port: i64);

    /// Emitted when the server has stopped, after [signal peer_left] and [signal lobby_closed] for
    /// everybody and everything that was left.
    #[signal]
    fn stopped();

    /// Emitted when a client has created a lobby. Its host joins next, as peer 1.
    ///
    /// Of this signal and those that follow: `lobby` is the name of a lobby of the native protocol,
    /// and `"rooms:name"` or the like for one of another protocol, as `key` in [method get_lobbies]
    /// tells. There, `id` is the lower 31 bits of the FNV-1a hash of the member's name, or 2 more
    /// where that is less than 2.
    #[signal]
    fn lobby_created(lobby: GString);

    /// Emitted when a lobby has another host, other ids for its peers, or its host has changed it:
    /// see [method get_lobbies].
    #[signal]
    fn lobby_changed(lobby: GString);

    /// Emitted when the host has sealed its lobby: nobody can join it any more, and it ends after
    /// [member seal_timeout]. Only the native protocol has seals.
    #[signal]
    fn lobby_sealed(lobby: GString);

    /// Emitted when a lobby is gone, after [signal peer_left] for each of its peers. [method
    /// get_lobbies] has it no longer; what stands before the first `:` tells its protocol, and
    /// lobbies of the native one have no `:`.
    #[signal]
    fn lobby_closed(lobby: GString);

    /// Emitted when a peer has joined a lobby. Whoever creates one of the native protocol has the id
    /// 1. See [signal lobby_created] for the others.
    #[signal]
    fn peer_joined(lobby: GString, id: i64);

    /// Emitted when a peer has left a lobby, whatever the cause.
    #[signal]
    fn peer_left(lobby: GString, id: i64);

    /// Emitted when a client has connected and says who it is, before anything else: accept or
    /// reject it. Not emitted for clients of the plain protocol, which do not say it, nor of other
    /// protocols, nor when one resumes a lost connection.
    ///
    /// Of this signal and the two that follow: if nobody is connected to it, everybody is accepted;
    /// what is connected later than [method listen] is called counts from the next frame on, and
    /// who waits when the last is disconnected is accepted.
    /// What was not decided on in time is rejected, see [member decision_timeout]. The server goes on
    /// meanwhile, and whoever asks waits.
    #[signal]
    fn hello_requested(request: Gd<SignalingAdmission>);

    /// Emitted when a client wants to create a lobby. See [signal hello_requested].
    #[signal]
    fn create_requested(request: Gd<SignalingAdmission>);

    /// Emitted when a client wants to join a lobby, and could: its password is right and there is
    /// room. See [signal hello_requested].
    #[signal]
    fn join_requested(request: Gd<SignalingAdmission>);

    /// Starts the server; clients can connect as soon as this returns. To decide on all of them,
    /// connect to [signal hello_requested] and its like before. `port` 0 and `bind_address`
    /// `""` mean the properties [member port] and [member bind_address]; where [member port] is 0
    /// too, any free port is taken.
    ///
    /// Returns [constant OK] (then [signal started] follows in the next frame), [constant
    /// ERR_ALREADY_IN_USE] if this server listens already or if another program listens on that
    /// port, [constant ERR_INVALID_PARAMETER] if the address is not an IP address of this machine
    /// or a property is out of its range or, as an error tells, makes no sense, [constant
    /// ERR_UNAUTHORIZED] if the system does not allow it (ports below 1024, usually), or [constant
    /// ERR_CANT_CREATE].
    #[func]
    fn listen(
        &mut self,
        #[opt(default = 0)] port: i64,
        #[opt(default = "")] bind_address: GString,
    ) -> Error {
        match self.start(port, &bind_address) {
            Ok(()) => Error::OK,
            Err(error) => error,
        }
    }

    /// Stops the server: the port is free when this returns. Every connection is closed with 1001;
    /// [signal peer_left], [signal lobby_closed] and at last [signal stopped] follow in the next
    /// frame. Does nothing when the server does not run.
    ///
    /// Clients of the plain protocol, and those in this very game, are disconnected by it. Others of
    /// the extended one, such as [SignalingClient], try to reconnect for as long as their place was
    /// kept, see [member resume_timeout], 10 seconds at least.
    #[func]
    fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.shutdown();
        // Those who asked are gone, and their tickets mean others in the next run.
        self.decisions = Decisions::default();
        self.pending.retain(|told| !matches!(told, Told::Asked(_)));
        let known = self.known();
        self.pending.extend(known.end().into_iter().map(Told::Lobby));
        self.pending.push_back(Told::Stopped);
    }

    /// Returns `true` if clients can connect.
    #[func]
    fn is_listening(&self) -> bool {
        self.running.is_some()
    }

    /// Returns the port that the server listens on, or 0 when it does not.
    #[func]
    fn get_local_port(&self) -> i64 {
        self.running.as_ref().map_or(0, |running| running.local_addr().port().into())
    }

    /// Returns how many clients are connected at the moment, in a lobby or not.
    #[func]
    fn get_peer_count(&self) -> i64 {
        self.running.as_ref().map_or(0, |running| to_int(running.connection_count()))
    }

    /// Returns all lobbies of all protocols, sorted by `key`, as far as the signals have told of
    /// them. Each is a dictionary with the keys
    ///
    /// - `protocol` ([String]), `"godot"` for the native one, `"omega"`, `"cloudlink5"`, `"rooms"` or
    ///   `"calling"`;
    /// - `key` ([String]), what the signals call it: in the native protocol its name, in others
    ///   `"rooms:name"`, or `"omega:game/name"` where games are separated;
    /// - `name` ([String]), in the native protocol the code that others join with;
    /// - `members` ([PackedInt32Array]), the ids of all peers in the order in which they joined,
    ///   the host included;
    /// - `locked` ([bool]), `true` if nobody can join for now;
    /// - `has_password` ([bool]), `true` if a password is needed;
    /// - `max_players` ([int]), how many peers may be in it; 0 if there is no limit.
    ///
    /// In the native protocol also
    ///
    /// - `host` ([int]), the host's id, 1 unless another has taken over in a mesh;
    /// - `mesh` ([bool]), `true` if every peer connects to every other, `false` if all connect to
    ///   the host only;
    /// - `sealed` ([bool]), `true` if nobody can join any more;
    /// - `public` ([bool]), `true` if it is in lists;
    /// - `metadata` ([Dictionary]), what its host tells of it;
    /// - `age` ([float]), seconds since it was created.
    ///
    /// In the others also
    ///
    /// - `game` ([String]), the game that it belongs to, empty where games are not separated;
    /// - `member_names` ([PackedStringArray]), what its members are known by there, in the order of
    ///   `members`;
    /// - `hosts` ([PackedStringArray]), who of them is in charge.
    #[func]
    fn get_lobbies(&self) -> Array<VarDictionary> {
        self.mirror.lobbies().map(Lobby::describe).collect()
    }

    /// Closes a lobby: every peer in it is told `reason`, of which about 120 bytes arrive. Clients of
    /// the extended protocol stay connected and are out of the lobby, see [signal
    /// SignalingClient.lobby_left]; those of the plain protocol are disconnected with 4000.
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] if the server does not run, [constant
    /// ERR_DOES_NOT_EXIST] if there is no such lobby, [constant ERR_UNAVAILABLE] if it is not of the
    /// native protocol, or [constant ERR_BUSY] if too many commands wait already.
    #[func]
    fn close_lobby(
        &mut self,
        lobby: GString,
        #[opt(default = "Lobby closed")] reason: GString,
    ) -> Error {
        self.command(&lobby, |lobby| {
            let (lobby, reason) = (lobby.key.clone(), reason.to_string());
            Some(ServerCommand::CloseLobby { lobby, reason })
        })
    }

    /// Puts one peer out of a lobby; it is told `reason`, of which about 120 bytes arrive. A client of
    /// the extended protocol stays connected, see [signal SignalingClient.lobby_left]; one of the
    /// plain protocol is disconnected with 4000. If it is the host, the lobby goes on or ends as its
    /// host policy says.
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] if the server does not run, [constant
    /// ERR_DOES_NOT_EXIST] if there is no such lobby or peer, [constant ERR_UNAVAILABLE] if the lobby
    /// is not of the native protocol, or [constant ERR_BUSY] if too many commands wait already.
    #[func]
    fn disconnect_peer(
        &mut self,
        lobby: GString,
        id: i64,
        #[opt(default = "Disconnected by the server")] reason: GString,
    ) -> Error {
        self.command(&lobby, |lobby| {
            let peer = PeerId::new(u64::try_from(id).ok()?)?;
            lobby.members.contains(&Member::Numbered(peer)).then(|| ServerCommand::DisconnectPeer {
                lobby: lobby.key.clone(),
                peer,
                reason: reason.to_string(),
            })
        })
    }
}

#[godot_api]
impl INode for SignalingServer {
    fn on_notification(&mut self, what: NodeNotification) {
        match what {
            NodeNotification::ENTER_TREE => {
                self.turns = Some(each_frame(&self.to_gd(), Self::turn));
            }
            NodeNotification::READY => self.starts_by_itself = self.autostart,
            NodeNotification::EXIT_TREE => {
                self.starts_by_itself = false;
                self.stop();
                self.turns.take().into_iter().for_each(ConnectHandle::disconnect);
            }
            _ => {}
        }
    }
}

impl SignalingServer {
    /// This server for clients in the same game.
    ///
    /// # Errors
    /// `ERR_UNCONFIGURED` when the server does not run.
    pub(crate) fn local(&self) -> Result<LocalServer, Error> {
        self.godot().map(ServerHandle::local).ok_or(Error::ERR_UNCONFIGURED)
    }

    /// The machine of the native protocol, while it runs.
    fn godot(&self) -> Option<&ServerHandle<GodotServer>> {
        self.running.as_ref().and_then(Gateway::godot)
    }

    fn start(&mut self, port: i64, bind_address: &GString) -> Result<(), Error> {
        if self.running.is_some() {
            return Err(Error::ERR_ALREADY_IN_USE);
        }
        let hooks = self.wanted_hooks().ok_or(Error::ERR_INVALID_PARAMETER)?;
        let config = self.config(hooks.clone()).ok_or(Error::ERR_INVALID_PARAMETER)?;
        let port = if port == 0 { self.port } else { port };
        let port = u16::try_from(port).map_err(|_| Error::ERR_INVALID_PARAMETER)?;
        let address = if bind_address.is_empty() { &self.bind_address } else { bind_address };

        let runtime = runtime::handle().map_err(|_| Error::ERR_CANT_CREATE)?;
        let listener = Listener::bind(&address.to_string(), port).map_err(explain)?;
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(|_| Error::ERR_CANT_CREATE)?;
        let gateway = Gateway::open(&runtime, listener, config, rng).map_err(explain)?;

        (self.hooks, self.unasked) = (hooks, 0);
        self.pending.push_back(Told::Started(gateway.local_addr().port()));
        self.running = Some(gateway);
        Ok(())
    }

    fn start_by_itself(&mut self) {
        let is_due = std::mem::take(&mut self.starts_by_itself) && self.running.is_none();
        if is_due && let Err(error) = self.start(0, &GString::new()) {
            godot_error!(
                "SignalingServer cannot listen on port {} of {}: {error:?}.",
                self.port,
                self.bind_address,
            );
        }
    }

    fn command(
        &self,
        key: &GString,
        command: impl FnOnce(&Lobby) -> Option<ServerCommand>,
    ) -> Error {
        let Some(running) = &self.running else { return Error::ERR_UNCONFIGURED };
        let Some(lobby) = self.mirror.lobby(&key.to_string()) else {
            return Error::ERR_DOES_NOT_EXIST;
        };
        match (&lobby.about, running.godot()) {
            (About::Native(_), Some(server)) => match command(lobby).map(|it| server.command(it)) {
                None => Error::ERR_DOES_NOT_EXIST,
                Some(Ok(())) => Error::OK,
                Some(Err(_)) => Error::ERR_BUSY,
            },
            _ => Error::ERR_UNAVAILABLE,
        }
    }

    /// One frame. Handlers may call back, remove or free the node: nothing is borrowed while a
    /// signal is emitted.
    fn turn(mut this: Gd<Self>) {
        this.bind_mut().start_by_itself();
        let count = this.bind_mut().collect();
        for _ in 0..count {
            if !this.is_instance_valid() {
                return;
            }
            let Some(told) = this.bind_mut().next() else { break };
            telling::tell(&this, told);
        }
        if this.is_instance_valid() {
            this.bind_mut().decide();
        }
    }

    /// Hands the machine what the game has decided, and what it wants to decide on from now on.
    fn decide(&mut self) {
        let Some(running) = self.running.as_ref().and_then(Gateway::godot) else { return };
        let is_taken = |command: ServerCommand| running.command(command).is_ok();
        self.decisions.hand_over(|ticket, verdict| {
            is_taken(ServerCommand::Decide { ticket, verdict: verdict.clone() })
        });
        if let Some(hooks) = self.wanted_hooks().filter(|hooks| *hooks != self.hooks)
            && is_taken(ServerCommand::SetHooks(hooks.clone()))
        {
            self.hooks = hooks;
        }
    }

    /// Says once that the game has left somebody waiting, which is mostly a mistake.
    fn warn_undecided(&mut self) {
        if !std::mem::replace(&mut self.has_warned, true) {
            godot_warn!(
                "SignalingServer: a request was neither accepted nor rejected within \
                 `decision_timeout`, by whoever is connected to `hello_requested`, \
                 `create_requested` or `join_requested`."
            );
        }
    }

    /// What somebody listens to is decided on; `None` when the time for it makes no sense.
    fn wanted_hooks(&self) -> Option<Hooks> {
        let is_heard = |signal: &str| self.base().has_connections(signal);
        Some(Hooks {
            hello: is_heard("hello_requested"),
            create: is_heard("create_requested"),
            join: is_heard("join_requested"),
            timeout: settings::seconds(self.decision_timeout)??,
            accepts_undecided: self.accept_undecided,
        })
    }
}

fn explain(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => Error::ERR_ALREADY_IN_USE,
        io::ErrorKind::InvalidInput | io::ErrorKind::AddrNotAvailable => {
            Error::ERR_INVALID_PARAMETER
        }
        io::ErrorKind::PermissionDenied => Error::ERR_UNAUTHORIZED,
        _ => Error::ERR_CANT_CREATE,
    }
}

fn to_int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
