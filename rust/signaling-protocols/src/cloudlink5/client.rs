//! One client's session with a lobby server: one WebSocket, from which nothing is left when it
//! ends.
//!
//! ```text
//!   connecting ─ opened ─► introduced ─ INIT_OK ─► welcomed ──┐
//!        └──────────────────── closed ────────────────────────┴─► over
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::outputs::SessionOutputs;
use signaling_core::{Cause, Close, Frame, Session, SessionInput, SessionOutput};

use super::manage::Manage;
use super::wire::{
    ClientMessage, CreateLobby, CreateReply, Init, JoinLobby, JoinReply, LobbyInfo, Role,
    ServerMessage, User,
};
use crate::json::length;

/// Requests that wait for an answer; further ones are refused.
const MAX_UNANSWERED: usize = 256;
/// After so long without anything from a server that is given signs of life, which it answers, the
/// connection counts as lost.
const SILENCE_LIMIT: Duration = Duration::from_secs(90);

/// How a session is to be.
#[derive(Debug, Clone)]
pub struct LobbyOptions {
    /// Who we are: a name, or a token where the server has accounts.
    pub init: Init,
    /// How long after each sign of life was answered the next one follows. Default 5 s; `None`: the
    /// server is given none, and may be silent for as long as it likes.
    pub keepalive: Option<Duration>,
}

impl LobbyOptions {
    /// The usual way in: a name and no account.
    pub fn named(username: &str) -> Self {
        let (token, pubkey) = (GUEST_TOKEN.to_owned(), String::new());
        let init = Init { username: username.to_owned(), token, pubkey };
        Self { init, keepalive: Some(Duration::from_secs(5)) }
    }
}

/// What clients without an account give for a token.
const GUEST_TOKEN: &str = "let me in";

/// What the game asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LobbyRequest {
    /// Something that is answered with [`LobbyEvent::Answered`], once.
    Ask {
        /// Names the question in its answer.
        ticket: u64,
        /// What.
        ask: Ask,
    },
    /// To end the session, which is also how one leaves a lobby.
    Close,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The names of all lobbies.
    List,
    /// What the lobby of this name is like.
    Find(String),
    /// To create a lobby and be its host.
    Create(CreateLobby),
    /// To join a lobby, and leave the one that we are in.
    Join(JoinLobby),
    /// To change the lobby that we are host of.
    Manage(Manage),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The names of all lobbies, oldest first.
    Lobbies(Vec<Arc<str>>),
    /// What the lobby is like; `None`: there is none.
    Found(Option<Box<LobbyInfo>>),
    /// Whether the lobby was created.
    Created(CreateReply),
    /// Whether the lobby was joined.
    Joined(JoinReply),
    /// `ok`, or why the lobby was not changed.
    Managed(String),
    /// The server did not do it, for this reason.
    Warned(String),
    /// Too much waits for an answer already; it was not sent.
    Overloaded,
    /// The connection has ended: it may have been done or not.
    Lost,
}

/// What the game is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LobbyEvent {
    /// The server let us in.
    Welcomed(User),
    /// What was asked with this ticket has an answer.
    Answered {
        /// The ticket.
        ticket: u64,
        /// What came of it.
        answer: Answer,
    },
    /// We play another part now.
    RoleChanged(Role),
    /// Who the host of the lobby is; perhaps ourselves.
    HostChanged(User),
    /// Somebody has joined, to whom we are to connect: the newcomer waits for our offer.
    PeerJoined(User),
    /// A member is gone.
    PeerLeft(Arc<str>),
    /// There is another lobby.
    LobbyListed(Arc<str>),
    /// A lobby is gone; it may have been ours.
    LobbyClosed(Arc<str>),
    /// A peer to connect to that relays for all.
    Relay(String),
    /// Something for the user to read.
    Warning(String),
    /// Why the server closes the connection; `Disconnected` follows.
    Violation(String),
    /// The server sent something that means nothing; it was ignored.
    Malformed {
        /// How many bytes it had.
        bytes: usize,
    },
    /// The connection has ended, or never came about. Nothing follows but answers.
    Disconnected {
        /// The close code; 1006 when there was no close frame.
        code: u16,
        /// The reason, as the server gave it or as the network reported it.
        reason: String,
        /// What brought it about.
        cause: Cause,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Connecting,
    Open,
    Over,
}

