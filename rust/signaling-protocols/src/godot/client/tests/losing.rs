//! The extended protocol, when the connection is lost.

use super::*;
use crate::godot::extended::Filter;

const LOST: ClientState = ClientState::WaitingForNetwork;

/// What is told of a lost connection that is made again at once.
fn reconnecting(old: ClientState, new: ClientState) -> [Output; 3] {
    let (attempt, delay) = (1, Duration::ZERO);
    let told = event(ClientEvent::Reconnecting { attempt, delay });
    [changed(old, new), told, SessionOutput::Connect]
}

fn answered(ticket: u64, result: Result<Answer, Refusal>) -> ClientEvent {
    ClientEvent::Answered { ticket, result }
}

fn lost_welcome() -> ServerEvent {
    let ServerEvent::Welcome(mut welcome) = welcome(None) else { unreachable!() };
    welcome.problem = Some(Problem::Lost);
    ServerEvent::Welcome(welcome)
}

#[test]
fn a_lost_connection_is_made_again_and_the_session_goes_on() {
    let mut client = Client::joined();
    client.told(&ServerEvent::Pong { received: 1, round_trips: Vec::new() });
    client.ask(2, Request::Unwatch);
    assert_eq!(client.lose(), reconnecting(ClientState::Joined, LOST));

    let outputs = client.open();
    assert_eq!(outputs[0], changed(LOST, ClientState::Reinitializing));
    assert!(frames(&outputs)[0].contains(r#"\"resume\":{\"received\":2,\"token\":\"Xy\"}"#));

    let welcomed = ClientEvent::Welcomed { user: "u1".into(), ice_servers: Json::default() };
    assert_eq!(
        client.told(&welcome(Some(1))),
        [
            event(welcomed),
            changed(ClientState::Reinitializing, ClientState::Joined),
            event(ClientEvent::Resumed),
            sent(r#"{"type":18,"id":2,"data":"{}"}"#),
        ]
    );
}

#[test]
fn what_has_arrived_is_not_sent_again() {
    let mut client = Client::joined();
    client.ask(2, Request::Unwatch);
    client.lose();
    client.open();
    assert_eq!(frames(&client.told(&welcome(Some(2)))), []);
}

#[test]
fn what_is_asked_meanwhile_is_sent_later() {
    let mut client = Client::joined();
    client.lose();
    assert_eq!(client.ask(2, Request::Unwatch), []);
    client.open();
    let unwatch = r#"{"type":18,"id":2,"data":"{}"}"#;
    assert_eq!(frames(&client.told(&welcome(Some(1)))), [unwatch.into()]);
}

#[test]
fn too_much_that_is_asked_meanwhile_is_refused() {
    let mut client = Client::joined();
    client.lose();
    let asked = (0..10).flat_map(|ticket| {
        let data = Json::parse(&format!("\"{}\"", "x".repeat(60_000))).unwrap();
        events(client.ask(ticket, Request::Message { to: None, data }))
    });
    let refused = answered(4, Err(Refusal::Overloaded));
    assert_eq!(asked.collect::<Vec<_>>().first(), Some(&refused));
    client.open();
    assert_eq!(frames(&client.told(&welcome(Some(1)))).len(), 4);
}

#[test]
fn a_place_that_is_lost_is_told() {
    let mut client = Client::joined();
    client.ask(2, Request::Unwatch);
    client.lose();
    client.ask(3, Request::Unwatch);
    client.open();
    let problem = Problem::Lost;
    let message = problem.sentence().to_owned();
    assert_eq!(
        client.told(&lost_welcome())[1..],
        [
            changed(ClientState::Reinitializing, ClientState::Failed),
            event(ClientEvent::ResumeFailed { problem }),
            event(ClientEvent::LobbyLeft { problem: Some(problem), message }),
            event(answered(2, Err(Refusal::ConnectionLost))),
            sent(r#"{"type":18,"id":4,"data":"{}"}"#),
        ]
    );
    assert_eq!(
        client.told(&ServerEvent::Done { request: 4, result: Object::default() }),
        [event(answered(3, Ok(Answer::Object(Object::default()))))]
    );
    let outputs = client.ask(4, enter("K7RF2"));
    assert_eq!(outputs[1], changed(ClientState::Failed, ClientState::Initializing));
}

#[test]
fn what_is_asked_of_a_lobby_that_is_lost_meanwhile_is_refused() {
    let mut client = Client::joined();
    client.lose();
    let message = || Request::Message { to: None, data: Json::default() };
    client.ask(2, message());
    client.ask(3, enter("M4TQ9"));
    client.ask(4, message());
    client.open();
    let outputs = client.told(&lost_welcome());
    let refused = answered(2, Err(Refusal::by_problem(Problem::NotInLobby)));
    assert_eq!(outputs[4], event(refused));
    let sent = frames(&outputs);
    assert_eq!(sent.len(), 2, "what was meant for the next lobby is asked there: {sent:?}");
    assert!(sent[0].contains("M4TQ9"));
}

#[test]
fn tries_are_delayed_more_and_more_until_nobody_waits() {
    let mut client = Client::joined();
    let start = client.now;
    client.lose();
    let mut delays = Vec::new();
    let end = loop {
        let outputs = client.closed(Close::abnormal("no"), Cause::Unreachable);
        let Some(SessionOutput::Event(ClientEvent::Reconnecting { delay, .. })) = outputs.last()
        else {
            panic!("{outputs:?}");
        };
        delays.push(*delay);
        let outputs = client.wait(*delay);
        if outputs != [SessionOutput::Connect] {
            break outputs;
        }
        assert!(delays.len() < 100, "it tries for ever");
    };
    assert!(delays[0] <= SECOND / 4 && delays.iter().all(|delay| *delay <= 5 * SECOND));
    assert!(delays.len() < 15 && client.now - start >= 30 * SECOND);

    let told = events(end);
    assert_eq!(told[0], ClientEvent::StateChanged { old: LOST, new: ClientState::Failed });
    assert_eq!(told[1], ClientEvent::ResumeFailed { problem: Problem::Lost });
    let cause = Cause::Unreachable;
    assert!(matches!(told.last(), Some(ClientEvent::Disconnected { cause: c, .. }) if *c == cause));
    assert_eq!(client.wait(1000 * SECOND), []);
}

#[test]
fn a_server_that_has_stopped_in_this_very_program_is_not_waited_for() {
    let mut client = Client::joined();
    client.close(1001, "Server shutting down");
    let told = events(client.closed(Close::shutting_down(), Cause::Stopped));
    let cause = Cause::Stopped;
    assert!(matches!(told.last(), Some(ClientEvent::Disconnected { cause: c, .. }) if *c == cause));
}

#[test]
fn a_host_that_is_waited_for_tries_as_long_as_that() {
    let host_policy = HostPolicy::Wait { grace: 100 * SECOND, then_migrate: true };
    let mut client = Client::hosting(LobbyOptions { host_policy, ..LobbyOptions::default() });
    client.lose();
    assert_eq!(client.wait(99 * SECOND), []);
    let told = events(client.wait(SECOND));
    assert!(told.contains(&ClientEvent::ResumeFailed { problem: Problem::Lost }));
}

#[test]
fn silence_means_that_the_connection_is_gone() {
    let mut client = Client::joined();
    let outputs = client.wait(10 * SECOND);
    let silent = reconnecting(ClientState::Joined, ClientState::Reinitializing);
    assert_eq!(outputs[outputs.len() - 3..], silent);

    let waiting = changed(ClientState::Reinitializing, LOST);
    assert_eq!(client.closed(Close::abnormal("no"), Cause::Unreachable)[0], waiting);
}

#[test]
fn a_hello_that_is_not_answered_any_more_is_tried_again() {
    let mut client = Client::joined();
    client.lose();
    client.open();
    let outputs = client.wait(10 * SECOND);
    assert!(matches!(events(outputs).first(), Some(ClientEvent::Reconnecting { attempt: 2, .. })));
}

#[test]
fn tries_start_anew_once_the_connection_has_proved_itself() {
    let mut client = Client::joined();
    let resume = |client: &mut Client| {
        client.open();
        client.told(&welcome(Some(1)));
    };
    let attempt = |outputs: Vec<Output>| match events(outputs).last() {
        Some(ClientEvent::Reconnecting { attempt, .. }) => *attempt,
        other => panic!("{other:?}"),
    };
    assert_eq!(attempt(client.lose()), 1);
    resume(&mut client);
    assert_eq!(attempt(client.lose()), 2);
    client.wait(SECOND);
    resume(&mut client);
    let pong = ServerEvent::Pong { received: 1, round_trips: Vec::new() };
    client.told(&pong);
    assert_eq!(attempt(client.lose()), 3, "an answer alone proves nothing");
    client.wait(SECOND);
    resume(&mut client);
    client.wait(5 * SECOND);
    client.told(&pong);
    assert_eq!(attempt(client.lose()), 1);
}

#[test]
fn a_server_that_restarts_is_come_back_to() {
    let mut client = Client::joined();
    let outputs = client.close(1001, "Server shutting down");
    assert_eq!(outputs, reconnecting(ClientState::Joined, LOST));
}

#[test]
fn outside_of_a_lobby_a_new_session_goes_on_with_what_stood() {
    let mut client = Client::talking();
    let watch = Request::WatchStatus { namespace: "friends".into() };
    client.ask(1, watch.clone());
    client.told(&ServerEvent::Done { request: 1, result: Object::default() });
    client.ask(2, Request::Find { code: "K7RF2".into() });
    assert_eq!(client.lose(), reconnecting(ClientState::Idle, LOST));
    client.ask(3, Request::Unwatch);
    client.open();

    let outputs = client.told(&lost_welcome());
    assert_eq!(
        outputs[1..],
        [
            changed(ClientState::Reinitializing, ClientState::Idle),
            event(ClientEvent::Resumed),
            event(answered(2, Err(Refusal::ConnectionLost))),
            sent(r#"{"type":28,"id":4,"data":"{\"namespace\":\"friends\"}"}"#),
            sent(r#"{"type":18,"id":5,"data":"{}"}"#),
        ]
    );
    let result = Object::parse(r#"{"users":[]}"#).unwrap();
    let told = client.told(&ServerEvent::Done { request: 4, result: result.clone() });
    let again =
        ClientEvent::AskedAgain { request: Box::new(watch), result: Ok(Answer::Object(result)) };
    assert_eq!(told, [event(again)]);
}

#[test]
fn whoever_was_leaving_has_left() {
    let mut client = Client::joined();
    client.ask(2, Request::Leave);
    client.lose();
    client.open();
    let done = answered(2, Ok(Answer::Object(Object::default())));
    assert_eq!(
        client.told(&lost_welcome())[1..],
        [
            changed(ClientState::Reinitializing, ClientState::Left),
            event(ClientEvent::LobbyLeft { problem: None, message: String::new() }),
            event(ClientEvent::Resumed),
            event(done),
        ]
    );
}

#[test]
fn whoever_wants_to_leave_meanwhile_has_left() {
    let mut client = Client::joined();
    client.lose();
    client.ask(2, Request::Leave);
    client.ask(3, enter("M4TQ9"));
    client.open();
    let outputs = client.told(&lost_welcome());
    let left = ClientEvent::LobbyLeft { problem: None, message: String::new() };
    assert_eq!(outputs[2], event(left));
    assert_eq!(outputs[4], event(answered(2, Ok(Answer::Object(Object::default())))));
    assert_eq!(frames(&outputs).len(), 1, "the next lobby is entered");
}

#[test]
fn whoever_was_entering_may_find_itself_inside() {
    let mut client = Client::talking();
    client.ask(1, enter("K7RF2"));
    assert_eq!(client.lose(), reconnecting(ClientState::Initializing, LOST));
    client.open();
    let outputs = client.told(&welcome(Some(1)));
    assert_eq!(outputs[1], changed(ClientState::Reinitializing, ClientState::Initializing));
    let told = client.told(&ServerEvent::Done { request: 1, result: view(7, 1).to_object() });
    assert_eq!(told[0], changed(ClientState::Initializing, ClientState::Joined));
}

#[test]
fn whoever_was_half_inside_is_told_that_the_place_is_lost() {
    let mut client = Client::talking();
    client.ask(1, enter("K7RF2"));
    client.frame(r#"{"type":1,"id":7,"data":"true"}"#);
    client.lose();
    client.open();
    let problem = Problem::Lost;
    let message = problem.sentence().to_owned();
    assert_eq!(
        client.told(&lost_welcome())[1..],
        [
            changed(ClientState::Reinitializing, ClientState::Failed),
            event(ClientEvent::ResumeFailed { problem }),
            event(ClientEvent::LobbyLeft { problem: Some(problem), message }),
            event(answered(1, Err(Refusal::ConnectionLost))),
        ]
    );
}

#[test]
fn it_can_be_closed_while_there_is_no_connection() {
    let mut client = Client::joined();
    client.lose();
    client.closed(Close::abnormal("no"), Cause::Unreachable);
    let outputs = client.request(ClientRequest::Close);
    assert_eq!(outputs[0], close_output());
    assert_eq!(outputs[1], changed(LOST, ClientState::Left));
    assert!(matches!(
        events(outputs).last(),
        Some(ClientEvent::Disconnected { code: 1000, cause: Cause::Closed, .. })
    ));
    assert_eq!(client.wait(1000 * SECOND), []);
}

#[test]
fn a_session_that_cannot_be_resumed_begins_anew() {
    let mut client = Client::joined();
    for ticket in 0..10 {
        let data = Json::parse(&format!("\"{}\"", "x".repeat(60_000))).unwrap();
        client.ask(ticket, Request::Message { to: None, data });
    }
    client.lose();
    assert!(frames(&client.open())[0].contains(r#"\"resume\":null"#));
    let told = events(client.told(&welcome(None)));
    assert!(told.contains(&ClientEvent::ResumeFailed { problem: Problem::Lost }));
}

#[test]
fn what_is_refused_when_it_is_asked_again_is_told_and_over() {
    let mut client = Client::talking();
    let watch = Request::Watch(Filter::default());
    client.ask(1, watch.clone());
    client.told(&ServerEvent::Done { request: 1, result: Object::default() });
    client.lose();
    client.open();
    client.told(&lost_welcome());
    let (problem, message) = (Problem::RateLimited, Problem::RateLimited.sentence().into());
    let details = Object::default();
    let told = client.told(&ServerEvent::Refused { request: 2, problem, message, details });
    let result = Err(Refusal::by_problem(problem));
    assert_eq!(told, [event(ClientEvent::AskedAgain { request: Box::new(watch), result })]);

    client.lose();
    client.open();
    assert_eq!(frames(&client.told(&lost_welcome())).len(), 0);
}
