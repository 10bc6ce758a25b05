//! A client-server lobby that goes on around another host.

use std::collections::BTreeSet;

use signaling_core::PeerId;

use super::room::Room;
use crate::peers::{LinkEvent, Mesh};

/// Lasts until the connections stand that have to be made anew, or have failed.
#[derive(Debug)]
pub(super) struct Migration {
    /// With whom: those who were there when it began. Whoever leaves or fails is let go of.
    awaited: BTreeSet<PeerId>,
    /// The game is told of the new host before it is told of the end.
    is_host_told: bool,
}

impl Migration {
    /// Begins with whom the lobby has now.
    pub(super) fn of(room: Option<&Room>) -> Self {
        let awaited = room.into_iter().flat_map(Room::partners).collect();
        Self { awaited, is_host_told: false }
    }

    /// Takes in that the new host is told.
    pub(super) fn note_host(&mut self) {
        self.is_host_told = true;
    }

    /// Takes in what became of a connection.
    pub(super) fn note(&mut self, event: &LinkEvent) {
        if let LinkEvent::Failed { id, .. } | LinkEvent::Closed(id) = event {
            self.awaited.remove(id);
        }
    }

    /// Whether nothing more is to be waited for. Without a mesh the game connects by itself.
    pub(super) fn is_over(&self, room: &Room, mesh: Option<&Mesh>) -> bool {
        let is_settled = |id| mesh.is_none_or(|mesh| mesh.is_settled(id));
        let is_due = |id: &PeerId| room.has_stable(*id) && !is_settled(*id);
        self.is_host_told && !self.awaited.iter().any(is_due)
    }
}
