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
    CallingServer, Event, Expected, Payload, PeerChange, Request, Scope, Settings, Status,
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
    /// The request that is being answered.
    asked: Option<Request>,
    /// The rooms that it is in, if only as one that is invited.
    rooms: BTreeMap<String, Inside>,
    /// The handles of its own invitations.
    sent: BTreeSet<u64>,
    /// The users and rooms of the namespaces that it is subscribed to.
    namespaces: BTreeMap<String, Announced>,
}

/// What one client knows of a room that it is in.
struct Inside {
    /// The handle of the invitation that is open.
    invitation: Option<u64>,
    /// The other peers, and whether they are pending.
    others: BTreeMap<String, bool>,
}

/// What one client knows of a namespace.
struct Announced {
    users: BTreeSet<String>,
    /// The peers of each room.
    rooms: BTreeMap<String, BTreeSet<String>>,
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
                self.check_room(client, room, inside, lobbies);
            }
            client.namespaces.values().for_each(|announced| self.check_announced(announced));
        }
    }
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

    /// What one peer knows of a room is what all know together.
    fn check_room(
        &self,
        client: &Client,
        room: &str,
        inside: &Inside,
        lobbies: &BTreeMap<LobbyKey, LobbyView>,
    ) {
        let mut all: BTreeSet<String> = inside.others.keys().cloned().collect();
        all.insert(client.id.clone());
        assert_eq!(all, self.peers(room), "a peer knows the others of {room}");
        let full = inside.others.iter().filter(|(_, pending)| !**pending).map(|(id, _)| &**id);
        let me = Some(&*client.id).filter(|_| inside.invitation.is_none());
        let full: BTreeSet<&str> = full.chain(me).collect();
        let view = &lobbies[&LobbyKey { game: "".into(), name: room.into() }];
        let members: BTreeSet<&str> = view.members.iter().map(|member| &**member).collect();
        assert_eq!(full, members, "and which of them are only invited");
    }

    fn check_announced(&self, Announced { users, rooms }: &Announced) {
        let is_here = |id: &String| self.0.values().any(|other| other.id == *id);
        assert!(users.iter().all(is_here), "who is announced is there");
        for (room, peers) in rooms {
            assert_eq!(*peers, self.peers(room), "it is announced who is in {room}");
        }
    }

    /// Who is in a room or invited to it, as those who are know of themselves.
    fn peers(&self, room: &str) -> BTreeSet<String> {
        let is_in = |client: &&Client| client.rooms.contains_key(room);
        self.0.values().filter(is_in).map(|client| client.id.clone()).collect()
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
            Request::Join { room, .. } => {
                let peers = data["peers"].as_object().unwrap().iter();
                let others =
                    peers.map(|(id, peer)| (id.clone(), peer["pending"] == true)).collect();
                let inside = Inside { invitation: None, others };
                assert!(self.rooms.insert(room.unwrap(), inside).is_none(), "joined once");
            }
            Request::Leave { room } => drop(self.rooms.remove(&room)),
            Request::Subscribe { namespace } => {
                let rooms = data["rooms"].as_object().unwrap().iter();
                let rooms = rooms.map(|(room, view)| (room.clone(), ids(&view["peers"]))).collect();
                let users = ids(&data["users"]);
                self.namespaces.insert(namespace, Announced { users, rooms });
            }
            Request::Unsubscribe { namespace } => drop(self.namespaces.remove(&namespace)),
            Request::Invite { .. } => {
                assert!(self.sent.insert(data["handle"].as_u64().unwrap()), "handles are new");
            }
            Request::CancelInvitation { handle } => assert!(self.sent.remove(&handle)),
            Request::DenyInvitation { handle } => self.forget_invitation(handle),
            Request::AcceptInvitation { handle, .. } => {
                let is_it = |inside: &&mut Inside| inside.invitation == Some(handle);
                let accepted = self.rooms.values_mut().find(is_it);
                accepted.expect("it was open").invitation = None;
            }
            _ => {}
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Hello { user, .. } => self.id = user,
            Event::UserAdded { namespace, user, .. } => {
                self.namespaces.get_mut(&namespace).unwrap().users.insert(user);
            }
            Event::UserRemoved { namespace, user } => {
                self.namespaces.get_mut(&namespace).unwrap().users.remove(&user);
            }
            Event::RoomAdded { namespace, room, view } => {
                let peers = view.peers.into_keys().collect();
                self.namespaces.get_mut(&namespace).unwrap().rooms.insert(room, peers);
            }
            Event::RoomRemoved { namespace, room } => {
                self.namespaces.get_mut(&namespace).unwrap().rooms.remove(&room);
            }
            Event::Invited(invitation) => {
                let peers = invitation.view.peers.into_iter();
                let others = peers.map(|(id, peer)| (id, peer.pending)).collect();
                let inside = Inside { invitation: Some(invitation.handle), others };
                assert!(self.rooms.insert(invitation.room, inside).is_none(), "invited once");
            }
            Event::Cancelled { handle } => self.forget_invitation(handle),
            Event::Responded { handle, .. } => {
                // One to oneself may be answered before its number is told, but is not here.
                assert!(self.sent.remove(&handle), "only open invitations are answered");
            }
            event => self.note_peer(event),
        }
    }

    fn note_peer(&mut self, event: Event) {
        match event {
            Event::PeerAdded { scope: Scope::Namespace(namespace), room, user, .. } => {
                self.announced(&namespace, &room).insert(user);
            }
            Event::PeerRemoved { scope: Scope::Namespace(namespace), room, user } => {
                self.announced(&namespace, &room).remove(&user);
            }
            Event::PeerAdded { room, user, peer, .. } => {
                let inside = self.rooms.get_mut(&room).unwrap();
                assert_eq!(inside.others.insert(user, peer.pending), None, "came once");
            }
            Event::PeerRemoved { room, user, .. } => {
                // Who was just uninvited still hears others leave.
                if let Some(inside) = self.rooms.get_mut(&room) {
                    assert!(inside.others.remove(&user).is_some(), "who leaves was there");
                }
            }
            Event::PeerUpdated { scope: Scope::Room, room, user, change } => {
                let pending = self.rooms.get_mut(&room).unwrap().others.get_mut(&user).unwrap();
                *pending &= change != PeerChange::Accepted;
            }
            _ => {}
        }
    }

    fn announced(&mut self, namespace: &str, room: &str) -> &mut BTreeSet<String> {
        self.namespaces.get_mut(namespace).unwrap().rooms.get_mut(room).unwrap()
    }

    fn forget_invitation(&mut self, handle: u64) {
        let before = self.rooms.len();
        self.rooms.retain(|_, inside| inside.invitation != Some(handle));
        assert_eq!(self.rooms.len() + 1, before, "only open invitations end");
    }
}

fn ids(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}
