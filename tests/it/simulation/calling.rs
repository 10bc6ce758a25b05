//! Users, rooms, namespaces and invitations under clients that do anything at any time. They know no
//! rules: they keep what they were told, which must be the same for all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use signaling_core::overview::{LobbyKey, LobbyView};
use signaling_core::{Close, ConnId, Frame};
use signaling_protocols::calling::wire::ServerMessage;
use signaling_protocols::calling::{
    CallingServer, Event, Expected, Invitation, Payload, PeerChange, PeerView, Request, RoomView,
    Scope, Settings, Status,
};

use super::crowd::{Crowd, play};
use super::for_each_seed;

const SEEDS: u64 = 300;
const STEPS: usize = 100;
const ROOMS: [&str; 4] = ["a", "b", "c", "d"];
const NAMESPACES: [&str; 3] = ["m", "n", "o"];

#[test]
fn nobody_in_a_room_or_namespace_is_told_wrong() {
    for_each_seed(SEEDS, |seed| {
        let server = CallingServer::new(settings(seed), StdRng::seed_from_u64(seed));
        play(seed, STEPS, server, Callers::default());
    });
}

/// So little room, and time, that it runs out.
fn settings(seed: u64) -> Settings {
    let mut settings = Settings::default();
    settings.max_users = 6;
    settings.max_rooms = 3;
    settings.max_room_peers = 4;
    settings.max_namespaces = 2;
    settings.max_user_places = 6;
    settings.max_user_invitations = 3;
    settings.max_status_bytes = 60;
    settings.empty_room_time = Duration::from_secs([0, 20][seed as usize % 2]);
    settings
}

#[derive(Default)]
struct Callers(BTreeMap<ConnId, Client>);

/// What one client knows.
#[derive(Default)]
struct Client {
    id: String,
    status: Status,
    /// The request that is being answered.
    asked: Option<Request>,
    /// The rooms that it is in, if only as one that is invited.
    rooms: BTreeMap<String, Inside>,
    /// The handles of its own invitations.
    sent: BTreeSet<u64>,
    /// The namespaces that it is subscribed to.
    namespaces: BTreeMap<String, Announced>,
}

/// What one client knows of a room that it is in.
struct Inside {
    /// The handle of the invitation that is open.
    invitation: Option<u64>,
    /// Its own status there.
    own: Status,
    /// The room, without itself.
    view: RoomView,
}

/// What one client knows of a namespace.
#[derive(Default)]
struct Announced {
    users: BTreeMap<String, Status>,
    rooms: BTreeMap<String, RoomView>,
}

impl Crowd for Callers {
    type Server = CallingServer;

    fn enter(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        self.0.insert(conn, Client::default());
        // Of what is told twice, the second time changes nothing.
        let targets = ["/calling", "/calling?events=code"];
        targets.choose(rng).copied().expect("not empty").to_owned()
    }

    fn say(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        if rng.random_ratio(1, 60) {
            return "{".to_owned();
        }
        let request = self.request(rng, conn);
        let text = request.encode(Some(1)).to_string();
        self.0.get_mut(&conn).expect("it has entered").asked = Some(request);
        text
    }

    fn hear(&mut self, conn: ConnId, text: &str) {
        self.0.get_mut(&conn).expect("it has entered").hear(text);
    }

    fn part(&mut self, conn: ConnId, _: Option<&Close>) {
        self.0.remove(&conn);
    }

    fn check(&self, lobbies: &BTreeMap<LobbyKey, LobbyView>) {
        for client in self.0.values() {
            for (room, inside) in &client.rooms {
                let mut real = self.room(room);
                check_lobby(
                    &real,
                    &lobbies[&LobbyKey { game: "".into(), name: room.as_str().into() }],
                );
                real.peers.remove(&client.id);
                assert_eq!(inside.view, real, "a peer knows {room} and the others in it");
            }
            client.namespaces.values().for_each(|announced| self.check_announced(announced));
        }
    }
}

/// Who is only invited is no member.
fn check_lobby(room: &RoomView, lobby: &LobbyView) {
    let full = room.peers.iter().filter(|(_, peer)| !peer.pending).map(|(id, _)| id.as_str());
    let members: BTreeSet<&str> = lobby.members.iter().map(|member| &**member).collect();
    assert_eq!(full.collect::<BTreeSet<_>>(), members, "the others are members");
}

