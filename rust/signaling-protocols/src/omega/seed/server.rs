//! All games of one server that speaks this numbering.

use std::sync::Arc;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use signaling_core::arrivals::Arrivals;
use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::overview::{LobbyNotice, LobbyView, Overview};
use signaling_core::space;
use signaling_core::timers::Timers;
use signaling_core::{Close, ConnId, Frame, Input, Output, Server};
use uuid::Builder;

use super::wire::{ClientMessage, Relay, ServerMessage};
use crate::omega::base::Base;
use crate::omega::settings::Settings;
use crate::target::parameter;

/// The path that leads here, up to the game.
const PATH: &str = "/ws/";
/// What clients call this version of the protocol.
const VERSIONS: [&str; 3] = ["0", "0.0", "1.0"];

/// The server side of the seed numbering.
#[derive(Debug)]
pub struct SeedServer {
    base: Base<Client, Lobby>,
    /// Until when one that is suspected to be gone has to give a sign of life.
    probes: Timers<ConnId>,
}

/// What is known of a connection.
#[derive(Debug, Default)]
struct Client {
    is_initialised: bool,
    /// KEEPALIVEs of ours that it has not answered.
    unanswered: u32,
}

/// Everybody with the same lobby id; there is always somebody.
#[derive(Debug, Default)]
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
        Self { base: Base::new(settings, rng), probes: Timers::default() }
    }

    /// Panics unless clients and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        self.base.spaces.assert_consistent();
        for conn in self.base.spaces.conns() {
            let client = self.base.spaces.client(conn);
            let is_idle = client.is_none_or(|client| client.lobby().is_none());
            assert!(!(is_idle && self.probes.get(&conn).is_some()), "only members are suspected");
        }
    }
}

impl Overview for SeedServer {
    fn lobbies(&self) -> Vec<LobbyView> {
        self.base.spaces.views()
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
            Input::Heard { conn } => self.hear(now, conn),
            Input::Closed { conn } => self.depart(conn),
            Input::Command(()) => {}
            Input::Timeout => self.handle_timeout(now),
            Input::Shutdown => self.shut_down(),
        }
        if cfg!(debug_assertions) {
            self.assert_consistent();
        }
    }

    fn poll_output(&mut self) -> Option<Output<LobbyNotice>> {
        self.base.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.base.vigil.poll_timeout(), self.probes.earliest()].into_iter().flatten().min()
    }
}

