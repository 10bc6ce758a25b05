//! One multiplayer peer and its connections.
//!
//! The engine's classes do the work; this module decides when a candidate may be handed over, and
//! when the other side can be told something. It borrows nothing of the node, because the engine
//! emits signals from within many of these calls, and their handlers may do anything.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use godot::classes::multiplayer_peer::ConnectionStatus;
use godot::classes::{
    MultiplayerApi, MultiplayerPeer, OfflineMultiplayerPeer, WebRtcMultiplayerPeer,
    WebRtcPeerConnection,
};
use godot::global::Error;
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::Signal;

use super::links::{LinkEvent, Links};

/// Peers that are told of at most; a server that announces more means no good.
pub(super) const MAX_PEERS: usize = 4096;

/// What waits for a peer's description: filled by its candidates, emptied when the description is
/// set. Further candidates are dropped; a peer has few.
const MAX_EARLY_CANDIDATES: usize = 64;

/// What the multiplayer peer is among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of many, each connected to each, with this id.
    Mesh(PeerId),
    /// Peer 1, to which all others are connected.
    Server,
    /// Connected to peer 1 alone, with this id.
    Client(PeerId),
}

impl Role {
    /// Whether we are to be connected to a peer with this id.
    fn pairs_with(self, other: PeerId) -> bool {
        match self {
            Self::Mesh(me) => other != me,
            Self::Server => other != PeerId::HOST,
            Self::Client(_) => other == PeerId::HOST,
        }
    }
}

/// Carries signals to the other peers.
pub(crate) trait Post {
    /// False once there is no server any more that could pass something on.
    fn is_open(&self) -> bool;

    fn send(&self, to: PeerId, signal: Signal);

    /// Hears of what becomes of a connection.
    fn note(&self, _event: &LinkEvent) {}
}

/// One multiplayer peer and the connections that belong to it.
pub(crate) struct Mesh {
    role: Role,
    peer: Gd<WebRtcMultiplayerPeer>,
    api: Gd<MultiplayerApi>,
    configuration: VarDictionary,
    post: Box<dyn Post>,
    /// Who can be told something, each with the candidates that came before its description;
    /// `None` once that is set.
    members: RefCell<HashMap<PeerId, Option<Vec<Candidate>>>>,
    links: Links,
    /// Set when no connection can be made at all, so that it is said once.
    given_up: Cell<bool>,
}

struct Candidate {
    mid: GString,
    index: i32,
    sdp: GString,
}

impl Mesh {
    /// A multiplayer peer without connections yet.
    pub(crate) fn new(
        role: Role,
        configuration: VarDictionary,
        api: Gd<MultiplayerApi>,
        post: impl Post + 'static,
    ) -> Self {
        let mut peer = WebRtcMultiplayerPeer::new_gd();
        let error = match role {
            Role::Mesh(id) => peer.create_mesh(number(id)),
            Role::Server => peer.create_server(),
            Role::Client(id) => peer.create_client(number(id)),
        };
        let links = Links::default();
        links.listen(&peer);
        Self {
            role,
            peer,
            api,
            configuration,
            post: Box::new(post),
            members: RefCell::default(),
            links,
            given_up: Cell::new(error != Error::OK),
        }
    }

    /// Our own id.
    pub(crate) fn id(&self) -> PeerId {
        match self.role {
            Role::Mesh(id) | Role::Client(id) => id,
            Role::Server => PeerId::HOST,
        }
    }

    pub(crate) fn peer(&self) -> Gd<WebRtcMultiplayerPeer> {
        self.peer.clone()
    }

    /// Makes it the multiplayer peer of its branch of the tree.
    pub(crate) fn assign(&self) {
        self.api.clone().set_multiplayer_peer(&self.peer);
    }

    /// What has become of the connections since the last frame. Looks for new paths where needed.
    pub(crate) fn turn(&self) -> Vec<LinkEvent> {
        let events = self.watch();
        self.links.restart(|id| self.can_tell(id));
        events
    }

