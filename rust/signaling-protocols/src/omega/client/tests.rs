use super::*;

/// A session, and what is said and told since the last look.
struct Line {
    session: OmegaSession,
    now: Instant,
}

impl Line {
    fn new(numbering: Numbering) -> Self {
        let now = Instant::now();
        let mut line = Self { session: OmegaSession::new(numbering, "Ada"), now };
        line.input(SessionInput::Opened);
        line
    }

    /// A session that is the host of a lobby, or a member.
    fn inside(numbering: Numbering, is_host: bool) -> Self {
        let mut line = Self::new(numbering);
        line.hear(r#"{"opcode":3,"payload":"me"}"#);
        let lobby = "lobby".to_owned();
        line.request(match is_host {
            true => ClientRequest::Host { lobby, options: LobbyOptions::default() },
            false => ClientRequest::Join { lobby, password: String::new() },
        });
        let ack = if is_host == (numbering == Numbering::Seed) { 7 } else { 6 };
        line.hear(&format!(r#"{{"opcode":{ack}}}"#));
        line.take();
        line
    }

    fn input(&mut self, input: SessionInput<'_, ClientRequest>) {
        self.session.handle_input(self.now, input);
    }

    fn hear(&mut self, text: &str) {
        self.input(SessionInput::Frame(Frame::Text(text)));
    }

    fn request(&mut self, request: ClientRequest) {
        self.input(SessionInput::Request(request));
    }

    fn send(&mut self, to: &str, signal: Signal) {
        self.request(ClientRequest::Send { to: to.to_owned(), signal });
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.input(SessionInput::Timeout);
    }

    /// Texts as they are said, events and closes as they are written in Rust.
    fn take(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.poll_output())
            .map(|output| match output {
                SessionOutput::Send(text) => text.to_string(),
                SessionOutput::Event(event) => format!("{event:?}"),
                SessionOutput::Close(close) => format!("close {} {}", close.code, close.reason),
                SessionOutput::Connect => "connect".to_owned(),
            })
            .collect()
    }
}

fn offer() -> Signal {
    Signal::Offer { sdp: "v=0".to_owned() }
}

fn answer() -> Signal {
    Signal::Answer { sdp: "v=0".to_owned() }
}

fn candidate() -> Signal {
    Signal::Candidate { mid: "0".to_owned(), index: 0, sdp: "candidate:1".to_owned() }
}

const OFFER: &str = r#"{"type":"offer","sdp":"v=0"}"#;
const ANSWER: &str = r#"{"type":"answer","sdp":"v=0"}"#;
const CANDIDATE: &str = r#"{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}"#;

fn told_of(id: &str, signal: Signal) -> String {
    let from = Party { id: id.to_owned(), name: String::new() };
    format!("{:?}", ClientEvent::Signal { from, signal })
}

#[test]
fn what_is_asked_too_early_waits_for_the_server() {
    let mut line = Line::new(Numbering::Seed);
    for lobby in ["first", "last"] {
        let options = LobbyOptions::default();
        line.request(ClientRequest::Host { lobby: lobby.to_owned(), options });
    }
    assert_eq!(line.take(), [r#"{"opcode":2,"payload":"Ada"}"#]);
    line.hear(r#"{"opcode":3,"payload":"me"}"#);
    assert_eq!(line.take(), [r#"Opened { id: "me" }"#, r#"{"opcode":4,"payload":"last"}"#]);
    line.hear(r#"{"opcode":7}"#);
    assert_eq!(line.take(), [r#"Hosting { lobby: "last" }"#]);
}

#[test]
fn a_host_makes_one_connection_of_the_dialogue() {
    let mut host = Line::inside(Numbering::Seed, true);
    host.hear(r#"{"opcode":8,"payload":"p"}"#);
    assert_eq!(host.take(), [r#"PeerFound(Party { id: "p", name: "" })"#]);
    host.send("p", offer());
    host.send("p", candidate());
    assert_eq!(
        host.take(),
        [
            format!(r#"{{"opcode":10,"payload":{OFFER},"rx":"p"}}"#),
            format!(r#"{{"opcode":14,"payload":{CANDIDATE},"rx":"p"}}"#),
        ]
    );
    host.hear(r#"{"opcode":13,"tx":"p"}"#);
    assert_eq!(host.take(), [r#"{"opcode":14,"rx":"p"}"#]);
    host.hear(&format!(r#"{{"opcode":15,"payload":{ANSWER},"tx":"p"}}"#));
    assert_eq!(host.take(), [r#"{"opcode":16,"rx":"p"}"#.to_owned(), told_of("p", answer())]);
    host.hear(&format!(r#"{{"opcode":15,"payload":{CANDIDATE},"tx":"p"}}"#));
    assert_eq!(host.take(), [told_of("p", candidate())]);
    host.hear(r#"{"opcode":17,"tx":"p"}"#);
    assert_eq!(host.take(), [r#"Ready { id: "p" }"#]);
}

#[test]
fn a_peer_makes_one_connection_of_the_dialogue() {
    let mut peer = Line::inside(Numbering::Seed, false);
    peer.hear(r#"{"opcode":9,"payload":"h"}"#);
    assert_eq!(peer.take(), [r#"HostFound(Party { id: "h", name: "" })"#]);
    peer.hear(&format!(r#"{{"opcode":11,"payload":{OFFER},"tx":"h"}}"#));
    assert_eq!(peer.take(), [told_of("h", offer())]);
    peer.send("h", answer());
    assert_eq!(
        peer.take(),
        [
            r#"{"opcode":12,"rx":"h"}"#.to_owned(),
            format!(r#"{{"opcode":14,"payload":{ANSWER},"rx":"h"}}"#),
        ]
    );
    peer.hear(r#"{"opcode":15,"tx":"h"}"#);
    assert_eq!(peer.take(), [""; 0]);
    peer.hear(r#"{"opcode":16,"tx":"h"}"#);
    assert_eq!(peer.take(), [r#"{"opcode":17,"rx":"h"}"#, r#"Ready { id: "h" }"#]);
}

#[test]
fn clients_that_want_a_connection_in_each_direction_can_have_it() {
    let mut host = Line::inside(Numbering::Seed, true);
    host.hear(&format!(r#"{{"opcode":13,"payload":{OFFER},"tx":"p"}}"#));
    assert_eq!(host.take(), [told_of("p", offer())]);
    host.send("p", answer());
    assert_eq!(host.take(), [format!(r#"{{"opcode":14,"payload":{ANSWER},"rx":"p"}}"#)]);

    let mut peer = Line::inside(Numbering::Seed, false);
    peer.send("h", offer());
    assert_eq!(peer.take(), [format!(r#"{{"opcode":12,"payload":{OFFER},"rx":"h"}}"#)]);
}

#[test]
fn in_the_seed_numbering_the_server_asks_for_signs_of_life() {
    let mut line = Line::inside(Numbering::Seed, true);
    line.pass(30);
    assert_eq!(line.take(), [""; 0]);
    line.hear(r#"{"opcode":1}"#);
    assert_eq!(line.take(), [r#"{"opcode":1}"#]);
    line.request(ClientRequest::Suspect { id: "p".to_owned() });
    assert_eq!(line.take(), [r#"{"opcode":20,"rx":"p"}"#]);
    line.hear(r#"{"opcode":19,"payload":"p","tx":"p"}"#);
    assert_eq!(line.take(), [r#"PeerGone { id: "p" }"#]);
    line.request(ClientRequest::Close);
    assert_eq!(line.take(), [r#"{"opcode":18}"#, "close 1000 "]);
}

#[test]
fn in_the_late_numbering_the_client_gives_signs_of_life() {
    let mut line = Line::inside(Numbering::Late, true);
    line.pass(30);
    assert_eq!(line.take(), [r#"{"opcode":1}"#]);
    line.hear(r#"{"opcode":1}"#);
    assert_eq!(line.take(), [""; 0]);
    line.pass(89);
    assert_eq!(line.take(), [r#"{"opcode":1}"#]);
    line.pass(1);
    assert_eq!(line.take(), ["close 1001 Keepalive timeout"]);
}

#[test]
fn a_refused_client_may_try_again() {
    let mut line = Line::new(Numbering::Late);
    line.hear(r#"{"opcode":3,"payload":"me"}"#);
    line.take();
    let join = |password: &str| ClientRequest::Join {
        lobby: "lobby".to_owned(),
        password: password.to_owned(),
    };
    line.request(join(""));
    assert_eq!(line.take(), [r#"{"opcode":5,"payload":{"lobby_id":"lobby","password":""}}"#]);
    line.hear(r#"{"opcode":31}"#);
    assert_eq!(line.take(), ["Refused(PasswordRequired)"]);
    line.request(join("sesame"));
    line.hear(r#"{"opcode":32}"#);
    line.hear(r#"{"opcode":7}"#);
    assert_eq!(
        line.take()[1..],
        [r#"Joined { lobby: "lobby" }"#.to_owned()],
        "what was right about the password need not be told"
    );
}

#[test]
fn a_host_of_the_late_numbering_says_what_its_lobby_is_like() {
    for (host_gone, reclaim, claim) in [
        (HostGone::Close, false, false),
        (HostGone::GoOn, true, true),
        (HostGone::OldestTakesOver, true, false),
    ] {
        let mut line = Line::new(Numbering::Late);
        line.hear(r#"{"opcode":3,"payload":"me"}"#);
        line.take();
        let options = LobbyOptions { max_members: 4, password: "x".to_owned(), host_gone };
        line.request(ClientRequest::Host { lobby: "lobby".to_owned(), options });
        let payload = format!(
            r#"{{"lobby_id":"lobby","allow_host_reclaim":{reclaim},"allow_peers_to_claim_host":{claim},"max_peers":4,"password":"x"}}"#
        );
        assert_eq!(line.take(), [format!(r#"{{"opcode":4,"payload":{payload}}}"#)]);
    }
}

#[test]
fn a_member_of_the_late_numbering_may_become_host_or_lose_its_lobby() {
    let mut line = Line::inside(Numbering::Late, false);
    line.hear(r#"{"opcode":23,"payload":{"lobby_id":"lobby","id":"me","username":"Ada"}}"#);
    line.hear(r#"{"opcode":21,"payload":"lobby"}"#);
    line.hear(r#"{"opcode":20,"payload":"lobby"}"#);
    assert_eq!(
        line.take(),
        [
            r#"HostChanged { lobby: "lobby", host: Party { id: "me", name: "Ada" }, is_me: true }"#,
            r#"HostGone { lobby: "lobby" }"#,
            r#"LobbyClosed { lobby: "lobby" }"#,
        ]
    );
    line.send("0192a3b4-c5d6-7000-8000-000000000001", offer());
    assert_eq!(line.take(), [""; 0]);
    line.request(ClientRequest::Join { lobby: "b".to_owned(), password: String::new() });
    assert_eq!(line.take(), [r#"{"opcode":5,"payload":{"lobby_id":"b","password":""}}"#]);
}

#[test]
fn signals_and_channels_of_the_late_numbering_name_who_they_are_from() {
    let mut line = Line::inside(Numbering::Late, true);
    let id = "0192a3b4-c5d6-7000-8000-000000000001";
    for (opcode, signal, payload) in
        [(10, offer(), OFFER), (11, answer(), ANSWER), (12, candidate(), CANDIDATE)]
    {
        line.send(id, signal.clone());
        assert_eq!(
            line.take(),
            [format!(r#"{{"opcode":{opcode},"payload":{payload},"rx":"{id}"}}"#)]
        );
        line.hear(&format!(
            r#"{{"opcode":{opcode},"payload":{payload},"tx":{{"id":"b","username":"Bea"}}}}"#
        ));
        let from = Party { id: "b".to_owned(), name: "Bea".to_owned() };
        assert_eq!(line.take(), [format!("{:?}", ClientEvent::Signal { from, signal })]);
    }
    line.hear(
        r#"{"opcode":35,"payload":{"id":1,"name":"chat","ordered":true},"tx":{"id":"b","username":"Bea"}}"#,
    );
    assert_eq!(
        line.take(),
        [
            r#"ChannelWanted { from: Party { id: "b", name: "Bea" }, id: 1, name: "chat", ordered: true }"#
        ]
    );
}

#[test]
fn what_means_nothing_is_told_and_ignored() {
    for numbering in [Numbering::Seed, Numbering::Late] {
        let mut line = Line::inside(numbering, true);
        line.hear("garbage");
        line.hear(r#"{"opcode":99}"#);
        assert_eq!(line.take(), ["Malformed { bytes: 7 }", "Malformed { bytes: 13 }"]);
    }
}

#[test]
fn the_end_is_told_once_with_its_reason() {
    let mut line = Line::inside(Numbering::Seed, true);
    line.hear(r#"{"opcode":0,"payload":"why"}"#);
    for _ in 0..2 {
        line.input(SessionInput::Closed { close: Close::new(1002, "why"), cause: Cause::Closed });
    }
    assert_eq!(
        line.take(),
        [
            r#"Violation { message: "why" }"#,
            r#"Disconnected { code: 1002, reason: "why", cause: Closed }"#,
        ]
    );
    assert_eq!(line.session.poll_timeout(), None);
}

#[test]
fn a_game_is_named_in_the_path() {
    assert_eq!(Numbering::Seed.target("a game/1"), "/ws/a%20game%2F1?v=0");
    assert_eq!(Numbering::Late.target("ü"), "/signaling/%C3%BC?v=0");
}
