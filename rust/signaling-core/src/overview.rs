//! What an embedding program sees of the lobbies of any protocol.

use std::sync::Arc;

use crate::machine::Server;

/// A [`Server`] that tells of its lobbies in the common way.
pub trait Overview: Server<Notice = LobbyNotice> {
    /// All lobbies, in no particular order.
    fn lobbies(&self) -> Vec<LobbyView>;
}

/// Which lobby.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LobbyKey {
    /// The game that the lobby belongs to, where a protocol separates games; empty elsewhere.
    pub game: Arc<str>,
    /// Its name among the lobbies of that game.
    pub name: Arc<str>,
}

/// One lobby, as it is at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyView {
    /// Which.
    pub key: LobbyKey,
    /// The ids of all members in the order in which they came, as they know each other.
    pub members: Vec<Arc<str>>,
    /// Which of them are in charge; none in protocols without a host.
    pub hosts: Vec<Arc<str>>,
    /// How many members may be in it; `None`: no limit.
    pub max_members: Option<usize>,
    /// Whether nobody may join at the moment.
    pub locked: bool,
    /// Whether one needs a password to join.
    pub has_password: bool,
}

impl LobbyView {
    /// A lobby without members and limits, as it is when it has just come to be.
    pub fn new(key: LobbyKey) -> Self {
        let (members, hosts) = (Vec::new(), Vec::new());
        Self { key, members, hosts, max_members: None, locked: false, has_password: false }
    }
}

/// What happens to lobbies. Between `Opened` and `Closed` of a lobby stands everything else about
/// it, and whoever takes all notices into account knows what [`Overview::lobbies`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LobbyNotice {
    /// A lobby came to be, a [`LobbyView::new`]. Where its creator makes more of it, `Changed`
    /// follows the creator's `Joined`.
    Opened(LobbyKey),
    /// A member came in.
    Joined {
        /// Where.
        lobby: LobbyKey,
        /// Its id.
        member: Arc<str>,
    },
    /// Hosts, limits or locks have changed.
    Changed(Box<LobbyView>),
    /// A member is gone, for whatever reason. If it was a host, it is none any more.
    Left {
        /// Where.
        lobby: LobbyKey,
        /// Its id.
        member: Arc<str>,
    },
    /// A lobby is gone, and every member has left it.
    Closed(LobbyKey),
}