    /// The same while nobody hears what is said: nobody could agree to a new path.
    pub(crate) fn watch(&self) -> Vec<LinkEvent> {
        let events = self.links.turn(|id| self.has(id));
        events.iter().for_each(|event| self.post.note(event));
        events
    }

    /// Whether there is a connection to a peer, in whatever state.
    pub(crate) fn has(&self, id: PeerId) -> bool {
        self.peer.has_peer(number(id))
    }

    /// Whether the connection to a peer stands, or none will ever be made.
    pub(crate) fn is_settled(&self, id: PeerId) -> bool {
        self.given_up.get() || self.is_connected(id)
    }

    /// How the connection to a peer is doing; empty when there is none.
    pub(crate) fn statistics(&self, id: PeerId) -> VarDictionary {
        self.links.statistics(id)
    }

    /// Closes all connections and leaves the branch as if there had never been any.
    pub(crate) fn close(&self) {
        let mut api = self.api.clone();
        let ours = self.peer.clone().upcast::<MultiplayerPeer>();
        if api.get_multiplayer_peer() == Some(ours) {
            api.set_multiplayer_peer(&OfflineMultiplayerPeer::new_gd());
        }
        self.peer.clone().close();
        self.links.clear();
    }

    /// Another peer is there: we connect to it, and `offers` tells which side begins.
    /// One that is connected can be told something again.
    pub(crate) fn add(self: &Rc<Self>, other: PeerId, offers: bool) {
        if self.is_connected(other) {
            self.members.borrow_mut().entry(other).or_default();
        }
        if self.given_up.get() || !self.can_add(other) {
            return;
        }
        if let Err(problem) = self.connect(other, offers) {
            self.given_up.set(true);
            self.links.give_up(problem);
            godot_error!("Cannot connect to other peers: {problem}.");
        }
    }

    /// A peer cannot be told anything any more. One that left before it described itself is let go
    /// of. Any other is connected, or may be in a moment: it has only lost its signaling, and stays
    /// until its connection ends.
    pub(crate) fn remove(&self, other: PeerId) {
        let early = self.members.borrow_mut().remove(&other);
        if early.flatten().is_some() {
            self.expel(other);
        }
    }

    /// Lets go of a peer that may not be here any more.
    pub(crate) fn expel(&self, other: PeerId) {
        if self.has(other) {
            self.peer.clone().remove_peer(number(other));
        }
    }

    /// Nobody can be told anything any more.
    pub(crate) fn hang_up(&self) {
        self.members.borrow_mut().clear();
    }

    /// Takes in what another peer told.
    pub(crate) fn handle(&self, from: PeerId, signal: &Signal) {
        match signal {
            Signal::Offer { sdp } => self.describe(from, "offer", sdp),
            Signal::Answer { sdp } => self.describe(from, "answer", sdp),
            Signal::Candidate { mid, index, sdp } => {
                let (mid, sdp) = (GString::from(mid), GString::from(sdp));
                let index = i32::try_from(*index).unwrap_or_default();
                self.suggest(from, Candidate { mid, index, sdp });
            }
        }
    }

    /// Whether the multiplayer peer would take this peer; it complains about every other.
    fn can_add(&self, other: PeerId) -> bool {
        self.role.pairs_with(other)
            && !self.has(other)
            && self.members.borrow().len() < MAX_PEERS
            && !self.peer.is_refusing_new_connections()
            && self.peer.get_connection_status() != ConnectionStatus::DISCONNECTED
    }

