//! What is done when something does not happen in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use signaling_core::keepalive::Beat;

use super::event::Failure;
use super::state::RoomState;
use super::{RoomOptions, RoomSession, Timer};
use crate::rooms::model::{Participant, Recipient};
use crate::rooms::wire::Kind;

/// How often it looks.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// Offers whose answers are waited for; of further ones the first are forgotten.
const MAX_OFFERS: usize = 64;

/// What is waited for.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    /// Since when an ack to the join signal is waited for.
    ack_since: Option<Instant>,
    /// Which join signal without an ack it is.
    tries: u32,
    /// How often the game has joined anew since others were last in touch.
    recoveries: u32,
    offers: VecDeque<Offer>,
    /// Since when nobody else is in the call.
    alone_since: Option<Instant>,
}

/// What was offered to somebody who has not answered yet.
#[derive(Debug)]
struct Offer {
    to: Option<Recipient>,
    /// `None` once it was joined anew: whoever does that may offer anew.
    since: Option<Instant>,
    /// How often it was joined anew because of it.
    joins: u32,
}

impl Watchdog {
    pub(super) fn expect_ack(&mut self, now: Instant) {
        self.ack_since = Some(now);
        self.tries = 1;
        self.offers.iter_mut().for_each(|offer| offer.since = None);
    }

    pub(super) fn note_ack(&mut self) {
        self.ack_since = None;
    }

    pub(super) fn expect_answer(&mut self, now: Instant, to: Option<Recipient>) {
        if let Some(offer) = self.offers.iter_mut().find(|offer| offer.to == to) {
            offer.since.get_or_insert(now);
            return;
        }
        self.offers.push_back(Offer { to, since: Some(now), joins: 0 });
        if self.offers.len() > MAX_OFFERS {
            self.offers.pop_front();
        }
    }

    pub(super) fn note_answer(&mut self, from: &Participant) {
        self.note_gone(from);
        self.recoveries = 0;
    }

    /// Nothing is expected of somebody any longer.
    pub(super) fn note_gone(&mut self, who: &Participant) {
        self.offers.retain(|offer| offer.to.as_ref().is_some_and(|to| !to.means(who)));
    }

    /// Which offer was refused is not always said, so none is waited for any longer.
    pub(super) fn note_refused_offer(&mut self) {
        self.offers.clear();
    }

    pub(super) fn note_alone(&mut self, now: Instant, is_alone: bool) {
        self.alone_since = is_alone.then(|| self.alone_since.unwrap_or(now));
    }

    /// How often it will have been joined anew for the same offer, if an answer is overdue.
    fn take_overdue(&mut self, now: Instant, limit: Duration) -> Option<u32> {
        let overdue = self.offers.iter_mut().filter(|offer| is_over(now, offer.since, limit));
        overdue
            .map(|offer| {
                offer.joins += 1;
                offer.joins
            })
            .max()
    }

    /// Counts that the game joins anew; false when it has done so too often.
    pub(super) fn may_recover(&mut self, max_tries: u32) -> bool {
        self.recoveries += 1;
        self.recoveries <= max_tries
    }
}

impl RoomSession {
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Retry => self.dial(),
                Timer::Check => self.check(now),
            }
        }
        while let Some(beat) = self.pulse.as_mut().and_then(|pulse| pulse.poll(now)) {
            match beat {
                Beat::Ping => self.send_heartbeat(),
                Beat::Silent => self.fall_silent(),
            }
        }
    }

    fn check(&mut self, now: Instant) {
        self.timers.set(Timer::Check, now + INTERVAL);
        match self.state {
            RoomState::Initializing | RoomState::Reinitializing => self.check_ack(now),
            RoomState::Joined => self.check_others(now),
            _ => {}
        }
    }

    fn check_ack(&mut self, now: Instant) {
        let is_overdue = is_over(now, self.watchdog.ack_since, self.options.ack_timeout);
        if !is_overdue {
            return;
        }
        if self.watchdog.tries >= self.options.max_tries {
            return self.fail(Failure::Unanswered);
        }
        self.watchdog.tries += 1;
        self.watchdog.ack_since = Some(now);
        self.send_join();
    }

    fn check_others(&mut self, now: Instant) {
        let RoomOptions { callee_timeout, answer_timeout, max_tries, .. } = self.options;
        let callee_timeout = callee_timeout.unwrap_or(Duration::MAX);
        if is_over(now, self.watchdog.alone_since, callee_timeout) {
            self.fail(Failure::Alone);
        } else if let Some(joins) = self.watchdog.take_overdue(now, answer_timeout) {
            self.join_anew(now, joins <= max_tries);
        }
    }

    fn send_heartbeat(&mut self) {
        self.beats += 1;
        let id = Some(self.beats.to_string());
        let text = self.encode(&Kind::Heartbeat { id, wants_ack: true });
        self.out.send(text);
    }
}

fn is_over(now: Instant, since: Option<Instant>, limit: Duration) -> bool {
    since.is_some_and(|since| now.duration_since(since) >= limit)
}
