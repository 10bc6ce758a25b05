//! The lobby that we are in, as the game sees it.

use std::collections::BTreeMap;

use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::godot::extended::{
    Json, LobbyEntry, LobbyView, MemberView, Object, limits,
};
use signaling_protocols::godot::{ClientEvent, Topology};

use super::members::Members;
use crate::json;

/// Members, values and settings, as told so far. What is more than a server keeps is not kept.
pub(super) struct Room {
    me: PeerId,
    host: PeerId,
    topology: Topology,
    /// Whether peers are all that we are told of.
    is_plain: bool,
    /// Its code, once we are in.
    code: String,
    /// What a server of the plain protocol does not tell.
    view: Option<LobbyView>,
    members: Members,
    values: BTreeMap<String, Json>,
}

impl Room {
    /// A lobby of which no more is known than our id.
    pub(super) fn new(me: PeerId, topology: Topology, is_plain: bool) -> Self {
        let mut members = Members::default();
        if is_plain {
            members.put(bare(me));
        }
        Self {
            me,
            host: PeerId::HOST,
            topology,
            is_plain,
            code: String::new(),
            view: None,
            members,
            values: BTreeMap::new(),
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    pub(super) fn is_host(&self) -> bool {
        self.me == self.host
    }

    pub(super) fn has(&self, id: PeerId) -> bool {
        self.members.get(id).is_some()
    }

    /// Whether this member is here, and the server does not wait for its return.
    pub(super) fn has_stable(&self, id: PeerId) -> bool {
        self.members.get(id).is_some_and(|member| !member.is_unstable)
    }

    /// Takes in what was told.
    pub(super) fn apply(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::LobbyJoined { lobby, view } => {
                self.code.clone_from(lobby);
                view.iter().for_each(|view| self.see(view));
            }
            ClientEvent::EpochStarted { view, renamed, .. } => {
                self.members.rename(renamed);
                self.see(view);
            }
            ClientEvent::LobbyChanged(entry) => self.change(entry),
            ClientEvent::Sealed => {
                self.view.iter_mut().for_each(|view| view.entry.is_sealed = true)
            }
            ClientEvent::HostChanged { id, .. } => self.hand_to(*id),
            ClientEvent::MemberChanged(member) => self.members.put(MemberView::clone(member)),
            ClientEvent::MemberLeft { id, .. } => self.members.remove(*id),
            ClientEvent::PeerConnected { id } if self.is_plain => self.members.put(bare(*id)),
            ClientEvent::PeerDisconnected { id } if self.is_plain => self.members.remove(*id),
            ClientEvent::PeerUnstable { id } => self.mark(*id, true),
            ClientEvent::PeerStable { id } => self.mark(*id, false),
            ClientEvent::RoundTrips(trips) => self.time(trips),
            ClientEvent::ValueChanged { key, value: Some(value), .. } => {
                self.set(key, value);
            }
            ClientEvent::ValueChanged { key, value: None, .. } => {
                self.values.remove(key);
            }
            _ => {}
        }
    }

    fn see(&mut self, view: &LobbyView) {
        (self.me, self.host, self.topology) = (view.me, view.host, view.entry.topology);
        self.view = Some(view.clone());
    }

    fn change(&mut self, entry: &LobbyEntry) {
        if let Some(view) = &mut self.view {
            view.entry = entry.clone();
        }
    }

    fn hand_to(&mut self, host: PeerId) {
        self.host = host;
        if let Some((view, member)) = self.view.as_mut().zip(self.members.get(host)) {
            view.entry.host_name.clone_from(&member.name);
        }
    }

    fn set(&mut self, key: &str, value: &Json) {
        if self.values.len() < limits::VALUES || self.values.contains_key(key) {
            self.values.insert(key.to_owned(), value.clone());
        }
    }

    fn mark(&mut self, id: PeerId, is_unstable: bool) {
        if let Some(member) = self.members.get_mut(id) {
            member.is_unstable = is_unstable;
        }
    }

    fn time(&mut self, trips: &[(PeerId, u32)]) {
        for (id, rtt) in trips {
            if let Some(member) = self.members.get_mut(*id) {
                member.rtt = Some(*rtt);
            }
        }
    }

    /// Those whom we have to be connected to.
    pub(super) fn partners(&self) -> impl Iterator<Item = PeerId> {
        let ids = self.members.iter().map(|member| member.id).filter(|id| *id != self.me);
        ids.filter(|id| self.topology == Topology::Mesh || self.is_host() || *id == self.host)
    }

    pub(super) fn members(&self) -> Array<VarDictionary> {
        self.members.iter().map(|member| json::member(member, self.host)).collect()
    }

    pub(super) fn value(&self, key: &str) -> Variant {
        json::optional_to_variant(self.values.get(key))
    }

    pub(super) fn describe(&self) -> VarDictionary {
        let mut dictionary = self.view.as_ref().map(json::view).unwrap_or_default();
        dictionary.set("code", &*self.code);
        dictionary.set("mesh", self.topology == Topology::Mesh);
        dictionary.set("players", json::count(self.members.len()));
        dictionary.set("id", json::id(self.me));
        dictionary.set("host", json::id(self.host));
        dictionary
    }
}

/// A member of whom nothing is known.
fn bare(id: PeerId) -> MemberView {
    let (name, user, metadata) = (String::new(), String::new(), Object::default());
    MemberView { id, name, user, metadata, rtt: None, is_unstable: false }
}