/// The client side of the lobbies.
#[derive(Debug)]
pub struct LobbySession {
    options: LobbyOptions,
    line: Line,
    /// What waits for an answer, in the order in which the server answers; at most
    /// [`MAX_UNANSWERED`].
    asked: VecDeque<(u64, Ask)>,
    /// When to give the next sign of life.
    keepalive: Option<Instant>,
    silence: Option<Keepalive>,
    out: SessionOutputs<LobbyEvent>,
}

impl LobbySession {
    /// A session whose connection is being made.
    pub fn new(options: LobbyOptions) -> Self {
        let (asked, out) = (VecDeque::new(), SessionOutputs::default());
        let line = Line::Connecting;
        Self { options, line, asked, keepalive: None, silence: None, out }
    }
}

impl Session for LobbySession {
    type Request = LobbyRequest;
    type Event = LobbyEvent;

    fn handle_input(&mut self, now: Instant, input: SessionInput<'_, LobbyRequest>) {
        match input {
            SessionInput::Opened => self.open(now),
            SessionInput::Frame(frame) => self.receive(now, frame),
            SessionInput::Closed { close, cause } => self.end(&close, cause),
            SessionInput::Request(LobbyRequest::Ask { ticket, ask }) => self.ask(ticket, ask),
            SessionInput::Request(LobbyRequest::Close) => {
                self.out.close(Close::normal());
            }
            SessionInput::Timeout => self.handle_timeout(now),
        }
    }

    fn poll_output(&mut self) -> Option<SessionOutput<LobbyEvent>> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let silence = self.silence.as_ref().and_then(Keepalive::poll_timeout);
        self.keepalive.into_iter().chain(silence).min()
    }
}

impl LobbySession {
    fn open(&mut self, now: Instant) {
        self.line = Line::Open;
        if self.options.keepalive.is_some() {
            self.silence = Some(Keepalive::new(now, None, Some(SILENCE_LIMIT)));
            self.send(&ClientMessage::Keepalive);
        }
        self.send(&ClientMessage::Init(Ok(self.options.init.clone())));
        let early: Vec<_> = self.asked.iter().map(|(_, ask)| ask.message()).collect();
        early.iter().for_each(|message| self.send(message));
    }

    fn ask(&mut self, ticket: u64, ask: Ask) {
        if self.line == Line::Over {
            return self.answer(ticket, Answer::Lost);
        }
        if self.asked.len() >= MAX_UNANSWERED {
            return self.answer(ticket, Answer::Overloaded);
        }
        if self.line == Line::Open {
            self.send(&ask.message());
        }
        self.asked.push_back((ticket, ask));
    }

    fn receive(&mut self, now: Instant, frame: Frame<'_>) {
        if let Some(silence) = &mut self.silence {
            silence.heard(now);
        }
        let Some(message) = ServerMessage::decode(frame) else {
            return self.out.tell(LobbyEvent::Malformed { bytes: length(frame) });
        };
        match message {
            ServerMessage::KeepaliveAck(_) => {
                self.keepalive = self.options.keepalive.map(|delay| now + delay);
            }
            ServerMessage::ListAck(names) => self.answered(Answer::Lobbies(names)),
            ServerMessage::FindAck(info) => self.answered(Answer::Found(info)),
            ServerMessage::CreateAck(reply) => self.answered(Answer::Created(reply)),
            ServerMessage::JoinAck(reply) => self.answered(Answer::Joined(reply)),
            ServerMessage::ManageAck(text) => self.answered(Answer::Managed(text.into())),
            ServerMessage::Warning(text) if REFUSALS.contains(&&*text) => {
                self.answered(Answer::Warned(text.into()));
            }
            ServerMessage::InitOk(user) => self.out.tell(LobbyEvent::Welcomed(user)),
            ServerMessage::NewHost(user) => self.out.tell(LobbyEvent::HostChanged(user)),
            ServerMessage::NewPeer(user) | ServerMessage::PeerJoin(user) => {
                self.out.tell(LobbyEvent::PeerJoined(user));
            }
            ServerMessage::PeerLeft(id) => self.out.tell(LobbyEvent::PeerLeft(id)),
            ServerMessage::NewLobby(name) => self.out.tell(LobbyEvent::LobbyListed(name)),
            ServerMessage::LobbyClosed(name) => self.out.tell(LobbyEvent::LobbyClosed(name)),
            ServerMessage::Transition(role) => self.out.tell(LobbyEvent::RoleChanged(role)),
            ServerMessage::Relay(id) => self.out.tell(LobbyEvent::Relay(id)),
            ServerMessage::Warning(text) => self.out.tell(LobbyEvent::Warning(text.into())),
            ServerMessage::Violation(text) => self.out.tell(LobbyEvent::Violation(text.into())),
        }
    }

