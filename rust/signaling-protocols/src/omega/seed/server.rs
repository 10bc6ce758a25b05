//! All games of one server that speaks this numbering.

use std::sync::Arc;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use signaling_core::arrivals::Arrivals;
use signaling_core::games::{Full, Games};
use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::overview::{LobbyNotice, LobbyView, Overview};
use signaling_core::space;
use signaling_core::{Close, ConnId, Frame, Input, Output, Server};
use uuid::Builder;

use super::wire::{ClientMessage, Relay, ServerMessage};
use crate::omega::packet;
use crate::omega::settings::Settings;
use crate::target::{last_segment, parameter};

/// What clients call this version of the protocol.
const VERSIONS: [&str; 3] = ["0", "0.0", "1.0"];

/// The server side of the seed numbering.
#[derive(Debug)]
pub struct SeedServer {
    settings: Settings,
    rng: StdRng,
    games: Games<Client, Lobby>,
}

/// What is known of a connection.
#[derive(Debug, Default)]
struct Client {
    is_initialised: bool,
    /// KEEPALIVEs of ours that it has not answered.
    unanswered: u32,
}

/// Everybody with the same lobby id; there is always somebody.
#[derive(Debug)]
struct Lobby {
    members: Arrivals<ConnId, Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Host,
    Peer,
}

/// What a client may not do; the close that follows says nearly the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Violation {
    #[error("Got invalid/malformed JSON: JSON parsing error!")]
    Malformed,
    #[error("Missing lobby ID (payload) value")]
    NoLobby,
    #[error("Unrecognized message opcode value {0}")]
    UnknownOpcode(i64),
    #[error("State error: INIT is required first")]
    NotInitialised,
    #[error("State error: already initialized")]
    AlreadyInitialised,
    #[error("State error: already configured")]
    AlreadyConfigured,
    #[error("State error: not configured as host or peer")]
    NotConfigured,
    #[error("Missing recipient (rx) value")]
    NoRecipient,
    #[error("Unsupported API version")]
    Version,
    #[error("Server limit reached")]
    Full,
}

impl SeedServer {
    /// A server without games. Seed `rng` from the operating system: ids are drawn from it.
    pub fn new(settings: Settings, rng: StdRng) -> Self {
        Self { games: Games::new(settings.limits.clone()), settings, rng }
    }

    /// Panics unless clients and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        self.games.assert_consistent();
        for conn in self.games.conns() {
            let client = self.games.client(conn).expect("a connection is a client");
            let is_idle = client.lobby().is_none();
            assert!(is_idle || client.data.is_initialised, "only who has said INIT is in a lobby");
        }
    }
}

impl Overview for SeedServer {
    fn lobbies(&self) -> Vec<LobbyView> {
        self.games.views()
    }
}

impl Server for SeedServer {
    type Message<'a> = ClientMessage<'a>;
    type Command = ();
    type Notice = LobbyNotice;

    fn decode(frame: Frame<'_>) -> ClientMessage<'_> {
        ClientMessage::decode(frame)
    }

    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>) {
        match input {
            Input::Opened { conn, target, .. } => self.open(now, conn, target),
            Input::Message { conn, message } => self.handle_message(now, conn, message),
            Input::Heard { conn } => self.games.vigil.heard(now, conn),
            Input::Closed { conn } => self.depart(conn),
            Input::Command(()) => {}
            Input::Timeout => self.handle_timeout(now),
            Input::Shutdown => self.games.shut_down(),
        }
        if cfg!(debug_assertions) {
            self.assert_consistent();
        }
    }

    fn poll_output(&mut self) -> Option<Output<LobbyNotice>> {
        self.games.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.games.vigil.poll_timeout()
    }
}

impl SeedServer {
    fn open(&mut self, now: Instant, conn: ConnId, target: &str) {
        if let Err(violation) = self.enter(now, conn, target) {
            self.violate(conn, &violation);
        }
    }

    fn enter(&mut self, now: Instant, conn: ConnId, target: &str) -> Result<(), Violation> {
        if parameter(target, "v").is_some_and(|version| !VERSIONS.contains(&&*version)) {
            return Err(Violation::Version);
        }
        // Whoever routes by this path has seen to it that there is a game.
        let game = last_segment(target);
        let id = Builder::from_random_bytes(self.rng.random()).into_uuid().to_string();
        let keepalive = Keepalive::new(now, None, Some(self.settings.silence_limit));
        self.games.enter(conn, &game, id.into(), Client::default(), keepalive)?;
        Ok(())
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: ClientMessage<'_>) {
        // A connection that we have closed may still have had frames under way.
        let Some(client) = self.games.client(conn) else { return };
        let checked = check(client, &message);
        self.games.vigil.heard(now, conn);
        if let Err(violation) = checked.and_then(|()| self.handle(now, conn, message)) {
            self.violate(conn, &violation);
            self.depart(conn);
        }
    }

