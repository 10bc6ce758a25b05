//! All rooms of one server.
//!
//! A signal goes through the same steps, whatever it wants: it is well-formed, means something in
//! such a room, the room exists and is of that kind, its sender is in it by way of this very
//! connection, and then it may do what it wants. The first step that fails is the answer. Nothing
//! of that closes a connection: only silence, age and the limits of frames and messages do, and
//! none of them ends a session.
//!
//! Reading order:
//! - `joining`: creating and joining rooms, and coming back into them.
//! - `obeying`: what members may say.
//! - `leaving`: leaving, for whatever reason.
//! - `room`: what is kept of a room and its members.
//! - `refusals`: why something is refused.

mod joining;
mod leaving;
mod obeying;
mod refusals;
mod room;

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use signaling_core::ids::alphanumeric;
use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::outputs::Outputs;
use signaling_core::overview::{LobbyKey, LobbyNotice, LobbyView, Overview};
use signaling_core::timers::Timers;
use signaling_core::vigil::Vigil;
use signaling_core::{Close, ConnId, Frame, Input, Output, Server};

use super::model::{Channel, Participant, Publisher};
use super::settings::Settings;
use super::wire::ack::{channel_of, forbidden};
use super::wire::{Ack, Action, Kind, Message, Refusal, Request, Shape, Signal};
use crate::target::parameter;
use room::Room;

/// The server side of the protocol.
#[derive(Debug)]
pub struct RoomServer {
    settings: Settings,
    rng: StdRng,
    conns: HashMap<ConnId, Conn>,
    rooms: HashMap<Arc<str>, Room>,
    /// When to send keepalives, and when a connection is idle.
    traffic: Vigil,
    /// When a connection is too old.
    lifetimes: Timers<ConnId>,
    /// When a session has expired.
    presence: Vigil<SessionKey>,
    out: Outputs<LobbyNotice>,
}

#[derive(Debug)]
struct Conn {
    /// What the gateway calls it.
    name: String,
    shape: Shape,
    sessions: BTreeSet<SessionKey>,
}

/// One session of the whole server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct SessionKey {
    room: Arc<str>,
    participant: Participant,
}

impl RoomServer {
    /// A server without rooms. `rng` draws what connections are called in errors, and nothing else.
    pub fn new(settings: Settings, rng: StdRng) -> Self {
        Self {
            settings,
            rng,
            conns: HashMap::new(),
            rooms: HashMap::new(),
            traffic: Vigil::default(),
            lifetimes: Timers::default(),
            presence: Vigil::default(),
            out: Outputs::default(),
        }
    }

    /// Panics unless connections, sessions and rooms agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        let settings = &self.settings;
        assert!(self.rooms.len() <= settings.max_rooms, "too many rooms");
        let members: usize = self.rooms.values().map(|room| room.roster.len()).sum();
        assert!(members <= settings.max_sessions, "too many sessions");
        assert_eq!(self.presence.count(), members, "each session can expire");
        assert_eq!(self.traffic.count(), self.conns.len(), "each connection is watched");
        let mut bound = 0;
        for (conn, Conn { sessions, .. }) in &self.conns {
            assert!(sessions.len() <= settings.max_sessions_per_connection, "too many of one");
            bound += sessions.len();
            for SessionKey { room, participant } in sessions {
                let member = self.rooms.get(room).and_then(|room| room.roster.get(participant));
                assert_eq!(member.and_then(|member| member.conn), Some(*conn), "where it says");
            }
        }
        let attached = self.rooms.values().map(Room::attached).sum::<usize>();
        assert_eq!(attached, bound, "who has a connection is known to it");
        self.rooms.values().for_each(|room| room.assert_consistent(settings));
    }
}

impl Server for RoomServer {
    type Message<'a> = Message<'a>;
    type Command = Infallible;
    type Notice = LobbyNotice;

    fn decode(frame: Frame<'_>) -> Message<'_> {
        Message::decode(frame)
    }

    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>) {
        match input {
            Input::Opened { conn, target, .. } => self.open(now, conn, target),
            Input::Message { conn, message } => self.handle_message(now, conn, &message),
            Input::Heard { conn } => self.traffic.heard(now, conn),
            Input::Closed { conn } => self.detach(conn),
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
        let (traffic, presence) = (self.traffic.poll_timeout(), self.presence.poll_timeout());
        [traffic, presence, self.lifetimes.earliest()].into_iter().flatten().min()
    }
}

impl Overview for RoomServer {
    fn lobbies(&self) -> Vec<LobbyView> {
        self.rooms.iter().map(|(name, room)| room.view(lobby_key(name))).collect()
    }
}

impl RoomServer {
    fn open(&mut self, now: Instant, conn: ConnId, target: &str) {
        let Settings { keepalive_interval, idle_limit, lifetime, .. } = self.settings;
        let shape = parameter(target, "ack").map(|name| Shape::from_name(&name));
        let name = alphanumeric(&mut self.rng, 16);
        let shape = shape.unwrap_or_default();
        self.conns.insert(conn, Conn { name, shape, sessions: BTreeSet::new() });
        self.traffic.watch(conn, Keepalive::new(now, keepalive_interval, idle_limit));
        self.lifetimes.set(conn, now + lifetime);
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: &Message<'_>) {
        // A connection that we have closed may still have had frames under way.
        let Some(Conn { name, .. }) = self.conns.get(&conn) else { return };
        self.traffic.heard(now, conn);
        match message {
            Message::Unroutable => {
                let text = forbidden(name, &alphanumeric(&mut self.rng, 16));
                self.send(now, conn, text);
            }
            Message::Request(request) => {
                if let Err(refusal) = self.handle_request(now, conn, request) {
                    let Request { action, data: request, .. } = *request;
                    let ack = Ack::Refused { action, request, refusal };
                    self.ack(now, conn, channel_of(request), &ack);
                }
            }
        }
    }

