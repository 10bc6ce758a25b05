//! All games of one server that speaks this numbering.

use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use signaling_core::games::{Full, Games};
use signaling_core::keepalive::Keepalive;
use signaling_core::overview::{LobbyNotice, LobbyView, Overview};
use signaling_core::password::{Passwords, Sealed};
use signaling_core::roster::Roster;
use signaling_core::space;
use signaling_core::wall_clock::WallClock;
use signaling_core::{Close, ConnId, Frame, Input, Output, Server};
use uuid::{Builder, Uuid};

use super::wire::{
    ClientMessage, LobbyConfig, LobbyEntrance, LobbyOffer, NewHost, Payload, Refusal, Relay,
    ServerMessage, User,
};
use crate::omega::packet;
use crate::omega::settings::Settings;
use crate::target::last_segment;

/// The server side of the late numbering.
#[derive(Debug)]
pub struct LateServer {
    settings: Settings,
    rng: StdRng,
    games: Games<Client, Lobby>,
    passwords: Passwords,
    /// Ids carry the time.
    clock: WallClock,
}

/// What is known of a connection: the user's name, once it has said INIT.
#[derive(Debug, Default)]
struct Client {
    name: Option<String>,
}

#[derive(Debug)]
struct Lobby {
    roster: Roster<ConnId, ()>,
    /// 0 or less: no limit.
    max_peers: i64,
    password: Option<Sealed>,
    when_host_leaves: WhenHostLeaves,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenHostLeaves {
    Close,
    GoOnWithoutHost,
    OldestTakesOver,
}

/// What a client may not do; the close that follows says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Violation {
    #[error("Got invalid/malformed JSON: JSON parsing error!")]
    Malformed,
    #[error("Value error: missing username (payload) value")]
    NoName,
    #[error("Assertion error: payload argument must be a string type")]
    WrongName,
    #[error("State error: username has already been set")]
    HasName,
    #[error("State error: a username is required")]
    NotNamed,
    #[error("Value error: missing lobby ID (payload) value")]
    NoLobby,
    #[error(
        "Argument error: failed to parse payload keyvalue as JSON. Did you read the documentation?"
    )]
    WrongPayload,
    #[error("UUID parsing error: peer ID (rx) not a valid UUID format")]
    NoRecipient,
    #[error("Unrecognized opcode / Not a command opcode!")]
    UnknownOpcode,
    #[error("State error: already configured as host or peer")]
    AlreadyConfigured,
    #[error("Server limit reached")]
    Full,
}

impl LateServer {
    /// A server without games. Seed `rng` from the operating system: ids are drawn from it, and
    /// the key of the passwords.
    pub fn new(settings: Settings, mut rng: StdRng, clock: WallClock) -> Self {
        let passwords = Passwords::new(&mut rng);
        Self { games: Games::new(settings.limits.clone()), settings, rng, passwords, clock }
    }

    /// Panics unless clients and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        self.games.assert_consistent();
        for conn in self.games.conns() {
            let client = self.games.client(conn).expect("a connection is a client");
            let is_named = client.data.name.is_some();
            assert!(is_named || client.lobby().is_none(), "only who has a name is in a lobby");
        }
    }
}

impl Overview for LateServer {
    fn lobbies(&self) -> Vec<LobbyView> {
        self.games.views()
    }
}

impl Server for LateServer {
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

impl LateServer {
    fn open(&mut self, now: Instant, conn: ConnId, target: &str) {
        if let Err(violation) = self.enter(now, conn, target) {
            self.violate(conn, violation);
        }
    }

    fn enter(&mut self, now: Instant, conn: ConnId, target: &str) -> Result<(), Violation> {
        // Whoever routes by this path has seen to it that there is a game.
        let game = last_segment(target);
        let millis = self.clock.unix_millis(now);
        let id = Builder::from_unix_timestamp_millis(millis, &self.rng.random());
        let id = id.into_uuid().to_string();
        let keepalive = Keepalive::new(now, None, Some(self.settings.silence_limit));
        self.games.enter(conn, &game, id.into(), Client::default(), keepalive)?;
        Ok(())
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: ClientMessage<'_>) {
        // A connection that we have closed may still have had frames under way.
        if self.games.of(conn).is_none() {
            return;
        }
        self.games.vigil.heard(now, conn);
        if let Err(violation) = self.handle(conn, message) {
            self.violate(conn, violation);
            self.depart(conn);
        }
    }

