//! All lobbies of one server.
//!
//! ```text
//!                JOIN ""             ┌────── SEAL (host) ──────┐
//!   connection ─────────► host ──────┤                         ▼
//!     fresh                          │        lobby: open ─► sealed ─ seal_timeout ─► gone (1000)
//!       │ ├── JOIN name ► member     └────────────► │           │
//!       │ └── HELLO ────► session                   └─ host gone ┴──────────────────► gone (4000)
//!       └ join_timeout ► closed (4000)                                or another host
//!
//!   session ─ CREATE, ENTER ─► member ─ connection lost ─► away ─ HELLO with its token ─► member
//!        ▲                        └─── LEAVE, LEFT ──┐       └─ resume_timeout ─► gone
//!        └───────────────────────────────────────────┘
//! ```
//!
//! A lobby of the plain protocol exists exactly as long as its host. There is no leave message:
//! whoever leaves closes its socket. Every protocol error closes the socket with 4000 and a
//! reason. What the extended protocol adds: `docs/protocol.md`.
//!
//! Reading order:
//! - `plain`: what a plain connection may say.
//! - `hello`: how sessions begin, are kept alive, get lost and are resumed.
//! - `hooks`: what the embedding program decides on.
//! - `ice`: the STUN and TURN servers that sessions are told of.
//! - `requests`: what a session may ask for, and the answers.
//! - `entering`: creating and joining.
//! - `announcing`: who comes, goes and is away, as the others are told.
//! - `managing`: what members and hosts do to a lobby.
//! - `listing`: public lobbies, listed and watched.
//! - `presence`: statuses of users, and who watches them.
//! - `latest`: what is told later to those who are away or slow.
//! - `invites`: invitations into lobbies.
//! - `leaving`: leaving, for whatever reason, and who becomes the host.
//! - `reach`: whether those who are away can still be reached by others.
//! - `lobby`, `session`: what is kept of them.

mod announcing;
mod entering;
mod hello;
mod hooks;
mod ice;
mod invites;
mod latest;
mod leaving;
mod listing;
mod lobby;
mod managing;
mod notice;
mod plain;
mod presence;
mod reach;
mod requests;
mod session;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use signaling_core::guesses::Guesses;
use signaling_core::password::Passwords;
use signaling_core::rate::Bucket;
use signaling_core::timers::Timers;
use signaling_core::{Close, ConnId, Frame, Input, Output, PeerId, Server};

use super::extended::{Problem, ServerEvent};
use super::refusal::{Refusal, refused};
use super::wire::{ClientMessage, ServerMessage};
use hooks::ParkedRequests;
pub use hooks::{Asked, Hooks, Verdict, Wish};
pub use ice::TurnSecret;
use invites::Invites;
use listing::Watches;
use lobby::{Guest, Lobby};
pub use notice::{LobbyInfo, ServerCommand, ServerNotice};
use presence::Presence;
use session::{SessionId, Sessions};
pub use settings::Settings;

/// The server side of the protocol.
#[derive(Debug)]
pub struct GodotServer {
    settings: Settings,
    rng: StdRng,
    passwords: Passwords,
    conns: HashMap<ConnId, Conn>,
    sessions: Sessions,
    lobbies: HashMap<Arc<str>, Lobby>,
    timers: Timers<Timer>,
    parked: ParkedRequests,
    guesses: Guesses,
    watches: Watches,
    presence: Presence,
    invites: Invites,
    /// Sessions that are away and not waited for any longer; they end with the input.
    given_up: Vec<SessionId>,
    /// Lobbies in which members who are away may be out of reach.
    doubtful: Vec<Arc<str>>,
    outputs: VecDeque<Output<ServerNotice>>,
}

#[derive(Debug)]
struct Conn {
    place: Place,
    /// Without the port; empty through memory.
    address: String,
    /// What a plain member has relayed.
    relays: Bucket,
}

/// Where a connection stands.
#[derive(Debug, Clone)]
enum Place {
    Fresh,
    /// For the decision whether it comes in; it has not come in before.
    Waiting {
        ticket: u64,
    },
    Plain {
        lobby: Arc<str>,
        peer: PeerId,
    },
    Session(SessionId),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// When to close a connection that has neither joined a lobby nor said HELLO.
    Join(ConnId),
    /// When to end a sealed lobby.
    Seal(Arc<str>),
    /// When to give up a connection of which nothing is heard.
    Silence(SessionId),
    /// When to see whether to wait on for a member's return.
    Away(SessionId),
    /// When everybody has had time to say that a member is in reach.
    Doubt(SessionId),
    /// When not to wait any longer for a decision.
    Decision(u64),
    /// When to tell those who watch lobbies what has changed.
    Lists,
}

