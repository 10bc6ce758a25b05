//! A session of the extended protocol, over as many connections as it takes.
//!
//! Reading order:
//! - `connecting`: HELLO, losing the connection, and making it again.
//! - `receiving`: what the server's messages mean.
//! - `asks`: what was asked and is not answered yet.
//! - `links`: what the server is told of the game's own connections.
//! - `pulse`: PING, and when silence means that the connection is gone.

mod asks;
mod connecting;
mod links;
mod pulse;
mod receiving;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use signaling_core::keepalive::Beat;
use signaling_core::replay::Replay;
use signaling_core::timers::Timers;
use signaling_core::{Cause, Close, PeerId, SessionInput};

use super::event::{Answer, ClientEvent, Refusal};
use super::outputs::Outputs;
use super::plain::Plain;
use super::request::{ClientRequest, SessionOptions};
use super::state::ClientState;
use super::told::Told;
use crate::godot::extended::{HostPolicy, LinkState, Problem, Request};
use crate::godot::wire::{self, ClientMessage};
use asks::{Asked, Asker, Asks, Standing};
use connecting::Retries;
use links::Links;
use pulse::Pulse;

/// What there is of a connection.
///
/// ```text
///      dialling ─ opened ─► greeting ─ HELLO ─► talking
///       ▲    ▲ └────┐          │                   │ lost, silent
///       │    └───── │ ── at once, the first time ──┤
///       │    closed ▼          ▼ closed, silent    │
///       └─ delay ─ waiting ◄───┴───────────────────┘
///
///      greeting ─ closed or silent on the very first connection ─► plain
///      from anywhere ─ closed for good, or nobody waits any more ─► over
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Dialling,
    Greeting,
    Talking,
    Waiting,
    /// The server speaks the plain protocol alone; a connection for it is being made.
    Plain,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// When HELLO should have been answered.
    Greeting,
    /// When to make the connection again.
    Retry,
    /// When nobody waits for us any more.
    GiveUp,
}

#[derive(Debug)]
pub(super) struct Extended {
    pub(super) out: Outputs,
    options: SessionOptions,
    rng: StdRng,
    line: Line,
    timers: Timers<Timer>,
    retries: Retries,
    /// How the last connection ended that was lost.
    lost: Option<(Close, Cause)>,
    /// Why the server does not take us, if it does not.
    turned_away: Option<(Problem, String)>,
    /// Whether the server has shown that it speaks the extended protocol.
    is_understood: bool,
    is_closing: bool,

    /// What the server told when the session began.
    identity: Option<Identity>,
    /// Messages that were sent and not confirmed, or wait for a connection: at most 256 KiB. While
    /// there is none, what does not fit is not taken.
    replay: Replay,
    /// While the connection talks.
    pulse: Option<Pulse>,
    asks: Asks,
    standing: Standing,

    /// From DONE until we are out of it.
    lobby: Option<Lobby>,
    /// From ID until we are out of the lobby.
    links: Option<Links>,
    told: Told,
    /// How often the game's connections were made anew.
    generation: u64,
    /// The state, but for what recovering adds to it.
    resting: ClientState,
    /// The state while the connection is lost.
    recovering: Option<ClientState>,
}

#[derive(Debug)]
struct Identity {
    token: String,
    resume_timeout: Duration,
    ping_interval: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Lobby {
    me: PeerId,
    host: PeerId,
    host_policy: HostPolicy,
}

/// As much as a server keeps.
const REPLAY_BYTES: usize = 256 << 10;

/// What a message may have, in bytes.
const MAX_MESSAGE_BYTES: usize = 65_535;

impl Extended {
    /// A session whose first connection is being made.
    pub(super) fn new(options: SessionOptions, rng: StdRng) -> Self {
        Self {
            out: Outputs::default(),
            options,
            rng,
            line: Line::Dialling,
            timers: Timers::default(),
            retries: Retries::default(),
            lost: None,
            turned_away: None,
            is_understood: false,
            is_closing: false,
            identity: None,
            replay: Replay::new(REPLAY_BYTES),
            pulse: None,
            asks: Asks::default(),
            standing: Standing::default(),
            lobby: None,
            links: None,
            told: Told::default(),
            generation: 0,
            resting: ClientState::Idle,
            recovering: None,
        }
    }

    /// What goes on in the plain protocol, once the server has shown that it knows no other.
    pub(super) fn fall_back(&mut self) -> Option<Plain> {
        if self.line != Line::Plain {
            return None;
        }
        let out = std::mem::take(&mut self.out);
        let mut plain = Plain::new(out);
        for asked in self.asks.take_all() {
            if let Asker::Ask(ticket) = asked.asker {
                plain.ask(ticket, asked.request);
            }
        }
        Some(plain)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let pulse = self.pulse.as_ref().and_then(Pulse::poll_timeout);
        self.timers.earliest().into_iter().chain(pulse).min()
    }

