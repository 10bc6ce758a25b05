use super::*;

const TICK: Duration = Duration::from_millis(250);

/// Creates a public lobby with this metadata; its code.
fn create(hall: &mut Hall, who: &'static str, metadata: Value) -> String {
    hall.greets(who);
    let mut options = json!({"public": true});
    options["metadata"] = metadata;
    let view = hall.asks(who, kind::CREATE, options).unwrap();
    hall.hears(who);
    view["code"].as_str().unwrap().to_owned()
}

fn codes(answer: &Value) -> Vec<&str> {
    let lobbies = answer["lobbies"].as_array().unwrap();
    lobbies.iter().map(|lobby| lobby["code"].as_str().unwrap()).collect()
}

#[test]
fn a_list_has_the_public_lobbies_from_the_newest_down() {
    let mut hall = Hall::new();
    let first = create(&mut hall, "ann", json!({"level": 1}));
    hall.passes(TICK);
    let second = create(&mut hall, "bob", json!({"level": 2}));
    hall.greets("hidden");
    hall.asks("hidden", kind::CREATE, json!({})).unwrap();
    hall.opens("plain");
    hall.says("plain", 0, 0, json!(""));
    hall.greets("eve");
    for (query, expected, total) in [
        (json!({}), vec![&second, &first], 2),
        (json!({"sort": "level"}), vec![&first, &second], 2),
        (json!({"where": {"level": 2}}), vec![&second], 1),
        (json!({"offset": 1}), vec![&first], 2),
        (json!({"limit": 1}), vec![&second], 2),
    ] {
        let answer = hall.asks("eve", kind::LIST, query).unwrap();
        assert_eq!(codes(&answer), expected);
        assert_eq!(answer["total"], total);
    }
}

#[test]
fn other_games_and_builds_are_out_of_reach() {
    let mut hall = Hall::new();
    let code = create(&mut hall, "ann", json!({}));
    for (game, build, problem) in [("tag", "2", "wrong_version"), ("chess", "1", "not_found")] {
        hall.greets_with("eve", json!({"version": 1, "game": game, "build": build}));
        assert_eq!(hall.asks("eve", kind::LIST, json!({})).unwrap()["total"], 0);
        assert_eq!(codes(&hall.asks("eve", kind::WATCH, json!({})).unwrap()), [""; 0]);
        let found = hall.asks("eve", kind::FIND, json!({"code": code}));
        assert_eq!(found, Err(problem.to_owned()));
    }
}

#[test]
fn a_page_is_cut_to_what_fits_in_a_message() {
    let settings = Settings { max_message_bytes: 1000, ..Settings::default() };
    let mut hall = Hall::with(settings);
    for who in ["a", "b", "c", "d", "e", "f"] {
        create(&mut hall, who, json!({"quotes": "\"".repeat(40)}));
    }
    hall.greets("eve");
    hall.says("eve", kind::LIST, u64::MAX >> 12, json!({}));
    let answer = &hall.hears("eve")[0].2;
    assert_eq!((codes(answer).len(), &answer["total"]), (2, &json!(6)));
}

#[test]
fn a_lobby_is_found_by_its_code_public_or_not() {
    let mut hall = Hall::new();
    hall.greets("ann");
    let code = hall.asks("ann", kind::CREATE, json!({"max_players": 3})).unwrap()["code"].clone();
    hall.greets("bob");
    let typed = code.as_str().unwrap().to_lowercase();
    let found = hall.asks("bob", kind::FIND, json!({"code": typed})).unwrap();
    assert_eq!((&found["code"], &found["max_players"]), (&code, &json!(3)));
}

#[test]
fn codes_can_be_guessed_only_so_often() {
    let mut hall = Hall::new();
    hall.greets("eve");
    let mut guess = || hall.asks("eve", kind::FIND, json!({"code": "XXXXX"})).unwrap_err();
    for _ in 0..Guesses::RATE.burst {
        assert_eq!(guess(), "not_found");
    }
    assert_eq!(guess(), "rate_limited");
}

#[test]
fn an_open_lobby_can_be_joined_at_once() {
    let mut hall = Hall::new();
    let open = create(&mut hall, "ann", json!({}));
    for (host, change) in [
        ("bob", json!({"locked": true})),
        ("cid", json!({"password": "x"})),
        ("dan", json!({"max_players": 1})),
    ] {
        create(&mut hall, host, json!({}));
        hall.asks(host, kind::UPDATE_LOBBY, change).unwrap();
    }
    create(&mut hall, "fay", json!({}));
    hall.says("fay", 7, 0, json!(""));
    hall.greets("eve");
    let shown = hall.asks("eve", kind::LIST, json!({"open": true})).unwrap();
    assert_eq!(codes(&shown), [&open]);
    assert_eq!(hall.asks("eve", kind::LIST, json!({})).unwrap()["total"], 5);
}