    /// The server answers in order: what was asked before has no answer any more.
    fn answered(&mut self, answer: Answer) {
        while let Some((ticket, ask)) = self.asked.pop_front() {
            if ask.is_answered_by(&answer) {
                return self.answer(ticket, answer);
            }
            self.answer(ticket, Answer::Lost);
        }
        if let Answer::Warned(text) = answer {
            self.out.tell(LobbyEvent::Warning(text));
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.keepalive.is_some_and(|due| due <= now) {
            self.keepalive = None;
            self.send(&ClientMessage::Keepalive);
        }
        if let Some(Beat::Silent) = self.silence.as_mut().and_then(|silence| silence.poll(now)) {
            (self.keepalive, self.silence) = (None, None);
            self.out.close(Close::keepalive_timeout());
        }
    }

    fn end(&mut self, close: &Close, cause: Cause) {
        self.line = Line::Over;
        (self.keepalive, self.silence) = (None, None);
        let (code, reason) = (close.code, (*close.reason).to_owned());
        self.out.tell(LobbyEvent::Disconnected { code, reason, cause });
        for (ticket, _) in std::mem::take(&mut self.asked) {
            self.answer(ticket, Answer::Lost);
        }
    }

    fn answer(&mut self, ticket: u64, answer: Answer) {
        self.out.tell(LobbyEvent::Answered { ticket, answer });
    }

    fn send(&mut self, message: &ClientMessage<'_>) {
        self.out.send(message.encode());
    }
}

/// Warnings that stand for an answer.
const REFUSALS: [&str; 3] = ["unauthorized", "already in lobby", "unknown or unimplemented opcode"];

impl Ask {
    fn message(&self) -> ClientMessage<'static> {
        match self.clone() {
            Self::List => ClientMessage::ListLobbies,
            Self::Find(name) => ClientMessage::FindLobby(Some(name.into())),
            Self::Create(lobby) => ClientMessage::CreateLobby(Ok(lobby)),
            Self::Join(join) => ClientMessage::JoinLobby(Ok(join)),
            Self::Manage(manage) => ClientMessage::ManageLobby(Ok(manage)),
        }
    }