impl SeedServer {
    fn open(&mut self, now: Instant, conn: ConnId, target: &str) {
        let id: Arc<str> =
            Builder::from_random_bytes(self.base.rng.random()).into_uuid().to_string().into();
        let version = parameter(target, "v");
        let is_known = version.is_none_or(|version| VERSIONS.contains(&&*version));
        if !is_known {
            return self.violate(conn, &Violation::Version);
        }
        if self.base.enter(now, conn, (target, PATH), id, Client::default()).is_err() {
            self.violate(conn, &Violation::Full);
        }
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: ClientMessage<'_>) {
        self.hear(now, conn);
        // A connection that we have closed may still have had frames under way.
        let Some(client) = self.base.spaces.client(conn) else { return };
        let handled = match check(client, &message) {
            Ok(()) => self.handle(now, conn, message),
            Err(violation) => Err(violation),
        };
        if let Err(violation) = handled {
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
                self.base.out.close(conn, Close::new(1000, ""));
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
        let Some(client) = self.base.spaces.client_mut(conn) else { return };
        // Answers are not echoed, or two that answer everything would never come to rest.
        match client.data.unanswered.checked_sub(1) {
            Some(unanswered) => client.data.unanswered = unanswered,
            None => self.tell(conn, &ServerMessage::Keepalive),
        }
    }

    fn initialise(&mut self, now: Instant, conn: ConnId) {
        let Some(client) = self.base.spaces.client_mut(conn) else { return };
        client.data.is_initialised = true;
        let id = client.id().clone();
        self.tell(conn, &ServerMessage::InitOk((&*id).into()));
        let Settings { keepalive_interval, silence_limit, .. } = self.base.settings;
        let keepalive = Keepalive::new(now, Some(keepalive_interval), Some(silence_limit));
        self.base.vigil.watch(conn, keepalive);
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
        self.base.check_name(name)?;
        let Settings { max_lobby_hosts, max_lobby_peers, .. } = self.base.settings;
        let room = if role == Role::Host { max_lobby_hosts } else { max_lobby_peers };
        let Some(space) = self.base.spaces.of_mut(conn) else { return Ok(()) };
        if space.lobby(name).map_or(0, |lobby| lobby.having(role).count()) >= room {
            return Err(Violation::Full);
        }
        if space.lobby(name).is_none() {
            self.base.out.notify(space.open_lobby(name.clone(), Lobby::default())?);
        }
        if let Some(lobby) = space.lobby_mut(name) {
            lobby.members.add(conn, role);
        }
        self.base.out.notify(space.place(conn, name.clone()));
        if role == Role::Host {
            space.changed(name).into_iter().for_each(|notice| self.base.out.notify(notice));
        }
        Ok(())
    }

    /// Tells a host and a peer of each other.
    fn introduce(&mut self, host: ConnId, peer: ConnId) {
        let (host_id, peer_id) = (self.base.id(host), self.base.id(peer));
        self.tell(peer, &ServerMessage::NewHost((&*host_id).into()));
        self.tell(host, &ServerMessage::NewPeer((&*peer_id).into()));
    }

    fn relay(&mut self, conn: ConnId, kind: Relay, payload: Option<&str>, to: &str) {
        let from = self.base.id(conn);
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
        // One that is being probed is not bothered again.
        if self.probes.get(&suspected).is_none() {
            self.probes.set(suspected, now + self.base.settings.probe_timeout);
            self.ask(suspected);
            self.base.out.ping(suspected);
        }
    }

    /// Asks for a sign of life.
    fn ask(&mut self, conn: ConnId) {
        if let Some(client) = self.base.spaces.client_mut(conn) {
            client.data.unanswered = client.data.unanswered.saturating_add(1);
        }
        self.tell(conn, &ServerMessage::Keepalive);
    }

    fn hear(&mut self, now: Instant, conn: ConnId) {
        self.base.vigil.heard(now, conn);
        self.probes.cancel(&conn);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((conn, beat)) = self.base.vigil.poll(now) {
            match beat {
                Beat::Ping => self.ask(conn),
                Beat::Silent => self.give_up(conn),
            }
        }
        while let Some(conn) = self.probes.pop_due(now) {
            self.give_up(conn);
        }
    }

    fn give_up(&mut self, conn: ConnId) {
        self.base.out.close(conn, Close::keepalive_timeout());
        self.depart(conn);
    }

    fn shut_down(&mut self) {
        let conns: Vec<ConnId> = self.base.spaces.conns().collect();
        for &conn in &conns {
            self.leave_lobby(conn);
            self.forget(conn);
            self.base.out.close(conn, Close::shutting_down());
        }
    }

    /// Whatever the cause: its counterparts hear of it.
    fn depart(&mut self, conn: ConnId) {
        let (id, counterparts) = (self.base.id(conn), self.counterparts(conn));
        self.leave_lobby(conn);
        self.forget(conn);
        let text = ServerMessage::ShutdownAck((&*id).into()).encode();
        self.base.out.send_all(counterparts, text);
    }

    fn leave_lobby(&mut self, conn: ConnId) {
        let Some(space) = self.base.spaces.of_mut(conn) else { return };
        let Some(name) = space.client(conn).and_then(|client| client.lobby().cloned()) else {
            return;
        };
        let Some(lobby) = space.lobby_mut(&name) else { return };
        let role = lobby.members.remove(&conn);
        let is_empty = lobby.members.is_empty();
        let left = space.displace(conn);
        let then = match role {
            _ if is_empty => space.close_lobby(&name),
            Some(Role::Host) => space.changed(&name),
            _ => None,
        };
        left.into_iter().chain(then).for_each(|notice| self.base.out.notify(notice));
    }

    fn forget(&mut self, conn: ConnId) {
        self.probes.cancel(&conn);
        self.base.forget(conn);
    }

    /// Of a host the peers of its lobby, of a peer the hosts, in order of arrival.
    fn counterparts(&self, conn: ConnId) -> Vec<ConnId> {
        let Some(lobby) = self.lobby_of(conn) else { return Vec::new() };
        match lobby.members.get(&conn) {
            Some(Role::Host) => lobby.having(Role::Peer).collect(),
            Some(Role::Peer) => lobby.having(Role::Host).collect(),
            None => Vec::new(),
        }
    }

    /// The counterpart with this id.
    fn counterpart(&self, conn: ConnId, id: &str) -> Option<ConnId> {
        let other = self.base.spaces.of(conn)?.find(id)?;
        let members = &self.lobby_of(conn)?.members;
        (members.get(&conn)? != members.get(&other)?).then_some(other)
    }

    fn lobby_of(&self, conn: ConnId) -> Option<&Lobby> {
        let space = self.base.spaces.of(conn)?;
        space.lobby(space.client(conn)?.lobby()?)
    }

    fn tell(&mut self, conn: ConnId, message: &ServerMessage<'_>) {
        self.base.out.send(conn, message.encode());
    }

    /// The close that follows says the same, but for the number of an unknown opcode.
    fn violate(&mut self, conn: ConnId, violation: &Violation) {
        let text = violation.to_string();
        let (code, reason) = match violation {
            Violation::Malformed => (1003, &*text),
            Violation::UnknownOpcode(_) => (1002, "Unrecognized message opcode"),
            _ => (1002, &*text),
        };
        self.base.violation(conn, &text, Close::new(code, reason));
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

impl From<space::Full> for Violation {
    fn from(_: space::Full) -> Self {
        Self::Full
    }
}

impl Lobby {
    fn having(&self, role: Role) -> impl Iterator<Item = ConnId> {
        self.members.iter().filter(move |it| *it.1 == role).map(|it| *it.0)
    }
}

impl space::Lobby for Lobby {
    fn members(&self) -> impl Iterator<Item = ConnId> {
        self.members.keys().copied()
    }

    fn hosts(&self) -> impl Iterator<Item = ConnId> {
        self.having(Role::Host)
    }
}