#[test]
fn a_session_looks_through_all_lobbies_only_so_often() {
    let mut hall = Hall::new();
    let code = create(&mut hall, "ann", json!({}));
    hall.greets("eve");
    let search = |hall: &mut Hall| {
        let searches = [kind::LIST, kind::WATCH].into_iter().cycle().take(20);
        let answers = searches.map(|kind| hall.asks("eve", kind, json!({})).err());
        answers.take_while(|problem| problem.as_deref() != Some("rate_limited")).count()
    };
    assert_eq!(search(&mut hall), 10);
    assert_eq!(hall.asks("eve", kind::QUICK_JOIN, json!({})), Err("rate_limited".to_owned()));
    hall.asks("eve", kind::FIND, json!({"code": code})).unwrap();
    hall.passes(Duration::from_millis(1500));
    assert_eq!(search(&mut hall), 3);
}

#[test]
fn who_watches_is_told_how_things_stand_and_what_changes() {
    let mut hall = Hall::new();
    let red = create(&mut hall, "ann", json!({"team": "red"}));
    create(&mut hall, "bob", json!({"team": "blue"}));
    hall.greets("eve");
    let shown = hall.asks("eve", kind::WATCH, json!({"where": {"team": "red"}})).unwrap();
    assert_eq!(codes(&shown), [&red]);

    hall.greets("cid");
    hall.asks("cid", kind::ENTER, json!({"code": red})).unwrap();
    hall.asks("ann", kind::UPDATE_LOBBY, json!({"locked": true})).unwrap();
    assert_eq!(hall.hears("eve"), []);
    hall.passes(TICK);
    let told = hall.hears_of("eve", kind::LISTED);
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].1["players"], &told[0].1["locked"]), (&json!(2), &json!(true)));

    let other = json!({"metadata": {"team": "blue"}});
    hall.asks("ann", kind::UPDATE_LOBBY, other).unwrap();
    hall.asks("bob", kind::UPDATE_LOBBY, json!({"metadata": {"team": "red"}})).unwrap();
    hall.passes(TICK);
    let mut told = hall.hears("eve");
    told.sort_by_key(|(kind, ..)| *kind);
    assert_eq!(told[0].2["host_name"], "bob");
    assert_eq!(told[1], (kind::UNLISTED, 0, json!({"code": red})));
    assert_eq!(told.len(), 2);

    hall.asks("eve", kind::UNWATCH, json!({})).unwrap();
    hall.asks("bob", kind::CLOSE_LOBBY, json!({})).unwrap();
    hall.passes(TICK);
    assert_eq!(hall.hears("eve"), []);
}

#[test]
fn a_lobby_is_unlisted_when_it_is_gone_or_hidden() {
    let mut hall = Hall::new();
    let gone = create(&mut hall, "ann", json!({}));
    let hidden = create(&mut hall, "bob", json!({}));
    hall.greets("eve");
    hall.asks("eve", kind::WATCH, json!({})).unwrap();
    hall.asks("ann", kind::LEAVE, json!({})).unwrap();
    hall.asks("bob", kind::UPDATE_LOBBY, json!({"public": false})).unwrap();
    hall.passes(TICK);
    let mut expected = [gone, hidden];
    expected.sort();
    let told = hall.hears_of("eve", kind::UNLISTED);
    assert_eq!(told, expected.map(|code| (0, json!({"code": code}))));
}

#[test]
fn nothing_is_told_of_a_lobby_that_came_and_went_at_once() {
    let mut hall = Hall::new();
    hall.greets("eve");
    hall.asks("eve", kind::WATCH, json!({})).unwrap();
    create(&mut hall, "ann", json!({}));
    hall.asks("ann", kind::LEAVE, json!({})).unwrap();
    hall.passes(TICK);
    assert_eq!(hall.hears("eve"), []);
}

#[test]
fn who_begins_to_watch_in_between_is_told_of_the_end() {
    let mut hall = Hall::new();
    hall.greets("eve");
    hall.asks("eve", kind::WATCH, json!({})).unwrap();
    let code = create(&mut hall, "ann", json!({}));
    hall.greets("bob");
    assert_eq!(codes(&hall.asks("bob", kind::WATCH, json!({})).unwrap()), [&code]);
    hall.asks("ann", kind::LEAVE, json!({})).unwrap();
    hall.passes(TICK);
    assert_eq!(hall.hears_of("bob", kind::UNLISTED).len(), 1);
    assert_eq!(hall.hears("eve"), []);
}

#[test]
fn what_has_no_room_in_the_answer_is_told_after_it() {
    let settings = Settings { max_message_bytes: 600, ..Settings::default() };
    let mut hall = Hall::with(settings);
    for who in ["a", "b", "c"] {
        create(&mut hall, who, json!({}));
    }
    hall.greets("eve");
    let shown = hall.asks("eve", kind::WATCH, json!({})).unwrap();
    assert_eq!(codes(&shown).len(), 2);
    hall.passes(TICK);
    assert_eq!(hall.hears_of("eve", kind::LISTED).len(), 1);
}

