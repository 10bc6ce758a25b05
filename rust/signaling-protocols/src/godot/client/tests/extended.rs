//! The extended protocol, while the connection stands.

use super::*;
use crate::godot::RelayKind;
use crate::godot::extended::{LinkState, MemberView};
use crate::godot::wire::ClientMessage;

/// The message in a frame of ours.
fn message(text: &str) -> ClientMessage<'_> {
    ClientMessage::decode(Frame::Text(text))
}

fn done(request: u64) -> ServerEvent {
    ServerEvent::Done { request, result: Object::default() }
}

fn answered(ticket: u64, result: Result<Answer, Refusal>) -> ClientEvent {
    ClientEvent::Answered { ticket, result }
}

fn nothing() -> Answer {
    Answer::Object(Object::default())
}

#[test]
fn it_opens_with_hello() {
    let mut client = Client::new(SessionOptions {
        game: "tag".into(),
        build: "1.2".into(),
        name: "Fox".into(),
        token: "secret".into(),
        ..SessionOptions::default()
    });
    let outputs = client.open();
    let [text] = &frames(&outputs)[..] else { panic!("{outputs:?}") };
    let ClientMessage::Hello(Ok(hello)) = message(text) else { panic!("{text}") };
    let told = [&hello.game, &hello.build, &hello.name, &hello.token].map(String::as_str);
    assert_eq!((told, hello.version), (["tag", "1.2", "Fox", "secret"], 1));
    assert_eq!(hello.resume, None);

    let welcomed = ClientEvent::Welcomed { user: "u1".into(), ice_servers: Json::default() };
    assert_eq!(events(client.told(&welcome(None))), [welcomed, ClientEvent::Opened]);
}

