//! All games of one server that speaks this numbering.

use std::sync::Arc;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
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
use crate::omega::base::Base;
use crate::omega::settings::Settings;

/// The path that leads here, up to the game.
const PATH: &str = "/signaling/";

/// The server side of the late numbering.
#[derive(Debug)]
pub struct LateServer {
    base: Base<Client, Lobby>,
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
        Self { base: Base::new(settings, rng), passwords, clock }
    }

    /// Panics unless clients and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        self.base.spaces.assert_consistent();
        for conn in self.base.spaces.conns() {
            let client = self.base.spaces.client(conn).expect("a connection is a client");
            let is_named = client.data.name.is_some();
            assert!(is_named || client.lobby().is_none(), "only who has a name is in a lobby");
        }
    }
}

impl Overview for LateServer {
    fn lobbies(&self) -> Vec<LobbyView> {
        self.base.spaces.views()
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
            Input::Heard { conn } => self.base.vigil.heard(now, conn),
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
        self.base.vigil.poll_timeout()
    }
}

impl LateServer {
    fn open(&mut self, now: Instant, conn: ConnId, target: &str) {
        let millis = self.clock.unix_millis(now);
        let id = Builder::from_unix_timestamp_millis(millis, &self.base.rng.random());
        let id: Arc<str> = id.into_uuid().to_string().into();
        if self.base.enter(now, conn, (target, PATH), id, Client::default()).is_err() {
            self.violate(conn, Violation::Full);
        }
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: ClientMessage<'_>) {
        self.base.vigil.heard(now, conn);
        // A connection that we have closed may still have had frames under way.
        if self.base.spaces.of(conn).is_none() {
            return;
        }
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
        if self.base.spaces.client(conn).is_some_and(|client| client.data.name.is_some()) {
            return Err(Violation::HasName);
        }
        self.base.check_name(name)?;
        let Some(client) = self.base.spaces.client_mut(conn) else { return Ok(()) };
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
        let client = self.base.spaces.client(conn).filter(|client| client.data.name.is_some());
        let client = client.ok_or(Violation::NotNamed)?;
        match payload {
            Payload::Given(_) if client.lobby().is_some() => Err(Violation::AlreadyConfigured),
            Payload::Given(given) => Ok(given),
            Payload::Wrong | Payload::Missing => Err(Violation::WrongPayload),
        }
    }

    fn host(&mut self, conn: ConnId, config: LobbyConfig) -> Result<(), Violation> {
        self.base.check_name(&config.lobby_id)?;
        let Some(space) = self.base.spaces.of_mut(conn) else { return Ok(()) };
        if space.lobby(&config.lobby_id).is_some() {
            self.tell(conn, &ServerMessage::Refused(Refusal::Exists));
            return Ok(());
        }
        let name: Arc<str> = (&*config.lobby_id).into();
        let lobby = Lobby::new(conn, &config, &self.passwords);
        self.base.out.notify(space.open_lobby(name.clone(), lobby)?);
        self.base.out.notify(space.place(conn, name.clone()));
        space.changed(&name).into_iter().for_each(|notice| self.base.out.notify(notice));
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
        let Some(space) = self.base.spaces.of(host) else { return };
        let others = space
            .clients()
            .filter(|(conn, client)| *conn != host && client.data.name.is_some())
            .map(|(conn, _)| conn);
        self.base.out.send_all(others, ServerMessage::NewHost(offer).encode());
    }

    fn join(&mut self, conn: ConnId, entrance: &LobbyEntrance) {
        let Some(space) = self.base.spaces.of_mut(conn) else { return };
        let lobby = space.lobby(&entrance.lobby_id);
        if let Some(refusal) = refusal(lobby, &entrance.password, &self.passwords) {
            return self.tell(conn, &ServerMessage::Refused(refusal));
        }
        let name: Arc<str> = (&*entrance.lobby_id).into();
        let Some(lobby) = space.lobby_mut(&name) else { return };
        lobby.roster.join(conn, ());
        let (host, had_password) = (lobby.host(), lobby.password.is_some());
        self.base.out.notify(space.place(conn, name));
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
        let Some(space) = self.base.spaces.of(conn) else { return Ok(()) };
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
        while let Some((conn, _silent)) = self.base.vigil.poll(now) {
            self.base.out.close(conn, Close::keepalive_timeout());
            self.depart(conn);
        }
    }

    fn shut_down(&mut self) {
        let conns: Vec<ConnId> = self.base.spaces.conns().collect();
        for &conn in &conns {
            self.take_out(conn);
        }
        for conn in conns {
            self.base.forget(conn);
            self.base.out.close(conn, Close::shutting_down());
        }
    }

