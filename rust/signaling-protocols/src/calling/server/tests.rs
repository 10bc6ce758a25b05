//! What transcripts do not show: what the embedding program is told.

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
fn what_one_user_has_told_to_a_subscriber_at_once_fits_what_may_wait_for_it() {
    let mut world = World::new(2);
    let Settings { max_user_places, max_status_bytes, .. } = Settings::default();
    let status = format!(r#"{{"k":"{}"}}"#, "x".repeat(max_status_bytes - r#"{"k":""}"#.len()));
    world.say(1, r#"{"type":"ns_subscribe","namespace":"n"}"#);
    for room in 0..max_user_places {
        // Both show, under another key each.
        let status = status.replace('k', "l");
        world.say(0, &format!(r#"{{"type":"room_join","room":"{room}","status":{status}}}"#));
        world.say(0, &format!(r#"{{"type":"ns_room_register","namespace":"n","room":"{room}"}}"#));
    }
    let message = format!(r#"{{"type":"status","status":{status}}}"#);
    let message = CallingServer::decode(Frame::Text(&message));
    world.server.handle_input(world.now, Input::Message { conn: ConnId(0), message });
    let outputs = std::iter::from_fn(|| world.server.poll_output());
    let told = outputs.filter_map(|output| match output {
        Output::Send { conn: ConnId(1), text } => Some(text.len() + Outbox::MESSAGE_OVERHEAD),
        _ => None,
    });
    let told: Vec<usize> = told.collect();
    assert_eq!(told.len(), 2 * max_user_places, "of each room, under both names");
    assert!(told.iter().sum::<usize>() < 1 << 20, "{} bytes", told.iter().sum::<usize>());
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