#[test]
fn a_lobby_is_joined_when_the_server_says_so() {
    let mut client = Client::talking();
    let initializing = changed(ClientState::Idle, ClientState::Initializing);
    assert_eq!(client.ask(5, enter("K7RF2"))[1], initializing);
    let identified = ClientEvent::Identified { id: id(7), topology: Topology::Mesh, generation: 1 };
    assert_eq!(events(client.frame(r#"{"type":1,"id":7,"data":"true"}"#)), [identified]);
    assert_eq!(client.frame(r#"{"type":0,"id":0,"data":"K7RF2"}"#), []);

    let view = Box::new(view(7, 1));
    let granted = ServerEvent::Done { request: 1, result: view.to_object() };
    assert_eq!(
        client.told(&granted),
        [
            changed(ClientState::Initializing, ClientState::Joined),
            event(ClientEvent::LobbyJoined { lobby: "K7RF2".into(), view: Some(view.clone()) }),
            event(answered(5, Ok(Answer::Lobby(view)))),
        ]
    );
}

#[test]
fn a_refused_try_leaves_the_connection_for_another() {
    let mut client = Client::talking();
    client.ask(5, enter("K7RF2"));
    let (problem, message) = (Problem::WrongPassword, "No.".to_owned());
    let details = Object::parse(r#"{"left":2}"#).unwrap();
    let refused = ServerEvent::Refused {
        request: 1,
        problem,
        message: message.clone(),
        details: details.clone(),
    };
    let refusal = Refusal::Refused { problem, message, details };
    assert_eq!(
        client.told(&refused),
        [changed(ClientState::Initializing, ClientState::Failed), event(answered(5, Err(refusal))),]
    );
    let again = changed(ClientState::Failed, ClientState::Initializing);
    assert_eq!(client.ask(6, enter("K7RF2")).last(), Some(&again));
}

#[test]
fn requests_are_answered_by_their_tickets() {
    let mut client = Client::talking();
    client.ask(50, Request::Unwatch);
    client.ask(40, Request::Find { code: "K7RF2".into() });
    assert_eq!(events(client.told(&done(2))), [answered(40, Ok(nothing()))]);
    assert_eq!(events(client.told(&done(1))), [answered(50, Ok(nothing()))]);
    assert_eq!(events(client.told(&done(1))), []);
}

#[test]
fn too_many_unanswered_requests_are_refused() {
    let mut client = Client::talking();
    for ticket in 0..256 {
        assert_eq!(events(client.ask(ticket, Request::Unwatch)), []);
    }
    let overloaded = event(answered(256, Err(Refusal::Overloaded)));
    assert_eq!(client.ask(256, Request::Unwatch), [overloaded]);
}

#[test]
fn a_request_that_no_server_would_take_is_refused_here() {
    let code = "x".repeat(70_000);
    let outputs = Client::talking().ask(1, Request::Find { code });
    assert_eq!(outputs, [event(answered(1, Err(Refusal::by_problem(Problem::Invalid))))]);
}

#[test]
fn what_the_server_tells_becomes_events() {
    let mut client = Client::joined();
    let member = MemberView {
        id: id(9),
        name: "Owl".into(),
        user: "u2".into(),
        metadata: Object::default(),
        rtt: Some(23),
        is_unstable: false,
    };
    let (peer, json) = (id(9), Json::parse("7").unwrap());
    let (user, name, namespace) = ("u2".to_owned(), "Owl".to_owned(), "friends".to_owned());
    for (told, expected) in [
        (ServerEvent::Member(member.clone()), ClientEvent::MemberChanged(Box::new(member))),
        (
            ServerEvent::MemberGone { peer, problem: Some(Problem::Kicked) },
            ClientEvent::MemberLeft { id: peer, problem: Some(Problem::Kicked) },
        ),
        (ServerEvent::Lobby(entry()), ClientEvent::LobbyChanged(Box::new(entry()))),
        (ServerEvent::Host { peer }, ClientEvent::HostChanged { id: peer, is_me: false }),
        (ServerEvent::Host { peer: id(7) }, ClientEvent::HostChanged { id: id(7), is_me: true }),
        (ServerEvent::Stable { peer }, ClientEvent::PeerStable { id: peer }),
        (
            ServerEvent::Message { from: peer, is_for_all: true, data: json.clone() },
            ClientEvent::LobbyMessage { from: peer, is_for_all: true, data: json.clone() },
        ),
        (
            ServerEvent::Value { key: "k".into(), value: Some(json.clone()), by: Some(peer) },
            ClientEvent::ValueChanged {
                key: "k".into(),
                value: Some(json.clone()),
                by: Some(peer),
            },
        ),
        (ServerEvent::Listed(entry()), ClientEvent::LobbyListed(Box::new(entry()))),
        (
            ServerEvent::Unlisted { code: "K7RF2".into() },
            ClientEvent::LobbyUnlisted { code: "K7RF2".into() },
        ),
        (
            ServerEvent::Status {
                namespace: namespace.clone(),
                user: user.clone(),
                name: name.clone(),
                status: None,
            },
            ClientEvent::StatusChanged {
                namespace,
                user: user.clone(),
                name: name.clone(),
                status: None,
            },
        ),
        (
            ServerEvent::Invited {
                invite: 4,
                user: user.clone(),
                name: name.clone(),
                lobby: entry(),
                data: None,
            },
            ClientEvent::Invited { invite: 4, user, name, lobby: Box::new(entry()), data: None },
        ),
        (
            ServerEvent::InviteAnswered { invite: 4, is_accepted: true },
            ClientEvent::InviteAnswered { invite: 4, is_accepted: true },
        ),
        (ServerEvent::InviteCancelled { invite: 4 }, ClientEvent::InviteCancelled { invite: 4 }),
    ] {
        assert_eq!(events(client.told(&told)), [expected], "{told:?}");
    }
}

#[test]
fn whoever_is_out_of_the_lobby_is_told_and_keeps_the_connection() {
    let (problem, message) = (Problem::Kicked, "Go.".to_owned());
    assert_eq!(
        Client::joined().told(&ServerEvent::Left { problem, message: message.clone() }),
        [
            changed(ClientState::Joined, ClientState::Left),
            event(ClientEvent::LobbyLeft { problem: Some(problem), message }),
        ]
    );
    let mut client = Client::joined();
    client.ask(2, Request::Leave);
    assert_eq!(
        client.told(&done(2)),
        [
            changed(ClientState::Joined, ClientState::Left),
            event(ClientEvent::LobbyLeft { problem: None, message: String::new() }),
            event(answered(2, Ok(nothing()))),
        ]
    );
}

#[test]
fn it_pings_every_interval_and_tells_its_round_trip() {
    let mut client = Client::joined();
    let outputs = client.wait(5 * SECOND);
    assert_eq!(outputs, [sent(r#"{"type":9,"id":0,"data":"{\"received\":2,\"rtt\":null}"}"#)]);

    client.wait(SECOND / 10);
    let round_trips = vec![(id(9), 23)];
    let pong = ServerEvent::Pong { received: 1, round_trips: round_trips.clone() };
    assert_eq!(events(client.told(&pong)), [ClientEvent::RoundTrips(round_trips)]);
    let outputs = client.wait(5 * SECOND);
    assert_eq!(outputs, [sent(r#"{"type":9,"id":0,"data":"{\"received\":2,\"rtt\":100}"}"#)]);
}

#[test]
fn it_confirms_what_has_arrived_after_64_messages() {
    let mut client = Client::talking();
    let listed = ServerEvent::Listed(entry());
    for _ in 0..63 {
        assert_eq!(frames(&client.told(&listed)), []);
    }
    let ping = r#"{"type":9,"id":0,"data":"{\"received\":64,\"rtt\":null}"}"#;
    assert_eq!(frames(&client.told(&listed)), [ping.into()]);
    assert_eq!(frames(&client.told(&listed)), []);
}

#[test]
fn it_confirms_what_has_arrived_after_32_kib() {
    let mut client = Client::talking();
    let data = Json::parse(&format!("\"{}\"", "x".repeat(10_000))).unwrap();
    let message = ServerEvent::Message { from: id(1), is_for_all: true, data };
    let mut pings = || frames(&client.told(&message)).len();
    assert_eq!([pings(), pings(), pings(), pings(), pings()], [0, 0, 0, 1, 0]);
}

#[test]
fn it_asks_for_a_confirmation_after_32_kib_of_its_own() {
    let mut client = Client::joined();
    let mut say = |ticket| {
        let data = Json::parse(&format!("\"{}\"", "x".repeat(10_000))).unwrap();
        frames(&client.ask(ticket, Request::Message { to: None, data })).len()
    };
    assert_eq!([1, 2, 3, 4, 5].map(&mut say), [1, 1, 1, 2, 1]);
}

#[test]
fn what_means_nothing_is_reported_and_counted() {
    let mut client = Client::talking();
    let text = r#"{"type":99,"id":0,"data":"{}"}"#;
    assert_eq!(client.frame(text), [event(ClientEvent::Malformed { bytes: text.len() })]);
    let ping = r#"{"type":9,"id":0,"data":"{\"received\":1,\"rtt\":null}"}"#;
    assert_eq!(client.wait(5 * SECOND), [sent(ping)]);
}

fn relay(generation: u64) -> ClientRequest {
    let (kind, to, data) = (RelayKind::Offer, id(1), "v=0".into());
    ClientRequest::Relay { generation, kind, to, data }
}

#[test]
fn an_epoch_is_confirmed_and_ends_what_was_sent_in_the_one_before() {
    let mut client = Client::joined();
    let offer = [sent(r#"{"type":4,"id":1,"data":"v=0"}"#)];
    assert_eq!(client.request(relay(1)), offer);

    let renamed = vec![(id(7), PeerId::HOST)];
    let epoch = ServerEvent::Epoch { view: view(1, 2), renamed: renamed.clone() };
    assert_eq!(
        client.told(&epoch),
        [
            sent(r#"{"type":34,"id":2,"data":"{}"}"#),
            event(ClientEvent::EpochStarted { generation: 2, view: Box::new(view(1, 2)), renamed }),
            event(ClientEvent::HostChanged { id: PeerId::HOST, is_me: true }),
        ]
    );
    assert_eq!(client.request(relay(1)), []);
    assert_eq!(client.request(relay(2)), offer);
}

#[test]
fn nothing_is_relayed_after_the_lobby() {
    let mut client = Client::joined();
    client.told(&ServerEvent::Left { problem: Problem::Kicked, message: String::new() });
    assert_eq!(client.request(relay(1)), []);
}

#[test]
fn links_to_unstable_members_are_told_at_once_and_when_they_change() {
    let mut client = Client::joined();
    let peer = id(9);
    let link = |state| ClientRequest::Link { generation: 1, peer, state };
    let told =
        |state: &str| sent(&format!(r#"{{"type":33,"id":9,"data":"{{\"state\":\"{state}\"}}"}}"#));
    assert_eq!(client.request(link(LinkState::Up)), []);
    let unstable = event(ClientEvent::PeerUnstable { id: peer });
    assert_eq!(client.told(&ServerEvent::Unstable { peer }), [unstable, told("up")]);
    assert_eq!(client.request(link(LinkState::Up)), []);
    assert_eq!(client.request(link(LinkState::Down)), [told("down")]);
    client.told(&ServerEvent::Stable { peer });
    assert_eq!(client.request(link(LinkState::None)), []);
}

#[test]
fn links_of_an_earlier_epoch_are_of_no_interest() {
    let mut client = Client::joined();
    let link = |generation, state| ClientRequest::Link { generation, peer: PeerId::HOST, state };
    client.request(link(1, LinkState::Down));
    client.told(&ServerEvent::Epoch { view: view(7, 2), renamed: vec![(id(9), PeerId::HOST)] });
    assert_eq!(client.request(link(1, LinkState::Down)), []);
    let outputs = client.told(&ServerEvent::Unstable { peer: PeerId::HOST });
    assert_eq!(outputs[1], sent(r#"{"type":33,"id":1,"data":"{\"state\":\"none\"}"}"#));
}

#[test]
fn a_member_that_is_renamed_stays_unstable() {
    let mut client = Client::joined();
    client.told(&ServerEvent::Unstable { peer: id(9) });
    client.told(&ServerEvent::Epoch { view: view(7, 2), renamed: vec![(id(9), id(5))] });
    let (generation, peer, state) = (2, id(5), LinkState::Down);
    let outputs = client.request(ClientRequest::Link { generation, peer, state });
    assert_eq!(outputs, [sent(r#"{"type":33,"id":5,"data":"{\"state\":\"down\"}"}"#)]);
}

#[test]
fn to_close_is_to_leave_first() {
    let mut client = Client::joined();
    let leave = sent(r#"{"type":15,"id":2,"data":"{}"}"#);
    assert_eq!(client.request(ClientRequest::Close), [leave, close_output()]);
    let (code, reason, cause, problem) = (1000, String::new(), Cause::Closed, None);
    assert_eq!(
        client.close(1000, ""),
        [
            changed(ClientState::Joined, ClientState::Left),
            event(ClientEvent::LobbyLeft { problem: None, message: String::new() }),
            event(ClientEvent::Disconnected { code, reason, cause, problem }),
        ]
    );
    assert_eq!(client.wait(1000 * SECOND), []);
}

#[test]
fn everything_is_answered_when_the_connection_ends_for_good() {
    let mut client = Client::joined();
    client.ask(2, Request::Unwatch);
    let told = events(client.close(4000, "Removed"));
    assert!(told.contains(&answered(2, Err(Refusal::ConnectionLost))));
    let left = ClientEvent::LobbyLeft { problem: Some(Problem::Closed), message: "Removed".into() };
    assert!(told.contains(&left));
    assert!(matches!(told.last(), Some(ClientEvent::Disconnected { code: 4000, .. })));
    let refused = answered(3, Err(Refusal::NotConnected));
    assert_eq!(events(client.ask(3, Request::Unwatch)), [refused]);
}

#[test]
fn whoever_is_turned_away_hears_why() {
    let mut client = Client::new(SessionOptions::default());
    client.open();
    let problem = Problem::WrongVersion;
    let (message, details) = ("Build 1.3, please.".to_owned(), Object::default());
    client.told(&ServerEvent::Refused { request: 0, problem, message, details });
    let (code, reason, cause) = (4000, "Build 1.3, please.".to_owned(), Cause::Closed);
    assert_eq!(
        client.close(4000, "Build 1.3, please."),
        [
            changed(ClientState::Idle, ClientState::Failed),
            event(ClientEvent::Disconnected { code, reason, cause, problem: Some(problem) }),
        ]
    );
}

/// A client that wants a lobby from a server that may not know HELLO.
fn greeting() -> Client {
    let mut client = Client::new(SessionOptions::default());
    client.ask(1, Request::Create { options: LobbyOptions::default(), me: Object::default() });
    client.ask(2, Request::Unwatch);
    client.open();
    client
}

#[test]
fn a_server_that_does_not_know_hello_is_spoken_to_plainly() {
    for fall_back in [
        |client: &mut Client| client.close(4000, "Invalid message when not in a lobby"),
        |client: &mut Client| client.wait(3 * SECOND),
    ] {
        let mut client = greeting();
        assert_eq!(fall_back(&mut client), [SessionOutput::Connect]);
        let outputs = client.open();
        assert_eq!(outputs[0], event(ClientEvent::Opened));
        assert_eq!(frames(&outputs), [r#"{"type":0,"id":0,"data":""}"#.into()]);
        let refused = answered(2, Err(Refusal::NeedsExtended));
        assert_eq!(outputs.last(), Some(&event(refused)));
        assert_eq!(client.wait(1000 * SECOND), []);
    }
}

#[test]
fn a_server_that_has_to_ask_somebody_is_waited_for() {
    let mut client = greeting();
    client.told(&ServerEvent::Pong { received: 0, round_trips: Vec::new() });
    assert_eq!(client.wait(59 * SECOND), []);
    assert_eq!(events(client.told(&welcome(None))).last(), Some(&ClientEvent::Opened));

    let mut client = greeting();
    client.told(&ServerEvent::Pong { received: 0, round_trips: Vec::new() });
    let told = events(client.wait(60 * SECOND));
    assert!(matches!(told.last(), Some(ClientEvent::Disconnected { cause: Cause::Lost, .. })));
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let causes = [Cause::Unreachable, Cause::Refused { status: 403 }, Cause::Tls];
    for cause in causes {
        let mut client = Client::new(SessionOptions::default());
        client.ask(1, Request::Unwatch);
        let told = events(client.closed(Close::abnormal("no"), cause));
        assert!(told.contains(&answered(1, Err(Refusal::NotConnected))));
        let (code, reason, problem) = (1006, "no".to_owned(), None);
        let disconnected = ClientEvent::Disconnected { code, reason, cause, problem };
        assert_eq!(told.last(), Some(&disconnected));
    }
    let told = events(greeting().lose());
    assert!(matches!(told.last(), Some(ClientEvent::Disconnected { cause: Cause::Lost, .. })));
}
