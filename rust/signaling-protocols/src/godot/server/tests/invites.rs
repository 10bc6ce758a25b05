use super::*;

/// Somebody in a lobby of its own, which nobody gets into without the password.
fn host(hall: &mut Hall, who: &'static str) -> Value {
    hall.greets(who);
    let code = hall.asks(who, kind::CREATE, json!({"password": "x"})).unwrap()["code"].clone();
    hall.hears(who);
    code
}

/// Somebody who may be invited.
fn guest(hall: &mut Hall, who: &'static str) -> Value {
    hall.greets(who)["user"].clone()
}

fn invite(hall: &mut Hall, who: &str, user: &Value) -> Result<u64, String> {
    hall.passes(Duration::from_secs(1));
    let answer = hall.asks(who, kind::INVITE, json!({"user": user, "data": "come!"}));
    answer.map(|answer| answer["invite"].as_u64().unwrap())
}

fn accept(hall: &mut Hall, who: &str, invite: u64) -> Result<Value, String> {
    hall.asks(who, kind::ENTER, json!({"invite": invite}))
}

#[test]
fn an_invitation_opens_a_locked_lobby() {
    let mut hall = Hall::new();
    let code = host(&mut hall, "ann");
    hall.asks("ann", kind::UPDATE_LOBBY, json!({"locked": true})).unwrap();
    let user = guest(&mut hall, "bob");
    let invite = invite(&mut hall, "ann", &user).unwrap();
    let (number, told) = hall.hears_of("bob", kind::INVITED).remove(0);
    assert_eq!((number, &told["lobby"]["code"]), (invite, &code));
    assert_eq!((&told["name"], &told["data"]), (&json!("ann"), &json!("come!")));

    assert_eq!(accept(&mut hall, "bob", invite).unwrap()["code"], code);
    let told = hall.hears_of("ann", kind::INVITE_ANSWERED);
    assert_eq!(told, [(invite, json!({"accepted": true}))]);
    hall.asks("bob", kind::LEAVE, json!({})).unwrap();
    assert_eq!(accept(&mut hall, "bob", invite), Err("no_such_invite".to_owned()));
}

#[test]
fn an_invitation_is_kept_while_the_lobby_is_full() {
    let mut hall = Hall::new();
    host(&mut hall, "ann");
    hall.asks("ann", kind::UPDATE_LOBBY, json!({"max_players": 1})).unwrap();
    let user = guest(&mut hall, "bob");
    let invite = invite(&mut hall, "ann", &user).unwrap();
    assert_eq!(accept(&mut hall, "bob", invite), Err("full".to_owned()));
    hall.asks("ann", kind::UPDATE_LOBBY, json!({"max_players": 2})).unwrap();
    assert!(accept(&mut hall, "bob", invite).is_ok());
}

#[test]
fn a_sealed_lobby_and_another_build_are_closed_to_guests_too() {
    let mut hall = Hall::new();
    host(&mut hall, "ann");
    let hello = json!({"version": 1, "game": "tag", "build": "2"});
    let user = hall.greets_with("bob", hello)["user"].clone();
    let other = invite(&mut hall, "ann", &user).unwrap();
    assert_eq!(accept(&mut hall, "bob", other), Err("wrong_version".to_owned()));
    let user = guest(&mut hall, "cid");
    let sealed = invite(&mut hall, "ann", &user).unwrap();
    hall.says("ann", 7, 0, json!(""));
    assert_eq!(accept(&mut hall, "cid", sealed), Err("sealed".to_owned()));
}

#[test]
fn an_invitation_is_denied_or_taken_back() {
    let mut hall = Hall::new();
    host(&mut hall, "ann");
    let user = guest(&mut hall, "bob");
    let denied = invite(&mut hall, "ann", &user).unwrap();
    let user = guest(&mut hall, "cid");
    let taken_back = invite(&mut hall, "ann", &user).unwrap();
    let (deny, cancel) = (json!({"invite": denied}), json!({"invite": taken_back}));
    // Neither is the other's to end.
    assert!(hall.asks("ann", kind::DENY_INVITE, deny.clone()).is_err());
    assert!(hall.asks("cid", kind::CANCEL_INVITE, cancel.clone()).is_err());

    hall.asks("bob", kind::DENY_INVITE, deny).unwrap();
    let told = hall.hears_of("ann", kind::INVITE_ANSWERED);
    assert_eq!(told, [(denied, json!({"accepted": false}))]);
    hall.asks("ann", kind::CANCEL_INVITE, cancel).unwrap();
    let told = hall.hears_of("cid", kind::INVITE_CANCELLED);
    assert_eq!(told, [(taken_back, json!({}))]);
}

