//! What can be set of a server.

use std::ops::RangeInclusive;
use std::time::Duration;

use signaling_core::rate::Rate;

use super::hooks::Hooks;
use super::ice::TurnSecret;
use crate::godot::extended::Json;

/// The limits and timers of a [`GodotServer`](super::GodotServer).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Open connections, in a lobby or not. One more is closed at once. Default 4096. As many
    /// members may be waited for besides.
    pub max_peers: usize,
    /// Open lobbies. Default 1024.
    pub max_lobbies: usize,
    /// How long a connection may stay outside of a lobby, from the end of its handshake, unless
    /// it opens with HELLO. Default 5 s; less drops players on slow links.
    pub join_timeout: Duration,
    /// How long a sealed lobby lives on. Default 10 s.
    pub seal_timeout: Duration,
    /// The largest relayed message, and the largest list, in bytes of the outgoing frame. Default
    /// 65 535, which is what Godot's WebSocket client can take.
    pub max_message_bytes: usize,
    /// How many bytes one member may have relayed; what is more is dropped. Default 512 KiB at once
    /// and 128 KiB a second, which is enough to connect to all members of a lobby.
    pub relays: Rate,
    /// How long a member whose connection was lost keeps its place. Default 30 s; zero: not at
    /// all.
    pub resume_timeout: Duration,
    /// How often clients of the extended protocol give a sign of life; three that are missed end
    /// a connection. Default 5 s.
    pub ping_interval: Duration,
    /// The only game that may use the server; empty, the default: any.
    pub game: String,
    /// The only build that may; empty, the default: any.
    pub build: String,
    /// The largest metadata of a lobby, in bytes of JSON. Default 2048, at most 16 384.
    pub max_metadata_bytes: usize,
    /// STUN and TURN servers that clients are told of, as a list in the form of the W3C's
    /// `iceServers`. Default: none. Clients read 16 384 bytes, those of [`Settings::turn`]
    /// included.
    pub ice_servers: Json,
    /// TURN servers with passwords for a limited time. Default: none.
    pub turn: Option<TurnSecret>,
    /// What the embedding program decides on from the start. Default: nothing.
    pub hooks: Hooks,
}

impl Settings {
    /// What [`Settings::max_message_bytes`] may be: enough for the shortest messages, and no more
    /// than what may wait for one client.
    pub const MESSAGE_BYTES: RangeInclusive<usize> = 125..=1_000_000;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_peers: 4096,
            max_lobbies: 1024,
            join_timeout: Duration::from_secs(5),
            seal_timeout: Duration::from_secs(10),
            max_message_bytes: 65_535,
            relays: Rate { interval: Duration::from_nanos(7629), burst: 512 << 10 },
            resume_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(5),
            game: String::new(),
            build: String::new(),
            max_metadata_bytes: 2048,
            ice_servers: Json::default(),
            turn: None,
            hooks: Hooks::default(),
        }
    }
}
