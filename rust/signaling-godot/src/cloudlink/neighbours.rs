//! Our WebRTC connections to the members of the lobby: of a multiplayer peer, or with channels as
//! CloudLink's own clients have them.

use std::cell::RefCell;

use godot::classes::WebRtcMultiplayerPeer;
use godot::classes::multiplayer_peer::ConnectionStatus;
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::peer_server::Serialization;

use super::channels::{Channels, News};
use super::event::Member;
use super::neighbour::Begins;
use crate::peers::NamedMesh;

/// The host, as the engine counts.
const HOST: i32 = 1;

/// The connections of one stay in a lobby.
pub(crate) enum Neighbours {
    Multiplayer(NamedMesh),
    Channels(RefCell<Channels>),
}

impl Neighbours {
    /// Makes the multiplayer peer that of its branch of the tree.
    pub(super) fn assign(&self) {
        if let Self::Multiplayer(mesh) = self {
            mesh.assign();
        }
    }

    pub(super) fn peer(&self) -> Option<Gd<WebRtcMultiplayerPeer>> {
        match self {
            Self::Multiplayer(mesh) => Some(mesh.peer()),
            Self::Channels(_) => None,
        }
    }

    /// Whether there is, or was, a connection to a host: a multiplayer peer takes no other then.
    pub(super) fn has_had_a_host(&self) -> bool {
        self.peer().is_some_and(|peer| {
            peer.has_peer(HOST) || peer.get_connection_status() == ConnectionStatus::DISCONNECTED
        })
    }

    pub(super) fn channels(&self) -> Option<&RefCell<Channels>> {
        match self {
            Self::Multiplayer(_) => None,
            Self::Channels(channels) => Some(channels),
        }
    }

    pub(super) fn statistics(&self, id: PeerId) -> VarDictionary {
        match self {
            Self::Multiplayer(mesh) => mesh.statistics(id),
            Self::Channels(channels) => channels.borrow().statistics(id),
        }
    }

    /// Connects to a member, beginning with an offer of ours.
    pub(super) fn offer(&self, id: PeerId, member: &Member) {
        match self {
            Self::Multiplayer(mesh) => mesh.add(id, &member.id, true),
            Self::Channels(channels) => {
                channels.borrow_mut().connect(id, &member.id, Begins::We);
            }
        }
    }

    /// Takes in that a member begins a connection, whose first channel is written like this.
    pub(super) fn expect(&self, id: PeerId, member: &Member, written: Serialization) {
        match self {
            Self::Multiplayer(mesh) => mesh.expect(id, &member.id),
            Self::Channels(channels) => {
                channels.borrow_mut().connect(id, &member.id, Begins::They(written));
            }
        }
    }

    /// Takes in what a member told.
    pub(super) fn hear(&self, from: &Member, signal: &Signal) {
        match self {
            Self::Multiplayer(mesh) => mesh.handle(&from.id, signal),
            Self::Channels(channels) => channels.borrow_mut().hear(&from.id, signal),
        }
    }

    /// Cannot tell a member anything any more.
    pub(super) fn leave_alone(&self, member: &str) {
        if let Self::Multiplayer(mesh) = self {
            mesh.remove(member);
        }
    }

    /// What has become of the connections since the last frame. While we are not `joined`, nobody
    /// would hear of a new path.
    pub(super) fn turn(&self, joined: bool) -> Vec<News> {
        match self {
            Self::Multiplayer(mesh) => {
                let events = if joined { mesh.turn() } else { mesh.watch() };
                events.into_iter().map(News::Link).collect()
            }
            Self::Channels(channels) => channels.borrow_mut().turn(),
        }
    }

    /// Closes all connections and leaves the branch as if there had never been any.
    pub(super) fn close(&self) {
        match self {
            Self::Multiplayer(mesh) => mesh.close(),
            Self::Channels(channels) => channels.borrow_mut().close(),
        }
    }
}
