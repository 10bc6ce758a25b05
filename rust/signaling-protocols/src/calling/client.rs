//! One client's session with a server, on one connection: when that is lost, the session is over.
//!
//! ```text
//!   connecting ─ opened ─► open
//!        └──── closed ──────┴───► over
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::outputs::SessionOutputs;
use signaling_core::{Cause, Close, Frame, Session, SessionInput, SessionOutput};

use super::settings::Settings;
use super::value::Payload;
use super::wire::ServerMessage;
use super::wire::event::Event;
use super::wire::reply::{Expects, Reply};
use super::wire::request::Request;
use crate::json::length;

/// Requests of the game that wait for an answer; further ones are refused. Whoever enters a full
/// room answers 31 offers at once, each with its candidates.
const MAX_UNANSWERED: usize = 1024;
/// What they may take together, in bytes: less than what a connection lets wait to be written.
const MAX_UNANSWERED_BYTES: usize = 512 << 10;

/// What the game may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientRequest {
    /// Ask the server for something. What is asked before the connection stands waits for it.
    Ask {
        /// What [`ClientEvent::Answered`] names, once.
        ticket: u64,
        /// What.
        request: Box<Request>,
    },
    /// Close the connection, for good.
    Close,
}

/// What the game is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server tells of something; of what it tells under two names, once.
    Told(Event),
    /// What was asked with this ticket has an answer.
    Answered {
        /// The ticket.
        ticket: u64,
        /// What was done, or why not.
        result: Result<Reply, Refusal>,
    },
    /// The server sent something that makes no sense, and it was ignored.
    Malformed {
        /// Its length.
        bytes: usize,
    },
    /// The connection has ended or never came about; nothing follows.
    Disconnected {
        /// The close code; 1006 when there was no close frame.
        code: u16,
        /// The reason.
        reason: String,
        /// What brought it about.
        cause: Cause,
    },
}

/// Why what was asked was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server says so; this is its text, most often one of [`Problem`](super::Problem).
    #[error("{0}")]
    Refused(String),
    /// The answer of the server makes no sense; it may have been done.
    #[error("The answer makes no sense")]
    Misunderstood,
    /// 1024 requests, or 512 KiB of them, wait already.
    #[error("Too many requests wait for an answer")]
    Overloaded,
    /// It would take more than [`Settings::MAX_MESSAGE_BYTES`], and was not sent.
    #[error("The message is too large")]
    TooLarge,
    /// The connection ended before the answer came; it may have been done.
    #[error("The connection is lost")]
    ConnectionLost,
    /// There is no connection any more.
    #[error("There is no connection")]
    NotConnected,
}

/// After which times a session wants to hear something.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionOptions {
    /// After which time without a message the server is asked whether it is there. Default 40 s.
    pub ping_after: Duration,
    /// After which time without a message the connection is closed with 1001. Default 100 s.
    pub give_up_after: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { ping_after: Duration::from_secs(40), give_up_after: Duration::from_secs(100) }
    }
}

/// The client side of the protocol.
#[derive(Debug)]
pub struct CallingSession {
    options: SessionOptions,
    line: Line,
    next_tid: u64,
    /// What waits for an answer, by its number. At most [`MAX_UNANSWERED`].
    asked: BTreeMap<u64, Asked>,
    /// What that takes. At most [`MAX_UNANSWERED_BYTES`].
    asked_bytes: usize,
    /// What was asked before the connection stood.
    early: Vec<Arc<str>>,
    /// What was told last, if a repetition under another name may follow.
    repeatable: Option<Event>,
    keepalive: Option<Keepalive>,
    out: SessionOutputs<ClientEvent>,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Asked {
    ticket: u64,
    /// What the answer carries.
    expects: Expects,
    /// Its length.
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Connecting,
    Open,
    Over,
}

impl CallingSession {
    /// A session whose connection is being made.
    pub fn new(options: SessionOptions) -> Self {
        Self {
            options,
            line: Line::Connecting,
            next_tid: 0,
            asked: BTreeMap::new(),
            asked_bytes: 0,
            early: Vec::new(),
            repeatable: None,
            keepalive: None,
            out: SessionOutputs::default(),
        }
    }
}

impl Session for CallingSession {
    type Request = ClientRequest;
    type Event = ClientEvent;

