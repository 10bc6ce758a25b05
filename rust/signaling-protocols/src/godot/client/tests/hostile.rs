//! Servers and networks that do anything at any time.

use std::collections::BTreeSet;

use rand::RngExt;

use super::*;
use crate::godot::RelayKind;
use crate::godot::extended::{LinkState, MemberView};

/// A client whose connections come about and end by chance.
struct Chaos {
    rng: StdRng,
    client: Client,
    link: Link,
    /// Tickets without an answer.
    unanswered: BTreeSet<u64>,
    state: ClientState,
    /// Whether it was told an id that it has not lost since.
    has_place: bool,
    is_over: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Link {
    Absent,
    Dialling,
    Standing,
}

impl Chaos {
    /// Half of all clients are in a lobby at first, the others are about to connect.
    fn new(seed: u64) -> Self {
        let (client, link, state) = if seed.is_multiple_of(2) {
            (Client::joined(), Link::Standing, ClientState::Joined)
        } else {
            (Client::new(SessionOptions::default()), Link::Dialling, ClientState::Idle)
        };
        let (rng, unanswered) = (StdRng::seed_from_u64(seed), BTreeSet::new());
        let has_place = state == ClientState::Joined;
        Self { rng, client, link, unanswered, state, has_place, is_over: false }
    }

    fn step(&mut self, number: u64) {
        let outputs = match (self.rng.random_range(0..20), self.link) {
            (0, Link::Dialling | Link::Standing) => self.end(),
            (_, Link::Dialling) => {
                self.link = Link::Standing;
                self.client.open()
            }
            (1..=12, Link::Standing) => {
                let event = self.event();
                self.client.frame(&event)
            }
            (13..=15, _) => {
                let time = Duration::from_millis(self.rng.random_range(0..3000));
                self.client.wait(time)
            }
            _ => {
                let request = self.request(number);
                self.client.request(request)
            }
        };
        self.follow(outputs);
    }

    fn end(&mut self) -> Vec<Output> {
        self.link = Link::Absent;
        let (code, cause) = match self.rng.random_range(0..20) {
            0 => (1000, Cause::Closed),
            1 => (4000, Cause::Closed),
            2..6 => (1001, Cause::Closed),
            6..12 => (1006, Cause::Unreachable),
            _ => (1006, Cause::Lost),
        };
        self.client.closed(Close::new(code, "because"), cause)
    }

    fn request(&mut self, ticket: u64) -> ClientRequest {
        let (peer, generation) = (self.peer(), self.rng.random_range(0..5));
        match self.rng.random_range(0..100) {
            0 => ClientRequest::Close,
            1 => ClientRequest::Seal,
            2..10 => {
                let (kind, data) = (RelayKind::Offer, "v=0".into());
                ClientRequest::Relay { generation, kind, to: peer, data }
            }
            10..20 => ClientRequest::Link { generation, peer, state: LinkState::Down },
            kind => {
                self.unanswered.insert(ticket);
                let request = match kind % 4 {
                    0 => enter("K7RF2"),
                    1 => Request::Leave,
                    2 => Request::WatchStatus { namespace: "friends".into() },
                    _ => Request::Unwatch,
                };
                ClientRequest::Ask { ticket, request: Box::new(request) }
            }
        }
    }

    fn peer(&mut self) -> PeerId {
        id(self.rng.random_range(1..5))
    }

    /// Anything that a server may say, whether it makes sense or not.
    fn event(&mut self) -> Arc<str> {
        let (peer, number) = (self.peer(), self.rng.random_range(0..30));
        let (problem, message) = (Problem::Kicked, "Go.".to_owned());
        let member = |is_unstable| MemberView {
            id: peer,
            name: String::new(),
            user: String::new(),
            metadata: Object::default(),
            rtt: None,
            is_unstable,
        };
        let event = match self.rng.random_range(0..14) {
            0..3 => welcome(self.rng.random::<bool>().then_some(number)),
            3 => ServerEvent::Pong { received: number, round_trips: vec![(peer, 1)] },
            4 => ServerEvent::Done { request: number, result: view(2, 1).to_object() },
            5 => ServerEvent::Done { request: number, result: Object::default() },
            6 => {
                let details = Object::default();
                ServerEvent::Refused { request: number, problem, message, details }
            }
            7 => ServerEvent::Epoch { view: view(1, 2), renamed: vec![(peer, PeerId::HOST)] },
            8 => ServerEvent::Unstable { peer },
            9 => ServerEvent::Stable { peer },
            10 => ServerEvent::Left { problem, message },
            11 => ServerEvent::Member(member(number % 2 == 0)),
            12 => return r#"{"type":1,"id":2,"data":"true"}"#.into(),
            _ => return r#"{"type":99,"id":1,"data":"{}"}"#.into(),
        };
        event.encode()
    }