impl Callers {
    fn request(&self, rng: &mut StdRng, conn: ConnId) -> Request {
        let client = &self.0[&conn];
        let received = client.rooms.values().filter_map(|inside| inside.invitation).choose(rng);
        let sent = client.sent.iter().copied().choose(rng);
        let room = (*ROOMS.choose(rng).unwrap()).to_owned();
        let namespace = (*NAMESPACES.choose(rng).unwrap()).to_owned();
        let user = self.0.values().choose(rng).unwrap().id.clone();
        let mut status = Status::default();
        let value = Payload::parse(&rng.random_range(0..9).to_string());
        status.set(["k", "l"].choose(rng).unwrap(), value.clone());
        let time = Some(Duration::from_millis(rng.random_range(0..20_000)));
        match rng.random_range(0..28) {
            0..2 => Request::Status { status },
            2..4 => Request::Subscribe { namespace },
            4 => Request::Unsubscribe { namespace },
            5..7 => Request::RegisterUser { namespace },
            7 => Request::UnregisterUser { namespace },
            8..10 => Request::RegisterRoom { namespace, room },
            10 => Request::UnregisterRoom { namespace, room },
            11..15 => Request::Join { room: Some(room), status },
            15 => Request::Leave { room },
            16 => {
                let (key, expected) = ("k".to_owned(), Expected::Anything);
                Request::SetRoomStatus { room, key, value, expected }
            }
            17 => Request::SetPeerStatus { room, status },
            18 => {
                let (event, data) = ("e".to_owned(), Payload::null());
                Request::Send { room, user, event, data }
            }
            19..23 => Request::Invite { room, user, data: Payload::null() },
            23 => Request::CancelInvitation { handle: sent.unwrap_or(0) },
            24 => Request::AcceptInvitation { handle: received.unwrap_or(0), status },
            25 => Request::DenyInvitation { handle: received.unwrap_or(0) },
            26 => Request::RemotePing { time },
            _ => Request::RemoteTimeout { time },
        }
    }

    fn check_announced(&self, Announced { users, rooms }: &Announced) {
        for (id, status) in users {
            let user = self.0.values().find(|user| user.id == *id).expect("it is there");
            assert_eq!(*status, user.status, "a user is announced as it is");
        }
        for (room, view) in rooms {
            let mut real = self.room(room);
            if real.peers.is_empty() {
                // Nobody is left who would know its status.
                real.status = view.status.clone();
            }
            assert_eq!(*view, real, "{room} is announced as it is");
        }
    }

    /// A room, as those who are in it or invited to it know it together.
    fn room(&self, name: &str) -> RoomView {
        let mut room = RoomView::default();
        for client in self.0.values() {
            let Some(inside) = client.rooms.get(name) else { continue };
            let mut status = client.status.clone();
            inside.own.iter().for_each(|(key, value)| status.set(key, Some(value.clone())));
            let pending = inside.invitation.is_some();
            room.peers.insert(client.id.clone(), PeerView { status, pending });
            room.status = inside.view.status.clone();
        }
        room
    }
}

impl Client {
    fn hear(&mut self, text: &str) {
        match ServerMessage::decode(Frame::Text(text)).expect("what the server says makes sense") {
            ServerMessage::Event { event, .. } => self.note(event),
            ServerMessage::Answer { result, .. } => {
                let asked = self.asked.take().expect("only what was asked is answered");
                if let Ok(data) = result {
                    let data = data.map(|data| serde_json::from_str(data.text()).unwrap());
                    self.note_done(asked, &data.unwrap_or_default());
                }
            }
            ServerMessage::Unknown => panic!("a new stanza: {text}"),
        }
    }

