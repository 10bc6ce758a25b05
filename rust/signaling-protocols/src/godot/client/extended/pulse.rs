//! The signs of life of a connection.

use std::time::{Duration, Instant};

use signaling_core::keepalive::{Beat, Keepalive};

/// Messages either way after which what has arrived is confirmed ahead of time.
const MESSAGES: u32 = 64;

/// Bytes either way after which the same happens: whoever sent them keeps them until then.
const BYTES: usize = 32 << 10;

/// Intervals of PING without a word from the server after which the connection counts as dead.
const SILENT_INTERVALS: u32 = 2;

/// The least silence that counts: a line may be slow.
const LEAST_SILENCE: Duration = Duration::from_secs(3);

/// The longest round trip that can be told, in milliseconds.
const MAX_ROUND_TRIP: u128 = 60_000;

/// How long a connection has to stand before it counts as proved.
const PROBATION: Duration = Duration::from_secs(5);

/// When to send PING on one connection, and how long the answers take.
#[derive(Debug)]
pub(super) struct Pulse {
    began_at: Instant,
    keepalive: Keepalive,
    /// Messages since the last PING.
    messages: u32,
    /// Their bytes.
    bytes: usize,
    /// PINGs without an answer; the oldest was sent at the time beside, if it is known.
    unanswered: u32,
    asked_at: Option<Instant>,
    rtt: Option<u32>,
}

impl Pulse {
    pub(super) fn new(now: Instant, ping_interval: Duration) -> Self {
        let silence = ping_interval.saturating_mul(SILENT_INTERVALS).max(LEAST_SILENCE);
        let keepalive = Keepalive::new(now, Some(ping_interval), Some(silence));
        let (began_at, asked_at, rtt) = (now, None, None);
        Self { began_at, keepalive, messages: 0, bytes: 0, unanswered: 0, asked_at, rtt }
    }

    /// Whether the connection stands long enough to try at once when it is lost: else a server that
    /// ends each connection would be tried without any delay.
    pub(super) fn is_proved(&self, now: Instant) -> bool {
        now.duration_since(self.began_at) >= PROBATION
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.keepalive.poll_timeout()
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<Beat> {
        self.keepalive.poll(now)
    }

    /// The server said something.
    pub(super) fn heard(&mut self, now: Instant) {
        self.keepalive.heard(now);
    }

    /// Counts a message; true when PING is due.
    pub(super) fn count(&mut self, bytes: usize) -> bool {
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.messages >= MESSAGES || self.bytes >= BYTES
    }

    /// PING is sent; the round trip to tell.
    pub(super) fn ping(&mut self, now: Instant) -> Option<u32> {
        (self.messages, self.bytes) = (0, 0);
        if self.unanswered == 0 {
            self.asked_at = Some(now);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        self.rtt
    }

    /// A PING is answered.
    pub(super) fn pong(&mut self, now: Instant) {
        self.unanswered = self.unanswered.saturating_sub(1);
        if let Some(asked_at) = self.asked_at.take() {
            let took = (now - asked_at).as_millis().min(MAX_ROUND_TRIP);
            self.rtt = u32::try_from(took).ok();
        }
    }
}