    /// Whatever the cause.
    fn depart(&mut self, conn: ConnId) {
        if let Some((name, was_host)) = self.take_out(conn)
            && was_host
        {
            self.go_on_without_host(conn, &name);
        }
        self.base.forget(conn);
    }

    /// Takes a connection out of its lobby, which is dropped when nobody is left: which lobby, and
    /// whether it was its host.
    fn take_out(&mut self, conn: ConnId) -> Option<(Arc<str>, bool)> {
        let space = self.base.spaces.of_mut(conn)?;
        let name = space.client(conn)?.lobby()?.clone();
        let lobby = space.lobby_mut(&name)?;
        let was_host = lobby.host() == Some(conn);
        lobby.roster.leave(&conn);
        let is_empty = lobby.roster.is_empty();
        let left = space.displace(conn);
        let closed = if is_empty { space.close_lobby(&name) } else { None };
        left.into_iter().chain(closed).for_each(|notice| self.base.out.notify(notice));
        Some((name, was_host))
    }

    /// The host of this lobby has left it; `conn` is in the same game.
    fn go_on_without_host(&mut self, conn: ConnId, name: &Arc<str>) {
        let Some(lobby) = self.base.spaces.of(conn).and_then(|space| space.lobby(name)) else {
            return;
        };
        let members: Vec<ConnId> = lobby.roster.iter().map(|(conn, ())| *conn).collect();
        let lobby_id = || (&**name).into();
        match lobby.when_host_leaves {
            WhenHostLeaves::Close => {
                let text = ServerMessage::LobbyClose(lobby_id()).encode();
                self.base.out.send_all(members.iter().copied(), text);
                for member in members {
                    self.take_out(member);
                }
            }
            WhenHostLeaves::GoOnWithoutHost => {
                let text = ServerMessage::HostGone(lobby_id()).encode();
                self.base.out.send_all(members, text);
                self.notify_changed(conn, name);
            }
            WhenHostLeaves::OldestTakesOver => {
                self.make_host(conn, name, members);
                self.notify_changed(conn, name);
            }
        }
    }

    fn make_host(&mut self, conn: ConnId, name: &Arc<str>, members: Vec<ConnId>) {
        let Some(&oldest) = members.first() else { return };
        let space = self.base.spaces.of_mut(conn);
        if let Some(lobby) = space.and_then(|space| space.lobby_mut(name)) {
            lobby.roster.set_host(&oldest);
        }
        let User { id, username } = self.user(oldest);
        let host = NewHost { lobby_id: (&**name).into(), id, username };
        self.base.out.send_all(members, ServerMessage::HostReclaim(host).encode());
    }

    fn notify_changed(&mut self, conn: ConnId, name: &str) {
        let notice = self.base.spaces.of(conn).and_then(|space| space.changed(name));
        notice.into_iter().for_each(|notice| self.base.out.notify(notice));
    }

    fn user(&self, conn: ConnId) -> User {
        let client = self.base.spaces.client(conn);
        let username = client.and_then(|client| client.data.name.clone()).unwrap_or_default();
        User { id: self.base.id(conn).to_string(), username }
    }

    fn tell(&mut self, conn: ConnId, message: &ServerMessage<'_>) {
        self.base.out.send(conn, message.encode());
    }

    fn violate(&mut self, conn: ConnId, violation: Violation) {
        let text = violation.to_string();
        self.base.violation(conn, &text, Close::new(1003, &text));
    }
}

/// Why there is no way into this lobby.
fn refusal(lobby: Option<&Lobby>, password: &str, passwords: &Passwords) -> Option<Refusal> {
    let Some(lobby) = lobby else { return Some(Refusal::NotFound) };
    match &lobby.password {
        _ if lobby.is_full() => Some(Refusal::Full),
        Some(_) if password.is_empty() => Some(Refusal::PasswordRequired),
        Some(sealed) if *sealed != passwords.seal(password) => Some(Refusal::PasswordFail),
        _ => None,
    }
}

impl From<space::Full> for Violation {
    fn from(_: space::Full) -> Self {
        Self::Full
    }
}

impl Lobby {
    fn new(host: ConnId, config: &LobbyConfig, passwords: &Passwords) -> Self {
        Self {
            roster: Roster::new(host, ()),
            max_peers: config.max_peers,
            password: (!config.password.is_empty()).then(|| passwords.seal(&config.password)),
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