#[test]
fn who_is_away_is_told_once_it_is_back() {
    let mut hall = Hall::new();
    let code = create(&mut hall, "ann", json!({}));
    let token = hall.greets("eve")["token"].clone();
    hall.asks("eve", kind::CREATE, json!({})).unwrap();
    hall.asks("eve", kind::WATCH, json!({})).unwrap();
    let received = hall.hears("eve").len() + 2;
    hall.loses("eve");
    for locked in [true, false, true] {
        hall.asks("ann", kind::UPDATE_LOBBY, json!({"locked": locked})).unwrap();
        hall.passes(TICK);
    }
    let resume = json!({"token": token, "received": received});
    hall.greets_with("eve", json!({"version": 1, "resume": resume}));
    let told = hall.hears("eve");
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0, &told[0].2["code"]), (kind::LISTED, &json!(code)));
}

#[test]
fn a_slow_reader_is_told_as_it_reads() {
    let mut hall = Hall::new();
    hall.greets("eve");
    hall.asks("eve", kind::WATCH, json!({})).unwrap();
    let names: Vec<String> = (0..150).map(|number| format!("host {number}")).collect();
    for name in names {
        create(&mut hall, name.leak(), json!({"motd": "x".repeat(2000)}));
    }
    hall.passes(TICK);
    let mut heard = hall.hears_of("eve", kind::LISTED).len();
    assert!((50..100).contains(&heard), "{heard}");
    while heard < 150 {
        hall.says("eve", kind::PING, 0, json!({"received": heard + 1}));
        let more = hall.hears_of("eve", kind::LISTED).len();
        assert!(more > 0, "it goes on with each PING");
        heard += more;
    }
    assert_eq!((heard, hall.closed("eve")), (150, None));
}

#[test]
fn two_hundred_lobbies_are_watched_and_others_when_there_is_a_place() {
    let mut hall = Hall::new();
    for number in 0..=200 {
        create(&mut hall, format!("host {number}").leak(), json!({}));
        hall.passes(Duration::from_millis(1));
    }
    hall.greets("eve");
    let shown = hall.asks("eve", kind::WATCH, json!({})).unwrap();
    assert_eq!(codes(&shown).len(), 200);

    let mut change = |who: &str, request: u64| {
        hall.asks(who, request, json!({"locked": true})).unwrap();
        hall.passes(TICK);
        hall.hears("eve").into_iter().map(|(kind, ..)| kind).collect::<Vec<_>>()
    };
    assert_eq!(change("host 0", kind::UPDATE_LOBBY), [0; 0]);
    assert_eq!(change("host 200", kind::LEAVE), [kind::UNLISTED]);
    assert_eq!(change("host 0", kind::UPDATE_LOBBY), [kind::LISTED]);
}

#[test]
fn many_who_watch_are_told_in_steps() {
    let mut hall = Hall::new();
    let name = |kind: &str, number: usize| &*format!("{kind} {number}").leak();
    let hosts: Vec<&str> = (0..20).map(|number| name("host", number)).collect();
    let codes: Vec<_> = hosts.iter().map(|host| create(&mut hall, host, json!({}))).collect();
    let guests: Vec<&str> = (0..100).map(|number| name("guest", number)).collect();
    for guest in &guests {
        hall.greets(guest);
        hall.asks(guest, kind::WATCH, json!({})).unwrap();
    }
    for host in &hosts {
        hall.asks(host, kind::UPDATE_LOBBY, json!({"locked": true})).unwrap();
    }
    hall.passes(TICK);
    let told = guests.iter().map(|guest| hall.hears_of(guest, kind::LISTED).len());
    let told: Vec<usize> = told.collect();
    assert!(told.contains(&0) && told.contains(&20), "{told:?}");
    assert!(told.iter().all(|count| [0, 20].contains(count)), "{told:?}");

    hall.asks(hosts[0], kind::UPDATE_LOBBY, json!({"locked": false})).unwrap();
    hall.asks(hosts[1], kind::LEAVE, json!({})).unwrap();
    hall.passes(2 * TICK);
    for guest in guests {
        let heard = hall.hears(guest);
        let last = heard.iter().rev().find(|(.., data)| data["code"] == codes[0]).unwrap();
        assert_eq!((last.0, &last.2["locked"]), (kind::LISTED, &json!(false)));
        let gone = heard.iter().filter(|(kind, ..)| *kind == kind::UNLISTED).count();
        assert_eq!(gone, 1);
    }
}

#[test]
fn what_is_dear_to_compare_is_told_in_smaller_steps() {
    let cheap = told_at_once(&json!({}));
    let dear = told_at_once(&json!({"motd": {"contains": "x"}}));
    assert!(0 < dear && 4 * dear < cheap, "{dear} of {cheap}");
}

/// How many of a hundred who watch with this filter are told of a lobby in one step.
fn told_at_once(filter: &Value) -> usize {
    let mut hall = Hall::new();
    let guests: Vec<&str> = (0..100).map(|number| &*format!("guest {number}").leak()).collect();
    for guest in &guests {
        hall.greets(guest);
        hall.asks(guest, kind::WATCH, json!({"where": filter})).unwrap();
    }
    create(&mut hall, "ann", json!({"motd": "xyz"}));
    hall.passes(TICK);
    guests.iter().filter(|guest| !hall.hears_of(guest, kind::LISTED).is_empty()).count()
}
