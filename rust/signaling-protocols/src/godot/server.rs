//! All lobbies of one server.
//!
//! ```text
//!                JOIN ""             ┌────── SEAL (host) ──────┐
//!   connection ─────────► host ──────┤                         ▼
//!     fresh                          │        lobby: open ─► sealed ─ seal_timeout ─► gone (1000)
//!       │ └── JOIN name ► member     └────────────► │           │
//!       └ join_timeout ► closed (4000)              └─ host gone ┴──────────────────► gone (4000)
//! ```
//!
//! A lobby exists exactly as long as its host. There is no leave message: whoever leaves closes
//! its socket. Every protocol error closes the socket with 4000 and a reason.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use signaling_core::ids::alphanumeric;
use signaling_core::roster::Roster;
use signaling_core::timers::Timers;
use signaling_core::{Close, ConnId, Frame, Input, Output, PeerId, Server};

use super::Topology;
use super::refusal::{Refusal, dismissal, seal_complete};
use super::wire::{self, ClientMessage, RelayKind, ServerMessage};

const LOBBY_NAME_LENGTH: usize = 16;

/// The limits and timers of a [`GodotServer`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Open connections, in a lobby or not. One more is closed at once. Default 4096.
    pub max_peers: usize,
    /// Open lobbies. Default 1024.
    pub max_lobbies: usize,
    /// How long a connection may stay outside of a lobby, from the end of its handshake. Default
    /// 5 s; less drops players on slow links.
    pub join_timeout: Duration,
    /// How long a sealed lobby lives on. Default 10 s.
    pub seal_timeout: Duration,
    /// The largest relayed message, in bytes of the outgoing frame. Default 65 535, which is what
    /// Godot's WebSocket client can take.
    pub max_message_bytes: usize,
}

impl Settings {
    /// What [`Settings::max_message_bytes`] may be: enough for the shortest messages, and no more
    /// than what may wait for one client.
    pub const MESSAGE_BYTES: RangeInclusive<usize> = 125..=1_000_000;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_peers: 4096,
            max_lobbies: 1024,
            join_timeout: Duration::from_secs(5),
            seal_timeout: Duration::from_secs(10),
            max_message_bytes: 65_535,
        }
    }
}

/// What the embedding program may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerCommand {
    /// Close a lobby and every connection in it, with 4000. Ignored when there is no such lobby.
    CloseLobby {
        /// Its name.
        lobby: Arc<str>,
        /// What the members are told.
        reason: String,
    },
    /// Close one member's connection, with 4000. Ignored when there is no such member.
    DisconnectPeer {
        /// The member's lobby.
        lobby: Arc<str>,
        /// The member.
        peer: PeerId,
        /// What it is told.
        reason: String,
    },
}

/// What the embedding program is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerNotice {
    /// A lobby was created; its host joins it next.
    LobbyCreated {
        /// Its name.
        lobby: Arc<str>,
        /// Who will connect to whom.
        topology: Topology,
        /// When.
        at: Instant,
    },
    /// A peer joined a lobby.
    PeerJoined {
        /// The lobby.
        lobby: Arc<str>,
        /// Its id there.
        peer: PeerId,
    },
    /// A peer left a lobby, whatever the cause.
    PeerLeft {
        /// The lobby.
        lobby: Arc<str>,
        /// Its id there.
        peer: PeerId,
    },
    /// A lobby was sealed. Told once.
    LobbySealed {
        /// The lobby.
        lobby: Arc<str>,
    },
    /// A lobby is gone; all its peers have left before.
    LobbyClosed {
        /// The lobby.
        lobby: Arc<str>,
    },
}

/// One open lobby, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Who connects to whom.
    pub topology: Topology,
    /// True when nobody can join any more.
    pub sealed: bool,
    /// When it was created.
    pub created: Instant,
    /// Its members in join order, the host first.
    pub members: Vec<PeerId>,
}

/// The server side of the protocol.
#[derive(Debug)]
pub struct GodotServer {
    settings: Settings,
    rng: StdRng,
    conns: HashMap<ConnId, Place>,
    lobbies: HashMap<Arc<str>, Lobby>,
    timers: Timers<Timer>,
    outputs: VecDeque<Output<ServerNotice>>,
}

