//! A protocol for testing connections: a hall in which everybody hears everybody else.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use signaling_core::timers::Timers;
use signaling_core::{
    Cause, Close, ConnId, Frame, Input, Output, Server, Session, SessionInput, SessionOutput,
};
use tokio::sync::oneshot;

/// The server. Whatever a connection says, all others hear; `leave` makes the server close it with
/// 4000. Others hear `gone` when a connection departs. A connection must say something within the
/// patience of the hall.
pub(super) struct Hall {
    patience: Duration,
    present: BTreeSet<ConnId>,
    silent: Timers<ConnId>,
    outputs: VecDeque<Output<Notice>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    Entered { target: String, from: String },
    Left,
}

/// Everybody hears this.
pub(super) struct Announce(pub(super) String);

impl Hall {
    pub(super) fn new() -> Self {
        Self::with_patience(Duration::from_secs(60))
    }

    pub(super) fn with_patience(patience: Duration) -> Self {
        Self {
            patience,
            present: BTreeSet::new(),
            silent: Timers::default(),
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn present(&self) -> usize {
        self.present.len()
    }

    fn tell_others(&mut self, conn: ConnId, text: &str) {
        let text: Arc<str> = text.into();
        let others = self.present.iter().filter(|other| **other != conn);
        self.outputs
            .extend(others.map(|other| Output::Send { conn: *other, text: Arc::clone(&text) }));
    }

    fn depart(&mut self, conn: ConnId) {
        assert!(self.present.remove(&conn), "each connection departs once");
        self.silent.cancel(&conn);
        self.tell_others(conn, "gone");
        self.outputs.push_back(Output::Notice(Notice::Left));
    }

    fn expel(&mut self, conn: ConnId, close: Close) {
        self.depart(conn);
        self.outputs.push_back(Output::Close { conn, close });
    }

    fn hear(&mut self, conn: ConnId, text: &str) {
        assert!(self.present.contains(&conn), "nobody is heard after departing");
        self.silent.cancel(&conn);
        match text {
            "leave" => self.expel(conn, Close::new(4000, "As you wish")),
            text => self.tell_others(conn, text),
        }
    }
}

impl Server for Hall {
    type Message<'a> = &'a str;
    type Command = Announce;
    type Notice = Notice;

    fn decode(frame: Frame<'_>) -> &str {
        match frame {
            Frame::Text(text) => text,
            Frame::Binary(_) => "leave",
        }
    }

    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>) {
        match input {
            Input::Opened { conn, target, from } => {
                assert!(self.present.insert(conn), "each connection is new");
                self.silent.set(conn, now + self.patience);
                let (target, from) = (target.to_owned(), from.to_owned());
                self.outputs.push_back(Output::Notice(Notice::Entered { target, from }));
            }
            Input::Message { conn, message } => self.hear(conn, message),
            Input::Heard { .. } => {}
            Input::Closed { conn } => self.depart(conn),
            Input::Command(Announce(text)) => self.tell_others(ConnId(u64::MAX), &text),
            Input::Timeout => {
                while let Some(conn) = self.silent.pop_due(now) {
                    self.expel(conn, Close::new(4000, "Say something"));
                }
            }
            Input::Shutdown => {
                for conn in std::mem::take(&mut self.present) {
                    let close = Close::shutting_down();
                    self.outputs.push_back(Output::Close { conn, close });
                }
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output<Notice>> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.silent.earliest()
    }
}

/// The client: says what it is asked to say, and tells what it hears. With a bedtime, it closes
/// the connection by itself after that long; with an absence, it comes back that long after each
/// loss.
#[derive(Default)]
pub(super) struct Guest {
    bedtime: Option<Duration>,
    leaves: Option<Instant>,
    absence: Option<Duration>,
    returns: Option<Instant>,
    /// Dropped with the session.
    _watched: Option<oneshot::Sender<()>>,
    outputs: VecDeque<SessionOutput<Event>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Say(String),
    Leave,
    Return,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Opened,
    Heard(String),
    Closed(Close),
    Failed(Cause, Close),
}

impl Guest {
    pub(super) fn with_bedtime(bedtime: Duration) -> Self {
        Self { bedtime: Some(bedtime), ..Self::default() }
    }

    pub(super) fn returning_after(absence: Duration) -> Self {
        Self { absence: Some(absence), ..Self::default() }
    }

    /// With a receiver that fails when the session is dropped.
    pub(super) fn watched(self) -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self { _watched: Some(sender), ..self }, receiver)
    }

    /// What its clock makes it do.
    fn awake(&mut self, now: Instant) -> Option<SessionOutput<Event>> {
        if self.leaves.take_if(|leaves| *leaves <= now).is_some() {
            return Some(SessionOutput::Close(Close::new(1000, "Bedtime")));
        }
        self.returns.take_if(|returns| *returns <= now).map(|_| SessionOutput::Connect)
    }
}

impl Session for Guest {
    type Request = Request;
    type Event = Event;

    fn handle_input(&mut self, now: Instant, input: SessionInput<'_, Request>) {
        let output = match input {
            SessionInput::Opened => {
                self.leaves = self.bedtime.map(|bedtime| now + bedtime);
                SessionOutput::Event(Event::Opened)
            }
            SessionInput::Frame(Frame::Text(text)) => {
                SessionOutput::Event(Event::Heard(text.to_owned()))
            }
            SessionInput::Closed { close, cause } => {
                self.returns = self.absence.map(|absence| now + absence);
                SessionOutput::Event(match cause {
                    Cause::Closed => Event::Closed(close),
                    cause => Event::Failed(cause, close),
                })
            }
            SessionInput::Request(Request::Say(text)) => SessionOutput::Send(text.into()),
            SessionInput::Request(Request::Leave) => SessionOutput::Close(Close::new(1000, "Bye")),
            SessionInput::Request(Request::Return) => SessionOutput::Connect,
            SessionInput::Timeout => match self.awake(now) {
                Some(output) => output,
                None => return,
            },
            SessionInput::Frame(Frame::Binary(_)) => return,
        };
        self.outputs.push_back(output);
    }

    fn poll_output(&mut self) -> Option<SessionOutput<Event>> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.leaves.into_iter().chain(self.returns).min()
    }
}
