//! Rooms under clients that do anything at any time.
//!
//! The model knows no rules of rooms. It keeps what each connection was told of each room's
//! publishers, and what the embedding program was told of sessions, and compares the two with one
//! another and with what the server says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use signaling_core::overview::{LobbyNotice, LobbyView, Overview};
use signaling_core::{ConnId, Frame, Input, Output, Server};
use signaling_protocols::rooms::wire::{Kind, ServerMessage, Signal};
use signaling_protocols::rooms::{
    Channel, Media, Participant, Profile, Publisher, Recipient, RoomServer, Settings,
};

use super::for_each_seed;

const STEPS: usize = 300;
const ROOMS: [(&str, Channel); 4] = [
    ("call", Channel::Call),
    ("group", Channel::Group),
    ("audio", Channel::AudioGroup),
    ("broadcast", Channel::Broadcast),
];

#[test]
fn everybody_in_a_room_sees_the_same() {
    for_each_seed(75, |seed| World::new(seed).run());
}

struct World {
    rng: StdRng,
    server: RoomServer,
    settings: Settings,
    now: Instant,
    next_conn: u64,
    /// What each connection was last told of who publishes in a room.
    conns: BTreeMap<ConnId, BTreeMap<String, Vec<Publisher>>>,
    /// The connection of each session that has one, and when it was last heard.
    sessions: BTreeMap<(String, Arc<str>), (Option<ConnId>, Instant)>,
    /// Who says what at the moment.
    speaking: Option<(ConnId, Signal)>,
    /// The rooms as an embedding program sees them that only listens to notices.
    told: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    hosts: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut settings = Settings::default();
        settings.max_rooms = 3;
        settings.max_sessions = 14;
        settings.max_sessions_per_connection = 5;
        settings.max_stored_signals = 3;
        settings.keepalive_interval = (seed % 2 == 0).then_some(Duration::from_secs(20));
        settings.idle_limit = Some(Duration::from_secs(30));
        settings.lifetime = Duration::from_secs(60);
        Self {
            rng: StdRng::seed_from_u64(seed),
            server: RoomServer::new(settings.clone(), StdRng::seed_from_u64(seed)),
            settings,
            now: Instant::now(),
            next_conn: 0,
            conns: BTreeMap::new(),
            sessions: BTreeMap::new(),
            speaking: None,
            told: BTreeMap::new(),
            hosts: BTreeMap::new(),
        }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            self.step();
            self.check();
        }
        self.advance(Duration::from_secs(10));
        assert!(self.sessions.is_empty() && self.told.is_empty(), "silence ends everything");
        self.handle(Input::Shutdown);
        assert!(self.conns.is_empty(), "everybody is told of the end");
        assert_eq!(self.server.poll_timeout(), None, "no timer outlives its reason");
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..8 => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.conns.insert(conn, BTreeMap::new());
                let target = *["/room", "/room?ack=v1", "/room?ack=both"]
                    .choose(&mut self.rng)
                    .expect("not empty");
                self.handle(Input::Opened { conn, target, from: "" });
            }
            8..20 => {
                let millis = self.rng.random_range(0..4000);
                self.advance(Duration::from_millis(millis));
            }
            20..24 => {
                if let Some(conn) = self.any_conn() {
                    self.forget(conn);
                    self.handle(Input::Closed { conn });
                }
            }
            _ => {
                if let Some(conn) = self.any_conn() {
                    self.say(conn);
                }
            }
        }
    }

    fn any_conn(&mut self) -> Option<ConnId> {
        self.conns.keys().copied().choose(&mut self.rng)
    }

    fn say(&mut self, conn: ConnId) {
        let signal = self.signal();
        let key = (signal.room.to_string(), name(&signal.sender));
        if let Some((holder, heard)) = self.sessions.get_mut(&key)
            && *holder == Some(conn)
        {
            *heard = self.now;
        }
        let text = signal.encode();
        self.speaking = Some((conn, signal));
        let message = RoomServer::decode(Frame::Text(&text));
        self.handle(Input::Message { conn, message });
        self.speaking = None;
    }

    fn signal(&mut self) -> Signal {
        let (room, mut channel) = *ROOMS.choose(&mut self.rng).expect("not empty");
        if self.rng.random_ratio(1, 30) {
            channel = *Channel::ALL.choose(&mut self.rng).expect("not empty");
        }
        let (sender, kind) = (self.participant(), self.kind());
        Signal { channel, room: room.into(), sender, profile: Profile::default(), kind }
    }

    fn participant(&mut self) -> Participant {
        let user = ["ann", "ben", "cat"].choose(&mut self.rng).copied().expect("not empty");
        let session = ["1", "2"].choose(&mut self.rng).copied().expect("not empty");
        Participant::new(user, session)
    }

    fn recipient(&mut self) -> Recipient {
        let participant = self.participant();
        match self.rng.random() {
            true => Recipient::User(participant.user.to_string()),
            false => participant.into(),
        }
    }

    fn kind(&mut self) -> Kind {
        let media = Media { video: self.rng.random(), audio: self.rng.random() };
        let to = self.recipient();
        let sdp = String::new();
        match self.rng.random_range(0..100) {
            0..40 => Kind::Join { media, is_creating: self.rng.random() },
            40..45 => Kind::Leave,
            45..52 => Kind::Update(media),
            52..64 => Kind::Heartbeat { id: None, wants_ack: self.rng.random() },
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

    fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.handle(Input::Timeout);
        }
        self.now = until;
    }

    fn handle(&mut self, input: Input<'_, RoomServer>) {
        let is_timeout = matches!(input, Input::Timeout);
        self.server.handle_input(self.now, input);
        // Many are told the same.
        let mut decoded = HashMap::new();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { conn, text } => {
                    let decode = || ServerMessage::decode(Frame::Text(&text));
                    let message = decoded.entry(text.clone()).or_insert_with(decode).clone();
                    self.receive(conn, message.expect("the server makes sense"));
                }
                Output::Close { conn, .. } => self.forget(conn),
                Output::Ping { .. } => panic!("rooms have keepalives of their own"),
                Output::Notice(notice) => self.notice(notice, is_timeout),
            }
        }
    }

    fn receive(&mut self, conn: ConnId, message: ServerMessage) {
        let lists = self.conns.get_mut(&conn).expect("nothing is sent after the end");
        match message {
            ServerMessage::Joined { room, publishers, .. } => {
                lists.insert(room.clone(), publishers);
                let (speaker, signal) = self.speaking.as_ref().expect("somebody has joined");
                assert_eq!((*speaker, &*signal.room), (conn, &*room), "it has asked for that");
                let key = (room, name(&signal.sender));
                self.sessions.insert(key, (Some(conn), self.now));
            }
            ServerMessage::Heartbeat { room, publishers } => {
                let known = lists.insert(room, publishers.clone());
                assert_eq!(known, Some(publishers), "a heartbeat brings no news");
            }
            ServerMessage::PublishersChanged { room, publishers } => {
                lists.insert(room, publishers);
            }
            ServerMessage::Refused { .. } | ServerMessage::Signal(_) => {
                assert!(self.speaking.is_some(), "nobody says anything by oneself");
            }
            ServerMessage::Keepalive => {}
        }
    }

    /// A connection is gone; its sessions are not.
    fn forget(&mut self, conn: ConnId) {
        self.conns.remove(&conn).expect("nobody is closed twice");
        for (holder, _) in self.sessions.values_mut() {
            if *holder == Some(conn) {
                *holder = None;
            }
        }
    }

    fn notice(&mut self, notice: LobbyNotice, is_timeout: bool) {
        match notice {
            LobbyNotice::Opened(lobby) => {
                assert_eq!(self.told.insert(lobby.name, BTreeSet::new()), None, "opened once");
            }
            LobbyNotice::Joined { lobby, member } => {
                let members = self.told.get_mut(&lobby.name).expect("it was opened");
                self.hosts.entry(lobby.name).or_insert_with(|| vec![member.clone()]);
                assert!(members.insert(member), "joined once");
            }
            LobbyNotice::Changed(view) => {
                self.hosts.insert(view.key.name, view.hosts);
            }
            LobbyNotice::Left { lobby, member } => {
                let members = self.told.get_mut(&lobby.name).expect("it was opened");
                assert!(members.remove(&member), "left once");
                let key = (lobby.name.to_string(), member);
                let (_, heard) = self.sessions.remove(&key).expect("it was there");
                let is_overdue = self.now >= heard + self.settings.expiry;
                let is_closing = self.hosts.get(&lobby.name).is_none_or(|hosts| {
                    !hosts.iter().any(|host| self.told[&lobby.name].contains(host))
                });
                assert!(!is_timeout || is_overdue || is_closing, "never early");
            }
            LobbyNotice::Closed(lobby) => {
                let members = self.told.remove(&lobby.name).expect("closed once");
                assert!(members.is_empty(), "all have left before");
                self.hosts.remove(&lobby.name);
            }
        }
    }

    fn check(&self) {
        let views: BTreeMap<_, LobbyView> =
            self.server.lobbies().into_iter().map(|view| (view.key.name.clone(), view)).collect();
        let members = |view: &LobbyView| view.members.iter().cloned().collect::<BTreeSet<_>>();
        let listed = views.iter().map(|(name, view)| (name.clone(), members(view))).collect();
        assert_eq!(self.told, listed, "notices tell the whole story");
        let hosts = views.iter().map(|(name, view)| (name.clone(), view.hosts.clone())).collect();
        assert_eq!(self.hosts, hosts, "and that of the hosts");
        for (room, view) in &views {
            self.check_lists(room, view);
        }
    }

    /// Who is in the room by way of a connection has the same list as all others.
    fn check_lists(&self, room: &str, view: &LobbyView) {
        let attached = self.sessions.iter().filter(|((name, _), _)| name == room);
        let mut lists = attached
            .filter_map(|(_, (conn, _))| Some(&self.conns[&(*conn)?][room]))
            .map(|list| list.iter().map(|it| (name(&it.participant), it.media)).collect());
        let Some(first) = lists.next() else { return };
        let first: Vec<(Arc<str>, Media)> = first;
        assert!(lists.all(|list| list == first), "nobody is told wrong");
        assert_eq!(Some(&first[0].0), view.hosts.first(), "the oldest publisher is the owner");
        assert!(first.iter().all(|(member, _)| view.members.contains(member)), "all are there");
    }
}

/// What the embedding program calls a session.
fn name(participant: &Participant) -> Arc<str> {
    participant.to_string().into()
}
