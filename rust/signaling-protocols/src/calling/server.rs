//! All users, rooms and namespaces of one server.
//!
//! Reading order:
//! - this file: connections, requests and their answers, and who is told what.
//! - `user`, `room`, `namespace`: what is kept, and the requests about it.
//! - `announcements`: how much of what a user does is told.
//! - `invitation`: how users are invited, and how that ends.
//! - `leaving`: leaving a room or everything, for whatever reason.
//! - `signs`: signs of life, asked for by either side.

mod announcements;
mod invitation;
mod leaving;
mod namespace;
mod room;
mod signs;
#[cfg(test)]
mod tests;
mod user;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use signaling_core::outputs::Outputs;
use signaling_core::overview::{LobbyKey, LobbyNotice, LobbyView, Overview};
use signaling_core::timers::Timers;
use signaling_core::{Close, ConnId, Frame, Input, Output, Server};
use uuid::Builder;

use super::settings::Settings;
use super::value::{Payload, Status, json_bytes};
use super::wire::event::{Event, Naming};
use super::wire::problem::Problem;
use super::wire::reply::Reply;
use super::wire::request::Request;
use super::wire::{ClientMessage, answer};
use crate::target::parameter;
use namespace::Namespace;
use room::Room;
use signs::Signs;
use user::User;

/// What is sent to whoever sends what is no stanza.
const NOT_UNDERSTOOD: &str = "Error processing incoming message";

/// The name of a room or a namespace.
type Name = Arc<str>;

/// The server side of the protocol.
#[derive(Debug)]
pub struct CallingServer {
    settings: Settings,
    rng: StdRng,
    users: HashMap<ConnId, User>,
    /// Users by id.
    ids: HashMap<Arc<str>, ConnId>,
    rooms: HashMap<Name, Room>,
    namespaces: HashMap<Name, Namespace>,
    /// When rooms without peers go.
    empty_rooms: Timers<Name>,
    signs: Signs,
    out: Outputs<LobbyNotice>,
}

/// What a request has come to.
struct Done {
    reply: Reply,
    aftermath: Option<Aftermath>,
}

/// What is told of an invitation's end after the answer.
enum Aftermath {
    /// The user is a peer of this room now.
    Accepted(ConnId, Name),
    /// The user is no longer invited into this room.
    Uninvited(ConnId, Name),
}

impl CallingServer {
    /// A server without users. Seed `rng` from the operating system: whoever guesses the id of a
    /// room can join it.
    pub fn new(settings: Settings, rng: StdRng) -> Self {
        Self {
            signs: Signs::new(&settings),
            settings,
            rng,
            users: HashMap::new(),
            ids: HashMap::new(),
            rooms: HashMap::new(),
            namespaces: HashMap::new(),
            empty_rooms: Timers::default(),
            out: Outputs::default(),
        }
    }

    /// Panics unless users, rooms, namespaces and invitations agree. For debug builds and
    /// simulations.
    pub fn assert_consistent(&self) {
        let settings = &self.settings;
        assert!(self.users.len() <= settings.max_users, "too many users");
        assert!(self.rooms.len() <= settings.max_rooms, "too many rooms");
        assert!(self.namespaces.len() <= settings.max_namespaces, "too many namespaces");
        assert_eq!(self.ids.len(), self.users.len(), "each user has one id");
        for (conn, user) in &self.users {
            assert_eq!(self.ids.get(&user.id), Some(conn), "and is found by it");
            self.assert_user_consistent(*conn, user);
        }
        for (name, room) in &self.rooms {
            room.assert_consistent();
            let is_empty = room.peers.is_empty();
            assert_eq!(is_empty, self.empty_rooms.get(name).is_some(), "an empty room goes");
        }
        assert!(self.empty_rooms.len() <= self.rooms.len(), "no timer outlives its room");
        self.assert_places_mutual();
    }
}

impl Server for CallingServer {
    type Message<'a> = ClientMessage;
    type Command = std::convert::Infallible;
    type Notice = LobbyNotice;

