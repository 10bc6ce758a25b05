//! Which CloudLink is spoken, and how the node stands towards its lobby.

use super::CloudLinkClient;
use crate::class_enum::class_enum;

class_enum! {
    /// The generations of CloudLink. The numbers never change.
    pub(crate) enum CloudLinkClient.Version {
        /// CloudLink Omega as it was specified in October 2023. Lobbies have no options, and hosts
        /// come and go.
        OmegaOctober2023 = 0 as VERSION_OMEGA_OCTOBER_2023,
        /// CloudLink Omega as clients of late 2023 speak it. A lobby has one host, a limit and a
        /// password.
        OmegaLate2023 = 1 as VERSION_OMEGA_LATE_2023,
        /// CloudLink 5. Everybody in a lobby is connected to everybody, and messages, variables and
        /// lists go over data channels.
        CloudLink5 = 2 as VERSION_CLOUDLINK_5,
    }
}

class_enum! {
    /// ```text
    ///   idle ─ start(), a way into a lobby ─► initializing ─ the server lets us in ─► joined
    ///                                           ▲   │                              │   │
    ///   failed ─ start(), a way into a lobby ───┘   │                              │   │
    ///     ▲                                         │                              │   │
    ///     └─────────── the connection is lost ──────┴──────────────────────────────┘   │
    ///   left ◄─ leave_lobby(), closed ─────────────────────────────────────────────────┘
    /// ```
    ///
    /// From left it goes on as from failed, or, while the connection stands, into another lobby at
    /// once. From anywhere, stop() leads to idle.
    pub(crate) enum CloudLinkClient.State {
        /// Not connected, and not trying to.
        Idle = 0 as STATE_IDLE,
        /// Connecting to the server, or connected and not in a lobby yet.
        Initializing = 1 as STATE_INITIALIZING,
        /// In a lobby.
        Joined = 2 as STATE_JOINED,
        /// Out of the lobby, as it was wanted or because it was closed.
        Left = 3 as STATE_LEFT,
        /// The server was not reached, or the connection to it is lost, and our place in a lobby
        /// with it.
        Failed = 4 as STATE_FAILED,
    }
}

impl Version {
    /// Whether all who are in a lobby are connected to each other, and not to the host alone.
    pub(super) fn is_mesh(self) -> bool {
        self == Self::CloudLink5
    }
}
