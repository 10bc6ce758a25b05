//! The connection, and how it is made again.

use std::time::{Duration, Instant};

use signaling_core::{Cause, Close};

use super::event::RoomEvent;
use super::state::RoomState;
use super::{RoomSession, Timer};

/// What there is of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// It is being made.
    Dialling,
    /// It stands.
    Up,
    /// It is lost, and will be made again later.
    Waiting,
    /// Nobody needs it at the moment.
    Down,
}

impl RoomSession {
    pub(super) fn handle_opened(&mut self, now: Instant) {
        self.line = Line::Up;
        match self.state {
            RoomState::WaitingForNetwork => self.begin(now, RoomState::Reinitializing),
            state if state.is_on_the_way() => self.send_join(),
            _ => {}
        }
    }

    pub(super) fn handle_closed(&mut self, now: Instant, close: &Close, cause: Cause) {
        let (code, reason) = (close.code, close.reason.to_string());
        self.out.tell(RoomEvent::Disconnected { code, reason, cause });
        self.pulse = None;
        self.line = Line::Down;
        self.note_loss();
        if self.state.is_active() {
            let delay = self.backoff.next(&mut self.rng);
            self.line = Line::Waiting;
            self.timers.set(Timer::Retry, now + delay);
            self.tell_retry(delay);
        }
    }

    /// A connection that seems to stand is silent: another is made at once.
    pub(super) fn fall_silent(&mut self) {
        self.pulse = None;
        self.note_loss();
        self.backoff.next(&mut self.rng);
        self.tell_retry(Duration::ZERO);
        self.dial();
    }

    /// A game that joins again may have lost its connection in the meantime.
    pub(super) fn connect_if_down(&mut self) {
        if self.line == Line::Down {
            self.dial();
        }
    }

    pub(super) fn dial(&mut self) {
        self.line = Line::Dialling;
        self.out.connect();
    }

    fn note_loss(&mut self) {
        if self.state == RoomState::Joined {
            self.set_state(RoomState::WaitingForNetwork);
        }
    }

    fn tell_retry(&mut self, delay: Duration) {
        let attempt = self.backoff.attempt();
        self.out.tell(RoomEvent::Reconnecting { attempt, delay });
    }
}
