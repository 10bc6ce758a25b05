use super::*;

/// A lobby of `ann` and `bob`.
struct Lobby {
    code: Value,
    /// Of `bob`'s session.
    token: Value,
    bob: u64,
}

fn lobby(hall: &mut Hall) -> Lobby {
    hall.greets("ann");
    let options = json!({"mesh": false, "metadata": {"map": "old"}});
    let code = hall.asks("ann", kind::CREATE, options).unwrap()["code"].clone();
    let token = hall.greets("bob")["token"].clone();
    let view = hall.asks("bob", kind::ENTER, json!({"code": code})).unwrap();
    hall.hears("ann");
    Lobby { code, token, bob: view["me"].as_u64().unwrap() }
}

const OFFER: u64 = 4;
const TICK: Duration = Duration::from_millis(200);

/// Whether `bob` goes on with its session, having received so many messages.
fn is_resumed(hall: &mut Hall, token: &Value, received: usize) -> bool {
    let resume = json!({"token": token, "received": received});
    let welcome = hall.greets_with("bob", json!({"version": 1, "resume": resume}));
    !welcome["resumed"].is_null()
}

#[test]
fn too_much_for_who_is_away_ends_its_session() {
    let mut hall = Hall::new();
    let Lobby { code, token, .. } = lobby(&mut hall);
    hall.greets("cid");
    let view = hall.asks("cid", kind::ENTER, json!({"code": code})).unwrap();
    hall.loses("bob");
    let metadata = json!({"map": "x".repeat(2000)});
    hall.asks("ann", kind::UPDATE_LOBBY, json!({"metadata": metadata})).unwrap();
    let mut other = view["me"].clone();
    hall.hears("cid");
    for who in ["ann", "cid"].into_iter().cycle().take(140) {
        hall.passes(TICK);
        hall.hears(who);
        hall.asks(who, kind::TRANSFER, json!({"peer": other})).unwrap();
        other = hall.hears_of(who, kind::EPOCH)[0].1["me"].clone();
    }
    assert!(!is_resumed(&mut hall, &token, 0));
}

#[test]
fn nobody_loses_its_place_by_what_others_say() {
    let mut hall = Hall::new();
    let Lobby { code, token, bob } = lobby(&mut hall);
    let user = hall.greets("eve")["user"].clone();
    hall.asks("eve", kind::ENTER, json!({"code": code})).unwrap();
    hall.asks("bob", kind::WATCH_STATUS, json!({"namespace": "friends"})).unwrap();
    hall.asks("ann", kind::SET_VALUE, json!({"key": "gone", "value": 1})).unwrap();
    // The answers to ENTER and WATCH_STATUS are not among the rest.
    let received = 2 + hall.hears("bob").len();
    hall.loses("bob");
    let long = "x".repeat(1000);
    let mut last = json!(null);
    for number in 0..140 {
        hall.passes(TICK);
        hall.asks("ann", kind::MESSAGE, json!({"data": "x".repeat(4000)})).unwrap();
        hall.asks("ann", kind::UPDATE_LOBBY, json!({"metadata": {"map": long}})).unwrap();
        let value = json!({"key": "n", "value": number, "expected": last});
        hall.asks("ann", kind::SET_VALUE, value).unwrap();
        last = json!(number);
        let me = json!({"metadata": {"ready": number, "text": long}});
        hall.asks("eve", kind::UPDATE_MEMBER, me).unwrap();
        let status = json!({"namespace": "friends", "status": {"n": number, "text": long}});
        hall.asks("eve", kind::SET_STATUS, status).unwrap();
        hall.says("ann", OFFER, bob, long.clone().into());
    }
    hall.asks("ann", kind::SET_VALUE, json!({"key": "gone", "expected": 1})).unwrap();
    let resume = json!({"token": token, "received": received});
    assert_eq!(hall.greets_with("bob", json!({"version": 1, "resume": resume}))["resumed"], 2);

    let mut heard = hall.hears("bob");
    let received = received + heard.len();
    hall.says("bob", kind::PING, 0, json!({"received": received}));
    heard.append(&mut hall.hears("bob"));
    let of = |kind: u64| heard.iter().filter(move |heard| heard.0 == kind).collect::<Vec<_>>();
    assert!((10..60).contains(&of(kind::MESSAGE).len()), "what was said first");
    let [lobby, member, status] = [kind::LOBBY, kind::MEMBER, kind::STATUS].map(|kind| {
        assert_eq!(of(kind).len(), 1, "{kind}");
        &of(kind)[0].2
    });
    assert_eq!(lobby["metadata"]["map"], long);
    assert_eq!((&member["user"], &member["metadata"]["ready"]), (&user, &json!(139)));
    assert_eq!((&status["user"], &status["status"]["n"]), (&user, &json!(139)));
    let values: Vec<_> = of(kind::VALUE).iter().map(|heard| heard.2.clone()).collect();
    assert_eq!(values, [json!({"key": "gone", "value": null}), json!({"key": "n", "value": 139})]);
}

#[test]
fn of_what_came_and_went_nothing_is_told() {
    let mut hall = Hall::new();
    let Lobby { token, .. } = lobby(&mut hall);
    hall.greets("eve");
    hall.asks("bob", kind::WATCH_STATUS, json!({"namespace": "friends"})).unwrap();
    let received = 2 + hall.hears("bob").len();
    hall.loses("bob");
    for status in [json!(1), json!(null)] {
        let status = json!({"namespace": "friends", "status": status});
        hall.asks("eve", kind::SET_STATUS, status).unwrap();
    }
    for (value, expected) in [(json!(1), json!(null)), (json!(null), json!(1))] {
        let value = json!({"key": "k", "value": value, "expected": expected});
        hall.asks("ann", kind::SET_VALUE, value).unwrap();
    }
    assert!(is_resumed(&mut hall, &token, received));
    assert_eq!(hall.hears("bob"), []);
}

#[test]
fn who_confirms_everything_can_be_resumed_again() {
    let mut hall = Hall::new();
    let Lobby { code, token, .. } = lobby(&mut hall);
    let metadata = json!({"map": "x".repeat(2000)});
    hall.asks("ann", kind::UPDATE_LOBBY, json!({"metadata": metadata})).unwrap();
    // The answer to ENTER is not among the rest.
    let mut received = 1 + hall.hears("bob").len();
    for _ in 0..140 {
        hall.passes(TICK);
        hall.asks("bob", kind::FIND, json!({"code": code})).unwrap();
        received += 1;
    }
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
fn who_contradicts_itself_too_often_is_not_heard() {
    let mut hall = Hall::new();
    hall.greets("bob");
    let code = hall.asks("bob", kind::CREATE, json!({})).unwrap()["code"].clone();
    hall.greets("eve");
    hall.asks("eve", kind::ENTER, json!({"code": code})).unwrap();
    let id = hall.hears_of("eve", 1)[0].0;
    hall.loses("eve");
    hall.hears("bob");
    for state in ["up", "none"].into_iter().cycle().take(200) {
        for _ in 0..3 {
            hall.says("bob", kind::LINK, id, json!({"state": state}));
        }
    }
    hall.says("bob", kind::LINK, id, json!({"state": "down"}));
    assert_eq!(hall.hears_of("bob", kind::MEMBER_GONE), []);
    hall.passes(Duration::from_millis(20));
    hall.says("bob", kind::LINK, id, json!({"state": "down"}));
    assert_eq!(hall.hears_of("bob", kind::MEMBER_GONE).len(), 1);
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
