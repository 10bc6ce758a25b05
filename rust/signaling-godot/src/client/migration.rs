//! A client-server lobby that goes on around another host.

use std::collections::BTreeSet;

use signaling_core::PeerId;

use super::links::LinkEvent;
use super::mesh::Mesh;
use super::room::Room;

/// Lasts until the connections stand that have to be made anew, or have failed.
#[derive(Debug, Default)]
pub(super) struct Migration {
    failed: BTreeSet<PeerId>,
}

impl Migration {
    /// Takes in what became of a connection.
    pub(super) fn note(&mut self, event: &LinkEvent) {
        if let LinkEvent::Failed { id, .. } | LinkEvent::Closed(id) = event {
            self.failed.insert(*id);
        }
    }

    /// Whether nothing more is to be waited for. Without a mesh the game connects by itself.
    pub(super) fn is_over(&self, room: &Room, mesh: Option<&Mesh>) -> bool {
        let is_settled = |id| mesh.is_none_or(|mesh| mesh.is_settled(id));
        room.partners().all(|id| self.failed.contains(&id) || is_settled(id))
    }
}