    fn handle(&mut self, conn: ConnId, message: ClientMessage<'_>) -> Result<(), Violation> {
        match message {
            ClientMessage::Malformed => Err(Violation::Malformed),
            ClientMessage::Unknown(_) => Err(Violation::UnknownOpcode),
            ClientMessage::Keepalive => {
                self.tell(conn, &ServerMessage::Keepalive);
                Ok(())
            }
            ClientMessage::Init(name) => match name {
                Payload::Missing => Err(Violation::NoName),
                Payload::Wrong => Err(Violation::WrongName),
                Payload::Given(name) => self.initialise(conn, &name),
            },
            ClientMessage::ConfigHost(config) => {
                let config = self.check_configuration(conn, config)?;
                self.host(conn, config)
            }
            ClientMessage::ConfigPeer(entrance) => {
                let entrance = self.check_configuration(conn, entrance)?;
                self.join(conn, &entrance);
                Ok(())
            }
            ClientMessage::Relay { kind, payload, to } => self.relay(conn, kind, payload, to),
        }
    }

    fn initialise(&mut self, conn: ConnId, name: &str) -> Result<(), Violation> {
        if self.games.client(conn).is_some_and(|client| client.data.name.is_some()) {
            return Err(Violation::HasName);
        }
        self.settings.check_name(name)?;
        let Some(client) = self.games.client_mut(conn) else { return Ok(()) };
        client.data.name = Some(name.to_owned());
        let id = client.id().clone();
        self.tell(conn, &ServerMessage::InitOk((&*id).into()));
        Ok(())
    }

    /// What hosting and joining need both, in the order in which it is checked.
    fn check_configuration<T>(&self, conn: ConnId, payload: Payload<T>) -> Result<T, Violation> {
        if matches!(payload, Payload::Missing) {
            return Err(Violation::NoLobby);
        }
        let client = self.games.client(conn).filter(|client| client.data.name.is_some());
        let client = client.ok_or(Violation::NotNamed)?;
        match payload {
            Payload::Given(_) if client.lobby().is_some() => Err(Violation::AlreadyConfigured),
            Payload::Given(given) => Ok(given),
            Payload::Wrong | Payload::Missing => Err(Violation::WrongPayload),
        }
    }

    fn host(&mut self, conn: ConnId, config: LobbyConfig) -> Result<(), Violation> {
        self.settings.check_name(&config.lobby_id)?;
        if self.lobby(conn, &config.lobby_id).is_some() {
            self.tell(conn, &ServerMessage::Refused(Refusal::Exists));
            return Ok(());
        }
        let lobby = Lobby::new(conn, &config, &self.passwords);
        self.games.open_lobby(conn, &(&*config.lobby_id).into(), lobby)?;
        self.tell(conn, &ServerMessage::AckHost);
        self.offer(conn, config);
        Ok(())
    }

    /// Tells everybody else in the game of a new lobby.
    fn offer(&mut self, host: ConnId, config: LobbyConfig) {
        let User { id, username } = self.user(host);
        let LobbyConfig { lobby_id, max_peers, password, .. } = config;
        let password_required = !password.is_empty();
        let offer = LobbyOffer { id, username, lobby_id, max_peers, password_required };
        let Some(space) = self.games.of(host) else { return };
        let named = space.clients().filter(|(_, client)| client.data.name.is_some());
        let others: Vec<_> = named.map(|(conn, _)| conn).filter(|conn| *conn != host).collect();
        self.games.out.send_all(others, ServerMessage::NewHost(offer).encode());
    }

    fn join(&mut self, conn: ConnId, entrance: &LobbyEntrance) {
        let LobbyEntrance { lobby_id, password } = entrance;
        let lobby = match enterable(self.lobby(conn, lobby_id), password, &self.passwords) {
            Ok(lobby) => lobby,
            Err(refusal) => return self.tell(conn, &ServerMessage::Refused(refusal)),
        };
        let (host, had_password) = (lobby.host(), lobby.password.is_some());
        let name = lobby_id.as_str().into();
        self.games.join_lobby(conn, &name, |lobby| lobby.roster.join(conn, ()));
        if had_password {
            self.tell(conn, &ServerMessage::PasswordAck);
        }
        self.tell(conn, &ServerMessage::AckPeer);
        if let Some(host) = host {
            let newcomer = self.user(conn);
            self.tell(host, &ServerMessage::NewPeer(newcomer));
        }
    }

    fn relay(
        &mut self,
        conn: ConnId,
        kind: Relay,
        payload: Payload<&str>,
        to: Option<Uuid>,
    ) -> Result<(), Violation> {
        let Some(space) = self.games.of(conn) else { return Ok(()) };
        let is_named = |conn| space.client(conn).is_some_and(|client| client.data.name.is_some());
        if !is_named(conn) {
            return Err(Violation::NotNamed);
        }
        let to = to.ok_or(Violation::NoRecipient)?.to_string();
        let Some(recipient) = space.find(&to).filter(|recipient| is_named(*recipient)) else {
            self.tell(conn, &ServerMessage::PeerInvalid);
            return Ok(());
        };
        let payload = match payload {
            Payload::Wrong => return Err(Violation::WrongPayload),
            Payload::Missing => None,
            Payload::Given(payload) => Some(payload),
        };
        let from = self.user(conn);
        self.tell(recipient, &ServerMessage::Relayed { kind, payload, from });
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((conn, _silent)) = self.games.vigil.poll(now) {
            self.games.out.close(conn, Close::keepalive_timeout());
            self.depart(conn);
        }
    }