/// Where a connection stands.
#[derive(Debug, Clone)]
enum Place {
    Fresh,
    In { lobby: Arc<str>, peer: PeerId },
}

#[derive(Debug)]
struct Lobby {
    roster: Roster<PeerId, ConnId>,
    topology: Topology,
    sealed: bool,
    created: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// When to close a connection that has not joined a lobby.
    Join(ConnId),
    /// When to end a sealed lobby.
    Seal(Arc<str>),
}

impl GodotServer {
    /// A server without lobbies. Seed `rng` from the operating system: lobby names are the only
    /// thing that keeps strangers out.
    pub fn new(settings: Settings, rng: StdRng) -> Self {
        Self {
            settings,
            rng,
            conns: HashMap::new(),
            lobbies: HashMap::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
        }
    }

    /// All open lobbies, in no particular order.
    pub fn lobbies(&self) -> impl Iterator<Item = LobbyInfo> {
        self.lobbies.iter().map(|(name, lobby)| LobbyInfo {
            name: name.clone(),
            topology: lobby.topology,
            sealed: lobby.sealed,
            created: lobby.created,
            members: lobby.roster.iter().map(|(peer, _)| *peer).collect(),
        })
    }

    /// Panics unless connections and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        assert!(self.conns.len() <= self.settings.max_peers, "too many connections");
        assert!(self.lobbies.len() <= self.settings.max_lobbies, "too many lobbies");
        for lobby in self.lobbies.values() {
            lobby.roster.assert_consistent();
            assert!(lobby.roster.contains(&PeerId::HOST), "a lobby lives as long as its host");
        }
        let in_lobbies: usize = self.lobbies.values().map(|lobby| lobby.roster.len()).sum();
        let mut placed = 0;
        for (conn, place) in &self.conns {
            if let Place::In { lobby, peer } = place {
                placed += 1;
                let member = self.lobbies.get(lobby).and_then(|lobby| lobby.roster.get(peer));
                assert_eq!(member, Some(conn), "a connection is where its place says");
            }
        }
        assert_eq!(placed, in_lobbies, "every member is a connection");
    }
}

impl Server for GodotServer {
    type Message<'a> = ClientMessage<'a>;
    type Command = ServerCommand;
    type Notice = ServerNotice;

    fn decode(frame: Frame<'_>) -> ClientMessage<'_> {
        ClientMessage::decode(frame)
    }

    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>) {
        match input {
            Input::Opened { conn, .. } => self.open(now, conn),
            Input::Message { conn, message } => self.handle_message(now, conn, message),
            Input::Closed { conn } => self.depart(conn),
            Input::Command(command) => self.handle_command(command),
            Input::Timeout => self.handle_timeout(now),
            Input::Shutdown => self.shut_down(),
        }
        if cfg!(debug_assertions) {
            self.assert_consistent();
        }
    }

    fn poll_output(&mut self) -> Option<Output<ServerNotice>> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.earliest()
    }
}

impl GodotServer {
    fn open(&mut self, now: Instant, conn: ConnId) {
        if self.conns.len() >= self.settings.max_peers {
            return self.close(conn, Refusal::TooManyPeers.into());
        }
        self.conns.insert(conn, Place::Fresh);
        self.timers.set(Timer::Join(conn), now + self.settings.join_timeout);
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: ClientMessage<'_>) {
        // A connection that we have closed may still have had frames under way.
        let Some(place) = self.conns.get(&conn) else { return };
        let handled = match (message, place.clone()) {
            (ClientMessage::Malformed(malformed), _) => Err(malformed.into()),
            (ClientMessage::Create { .. } | ClientMessage::Join { .. }, Place::In { .. }) => {
                Err(Refusal::AlreadyInLobby)
            }
            (ClientMessage::Create { topology }, Place::Fresh) => self.create(now, conn, topology),
            (ClientMessage::Join { lobby }, Place::Fresh) => self.join(conn, &lobby),
            (_, Place::Fresh) => Err(Refusal::NotInLobby),
            (ClientMessage::Seal, Place::In { lobby, peer }) => self.seal(now, &lobby, peer),
            (ClientMessage::Relay { kind, to, data }, Place::In { lobby, peer }) => {
                self.relay(&lobby, peer, kind, to, data)
            }
            (_, Place::In { .. }) => Err(Refusal::InvalidCommand),
        };
        if let Err(refusal) = handled {
            self.expel(conn, refusal.into());
        }
    }

