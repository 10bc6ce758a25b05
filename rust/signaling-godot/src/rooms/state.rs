//! How the node stands towards its room.

use signaling_protocols::rooms::RoomState;

use super::RoomClient;
use crate::class_enum::class_enum;

class_enum! {
    /// ```text
    ///    idle ─ join(), create() ──► initializing ─ refused, or no answer ───────────► failed
    ///                                 ▲   │
    ///    left ─ join(), create() ─────┘   │ the server lets us in
    ///     ▲                               ▼
    ///     └─ leave(), kicked, closed ── joined ─ the server failed, or nobody came ──► failed
    ///                                 │   │  ▲
    ///    the network is down ─────────┤   │  └─ the server lets us in ─┐
    ///                                 │   └─ join anew ─► reinitializing ─ refused ──► failed
    ///                                 ▼                   ▲
    ///                  waiting for network ─ join again ──┘
    /// ```
    ///
    /// From failed, a new session begins with join() or create(). From anywhere, stop() leads to
    /// idle. What lies between is decided by the session, whose states these are: [`RoomState`].
    pub(crate) enum RoomClient.State {
        /// Nothing was asked for yet.
        Idle = 0 as STATE_IDLE,
        /// On the way into the room.
        Initializing = 1 as STATE_INITIALIZING,
        /// In the room.
        Joined = 2 as STATE_JOINED,
        /// Out of the room, as it was wanted or because we were removed or it was closed.
        Left = 3 as STATE_LEFT,
        /// The room was not reached, or our place in it is lost.
        Failed = 4 as STATE_FAILED,
        /// Joining the room again, after the connection was lost or something went wrong.
        Reinitializing = 5 as STATE_REINITIALIZING,
        /// The connection to the server is lost, and will be made again. What is said meanwhile is
        /// kept, and sent once the room is joined again.
        WaitingForNetwork = 6 as STATE_WAITING_FOR_NETWORK,
    }
}

impl State {
    /// Whether we are in the room, or want to be.
    pub(super) fn is_active(self) -> bool {
        !matches!(self, Self::Idle | Self::Left | Self::Failed)
    }
}

impl From<RoomState> for State {
    fn from(state: RoomState) -> Self {
        match state {
            RoomState::Idle => Self::Idle,
            RoomState::Initializing => Self::Initializing,
            RoomState::Joined => Self::Joined,
            RoomState::Reinitializing => Self::Reinitializing,
            RoomState::WaitingForNetwork => Self::WaitingForNetwork,
            RoomState::Left => Self::Left,
            RoomState::Failed => Self::Failed,
        }
    }
}
