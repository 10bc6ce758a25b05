//! The lobby that we are in, as the game sees it.

use std::collections::BTreeMap;

use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::godot::extended::{Json, LobbyEntry, LobbyView, MemberView, Object};
use signaling_protocols::godot::{ClientEvent, Topology};

use crate::json;

/// Members, values and settings, as told so far. The session has bounded all of it.
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
    /// In the order in which they were told.
    members: Vec<MemberView>,
    values: BTreeMap<String, Json>,
}

impl Room {
    /// A lobby of which no more is known than our id.
    pub(super) fn new(me: PeerId, topology: Topology, is_plain: bool) -> Self {
        Self {
            me,
            host: PeerId::HOST,
            topology,
            is_plain,
            code: String::new(),
            view: None,
            members: if is_plain { vec![bare(me)] } else { Vec::new() },
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
        self.members.iter().any(|member| member.id == id)
    }

    /// Whether this member is here, and the server does not wait for its return.
    pub(super) fn has_stable(&self, id: PeerId) -> bool {
        self.members.iter().any(|member| member.id == id && !member.is_unstable)
    }

    /// Takes in what was told.
    pub(super) fn apply(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::LobbyJoined { lobby, view } => {
                self.code.clone_from(lobby);
                view.iter().for_each(|view| self.see(view));
            }
            ClientEvent::EpochStarted { view, renamed, .. } => {
                self.rename(renamed);
                self.see(view);
            }
            ClientEvent::LobbyChanged(entry) => self.change(entry),
            ClientEvent::HostChanged { id, .. } => self.host = *id,
            ClientEvent::MemberChanged(member) => self.put(member),
            ClientEvent::MemberLeft { id, .. } => self.members.retain(|member| member.id != *id),
            ClientEvent::PeerConnected { id } if self.is_plain => self.put(&bare(*id)),
            ClientEvent::PeerDisconnected { id } if self.is_plain => {
                self.members.retain(|member| member.id != *id);
            }
            ClientEvent::PeerUnstable { id } => self.mark(*id, true),
            ClientEvent::PeerStable { id } => self.mark(*id, false),
            ClientEvent::RoundTrips(trips) => self.time(trips),
            ClientEvent::ValueChanged { key, value: Some(value), .. } => {
                self.values.insert(key.clone(), value.clone());
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

    fn rename(&mut self, renamed: &[(PeerId, PeerId)]) {
        for member in &mut self.members {
            if let Some((_, to)) = renamed.iter().find(|(from, _)| *from == member.id) {
                member.id = *to;
            }
        }
    }

    fn put(&mut self, member: &MemberView) {
        match self.members.iter_mut().find(|known| known.id == member.id) {
            Some(known) => *known = member.clone(),
            None => self.members.push(member.clone()),
        }
    }

    fn mark(&mut self, id: PeerId, is_unstable: bool) {
        for member in self.members.iter_mut().filter(|member| member.id == id) {
            member.is_unstable = is_unstable;
        }
    }

    fn time(&mut self, trips: &[(PeerId, u32)]) {
        for member in &mut self.members {
            let trip = trips.iter().find(|(id, _)| *id == member.id);
            member.rtt = trip.map(|(_, rtt)| *rtt).or(member.rtt);
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
