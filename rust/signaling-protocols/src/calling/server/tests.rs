//! What transcripts do not show: what the embedding program is told.

use std::time::Duration;

use rand::SeedableRng;
use signaling_core::outbox::Outbox;
use signaling_core::overview::LobbyNotice::{Changed, Closed, Joined, Left, Opened};

use super::*;

struct World {
    server: CallingServer,
    now: Instant,
    ids: Vec<Arc<str>>,
}

impl World {
    fn new(users: u64) -> Self {
        let server = CallingServer::new(Settings::default(), StdRng::seed_from_u64(1));
        let mut world = Self { server, now: Instant::now(), ids: Vec::new() };
        for conn in (0..users).map(ConnId) {
            world.input(Input::Opened { conn, target: "/calling", from: "" });
            world.ids.push(world.server.id_of(conn));
        }
        world
    }

    fn input(&mut self, input: Input<'_, CallingServer>) -> Vec<LobbyNotice> {
        self.server.handle_input(self.now, input);
        let outputs = std::iter::from_fn(|| self.server.poll_output());
        outputs
            .filter_map(|output| match output {
                Output::Notice(notice) => Some(notice),
                _ => None,
            })
            .collect()
    }

    /// What `listener` is told when `conn` says this.
    fn told(&mut self, listener: u64, conn: u64, text: &str) -> Vec<Arc<str>> {
        let message = CallingServer::decode(Frame::Text(text));
        self.server.handle_input(self.now, Input::Message { conn: ConnId(conn), message });
        let outputs = std::iter::from_fn(|| self.server.poll_output());
        let told = outputs.filter_map(|output| match output {
            Output::Send { conn, text } if conn == ConnId(listener) => Some(text),
            _ => None,
        });
        told.collect()
    }

    fn say(&mut self, conn: u64, text: &str) -> Vec<LobbyNotice> {
        let message = CallingServer::decode(Frame::Text(text));
        self.input(Input::Message { conn: ConnId(conn), message })
    }
}

fn den() -> LobbyKey {
    LobbyKey { game: "".into(), name: "den".into() }
}