    fn handle_input(&mut self, now: Instant, input: SessionInput<'_, ClientRequest>) {
        match input {
            SessionInput::Opened if self.line == Line::Connecting => self.open(now),
            SessionInput::Frame(frame) if self.line == Line::Open => self.receive(now, frame),
            SessionInput::Request(ClientRequest::Ask { ticket, request }) => {
                self.ask(ticket, &request);
            }
            SessionInput::Request(ClientRequest::Close) => self.close(Close::normal()),
            SessionInput::Timeout => self.handle_timeout(now),
            SessionInput::Closed { close, cause } if self.line != Line::Over => {
                self.end(&close, cause);
            }
            SessionInput::Opened | SessionInput::Frame(_) | SessionInput::Closed { .. } => {}
        }
    }

    fn poll_output(&mut self) -> Option<SessionOutput<ClientEvent>> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.keepalive.as_ref().and_then(Keepalive::poll_timeout)
    }
}

impl CallingSession {
    fn open(&mut self, now: Instant) {
        self.line = Line::Open;
        let SessionOptions { ping_after, give_up_after } = self.options;
        self.keepalive = Some(Keepalive::in_silence(now, [ping_after].into(), Some(give_up_after)));
        std::mem::take(&mut self.early).into_iter().for_each(|text| self.out.send(text));
    }

    fn ask(&mut self, ticket: u64, request: &Request) {
        if let Err(refusal) = self.try_to_ask(ticket, request) {
            self.answer(ticket, Err(refusal));
        }
    }

    fn try_to_ask(&mut self, ticket: u64, request: &Request) -> Result<(), Refusal> {
        if self.line == Line::Over {
            return Err(Refusal::NotConnected);
        }
        let text = request.encode(Some(self.next_tid));
        let bytes = text.len();
        if bytes > Settings::MAX_MESSAGE_BYTES {
            return Err(Refusal::TooLarge);
        }
        if self.asked.len() >= MAX_UNANSWERED || self.asked_bytes + bytes > MAX_UNANSWERED_BYTES {
            return Err(Refusal::Overloaded);
        }
        let expects = Expects::from(request);
        self.asked.insert(self.next_tid, Asked { ticket, expects, bytes });
        self.asked_bytes += bytes;
        self.send(text);
        Ok(())
    }

    /// Sends the request with the next number, as soon as the connection stands.
    fn send(&mut self, text: Arc<str>) {
        self.next_tid += 1;
        match self.line {
            Line::Connecting => self.early.push(text),
            Line::Open | Line::Over => self.out.send(text),
        }
    }

