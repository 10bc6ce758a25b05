//! How a session stands towards lobbies.

/// Where a client is on its way into a lobby, and out of it.
///
/// ```text
///    idle ─ create, enter, quick join ─► initializing ─ refused, or the connection ended ─► failed
///                                         ▲   │
///            left, or failed: try again ──┘   │ done
///                                             ▼
///    left ◄─ LEAVE, LEFT ───────────────── joined ─ the server closed the connection ─────► failed
///                                         │   ▲
///     the connection broke off ───────────┤   │ resumed
///                                         ▼   │
///    waiting for network ─ HELLO ─► reinitializing ─ the place is lost ───────────────────► failed
///               ▲                         │ │  ▲
///               └── it broke off again ───┘ │  └── nothing is heard: a new connection is made
///                                           └───── no lobby was left: as before
/// ```
///
/// With the plain protocol every end of the connection leads from joined to left, and from anywhere
/// else to failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientState {
    /// In no lobby yet.
    #[default]
    Idle,
    /// On the way into a lobby.
    Initializing,
    /// In a lobby.
    Joined,
    /// There is a connection that may go on where the last one ended.
    Reinitializing,
    /// The connection is lost; it will be made again.
    WaitingForNetwork,
    /// Out of the lobby, as it was wanted or because it ended. There may be another.
    Left,
    /// The lobby was not reached, or lost. While the connection stands it can be tried again.
    Failed,
}
