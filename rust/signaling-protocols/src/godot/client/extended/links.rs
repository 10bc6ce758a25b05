//! How the game's own connections to the other members are, for those whose return is waited for.

use std::collections::{BTreeMap, BTreeSet};

use signaling_core::PeerId;

use crate::godot::extended::LinkState;

/// Members that are remembered at most; of more nothing is told.
const MAX_MEMBERS: usize = 4096;

/// What is told is told of unstable members alone.
#[derive(Debug)]
pub(super) struct Links {
    /// Which of the game's connections these are.
    generation: u64,
    /// What is not here is `None`; at most [`MAX_MEMBERS`].
    states: BTreeMap<PeerId, LinkState>,
    /// At most [`MAX_MEMBERS`].
    unstable: BTreeSet<PeerId>,
}

impl Links {
    pub(super) fn new(generation: u64) -> Self {
        Self { generation, states: BTreeMap::new(), unstable: BTreeSet::new() }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The game tells how a connection is. What to tell the server, if anything.
    pub(super) fn set(&mut self, peer: PeerId, state: LinkState) -> Option<LinkState> {
        let old = self.get(peer);
        if state == LinkState::None {
            self.states.remove(&peer);
        } else if self.states.len() < MAX_MEMBERS || self.states.contains_key(&peer) {
            self.states.insert(peer, state);
        }
        (old != state && self.unstable.contains(&peer)).then_some(state)
    }

    /// The server waits for a member. What to tell it at once, if it is news.
    pub(super) fn set_unstable(&mut self, peer: PeerId) -> Option<LinkState> {
        let is_news = self.unstable.len() < MAX_MEMBERS && self.unstable.insert(peer);
        is_news.then(|| self.get(peer))
    }

    pub(super) fn set_stable(&mut self, peer: PeerId) {
        self.unstable.remove(&peer);
    }

    /// The member is gone.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.states.remove(&peer);
        self.unstable.remove(&peer);
    }

    /// All connections are made anew, some to members with other ids.
    pub(super) fn begin_again(&mut self, generation: u64, renamed: &[(PeerId, PeerId)]) {
        self.generation = generation;
        self.states.clear();
        let renamed: BTreeMap<_, _> = renamed.iter().copied().collect();
        let new_id = |id: PeerId| renamed.get(&id).copied().unwrap_or(id);
        self.unstable = self.unstable.iter().copied().map(new_id).collect();
    }

    fn get(&self, peer: PeerId) -> LinkState {
        self.states.get(&peer).copied().unwrap_or(LinkState::None)
    }
}
