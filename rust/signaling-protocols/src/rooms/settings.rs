//! The timers and limits of a server.

use std::time::Duration;

/// What can be set of a [`RoomServer`](super::RoomServer).
///
/// How many connections there may be is for whoever serves the machine to say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// A session of which nothing is heard for this long is gone; clients send a heartbeat every
    /// 3 s. Default 10 s.
    pub expiry: Duration,
    /// How often each connection is sent a KEEPALIVE ack; `None`: never. Default 5 min.
    pub keepalive_interval: Option<Duration>,
    /// A connection without traffic in either direction is closed with 1001 after this long;
    /// `None`: never. Default 10 min, which keepalives prevent.
    pub idle_limit: Option<Duration>,
    /// A connection is closed with 1001 after this long, however busy it is. Default 2 h.
    pub lifetime: Duration,
    /// For how long an answer to somebody who has left is told from one to somebody who was never
    /// there. Default 60 s.
    pub departed_memory: Duration,
    /// Rooms at any time. One more is refused with code 500, `limit reached`, like everything
    /// beyond the next two limits. Default 4096.
    pub max_rooms: usize,
    /// Sessions in all rooms together. Default 16 384.
    pub max_sessions: usize,
    /// Sessions that one connection may hold. Default 64.
    pub max_sessions_per_connection: usize,
    /// Signals that are kept for a session without a connection; the oldest are dropped for
    /// further ones. Default 64.
    pub max_stored_signals: usize,
    /// The same in bytes. Default 256 KiB: they are all sent at once when the session comes back.
    pub max_stored_bytes: usize,
    /// URLs of STUN servers that whoever joins is told of. Default: none. With at most 16 KiB they
    /// fit in every answer.
    pub ice_servers: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            expiry: Duration::from_secs(10),
            keepalive_interval: Some(Duration::from_secs(5 * 60)),
            idle_limit: Some(Duration::from_secs(10 * 60)),
            lifetime: Duration::from_secs(2 * 60 * 60),
            departed_memory: Duration::from_secs(60),
            max_rooms: 4096,
            max_sessions: 16_384,
            max_sessions_per_connection: 64,
            max_stored_signals: 64,
            max_stored_bytes: 256 << 10,
            ice_servers: Vec::new(),
        }
    }
}