    fn handle_request(
        &mut self,
        now: Instant,
        conn: ConnId,
        request: &Request<'_>,
    ) -> Result<(), Refusal> {
        let signal = request.signal.as_ref().ok_or(refusals::MALFORMED)?;
        let key = SessionKey::of(signal);
        // Whatever comes of it, it is a sign of life.
        if self.holds(conn, &key) {
            self.presence.heard(now, &key);
        }
        if !request.action.is_for(signal.channel) {
            return Err(refusals::NOT_IN_SUCH_ROOMS);
        }
        if let Kind::Join { media, is_creating } = signal.kind {
            return self.join(now, conn, signal, media, is_creating);
        }
        self.check_sender(conn, signal)?;
        self.obey(now, &key, signal, request.data)
    }

    /// Whether whoever says this is in the room, by way of this connection.
    fn check_sender(&self, conn: ConnId, signal: &Signal) -> Result<(), Refusal> {
        let room = self.rooms.get(&signal.room).ok_or(refusals::NO_SUCH_ROOM)?;
        let action = signal.kind.action();
        if room.channel != signal.channel {
            let is_beat = action == Action::Heartbeat;
            return Err(if is_beat { refusals::MALFORMED } else { refusals::OTHER_CHANNEL });
        }
        match room.roster.get(&signal.sender) {
            Some(member) if member.conn == Some(conn) => Ok(()),
            _ if matches!(action, Action::Leave | Action::Heartbeat) => Err(refusals::NO_SUCH_ROOM),
            _ => Err(refusals::NOT_IN_ROOM),
        }
    }

    /// Whether a session is bound to this connection.
    fn holds(&self, conn: ConnId, key: &SessionKey) -> bool {
        self.conns.get(&conn).is_some_and(|conn| conn.sessions.contains(key))
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(conn) = self.lifetimes.pop_due(now) {
            self.close(conn, going_away());
        }
        while let Some((conn, beat)) = self.traffic.poll(now) {
            match beat {
                Beat::Ping => self.ack(now, conn, None, &Ack::Keepalive),
                Beat::Silent => self.close(conn, going_away()),
            }
        }
        while let Some((key, _silent)) = self.presence.poll(now) {
            self.end_sessions(now, &key.room, &[key.participant]);
        }
    }

    fn send(&mut self, now: Instant, conn: ConnId, text: Arc<str>) {
        self.traffic.heard(now, conn);
        self.out.send(conn, text);
    }

    fn ack(&mut self, now: Instant, conn: ConnId, channel: Option<Channel>, ack: &Ack<'_>) {
        if let Some(Conn { shape, .. }) = self.conns.get(&conn) {
            let text = ack.encode(*shape, channel);
            self.send(now, conn, text);
        }
    }

    /// Passes a signal on; it waits for a session that is away.
    fn deliver(&mut self, now: Instant, room: &str, to: &Participant, text: &Arc<str>) {
        let member = self.rooms.get_mut(room).and_then(|room| room.roster.get_mut(to));
        let Some(member) = member else { return };
        match member.conn {
            Some(conn) => self.send(now, conn, Arc::clone(text)),
            None => member.stored.push(Arc::clone(text), &self.settings),
        }
    }

    /// Tells all sessions of a room who publishes, or all but one.
    fn announce(&mut self, now: Instant, name: &str, but: Option<&Participant>) {
        if let Some(room) = self.rooms.get(name) {
            self.announce_list(now, name, &room.publishers(), but);
        }
    }

    fn announce_list(
        &mut self,
        now: Instant,
        room: &str,
        publishers: &[Publisher],
        but: Option<&Participant>,
    ) {
        let Some(Room { channel, roster, .. }) = self.rooms.get(room) else { return };
        let channel = Some(*channel);
        let ack = Ack::PublishersChanged { room, publishers };
        let texts = Shape::ALL.map(|shape| LazyCell::new(move || ack.encode(shape, channel)));
        let others = roster.iter().filter(|(participant, _)| but != Some(*participant));
        let conns: Vec<ConnId> = others.filter_map(|(_, member)| member.conn).collect();
        for conn in conns {
            if let Some(Conn { shape, .. }) = self.conns.get(&conn) {
                let text = Arc::clone(&texts[*shape as usize]);
                self.send(now, conn, text);
            }
        }
    }

    /// Closes a connection; its sessions stay.
    fn close(&mut self, conn: ConnId, close: Close) {
        self.detach(conn);
        self.out.close(conn, close);
    }

    fn notify_changed(&mut self, room: &Arc<str>) {
        if let Some(view) = self.rooms.get(room).map(|it| it.view(lobby_key(room))) {
            self.out.notify(LobbyNotice::Changed(Box::new(view)));
        }
    }

    fn shut_down(&mut self) {
        let rooms: Vec<Arc<str>> = self.rooms.keys().cloned().collect();
        rooms.iter().for_each(|room| self.forget_room(room));
        let conns: Vec<ConnId> = self.conns.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.close(conn, Close::shutting_down()));
    }
}

impl SessionKey {
    fn of(signal: &Signal) -> Self {
        Self { room: Arc::clone(&signal.room), participant: signal.sender.clone() }
    }
}

/// What whoever was idle, or connected for too long, is told.
fn going_away() -> Close {
    Close::new(1001, "Going away")
}

fn lobby_key(room: &Arc<str>) -> LobbyKey {
    LobbyKey { game: Arc::default(), name: Arc::clone(room) }
}
