use serde_json::Map;
use signaling_core::outbox::Outbox;

use super::*;
use crate::godot::extended::{Json, MemberView, limits};

/// Ann's lobby; its code.
fn open_lobby(hall: &mut Hall) -> Value {
    hall.greets("ann");
    hall.asks("ann", kind::CREATE, json!({})).unwrap()["code"].clone()
}

fn enters(hall: &mut Hall, who: &'static str, code: &Value) -> Result<Value, String> {
    hall.asks(who, kind::ENTER, json!({"code": code}))
}

fn hello(name: &str, token: &str) -> Value {
    json!({"version": 1, "game": "tag", "build": "1", "name": name, "token": token})
}

/// Somebody with this HELLO enters, and is banned.
fn ban(hall: &mut Hall, who: &'static str, hello: Value, code: &Value) {
    hall.greets_with(who, hello);
    let peer = enters(hall, who, code).unwrap()["me"].clone();
    hall.asks("ann", kind::REMOVE, json!({"peer": peer, "ban": true})).unwrap();
    hall.hears(who);
}

#[test]
fn a_banned_player_does_not_come_back() {
    let mut hall = Hall::new();
    let code = open_lobby(&mut hall);
    hall.from = "198.51.100.1:5000";
    ban(&mut hall, "bob", hello("Bob", "bob's"), &code);
    assert_eq!(enters(&mut hall, "bob", &code), Err("banned".to_owned()));
    hall.greets_with("neighbour", hello("Robert", ""));
    assert_eq!(enters(&mut hall, "neighbour", &code), Err("banned".to_owned()));
    hall.from = "203.0.113.1:5000";
    hall.greets_with("traveller", hello("Robert", "bob's"));
    assert_eq!(enters(&mut hall, "traveller", &code), Err("banned".to_owned()));
    hall.greets_with("cid", hello("Cid", "cid's"));
    assert!(enters(&mut hall, "cid", &code).is_ok());
}

#[test]
fn on_one_machine_a_ban_is_for_a_name() {
    let mut hall = Hall::new();
    hall.from = "127.0.0.1:5000";
    let code = open_lobby(&mut hall);
    ban(&mut hall, "bob", hello("Bob", ""), &code);
    hall.greets_with("bob again", hello("Bob", ""));
    assert_eq!(enters(&mut hall, "bob again", &code), Err("banned".to_owned()));
    hall.greets_with("cid", hello("Cid", ""));
    assert!(enters(&mut hall, "cid", &code).is_ok());
}

#[test]
fn of_ipv6_a_household_is_banned() {
    let mut hall = Hall::new();
    let code = open_lobby(&mut hall);
    hall.from = "[2001:db8::1]:5000";
    ban(&mut hall, "bob", hello("Bob", ""), &code);
    for (from, outcome) in [
        ("[2001:db8::2]:5000", Err("banned".to_owned())),
        ("[2001:db8:0:1::1]:5000", Ok(())),
        ("[::ffff:192.0.2.1]:5000", Ok(())),
    ] {
        hall.from = from;
        hall.greets_with("guest", hello("Robert", ""));
        assert_eq!(enters(&mut hall, "guest", &code).map(drop), outcome, "{from}");
    }
}

#[test]
fn of_ipv4_in_ipv6_one_address_is_banned() {
    let mut hall = Hall::new();
    let code = open_lobby(&mut hall);
    hall.from = "[::ffff:192.0.2.1]:5000";
    ban(&mut hall, "bob", hello("Bob", ""), &code);
    hall.from = "[::ffff:192.0.2.2]:5000";
    hall.greets_with("cid", hello("Cid", ""));
    assert!(enters(&mut hall, "cid", &code).is_ok());
}

/// What may wait for one connection, in bytes.
const OUTBOX: usize = 1 << 20;

#[test]
fn a_newcomer_can_be_told_of_the_fullest_lobby_at_once() {
    let worst = |length: usize| "\"".repeat(length);
    let text = |length: usize| Value::from(worst((length - 8) / 2));
    let id = PeerId::new(u32::MAX as u64 >> 1).unwrap();
    let member = ServerEvent::Member(MemberView {
        id,
        name: "\u{1}".repeat(limits::NAME),
        user: "x".repeat(12),
        metadata: Map::from_iter([("k".to_owned(), text(limits::MEMBER_METADATA))]).into(),
        rtt: Some(u32::MAX),
        is_unstable: false,
    });
    let value = ServerEvent::Value {
        key: "\u{1}".repeat(limits::KEY),
        value: Some(Json::parse(&text(limits::VALUE).to_string()).unwrap()),
        by: None,
    };
    let connection = ServerMessage::PeerConnected(id).encode();
    let cost = |text: &str| text.len() + Outbox::MESSAGE_OVERHEAD;
    let members = limits::PLAYERS as usize * (cost(&member.encode()) + cost(&connection));
    let values = limits::VALUES * cost(&value.encode());
    assert!((OUTBOX / 2..OUTBOX - (64 << 10)).contains(&(members + values)), "{members} {values}");
}

#[test]
fn a_kicked_player_may_come_back() {
    let mut hall = Hall::new();
    let code = open_lobby(&mut hall);
    hall.greets("bob");
    let peer = enters(&mut hall, "bob", &code).unwrap()["me"].clone();
    hall.asks("ann", kind::REMOVE, json!({"peer": peer})).unwrap();
    let left = hall.hears_of("bob", kind::LEFT);
    assert_eq!(left[0].1["problem"], "kicked");
    assert!(enters(&mut hall, "bob", &code).is_ok());
}

#[test]
fn a_host_that_removes_itself_is_told_what_to_do_instead() {
    let mut hall = Hall::new();
    open_lobby(&mut hall);
    hall.says("ann", kind::REMOVE, 9, json!({"peer": 1}));
    let refused = hall.hears_of("ann", kind::REFUSED);
    let message = "You cannot remove yourself, but leave the lobby.";
    assert_eq!(refused, [(9, json!({"problem": "invalid", "message": message}))]);
}

#[test]
fn a_lobby_that_quick_join_has_made_is_found_by_the_next_quick_join() {
    let mut hall = Hall::new();
    let duel = json!({"where": {"mode": "duel"}});
    for who in ["ann", "bob"] {
        hall.greets(who);
        hall.asks(who, kind::QUICK_JOIN, duel.clone()).unwrap();
    }
    assert_eq!(hall.server.lobbies().map(|lobby| lobby.members.len()).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_sealed_lobby_is_told_apart_from_a_locked_one() {
    let mut hall = Hall::new();
    let code = open_lobby(&mut hall);
    hall.says("ann", 7, 0, json!(""));
    hall.greets("bob");
    let found = hall.asks("bob", kind::FIND, json!({"code": code})).unwrap();
    assert_eq!([&found["sealed"], &found["locked"]], [true, false]);
}

#[test]
fn what_can_not_be_understood_is_answered_and_counts_for_nothing() {
    let mut hall = Hall::new();
    hall.greets("ann");
    assert_eq!(hall.asks("ann", 99, json!({})), Err("invalid".to_owned()));
    hall.says("ann", kind::LINK, 7, json!({"state": "sideways"}));
    assert_eq!(hall.hears("ann"), []);
    hall.says("ann", kind::PING, 0, json!({"received": 1, "rtt": 3_600_000}));
    assert_eq!(hall.hears_of("ann", kind::PING).len(), 1);
}