    fn decode(frame: Frame<'_>) -> ClientMessage {
        ClientMessage::decode(frame)
    }

    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>) {
        match input {
            Input::Opened { conn, target, .. } => self.open(now, conn, target),
            Input::Message { conn, message } => self.handle_message(now, conn, message),
            Input::Heard { conn } => self.signs.ponged(now, conn),
            Input::Closed { conn } => self.depart(now, conn),
            Input::Command(never) => match never {},
            Input::Timeout => self.handle_timeout(now),
            Input::Shutdown => self.shut_down(),
        }
        self.signs.spoke(now, &self.out);
        if cfg!(debug_assertions) {
            self.assert_consistent();
        }
    }

    fn poll_output(&mut self) -> Option<Output<LobbyNotice>> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.signs.poll_timeout().into_iter().chain(self.empty_rooms.earliest()).min()
    }
}

impl Overview for CallingServer {
    fn lobbies(&self) -> Vec<LobbyView> {
        let inhabited = self.rooms.iter().filter(|(_, room)| !room.peers.is_empty());
        inhabited.map(|(name, room)| room.overview(key(name), &self.settings)).collect()
    }
}

impl CallingServer {
    fn open(&mut self, now: Instant, conn: ConnId, target: &str) {
        if self.users.len() >= self.settings.max_users {
            let text = Problem::LimitReached.to_string();
            self.send(conn, &Event::Error { text: text.clone() }, Naming::Both);
            return self.out.close(conn, Close::new(1013, &text));
        }
        let naming = match parameter(target, "events").as_deref() {
            Some("doc") => Naming::Doc,
            Some("code") => Naming::Code,
            _ => Naming::Both,
        };
        let id: Arc<str> = self.draw_uuid().into();
        self.ids.insert(id.clone(), conn);
        self.users.insert(conn, User::new(now, id.clone(), naming));
        self.signs.watch(now, conn);
        let server = self.settings.server_name.clone();
        self.tell(conn, &Event::Hello { user: id.to_string(), server });
    }

