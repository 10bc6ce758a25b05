//! Clients in rooms and their server, on a network that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use signaling_core::overview::{LobbyNotice, Overview};
use signaling_protocols::rooms::wire::Kind;
use signaling_protocols::rooms::{
    Channel, Media, Participant, Publisher, RoomEvent, RoomOptions, RoomRequest, RoomServer,
    RoomSession, RoomState, Settings,
};

use super::for_each_seed;
use super::network::{Client, Network, Play};

const SEEDS: u64 = 100;
const STEPS: usize = 60;

/// Who may want to be where: three in a call, of whom one finds no place, and four in a group.
const PEOPLE: [(&str, Channel); 7] = [
    ("ann", Channel::Call),
    ("ben", Channel::Call),
    ("cat", Channel::Call),
    ("dan", Channel::Group),
    ("eve", Channel::Group),
    ("fay", Channel::Group),
    ("gil", Channel::Group),
];

/// After this, everybody is back, or has been given up: a caller who is alone after half a minute.
const PEACE: Duration = Duration::from_secs(60);

struct Rooms;

/// What a client knows by what its session has told it.
#[derive(Default)]
struct View {
    person: usize,
    state: RoomState,
    publishers: Vec<Publisher>,
    /// The last number that each of the others has said.
    heard: BTreeMap<Participant, u64>,
}

impl Play for Rooms {
    type Server = RoomServer;
    type Session = RoomSession;
    type View = View;

    const TARGET: &'static str = "/room";

    fn note(view: &mut View, event: &RoomEvent) {
        view.note(event);
    }

    fn check(server: &RoomServer) {
        server.assert_consistent();
    }

    fn heed(_: &RoomServer, _: LobbyNotice, _: &mut StdRng) -> Option<(Duration, Infallible)> {
        None
    }
}

impl View {
    /// Panics when an event contradicts an earlier one.
    fn note(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::StateChanged { old, new } => {
                assert_eq!(*old, self.state, "states follow each other");
                assert!(old.leads_to(*new), "there is no way from {old:?} to {new:?}");
                self.state = *new;
            }
            RoomEvent::Joined { publishers, .. } => {
                assert_eq!(self.state, RoomState::Joined);
                self.publishers.clone_from(publishers);
            }
            RoomEvent::PublishersChanged(publishers) => {
                assert_eq!(self.state, RoomState::Joined);
                assert_ne!(*publishers, self.publishers, "a list is another one");
                self.publishers.clone_from(publishers);
            }
            RoomEvent::Heard(signal) => {
                if let Kind::Candidate { sdp, .. } = &signal.kind {
                    let number: u64 = sdp.parse().expect("that is what is said here");
                    let earlier = self.heard.insert(signal.sender.clone(), number);
                    assert!(earlier.is_none_or(|it| it < number), "once, and in order");
                }
            }
            RoomEvent::Failed(_) => assert_eq!(self.state, RoomState::Failed),
            RoomEvent::Malformed { .. } => panic!("the server makes sense"),
            _ => {}
        }
    }
}

#[test]
fn sessions_in_rooms_agree_when_the_network_lets_them() {
    for_each_seed(SEEDS, |seed| {
        let mut network = Network::<Rooms>::new(seed, server(seed));
        (0..PEOPLE.len()).for_each(|person| network.bring(person));
        for step in 0..STEPS {
            act(&mut network, seed ^ step as u64);
            let pause = Duration::from_millis(network.rng.random_range(0..1500));
            network.run(pause);
        }
        network.clients.iter_mut().for_each(|client| client.is_reachable = true);
        network.run(PEACE);
        network.assert_agreement();
    });
}

fn server(seed: u64) -> RoomServer {
    RoomServer::new(Settings::default(), StdRng::seed_from_u64(seed))
}

impl Network<Rooms> {
    /// A client of a person, in place of one that has failed if there was one.
    fn bring(&mut self, person: usize) {
        let (name, channel) = PEOPLE[person];
        let (room, me) = (channel.name().to_owned(), Participant::new(name, name));
        let options = RoomOptions { channel, room, me, ..RoomOptions::default() };
        let session = RoomSession::new(options, StdRng::seed_from_u64(self.rng.random()));
        self.add(session, View { person, ..View::default() });
    }

    fn say(&mut self, client: usize, kind: Kind) {
        self.request(client, RoomRequest::Say(kind));
    }

    /// Panics unless those who are in a room are those who think so, and know the same.
    fn assert_agreement(&self) {
        for (_, channel) in PEOPLE {
            let is_there =
                |view: &&View| PEOPLE[view.person].1 == channel && view.state == RoomState::Joined;
            let inside: Vec<_> =
                self.clients.iter().map(|client| &client.view).filter(is_there).collect();
            let names: BTreeSet<Arc<str>> = inside.iter().map(|view| name(view.person)).collect();
            let lobby =
                self.server.lobbies().into_iter().find(|it| *it.key.name == *channel.name());
            let members: BTreeSet<_> = lobby.into_iter().flat_map(|lobby| lobby.members).collect();
            assert_eq!(members, names, "who is there");
            assert!(inside.windows(2).all(|two| two[0].publishers == two[1].publishers));
        }
        let at_rest = [RoomState::Idle, RoomState::Joined, RoomState::Left, RoomState::Failed];
        let mut states = self.clients.iter().map(|client| client.view.state);
        assert!(states.all(|state| at_rest.contains(&state)), "nobody is on the way any more");
    }
}

/// What the server calls a person's session.
fn name(person: usize) -> Arc<str> {
    let (name, _) = PEOPLE[person];
    Participant::new(name, name).to_string().into()
}

/// Something happens to one of the clients.
fn act(network: &mut Network<Rooms>, seed: u64) {
    let person = network.rng.random_range(0..PEOPLE.len());
    let is_living = |client: &Client<Rooms>| {
        client.view.person == person && client.view.state != RoomState::Failed
    };
    let Some(client) = network.clients.iter().rposition(is_living) else {
        return network.bring(person);
    };
    match network.rng.random_range(0..100) {
        0..6 => network.break_off(client),
        6..10 => network.fall_silent(client),
        10..16 => network.clients[client].is_reachable ^= true,
        16 => network.replace(server(seed)),
        17..20 => network.request(client, RoomRequest::Recover),
        _ => {
            for _ in 0..network.rng.random_range(1..6) {
                let kind = kind(network, person);
                network.say(client, kind);
            }
        }
    }
}

fn kind(network: &mut Network<Rooms>, person: usize) -> Kind {
    let (_, channel) = PEOPLE[person];
    let number = network.draw_number().to_string();
    let rng = &mut network.rng;
    let media = Media { video: rng.random(), audio: rng.random() };
    let others = PEOPLE.iter().filter(|other| other.1 == channel && **other != PEOPLE[person]);
    let (other, _) = others.choose(rng).expect("nobody is alone");
    let other = Participant::new(*other, *other);
    let to = (channel == Channel::Group).then(|| other.clone().into());
    let sdp = String::new();
    match rng.random_range(0..100) {
        0..15 => Kind::Join { media, is_creating: *[true, false].choose(rng).expect("two") },
        15..17 => Kind::Leave,
        17..25 => Kind::Update(media),
        25..35 => Kind::RequestPublish { media, message: None },
        35..50 => Kind::AcceptPublish { to: other.into() },
        50 => Kind::Kick { to: other.into() },
        51..56 => Kind::Offer { to, sdp, is_restart: false },
        56..61 => Kind::Answer { to, sdp },
        _ => Kind::Candidate { to, sdp: number },
    }
}
