//! One client's session in one room, over as many connections as it takes.
//!
//! Reading order:
//! - [`request`]: what the game sets up, and what it may ask for.
//! - [`event`]: what the game is told.
//! - [`state`]: how the session stands towards its room.
//! - `network`: the connection, and how it is made again.
//! - `receiving`: what the server says, and what comes of it.
//! - `watchdog`: what is done when something does not happen in time.
//! - `queue`: what is kept while there is no way to send it.

pub mod event;
mod network;
mod queue;
mod receiving;
pub mod request;
pub mod state;
#[cfg(test)]
mod tests;
mod watchdog;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use signaling_core::backoff::Backoff;
use signaling_core::keepalive::Keepalive;
use signaling_core::outputs::SessionOutputs;
use signaling_core::timers::Timers;
use signaling_core::{Close, Session, SessionInput, SessionOutput};

pub use event::{Ending, Failure, RoomEvent, Unsent};
pub use request::{RoomOptions, RoomRequest};
pub use state::RoomState;

use super::MAX_MESSAGE_BYTES;
use super::model::{Media, Publisher};
use super::wire::{Kind, Signal};
use network::Line;
use queue::Queue;
use watchdog::Watchdog;

/// The client side of the protocol.
#[derive(Debug)]
pub struct RoomSession {
    options: RoomOptions,
    rng: StdRng,
    state: RoomState,
    line: Line,
    /// The delays before the next tries to make the connection.
    backoff: Backoff,
    /// The join signal, as it is sent again.
    join: Kind,
    /// What was said while there was no way to send it.
    queue: Queue,
    /// As the game was told.
    publishers: Vec<Publisher>,
    watchdog: Watchdog,
    /// Since the first ack on a connection.
    pulse: Option<Keepalive>,
    /// Heartbeats sent.
    beats: u64,
    timers: Timers<Timer>,
    out: SessionOutputs<RoomEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// When to make the connection again.
    Retry,
    /// When the watchdog looks next.
    Check,
}

impl RoomSession {
    /// A session whose first connection is being made. It does nothing before it is asked to join.
    /// `rng` spreads the tries to make the connection again.
    pub fn new(options: RoomOptions, rng: StdRng) -> Self {
        Self {
            queue: Queue::new(options.max_queued, options.max_queued_bytes),
            options,
            rng,
            state: RoomState::Idle,
            line: Line::Dialling,
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5)),
            join: Kind::Join { media: Media::default(), is_creating: false },
            publishers: Vec::new(),
            watchdog: Watchdog::default(),
            pulse: None,
            beats: 0,
            timers: Timers::default(),
            out: SessionOutputs::default(),
        }
    }

    /// How it stands towards the room.
    pub fn state(&self) -> RoomState {
        self.state
    }
}

impl Session for RoomSession {
    type Request = RoomRequest;
    type Event = RoomEvent;

    fn handle_input(&mut self, now: Instant, input: SessionInput<'_, RoomRequest>) {
        match input {
            SessionInput::Opened => self.handle_opened(now),
            SessionInput::Frame(frame) => self.receive(now, frame),
            SessionInput::Closed { close, cause } => self.handle_closed(now, &close, cause),
            SessionInput::Request(RoomRequest::Say(kind)) => self.say(now, kind),
            SessionInput::Request(RoomRequest::Recover) => self.recover(now),
            SessionInput::Request(RoomRequest::GiveUp) => {
                if self.state == RoomState::Joined {
                    self.fail(Failure::GivenUp);
                }
            }
            SessionInput::Timeout => self.handle_timeout(now),
        }
    }

    fn poll_output(&mut self) -> Option<SessionOutput<RoomEvent>> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let pulse = self.pulse.as_ref().and_then(Keepalive::poll_timeout);
        self.timers.earliest().into_iter().chain(pulse).min()
    }
}

