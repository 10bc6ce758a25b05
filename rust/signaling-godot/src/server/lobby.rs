//! The lobbies of all protocols in one shape, and what happens to them.

use std::mem::take;
use std::sync::Arc;

use godot::prelude::*;
use signaling_core::PeerId;
use signaling_core::overview::{LobbyNotice, LobbyView};
use signaling_gateway::unique_name;
use signaling_protocols::godot::{LobbyInfo, ServerNotice, Topology};
use signaling_protocols::routing::Protocol;

use super::to_int;
use crate::json;

/// A lobby of any protocol.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lobby {
    /// What the game tells it apart by: its name in the native protocol.
    pub(super) key: Arc<str>,
    /// In the order in which they came.
    pub(super) members: Vec<Member>,
    /// Whether nobody can join any more.
    pub(super) sealed: bool,
    pub(super) about: About,
}

/// What else is known of a lobby, which has neither members nor a seal here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum About {
    Native(LobbyInfo),
    Other(Protocol, LobbyView),
}

/// Who is in a lobby, as its protocol tells members apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Member {
    Numbered(PeerId),
    Named(Arc<str>),
}

/// What happens to a lobby.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LobbyEvent {
    /// It came to be, without members and not sealed.
    Created(Lobby),
    Joined {
        lobby: Arc<str>,
        member: Member,
    },
    Left {
        lobby: Arc<str>,
        member: Member,
    },
    /// It is like this from now on.
    Changed(Lobby),
    Sealed {
        lobby: Arc<str>,
    },
    Closed {
        lobby: Arc<str>,
    },
}

impl Lobby {
    pub(super) fn native(mut info: LobbyInfo) -> Self {
        let members = take(&mut info.members).into_iter().map(Member::Numbered).collect();
        let (key, sealed) = (Arc::clone(&info.name), take(&mut info.sealed));
        Self { key, members, sealed, about: About::Native(info) }
    }

    pub(super) fn other(protocol: Protocol, mut view: LobbyView) -> Self {
        let members = take(&mut view.members).into_iter().map(Member::Named).collect();
        let key = unique_name(protocol, &view.key).into();
        Self { key, members, sealed: false, about: About::Other(protocol, view) }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match &self.about {
            About::Native(_) => Protocol::Godot,
            About::Other(protocol, _) => *protocol,
        }
    }

    /// Whether this is the lobby that it was, and not a later one with the same key, as far as
    /// can be told.
    pub(super) fn goes_on(&self, earlier: &Self) -> bool {
        match (&self.about, &earlier.about) {
            (About::Native(info), About::Native(earlier)) => info.created == earlier.created,
            _ => self.protocol() == earlier.protocol(),
        }
    }

    /// A member has left.
    pub(super) fn remove(&mut self, member: &Member) {
        self.members.retain(|other| other != member);
        if let (About::Other(_, view), Member::Named(name)) = (&mut self.about, member) {
            view.hosts.retain(|host| host != name);
        }
    }

    /// As `SignalingServer.get_lobbies` tells of it.
    pub(super) fn describe(&self) -> VarDictionary {
        let members: PackedInt32Array =
            self.members.iter().map(|member| member.id().get().cast_signed()).collect();
        let mut entry = vdict! {
            "protocol" => self.protocol().name(),
            "key" => &*self.key,
            "members" => &members,
        };
        let details = match &self.about {
            About::Native(info) => describe_native(info, self.sealed),
            About::Other(_, view) => describe_other(view, &self.members),
        };
        entry.extend_dictionary(&details, false);
        entry
    }
}

fn describe_native(info: &LobbyInfo, sealed: bool) -> VarDictionary {
    vdict! {
        "name" => &*info.name,
        "host" => info.host.get(),
        "mesh" => info.topology == Topology::Mesh,
        "sealed" => sealed,
        "public" => info.is_public,
        "locked" => info.is_locked,
        "has_password" => info.has_password,
        "max_players" => to_int(info.max_players),
        "metadata" => &json::object_to_dictionary(&info.metadata),
        "age" => info.created.elapsed().as_secs_f64(),
    }
}

fn describe_other(view: &LobbyView, members: &[Member]) -> VarDictionary {
    let names: PackedStringArray = members.iter().filter_map(Member::name).collect();
    let hosts: PackedStringArray = view.hosts.iter().map(|host| GString::from(&**host)).collect();
    vdict! {
        "game" => &*view.key.game,
        "name" => &*view.key.name,
        "member_names" => &names,
        "hosts" => &hosts,
        "locked" => view.locked,
        "has_password" => view.has_password,
        "max_players" => view.max_members.map_or(0, to_int),
    }
}

impl Member {
    /// The id that stands for it in Godot.
    pub(super) fn id(&self) -> PeerId {
        match self {
            Self::Numbered(id) => *id,
            Self::Named(name) => PeerId::of_name(name),
        }
    }

    fn name(&self) -> Option<GString> {
        match self {
            Self::Numbered(_) => None,
            Self::Named(name) => Some(GString::from(&**name)),
        }
    }
}

impl LobbyEvent {
    /// What the native protocol tells of lobbies; `Err` when it is of something else.
    pub(super) fn native(notice: ServerNotice) -> Result<Self, ServerNotice> {
        let member = Member::Numbered;
        Ok(match notice {
            ServerNotice::LobbyCreated { info } => Self::Created(Lobby::native(*info)),
            ServerNotice::PeerJoined { lobby, peer } => {
                Self::Joined { lobby, member: member(peer) }
            }
            ServerNotice::PeerLeft { lobby, peer } => Self::Left { lobby, member: member(peer) },
            ServerNotice::LobbyChanged { info } => Self::Changed(Lobby::native(*info)),
            ServerNotice::LobbySealed { lobby } => Self::Sealed { lobby },
            ServerNotice::LobbyClosed { lobby } => Self::Closed { lobby },
            ServerNotice::Asked(_) | ServerNotice::Undecided { .. } => return Err(notice),
        })
    }

    /// What another protocol tells.
    pub(super) fn other(protocol: Protocol, notice: LobbyNotice) -> Self {
        let unique = |key| unique_name(protocol, &key).into();
        match notice {
            LobbyNotice::Opened(key) => Self::Created(Lobby::other(protocol, LobbyView::new(key))),
            LobbyNotice::Joined { lobby, member } => {
                Self::Joined { lobby: unique(lobby), member: Member::Named(member) }
            }
            LobbyNotice::Changed(view) => Self::Changed(Lobby::other(protocol, *view)),
            LobbyNotice::Left { lobby, member } => {
                Self::Left { lobby: unique(lobby), member: Member::Named(member) }
            }
            LobbyNotice::Closed(key) => Self::Closed { lobby: unique(key) },
        }
    }
}
