//! How a session stands towards its room.

/// Where a session is on its way into a room, and out of it.
///
/// ```text
///    idle ─ join signal sent ────────────► initializing ─ join ack without code 200 ──────► failed
///                                           ▲   │
///    left ─ restart, join signal sent ──────┘   │ join ack with code 200
///     ▲                                         ▼
///     └─ leave signal sent ─────────────────── joined ─ unrecoverable error ──────────────► failed
///                                           │   │  ▲
///     the network is down ──────────────────┤   │  │
///                                           │   │  └─ join ack with code 200 ─┐
///                                           │   │                             │
///                                           │   └─ try to recover, join ─► reinitializing
///                                           ▼      signal sent again          ▲   │
///                             waiting for network ─ join signal sent again ───┘   │
///                                                                                 │
///                                                      join ack without code 200 ─┴───────► failed
/// ```
///
/// Three join signals without any ack count as an ack without code 200.
///
/// A connection that is lost in initializing or reinitializing is made again without a change of
/// state: the join signal is sent again, and the number of tries is limited in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoomState {
    /// Nothing was asked for yet.
    #[default]
    Idle,
    /// The join signal was sent, or is as soon as there is a connection.
    Initializing,
    /// In the room.
    Joined,
    /// The join signal was sent again to recover from a failure.
    Reinitializing,
    /// The network is down. What is said meanwhile is kept.
    WaitingForNetwork,
    /// Out of the room. It can be joined again.
    Left,
    /// There is no way on; another session is needed.
    Failed,
}

impl RoomState {
    /// Whether there is an arrow from here to there.
    pub fn leads_to(self, next: Self) -> bool {
        use RoomState::{
            Failed, Idle, Initializing, Joined, Left, Reinitializing, WaitingForNetwork,
        };
        match self {
            Idle | Left => next == Initializing,
            Initializing | Reinitializing => matches!(next, Joined | Failed),
            Joined => matches!(next, Left | Reinitializing | WaitingForNetwork | Failed),
            WaitingForNetwork => next == Reinitializing,
            Failed => false,
        }
    }

    /// Whether what is said now is kept for later.
    pub(super) fn is_on_the_way(self) -> bool {
        matches!(self, Self::Initializing | Self::Reinitializing | Self::WaitingForNetwork)
    }

    /// Whether we are in the room, or want to be.
    pub(super) fn is_active(self) -> bool {
        self == Self::Joined || self.is_on_the_way()
    }

    /// Whether the server may have something to say to us.
    pub(super) fn is_listening(self) -> bool {
        self.is_active() && self != Self::WaitingForNetwork
    }
}
