//! All lobbies of one server.
//!
//! ```text
//!   connected ─ INIT ─► bystander ── CREATE_LOBBY ──► host ─ disconnects ─► gone
//!                         ▲  ▲ └──── JOIN_LOBBY ──┐    │ ▲
//!                         │  └──── close_lobby ───┼────┤ │ transfer_ownership, or the
//!                         │                       ▼    ▼ │ host has gone
//!                         └────── close_lobby ─── member ┘ ─ kicked ─► closed (1001)
//! ```
//!
//! Only INIT and KEEPALIVE are heard before INIT was accepted. From one lobby a client enters
//! another directly; to those who stay it looks like a disconnect.
//!
//! Reading order:
//! - `authorizing`: who a client is.
//! - `lobby`: what is kept of a lobby, and who may join it.
//! - `entering`: listing, finding, creating and joining.
//! - `managing`: what a host does to its lobby.
//! - `leaving`: leaving, for whatever reason, and who becomes the host.

mod authorizing;
mod entering;
mod leaving;
mod lobby;
mod managing;

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Instant;

use data_encoding::BASE64;
use rand::RngExt;
use rand::rngs::StdRng;
use signaling_core::games::{Full, Games};
use signaling_core::guesses::Guesses;
use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::overview::{LobbyNotice, LobbyView, Overview};
use signaling_core::password::Passwords;
use signaling_core::rate::Strangers;
use signaling_core::space::Space;
use signaling_core::wall_clock::WallClock;
use signaling_core::{Close, ConnId, Frame, Input, Output, Server, TurnedAway};
use ulid::Ulid;

use super::settings::Settings;
use super::wire::{ClientMessage, ServerMessage, User};
use crate::target::parameter;
use lobby::Lobby;

/// The server side of the lobbies.
#[derive(Debug)]
pub struct CloudLink5Server {
    settings: Settings,
    rng: StdRng,
    passwords: Passwords,
    clock: WallClock,
    games: Games<Player, Lobby>,
    /// Who has connected lately, by address.
    connects: Strangers,
    /// Who has created lobbies lately.
    creates: Strangers,
    guesses: Guesses,
}

/// What is known of one connection besides its `instance_id`.
#[derive(Debug)]
struct Player {
    ulid: Ulid,
    /// From the URL; it has precedence over what INIT brings.
    token: String,
    /// Where it connects from.
    from: String,
    /// Who it is, from INIT on.
    user: Option<User>,
}

type Game = Space<Player, Lobby>;

impl CloudLink5Server {
    /// A server without lobbies. Seed `rng` from the operating system. `clock` is for ids, which
    /// tell when they were made.
    pub fn new(settings: Settings, mut rng: StdRng, clock: WallClock) -> Self {
        Self {
            games: Games::new(settings.limits.clone()),
            settings,
            passwords: Passwords::new(&mut rng),
            rng,
            clock,
            connects: Strangers::default(),
            creates: Strangers::default(),
            guesses: Guesses::default(),
        }
    }

    /// Panics unless games, clients and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        self.games.assert_consistent();
        for conn in self.games.conns() {
            let Some(client) = self.games.client(conn) else { continue };
            let is_known = client.data.user.is_some();
            assert!(is_known || client.lobby().is_none(), "who is in a lobby has said who it is");
        }
    }
}

impl Server for CloudLink5Server {
    type Message<'a> = ClientMessage<'a>;
    type Command = Infallible;
    type Notice = LobbyNotice;

