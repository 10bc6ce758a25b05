//! The plain protocol.

use super::*;
use crate::godot::extended::{LobbyOptions, Object, Problem, Request};
use crate::godot::{RelayKind, Topology};

fn options() -> SessionOptions {
    SessionOptions { protocol: Protocol::Plain, ..SessionOptions::default() }
}

fn opened() -> Client {
    let mut client = Client::new(options());
    assert_eq!(client.open(), [event(ClientEvent::Opened)]);
    client
}

fn joined() -> Client {
    let mut client = opened();
    client.request(ask(create(Topology::Mesh)));
    client.frame(r#"{"type":1,"id":1,"data":"true"}"#);
    client.frame(r#"{"type":0,"id":0,"data":"Abc"}"#);
    client
}

fn create(topology: Topology) -> Request {
    let options = LobbyOptions { topology, ..LobbyOptions::default() };
    Request::Create { options, me: Object::default() }
}

fn ask(request: Request) -> ClientRequest {
    ClientRequest::Ask { ticket: 7, request: Box::new(request) }
}

fn answered(result: Result<Answer, Refusal>) -> Output {
    event(ClientEvent::Answered { ticket: 7, result })
}

fn disconnected(code: u16, reason: &str, problem: Option<Problem>) -> Output {
    let (reason, cause) = (reason.into(), Cause::Closed);
    event(ClientEvent::Disconnected { code, reason, cause, problem })
}

#[test]
fn to_create_and_to_enter_is_to_join() {
    for (request, text) in [
        (create(Topology::Mesh), r#"{"type":0,"id":0,"data":""}"#),
        (create(Topology::ClientServer), r#"{"type":0,"id":1,"data":""}"#),
        (enter("Abc"), r#"{"type":0,"id":0,"data":"Abc"}"#),
    ] {
        let outputs = opened().request(ask(request));
        assert_eq!(outputs, [changed(ClientState::Idle, ClientState::Initializing), sent(text)]);
    }
}

#[test]
fn nobody_joins_twice() {
    let refused = answered(Err(Refusal::by_problem(Problem::InLobby)));
    assert_eq!(joined().request(ask(enter("Abc"))), [refused]);
}

#[test]
fn requests_become_frames() {
    let mut client = opened();
    let relay = |kind, data: &str| {
        let (generation, to, data) = (1, PeerId::HOST, data.into());
        ClientRequest::Relay { generation, kind, to, data }
    };
    for (request, text) in [
        (ClientRequest::Seal, r#"{"type":7,"id":0,"data":""}"#),
        (relay(RelayKind::Offer, "v=0\r\n"), r#"{"type":4,"id":1,"data":"v=0\r\n"}"#),
        (relay(RelayKind::Answer, "\"ü\""), r#"{"type":5,"id":1,"data":"\"ü\""}"#),
        (
            relay(RelayKind::Candidate, &candidate_payload("0", 0, "candidate:1")),
            r#"{"type":6,"id":1,"data":"\n0\n0\ncandidate:1"}"#,
        ),
    ] {
        assert_eq!(client.request(request), [sent(text)]);
    }
}

#[test]
fn messages_become_events() {
    let mut client = opened();
    let (from, generation) = (id(7), 1);
    for (text, expected) in [
        (
            r#"{"type":1,"id":1,"data":"true"}"#,
            ClientEvent::Identified { id: PeerId::HOST, topology: Topology::Mesh, generation },
        ),
        (
            r#"{"type":1,"id":7,"data":""}"#,
            ClientEvent::Identified { id: from, topology: Topology::ClientServer, generation },
        ),
        (r#"{"type":2,"id":7,"data":""}"#, ClientEvent::PeerConnected { id: from }),
        (r#"{"type":3,"id":7,"data":""}"#, ClientEvent::PeerDisconnected { id: from }),
        (r#"{"type":4,"id":7,"data":"o"}"#, ClientEvent::Offer { from, sdp: "o".into() }),
        (r#"{"type":5,"id":7,"data":"a"}"#, ClientEvent::Answer { from, sdp: "a".into() }),
        (
            r#"{"type":6,"id":7,"data":"\n0\n1\ncandidate:1"}"#,
            ClientEvent::Candidate { from, mid: "0".into(), index: 1, sdp: "candidate:1".into() },
        ),
        (r#"{"type":7,"id":0,"data":""}"#, ClientEvent::Sealed),
    ] {
        assert_eq!(client.frame(text), [event(expected)], "{text}");
    }
}

#[test]
fn a_lobby_is_told_after_the_state() {
    let mut client = opened();
    client.request(ask(enter("Abc")));
    client.frame(r#"{"type":1,"id":7,"data":"true"}"#);
    assert_eq!(
        client.frame(r#"{"type":0,"id":0,"data":"Abc"}"#)[..2],
        [
            changed(ClientState::Initializing, ClientState::Joined),
            event(ClientEvent::LobbyJoined { lobby: "Abc".into(), view: None }),
        ]
    );
}

#[test]
fn what_means_nothing_is_reported_and_ignored() {
    let text = r#"{"type":2,"id":0,"data":""}"#;
    let malformed = ClientEvent::Malformed { bytes: text.len() };
    assert_eq!(opened().frame(text), [event(malformed)]);
}

#[test]
fn a_candidate_without_three_lines_is_dropped() {
    let mut client = opened();
    for data in [r"\n0\n0\n", r"\n\n0\ncandidate:1", r"\n0\nx\nc", r"\n0\n0\nc\nmore"] {
        let text = format!(r#"{{"type":6,"id":7,"data":"{data}"}}"#);
        assert_eq!(client.frame(&text), [], "{text}");
    }
}

#[test]
fn the_end_of_the_connection_is_told_once() {
    let mut client = opened();
    let failed = changed(ClientState::Idle, ClientState::Failed);
    let told = disconnected(4000, "Lobby is sealed", Some(Problem::Sealed));
    assert_eq!(client.close(4000, "Lobby is sealed"), [failed, told]);
    assert_eq!(client.close(4000, "Lobby is sealed"), []);
    assert_eq!(client.request(ClientRequest::Seal), []);
}

#[test]
fn it_can_be_closed_before_the_connection_stands() {
    let mut client = Client::new(options());
    let outputs = client.request(ClientRequest::Close);
    assert_eq!(outputs, [SessionOutput::Close(Close::new(1000, ""))]);
}

#[test]
fn a_lobby_can_be_asked_for_before_the_connection_stands() {
    let mut client = Client::new(options());
    assert_eq!(client.request(ask(create(Topology::Mesh))), []);
    assert_eq!(client.open().last(), Some(&sent(r#"{"type":0,"id":0,"data":""}"#)));
    client.frame(r#"{"type":1,"id":1,"data":"true"}"#);

    let outputs = client.frame(r#"{"type":0,"id":0,"data":"Abc"}"#);
    let Some(SessionOutput::Event(ClientEvent::Answered { ticket: 7, result })) = outputs.last()
    else {
        panic!("no answer in {outputs:?}");
    };
    let Ok(Answer::Lobby(view)) = result else { panic!("no lobby in {result:?}") };
    assert_eq!((view.entry.code.as_str(), view.me, view.entry.players), ("Abc", PeerId::HOST, 1));
}

#[test]
fn a_lobby_that_is_not_there_is_an_answer_too() {
    let mut client = opened();
    client.request(ask(enter("Abc")));
    let outputs = client.close(4000, "Lobby does not exists");
    assert!(outputs.contains(&answered(Err(Refusal::by_problem(Problem::NotFound)))));
    let told = disconnected(4000, "Lobby does not exists", Some(Problem::NotFound));
    assert_eq!(outputs.last(), Some(&told));
}

#[test]
fn what_it_cannot_express_is_refused() {
    let mut client = opened();
    let with = |options| Request::Create { options, me: Object::default() };
    let defaults = LobbyOptions::default;
    for request in [
        with(LobbyOptions { is_public: true, ..defaults() }),
        with(LobbyOptions { max_players: 4, ..defaults() }),
        Request::Find { code: "Abc".into() },
    ] {
        let outputs = client.request(ask(request));
        assert_eq!(outputs, [answered(Err(Refusal::NeedsExtended))]);
    }
}

#[test]
fn to_leave_is_to_end_the_connection() {
    let not_in_lobby = answered(Err(Refusal::by_problem(Problem::NotInLobby)));
    assert_eq!(opened().request(ask(Request::Leave)), [not_in_lobby]);
    let done = answered(Ok(Answer::Object(Object::default())));
    let close = SessionOutput::Close(Close::new(1000, ""));
    assert_eq!(joined().request(ask(Request::Leave)), [done, close]);
}

#[test]
fn what_is_asked_after_the_end_is_refused() {
    let mut client = joined();
    client.close(1000, "Seal complete");
    let outputs = client.request(ask(Request::Unwatch));
    assert_eq!(outputs, [answered(Err(Refusal::NotConnected))]);
}

#[test]
fn a_lobby_without_an_id_means_nothing() {
    let mut client = opened();
    client.request(ask(enter("Abc")));
    let joined = r#"{"type":0,"id":0,"data":"Abc"}"#;
    assert_eq!(client.frame(joined), [event(ClientEvent::Malformed { bytes: joined.len() })]);
    client.frame(r#"{"type":1,"id":7,"data":"true"}"#);
    let told = client.frame(joined);
    assert!(matches!(
        events(told).last(),
        Some(ClientEvent::Answered { ticket: 7, result: Ok(Answer::Lobby(_)) })
    ));
}