    fn create(&mut self, now: Instant, conn: ConnId, topology: Topology) -> Result<(), Refusal> {
        if self.lobbies.len() >= self.settings.max_lobbies {
            return Err(Refusal::TooManyLobbies);
        }
        let name = self.draw_name();
        let roster = Roster::new(PeerId::HOST, conn);
        self.lobbies.insert(name.clone(), Lobby { roster, topology, sealed: false, created: now });
        self.notify(ServerNotice::LobbyCreated { lobby: name.clone(), topology, at: now });
        self.settle(conn, &name, PeerId::HOST);

        self.send(conn, &ServerMessage::Identified { id: PeerId::HOST, topology });
        self.send(conn, &ServerMessage::Joined { lobby: (&*name).into() });
        Ok(())
    }

    fn join(&mut self, conn: ConnId, name: &str) -> Result<(), Refusal> {
        let Some((name, lobby)) = self.lobbies.get_key_value(name) else {
            return Err(Refusal::NoSuchLobby);
        };
        if lobby.sealed {
            return Err(Refusal::LobbySealed);
        }
        let (name, topology) = (name.clone(), lobby.topology);
        let known: Vec<(PeerId, ConnId)> = lobby.told_of_others().collect();
        let peer = PeerId::draw(&mut self.rng, |id| lobby.roster.contains(&id));

        self.send(conn, &ServerMessage::Identified { id: peer, topology });
        let announcement = ServerMessage::PeerConnected(peer).encode();
        for (member, member_conn) in known {
            self.send_text(member_conn, announcement.clone());
            self.send(conn, &ServerMessage::PeerConnected(member));
        }
        self.send(conn, &ServerMessage::Joined { lobby: (&*name).into() });

        if let Some(lobby) = self.lobbies.get_mut(&name) {
            lobby.roster.join(peer, conn);
        }
        self.settle(conn, &name, peer);
        Ok(())
    }

    fn seal(&mut self, now: Instant, name: &Arc<str>, peer: PeerId) -> Result<(), Refusal> {
        if peer != PeerId::HOST {
            return Err(Refusal::NotHost);
        }
        let Some(lobby) = self.lobbies.get_mut(name) else { return Ok(()) };
        let members = lobby.conns();
        if !std::mem::replace(&mut lobby.sealed, true) {
            self.timers.set(Timer::Seal(name.clone()), now + self.settings.seal_timeout);
            self.notify(ServerNotice::LobbySealed { lobby: name.clone() });
        }
        let sealed = ServerMessage::Sealed.encode();
        for conn in members {
            self.send_text(conn, sealed.clone());
        }
        Ok(())
    }

    fn relay(
        &mut self,
        name: &str,
        from: PeerId,
        kind: RelayKind,
        to: Option<PeerId>,
        data: &str,
    ) -> Result<(), Refusal> {
        let lobby = self.lobbies.get(name);
        let Some(conn) = lobby.zip(to).and_then(|(lobby, to)| lobby.roster.get(&to)).copied()
        else {
            return Err(Refusal::InvalidDestination);
        };
        let text = wire::relay(kind, from, data);
        if text.len() > self.settings.max_message_bytes {
            return Err(Refusal::MessageTooLarge);
        }
        self.send_text(conn, text);
        Ok(())
    }