#[test]
fn rooms_with_peers_are_lobbies_and_who_is_only_invited_is_no_member() {
    let mut world = World::new(2);
    let [a, b] = [0, 1].map(|user| world.ids[user].clone());
    let joined = |member: &Arc<str>| Joined { lobby: den(), member: member.clone() };
    let left = |member: &Arc<str>| Left { lobby: den(), member: member.clone() };
    let join = r#"{"type":"room_join","room":"den"}"#;
    let limits = Changed(Box::new(LobbyView { max_members: Some(32), ..LobbyView::new(den()) }));
    assert_eq!(world.say(0, join), [Opened(den()), limits.clone(), joined(&a)]);
    let invite = format!(r#"{{"type":"invite_send","room":"den","user":"{b}","data":null}}"#);
    assert_eq!(world.say(0, &invite), []);
    let view = world.server.lobbies().remove(0);
    assert_eq!((view.key, view.members, view.max_members), (den(), vec![a.clone()], Some(32)));
    assert_eq!(world.say(1, r#"{"type":"invite_accept","handle":0}"#), [joined(&b)]);
    assert_eq!(world.say(0, r#"{"type":"room_leave","room":"den"}"#), [left(&a)]);
    assert_eq!(world.input(Input::Closed { conn: ConnId(1) }), [left(&b), Closed(den())]);
    assert_eq!(world.server.lobbies(), []);
    // It lives on for its status, and is a lobby again when somebody comes.
    assert_eq!(world.say(0, join), [Opened(den()), limits, joined(&a)]);
}

#[test]
fn what_one_user_has_told_at_once_is_bounded_however_often_it_asks() {
    let mut world = World::new(2);
    let settings = Settings::default();
    let long =
        |end: usize| format!("{}{end:02}", "\\u0001".repeat(settings.max_name_bytes / 6 - 1));
    let status = |key| {
        let around = r#"{"k":""}"#.len();
        format!(r#"{{"{key}":"{}"}}"#, "x".repeat(settings.max_status_bytes - around))
    };
    for end in 0..settings.max_room_namespaces {
        world.say(1, &format!(r#"{{"type":"ns_subscribe","namespace":"{}"}}"#, long(end)));
    }
    for room in (0..settings.max_room_namespaces).map(long) {
        // Both statuses show, under another key each.
        let own = status("l");
        world.say(0, &format!(r#"{{"type":"room_join","room":"{room}","status":{own}}}"#));
        world.say(1, &format!(r#"{{"type":"room_join","room":"{room}"}}"#));
        for namespace in (0..settings.max_room_namespaces).map(long) {
            let names = format!(r#""namespace":"{namespace}","room":"{room}""#);
            world.say(0, &format!(r#"{{"type":"ns_room_register",{names}}}"#));
        }
    }
    world.now += Duration::from_secs(60);
    let status = format!(r#"{{"type":"status","status":{}}}"#, status("k"));
    let told: Vec<_> = (0..100).flat_map(|_| world.told(1, 0, &status)).collect();
    let once = settings.max_room_namespaces * (1 + 2 * settings.max_room_namespaces);
    assert_eq!(told.len(), once);
    let bytes = told.iter().map(|text| text.len() + Outbox::MESSAGE_OVERHEAD).sum::<usize>();
    assert!(bytes <= settings.announcements.burst as usize, "{bytes} bytes");
    let refusal = r#"{"type":"error","error":"Limit reached"}"#;
    assert_eq!(world.told(0, 0, &status), [refusal.into()]);
    world.now += Duration::from_secs(60);
    assert_eq!(world.told(1, 0, &status).len(), once);
}

#[test]
fn rooms_are_announced_and_users_invited_no_faster_than_others_can_hear() {
    let mut world = World::new(2);
    let burst = Settings::default().announcements.burst as usize;
    world.say(1, r#"{"type":"ns_subscribe","namespace":"n"}"#);
    world.say(0, r#"{"type":"room_join","room":"den"}"#);
    let status = format!(
        r#"{{"type":"room_peer_status","room":"den","status":{{"k":"{}"}}}}"#,
        "x".repeat(1000)
    );
    world.say(0, &status);
    let invitation =
        format!(r#"{{"type":"invite_send","room":"den","user":"{}","data":null}}"#, world.ids[1]);
    let rounds = [
        [
            r#"{"type":"ns_room_register","room":"den","namespace":"n"}"#.to_owned(),
            r#"{"type":"ns_room_unregister","room":"den","namespace":"n"}"#.to_owned(),
        ],
        [invitation, r#"{"type":"invite_cancel","handle":HANDLE}"#.to_owned()],
    ];
    for [begin, end] in rounds {
        world.now += Duration::from_secs(60);
        let (mut bytes, mut began) = (0, 0);
        for handle in 0..1000 {
            let told = world.told(1, 0, &begin);
            began += told.len();
            bytes += told.iter().map(|text| text.len()).sum::<usize>();
            world.say(0, &end.replace("HANDLE", &handle.to_string()));
        }
        assert!(began > 20, "told {began} times");
        assert!(bytes <= burst, "{bytes} bytes");
    }
}

#[test]
fn shutdown_closes_everybody_and_ends_every_lobby() {
    let mut world = World::new(2);
    world.say(0, r#"{"type":"room_join","room":"den"}"#);
    world.say(1, r#"{"type":"remote_ping","time":1000}"#);
    world.server.handle_input(world.now, Input::Shutdown);
    let mut closed = Vec::new();
    let mut told = Vec::new();
    while let Some(output) = world.server.poll_output() {
        match output {
            Output::Close { conn, close } => closed.push((conn, close)),
            Output::Notice(notice) => told.push(notice),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(closed, [0, 1].map(|conn| (ConnId(conn), Close::shutting_down())));
    assert_eq!(told, [Left { lobby: den(), member: world.ids[0].clone() }, Closed(den())]);
    assert_eq!(world.server.poll_timeout(), None);
}
