use super::*;

/// A lobby of `ann` and `bob`; the token of `bob`'s session.
fn lobby(hall: &mut Hall) -> Value {
    hall.greets("ann");
    let code = hall.asks("ann", kind::CREATE, json!({})).unwrap()["code"].clone();
    let token = hall.greets("bob")["token"].clone();
    hall.asks("bob", kind::ENTER, json!({"code": code})).unwrap();
    hall.hears("ann");
    token
}

/// So much is said in the lobby that a session which confirms nothing cannot be resumed.
fn chatter(hall: &mut Hall) {
    for _ in 0..80 {
        hall.passes(Duration::from_millis(200));
        hall.asks("ann", kind::MESSAGE, json!({"data": "x".repeat(4000)})).unwrap();
    }
}

/// Whether `bob` goes on with its session, having received so many messages.
fn is_resumed(hall: &mut Hall, token: &Value, received: usize) -> bool {
    let resume = json!({"token": token, "received": received});
    let welcome = hall.greets_with("bob", json!({"version": 1, "resume": resume}));
    !welcome["resumed"].is_null()
}

#[test]
fn too_much_for_who_is_away_ends_its_session() {
    let mut hall = Hall::new();
    let token = lobby(&mut hall);
    hall.loses("bob");
    chatter(&mut hall);
    let gone = hall.hears_of("ann", kind::MEMBER_GONE);
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].1, json!({"problem": "lost"}));
    assert!(!is_resumed(&mut hall, &token, 0));
}

#[test]
fn too_much_for_who_is_there_is_only_not_sent_again() {
    let mut hall = Hall::new();
    let token = lobby(&mut hall);
    chatter(&mut hall);
    assert_eq!(hall.hears_of("bob", kind::MESSAGE).len(), 80);
    hall.loses("bob");
    assert!(!is_resumed(&mut hall, &token, 0));
}

#[test]
fn who_confirms_everything_can_be_resumed_again() {
    let mut hall = Hall::new();
    let token = lobby(&mut hall);
    // The answer to ENTER is not among the rest.
    let mut received = 1 + hall.hears("bob").len();
    chatter(&mut hall);
    received += hall.hears("bob").len();
    hall.says("bob", kind::PING, 0, json!({"received": received}));
    hall.loses("bob");
    assert!(is_resumed(&mut hall, &token, received));
    assert_eq!(hall.hears("bob"), []);
}

#[test]
fn who_only_a_member_that_leaves_could_reach_is_not_waited_for() {
    let mut hall = Hall::new();
    hall.greets("bob");
    let code = hall.asks("bob", kind::CREATE, json!({})).unwrap()["code"].clone();
    for who in ["cid", "dan", "eve"] {
        hall.greets(who);
        hall.asks(who, kind::ENTER, json!({"code": code})).unwrap();
    }
    let id = hall.hears_of("eve", 1)[0].0;
    hall.loses("eve");
    for (who, state) in [("bob", "up"), ("cid", "down")] {
        hall.says(who, kind::LINK, id, json!({"state": state}));
    }
    hall.hears("dan");
    hall.asks("bob", kind::LEAVE, json!({})).unwrap();
    // Dan has time to deny it.
    assert_eq!(hall.hears_of("dan", kind::MEMBER_GONE).len(), 1);
    hall.passes(Duration::from_secs(2));
    let gone = hall.hears_of("dan", kind::MEMBER_GONE);
    assert_eq!(gone.last(), Some(&(id, json!({"problem": "lost"}))));
}

#[test]
fn nobody_is_put_into_a_lobby_whose_host_is_away() {
    let mut hall = Hall::new();
    hall.greets("ann");
    let code = hall.asks("ann", kind::CREATE, json!({"public": true})).unwrap()["code"].clone();
    hall.greets("bob");
    assert_eq!(hall.asks("bob", kind::QUICK_JOIN, json!({})).unwrap()["code"], code);
    hall.loses("ann");
    hall.greets("cid");
    assert_ne!(hall.asks("cid", kind::QUICK_JOIN, json!({})).unwrap()["code"], code);
}
