//! Peers that their protocol knows by texts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use godot::classes::{MultiplayerApi, WebRtcMultiplayerPeer};
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::Signal;

use super::mesh::MAX_PEERS;
use super::{LinkEvent, Mesh, Post, Role};

/// A [`Mesh`] whose peers are known by texts. Each has the id [`PeerId::of_name`] of its text, but
/// for a host that has to be 1.
pub(crate) struct NamedMesh {
    mesh: Rc<Mesh>,
    names: Names,
    /// Which connection of a peer's ours leads to, by the [`origin`] of its descriptions. Of known
    /// peers.
    origins: RefCell<BTreeMap<PeerId, String>>,
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
        let mesh = Rc::new(Mesh::new(role, configuration, api, post));
        Self { mesh, names, origins: RefCell::default() }
    }

    /// Makes it the multiplayer peer of its branch of the tree.
    pub(crate) fn assign(&self) {
        self.mesh.assign();
    }

    pub(crate) fn peer(&self) -> Gd<WebRtcMultiplayerPeer> {
        self.mesh.peer()
    }

    /// Connects to a peer under this id, unless another peer has it; `offers` tells which side
    /// begins.
    pub(crate) fn add(&self, id: PeerId, name: &str, offers: bool) {
        if self.is_taken(id, name) {
            return godot_warn!("Cannot connect to \"{name}\": its peer id {id} is taken.");
        }
        if self.names.borrow().len() < MAX_PEERS {
            self.names.borrow_mut().insert(id, name.into());
            self.mesh.add(id, offers);
        }
    }

    /// The same for a peer that may have been here before: a connection to it that stands is kept,
    /// one that does not is made anew.
    pub(crate) fn renew(&self, id: PeerId, name: &str, offers: bool) {
        if !self.is_taken(id, name) && !self.mesh.is_settled(id) {
            self.expel(id);
        }
        self.add(id, name, offers);
    }

    /// The same for a peer that has hung up if it was here before: what connection it had is none
    /// any more.
    pub(crate) fn replace(&self, id: PeerId, name: &str, offers: bool) {
        if !self.is_taken(id, name) {
            self.expel(id);
        }
        self.add(id, name, offers);
    }

    /// The same for a peer that begins anew: a connection that stands is kept if it leads to that
    /// peer, and not to another one that had the id before.
    pub(crate) fn expect(&self, id: PeerId, name: &str) {
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
            self.origins.borrow_mut().remove(&id);
            self.mesh.remove(id);
        }
    }

    /// Takes in what another peer told. One that begins anew, because its connection to us has
    /// failed, gets a new one from us, too.
    pub(crate) fn handle(&self, from: &str, signal: &Signal) {
        let Some(id) = self.id_of(from) else { return };
        if let Signal::Offer { sdp } | Signal::Answer { sdp } = signal {
            let origin = origin(sdp);
            let known = self.origins.borrow_mut().insert(id, origin.clone());
            if matches!(signal, Signal::Offer { .. }) && known.as_ref() != Some(&origin) {
                if known.is_some() {
                    self.mesh.expel(id);
                }
                self.mesh.add(id, false);
            }
        }
        self.mesh.handle(id, signal);
    }

    /// What has become of the connections since the last frame. Looks for new paths where needed.
    pub(crate) fn turn(&self) -> Vec<LinkEvent> {
        self.mesh.turn()
    }

    /// The same while nobody hears what is said: nobody could agree to a new path.
    pub(crate) fn watch(&self) -> Vec<LinkEvent> {
        self.mesh.watch()
    }

    /// Closes all connections and leaves the branch as if there had never been any.
    pub(crate) fn close(&self) {
        self.mesh.close();
    }

    /// Lets go of what connection there is.
    fn expel(&self, id: PeerId) {
        self.origins.borrow_mut().remove(&id);
        self.mesh.expel(id);
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

/// What all descriptions of one connection have in common and no other has (RFC 8866, section 5.2):
/// the `o=` line without its version.
fn origin(sdp: &str) -> String {
    let line = sdp.lines().find_map(|line| line.strip_prefix("o=")).unwrap_or_default();
    let parts = line.split(' ').enumerate().filter(|(place, _)| *place != 2);
    parts.map(|(_, part)| part).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_one_connection_have_the_same_origin() {
        let sdp = |session: u64, version: u64| {
            format!("v=0\r\no=- {session} {version} IN IP4 127.0.0.1\r\ns=-\r\n")
        };
        assert_eq!(origin(&sdp(1, 2)), origin(&sdp(1, 3)));
        assert_ne!(origin(&sdp(1, 2)), origin(&sdp(2, 2)));
        assert_eq!(origin("v=0"), "");
    }
}
