//! What is decided on, in virtual time.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use signaling_core::{Close, Frame, Input, Output, Server};

use super::*;
use crate::godot::ServerCommand;
use crate::godot::server::Settings;

const HELLO: u64 = 8;
const PING: u64 = 9;
const DONE: u64 = 10;
const REFUSED: u64 = 11;
const CREATE: u64 = 12;
const ENTER: u64 = 13;
const QUICK_JOIN: u64 = 14;
const LEAVE: u64 = 15;
const UPDATE_LOBBY: u64 = 20;
const UPDATE_MEMBER: u64 = 21;
const CLOSE_LOBBY: u64 = 24;

/// A server, and the time that it lives in.
struct Desk {
    server: GodotServer,
    now: Instant,
    opened: u64,
    sent: Vec<(ConnId, Value)>,
    closed: Vec<(ConnId, Close)>,
    asked: Vec<Asked>,
    undecided: Vec<u64>,
}

impl Desk {
    fn new(hooks: Hooks) -> Self {
        let settings = Settings { hooks, ..Settings::default() };
        Self {
            server: GodotServer::new(settings, StdRng::seed_from_u64(1)),
            now: Instant::now(),
            opened: 0,
            sent: Vec::new(),
            closed: Vec::new(),
            asked: Vec::new(),
            undecided: Vec::new(),
        }
    }

    fn input(&mut self, input: Input<'_, GodotServer>) {
        self.server.handle_input(self.now, input);
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { conn, text } => {
                    self.sent.push((conn, serde_json::from_str(&text).unwrap()));
                }
                Output::Close { conn, close } => self.closed.push((conn, close)),
                Output::Notice(ServerNotice::Asked(asked)) => self.asked.push(*asked),
                Output::Notice(ServerNotice::Undecided { ticket }) => self.undecided.push(ticket),
                Output::Ping { .. } | Output::Notice(_) => {}
            }
        }
    }

    fn open(&mut self) -> ConnId {
        let conn = ConnId(self.opened);
        self.opened += 1;
        self.input(Input::Opened { conn, target: "/", from: "192.0.2.1:5000" });
        conn
    }

    fn say(&mut self, conn: ConnId, kind: u64, id: u64, data: &str) {
        let frame = json!({"type": kind, "id": id, "data": data}).to_string();
        let message = GodotServer::decode(Frame::Text(&frame));
        self.input(Input::Message { conn, message });
    }

    /// A request with the number 1.
    fn request(&mut self, conn: ConnId, kind: u64, data: &Value) {
        self.say(conn, kind, 1, &data.to_string());
    }

    /// A connection whose session has begun without a decision.
    fn session(&mut self) -> ConnId {
        let conn = self.open();
        self.request(conn, HELLO, &json!({"version": 1}));
        assert_eq!(self.kinds(conn), [HELLO]);
        conn
    }

    /// A session in a lobby of its own, created without a decision; the lobby's code.
    fn host(&mut self, options: &Value) -> (ConnId, String) {
        let hooks = self.server.settings.hooks.clone();
        self.input(Input::Command(ServerCommand::SetHooks(Hooks::default())));
        let conn = self.session();
        self.request(conn, CREATE, options);
        self.input(Input::Command(ServerCommand::SetHooks(hooks)));
        let data = self.answer(conn, DONE);
        (conn, data["code"].as_str().unwrap().to_owned())
    }

    fn asked(&mut self) -> Asked {
        assert_eq!(self.asked.len(), 1, "{:?}", self.asked);
        self.asked.remove(0)
    }

    fn decide(&mut self, ticket: u64, verdict: Result<(), &str>) {
        let verdict = verdict.map_err(str::to_owned);
        self.input(Input::Command(ServerCommand::Decide { ticket, verdict }));
    }

    fn accept(&mut self) {
        let asked = self.asked();
        self.decide(asked.ticket, Ok(()));
    }

    fn reject(&mut self, words: &str) {
        let asked = self.asked();
        self.decide(asked.ticket, Err(words));
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.input(Input::Timeout);
    }

    /// The types of what a connection was sent since the last look.
    fn kinds(&mut self, conn: ConnId) -> Vec<u64> {
        let (those, others) = self.sent.drain(..).partition(|(to, _)| *to == conn);
        self.sent = others;
        Vec::into_iter(those)
            .map(|(_, frame): (_, Value)| frame["type"].as_u64().unwrap())
            .collect()
    }

    /// The `data` of the last message to a connection, which is of this type.
    fn answer(&mut self, conn: ConnId, kind: u64) -> Value {
        let last = self.sent.iter().rev().find(|(to, _)| *to == conn).map(|(_, frame)| frame);
        let last = last.cloned().unwrap_or_default();
        assert_eq!(last["type"], kind, "{last}");
        self.sent.retain(|(to, _)| *to != conn);
        serde_json::from_str(last["data"].as_str().unwrap()).unwrap()
    }

    fn refusal(&mut self, conn: ConnId) -> (String, String) {
        let data = self.answer(conn, REFUSED);
        let text = |key: &str| data[key].as_str().unwrap().to_owned();
        (text("problem"), text("message"))
    }

    fn lobbies(&self) -> usize {
        self.server.lobbies().count()
    }
}