    fn decode(frame: Frame<'_>) -> ClientMessage<'_> {
        ClientMessage::decode(frame)
    }

    fn knock(&mut self, now: Instant, target: &str, from: &str) -> Result<(), TurnedAway> {
        if !self.connects.take(now, from, &self.settings.connect_rate) {
            return Err(TurnedAway::TooOften);
        }
        let game = parameter(target, "ugi").unwrap_or_default();
        if self.games.has_room(&game) { Ok(()) } else { Err(TurnedAway::Full) }
    }

    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>) {
        match input {
            Input::Opened { conn, target, from } => self.open(now, conn, target, from),
            Input::Message { conn, message } => {
                self.games.vigil.heard(now, conn);
                self.handle_message(now, conn, message);
            }
            Input::Heard { conn } => self.games.vigil.heard(now, conn),
            Input::Closed { conn } => self.depart(conn),
            Input::Command(never) => match never {},
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

impl Overview for CloudLink5Server {
    fn lobbies(&self) -> Vec<LobbyView> {
        self.games.views()
    }
}

/// What is told to whoever may not do what it asks for.
const UNAUTHORIZED: &str = "unauthorized";
/// The bytes in KEEPALIVE_ACK.
const KEEPALIVE_BYTES: usize = 16;

impl CloudLink5Server {
    fn open(&mut self, now: Instant, conn: ConnId, target: &str, from: &str) {
        let Some(game) = parameter(target, "ugi").filter(|game| !game.is_empty()) else {
            return self.reject(conn, "No Game ID provided (missing UGI parameter)".into());
        };
        let ulid = Ulid::from_parts(self.clock.unix_millis(now), self.rng.random());
        let token = parameter(target, "token").map(Cow::into_owned).unwrap_or_default();
        let player = Player { ulid, token, from: from.to_owned(), user: None };
        let id = format!("{ulid}_{game}").into();
        let Settings { ping_interval, silence_limit, .. } = self.settings;
        let keepalive = Keepalive::new(now, Some(ping_interval), Some(silence_limit));
        if let Err(full) = self.games.enter(conn, &game, id, player, keepalive) {
            self.reject(conn, full.to_string().into());
        }
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: ClientMessage<'_>) {
        // A connection that we have closed may still have had frames under way.
        let Some(client) = self.games.client(conn) else { return };
        let is_known = client.data.user.is_some();
        match message {
            ClientMessage::Malformed => self.expel(conn, "invalid message format".into()),
            ClientMessage::Keepalive => self.answer_keepalive(conn),
            ClientMessage::Init(_) if is_known => self.warn(conn, "already authorized"),
            ClientMessage::Init(init) => match init {
                Ok(init) => self.authorize(conn, init),
                Err(malformed) => self.expel(conn, malformed.to_string().into()),
            },
            _ if !is_known => self.warn(conn, UNAUTHORIZED),
            message => self.handle_known(now, conn, message),
        }
    }

    /// A message of a client that has said who it is.
    fn handle_known(&mut self, now: Instant, conn: ConnId, message: ClientMessage<'_>) {
        match message {
            ClientMessage::ListLobbies => self.list(conn),
            ClientMessage::FindLobby(name) => self.find(conn, name.as_deref()),
            ClientMessage::CreateLobby(Ok(lobby)) => self.create(now, conn, &lobby),
            ClientMessage::JoinLobby(Ok(join)) => self.join(now, conn, &join),
            ClientMessage::ManageLobby(_) if !self.is_host(conn) => self.warn(conn, UNAUTHORIZED),
            ClientMessage::ManageLobby(Ok(manage)) => self.manage(conn, manage),
            ClientMessage::CreateLobby(Err(malformed))
            | ClientMessage::JoinLobby(Err(malformed))
            | ClientMessage::ManageLobby(Err(malformed)) => {
                self.expel(conn, malformed.to_string().into());
            }
            _ => self.warn(conn, "unknown or unimplemented opcode"),
        }
    }

    fn answer_keepalive(&mut self, conn: ConnId) {
        let bytes: [u8; KEEPALIVE_BYTES] = self.rng.random();
        self.send(conn, &ServerMessage::KeepaliveAck(BASE64.encode(&bytes)));
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((conn, beat)) = self.games.vigil.poll(now) {
            match beat {
                Beat::Ping => self.games.out.ping(conn),
                Beat::Silent => {
                    self.depart(conn);
                    self.games.out.close(conn, Close::keepalive_timeout());
                }
            }
        }
    }

    /// What the connection's game has here.
    fn game(&self, conn: ConnId) -> Option<&Game> {
        self.games.of(conn)
    }

    /// Who a connection is; `None` before it has said so.
    fn user(&self, conn: ConnId) -> Option<&User> {
        self.games.client(conn)?.data.user.as_ref()
    }

    /// Those of the connection's game who are in no lobby, without itself.
    fn bystanders(&self, conn: ConnId) -> Vec<ConnId> {
        let clients = self.game(conn).into_iter().flat_map(Game::clients);
        let idle = clients.filter(|(_, it)| it.lobby().is_none() && it.data.user.is_some());
        idle.map(|(conn, _)| conn).filter(|it| *it != conn).collect()
    }

    fn send(&mut self, conn: ConnId, message: &ServerMessage) {
        self.games.out.send(conn, message.encode());
    }

    fn send_all(&mut self, conns: &[ConnId], message: &ServerMessage) {
        self.games.out.send_all(conns.iter().copied(), message.encode());
    }

    fn warn(&mut self, conn: ConnId, text: &'static str) {
        self.send(conn, &ServerMessage::Warning(text.into()));
    }

    /// Closes a connection for what it did, which the others see as a disconnect.
    fn expel(&mut self, conn: ConnId, why: Cow<'static, str>) {
        self.depart(conn);
        self.reject(conn, why);
    }

    fn expel_for(&mut self, conn: ConnId, full: Full) {
        self.expel(conn, full.to_string().into());
    }

    /// Closes a connection that is in no game.
    fn reject(&mut self, conn: ConnId, why: Cow<'static, str>) {
        let close = Close::new(VIOLATION, &why);
        self.send(conn, &ServerMessage::Violation(why));
        self.games.out.close(conn, close);
    }
}

/// The code of a close for something that a client did.
const VIOLATION: u16 = 1001;
