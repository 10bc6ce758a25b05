//! Rooms under clients that do anything at any time. They know no rules of rooms: they keep what
//! they were told of who publishes, which must be the same for all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use signaling_core::overview::{LobbyKey, LobbyView};
use signaling_core::{Close, ConnId, Frame};
use signaling_protocols::rooms::wire::{Kind, ServerMessage, Signal};
use signaling_protocols::rooms::{
    Channel, Media, Participant, Profile, Publisher, Recipient, RoomServer, Settings,
};

use super::crowd::{Crowd, play};
use super::for_each_seed;

const SEEDS: u64 = 300;
const STEPS: usize = 100;
const ROOMS: [(&str, Channel); 4] = [
    ("call", Channel::Call),
    ("group", Channel::Group),
    ("audio", Channel::AudioGroup),
    ("broadcast", Channel::Broadcast),
];

#[test]
fn everybody_in_a_room_sees_the_same() {
    for_each_seed(SEEDS, |seed| {
        let server = RoomServer::new(settings(seed), StdRng::seed_from_u64(seed));
        play(seed, STEPS, server, Rooms::default());
    });
}

/// So little room, and time, that it runs out.
fn settings(seed: u64) -> Settings {
    let mut settings = Settings::default();
    settings.max_rooms = 3;
    settings.max_sessions = 14;
    settings.max_sessions_per_connection = 5;
    settings.max_stored_signals = 3;
    settings.expiry = Duration::from_secs(40);
    settings.keepalive_interval = seed.is_multiple_of(2).then_some(Duration::from_secs(20));
    settings.idle_limit = Some(Duration::from_secs(30));
    settings.lifetime = Duration::from_secs(100);
    settings
}

#[derive(Default)]
struct Rooms {
    /// What each connection was last told of who publishes in a room.
    lists: BTreeMap<ConnId, BTreeMap<String, Vec<Publisher>>>,
    /// The connections of sessions, by room and session; also of sessions that have ended since.
    holders: BTreeMap<(String, Arc<str>), ConnId>,
    /// Who spoke last, as whom.
    speaker: Option<(ConnId, Arc<str>)>,
}

impl Crowd for Rooms {
    type Server = RoomServer;

    fn enter(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        self.lists.insert(conn, BTreeMap::new());
        let targets = ["/room", "/room?ack=v1", "/room?ack=both"];
        targets.choose(rng).copied().expect("not empty").to_owned()
    }

    fn say(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        let (room, mut channel) = *ROOMS.choose(rng).expect("not empty");
        if rng.random_ratio(1, 30) {
            channel = *Channel::ALL.choose(rng).expect("not empty");
        }
        let (sender, kind) = (participant(rng), kind(rng));
        self.speaker = Some((conn, name(&sender)));
        let signal =
            Signal { channel, room: room.into(), sender, profile: Profile::default(), kind };
        signal.encode().to_string()
    }

    fn hear(&mut self, conn: ConnId, text: &str) {
        let lists = self.lists.get_mut(&conn).expect("it has entered");
        match ServerMessage::decode(Frame::Text(text)).expect("the server makes sense") {
            ServerMessage::Joined { room, publishers, .. } => {
                let (speaker, session) = self.speaker.clone().expect("it has asked for that");
                assert_eq!(speaker, conn, "it has asked for that");
                lists.insert(room.clone(), publishers);
                self.holders.insert((room, session), conn);
            }
            ServerMessage::Heartbeat { room, publishers } => {
                let known = lists.insert(room, publishers.clone());
                assert_eq!(known, Some(publishers), "a heartbeat brings no news");
            }
            ServerMessage::PublishersChanged { room, publishers } => {
                lists.insert(room, publishers);
            }
            ServerMessage::Refused { .. } => {
                let speaker = self.speaker.as_ref().map(|(speaker, _)| *speaker);
                assert_eq!(speaker, Some(conn), "nobody else is refused anything");
            }
            ServerMessage::Keepalive | ServerMessage::Signal(_) => {}
        }
    }

    /// Its sessions stay.
    fn part(&mut self, conn: ConnId, _: Option<&Close>) {
        self.lists.remove(&conn);
        self.holders.retain(|_, holder| *holder != conn);
    }

    fn check(&self, lobbies: &BTreeMap<LobbyKey, LobbyView>) {
        lobbies.values().for_each(|view| self.check_lists(view));
    }
}

impl Rooms {
    /// Who is in the room by way of a connection has the same list as all others.
    fn check_lists(&self, view: &LobbyView) {
        let room = &*view.key.name;
        let attached = self
            .holders
            .iter()
            .filter(|((name, session), _)| **name == *room && view.members.contains(session));
        let mut lists = attached.map(|(_, conn)| shown(&self.lists[conn][room]));
        let Some(first) = lists.next() else { return };
        assert!(lists.all(|list| list == first), "nobody is told wrong");
        assert_eq!(first.first().map(|it| &it.0), view.hosts.first(), "the oldest is the owner");
        assert!(first.iter().all(|(session, _)| view.members.contains(session)), "all are there");
    }
}

/// Who publishes what, in every shape of acks.
fn shown(list: &[Publisher]) -> Vec<(Arc<str>, Media)> {
    list.iter().map(|publisher| (name(&publisher.participant), publisher.media)).collect()
}

fn participant(rng: &mut StdRng) -> Participant {
    let user = *["ann", "ben", "cat"].choose(rng).expect("not empty");
    let session = *["1", "2"].choose(rng).expect("not empty");
    Participant::new(user, session)
}

fn recipient(rng: &mut StdRng) -> Recipient {
    let participant = participant(rng);
    match rng.random() {
        true => Recipient::User(participant.user.to_string()),
        false => participant.into(),
    }
}

fn kind(rng: &mut StdRng) -> Kind {
    let media = Media { video: rng.random(), audio: rng.random() };
    let (to, sdp) = (recipient(rng), String::new());
    match rng.random_range(0..100) {
        0..40 => Kind::Join { media, is_creating: rng.random() },
        40..45 => Kind::Leave,
        45..52 => Kind::Update(media),
        52..64 => Kind::Heartbeat { id: None, wants_ack: rng.random() },
        64..67 => Kind::Kick { to },
        67..72 => Kind::RequestPublish { media, message: None },
        72..84 => Kind::AcceptPublish { to },
        84..87 => Kind::RejectPublish { to },
        87..91 => Kind::Offer { to: None, sdp, is_restart: false },
        91..94 => Kind::Answer { to: Some(to), sdp },
        94..98 => Kind::Candidate { to: Some(to), sdp },
        _ => Kind::Watch { to },
    }
}

/// What the server calls a session.
fn name(participant: &Participant) -> Arc<str> {
    participant.to_string().into()
}