    fn receive(&mut self, now: Instant, frame: Frame<'_>) {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(now);
        }
        let repeatable = self.repeatable.take();
        match ServerMessage::decode(frame) {
            Some(ServerMessage::Answer { tid, result }) => self.receive_answer(tid, result),
            Some(ServerMessage::Event { event, is_alias }) => {
                if is_alias && repeatable.as_ref() == Some(&event) {
                    return;
                }
                self.repeatable = (!is_alias && event.has_alias()).then(|| event.clone());
                self.out.tell(ClientEvent::Told(event));
            }
            Some(ServerMessage::Unknown) => {}
            None => self.out.tell(ClientEvent::Malformed { bytes: length(frame) }),
        }
    }

    /// Answers that nobody waits for are those to our own pings.
    fn receive_answer(&mut self, tid: u64, result: Result<Option<Payload>, String>) {
        let Some(Asked { ticket, expects, bytes }) = self.asked.remove(&tid) else { return };
        self.asked_bytes -= bytes;
        let result = result
            .map_err(Refusal::Refused)
            .and_then(|data| Reply::decode(expects, data.as_ref()).ok_or(Refusal::Misunderstood));
        self.answer(ticket, result);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(beat) = self.keepalive.as_mut().and_then(|keepalive| keepalive.poll(now)) {
            match beat {
                Beat::Ping => self.send(Request::Ping.encode(Some(self.next_tid))),
                Beat::Silent => self.close(Close::new(1001, "Timed out")),
            }
        }
    }

    fn close(&mut self, close: Close) {
        self.keepalive = None;
        if self.line != Line::Over {
            self.out.close(close);
        }
    }

    fn end(&mut self, close: &Close, cause: Cause) {
        self.line = Line::Over;
        self.keepalive = None;
        (self.early, self.asked_bytes) = (Vec::new(), 0);
        for Asked { ticket, .. } in std::mem::take(&mut self.asked).into_values() {
            self.answer(ticket, Err(Refusal::ConnectionLost));
        }
        let (code, reason) = (close.code, close.reason.to_string());
        self.out.tell(ClientEvent::Disconnected { code, reason, cause });
    }

    fn answer(&mut self, ticket: u64, result: Result<Reply, Refusal>) {
        self.out.tell(ClientEvent::Answered { ticket, result });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calling::{Payload, RoomView, Scope, Status};

    struct Line {
        session: CallingSession,
        now: Instant,
    }

    impl Line {
        fn connecting() -> Self {
            let session = CallingSession::new(SessionOptions::default());
            Self { session, now: Instant::now() }
        }

        fn open() -> Self {
            let mut line = Self::connecting();
            assert_eq!(line.input(SessionInput::Opened), []);
            line
        }

        fn input(
            &mut self,
            input: SessionInput<'_, ClientRequest>,
        ) -> Vec<SessionOutput<ClientEvent>> {
            self.session.handle_input(self.now, input);
            std::iter::from_fn(|| self.session.poll_output()).collect()
        }

        fn hear(&mut self, text: &str) -> Vec<SessionOutput<ClientEvent>> {
            self.input(SessionInput::Frame(Frame::Text(text)))
        }

        fn ask(&mut self, ticket: u64, request: Request) -> Vec<SessionOutput<ClientEvent>> {
            self.input(SessionInput::Request(ClientRequest::Ask {
                ticket,
                request: request.into(),
            }))
        }

        fn pass(&mut self, secs: u64) -> Vec<SessionOutput<ClientEvent>> {
            self.now += Duration::from_secs(secs);
            self.input(SessionInput::Timeout)
        }

        fn lose(&mut self) -> Vec<SessionOutput<ClientEvent>> {
            let close = Close::abnormal("cut");
            self.input(SessionInput::Closed { close, cause: Cause::Lost })
        }
    }

    fn send(text: &str) -> SessionOutput<ClientEvent> {
        SessionOutput::Send(text.into())
    }

    fn answered(ticket: u64, result: Result<Reply, Refusal>) -> SessionOutput<ClientEvent> {
        SessionOutput::Event(ClientEvent::Answered { ticket, result })
    }

    fn told(event: Event) -> SessionOutput<ClientEvent> {
        SessionOutput::Event(ClientEvent::Told(event))
    }

    fn leave(room: &str) -> Request {
        Request::Leave { room: room.into() }
    }

    #[test]
    fn each_request_has_its_answer() {
        let mut line = Line::open();
        let request = r#"{"type":"room_leave","tid":0,"room":"r"}"#;
        assert_eq!(line.ask(7, leave("r")), [send(request)]);
        let join = Request::Join { room: None, status: Status::default() };
        assert_eq!(line.ask(8, join), [send(r#"{"type":"room_join","tid":1,"status":{}}"#)]);
        let invite = Request::Invite {
            room: "r".into(),
            user: "u".into(),
            data: Payload::parse("[]").unwrap(),
        };
        line.ask(9, invite);

        let room = Reply::Room { room: "r".into(), view: RoomView::default() };
        let answer = r#"{"type":"answer","tid":1.0,"data":{"room":"r","peers":{}}}"#;
        assert_eq!(line.hear(answer), [answered(8, Ok(room))]);
        let refusal = Refusal::Refused("Room does not exist".into());
        let answer = r#"{"type":"answer","tid":0,"error":"Room does not exist"}"#;
        assert_eq!(line.hear(answer), [answered(7, Err(refusal))]);
        assert_eq!(line.hear(answer), []);
        let answer = r#"{"type":"answer","tid":2,"data":{}}"#;
        assert_eq!(line.hear(answer), [answered(9, Err(Refusal::Misunderstood))]);
    }

    #[test]
    fn what_is_asked_early_is_sent_when_the_connection_stands() {
        let mut line = Line::connecting();
        assert_eq!(line.ask(1, leave("r")), []);
        let request = r#"{"type":"room_leave","tid":0,"room":"r"}"#;
        assert_eq!(line.input(SessionInput::Opened), [send(request)]);
    }

    #[test]
    fn a_lost_connection_refuses_what_waits_and_ends_the_session() {
        let mut line = Line::open();
        line.ask(1, leave("r"));
        let (code, reason) = (1006, "cut".to_owned());
        let end = ClientEvent::Disconnected { code, reason, cause: Cause::Lost };
        let lost = answered(1, Err(Refusal::ConnectionLost));
        assert_eq!(line.lose(), [lost, SessionOutput::Event(end)]);
        assert_eq!(line.ask(2, leave("r")), [answered(2, Err(Refusal::NotConnected))]);
        assert_eq!(line.session.poll_timeout(), None);
        assert_eq!(line.lose(), []);
    }

    #[test]
    fn too_many_requests_are_refused() {
        let mut line = Line::connecting();
        for ticket in 0..MAX_UNANSWERED as u64 {
            assert_eq!(line.ask(ticket, leave("r")), []);
        }
        assert_eq!(line.ask(9999, leave("r")), [answered(9999, Err(Refusal::Overloaded))]);
        line.input(SessionInput::Opened);
        assert_eq!(line.ask(9999, leave("r")), [answered(9999, Err(Refusal::Overloaded))]);
    }

    fn note(bytes: usize) -> Request {
        let (room, user, event) = ("r".to_owned(), "u".to_owned(), "e".to_owned());
        let data = Payload::parse(&format!(r#"["{}"]"#, "x".repeat(bytes))).unwrap();
        Request::Send { room, user, event, data }
    }

    #[test]
    fn what_the_server_would_not_take_is_refused_and_not_sent() {
        let mut line = Line::open();
        let around = note(0).encode(Some(0)).len();
        let most = Settings::MAX_MESSAGE_BYTES - around;
        let too_large = answered(1, Err(Refusal::TooLarge));
        assert_eq!(line.ask(1, note(most + 1)), [too_large]);
        assert_eq!(line.ask(2, note(most)).len(), 1);
        // A connection that lets 1 MiB wait takes all that may wait for an answer.
        assert_eq!(line.ask(3, note(most)).len(), 1);
        let overloaded = answered(4, Err(Refusal::Overloaded));
        assert_eq!(line.ask(4, leave("r")), [overloaded]);
        line.hear(r#"{"type":"answer","tid":0}"#);
        assert_eq!(line.ask(5, leave("r")).len(), 1);
    }

    #[test]
    fn what_is_told_under_two_names_is_told_once() {
        let mut line = Line::open();
        let stanza =
            |kind: &str| format!(r#"{{"type":"{kind}","namespace":"n","room":"r","user":"u"}}"#);
        let scope = Scope::Namespace("n".into());
        let event = Event::PeerRemoved { scope, room: "r".into(), user: "u".into() };
        assert_eq!(line.hear(&stanza("ns_room_peer_rm")), [told(event.clone())]);
        assert_eq!(line.hear(&stanza("ns_room_user_rm")), []);
        assert_eq!(line.hear(&stanza("ns_room_user_rm")), [told(event.clone())]);
        assert_eq!(line.hear(&stanza("ns_room_peer_rm")), [told(event)]);
    }

    #[test]
    fn silence_is_broken_by_a_ping_and_ended_by_a_close() {
        let mut line = Line::open();
        assert_eq!(line.pass(39), []);
        assert_eq!(line.pass(1), [send(r#"{"type":"ping","tid":0}"#)]);
        assert_eq!(line.hear(r#"{"type":"answer","tid":0}"#), []);
        assert_eq!(line.pass(40), [send(r#"{"type":"ping","tid":1}"#)]);
        assert_eq!(line.pass(59), []);
        assert_eq!(line.pass(1), [SessionOutput::Close(Close::new(1001, "Timed out"))]);
        assert_eq!(line.pass(1000), []);
    }

    #[test]
    fn nonsense_is_told_and_what_is_new_ignored() {
        let mut line = Line::open();
        let malformed = |bytes| SessionOutput::Event(ClientEvent::Malformed { bytes });
        assert_eq!(line.hear("{"), [malformed(1)]);
        assert_eq!(line.hear(r#"{"type":"hello"}"#), [malformed(16)]);
        assert_eq!(line.hear(r#"{"type":"news"}"#), []);
        let hello = Event::Hello { user: "u".into(), server: "s".into() };
        assert_eq!(line.hear(r#"{"type":"hello","id":"u","server":"s","x":1}"#), [told(hello)]);
    }

    #[test]
    fn closing_is_up_to_the_game() {
        let mut line = Line::open();
        let close = line.input(SessionInput::Request(ClientRequest::Close));
        assert_eq!(close, [SessionOutput::Close(Close::normal())]);
        line.lose();
        assert_eq!(line.input(SessionInput::Request(ClientRequest::Close)), []);
    }
}