    fn handle_message(&mut self, now: Instant, conn: ConnId, message: ClientMessage) {
        // A connection that we have closed may still have had frames under way.
        if !self.users.contains_key(&conn) {
            return;
        }
        self.signs.heard(now, conn);
        match message {
            ClientMessage::Request { tid, request } => {
                let done = request.and_then(|request| self.execute(now, conn, request));
                self.answer(now, conn, tid, done);
            }
            ClientMessage::Malformed => {
                self.tell(conn, &Event::Error { text: NOT_UNDERSTOOD.into() });
                self.expel(now, conn, Close::new(1003, NOT_UNDERSTOOD));
            }
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        conn: ConnId,
        tid: Option<Payload>,
        done: Result<Done, Problem>,
    ) {
        let (result, aftermath) = match done {
            Ok(Done { reply, aftermath }) => (Ok(reply), aftermath),
            Err(problem) => (Err(problem), None),
        };
        match (tid, result) {
            (Some(tid), result) => {
                let text = answer(&tid, &result);
                self.out.send(conn, text);
            }
            (None, Ok(_)) => {}
            (None, Err(problem)) => self.tell(conn, &Event::Error { text: problem.to_string() }),
        }
        match aftermath {
            Some(Aftermath::Accepted(conn, room)) => self.tell_of_acceptance(conn, &room),
            Some(Aftermath::Uninvited(conn, room)) => self.leave_room(now, conn, &room),
            None => {}
        }
    }

    fn execute(&mut self, now: Instant, conn: ConnId, request: Request) -> Result<Done, Problem> {
        self.charge(now, conn, &request)?;
        match request {
            Request::Status { status } => self.set_status(conn, &status)?,
            Request::Subscribe { namespace } => {
                return self.subscribe(conn, &namespace).map(Done::from);
            }
            Request::Unsubscribe { namespace } => self.unsubscribe(conn, &namespace)?,
            Request::RegisterUser { namespace } => self.register_user(conn, &namespace)?,
            Request::UnregisterUser { namespace } => self.unregister_user(conn, &namespace)?,
            Request::RegisterRoom { namespace, room } => self.register_room(&namespace, &room)?,
            Request::UnregisterRoom { namespace, room } => {
                self.unregister_room(&namespace, &room)?;
            }
            Request::Join { room, status } => return self.join(conn, room, status).map(Done::from),
            Request::Leave { room } => self.leave(now, conn, &room)?,
            Request::SetRoomStatus { room, key, value, expected } => {
                self.set_room_status(conn, &room, &key, value, &expected)?;
            }
            Request::SetPeerStatus { room, status } => {
                self.set_peer_status(conn, &room, Some(status))?;
            }
            Request::UpdatePeer { room, status } => self.set_peer_status(conn, &room, status)?,
            Request::Send { room, user, event, data } => {
                self.pass_on(conn, room, &user, event, data)?;
            }
            Request::Invite { room, user, data } => {
                return self.invite(conn, &room, &user, data).map(Done::from);
            }
            Request::CancelInvitation { handle } => return self.cancel_invitation(conn, handle),
            Request::AcceptInvitation { handle, status } => {
                return self.accept_invitation(conn, handle, status);
            }
            Request::DenyInvitation { handle } => return self.deny_invitation(conn, handle),
            Request::Ping => {}
            Request::RemotePing { time } => self.signs.set_remote_ping(now, conn, time),
            Request::RemoteTimeout { time } => self.signs.set_remote_timeout(now, conn, time),
        }
        Ok(Reply::Done.into())
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.give_signs(now);
        while let Some(room) = self.empty_rooms.pop_due(now) {
            self.forget_room(&room);
        }
    }

    fn shut_down(&mut self) {
        let mut conns: Vec<ConnId> = self.users.drain().map(|(conn, _)| conn).collect();
        conns.sort_unstable();
        for conn in conns {
            self.signs.forget(conn);
            self.out.close(conn, Close::shutting_down());
        }
        for (name, room) in std::mem::take(&mut self.rooms) {
            room.farewell(&key(&name)).into_iter().for_each(|notice| self.out.notify(notice));
        }
        self.ids.clear();
        self.namespaces.clear();
        self.empty_rooms = Timers::default();
    }

    /// Tells a user, unless it is gone.
    fn tell(&mut self, conn: ConnId, event: &Event) {
        if let Some(user) = self.users.get(&conn) {
            self.send(conn, event, user.naming);
        }
    }

    /// Tells users that are not gone.
    fn tell_each(&mut self, conns: &[ConnId], event: &Event) {
        let mut texts = BTreeMap::new();
        for conn in conns {
            let Some(user) = self.users.get(conn) else { continue };
            let texts = texts.entry(user.naming).or_insert_with(|| event.encode(user.naming));
            texts.iter().for_each(|text| self.out.send(*conn, text.clone()));
        }
    }

    fn send(&mut self, conn: ConnId, event: &Event, naming: Naming) {
        event.encode(naming).into_iter().for_each(|text| self.out.send(conn, text));
    }

    fn check_name(&self, name: &str) -> Result<(), Problem> {
        allow(json_bytes(name) <= self.settings.max_name_bytes + "\"\"".len())
    }

    fn check_status(&self, status: &Status) -> Result<(), Problem> {
        let is_small = status.bytes() <= self.settings.max_status_bytes;
        allow(is_small && status.depth() <= MAX_STATUS_DEPTH)
    }

    /// Version 4: random but for six bits.
    fn draw_uuid(&mut self) -> String {
        Builder::from_random_bytes(self.rng.random()).into_uuid().to_string()
    }
}

/// How deep the values of a status may be nested, so that lists of them can be read by everybody.
const MAX_STATUS_DEPTH: usize = 32;

/// Whether something stays within its limit.
fn allow(is_within: bool) -> Result<(), Problem> {
    if is_within { Ok(()) } else { Err(Problem::LimitReached) }
}

fn key(room: &Name) -> LobbyKey {
    LobbyKey { game: "".into(), name: room.clone() }
}

impl From<Reply> for Done {
    fn from(reply: Reply) -> Self {
        Self { reply, aftermath: None }
    }
}

impl From<Aftermath> for Done {
    fn from(aftermath: Aftermath) -> Self {
        Self { reply: Reply::Done, aftermath: Some(aftermath) }
    }
}