    fn handle_command(&mut self, command: ServerCommand) {
        match command {
            ServerCommand::CloseLobby { lobby, reason } => {
                self.dissolve(&lobby, &dismissal(&reason));
            }
            ServerCommand::DisconnectPeer { lobby, peer, reason } => {
                let lobby = self.lobbies.get(&lobby);
                if let Some(conn) = lobby.and_then(|lobby| lobby.roster.get(&peer)).copied() {
                    self.expel(conn, dismissal(&reason));
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Join(conn) => self.expel(conn, Refusal::NotJoined.into()),
                Timer::Seal(lobby) => self.dissolve(&lobby, &seal_complete()),
            }
        }
    }

    fn shut_down(&mut self) {
        let names: Vec<Arc<str>> = self.lobbies.keys().cloned().collect();
        for name in names {
            self.dissolve(&name, &Close::shutting_down());
        }
        let fresh: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in fresh {
            self.expel(conn, Close::shutting_down());
        }
    }

    /// Closes a connection and takes it out of its lobby.
    fn expel(&mut self, conn: ConnId, close: Close) {
        self.close(conn, close);
        self.depart(conn);
    }

    /// Forgets a connection, whatever ended it, and takes it out of its lobby.
    fn depart(&mut self, conn: ConnId) {
        self.timers.cancel(&Timer::Join(conn));
        let Some(Place::In { lobby: name, peer }) = self.conns.remove(&conn) else { return };
        let Some(lobby) = self.lobbies.get_mut(&name) else { return };
        lobby.roster.leave(&peer);
        let told: Vec<ConnId> = lobby.told_of_others().map(|(_, conn)| conn).collect();
        self.notify(ServerNotice::PeerLeft { lobby: name.clone(), peer });

        if peer == PeerId::HOST {
            return self.dissolve(&name, &Refusal::HostGone.into());
        }
        let text = ServerMessage::PeerDisconnected(peer).encode();
        for conn in told {
            self.send_text(conn, text.clone());
        }
    }

    /// Ends a lobby and closes whoever is still in it.
    fn dissolve(&mut self, name: &Arc<str>, close: &Close) {
        let Some(lobby) = self.lobbies.remove(name) else { return };
        self.timers.cancel(&Timer::Seal(name.clone()));
        for (peer, conn) in lobby.roster.iter() {
            self.conns.remove(conn);
            self.close(*conn, close.clone());
            self.notify(ServerNotice::PeerLeft { lobby: name.clone(), peer: *peer });
        }
        self.notify(ServerNotice::LobbyClosed { lobby: name.clone() });
    }

    fn draw_name(&mut self) -> Arc<str> {
        loop {
            let name = alphanumeric(&mut self.rng, LOBBY_NAME_LENGTH);
            if !self.lobbies.contains_key(&*name) {
                return name.into();
            }
        }
    }

    /// Notes that a connection is in a lobby now.
    fn settle(&mut self, conn: ConnId, lobby: &Arc<str>, peer: PeerId) {
        self.timers.cancel(&Timer::Join(conn));
        self.conns.insert(conn, Place::In { lobby: lobby.clone(), peer });
        self.notify(ServerNotice::PeerJoined { lobby: lobby.clone(), peer });
    }

    fn send(&mut self, conn: ConnId, message: &ServerMessage<'_>) {
        self.send_text(conn, message.encode());
    }

    fn send_text(&mut self, conn: ConnId, text: Arc<str>) {
        self.outputs.push_back(Output::Send { conn, text });
    }

    fn close(&mut self, conn: ConnId, close: Close) {
        self.outputs.push_back(Output::Close { conn, close });
    }

    fn notify(&mut self, notice: ServerNotice) {
        self.outputs.push_back(Output::Notice(notice));
    }
}

impl Lobby {
    /// The members that hear of those who come and go, in join order: all of them in a mesh; the
    /// host alone otherwise, because a Godot client there refuses any peer but the host.
    fn told_of_others(&self) -> impl Iterator<Item = (PeerId, ConnId)> {
        self.roster
            .iter()
            .filter(|(peer, _)| self.topology == Topology::Mesh || **peer == PeerId::HOST)
            .map(|(peer, conn)| (*peer, *conn))
    }

    /// All members in join order.
    fn conns(&self) -> Vec<ConnId> {
        self.roster.iter().map(|(_, conn)| *conn).collect()
    }
}
