//! All clients of one server.
//!
//! ```text
//!   connected ── id free ──► registered (OPEN, then what waits) ── LEAVE ──► without an id
//!       │                        ▲       │                                       │
//!       │── same id and token ───┘       └── gone, or silent ──► forgotten ◄─────┘
//!       └── anything else ──► ERROR or ID-TAKEN, closed
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::outputs::Outputs;
use signaling_core::overview::{LobbyNotice, LobbyView, Overview};
use signaling_core::vigil::Vigil;
use signaling_core::{Close, ConnId, Frame, Input, Output, Server};

use super::KEY;
use super::mail::{Full, Letter, Mail};
use super::settings::Settings;
use super::wire::{ClientMessage, ID_TAKEN, Kind, ServerMessage};
use crate::json::compact;
use crate::target::parameter;

/// The server side.
#[derive(Debug)]
pub struct PeerServer {
    settings: Settings,
    conns: HashMap<ConnId, Conn>,
    /// Which connection an id belongs to at the moment.
    registry: HashMap<Arc<str>, ConnId>,
    mail: Mail,
    vigil: Vigil,
    out: Outputs<LobbyNotice>,
}

/// A connection that was let in.
#[derive(Debug)]
struct Conn {
    id: Arc<str>,
    token: String,
    /// Who has sent it something since it was last heard of, in case that it is dead; at most
    /// [`MAX_UNHEARD`].
    unheard: Vec<Arc<str>>,
}

/// How many are told that what they have sent went to a dead connection.
const MAX_UNHEARD: usize = 64;

impl PeerServer {
    /// A server without clients.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            conns: HashMap::new(),
            registry: HashMap::new(),
            mail: Mail::default(),
            vigil: Vigil::default(),
            out: Outputs::default(),
        }
    }

    /// Panics unless connections, ids and queues agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        assert!(self.registry.len() <= self.settings.max_clients, "too many clients");
        for (id, conn) in &self.registry {
            let conn = self.conns.get(conn).expect("an id belongs to a connection");
            assert_eq!(conn.id, *id, "an id belongs to who says so");
        }
        for dst in self.mail.destinations() {
            assert!(!self.registry.contains_key(dst), "nothing waits for who is there");
        }
        self.mail.assert_consistent(&self.settings);
    }
}

impl Server for PeerServer {
    type Message<'a> = ClientMessage<'a>;
    type Command = Infallible;
    type Notice = LobbyNotice;

    fn decode(frame: Frame<'_>) -> ClientMessage<'_> {
        ClientMessage::decode(frame)
    }

    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>) {
        match input {
            Input::Opened { conn, target, .. } => self.open(now, conn, target),
            Input::Message { conn, message } => {
                self.hear(now, conn);
                self.handle_message(now, conn, message);
            }
            Input::Heard { conn } => self.hear(now, conn),
            Input::Closed { conn } => self.forget(conn),
            Input::Command(never) => match never {},
            Input::Timeout => self.handle_timeout(now),
            Input::Shutdown => self.shut_down(),
        }
        if cfg!(debug_assertions) {
            self.assert_consistent();
        }
    }

    fn poll_output(&mut self) -> Option<Output<LobbyNotice>> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.vigil.poll_timeout().into_iter().chain(self.mail.poll_timeout()).min()
    }
}

/// It knows clients alone.
impl Overview for PeerServer {
    fn lobbies(&self) -> Vec<LobbyView> {
        Vec::new()
    }
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("No id, token, or key supplied to websocket server")]
    Incomplete,
    #[error("Invalid key provided")]
    WrongKey,
    #[error("Server has reached its concurrent user limit")]
    TooManyClients,
    #[error("{ID_TAKEN}")]
    IdTaken,
}

/// The code of every close that is not the network's fault.
const NORMAL: u16 = 1000;

impl PeerServer {
    fn open(&mut self, now: Instant, conn: ConnId, target: &str) {
        match self.register(conn, target) {
            Ok(()) => {
                let limit = Some(self.settings.silence_limit);
                self.vigil.watch(conn, Keepalive::new(now, None, limit));
            }
            Err(refusal) => {
                let why = refusal.to_string();
                let close = Close::new(NORMAL, &why);
                let message = match refusal {
                    Refusal::IdTaken => ServerMessage::IdTaken,
                    _ => ServerMessage::Error(why.into()),
                };
                self.out.send(conn, message.encode());
                self.out.close(conn, close);
            }
        }
    }

    fn register(&mut self, conn: ConnId, target: &str) -> Result<(), Refusal> {
        let given = |key| parameter(target, key).filter(|value| !value.is_empty());
        let (Some(id), Some(token), Some(key)) = (given("id"), given("token"), given("key")) else {
            return Err(Refusal::Incomplete);
        };
        if key != KEY {
            return Err(Refusal::WrongKey);
        }
        match self.registry.get(&*id).copied() {
            Some(old) => self.take_over(conn, old, &token),
            None if self.registry.len() >= self.settings.max_clients => {
                Err(Refusal::TooManyClients)
            }
            None => {
                self.let_in(conn, &id, token);
                Ok(())
            }
        }
    }

