//! What the embedding program may ask for, and what it is told.

use std::sync::Arc;
use std::time::Instant;

use signaling_core::PeerId;

use super::hooks::{Asked, Hooks, Verdict};
use crate::godot::Topology;
use crate::godot::extended::Object;

/// What the embedding program may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerCommand {
    /// Close a lobby; plain members are closed with 4000, the others are out of it. Ignored when
    /// there is no such lobby.
    CloseLobby {
        /// Its name.
        lobby: Arc<str>,
        /// What the members are told.
        reason: String,
    },
    /// Close one member's connection, with 4000. Ignored when there is no such member.
    DisconnectPeer {
        /// The member's lobby.
        lobby: Arc<str>,
        /// The member.
        peer: PeerId,
        /// What it is told.
        reason: String,
    },
    /// Ask for decisions from now on, or not any more. What waits and would not be asked any more
    /// is accepted; what else waits is waited for as long as it was.
    SetHooks(Hooks),
    /// Decide on what was [`ServerNotice::Asked`]. Ignored when it is too late.
    Decide {
        /// [`Asked::ticket`].
        ticket: u64,
        /// The decision.
        verdict: Verdict,
    },
}

/// What the embedding program is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerNotice {
    /// A lobby was created; its host joins it next.
    LobbyCreated {
        /// The lobby, still without members.
        info: Box<LobbyInfo>,
    },
    /// A peer joined a lobby.
    PeerJoined {
        /// The lobby.
        lobby: Arc<str>,
        /// Its id there.
        peer: PeerId,
    },
    /// A peer left a lobby, whatever the cause.
    PeerLeft {
        /// The lobby.
        lobby: Arc<str>,
        /// Its id there.
        peer: PeerId,
    },
    /// A lobby has another host, other ids, or its host has changed it.
    LobbyChanged {
        /// The lobby, as it is from now on.
        info: Box<LobbyInfo>,
    },
    /// A lobby was sealed. Told once.
    LobbySealed {
        /// The lobby.
        lobby: Arc<str>,
    },
    /// A lobby is gone; all its peers have left before.
    LobbyClosed {
        /// The lobby.
        lobby: Arc<str>,
    },
    /// Somebody waits for a [`ServerCommand::Decide`].
    Asked(Box<Asked>),
    /// Nobody has decided in time.
    Undecided {
        /// [`Asked::ticket`].
        ticket: u64,
    },
}

impl ServerNotice {
    /// The ticket of what was asked; later ones are higher.
    pub fn ticket(&self) -> Option<u64> {
        match self {
            Self::Asked(asked) => Some(asked.ticket),
            _ => None,
        }
    }

    /// The lobby that is not what it was.
    pub(super) fn changed_lobby(&self) -> Option<&Arc<str>> {
        match self {
            Self::Asked(_) | Self::Undecided { .. } => None,
            Self::LobbyCreated { info } | Self::LobbyChanged { info } => Some(&info.name),
            Self::PeerJoined { lobby, .. }
            | Self::PeerLeft { lobby, .. }
            | Self::LobbySealed { lobby }
            | Self::LobbyClosed { lobby } => Some(lobby),
        }
    }
}

/// One open lobby, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Who connects to whom.
    pub topology: Topology,
    /// True when nobody can join any more.
    pub sealed: bool,
    /// When it was created.
    pub created: Instant,
    /// Its host.
    pub host: PeerId,
    /// Its members in join order.
    pub members: Vec<PeerId>,
    /// Members at most.
    pub max_players: usize,
    /// Whether it is in lists.
    pub is_public: bool,
    /// Whether nobody can join for now.
    pub is_locked: bool,
    /// Whether a password is needed.
    pub has_password: bool,
    /// What its host tells of it.
    pub metadata: Object,
}
