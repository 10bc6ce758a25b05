//! What a game is told.

use std::time::Duration;

use signaling_core::Cause;

use super::state::RoomState;
use crate::rooms::model::{Publisher, Role};
use crate::rooms::wire::{Action, Kind, Signal};

/// What a game is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEvent {
    /// The state is another.
    StateChanged {
        /// Before.
        old: RoomState,
        /// Now.
        new: RoomState,
    },
    /// We are in the room, for the first time or again. What was kept is sent now.
    Joined {
        /// Our role.
        role: Role,
        /// Who publishes, we ourselves included.
        publishers: Vec<Publisher>,
        /// STUN and TURN servers.
        ice_servers: Vec<String>,
    },
    /// Others publish, or something else. Our own role is in the list, if we are.
    PublishersChanged(Vec<Publisher>),
    /// Somebody says this to us.
    Heard(Box<Signal>),
    /// The server refused something that we said.
    Refused {
        /// What it was for.
        action: Action,
        /// The code of the ack.
        code: u16,
        /// Why, in words.
        message: String,
    },
    /// Something was not sent, and will not be.
    Unsent {
        /// What.
        kind: Box<Kind>,
        /// Why.
        why: Unsent,
    },
    /// We are out of the room without having asked for it; the state is left.
    Ended(Ending),
    /// The session has failed for good.
    Failed(Failure),
    /// The connection has ended, or could not be made.
    Disconnected {
        /// The close code.
        code: u16,
        /// The close reason.
        reason: String,
        /// What brought it about.
        cause: Cause,
    },
    /// The connection will be made again.
    Reconnecting {
        /// Which try.
        attempt: u32,
        /// How long from now.
        delay: Duration,
    },
    /// The server sent something that makes no sense.
    Malformed {
        /// How much.
        bytes: usize,
    },
}

/// Why something was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// We are not in the room, and not on the way into it.
    NotInRoom,
    /// We are in the room, or on the way into it, already.
    AlreadyInRoom,
    /// Too much waits already for the network.
    QueueFull,
    /// It is larger than any message may be.
    TooLarge,
}

/// How a stay in a room ended that we did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A publisher removed us.
    Kicked,
    /// The last publisher has left, and the room is closed.
    Closed,
}

/// Why a session has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server refused to let us in, or failed itself.
    Refused {
        /// The code of the ack.
        code: u16,
        /// Why, in words.
        message: String,
    },
    /// The server did not answer.
    Unanswered,
    /// The other party of a call did not come, or was away for too long.
    Alone,
    /// Joining anew did not help.
    Unrecovered,
    /// The game gave up.
    GivenUp,
}
