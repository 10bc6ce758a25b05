//! When to ping a connection, and when its silence means that it is gone.

use std::time::{Duration, Instant};

/// The timers of one connection that stands.
#[derive(Debug, Clone)]
pub struct Keepalive {
    ping_interval: Option<Duration>,
    silence_limit: Option<Duration>,
    next_ping: Instant,
    last_heard: Instant,
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
        let next_ping = now + ping_interval.unwrap_or_default();
        Self { ping_interval, silence_limit, next_ping, last_heard: now }
    }

    /// Something arrived, if only a pong.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// What is due; call again until it returns `None`. After [`Beat::Silent`] the connection is
    /// to be dropped.
    pub fn poll(&mut self, now: Instant) -> Option<Beat> {
        if self.silence_deadline().is_some_and(|deadline| deadline <= now) {
            return Some(Beat::Silent);
        }
        let interval = self.ping_interval?;
        if self.next_ping > now {
            return None;
        }
        // A machine that slept does not catch up on pings that nobody missed.
        self.next_ping = now + interval;
        Some(Beat::Ping)
    }

    /// When to call [`Keepalive::poll`] next; `None` when both timers are off.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ping = self.ping_interval.map(|_| self.next_ping);
        ping.into_iter().chain(self.silence_deadline()).min()
    }

    fn silence_deadline(&self) -> Option<Instant> {
        self.silence_limit.map(|limit| self.last_heard + limit)
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
    fn both_timers_can_be_off() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start, None, None);
        assert_eq!(keepalive.poll_timeout(), None);
        assert_eq!(keepalive.poll(start + secs(1_000_000)), None);
    }
}
