//! Sizes and timers of a connection.

use std::time::Duration;

/// Which paths may be taken (RFC 8828, section 5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IcePolicy {
    /// Any.
    #[default]
    All,
    /// Through TURN servers only, so that the other side learns none of our addresses.
    Relay,
}

/// How a [`PeerConnection`](crate::PeerConnection) behaves.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// The largest message taken from the other side and, as far as it agrees, sent to it, in
    /// bytes, up to 256 MiB. Default 262,144. Four of them may wait in memory unread.
    pub max_message_bytes: usize,
    /// The largest SCTP packet in bytes, from 512 to 16,000; DTLS, UDP and IP add up to 89 more.
    /// Default 1191, which fits every IPv6 path even through a relay.
    pub mtu: usize,
    /// Silence after which the connection counts as disconnected. Default 1.8 s. Four times as
    /// often the path is checked, but at least each second and at most ten times a second.
    pub disconnected_after: Duration,
    /// Silence after which the connection has failed. Default 6 s. What we send must be answered
    /// once in 30 s in any case (RFC 7675).
    pub failed_after: Duration,
    /// How long a connection may take from both descriptions to its first open path before it has
    /// failed. Default 30 s.
    pub connect_timeout: Duration,
    /// Which paths may be taken. Default all.
    pub ice_policy: IcePolicy,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            max_message_bytes: 256 * 1024,
            mtu: 1191,
            disconnected_after: Duration::from_millis(1800),
            failed_after: Duration::from_secs(6),
            connect_timeout: Duration::from_secs(30),
            ice_policy: IcePolicy::All,
        }
    }
}