    /// Does what the session wants done, and checks what it tells.
    fn follow(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                SessionOutput::Connect => self.link = Link::Dialling,
                SessionOutput::Close(close) if self.link != Link::Absent => {
                    self.link = Link::Absent;
                    let outputs = self.client.closed(close, Cause::Closed);
                    self.follow(outputs);
                }
                SessionOutput::Event(event) => self.check(&event),
                SessionOutput::Close(_) | SessionOutput::Send(_) => {}
            }
        }
    }

    fn check(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Answered { ticket, .. } => {
                assert!(self.unanswered.remove(ticket), "{ticket} is answered once");
            }
            ClientEvent::StateChanged { old, new } => {
                assert_eq!(*old, self.state, "states follow each other");
                self.state = *new;
            }
            ClientEvent::Identified { .. } => self.has_place = true,
            ClientEvent::LobbyLeft { .. } => self.has_place = false,
            ClientEvent::Disconnected { .. } => {
                let is_plain = matches!(self.client.session.tongue, Tongue::Plain(_));
                assert!(is_plain || !self.has_place, "whoever loses its place is told");
                assert!(!self.is_over, "the end is told once");
                self.is_over = true;
                assert!(self.unanswered.is_empty(), "all is answered before the end");
            }
            event => assert!(!self.is_over, "{event:?} after the end"),
        }
    }
}

#[test]
fn whatever_a_server_does_every_question_is_answered_once_and_the_end_is_the_end() {
    for seed in 0..1000 {
        let mut chaos = Chaos::new(seed);
        (0..150).for_each(|number| chaos.step(number));
        let outputs = chaos.client.request(ClientRequest::Close);
        chaos.follow(outputs);
        assert!(chaos.is_over, "seed {seed}");
        assert_eq!(chaos.client.wait(1000 * SECOND), [], "seed {seed}");
    }
}

#[test]
fn no_server_tells_of_more_than_a_lobby_can_have() {
    let member = |number| {
        let (name, user, metadata) = (String::new(), String::new(), Object::default());
        let view =
            MemberView { id: id(number), name, user, metadata, rtt: None, is_unstable: false };
        ServerEvent::Member(view).encode()
    };
    let peer = |number| format!(r#"{{"type":2,"id":{number},"data":""}}"#).into();
    let value = |number| {
        let (key, value) = (format!("key{number}"), Json::parse("7"));
        ServerEvent::Value { key, value, by: None }.encode()
    };
    let mut client = Client::joined();
    let gone = ServerEvent::MemberGone { peer: id(1), problem: None }.encode();
    check_bound(&mut client, 4096, member, &gone);
    check_bound(&mut client, 4096, peer, r#"{"type":3,"id":1,"data":""}"#);
    let gone = ServerEvent::Value { key: "key1".into(), value: None, by: None }.encode();
    check_bound(&mut client, 64, value, &gone);
}

/// The game is told of the first `max`, and of another one once the first is gone.
fn check_bound(client: &mut Client, max: u64, text: impl Fn(u64) -> Arc<str>, gone: &str) {
    let mut is_told = |text: &str| {
        let told = events(client.frame(text));
        told != [ClientEvent::Malformed { bytes: text.len() }]
    };
    assert!((1..=max).all(|number| is_told(&text(number))));
    assert!(!is_told(&text(max + 1)), "one too many");
    assert!(is_told(&text(max)), "a change is none more");
    assert!(is_told(gone) && is_told(&text(max + 1)));
}
