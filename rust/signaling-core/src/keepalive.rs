//! When to ping a connection, and when its silence means that it is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// The timers of one connection that stands.
#[derive(Debug, Clone)]
pub struct Keepalive {
    pings: Pings,
    silence_limit: Option<Duration>,
    last_heard: Instant,
    /// Until when a sign of life is expected, whatever the limit.
    probe: Option<Instant>,
}

/// When pings are due.
#[derive(Debug, Clone)]
enum Pings {
    Never,
    /// Whatever is heard.
    Regular {
        interval: Duration,
        next: Instant,
    },
    /// After these times of silence, in order, of which so many are past.
    InSilence {
        after: Arc<[Duration]>,
        past: usize,
    },
}

/// What a [`Keepalive`] wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping.
    Ping,
    /// Nothing was heard for the whole limit: the connection is gone.
    Silent,
}

impl Keepalive {
    /// The timers of a connection that opened `now`: a ping every `ping_interval`, and the end
    /// after `silence_limit` without a sign of life. `None` switches either off.
    pub fn new(
        now: Instant,
        ping_interval: Option<Duration>,
        silence_limit: Option<Duration>,
    ) -> Self {
        let regular = |interval| Pings::Regular { interval, next: now + interval };
        let pings = ping_interval.map_or(Pings::Never, regular);
        Self { pings, silence_limit, last_heard: now, probe: None }
    }

    /// The timers of a connection that opened `now` and is pinged only while nothing is heard of
    /// it: `after` these times of silence, which are in order. It ends after `silence_limit`; a
    /// ping that is due at the same moment comes before.
    pub fn in_silence(
        now: Instant,
        after: Arc<[Duration]>,
        silence_limit: Option<Duration>,
    ) -> Self {
        let pings = Pings::InSilence { after, past: 0 };
        Self { pings, silence_limit, last_heard: now, probe: None }
    }

    /// Expects a sign of life `within` this time from now on, whatever the limit; false when one is
    /// expected already.
    pub fn probe(&mut self, now: Instant, within: Duration) -> bool {
        let is_new = self.probe.is_none();
        self.probe.get_or_insert(now + within);
        is_new
    }

    /// Something arrived, if only a pong.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.probe = None;
        if let Pings::InSilence { past, .. } = &mut self.pings {
            *past = 0;
        }
    }

    /// What is due; call again until it returns `None`. After [`Beat::Silent`] the connection is
    /// to be dropped.
    pub fn poll(&mut self, now: Instant) -> Option<Beat> {
        let is_silent = self.silence_deadline().is_some_and(|deadline| deadline <= now);
        match &mut self.pings {
            Pings::InSilence { after, past } => {
                let silence = now.saturating_duration_since(self.last_heard);
                let due = after.iter().filter(|time| **time <= silence).count();
                if due > *past {
                    *past = due;
                    return Some(Beat::Ping);
                }
            }
            Pings::Regular { interval, next } if !is_silent && *next <= now => {
                // A machine that slept does not catch up on pings that nobody missed.
                *next = now + *interval;
                return Some(Beat::Ping);
            }
            Pings::Never | Pings::Regular { .. } => {}
        }
        is_silent.then_some(Beat::Silent)
    }

    /// When to call [`Keepalive::poll`] next; `None` when nothing will be due until something is
    /// heard.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ping = match &self.pings {
            Pings::Never => None,
            Pings::Regular { next, .. } => Some(*next),
            Pings::InSilence { after, past } => {
                after.get(*past).map(|time| self.last_heard + *time)
            }
        };
        ping.into_iter().chain(self.silence_deadline()).min()
    }

    fn silence_deadline(&self) -> Option<Instant> {
        let limit = self.silence_limit.map(|limit| self.last_heard + limit);
        limit.into_iter().chain(self.probe).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_ping_is_due_once_an_interval() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start, Some(secs(10)), None);
        assert_eq!(keepalive.poll_timeout(), Some(start + secs(10)));
        assert_eq!(keepalive.poll(start + secs(9)), None);
        assert_eq!(keepalive.poll(start + secs(10)), Some(Beat::Ping));
        assert_eq!(keepalive.poll(start + secs(10)), None);
        assert_eq!(keepalive.poll(start + secs(55)), Some(Beat::Ping));
        assert_eq!(keepalive.poll_timeout(), Some(start + secs(65)));
    }

    #[test]
    fn silence_ends_a_connection_and_a_sign_of_life_puts_it_off() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start, None, Some(secs(30)));
        keepalive.heard(start + secs(5));
        assert_eq!(keepalive.poll(start + secs(34)), None);
        assert_eq!(keepalive.poll_timeout(), Some(start + secs(35)));
        assert_eq!(keepalive.poll(start + secs(35)), Some(Beat::Silent));
    }

    #[test]
    fn a_probe_wants_a_sign_of_life_sooner() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start, None, Some(secs(30)));
        assert!(keepalive.probe(start + secs(5), secs(10)));
        assert!(!keepalive.probe(start + secs(8), secs(10)));
        assert_eq!(keepalive.poll_timeout(), Some(start + secs(15)));
        keepalive.heard(start + secs(14));
        assert_eq!(keepalive.poll(start + secs(15)), None);
        assert!(keepalive.probe(start + secs(20), secs(10)));
        assert_eq!(keepalive.poll(start + secs(29)), None);
        assert_eq!(keepalive.poll(start + secs(30)), Some(Beat::Silent));
    }

    #[test]
    fn pings_in_silence_come_closer_until_the_end() {
        let start = Instant::now();
        let at = |count| start + secs(count);
        let after = [secs(30), secs(45), secs(55)].into();
        let mut keepalive = Keepalive::in_silence(start, after, Some(secs(55)));
        assert_eq!(keepalive.poll(at(29)), None);
        assert_eq!(keepalive.poll(at(30)), Some(Beat::Ping));
        assert_eq!(keepalive.poll(at(30)), None);
        keepalive.heard(at(31));
        assert_eq!(keepalive.poll_timeout(), Some(at(61)));
        assert_eq!(keepalive.poll(at(61)), Some(Beat::Ping));
        assert_eq!(keepalive.poll(at(76)), Some(Beat::Ping));
        assert_eq!(keepalive.poll_timeout(), Some(at(86)));
        assert_eq!(keepalive.poll(at(86)), Some(Beat::Ping));
        assert_eq!(keepalive.poll(at(86)), Some(Beat::Silent));
    }

    #[test]
    fn pings_in_silence_begin_again_when_something_is_heard() {
        let start = Instant::now();
        let mut keepalive = Keepalive::in_silence(start, [secs(30)].into(), None);
        assert_eq!(keepalive.poll(start + secs(40)), Some(Beat::Ping));
        assert_eq!(keepalive.poll_timeout(), None);
        keepalive.heard(start + secs(50));
        assert_eq!(keepalive.poll_timeout(), Some(start + secs(80)));
    }

    #[test]
    fn both_timers_can_be_off() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start, None, None);
        assert_eq!(keepalive.poll_timeout(), None);
        assert_eq!(keepalive.poll(start + secs(1_000_000)), None);
    }
}