#[test]
fn an_invitation_ends_with_the_inviters_place() {
    for end in ["it leaves", "it is gone", "its lobby is closed"] {
        let mut hall = Hall::new();
        host(&mut hall, "ann");
        let user = guest(&mut hall, "bob");
        let invite = invite(&mut hall, "ann", &user).unwrap();
        match end {
            "it leaves" => drop(hall.asks("ann", kind::LEAVE, json!({}))),
            "it is gone" => {
                hall.loses("ann");
                hall.passes(Settings::default().resume_timeout);
            }
            _ => drop(hall.asks("ann", kind::CLOSE_LOBBY, json!({}))),
        }
        assert_eq!(hall.hears_of("bob", kind::INVITE_CANCELLED), [(invite, json!({}))], "{end}");
        assert_eq!(accept(&mut hall, "bob", invite), Err("no_such_invite".to_owned()));
    }
}

#[test]
fn an_invitation_is_declined_when_its_user_is_gone() {
    let mut hall = Hall::new();
    host(&mut hall, "ann");
    let user = guest(&mut hall, "bob");
    let invite = invite(&mut hall, "ann", &user).unwrap();
    hall.loses("bob");
    let told = hall.hears_of("ann", kind::INVITE_ANSWERED);
    assert_eq!(told, [(invite, json!({"accepted": false}))]);
}

#[test]
fn only_others_of_the_same_game_can_be_invited_and_only_from_a_lobby() {
    let mut hall = Hall::new();
    let (ann, bob) = (guest(&mut hall, "ann"), guest(&mut hall, "bob"));
    assert_eq!(invite(&mut hall, "ann", &bob), Err("not_in_lobby".to_owned()));
    hall.asks("ann", kind::CREATE, json!({})).unwrap();
    let eve = hall.greets_with("eve", json!({"version": 1, "game": "chess"}))["user"].clone();
    for user in [ann, eve, json!("nobody")] {
        assert_eq!(invite(&mut hall, "ann", &user), Err("no_such_user".to_owned()));
    }
}

#[test]
fn open_invitations_are_counted_on_either_side() {
    let mut hall = Hall::new();
    host(&mut hall, "ann");
    let (bob, eve) = (guest(&mut hall, "bob"), guest(&mut hall, "eve"));
    let mut first = None;
    for name in names(16) {
        let user = guest(&mut hall, name);
        let invite = invite(&mut hall, "ann", &user).unwrap();
        first.get_or_insert(invite);
    }
    assert_eq!(invite(&mut hall, "ann", &eve), Err("server_full".to_owned()));
    hall.asks("ann", kind::CANCEL_INVITE, json!({"invite": first})).unwrap();
    assert!(invite(&mut hall, "ann", &eve).is_ok());

    for (number, name) in names(16).enumerate() {
        hall.from = format!("192.0.2.{number}:5000").leak();
        host(&mut hall, name);
        invite(&mut hall, name, &bob).unwrap();
    }
    hall.from = "192.0.2.99:5000";
    host(&mut hall, "cid");
    assert_eq!(invite(&mut hall, "cid", &bob), Err("server_full".to_owned()));
}

#[test]
fn nobody_takes_the_places_of_all_others() {
    let mut hall = Hall::new();
    let user = guest(&mut hall, "bob");
    hall.from = "[2001:db8::1]:5000";
    for name in names(4) {
        host(&mut hall, name);
        invite(&mut hall, name, &user).unwrap();
        assert_eq!(invite(&mut hall, name, &user), Err("rate_limited".to_owned()), "twice");
    }
    hall.from = "[2001:db8::2]:5000";
    host(&mut hall, "eve");
    assert_eq!(invite(&mut hall, "eve", &user), Err("server_full".to_owned()));
    hall.from = "[2001:db8:0:1::1]:5000";
    host(&mut hall, "cid");
    assert!(invite(&mut hall, "cid", &user).is_ok());
}

#[test]
fn who_is_denied_again_and_again_has_to_wait() {
    let mut hall = Hall::new();
    host(&mut hall, "ann");
    let user = guest(&mut hall, "bob");
    for _ in 0..3 {
        let denied = invite(&mut hall, "ann", &user).unwrap();
        hall.asks("bob", kind::DENY_INVITE, json!({"invite": denied})).unwrap();
    }
    assert_eq!(invite(&mut hall, "ann", &user), Err("rate_limited".to_owned()));
    hall.passes(Duration::from_secs(60));
    assert!(invite(&mut hall, "ann", &user).is_ok());
}

fn names(count: usize) -> impl Iterator<Item = &'static str> {
    (0..count).map(|number| &*format!("user {number}").leak())
}
