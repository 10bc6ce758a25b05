use super::*;

const FRIENDS: &str = "friends";

fn watch(hall: &mut Hall, who: &str) -> Value {
    let answer = hall.asks(who, kind::WATCH_STATUS, json!({"namespace": FRIENDS})).unwrap();
    answer["users"].clone()
}

fn set(hall: &mut Hall, who: &str, status: Value) {
    let mut data = json!({"namespace": FRIENDS});
    data["status"] = status;
    assert_eq!(hall.asks(who, kind::SET_STATUS, data), Ok(json!({})));
}

/// The statuses that somebody was told.
fn statuses(hall: &mut Hall, who: &str) -> Vec<(String, Value)> {
    let told = hall.hears_of(who, kind::STATUS).into_iter();
    told.map(|(_, data)| (data["name"].as_str().unwrap().to_owned(), data["status"].clone()))
        .collect()
}

#[test]
fn who_watches_is_told_who_is_there_and_what_changes() {
    let mut hall = Hall::new();
    let user = hall.greets("ann")["user"].clone();
    hall.greets("bob");
    set(&mut hall, "ann", json!("here"));
    assert_eq!(watch(&mut hall, "bob"), json!([{"user": user, "name": "ann", "status": "here"}]));

    set(&mut hall, "ann", json!({"away": true}));
    set(&mut hall, "bob", json!("here"));
    set(&mut hall, "ann", json!(null));
    set(&mut hall, "ann", json!(null));
    let expected = [("ann", json!({"away": true})), ("bob", json!("here")), ("ann", json!(null))];
    let told = statuses(&mut hall, "bob");
    assert_eq!(told, expected.map(|(name, status)| (name.to_owned(), status)));

    hall.asks("bob", kind::UNWATCH_STATUS, json!({"namespace": FRIENDS})).unwrap();
    set(&mut hall, "ann", json!("here"));
    assert_eq!(statuses(&mut hall, "bob"), []);
}

#[test]
fn a_status_goes_with_its_session_and_stays_while_it_is_away() {
    let mut hall = Hall::new();
    hall.greets("ann");
    hall.greets("bob");
    hall.asks("ann", kind::CREATE, json!({})).unwrap();
    set(&mut hall, "ann", json!("here"));
    watch(&mut hall, "bob");
    hall.loses("ann");
    let timeout = Settings::default().resume_timeout;
    hall.passes(timeout - Duration::from_millis(1));
    assert_eq!(watch(&mut hall, "bob").as_array().unwrap().len(), 1);
    hall.passes(Duration::from_millis(1));
    assert_eq!(statuses(&mut hall, "bob"), [("ann".to_owned(), json!(null))]);
    assert_eq!(watch(&mut hall, "bob"), json!([]));
}

#[test]
fn games_have_namespaces_of_their_own() {
    let mut hall = Hall::new();
    hall.greets("ann");
    hall.greets_with("eve", json!({"version": 1, "game": "chess", "name": "eve"}));
    set(&mut hall, "eve", json!("here"));
    assert_eq!(watch(&mut hall, "ann"), json!([]));
}

#[test]
fn namespaces_of_a_session_are_counted() {
    let mut hall = Hall::new();
    hall.greets("ann");
    for kind in [kind::WATCH_STATUS, kind::SET_STATUS] {
        let mut ask = |namespace: usize| {
            hall.passes(Duration::from_secs(1));
            let status = json!({"namespace": namespace.to_string(), "status": 1});
            hall.asks("ann", kind, status).map(drop)
        };
        for namespace in 0..8 {
            assert_eq!(ask(namespace), Ok(()));
        }
        assert_eq!(ask(0), Ok(()));
        assert_eq!(ask(8), Err("server_full".to_owned()));
    }
    hall.asks("ann", kind::UNWATCH_STATUS, json!({"namespace": "0"})).unwrap();
    watch(&mut hall, "ann");
}

#[test]
fn statuses_are_rate_limited_like_messages() {
    let mut hall = Hall::new();
    hall.greets("ann");
    let status = || json!({"namespace": FRIENDS, "status": 1});
    for _ in 0..10 {
        hall.asks("ann", kind::SET_STATUS, status()).unwrap();
    }
    let refused = hall.asks("ann", kind::SET_STATUS, status());
    assert_eq!(refused, Err("rate_limited".to_owned()));
}

#[test]
fn more_statuses_than_can_wait_are_told_at_their_next_change() {
    let mut hall = Hall::new();
    hall.greets("ann");
    hall.asks("ann", kind::CREATE, json!({})).unwrap();
    watch(&mut hall, "ann");
    hall.loses("ann");
    for number in 0..600 {
        let who: &'static str = format!("user {number}").leak();
        hall.greets(who);
        set(&mut hall, who, json!(number));
    }
    let waiting = hall.server.sessions.iter().map(|(_, session)| session.unsaid.len()).max();
    assert_eq!(waiting, Some(512));
}

#[test]
fn users_of_a_namespace_are_counted() {
    let mut hall = Hall::new();
    for number in 0..1024 {
        let who: &'static str = format!("user {number}").leak();
        hall.greets(who);
        set(&mut hall, who, json!(1));
    }
    hall.greets("ann");
    let status = json!({"namespace": FRIENDS, "status": 1});
    assert_eq!(hall.asks("ann", kind::SET_STATUS, status), Err("server_full".to_owned()));
    watch(&mut hall, "ann");
}