    pub(super) fn handle_input(&mut self, now: Instant, input: SessionInput<'_, ClientRequest>) {
        match (self.line, input) {
            (Line::Dialling, SessionInput::Opened) => self.greet(now),
            (Line::Greeting, SessionInput::Frame(frame)) => self.receive_greeting(now, frame),
            (Line::Talking, SessionInput::Frame(frame)) => self.receive(now, frame),
            (
                Line::Dialling | Line::Greeting | Line::Talking,
                SessionInput::Closed { close, cause },
            ) => {
                self.handle_closed(now, close, cause);
            }
            (_, SessionInput::Request(request)) => self.request(now, request),
            (_, SessionInput::Timeout) => self.handle_timeout(now),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Greeting => self.greeting_overdue(now),
                Timer::Retry => self.dial(),
                Timer::GiveUp => self.give_up(),
            }
        }
        while let Some(beat) = self.pulse.as_mut().and_then(|pulse| pulse.poll(now)) {
            match beat {
                Beat::Ping => self.ping(now),
                Beat::Silent => self.fall_silent(now),
            }
        }
    }

    fn request(&mut self, now: Instant, request: ClientRequest) {
        if self.line == Line::Over || self.is_closing {
            if let ClientRequest::Ask { ticket, request } = request {
                self.answer(Asker::Ask(ticket), request, Err(Refusal::NotConnected));
            }
            return;
        }
        match request {
            ClientRequest::Ask { ticket, request } => self.ask(now, Asker::Ask(ticket), request),
            ClientRequest::Seal if self.lobby.is_some() => self.say(now, &ClientMessage::Seal),
            ClientRequest::Relay { generation, kind, to, data } if self.is_current(generation) => {
                let data = &wire::escape(&data);
                self.say(now, &ClientMessage::Relay { kind, to: Some(to), data });
            }
            ClientRequest::Link { generation, peer, state } if self.is_current(generation) => {
                let told = self.links.as_mut().and_then(|links| links.set(peer, state));
                self.tell_link(now, peer, told);
            }
            ClientRequest::Seal | ClientRequest::Relay { .. } | ClientRequest::Link { .. } => {}
            ClientRequest::Close => self.close(),
        }
    }

    /// Whether the game was told that it has a place in a lobby.
    fn has_place(&self) -> bool {
        self.lobby.is_some() || self.links.is_some()
    }

    fn is_current(&self, generation: u64) -> bool {
        self.links.as_ref().is_some_and(|links| links.generation() == generation)
    }

    fn ask(&mut self, now: Instant, asker: Asker, request: Box<Request>) {
        let number = self.asks.next_number();
        let message = ClientMessage::Request { number, request: Ok(request.clone()) };
        let text = message.encode();
        if text.len() > MAX_MESSAGE_BYTES {
            return self.answer(asker, request, Err(Refusal::by_problem(Problem::Invalid)));
        }
        if self.asks.is_full() || !self.push(now, text) {
            return self.answer(asker, request, Err(Refusal::Overloaded));
        }
        let is_sent = self.line == Line::Talking;
        self.asks.insert(number, Asked { asker, request, is_sent });
        self.settle();
    }

    /// Tells who asked.
    fn answer(&mut self, asker: Asker, request: Box<Request>, result: Result<Answer, Refusal>) {
        self.out.tell(match asker {
            Asker::Ask(ticket) => ClientEvent::Answered { ticket, result },
            Asker::Session => ClientEvent::AskedAgain { request, result },
        });
    }

    fn tell_link(&mut self, now: Instant, peer: PeerId, state: Option<LinkState>) {
        if let Some(state) = state {
            self.say(now, &ClientMessage::Link { peer: Some(peer), state });
        }
    }

    /// Says something that is not answered. What finds no room while there is no connection is
    /// lost.
    fn say(&mut self, now: Instant, message: &ClientMessage<'_>) {
        self.push(now, message.encode());
    }

    /// Sends a message of the session, or keeps it until there is a connection; false when there
    /// is no room for it.
    fn push(&mut self, now: Instant, text: Arc<str>) -> bool {
        let is_talking = self.line == Line::Talking;
        if !is_talking && !self.replay.has_room(&text) {
            return false;
        }
        // What overflows while the connection stands only cannot be resumed afterwards.
        let _ = self.replay.push(Arc::clone(&text));
        if is_talking {
            let bytes = text.len();
            self.out.send(text);
            self.count(now, bytes);
        }
        true
    }

    /// Counts a message of the session, either way.
    fn count(&mut self, now: Instant, bytes: usize) {
        if self.pulse.as_mut().is_some_and(|pulse| pulse.count(bytes)) {
            self.ping(now);
        }
    }

    fn ping(&mut self, now: Instant) {
        let Some(pulse) = &mut self.pulse else { return };
        let rtt = pulse.ping(now);
        let received = self.replay.received();
        self.out.send(ClientMessage::Ping { received, rtt }.encode());
    }

    /// Brings the state up to date when something was asked.
    fn settle(&mut self) {
        if self.identity.is_some() && self.lobby.is_none() && self.asks.are_joining() {
            self.rest(ClientState::Initializing);
        }
    }

    fn rest(&mut self, state: ClientState) {
        self.resting = state;
        self.show_state();
    }

    fn show_state(&mut self) {
        self.out.set_state(self.recovering.unwrap_or(self.resting));
    }
}