fn because(problem: &str, message: &str) -> (String, String) {
    (problem.to_owned(), message.to_owned())
}

fn hellos() -> Hooks {
    Hooks { hello: true, ..Hooks::default() }
}

fn lobbies() -> Hooks {
    Hooks { create: true, join: true, ..Hooks::default() }
}

#[test]
fn a_session_begins_when_it_is_accepted() {
    let mut desk = Desk::new(hellos());
    let conn = desk.open();
    let hello = json!({"version": 1, "game": "tag", "build": "1.2", "token": "T", "name": "Fox"});
    desk.request(conn, HELLO, &hello);
    assert_eq!(desk.kinds(conn), [PING], "it is told at once that it is understood");
    let asked = desk.asked();
    let expected = Asked {
        address: "192.0.2.1".to_owned(),
        name: "Fox".to_owned(),
        token: "T".to_owned(),
        game: "tag".to_owned(),
        build: "1.2".to_owned(),
        ..Asked::nothing(Wish::Hello)
    };
    assert_eq!(asked, expected);
    desk.decide(asked.ticket, Ok(()));
    assert_eq!(desk.kinds(conn), [HELLO]);
    desk.wait(6);
    assert_eq!(desk.closed, [], "it may stay outside of lobbies");
}

#[test]
fn a_session_that_is_rejected_is_told_why_and_closed() {
    let sentence = Problem::Unauthorised.sentence();
    for (words, told) in [("Season over", "Season over"), ("", sentence)] {
        let mut desk = Desk::new(hellos());
        let conn = desk.open();
        desk.request(conn, HELLO, &json!({"version": 1}));
        desk.reject(words);
        assert_eq!(desk.refusal(conn), because("unauthorised", told));
        assert_eq!(desk.closed, [(conn, Close::new(4000, told))]);
    }
}

#[test]
fn what_nobody_decides_is_rejected_or_accepted_as_set() {
    for accepts_undecided in [false, true] {
        let timeout = Duration::from_secs(7);
        let mut desk = Desk::new(Hooks { accepts_undecided, timeout, ..hellos() });
        let conn = desk.open();
        desk.request(conn, HELLO, &json!({"version": 1}));
        desk.wait(6);
        assert_eq!(desk.kinds(conn), [PING]);
        desk.wait(1);
        assert_eq!(desk.kinds(conn), [if accepts_undecided { HELLO } else { REFUSED }]);
        let late = desk.asked();
        assert_eq!(desk.undecided, [late.ticket], "the program is told");
        desk.decide(late.ticket, Ok(()));
        assert!(desk.kinds(conn).is_empty(), "too late");
    }
}

#[test]
fn what_is_not_asked_any_more_goes_on() {
    let mut desk = Desk::new(Hooks { hello: true, ..lobbies() });
    let [plain, fresh] = [desk.open(), desk.open()];
    desk.say(plain, 0, 0, "");
    desk.request(fresh, HELLO, &json!({"version": 1}));
    desk.input(Input::Command(ServerCommand::SetHooks(lobbies())));
    assert_eq!(desk.kinds(fresh), [PING, HELLO]);
    assert_eq!(desk.kinds(plain), [0; 0], "creating is still asked about");
    desk.input(Input::Command(ServerCommand::SetHooks(Hooks::default())));
    assert_eq!(desk.kinds(plain), [1, 0]);
    for asked in std::mem::take(&mut desk.asked) {
        desk.decide(asked.ticket, Err("too late"));
    }
    assert_eq!((desk.lobbies(), &*desk.closed), (1, &[][..]));
}