    fn is_answered_by(&self, answer: &Answer) -> bool {
        matches!(
            (self, answer),
            (_, Answer::Warned(_))
                | (Self::List, Answer::Lobbies(_))
                | (Self::Find(_), Answer::Found(_))
                | (Self::Create(_), Answer::Created(_))
                | (Self::Join(_), Answer::Joined(_))
                | (Self::Manage(_), Answer::Managed(_))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session that is connected, and what it has said by then.
    fn opened() -> (LobbySession, Instant, Vec<String>) {
        let (mut session, now) = (LobbySession::new(LobbyOptions::named("Ada")), Instant::now());
        session.handle_input(now, SessionInput::Opened);
        let (said, _) = drain(&mut session);
        (session, now, said)
    }

    fn drain(session: &mut LobbySession) -> (Vec<String>, Vec<LobbyEvent>) {
        let (mut said, mut told) = (Vec::new(), Vec::new());
        while let Some(output) = session.poll_output() {
            match output {
                SessionOutput::Send(text) => said.push(text.to_string()),
                SessionOutput::Event(event) => told.push(event),
                SessionOutput::Close(_) | SessionOutput::Connect => {}
            }
        }
        (said, told)
    }

    fn ask(session: &mut LobbySession, now: Instant, ticket: u64, ask: Ask) {
        let request = LobbyRequest::Ask { ticket, ask };
        session.handle_input(now, SessionInput::Request(request));
    }

    fn hear(session: &mut LobbySession, now: Instant, message: &ServerMessage) {
        let text = message.encode();
        session.handle_input(now, SessionInput::Frame(Frame::Text(&text)));
    }

    #[test]
    fn a_session_introduces_itself_and_stays_alive() {
        let (mut session, now, said) = opened();
        let init = r#"{"opcode":"INIT","payload":{"username":"Ada","token":"let me in"}}"#;
        assert_eq!(said, [r#"{"opcode":"KEEPALIVE"}"#, init]);
        assert_eq!(session.poll_timeout(), Some(now + SILENCE_LIMIT));
        hear(&mut session, now, &ServerMessage::KeepaliveAck("AAAA".into()));
        let due = now + Duration::from_secs(5);
        assert_eq!(session.poll_timeout(), Some(due));
        session.handle_input(due, SessionInput::Timeout);
        assert_eq!(drain(&mut session).0, [r#"{"opcode":"KEEPALIVE"}"#]);
    }

    #[test]
    fn a_server_that_falls_silent_is_left() {
        let (mut session, start, _) = opened();
        let last = start + Duration::from_secs(60);
        hear(&mut session, last, &ServerMessage::Warning("careful".into()));
        drain(&mut session);
        session.handle_input(start + SILENCE_LIMIT, SessionInput::Timeout);
        assert_eq!(session.poll_output(), None);
        let due = last + SILENCE_LIMIT;
        assert_eq!(session.poll_timeout(), Some(due));
        session.handle_input(due, SessionInput::Timeout);
        let close = SessionOutput::Close(Close::keepalive_timeout());
        assert_eq!((session.poll_output(), session.poll_timeout()), (Some(close), None));
    }

    #[test]
    fn each_question_is_answered_once_and_in_order() {
        let (mut session, now, _) = opened();
        ask(&mut session, now, 1, Ask::List);
        ask(&mut session, now, 2, Ask::Manage(Manage::Lock));
        ask(&mut session, now, 3, Ask::Find("a".into()));
        drain(&mut session);
        hear(&mut session, now, &ServerMessage::ListAck(vec!["a".into()]));
        hear(&mut session, now, &ServerMessage::Warning("unauthorized".into()));
        hear(&mut session, now, &ServerMessage::FindAck(None));
        let answers = [
            (1, Answer::Lobbies(vec!["a".into()])),
            (2, Answer::Warned("unauthorized".into())),
            (3, Answer::Found(None)),
        ];
        let answers = answers.map(|(ticket, answer)| LobbyEvent::Answered { ticket, answer });
        assert_eq!(drain(&mut session).1, answers);
    }

    #[test]
    fn what_is_asked_early_is_sent_once_there_is_a_connection() {
        let (mut session, now) = (LobbySession::new(LobbyOptions::named("Ada")), Instant::now());
        ask(&mut session, now, 1, Ask::List);
        assert_eq!(drain(&mut session), (vec![], vec![]));
        session.handle_input(now, SessionInput::Opened);
        assert_eq!(drain(&mut session).0.last().unwrap(), r#"{"opcode":"LIST_LOBBIES"}"#);
    }

    #[test]
    fn nothing_stays_unanswered_at_the_end() {
        let (mut session, now, _) = opened();
        for ticket in 0..300 {
            ask(&mut session, now, ticket, Ask::List);
        }
        let (said, told) = drain(&mut session);
        assert_eq!((said.len(), told.len()), (256, 44));
        let close = Close::abnormal("cut");
        session.handle_input(now, SessionInput::Closed { close, cause: Cause::Lost });
        ask(&mut session, now, 300, Ask::List);
        assert_eq!(drain(&mut session).1.len(), 256 + 1 + 1);
    }
}