    fn connect(self: &Rc<Self>, other: PeerId, offers: bool) -> Result<(), &'static str> {
        let mut connection = super::connection(&self.configuration)?;
        self.listen_to(&connection, other);
        self.members.borrow_mut().insert(other, Some(Vec::new()));
        if self.peer.clone().add_peer(&connection, number(other)) != Error::OK {
            return Err("the multiplayer peer refuses the connection");
        }
        self.links.add(other, &connection, offers);
        if offers {
            connection.create_offer();
        }
        Ok(())
    }

    /// The connection is owned by the multiplayer peer, and we are owned by the node: the
    /// handlers own neither.
    fn listen_to(self: &Rc<Self>, connection: &Gd<WebRtcPeerConnection>, other: PeerId) {
        let mesh = Rc::downgrade(self);
        connection.signals().session_description_created().builder().connect_self_gd(
            move |mut connection: Gd<WebRtcPeerConnection>, kind: GString, sdp: GString| {
                if connection.set_local_description(&kind, &sdp) != Error::OK {
                    return;
                }
                let Some(mesh) = mesh.upgrade() else { return };
                let sdp = sdp.to_string();
                mesh.send(
                    other,
                    match kind == "offer" {
                        true => Signal::Offer { sdp },
                        false => Signal::Answer { sdp },
                    },
                );
            },
        );
        let mesh = Rc::downgrade(self);
        connection.signals().ice_candidate_created().connect(
            move |mid: GString, index: i64, sdp: GString| {
                let (Some(mesh), Ok(index)) = (mesh.upgrade(), u32::try_from(index)) else {
                    return;
                };
                // Once connected a candidate is of little use, and the server ends the connection
                // of who writes to somebody that has just left.
                if !mesh.is_connected(other) || mesh.links.is_unstable(other) {
                    let (mid, sdp) = (mid.to_string(), sdp.to_string());
                    mesh.send(other, Signal::Candidate { mid, index, sdp });
                }
            },
        );
    }

    /// Whether the server passes on what we send to this peer.
    fn can_tell(&self, id: PeerId) -> bool {
        self.post.is_open() && self.members.borrow().contains_key(&id)
    }

    /// Sends to a peer, and never to one that has left: some servers close whoever does.
    fn send(&self, to: PeerId, signal: Signal) {
        if self.can_tell(to) {
            self.post.send(to, signal);
        }
    }

    fn describe(&self, other: PeerId, kind: &str, sdp: &str) {
        let Some(mut connection) = self.connection(other) else { return };
        if connection.set_remote_description(kind, sdp) != Error::OK {
            return;
        }
        if kind == "offer" {
            self.links.postpone(other);
        }
        let early = self.members.borrow_mut().get_mut(&other).and_then(Option::take);
        for candidate in early.into_iter().flatten() {
            hand_over(&mut connection, &candidate);
        }
    }

    fn suggest(&self, other: PeerId, candidate: Candidate) {
        let Some(mut connection) = self.connection(other) else { return };
        if let Some(Some(early)) = self.members.borrow_mut().get_mut(&other) {
            if early.len() < MAX_EARLY_CANDIDATES {
                early.push(candidate);
            }
            return;
        }
        hand_over(&mut connection, &candidate);
    }

    fn connection(&self, other: PeerId) -> Option<Gd<WebRtcPeerConnection>> {
        self.told(other, "connection")?.try_to().ok()
    }

    fn is_connected(&self, other: PeerId) -> bool {
        self.told(other, "connected").is_some_and(|connected| connected.booleanize())
    }

    /// What the multiplayer peer tells of a connection.
    fn told(&self, other: PeerId, key: &str) -> Option<Variant> {
        self.has(other).then(|| self.peer.get_peer(number(other)).get(key))?
    }
}

/// A candidate that the connection cannot use is the other peer's affair.
fn hand_over(connection: &mut Gd<WebRtcPeerConnection>, candidate: &Candidate) {
    connection.add_ice_candidate(&candidate.mid, candidate.index, &candidate.sdp);
}

/// A peer id as the engine counts.
fn number(id: PeerId) -> i32 {
    id.get().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_connects_to_whom() {
        let id = |number| PeerId::new(number).unwrap();
        let me = id(2);
        for (role, other, expected) in [
            (Role::Mesh(me), 1, true),
            (Role::Mesh(me), 3, true),
            (Role::Mesh(me), 2, false),
            (Role::Server, 2, true),
            (Role::Server, 1, false),
            (Role::Client(me), 1, true),
            (Role::Client(me), 3, false),
        ] {
            assert_eq!(role.pairs_with(id(other)), expected, "{role:?} {other}");
        }
    }
}