impl RoomSession {
    /// Says something, or keeps it for later.
    fn say(&mut self, now: Instant, kind: Kind) {
        let text = self.encode(&kind);
        match kind {
            Kind::Heartbeat { .. } => {}
            kind if text.len() > MAX_MESSAGE_BYTES => self.drop_unsent(kind, Unsent::TooLarge),
            kind @ Kind::Join { .. } => self.enter(now, kind),
            kind if self.state == RoomState::Joined => self.say_now(now, &kind, text),
            kind if self.state.is_on_the_way() => {
                if let Err(kind) = self.queue.push(kind, text) {
                    self.drop_unsent(kind, Unsent::QueueFull);
                }
            }
            kind => self.drop_unsent(kind, Unsent::NotInRoom),
        }
    }

    fn enter(&mut self, now: Instant, join: Kind) {
        if self.state.is_active() {
            return self.drop_unsent(join, Unsent::AlreadyInRoom);
        }
        if self.state == RoomState::Failed {
            return self.drop_unsent(join, Unsent::NotInRoom);
        }
        self.join = join;
        self.watchdog = Watchdog::default();
        self.begin(now, RoomState::Initializing);
        self.connect_if_down();
    }

    /// Sends the join signal in a new state, or as soon as there is a connection.
    fn begin(&mut self, now: Instant, state: RoomState) {
        self.set_state(state);
        self.watchdog.expect_ack(now);
        self.timers.set(Timer::Check, now + watchdog::INTERVAL);
        self.send_join();
    }

    fn send_join(&mut self) {
        if self.line == Line::Up {
            let text = self.encode(&self.join);
            self.out.send(text);
        }
    }

    fn say_now(&mut self, now: Instant, kind: &Kind, text: Arc<str>) {
        self.out.send(text);
        match kind {
            Kind::Leave => self.settle_in(RoomState::Left),
            Kind::Update(new) => {
                // Whoever joins again says what it publishes by then.
                if let Kind::Join { media, .. } = &mut self.join {
                    *media = *new;
                }
            }
            Kind::Offer { to, .. } if self.options.channel.is_group() => {
                self.watchdog.expect_answer(now, to.clone());
            }
            _ => {}
        }
    }

    /// Joins anew because something went wrong.
    fn recover(&mut self, now: Instant) {
        if self.state == RoomState::Joined {
            let may_recover = self.watchdog.may_recover(self.options.max_tries);
            self.join_anew(now, may_recover);
        }
    }

    /// Joins anew, or fails if that was done too often for the same reason.
    fn join_anew(&mut self, now: Instant, may_try: bool) {
        match may_try {
            true => self.begin(now, RoomState::Reinitializing),
            false => self.fail(Failure::Unrecovered),
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.settle_in(RoomState::Failed);
        self.out.tell(RoomEvent::Failed(failure));
        self.out.close(Close::normal());
    }

    /// We are out of the room.
    fn settle_in(&mut self, state: RoomState) {
        self.set_state(state);
        self.timers = Timers::default();
        self.pulse = None;
        self.publishers.clear();
        while let Some((kind, _)) = self.queue.pop() {
            self.drop_unsent(kind, Unsent::NotInRoom);
        }
    }

    fn encode(&self, kind: &Kind) -> Arc<str> {
        let RoomOptions { channel, room, me, profile, .. } = &self.options;
        let signal = Signal {
            channel: *channel,
            room: room.as_str().into(),
            sender: me.clone(),
            profile: profile.clone(),
            kind: kind.clone(),
        };
        signal.encode()
    }

    fn set_state(&mut self, new: RoomState) {
        let old = std::mem::replace(&mut self.state, new);
        debug_assert!(old.leads_to(new), "there is no way from {old:?} to {new:?}");
        self.out.tell(RoomEvent::StateChanged { old, new });
    }

    fn drop_unsent(&mut self, kind: Kind, why: Unsent) {
        self.out.tell(RoomEvent::Unsent { kind: Box::new(kind), why });
    }
}
