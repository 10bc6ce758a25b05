//! What a game sets up, and what it may ask for.

use std::time::Duration;

use crate::rooms::model::{Channel, Participant, Profile};
use crate::rooms::wire::Kind;

/// Which room, who we are, and the timers of a session.
#[derive(Debug, Clone)]
pub struct RoomOptions {
    /// The room's kind. Default: a call.
    pub channel: Channel,
    /// The room, at most 128 bytes.
    pub room: String,
    /// Who we are. Both ids are at most 128 bytes; whoever knows them can take our place.
    pub me: Participant,
    /// Our device.
    pub profile: Profile,
    /// How often to say that we are there. Default 3 s; after 10 s servers give up a session.
    pub heartbeat_interval: Duration,
    /// When nothing is heard for this long, the network counts as down. Default 10 s.
    pub silence_limit: Duration,
    /// How long to wait for the ack to a join signal before it is sent again. Default 10 s.
    pub ack_timeout: Duration,
    /// How long to wait in a group for the answer to an offer before the join signal is sent
    /// again. Default 10 s.
    pub answer_timeout: Duration,
    /// How long to wait in a call for the other party before the session fails; `None`: for ever.
    /// Default 30 s.
    pub callee_timeout: Option<Duration>,
    /// How many join signals to send, for one reason, before the session fails. Default 3.
    pub max_tries: u32,
    /// How many signals to keep while there is no way to send them. Default 64; further ones are
    /// told by [`RoomEvent::Unsent`](super::RoomEvent::Unsent).
    pub max_queued: usize,
    /// The same in bytes. Default 256 KiB.
    pub max_queued_bytes: usize,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self {
            channel: Channel::default(),
            room: String::new(),
            me: Participant::default(),
            profile: Profile::default(),
            heartbeat_interval: Duration::from_secs(3),
            silence_limit: Duration::from_secs(10),
            ack_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(10),
            callee_timeout: Some(Duration::from_secs(30)),
            max_tries: 3,
            max_queued: 64,
            max_queued_bytes: 256 << 10,
        }
    }
}

/// What a game may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomRequest {
    /// Say this. [`Kind::Join`] is where everything begins; heartbeats the session sends itself.
    Say(Kind),
    /// The connection to the others, or to a media server, has failed critically: join anew.
    Recover,
    /// There is no way on.
    GiveUp,
}
