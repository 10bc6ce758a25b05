//! What the game was told of a lobby: a server cannot make it keep more than a lobby can have.

use std::collections::{BTreeMap, BTreeSet};

use signaling_core::PeerId;

use crate::godot::extended::{ServerEvent, limits};
use crate::godot::wire::ServerMessage;

/// Members of a lobby, and peers. Another server may let more in than ours.
const MAX_MEMBERS: usize = 4096;

/// From ID until the next one.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// At most [`MAX_MEMBERS`].
    members: BTreeSet<PeerId>,
    /// Those to connect to; at most [`MAX_MEMBERS`].
    peers: BTreeSet<PeerId>,
    /// Keys; at most [`limits::VALUES`].
    values: BTreeSet<String>,
}

impl Told {
    /// Notes what the game is about to be told; false when it is more than a lobby can have.
    pub(super) fn admit(&mut self, message: &ServerMessage<'_>) -> bool {
        match message {
            ServerMessage::Identified { .. } => *self = Self::default(),
            ServerMessage::PeerConnected(id) => return insert(&mut self.peers, *id, MAX_MEMBERS),
            ServerMessage::PeerDisconnected(id) => {
                self.peers.remove(id);
            }
            ServerMessage::Extended(event) => return self.admit_event(event),
            _ => {}
        }
        true
    }

    fn admit_event(&mut self, event: &ServerEvent) -> bool {
        match event {
            ServerEvent::Member(view) => return insert(&mut self.members, view.id, MAX_MEMBERS),
            ServerEvent::MemberGone { peer, .. } => {
                self.members.remove(peer);
            }
            ServerEvent::Value { key, value: Some(_), .. } => {
                return insert(&mut self.values, key.clone(), limits::VALUES);
            }
            ServerEvent::Value { key, value: None, .. } => {
                self.values.remove(key);
            }
            _ => {}
        }
        true
    }

    /// Others to connect to.
    pub(super) fn peers(&self) -> usize {
        self.peers.len()
    }

    /// All connections are made anew, some to members with other ids.
    pub(super) fn begin_again(&mut self, renamed: &[(PeerId, PeerId)]) {
        self.peers.clear();
        let renamed: BTreeMap<_, _> = renamed.iter().copied().collect();
        let new_id = |id: PeerId| renamed.get(&id).copied().unwrap_or(id);
        self.members = self.members.iter().copied().map(new_id).collect();
    }
}

/// False when there is no room for it.
fn insert<T: Ord>(set: &mut BTreeSet<T>, item: T, capacity: usize) -> bool {
    let is_known = set.contains(&item);
    is_known || (set.len() < capacity && set.insert(item))
}