    fn handle(
        &mut self,
        now: Instant,
        conn: ConnId,
        message: ClientMessage<'_>,
    ) -> Result<(), Violation> {
        match message {
            ClientMessage::Keepalive => self.keep_alive(conn),
            ClientMessage::Init { .. } => self.initialise(now, conn),
            ClientMessage::ConfigHost { lobby: Some(lobby) } => {
                self.configure(conn, &lobby, Role::Host)?;
            }
            ClientMessage::ConfigPeer { lobby: Some(lobby) } => {
                self.configure(conn, &lobby, Role::Peer)?;
            }
            ClientMessage::Relay { kind, payload, to: Some(to) } => {
                self.relay(conn, kind, payload, &to);
            }
            ClientMessage::Shutdown => {
                self.depart(conn);
                self.games.out.close(conn, Close::normal());
            }
            ClientMessage::ShutdownWarning { suspect: Some(suspect) } => {
                self.suspect(now, conn, &suspect);
            }
            // Nothing else passes the check.
            _ => {}
        }
        Ok(())
    }

    fn keep_alive(&mut self, conn: ConnId) {
        let Some(client) = self.games.client_mut(conn) else { return };
        // Answers are not echoed, or two that answer everything would never come to rest.
        match client.data.unanswered.checked_sub(1) {
            Some(unanswered) => client.data.unanswered = unanswered,
            None => self.tell(conn, &ServerMessage::Keepalive),
        }
    }

    fn initialise(&mut self, now: Instant, conn: ConnId) {
        let Some(client) = self.games.client_mut(conn) else { return };
        client.data.is_initialised = true;
        let id = client.id().clone();
        self.tell(conn, &ServerMessage::InitOk((&*id).into()));
        let Settings { keepalive_interval, silence_limit, .. } = self.settings;
        let keepalive = Keepalive::new(now, Some(keepalive_interval), Some(silence_limit));
        self.games.vigil.watch(conn, keepalive);
    }

    fn configure(&mut self, conn: ConnId, lobby: &str, role: Role) -> Result<(), Violation> {
        self.join(conn, &lobby.into(), role)?;
        let ack = match role {
            Role::Host => ServerMessage::AckHost,
            Role::Peer => ServerMessage::AckPeer,
        };
        self.tell(conn, &ack);
        for other in self.counterparts(conn) {
            match role {
                Role::Host => self.introduce(conn, other),
                Role::Peer => self.introduce(other, conn),
            }
        }
        Ok(())
    }

    fn join(&mut self, conn: ConnId, name: &Arc<str>, role: Role) -> Result<(), Violation> {
        self.settings.check_name(name)?;
        let Settings { max_lobby_hosts, max_lobby_peers, .. } = self.settings;
        let room = if role == Role::Host { max_lobby_hosts } else { max_lobby_peers };
        let lobby = self.games.of(conn).and_then(|space| space.lobby(name));
        if lobby.map_or(0, |lobby| lobby.having(role).count()) >= room {
            return Err(Violation::Full);
        }
        if lobby.is_some() {
            self.games.join_lobby(conn, name, |lobby| lobby.members.add(conn, role));
        } else {
            self.games.open_lobby(conn, name, Lobby::new(conn, role))?;
        }
        Ok(())
    }

    /// Tells a host and a peer of each other.
    fn introduce(&mut self, host: ConnId, peer: ConnId) {
        let (host_id, peer_id) = (self.games.id(host), self.games.id(peer));
        self.tell(peer, &ServerMessage::NewHost((&*host_id).into()));
        self.tell(host, &ServerMessage::NewPeer((&*peer_id).into()));
    }

    fn relay(&mut self, conn: ConnId, kind: Relay, payload: Option<&str>, to: &str) {
        let from = self.games.id(conn);
        let message = ServerMessage::Relayed { kind, payload, from: (&*from).into() };
        match self.counterpart(conn, to) {
            Some(recipient) => self.tell(recipient, &message),
            None => self.tell(conn, &ServerMessage::ShutdownAck(to.into())),
        }
    }

