//! What can be set of the servers of both numberings.

use std::time::Duration;

use signaling_core::games::{Full, Limits};
use signaling_core::rate::Rate;

use crate::json::text_length;

/// The limits and timers of a [`SeedServer`](super::SeedServer) or a
/// [`LateServer`](super::LateServer). Whoever exceeds a limit is told `Server limit reached` and
/// closed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Games, their clients and their lobbies.
    pub limits: Limits,
    /// The longest lobby id, and the longest user name, in bytes as JSON writes them: everybody in a
    /// game may be told of them. Default 1024.
    pub max_name_bytes: usize,
    /// How often clients of one address may open lobbies, where everybody in the game is told of each
    /// (late numbering). Default 60 at once, then one a second.
    pub host_rate: Rate,
    /// Hosts of one lobby, where there may be several (seed numbering). Default 64.
    pub max_lobby_hosts: usize,
    /// Peers of one lobby, waiting or not (seed numbering; in the late one hosts limit their
    /// lobbies themselves). Default 256.
    pub max_lobby_peers: usize,
    /// How often the server sends KEEPALIVE to who has said INIT (seed numbering; in the late one
    /// clients send it). Default 30 s.
    pub keepalive_interval: Duration,
    /// A connection from which nothing arrives for this long, not even a pong, is closed. Default
    /// 90 s.
    pub silence_limit: Duration,
    /// How long one that is suspected to be gone has for a sign of life (seed numbering). Default
    /// 10 s.
    pub probe_timeout: Duration,
}

impl Settings {
    /// Whether a lobby id or user name is short enough to be kept.
    pub(super) fn check_name(&self, name: &str) -> Result<(), Full> {
        if text_length(name) <= self.max_name_bytes { Ok(()) } else { Err(Full) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_name_bytes: 1024,
            host_rate: Rate { interval: Duration::from_secs(1), burst: 60 },
            max_lobby_hosts: 64,
            max_lobby_peers: 256,
            keepalive_interval: Duration::from_secs(30),
            silence_limit: Duration::from_secs(90),
            probe_timeout: Duration::from_secs(10),
        }
    }
}