    /// Whoever comes back is told nothing: for its peers it was never away.
    fn take_over(&mut self, conn: ConnId, old: ConnId, token: &str) -> Result<(), Refusal> {
        let is_same = self.conns.get(&old).is_some_and(|old| old.token == token);
        let client = is_same.then(|| self.conns.remove(&old)).flatten();
        let client = client.ok_or(Refusal::IdTaken)?;
        self.vigil.forget(old);
        self.out.close(old, Close::new(NORMAL, "Taken over by another connection"));
        self.registry.insert(client.id.clone(), conn);
        self.conns.insert(conn, client);
        Ok(())
    }

    fn let_in(&mut self, conn: ConnId, id: &str, token: Cow<'_, str>) {
        let id: Arc<str> = id.into();
        self.registry.insert(id.clone(), conn);
        self.out.send(conn, ServerMessage::Open.encode());
        let letters = self.mail.take(&id);
        self.conns.insert(conn, Conn { id, token: token.into_owned(), unheard: Vec::new() });
        letters.into_iter().for_each(|letter| self.deliver(conn, letter));
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: ClientMessage<'_>) {
        // Without its id a connection has no say any more.
        let Some(src) = self.id(conn) else { return };
        match message {
            ClientMessage::Heartbeat | ClientMessage::Malformed => {}
            ClientMessage::Signal { kind: Kind::Leave, dst: None, .. } => {
                self.registry.remove(&src);
            }
            ClientMessage::Signal { dst: None, .. } => {}
            ClientMessage::Signal { kind, dst: Some(dst), payload } => {
                let payload = payload.map(compact);
                let (from, payload) = ((&*src).into(), payload.as_deref());
                let message = ServerMessage::Signal { kind, src: from, dst: dst.clone(), payload };
                let letter = Letter::new(conn, src.clone(), message.encode());
                self.forward(now, kind, &dst, letter);
            }
        }
    }

    fn forward(&mut self, now: Instant, kind: Kind, dst: &str, letter: Letter) {
        if let Some(conn) = self.registry.get(dst) {
            return self.deliver(*conn, letter);
        }
        let src = letter.src.clone();
        if kind.can_wait() && self.mail.keep(now, dst, letter, &self.settings) == Err(Full) {
            self.tell(&src, Kind::Expire, dst);
        }
    }

    fn deliver(&mut self, to: ConnId, letter: Letter) {
        let Some(conn) = self.conns.get_mut(&to) else { return };
        if conn.unheard.len() < MAX_UNHEARD && !conn.unheard.contains(&letter.src) {
            conn.unheard.push(letter.src);
        }
        self.out.send(to, letter.text);
    }

    /// Tells a client something about another one.
    fn tell(&mut self, client: &str, kind: Kind, about: &str) {
        if let Some(conn) = self.registry.get(client) {
            let (src, dst) = (about.into(), client.into());
            let message = ServerMessage::Signal { kind, src, dst, payload: None };
            self.out.send(*conn, message.encode());
        }
    }

    fn hear(&mut self, now: Instant, conn: ConnId) {
        self.vigil.heard(now, conn);
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.unheard.clear();
        }
    }

    /// The id of a connection that has one still.
    fn id(&self, conn: ConnId) -> Option<Arc<str>> {
        let id = &self.conns.get(&conn)?.id;
        (self.registry.get(id) == Some(&conn)).then(|| id.clone())
    }

    fn forget(&mut self, conn: ConnId) {
        if let Some(id) = self.id(conn) {
            self.registry.remove(&id);
        }
        self.conns.remove(&conn);
        self.vigil.forget(conn);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((dst, sources)) = self.mail.expire(now) {
            sources.iter().for_each(|src| self.tell(src, Kind::Expire, &dst));
        }
        while let Some((conn, beat)) = self.vigil.poll(now) {
            if beat == Beat::Silent {
                self.bury(conn);
            }
        }
    }

    /// Drops a connection that is dead. Who sent it something last is to stop trying.
    fn bury(&mut self, conn: ConnId) {
        let id = self.id(conn);
        let unheard = self.conns.get_mut(&conn).map(|conn| std::mem::take(&mut conn.unheard));
        self.forget(conn);
        self.out.close(conn, Close::keepalive_timeout());
        if let (Some(id), Some(unheard)) = (id, unheard) {
            unheard.iter().for_each(|src| self.tell(src, Kind::Leave, &id));
        }
    }

    fn shut_down(&mut self) {
        let mut conns: Vec<_> = self.conns.keys().copied().collect();
        conns.sort();
        for conn in conns {
            self.out.close(conn, Close::shutting_down());
            self.forget(conn);
        }
        self.mail = Mail::default();
    }
}
