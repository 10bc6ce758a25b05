//! All games of one server that speaks this numbering.

use std::sync::Arc;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use signaling_core::arrivals::Arrivals;
use signaling_core::games::Full;
use signaling_core::keepalive::Keepalive;
use signaling_core::space;
use signaling_core::{Close, ConnId, Frame};
use uuid::{Builder, Uuid};

use super::wire::{ClientMessage, Relay, ServerMessage};
use crate::omega::server::{Dialect, OmegaServer};
use crate::omega::settings::Settings;
use crate::target::parameter;

/// What clients call this version of the protocol.
const VERSIONS: [&str; 3] = ["0", "0.0", "1.0"];

/// The server side of the seed numbering.
pub type SeedServer = OmegaServer<Seed>;

/// What is particular to the seed numbering.
#[derive(Debug)]
pub struct Seed;

/// What is known of a connection.
#[derive(Debug, Default)]
pub struct Client {
    is_initialised: bool,
    /// KEEPALIVEs of ours that it has not answered.
    unanswered: u32,
}

/// Everybody with the same lobby id; there is always somebody.
#[derive(Debug)]
pub struct Lobby {
    members: Arrivals<ConnId, Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Host,
    Peer,
}

/// What a client may not do; the close that follows says nearly the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// No JSON object, or one whose opcode is no whole number.
    #[error("Got invalid/malformed JSON: JSON parsing error!")]
    Malformed,
    /// Hosting or joining without a lobby id that can be used.
    #[error("Missing lobby ID (payload) value")]
    NoLobby,
    /// An opcode that clients do not send.
    #[error("Unrecognized message opcode value {0}")]
    UnknownOpcode(i64),
    /// Something that needs INIT before.
    #[error("State error: INIT is required first")]
    NotInitialised,
    /// A second INIT.
    #[error("State error: already initialized")]
    AlreadyInitialised,
    /// A second role.
    #[error("State error: already configured")]
    AlreadyConfigured,
    /// Something that needs a role.
    #[error("State error: not configured as host or peer")]
    NotConfigured,
    /// To nobody.
    #[error("Missing recipient (rx) value")]
    NoRecipient,
    /// A version that is not known.
    #[error("Unsupported API version")]
    Version,
    /// There is no room.
    #[error("Server limit reached")]
    Full,
}

impl SeedServer {
    /// A server without games. Seed `rng` from the operating system: ids are drawn from it.
    pub fn new(settings: Settings, rng: StdRng) -> Self {
        Self::start(settings, rng, Seed)
    }
}

impl Dialect for Seed {
    type Client = Client;
    type Lobby = Lobby;
    type Message<'a> = ClientMessage<'a>;
    type Violation = Violation;

    fn decode(frame: Frame<'_>) -> ClientMessage<'_> {
        ClientMessage::decode(frame)
    }

    fn admit(
        server: &mut SeedServer,
        _: Instant,
        target: &str,
        _: &str,
    ) -> Result<(Uuid, Client), Violation> {
        if parameter(target, "v").is_some_and(|version| !VERSIONS.contains(&&*version)) {
            return Err(Violation::Version);
        }
        let id = Builder::from_random_bytes(server.rng.random()).into_uuid();
        Ok((id, Client::default()))
    }

    fn handle(
        server: &mut SeedServer,
        now: Instant,
        conn: ConnId,
        message: ClientMessage<'_>,
    ) -> Result<(), Violation> {
        let Some(client) = server.games.client(conn) else { return Ok(()) };
        check(client, &message)?;
        server.handle(now, conn, message)
    }

    fn ask(server: &mut SeedServer, conn: ConnId) {
        if let Some(client) = server.games.client_mut(conn) {
            client.data.unanswered = client.data.unanswered.saturating_add(1);
        }
        server.tell(conn, &ServerMessage::Keepalive);
    }

    /// Its counterparts hear of it.
    fn leave_lobby(server: &mut SeedServer, conn: ConnId) {
        let (id, counterparts) = (server.games.id(conn), server.counterparts(conn));
        server.games.leave_lobby(conn);
        let text = ServerMessage::ShutdownAck((&*id).into()).encode();
        server.games.out.send_all(counterparts, text);
    }

    /// The close says the same, but for the number of an unknown opcode.
    fn verdict(violation: &Violation) -> (String, Close) {
        let text = violation.to_string();
        let close = match violation {
            Violation::Malformed => Close::new(1003, &text),
            Violation::UnknownOpcode(_) => Close::new(1002, "Unrecognized message opcode"),
            _ => Close::new(1002, &text),
        };
        (text, close)
    }

    fn is_initialised(client: &Client) -> bool {
        client.is_initialised
    }
}

impl SeedServer {
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
            Seed::ask(self, suspected);
            self.games.out.ping(suspected);
        }
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
