//! What can be set of a PeerServer.

use std::time::Duration;

/// The limits and timers of a [`PeerServer`](super::PeerServer).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Clients at any time; one more is told so and closed. Default 5000.
    pub max_clients: usize,
    /// A client from which nothing arrives for this long is dropped. Default 90 s; clients send a
    /// heartbeat every 5 s.
    pub silence_limit: Duration,
    /// How long messages wait for somebody who is not connected, since the last was added. Default
    /// 5 s. Then, and at each of the limits below, the sender is told that they have expired.
    pub expire_timeout: Duration,
    /// Messages that wait for one destination. Default 64.
    pub max_queued: usize,
    /// Destinations that messages of one sender wait for. Default 16.
    pub max_unknown: usize,
    /// Bytes of one sender that wait. Default 1 MiB.
    pub max_sender_bytes: usize,
    /// Bytes of all senders that wait. Default 64 MiB.
    pub max_queued_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_clients: 5000,
            silence_limit: Duration::from_secs(90),
            expire_timeout: Duration::from_secs(5),
            max_queued: 64,
            max_unknown: 16,
            max_sender_bytes: 1 << 20,
            max_queued_bytes: 64 << 20,
        }
    }
}
