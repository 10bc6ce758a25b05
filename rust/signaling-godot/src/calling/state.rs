//! How the node stands towards its server.

use super::CallingClient;
use crate::class_enum::class_enum;

class_enum! {
    /// ```text
    ///   idle ─ start() ─► initializing ─ the server lets us in ─► connected
    ///    ▲                     └── the connection ended ──┬───────────┘
    ///    └─ stop from anywhere                            ▼
    ///                                                   failed ─ start() ─► initializing
    /// ```
    pub(crate) enum CallingClient.State {
        /// Not connected, and not trying to.
        Idle = 0 as STATE_IDLE,
        /// Connecting to the server.
        Initializing = 1 as STATE_INITIALIZING,
        /// Connected to the server.
        Connected = 2 as STATE_CONNECTED,
        /// The connection has ended, or never came about.
        Failed = 3 as STATE_FAILED,
    }
}