    /// Whatever the cause.
    fn depart(&mut self, conn: ConnId) {
        if let Some(departure) = self.games.leave_lobby(conn).filter(|it| it.was_host) {
            self.go_on_without_host(conn, &departure.lobby);
        }
        self.games.leave(conn);
    }

    /// The host of this lobby has left it; `conn` is in the same game.
    fn go_on_without_host(&mut self, conn: ConnId, name: &str) {
        let Some(lobby) = self.lobby(conn, name) else { return };
        let members: Vec<ConnId> = lobby.roster.iter().map(|(conn, ())| *conn).collect();
        let message = match lobby.when_host_leaves {
            WhenHostLeaves::Close => {
                self.games.close_lobby(conn, name);
                ServerMessage::LobbyClose(name.into())
            }
            WhenHostLeaves::GoOnWithoutHost => ServerMessage::HostGone(name.into()),
            WhenHostLeaves::OldestTakesOver => {
                let Some(&oldest) = lobby.roster.oldest() else { return };
                self.games.change_lobby(conn, name, |lobby| lobby.roster.set_host(&oldest));
                let User { id, username } = self.user(oldest);
                ServerMessage::HostReclaim(NewHost { lobby_id: name.into(), id, username })
            }
        };
        self.games.out.send_all(members, message.encode());
    }

    /// The lobby of this name in the game of a client.
    fn lobby(&self, conn: ConnId, name: &str) -> Option<&Lobby> {
        self.games.of(conn)?.lobby(name)
    }

    fn user(&self, conn: ConnId) -> User {
        let client = self.games.client(conn);
        let username = client.and_then(|client| client.data.name.clone()).unwrap_or_default();
        User { id: self.games.id(conn).to_string(), username }
    }

    fn tell(&mut self, conn: ConnId, message: &ServerMessage<'_>) {
        self.games.out.send(conn, message.encode());
    }

    fn violate(&mut self, conn: ConnId, violation: Violation) {
        let text = violation.to_string();
        packet::violate(&mut self.games.out, conn, &text, Close::new(1003, &text));
    }
}

/// The lobby, if one may join it who knows this password.
fn enterable<'a>(
    lobby: Option<&'a Lobby>,
    password: &str,
    passwords: &Passwords,
) -> Result<&'a Lobby, Refusal> {
    let lobby = lobby.ok_or(Refusal::NotFound)?;
    match &lobby.password {
        _ if lobby.is_full() => Err(Refusal::Full),
        Some(_) if password.is_empty() => Err(Refusal::PasswordRequired),
        Some(sealed) if *sealed != passwords.seal(password) => Err(Refusal::WrongPassword),
        _ => Ok(lobby),
    }
}

impl From<Full> for Violation {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl Lobby {
    fn new(host: ConnId, config: &LobbyConfig, passwords: &Passwords) -> Self {
        Self {
            roster: Roster::new(host, ()),
            max_peers: config.max_peers,
            password: passwords.lock(&config.password),
            when_host_leaves: match (config.allow_host_reclaim, config.allow_peers_to_claim_host) {
                (false, _) => WhenHostLeaves::Close,
                (true, true) => WhenHostLeaves::GoOnWithoutHost,
                (true, false) => WhenHostLeaves::OldestTakesOver,
            },
        }
    }

    fn host(&self) -> Option<ConnId> {
        let host = self.roster.host();
        self.roster.contains(host).then_some(*host)
    }

    fn is_full(&self) -> bool {
        space::Lobby::max_members(self).is_some_and(|max| self.roster.len() >= max)
    }
}

impl space::Lobby for Lobby {
    fn members(&self) -> impl Iterator<Item = ConnId> {
        self.roster.iter().map(|(conn, ())| *conn)
    }

    fn remove(&mut self, member: ConnId) {
        self.roster.leave(&member);
    }

    fn hosts(&self) -> impl Iterator<Item = ConnId> {
        self.host().into_iter()
    }

    fn max_members(&self) -> Option<usize> {
        usize::try_from(self.max_peers).ok().filter(|max| *max > 0)
    }

    fn has_password(&self) -> bool {
        self.password.is_some()
    }
}