#[test]
fn what_waits_can_be_looked_up() {
    let mut desk = Desk::new(hellos());
    for _ in 0..3 {
        let conn = desk.open();
        desk.request(conn, HELLO, &json!({"version": 1}));
    }
    let asked = std::mem::take(&mut desk.asked);
    desk.decide(asked[1].ticket, Ok(()));
    let waits = |from: u64| desk.server.asked_from(from).cloned().collect::<Vec<_>>();
    assert_eq!(waits(0), [asked[0].clone(), asked[2].clone()]);
    assert_eq!(waits(asked[1].ticket), [asked[2].clone()]);
}

#[test]
fn a_session_is_resumed_without_a_decision() {
    let mut desk = Desk::new(hellos());
    let first = desk.open();
    desk.request(first, HELLO, &json!({"version": 1}));
    desk.accept();
    let token = desk.answer(first, HELLO)["token"].clone();
    let second = desk.open();
    let resume = json!({"version": 1, "resume": {"token": token, "received": 0}});
    desk.request(second, HELLO, &resume);
    assert_eq!(desk.answer(second, HELLO)["resumed"], 0);

    let third = desk.open();
    let resume = json!({"version": 1, "resume": {"token": "unknown", "received": 0}});
    desk.request(third, HELLO, &resume);
    desk.accept();
    assert_eq!(desk.answer(third, HELLO)["problem"], "lost", "a new session is asked about");
}

