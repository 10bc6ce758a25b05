//! How far the client has come.

use signaling_protocols::godot::ClientState;

use super::SignalingClient;
use crate::class_enum::class_enum;

class_enum! {
    /// ```text
    ///   idle ─ connect, or a way into a lobby ─► initializing ─ lobby ─► joined ─ left it ─► left
    ///    ▲                                          └─ refused, or the connection ended ─► failed
    ///    └─ stop from anywhere
    /// ```
    ///
    /// What lies between joined and left is told by the session, whose states these are; see
    /// [`ClientState`]. While connecting for the first time, it is idle and we are initializing.
    pub(crate) enum SignalingClient.State {
        /// Not connected, and not trying to.
        Idle = 0 as STATE_IDLE,
        /// Connecting to the server, or connected and not in a lobby yet.
        Initializing = 1 as STATE_INITIALIZING,
        /// In a lobby.
        Joined = 2 as STATE_JOINED,
        /// Out of the lobby, as it was wanted or because it ended. There may be another.
        Left = 3 as STATE_LEFT,
        /// The lobby was not reached, or our place in it is lost. While the connection stands it can
        /// be tried again.
        Failed = 4 as STATE_FAILED,
        /// Connected to the server again, which is asked to let us go on where the last connection
        /// ended.
        Reinitializing = 5 as STATE_REINITIALIZING,
        /// The connection to the server is lost, and will be made again.
        WaitingForNetwork = 6 as STATE_WAITING_FOR_NETWORK,
    }
}

impl From<ClientState> for State {
    fn from(state: ClientState) -> Self {
        match state {
            ClientState::Idle => Self::Idle,
            ClientState::Initializing => Self::Initializing,
            ClientState::Joined => Self::Joined,
            ClientState::Reinitializing => Self::Reinitializing,
            ClientState::WaitingForNetwork => Self::WaitingForNetwork,
            ClientState::Left => Self::Left,
            ClientState::Failed => Self::Failed,
        }
    }
}