impl GodotServer {
    /// A server without lobbies. Seed `rng` from the operating system: names and tokens are the
    /// only thing that keeps strangers out.
    pub fn new(settings: Settings, mut rng: StdRng) -> Self {
        Self {
            settings,
            passwords: Passwords::new(&mut rng),
            rng,
            conns: HashMap::new(),
            sessions: Sessions::default(),
            lobbies: HashMap::new(),
            timers: Timers::default(),
            parked: ParkedRequests::default(),
            guesses: Guesses::default(),
            watches: Watches::default(),
            presence: Presence::default(),
            invites: Invites::default(),
            given_up: Vec::new(),
            doubtful: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// All open lobbies, in no particular order.
    pub fn lobbies(&self) -> impl Iterator<Item = LobbyInfo> {
        self.lobbies.values().map(Lobby::info)
    }

    /// Panics unless connections, sessions and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        assert!(self.conns.len() <= self.settings.max_peers, "too many connections");
        assert!(self.lobbies.len() <= self.settings.max_lobbies, "too many lobbies");
        for lobby in self.lobbies.values() {
            lobby.roster.assert_consistent();
            assert!(lobby.roster.contains(lobby.roster.host()), "a lobby has a host");
            assert!(!lobby.roster.is_empty(), "a lobby has members");
        }
        let in_lobbies: usize = self.lobbies.values().map(|lobby| lobby.roster.len()).sum();
        let plain = self.conns.iter().filter_map(|(conn, Conn { place, .. })| match place {
            Place::Plain { lobby, peer } => Some((Guest::Plain(*conn), lobby, peer)),
            Place::Fresh | Place::Waiting { .. } | Place::Session(_) => None,
        });
        let sessions = self.sessions.iter().filter_map(|(id, session)| {
            let (lobby, peer) = session.place.as_ref()?;
            Some((Guest::Session(id), lobby, peer))
        });
        let mut placed = 0;
        for (guest, lobby, peer) in plain.chain(sessions) {
            placed += 1;
            let member = self.lobbies.get(lobby).and_then(|lobby| lobby.roster.get(peer));
            assert_eq!(member.map(|member| member.guest), Some(guest), "where its place says");
        }
        assert_eq!(placed, in_lobbies, "every member is a connection or a session");
        let waiting = self.conns.values().filter_map(|conn| match conn.place {
            Place::Waiting { ticket } => Some(ticket),
            _ => None,
        });
        let waiting = waiting.chain(self.sessions.iter().filter_map(|(_, it)| it.waits_for));
        self.parked.assert_consistent(waiting, &self.timers);
        self.sessions.assert_consistent();
        for (id, session) in self.sessions.iter() {
            let waits = session.waits_for.is_some();
            assert!(!waits || session.place.is_none(), "who waits to come in is outside");
            match session.conn.and_then(|conn| self.conns.get(&conn)) {
                Some(conn) => assert!(matches!(conn.place, Place::Session(of) if of == id)),
                None => assert!(self.timers.get(&Timer::Away(id)).is_some(), "its time will be up"),
            }
        }
        let is_session = |id| self.sessions.get(id).is_some();
        assert!(self.watches.sessions().all(is_session), "who watches is there");
        self.presence.assert_consistent(is_session);
        self.invites.assert_consistent(|id| self.inside(id).is_ok(), is_session);
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
            Input::Opened { conn, from, .. } => self.open(now, conn, from),
            Input::Message { conn, message } => self.handle_message(now, conn, message),
            Input::Heard { .. } => {}
            Input::Closed { conn } => self.depart(now, conn),
            Input::Command(command) => self.handle_command(now, command),
            Input::Timeout => self.handle_timeout(now),
            Input::Shutdown => self.shut_down(),
        }
        while !(self.given_up.is_empty() && self.doubtful.is_empty()) {
            self.end_given_up();
            self.hear(now);
        }
        if self.watches.have_changes() {
            self.collect_changes(now);
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
    fn open(&mut self, now: Instant, conn: ConnId, from: &str) {
        if self.conns.len() >= self.settings.max_peers {
            return self.close(conn, Refusal::TooManyPeers.into());
        }
        let address = from.rsplit_once(':').map_or(from, |(address, _port)| address).to_owned();
        self.conns.insert(conn, Conn { place: Place::Fresh, address, relays: Bucket::new(now) });
        self.timers.set(Timer::Join(conn), now + self.settings.join_timeout);
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: ClientMessage<'_>) {
        // A connection that we have closed may still have had frames under way.
        let Some(Conn { place, .. }) = self.conns.get(&conn) else { return };
        let handled = match (message, place.clone()) {
            (ClientMessage::Malformed(malformed), _) => Err(malformed.into()),
            (ClientMessage::Hello(hello), Place::Fresh) => {
                self.hello(now, conn, hello);
                Ok(())
            }
            (message, Place::Fresh) => self.handle_fresh(now, conn, message),
            (message, Place::Waiting { .. }) => Err(Self::interrupt(&message)),
            (message, Place::Plain { lobby, peer }) => {
                self.handle_plain(now, &lobby, peer, &message)
            }
            (message, Place::Session(session)) => {
                self.handle_session(now, session, message);
                Ok(())
            }
        };
        if let Err(refusal) = handled {
            self.expel(conn, refusal.into());
        }
    }

    fn handle_command(&mut self, now: Instant, command: ServerCommand) {
        match command {
            ServerCommand::CloseLobby { lobby, reason } => self.close_lobby(&lobby, &reason),
            ServerCommand::DisconnectPeer { lobby, peer, reason } => {
                let lobby = self.lobbies.get(&lobby);
                match lobby.and_then(|lobby| lobby.roster.get(&peer)).map(|member| member.guest) {
                    Some(Guest::Plain(conn)) => self.expel(conn, refused(&reason)),
                    Some(Guest::Session(id)) => {
                        let problem = Problem::Kicked;
                        let message = reason.clone();
                        self.tell(id, &ServerEvent::Left { problem, message });
                        self.end_session(id, Some(problem), &refused(&reason));
                    }
                    None => {}
                }
            }
            ServerCommand::SetHooks(hooks) => self.set_hooks(now, hooks),
            ServerCommand::Decide { ticket, verdict } => self.decide(now, ticket, verdict),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Join(conn) => self.expel(conn, Refusal::NotJoined.into()),
                Timer::Seal(lobby) => self.end_sealed(&lobby),
                Timer::Silence(session) => self.fall_silent(now, session),
                Timer::Away(session) => self.wait_on(now, session),
                Timer::Doubt(session) => self.end_hearing(session),
                Timer::Decision(ticket) => self.go_undecided(now, ticket),
                Timer::Lists => self.tell_changes(now),
            }
        }
    }

    /// Tells a member. What a session is told waits for it while it is away.
    fn send(&mut self, guest: Guest, message: &ServerMessage<'_>) {
        self.send_text(guest, message.encode());
    }

    fn send_text(&mut self, guest: Guest, text: Arc<str>) {
        let conn = match guest {
            Guest::Plain(conn) => conn,
            Guest::Session(id) => {
                let Some(session) = self.sessions.get_mut(id) else { return };
                let kept = session.replay.push(text.clone());
                let Some(conn) = session.conn else {
                    if kept.is_err() {
                        self.given_up.push(id);
                    }
                    return;
                };
                conn
            }
        };
        self.outputs.push_back(Output::Send { conn, text });
    }

    /// Tells a session something of the extended protocol.
    fn tell(&mut self, session: SessionId, event: &ServerEvent) {
        self.send_text(Guest::Session(session), event.encode());
    }

    /// Tells all sessions in a lobby, or all but one.
    fn tell_lobby(&mut self, lobby: &str, but: Option<PeerId>, event: &ServerEvent) {
        let Some(lobby) = self.lobbies.get(lobby) else { return };
        let text = event.encode();
        for (peer, session) in lobby.sessions() {
            if but != Some(peer) {
                self.send_text(Guest::Session(session), text.clone());
            }
        }
    }

    /// Where a connection comes from.
    fn address(&self, conn: ConnId) -> String {
        self.conns.get(&conn).map(|conn| conn.address.clone()).unwrap_or_default()
    }

    fn close(&mut self, conn: ConnId, close: Close) {
        self.outputs.push_back(Output::Close { conn, close });
    }

    /// Every change of a lobby that others see is told here.
    fn notify(&mut self, notice: ServerNotice) {
        self.watches.note(&notice);
        self.outputs.push_back(Output::Notice(notice));
    }

    fn notify_changed(&mut self, lobby: &str) {
        if let Some(lobby) = self.lobbies.get(lobby) {
            let info = Box::new(lobby.info());
            self.notify(ServerNotice::LobbyChanged { info });
        }
    }
}
