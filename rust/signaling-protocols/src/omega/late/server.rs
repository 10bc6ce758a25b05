//! All games of one server that speaks this numbering.

use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use signaling_core::games::Full;
use signaling_core::guesses::Guesses;
use signaling_core::password::{Passwords, Sealed};
use signaling_core::rate::Strangers;
use signaling_core::roster::Roster;
use signaling_core::space;
use signaling_core::wall_clock::WallClock;
use signaling_core::{Close, ConnId, Frame};
use uuid::{Builder, Uuid};

use super::wire::{
    ClientMessage, LobbyConfig, LobbyEntrance, LobbyOffer, NewHost, Payload, Refusal, Relay,
    ServerMessage, User,
};
use crate::omega::server::{Dialect, OmegaServer};
use crate::omega::settings::Settings;

/// The server side of the late numbering.
pub type LateServer = OmegaServer<Late>;

/// What is particular to the late numbering.
#[derive(Debug)]
pub struct Late {
    passwords: Passwords,
    guesses: Guesses,
    /// Who has opened lobbies lately, by address.
    hosts: Strangers,
    /// Ids carry the time.
    clock: WallClock,
}

/// What is known of a connection.
#[derive(Debug)]
pub struct Client {
    /// Of its user, once it has said INIT.
    name: Option<String>,
    /// Where it connects from.
    from: String,
}

/// A lobby, which may be without a host.
#[derive(Debug)]
pub struct Lobby {
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
pub enum Violation {
    /// No JSON object, one whose opcode is no whole number, or whose `rx` is no text.
    #[error("Got invalid/malformed JSON: JSON parsing error!")]
    Malformed,
    /// INIT without a name.
    #[error("Value error: missing username (payload) value")]
    NoName,
    /// INIT with something else as the name.
    #[error("Assertion error: payload argument must be a string type")]
    WrongName,
    /// A second INIT.
    #[error("State error: username has already been set")]
    HasName,
    /// Something that needs INIT before.
    #[error("State error: a username is required")]
    NotNamed,
    /// Hosting or joining without saying which lobby.
    #[error("Value error: missing lobby ID (payload) value")]
    NoLobby,
    /// A lobby or a channel that is none.
    #[error(
        "Argument error: failed to parse payload keyvalue as JSON. Did you read the documentation?"
    )]
    WrongPayload,
    /// To nobody.
    #[error("UUID parsing error: peer ID (rx) not a valid UUID format")]
    NoRecipient,
    /// An opcode that clients do not send.
    #[error("Unrecognized opcode / Not a command opcode!")]
    UnknownOpcode,
    /// A second role.
    #[error("State error: already configured as host or peer")]
    AlreadyConfigured,
    /// There is no room.
    #[error("Server limit reached")]
    Full,
}

impl LateServer {
    /// A server without games. Seed `rng` from the operating system: ids are drawn from it, and
    /// the key of the passwords.
    pub fn new(settings: Settings, mut rng: StdRng, clock: WallClock) -> Self {
        let passwords = Passwords::new(&mut rng);
        let guesses = Guesses::default();
        let hosts = Strangers::default();
        Self::start(settings, rng, Late { passwords, guesses, hosts, clock })
    }
}

impl Dialect for Late {
    type Client = Client;
    type Lobby = Lobby;
    type Message<'a> = ClientMessage<'a>;
    type Violation = Violation;

    fn decode(frame: Frame<'_>) -> ClientMessage<'_> {
        ClientMessage::decode(frame)
    }

    fn admit(
        server: &mut LateServer,
        now: Instant,
        _: &str,
        from: &str,
    ) -> Result<(Uuid, Client), Violation> {
        let millis = server.numbering.clock.unix_millis(now);
        let id = Builder::from_unix_timestamp_millis(millis, &server.rng.random()).into_uuid();
        Ok((id, Client { name: None, from: from.to_owned() }))
    }

    fn handle(
        server: &mut LateServer,
        now: Instant,
        conn: ConnId,
        message: ClientMessage<'_>,
    ) -> Result<(), Violation> {
        server.handle(now, conn, message)
    }

    /// It is upon the clients to give signs of life.
    fn ask(_: &mut LateServer, _: ConnId) {}

    fn leave_lobby(server: &mut LateServer, conn: ConnId) {
        if let Some(departure) = server.games.leave_lobby(conn).filter(|it| it.was_host) {
            server.go_on_without_host(conn, &departure.lobby);
        }
    }

    fn verdict(violation: &Violation) -> (String, Close) {
        let text = violation.to_string();
        let close = Close::new(1003, &text);
        (text, close)
    }

    fn is_initialised(client: &Client) -> bool {
        client.name.is_some()
    }
}

impl LateServer {
    fn handle(
        &mut self,
        now: Instant,
        conn: ConnId,
        message: ClientMessage<'_>,
    ) -> Result<(), Violation> {
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
                self.host(now, conn, config)
            }
            ClientMessage::ConfigPeer(entrance) => {
                let entrance = self.check_configuration(conn, entrance)?;
                self.join(now, conn, &entrance);
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

    fn host(&mut self, now: Instant, conn: ConnId, config: LobbyConfig) -> Result<(), Violation> {
        self.settings.check_name(&config.lobby_id)?;
        if self.lobby(conn, &config.lobby_id).is_some() {
            self.tell(conn, &ServerMessage::Refused(Refusal::Exists));
            return Ok(());
        }
        if !self.may_host(now, conn) {
            return Err(Violation::Full);
        }
        let lobby = Lobby::new(conn, &config, &self.numbering.passwords);
        self.games.open_lobby(conn, &(&*config.lobby_id).into(), lobby)?;
        self.tell(conn, &ServerMessage::AckHost);
        self.offer(conn, config);
        Ok(())
    }

    fn may_host(&mut self, now: Instant, conn: ConnId) -> bool {
        let from = self.games.client(conn).map_or("", |client| &client.data.from);
        self.numbering.hosts.take(now, from, &self.settings.host_rate)
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

    fn join(&mut self, now: Instant, conn: ConnId, entrance: &LobbyEntrance) {
        if let Err(refusal) = self.admit(now, conn, entrance) {
            return self.tell(conn, &ServerMessage::Refused(refusal));
        }
        let Some(lobby) = self.lobby(conn, &entrance.lobby_id) else { return };
        let (host, had_password) = (lobby.host(), lobby.password.is_some());
        let name = entrance.lobby_id.as_str().into();
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

    /// Whether a client may join. Whoever has guessed too often does not know the password either.
    fn admit(
        &mut self,
        now: Instant,
        conn: ConnId,
        LobbyEntrance { lobby_id, password }: &LobbyEntrance,
    ) -> Result<(), Refusal> {
        let Late { passwords, guesses, .. } = &self.numbering;
        let from = self.games.client(conn).map_or("", |client| &client.data.from);
        let admitted = enterable(self.lobby(conn, lobby_id), password, passwords);
        match admitted {
            Ok(lobby) if lobby.password.is_some() && !guesses.may_guess(now, from) => {
                Err(Refusal::WrongPassword)
            }
            Err(Refusal::WrongPassword) => {
                let from = from.to_owned();
                self.numbering.guesses.count(now, &from);
                Err(Refusal::WrongPassword)
            }
            admitted => admitted.map(|_| ()),
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
