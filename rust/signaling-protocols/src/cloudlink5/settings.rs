//! What can be set of a lobby server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use signaling_core::games::Limits;
use signaling_core::rate::Rate;

use crate::json::text_length;

/// The limits and timers of a [`CloudLink5Server`](super::CloudLink5Server).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// How many games, clients and lobbies there may be. Whoever wants one more lobby is closed with
    /// the violation `server limit reached`; whoever connects when there is no room, answered with
    /// HTTP 503.
    pub limits: Limits,
    /// How often clients of one address may connect; what is more is answered with HTTP 429. Default:
    /// as often as they like.
    pub connect_rate: Rate,
    /// How often clients of one address may create lobbies: all who are in none are told of each. What is
    /// more is closed with the violation `server limit reached`. Default 60 at once, then one a second.
    pub create_rate: Rate,
    /// The longest name of a lobby or user and the longest key, in bytes as JSON writes them; a longer
    /// one is closed with the same violation. Default 512: all names of a game have to fit in one list.
    pub max_text_bytes: usize,
    /// How often each connection is pinged. Default 30 s.
    pub ping_interval: Duration,
    /// A connection from which nothing arrives for this long, not even a pong, is closed. Default
    /// 90 s.
    pub silence_limit: Duration,
    /// The accounts that may come in, by their tokens. `None`, the default: anybody may who gives a
    /// name or any token.
    pub accounts: Option<HashMap<String, Account>>,
}

impl Settings {
    /// Whether a name or key is short enough.
    pub(super) fn takes(&self, text: &str) -> bool {
        text_length(text) <= self.max_text_bytes
    }
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's id.
    pub user_id: Arc<str>,
    /// The name that others see.
    pub username: Arc<str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            connect_rate: Rate::UNLIMITED,
            create_rate: Rate { interval: Duration::from_secs(1), burst: 60 },
            max_text_bytes: 512,
            ping_interval: Duration::from_secs(30),
            silence_limit: Duration::from_secs(90),
            accounts: None,
        }
    }
}