    fn suspect(&mut self, now: Instant, conn: ConnId, suspect: &str) {
        let Some(suspected) = self.counterpart(conn, suspect) else {
            return self.tell(conn, &ServerMessage::ShutdownAck(suspect.into()));
        };
        if self.games.vigil.probe(now, suspected, self.settings.probe_timeout) {
            self.ask(suspected);
            self.games.out.ping(suspected);
        }
    }

    /// Asks for a sign of life.
    fn ask(&mut self, conn: ConnId) {
        if let Some(client) = self.games.client_mut(conn) {
            client.data.unanswered = client.data.unanswered.saturating_add(1);
        }
        self.tell(conn, &ServerMessage::Keepalive);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((conn, beat)) = self.games.vigil.poll(now) {
            match beat {
                Beat::Ping => self.ask(conn),
                Beat::Silent => {
                    self.games.out.close(conn, Close::keepalive_timeout());
                    self.depart(conn);
                }
            }
        }
    }

    /// Whatever the cause: its counterparts hear of it.
    fn depart(&mut self, conn: ConnId) {
        let (id, counterparts) = (self.games.id(conn), self.counterparts(conn));
        self.games.leave(conn);
        let text = ServerMessage::ShutdownAck((&*id).into()).encode();
        self.games.out.send_all(counterparts, text);
    }

    /// Of a host the peers of its lobby, of a peer the hosts, in order of arrival.
    fn counterparts(&self, conn: ConnId) -> Vec<ConnId> {
        let Some(lobby) = self.games.lobby_of(conn) else { return Vec::new() };
        match lobby.members.get(&conn) {
            Some(Role::Host) => lobby.having(Role::Peer).collect(),
            Some(Role::Peer) => lobby.having(Role::Host).collect(),
            None => Vec::new(),
        }
    }

    /// The counterpart with this id.
    fn counterpart(&self, conn: ConnId, id: &str) -> Option<ConnId> {
        let other = self.games.of(conn)?.find(id)?;
        let members = &self.games.lobby_of(conn)?.members;
        (members.get(&conn)? != members.get(&other)?).then_some(other)
    }

    fn tell(&mut self, conn: ConnId, message: &ServerMessage<'_>) {
        self.games.out.send(conn, message.encode());
    }

    /// The close that follows says the same, but for the number of an unknown opcode.
    fn violate(&mut self, conn: ConnId, violation: &Violation) {
        let text = violation.to_string();
        let (code, reason) = match violation {
            Violation::Malformed => (1003, &*text),
            Violation::UnknownOpcode(_) => (1002, "Unrecognized message opcode"),
            _ => (1002, &*text),
        };
        packet::violate(&mut self.games.out, conn, &text, Close::new(code, reason));
    }
}

/// Whether a client may say this now, and has said what belongs to it.
fn check(client: &space::Client<Client>, message: &ClientMessage<'_>) -> Result<(), Violation> {
    use ClientMessage::*;
    let (is_initialised, is_member) = (client.data.is_initialised, client.lobby().is_some());
    Err(match message {
        Malformed => Violation::Malformed,
        Unknown(opcode) => Violation::UnknownOpcode(*opcode),
        Init { .. } if is_initialised => Violation::AlreadyInitialised,
        Keepalive | Init { .. } => return Ok(()),
        _ if !is_initialised => Violation::NotInitialised,
        ConfigHost { .. } | ConfigPeer { .. } if is_member => Violation::AlreadyConfigured,
        ConfigHost { lobby: None } | ConfigPeer { lobby: None } => Violation::NoLobby,
        Relay { .. } | ShutdownWarning { .. } if !is_member => Violation::NotConfigured,
        Relay { to: None, .. } | ShutdownWarning { suspect: None } => Violation::NoRecipient,
        _ => return Ok(()),
    })
}

impl From<Full> for Violation {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl Lobby {
    fn new(conn: ConnId, role: Role) -> Self {
        let mut members = Arrivals::default();
        members.add(conn, role);
        Self { members }
    }

    fn having(&self, role: Role) -> impl Iterator<Item = ConnId> {
        self.members.iter().filter(move |it| *it.1 == role).map(|it| *it.0)
    }
}

impl space::Lobby for Lobby {
    fn members(&self) -> impl Iterator<Item = ConnId> {
        self.members.keys().copied()
    }

    fn remove(&mut self, member: ConnId) {
        self.members.remove(&member);
    }

    fn hosts(&self) -> impl Iterator<Item = ConnId> {
        self.having(Role::Host)
    }
}