    fn note_done(&mut self, request: Request, data: &Value) {
        match request {
            Request::Status { status } => self.status = status,
            Request::Join { room, status } => {
                let inside = Inside { invitation: None, own: status, view: room_view(data) };
                assert!(self.rooms.insert(room.unwrap(), inside).is_none(), "joined once");
            }
            Request::Leave { room } => drop(self.rooms.remove(&room)),
            Request::SetRoomStatus { room, key, value, .. } => {
                self.inside(&room).view.status.set(&key, value);
            }
            Request::SetPeerStatus { room, status } => self.inside(&room).own = status,
            Request::Subscribe { namespace } => {
                let users = each(&data["users"], status);
                let rooms = each(&data["rooms"], room_view);
                self.namespaces.insert(namespace, Announced { users, rooms });
            }
            Request::Unsubscribe { namespace } => drop(self.namespaces.remove(&namespace)),
            Request::Invite { .. } => {
                assert!(self.sent.insert(data["handle"].as_u64().unwrap()), "handles are new");
            }
            Request::CancelInvitation { handle } => assert!(self.sent.remove(&handle)),
            Request::DenyInvitation { handle } => self.forget_invitation(handle),
            Request::AcceptInvitation { handle, status } => {
                let is_it = |inside: &&mut Inside| inside.invitation == Some(handle);
                let accepted = self.rooms.values_mut().find(is_it).expect("it was open");
                (accepted.invitation, accepted.own) = (None, status);
            }
            _ => {}
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Hello { user, .. } => self.id = user,
            Event::UserAdded { namespace, user, status }
            | Event::UserUpdated { namespace, user, status } => {
                self.namespace(&namespace).users.insert(user, status);
            }
            Event::UserRemoved { namespace, user } => {
                self.namespace(&namespace).users.remove(&user);
            }
            Event::RoomAdded { namespace, room, view } => {
                self.namespace(&namespace).rooms.insert(room, view);
            }
            Event::RoomRemoved { namespace, room } => {
                self.namespace(&namespace).rooms.remove(&room);
            }
            Event::Invited(invitation) => {
                let Invitation { handle, room, view, .. } = *invitation;
                let inside = Inside { invitation: Some(handle), own: Status::default(), view };
                assert!(self.rooms.insert(room, inside).is_none(), "invited once");
            }
            Event::Cancelled { handle } => self.forget_invitation(handle),
            Event::Responded { handle, .. } => {
                // One to oneself may be answered before its number is told, but is not here.
                assert!(self.sent.remove(&handle), "only open invitations are answered");
            }
            event => self.note_in_room(event),
        }
    }

    fn note_in_room(&mut self, event: Event) {
        match event {
            Event::RoomUpdated { scope, room, status } => self.view(&scope, &room).status = status,
            Event::PeerAdded { scope, room, user, peer } => {
                let known = self.view(&scope, &room).peers.insert(user, peer);
                // Subscribers may be told twice.
                assert!(known.is_none() || scope != Scope::Room, "came once");
            }
            // Who was just uninvited still hears others leave.
            Event::PeerRemoved { scope: Scope::Room, room, .. }
                if !self.rooms.contains_key(&room) => {}
            Event::PeerRemoved { scope, room, user } => {
                let known = self.view(&scope, &room).peers.remove(&user);
                assert!(known.is_some() || scope != Scope::Room, "who leaves was there");
            }
            Event::PeerUpdated { scope, room, user, change } => {
                let peer = self.view(&scope, &room).peers.get_mut(&user).expect("it is there");
                match change {
                    PeerChange::Status(status) => peer.status = status,
                    PeerChange::Accepted => peer.pending = false,
                }
            }
            _ => {}
        }
    }

    fn inside(&mut self, room: &str) -> &mut Inside {
        self.rooms.get_mut(room).expect("it is in the room")
    }

    fn namespace(&mut self, name: &str) -> &mut Announced {
        self.namespaces.get_mut(name).expect("it is subscribed")
    }

    fn view(&mut self, scope: &Scope, room: &str) -> &mut RoomView {
        match scope {
            Scope::Room => &mut self.inside(room).view,
            Scope::Namespace(name) => {
                self.namespace(name).rooms.get_mut(room).expect("the room is announced")
            }
        }
    }

    fn forget_invitation(&mut self, handle: u64) {
        let before = self.rooms.len();
        self.rooms.retain(|_, inside| inside.invitation != Some(handle));
        assert_eq!(self.rooms.len() + 1, before, "only open invitations end");
    }
}

fn each<T>(object: &Value, read: fn(&Value) -> T) -> BTreeMap<String, T> {
    object.as_object().unwrap().iter().map(|(key, value)| (key.clone(), read(value))).collect()
}

fn room_view(json: &Value) -> RoomView {
    RoomView { status: status(&json["status"]), peers: each(&json["peers"], peer_view) }
}

fn peer_view(json: &Value) -> PeerView {
    PeerView { status: status(&json["status"]), pending: json["pending"] == true }
}

fn status(json: &Value) -> Status {
    Status::parse(&json.to_string()).unwrap()
}
