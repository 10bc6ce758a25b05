//! Peers that their protocol knows by texts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use godot::classes::{MultiplayerApi, WebRtcMultiplayerPeer};
use godot::prelude::*;
use signaling_core::PeerId;

use super::mesh::MAX_PEERS;
use super::{LinkEvent, Mesh, Post, Role, Signal};

/// A [`Mesh`] whose peers are known by texts. Each has the id [`PeerId::of_name`] of its text, but
/// for a host that has to be 1.
pub(crate) struct NamedMesh {
    mesh: Rc<Mesh>,
    names: Names,
}

/// Filled and emptied by whoever is introduced and leaves. While it has [`MAX_PEERS`], others are
/// not connected to: a server that announces more means no good.
type Names = Rc<RefCell<BTreeMap<PeerId, Rc<str>>>>;

/// Passes a signal on to the peer with this text.
pub(crate) type Carry = dyn Fn(&str, Signal);

struct NamedPost {
    names: Names,
    carry: Box<Carry>,
}

impl NamedMesh {
    /// A multiplayer peer without connections yet; `carry` passes on what they tell each other.
    pub(crate) fn new(
        role: Role,
        configuration: VarDictionary,
        api: Gd<MultiplayerApi>,
        carry: Box<Carry>,
    ) -> Self {
        let names = Names::default();
        let post = NamedPost { names: Rc::clone(&names), carry };
        Self { mesh: Rc::new(Mesh::new(role, configuration, api, post)), names }
    }

    /// Makes it the multiplayer peer of its branch of the tree.
    pub(crate) fn assign(&self) {
        self.mesh.assign();
    }

    pub(crate) fn peer(&self) -> Gd<WebRtcMultiplayerPeer> {
        self.mesh.peer()
    }

    /// Connects to a peer under this id; `offers` tells which side begins. Returns false when
    /// another peer has the id.
    pub(crate) fn add(&self, id: PeerId, name: &str, offers: bool) -> bool {
        if self.is_taken(id, name) {
            return false;
        }
        if self.names.borrow().len() < MAX_PEERS {
            self.names.borrow_mut().insert(id, name.into());
            self.mesh.add(id, offers);
        }
        true
    }

    /// The same for a peer that may have been here before: a connection to it that stands is kept,
    /// one that does not is made anew.
    pub(crate) fn renew(&self, id: PeerId, name: &str, offers: bool) -> bool {
        if !self.is_taken(id, name) && !self.mesh.is_settled(id) {
            self.mesh.expel(id);
        }
        self.add(id, name, offers)
    }

    /// The same for a peer that has hung up if it was here before: what connection it had is none any
    /// more.
    pub(crate) fn replace(&self, id: PeerId, name: &str, offers: bool) -> bool {
        if !self.is_taken(id, name) {
            self.mesh.expel(id);
        }
        self.add(id, name, offers)
    }

    /// The same for a peer that begins anew: a connection that stands is kept if it leads to that peer,
    /// and not to another one that had the id before.
    pub(crate) fn expect(&self, id: PeerId, name: &str) -> bool {
        match self.id_of(name) {
            Some(_) => self.renew(id, name, false),
            None => self.replace(id, name, false),
        }
    }

    /// How the connection to a peer is doing; empty when there is none.
    pub(crate) fn statistics(&self, id: PeerId) -> VarDictionary {
        self.mesh.statistics(id)
    }

    /// Cannot tell a peer anything any more; its connection stays.
    pub(crate) fn remove(&self, name: &str) {
        if let Some(id) = self.id_of(name) {
            self.names.borrow_mut().remove(&id);
            self.mesh.remove(id);
        }
    }

    /// Takes in what another peer told.
    pub(crate) fn handle(&self, from: &str, signal: &Signal) {
        if let Some(id) = self.id_of(from) {
            self.mesh.handle(id, signal);
        }
    }

    /// What has become of the connections since the last frame. Looks for new paths where needed.
    pub(crate) fn turn(&self) -> Vec<LinkEvent> {
        self.mesh.turn()
    }

    /// Closes all connections and leaves the branch as if there had never been any.
    pub(crate) fn close(&self) {
        self.mesh.close();
    }

    /// Whether the id stands for somebody else.
    fn is_taken(&self, id: PeerId, name: &str) -> bool {
        let is_another = |known: &Rc<str>| **known != *name;
        id == self.mesh.id() || self.names.borrow().get(&id).is_some_and(is_another)
    }

    fn id_of(&self, name: &str) -> Option<PeerId> {
        let names = self.names.borrow();
        names.iter().find(|(_, known)| ***known == *name).map(|(id, _)| *id)
    }
}

impl Post for NamedPost {
    fn is_open(&self) -> bool {
        true
    }

    fn send(&self, to: PeerId, signal: Signal) {
        let name = self.names.borrow().get(&to).cloned();
        if let Some(name) = name {
            (self.carry)(&name, signal);
        }
    }
}
