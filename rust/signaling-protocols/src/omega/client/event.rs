//! What a game may ask of its session, and what it is told.

use signaling_core::Cause;

use crate::Signal;
pub use crate::omega::late::wire::Refusal;

/// What the game may ask for. What comes at a bad time is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientRequest {
    /// Host a lobby. Leads to [`ClientEvent::Hosting`] or [`ClientEvent::Refused`]. What is asked
    /// before [`ClientEvent::Opened`] waits for it, the last of several.
    Host {
        /// Its name.
        lobby: String,
        /// What it is to be like; there are no options in the seed numbering.
        options: LobbyOptions,
    },
    /// Join a lobby. Leads to [`ClientEvent::Joined`] or [`ClientEvent::Refused`].
    Join {
        /// Its name.
        lobby: String,
        /// Its password; there are none in the seed numbering.
        password: String,
    },
    /// Send a description or a candidate to another client.
    Send {
        /// Its id.
        to: String,
        /// What.
        signal: Signal,
    },
    /// Another client seems to be gone: the server sees to it, in the seed numbering, and
    /// [`ClientEvent::PeerGone`] follows if it is true.
    Suspect {
        /// Its id.
        id: String,
    },
    /// Leave, and close the connection.
    Close,
}

/// What a lobby is to be like. Default: as many as want to, without a password, and closed when
/// its host leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LobbyOptions {
    /// How many may be in it, the host included; 0: no limit.
    pub max_members: u32,
    /// What one needs to join; empty: nothing.
    pub password: String,
    /// What becomes of it when its host leaves.
    pub host_gone: HostGone,
}

/// What becomes of a lobby when its host leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HostGone {
    /// It is closed.
    #[default]
    Close,
    /// It goes on without a host.
    GoOn,
    /// Its oldest member takes over.
    OldestTakesOver,
}

/// What the game is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server knows us.
    Opened {
        /// Our id.
        id: String,
    },
    /// Our lobby is open.
    Hosting {
        /// Its name.
        lobby: String,
    },
    /// We are in a lobby, which may still be without a host.
    Joined {
        /// Its name.
        lobby: String,
    },
    /// Our lobby was not opened, or we did not get in. We may try again.
    Refused(Refusal),
    /// Somebody in the game opened a lobby (late numbering).
    LobbyFound(LobbyEntry),
    /// There is a peer in our lobby, to which we make an offer.
    PeerFound(Party),
    /// There is a host of our lobby, whose offer we may wait for (seed numbering; in the late one
    /// the offer is all that is heard of it).
    HostFound(Party),
    /// Another client sent a description or a candidate.
    Signal {
        /// Who.
        from: Party,
        /// What.
        signal: Signal,
    },
    /// Offer and answer have arrived on both sides (seed numbering).
    Ready {
        /// The other side.
        id: String,
    },
    /// Another client wants to make a channel beside those that there are (late numbering).
    ChannelWanted {
        /// Who.
        from: Party,
        /// The channel's stream id.
        id: i64,
        /// Its name.
        name: String,
        /// Whether messages arrive in order.
        ordered: bool,
    },
    /// Another client is gone, or was never there (seed numbering).
    PeerGone {
        /// Its id.
        id: String,
    },
    /// Nobody has an id that something was sent to (late numbering).
    PeerInvalid,
    /// The host of our lobby is gone, and the lobby goes on without (late numbering).
    HostGone {
        /// The lobby.
        lobby: String,
    },
    /// The host of our lobby is gone, and somebody else is it now (late numbering). It is not told
    /// who the members are: they make their offers to it.
    HostChanged {
        /// The lobby.
        lobby: String,
        /// The new host, which may be us.
        host: Party,
        /// Whether it is us.
        is_me: bool,
    },
    /// Our lobby is closed; we may look for another one (late numbering).
    LobbyClosed {
        /// Its name.
        lobby: String,
    },
    /// The server is about to close the connection.
    Violation {
        /// Why.
        message: String,
    },
    /// The server sent something that means nothing; it was ignored.
    Malformed {
        /// How many bytes it had.
        bytes: usize,
    },
    /// The connection has ended, or never came about. Nothing follows.
    Disconnected {
        /// The close code; 1006 when there was no close frame.
        code: u16,
        /// The reason, as the server gave it or as the network reported it.
        reason: String,
        /// What brought it about.
        cause: Cause,
    },
}

/// Another client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// Its id.
    pub id: String,
    /// Its user's name, which others may have too; empty in the seed numbering, which does not
    /// tell.
    pub name: String,
}

/// A lobby that can be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyEntry {
    /// Its name.
    pub lobby: String,
    /// Its host.
    pub host: Party,
    /// How many may be in it, the host included; `None`: no limit.
    pub max_members: Option<u32>,
    /// Whether one needs a password.
    pub has_password: bool,
}