#[test]
fn a_lobby_is_created_when_it_is_accepted() {
    let mut desk = Desk::new(lobbies());
    let conn = desk.session();
    let mut options =
        json!({"metadata": {"mode": "ctf"}, "password": "x", "me": {"colour": "red"}});
    (options["max_players"], options["public"], options["mesh"]) =
        (3.into(), true.into(), false.into());
    desk.request(conn, CREATE, &options);
    assert_eq!((desk.kinds(conn), desk.lobbies()), (vec![], 0));
    let asked = desk.asked();
    let expected = LobbyEntry {
        max_players: 3,
        is_public: true,
        has_password: true,
        metadata: Object::parse(r#"{"mode":"ctf"}"#).unwrap(),
        ..plain_entry(Topology::ClientServer)
    };
    assert_eq!(asked.wish, Wish::Create(Box::new(expected)));
    assert_eq!(asked.metadata, Object::parse(r#"{"colour":"red"}"#).unwrap());
    assert!(!asked.user.is_empty());
    desk.decide(asked.ticket, Ok(()));
    let view = desk.answer(conn, DONE);
    assert_eq!((&view["has_password"], &view["metadata"]["mode"]), (&json!(true), &json!("ctf")));
}

#[test]
fn a_request_that_is_rejected_leaves_the_session_as_it_is() {
    let mut desk = Desk::new(lobbies());
    let conn = desk.session();
    for (words, told) in [("Not today", "Not today"), ("", Problem::Rejected.sentence())] {
        desk.request(conn, CREATE, &json!({}));
        desk.reject(words);
        assert_eq!(desk.refusal(conn), because("rejected", told));
    }
    desk.request(conn, CREATE, &json!({}));
    desk.reject(&"é".repeat(100));
    assert_eq!(desk.refusal(conn).1, "é".repeat(60), "as much as arrives elsewhere too");
    desk.request(conn, CREATE, &json!({}));
    desk.accept();
    assert_eq!(desk.lobbies(), 1);
}

#[test]
fn only_what_could_be_done_is_asked_about() {
    let mut desk = Desk::new(lobbies());
    let (_, code) = desk.host(&json!({"password": "sesame"}));
    let conn = desk.session();
    for (kind, data) in [
        (ENTER, json!({"code": code, "password": "guess"})),
        (ENTER, json!({"code": "0000000000"})),
        (CREATE, json!({"metadata": {"text": "x".repeat(3000)}})),
    ] {
        desk.request(conn, kind, &data);
        desk.refusal(conn);
    }
    let plain = desk.open();
    desk.say(plain, 0, 0, &code);
    assert_eq!(desk.closed.len(), 1);
    assert_eq!(desk.asked, []);
}

#[test]
fn what_is_accepted_is_checked_again() {
    let changes: [(u64, Value, &str); 4] = [
        (CLOSE_LOBBY, json!({}), "not_found"),
        (UPDATE_LOBBY, json!({"max_players": 1}), "full"),
        (UPDATE_LOBBY, json!({"locked": true}), "locked"),
        (UPDATE_LOBBY, json!({"password": "another"}), "wrong_password"),
    ];
    for (kind, data, problem) in changes {
        let mut desk = Desk::new(lobbies());
        let (host, code) = desk.host(&json!({"password": "sesame"}));
        let conn = desk.session();
        desk.request(conn, ENTER, &json!({"code": code, "password": "sesame"}));
        desk.request(host, kind, &data);
        desk.accept();
        assert_eq!(desk.refusal(conn).0, problem);
    }
}

#[test]
fn joining_is_asked_about_with_the_lobby() {
    let mut desk = Desk::new(lobbies());
    let (host, code) = desk.host(&json!({"metadata": {"mode": "ctf"}}));
    let conn = desk.session();
    desk.request(conn, ENTER, &json!({"code": code.to_lowercase()}));
    let asked = desk.asked();
    let metadata = Object::parse(r#"{"mode":"ctf"}"#).unwrap();
    let Wish::Join(lobby) = asked.wish else { panic!("{asked:?}") };
    assert_eq!((lobby.code, lobby.metadata, lobby.players), (code, metadata, 1));
    desk.kinds(host);
    desk.decide(asked.ticket, Ok(()));
    assert_eq!(desk.answer(conn, DONE)["players"], 2);
    assert!(!desk.kinds(host).is_empty(), "the host hears of it");
}

#[test]
fn a_session_waits_for_one_decision_and_does_everything_else_meanwhile() {
    let mut desk = Desk::new(lobbies());
    let conn = desk.session();
    desk.request(conn, CREATE, &json!({}));
    desk.request(conn, QUICK_JOIN, &json!({}));
    assert_eq!(desk.refusal(conn).0, "rate_limited");
    desk.request(conn, UPDATE_MEMBER, &json!({"metadata": {}}));
    assert_eq!(desk.refusal(conn).0, "not_in_lobby");
    desk.accept();
    desk.answer(conn, DONE);
}

#[test]
fn whoever_leaves_does_not_wait_any_longer() {
    let mut desk = Desk::new(lobbies());
    let conn = desk.session();
    desk.request(conn, CREATE, &json!({}));
    desk.request(conn, LEAVE, &json!({}));
    assert_eq!(desk.kinds(conn), [REFUSED, DONE]);
    desk.accept();
    assert_eq!((desk.kinds(conn), desk.lobbies()), (vec![], 0));
    desk.request(conn, CREATE, &json!({}));
    desk.accept();
    assert_eq!(desk.lobbies(), 1);
}

#[test]
fn quick_join_is_asked_about_as_what_it_becomes() {
    let mut desk = Desk::new(lobbies());
    let (host, code) = desk.host(&json!({"public": true}));
    let conn = desk.session();
    desk.request(conn, QUICK_JOIN, &json!({}));
    let asked = desk.asked();
    assert!(matches!(&asked.wish, Wish::Join(lobby) if lobby.code == code), "{asked:?}");
    desk.request(host, CLOSE_LOBBY, &json!({}));
    desk.decide(asked.ticket, Ok(()));
    let asked = desk.asked();
    assert!(matches!(asked.wish, Wish::Create(_)), "the lobby is gone: {asked:?}");
    desk.decide(asked.ticket, Ok(()));
    assert_eq!(desk.answer(conn, DONE)["players"], 1);
}

#[test]
fn nobody_waits_who_is_gone() {
    let mut desk = Desk::new(lobbies());
    let session = desk.session();
    desk.request(session, CREATE, &json!({}));
    desk.input(Input::Command(ServerCommand::SetHooks(Hooks { hello: true, ..lobbies() })));
    let [plain, fresh] = [desk.open(), desk.open()];
    desk.say(plain, 0, 0, "");
    desk.request(fresh, HELLO, &json!({"version": 1}));
    for conn in [plain, fresh, session] {
        desk.input(Input::Closed { conn });
    }
    desk.sent.clear();
    for asked in std::mem::take(&mut desk.asked) {
        desk.decide(asked.ticket, Ok(()));
    }
    assert_eq!((desk.lobbies(), &*desk.sent, &*desk.closed), (0, &[][..], &[][..]));
    assert_eq!(desk.server.poll_timeout(), None);
}

#[test]
fn a_plain_connection_is_let_in_when_it_is_accepted() {
    let mut desk = Desk::new(lobbies());
    let host = desk.open();
    desk.say(host, 0, 1, "");
    let asked = desk.asked();
    let expected = Asked {
        is_plain: true,
        address: "192.0.2.1".to_owned(),
        ..Asked::nothing(Wish::Create(Box::new(plain_entry(Topology::ClientServer))))
    };
    assert_eq!(asked, expected);
    desk.decide(asked.ticket, Ok(()));
    assert_eq!(desk.kinds(host), [1, 0]);
    let lobby = desk.server.lobbies().next().unwrap();
    assert_eq!(lobby.topology, Topology::ClientServer);

    let guest = desk.open();
    desk.say(guest, 0, 0, &lobby.name);
    assert!(desk.kinds(host).is_empty());
    desk.accept();
    assert_eq!(desk.kinds(guest), [1, 2, 0]);
    assert_eq!(desk.kinds(host), [2]);
}

#[test]
fn a_plain_connection_that_is_rejected_is_closed_with_the_words() {
    for (words, told) in [("Members only", "Members only"), ("", Problem::Rejected.sentence())] {
        let mut desk = Desk::new(lobbies());
        let conn = desk.open();
        desk.say(conn, 0, 0, "");
        desk.reject(words);
        assert_eq!(desk.closed, [(conn, Close::new(4000, told))]);
    }
}

#[test]
fn the_time_to_join_does_not_run_while_a_plain_connection_waits() {
    let timeout = Duration::from_secs(60);
    let mut desk = Desk::new(Hooks { timeout, ..lobbies() });
    let conn = desk.open();
    desk.say(conn, 0, 0, "");
    desk.wait(59);
    assert_eq!(desk.closed, []);
    desk.accept();
    assert_eq!(desk.kinds(conn), [1, 0]);
}

#[test]
fn a_plain_connection_that_does_not_wait_quietly_is_closed() {
    for (kind, reason) in [(0, "Already in a lobby"), (4, "Invalid message when not in a lobby")] {
        let mut desk = Desk::new(lobbies());
        let conn = desk.open();
        desk.say(conn, 0, 0, "");
        desk.say(conn, kind, 0, "");
        assert_eq!(desk.closed, [(conn, Close::new(4000, reason))]);
        desk.accept();
        assert_eq!(desk.lobbies(), 0);
    }
}

#[test]
fn what_waits_ends_with_the_server() {
    let mut desk = Desk::new(lobbies());
    let [plain, session] = [desk.open(), desk.session()];
    desk.say(plain, 0, 0, "");
    desk.request(session, CREATE, &json!({}));
    desk.input(Input::Shutdown);
    let mut closed: Vec<_> = desk.closed.iter().map(|(conn, _)| *conn).collect();
    closed.sort();
    assert_eq!(closed, [plain, session]);
    assert_eq!(desk.server.poll_timeout(), None);
}

#[test]
fn who_waits_for_one_lobby_does_not_create_another_unasked() {
    let mut desk = Desk::new(Hooks { create: false, ..lobbies() });
    let (_, code) = desk.host(&json!({}));
    let conn = desk.session();
    desk.request(conn, ENTER, &json!({"code": code}));
    desk.request(conn, CREATE, &json!({}));
    assert_eq!(desk.refusal(conn).0, "rate_limited");
    assert_eq!(desk.lobbies(), 1);
}
