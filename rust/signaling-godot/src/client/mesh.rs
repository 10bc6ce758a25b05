//! Our WebRTC connections to the other members of a lobby.
//!
//! The engine's classes do the work; this module decides who connects to whom, who offers, and
//! when a candidate may be handed over. It borrows nothing of the node, because the engine emits
//! signals from within many of these calls, and their handlers may do anything.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use godot::classes::multiplayer_peer::ConnectionStatus;
use godot::classes::{
    MultiplayerApi, MultiplayerPeer, OfflineMultiplayerPeer, WebRtcMultiplayerPeer,
    WebRtcPeerConnection,
};
use godot::global::Error;
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_net::ClientHandle;
use signaling_protocols::godot::client::candidate_payload;
use signaling_protocols::godot::extended::Problem;
use signaling_protocols::godot::{ClientEvent, ClientRequest, GodotSession, RelayKind, Topology};

use super::links::{LinkEvent, Links};

/// Peers that are told of at most; a server that announces more means no good.
const MAX_PEERS: usize = 4096;

/// What waits for a peer's description: filled by its candidates, emptied when the description is
/// set. Further candidates are dropped; a peer has few.
const MAX_EARLY_CANDIDATES: usize = 64;

/// One multiplayer peer and the connections that belong to it.
pub(super) struct Mesh {
    id: PeerId,
    topology: Topology,
    /// What the session knows our connections by.
    generation: u64,
    peer: Gd<WebRtcMultiplayerPeer>,
    api: Gd<MultiplayerApi>,
    configuration: VarDictionary,
    /// Dropped by the node when the connection to the server ends.
    signaling: Weak<ClientHandle<GodotSession>>,
    /// Who is in the lobby with us, each with the candidates that came before its description;
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
    /// The multiplayer peer that a member with this id needs, without connections yet.
    pub(super) fn new(
        id: PeerId,
        topology: Topology,
        generation: u64,
        configuration: VarDictionary,
        api: Gd<MultiplayerApi>,
        signaling: Weak<ClientHandle<GodotSession>>,
    ) -> Self {
        let mut peer = WebRtcMultiplayerPeer::new_gd();
        let error = match topology {
            Topology::Mesh => peer.create_mesh(number(id)),
            Topology::ClientServer if id == PeerId::HOST => peer.create_server(),
            Topology::ClientServer => peer.create_client(number(id)),
        };
        let links = Links::default();
        links.listen(&peer);
        Self {
            id,
            topology,
            generation,
            peer,
            api,
            configuration,
            signaling,
            members: RefCell::default(),
            links,
            given_up: Cell::new(error != Error::OK),
        }
    }

    pub(super) fn peer(&self) -> Gd<WebRtcMultiplayerPeer> {
        self.peer.clone()
    }

    /// Makes it the multiplayer peer of its branch of the tree.
    pub(super) fn assign(&self) {
        self.api.clone().set_multiplayer_peer(&self.peer);
    }

    /// What has become of the connections since the last frame. Looks for new paths where needed.
    pub(super) fn turn(&self) -> Vec<LinkEvent> {
        let events = self.links.turn(|id| self.peer.has_peer(number(id)));
        self.links.restart(|id| self.can_tell(id));
        for (peer, state) in events.iter().filter_map(LinkEvent::state) {
            self.request(ClientRequest::Link { generation: self.generation, peer, state });
        }
        events
    }

    /// Whether the connection to a peer stands, or none will ever be made.
    pub(super) fn is_settled(&self, id: PeerId) -> bool {
        self.given_up.get() || self.is_connected(id)
    }

    /// How the connection to a peer is doing; empty when there is none.
    pub(super) fn statistics(&self, id: PeerId) -> VarDictionary {
        self.links.statistics(id)
    }

    /// Closes all connections and leaves the branch as if there had never been any.
    pub(super) fn close(&self) {
        let mut api = self.api.clone();
        let ours = self.peer.clone().upcast::<MultiplayerPeer>();
        if api.get_multiplayer_peer() == Some(ours) {
            api.set_multiplayer_peer(&OfflineMultiplayerPeer::new_gd());
        }
        self.peer.clone().close();
        self.links.clear();
    }

    /// What the server or another member told.
    pub(super) fn handle(self: &Rc<Self>, event: &ClientEvent) {
        match event {
            ClientEvent::PeerConnected { id } => self.add(*id),
            ClientEvent::PeerDisconnected { id } => self.remove(*id),
            ClientEvent::MemberLeft { id, problem: Some(Problem::Kicked | Problem::Banned) } => {
                self.expel(*id);
            }
            // Nobody can be told anything any more.
            ClientEvent::LobbyLeft { .. } => self.members.borrow_mut().clear(),
            ClientEvent::Offer { from, sdp } => self.describe(*from, "offer", sdp),
            ClientEvent::Answer { from, sdp } => self.describe(*from, "answer", sdp),
            ClientEvent::Candidate { from, mid, index, sdp } => {
                let (mid, sdp) = (GString::from(mid), GString::from(sdp));
                self.suggest(*from, Candidate { mid, index: *index, sdp });
            }
            _ => {}
        }
    }

    fn add(self: &Rc<Self>, other: PeerId) {
        if self.given_up.get() || !self.can_add(other) {
            return;
        }
        match self.connect(other) {
            Ok(()) => {}
            Err(problem) => {
                self.given_up.set(true);
                self.links.give_up(problem);
                godot_error!("SignalingClient cannot connect to other peers: {problem}.");
            }
        }
    }

    /// Whether the multiplayer peer would take this peer; it complains about every other.
    fn can_add(&self, other: PeerId) -> bool {
        pairs(self.topology, self.id, other)
            && !self.peer.has_peer(number(other))
            && self.members.borrow().len() < MAX_PEERS
            && !self.peer.is_refusing_new_connections()
            && self.peer.get_connection_status() != ConnectionStatus::DISCONNECTED
    }

    fn connect(self: &Rc<Self>, other: PeerId) -> Result<(), &'static str> {
        let mut connection = WebRtcPeerConnection::new_gd();
        if connection.get_class() == "WebRTCPeerConnectionExtension" {
            return Err("no WebRTC implementation is installed");
        }
        let configured = connection.initialize_ex().configuration(&self.configuration).done();
        if configured != Error::OK {
            return Err("`ice_servers` or `rtc_configuration` is not understood");
        }
        self.listen_to(&connection, other);
        self.members.borrow_mut().insert(other, Some(Vec::new()));
        if self.peer.clone().add_peer(&connection, number(other)) != Error::OK {
            return Err("the multiplayer peer refuses the connection");
        }
        let is_offerer = other < self.id;
        self.links.add(other, &connection, is_offerer);
        if is_offerer {
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
                let kind_sent = if kind == "offer" { RelayKind::Offer } else { RelayKind::Answer };
                if connection.set_local_description(&kind, &sdp) == Error::OK
                    && let Some(mesh) = mesh.upgrade()
                {
                    mesh.send(other, kind_sent, sdp.to_string());
                }
            },
        );
        let mesh = Rc::downgrade(self);
        connection.signals().ice_candidate_created().connect(
            move |mid: GString, index: i64, sdp: GString| {
                let (Some(mesh), Ok(index)) = (mesh.upgrade(), i32::try_from(index)) else {
                    return;
                };
                // Once connected a candidate is of little use, and the server ends the connection
                // of who writes to somebody that has just left.
                if !mesh.is_connected(other) || mesh.links.is_unstable(other) {
                    let payload = candidate_payload(&mid.to_string(), index, &sdp.to_string());
                    mesh.send(other, RelayKind::Candidate, payload);
                }
            },
        );
    }

    /// Whether the server passes on what we send to this peer.
    fn can_tell(&self, id: PeerId) -> bool {
        self.members.borrow().contains_key(&id) && self.signaling.strong_count() > 0
    }

    /// Sends to a member, and never to one that has left: the server closes whoever does.
    fn send(&self, to: PeerId, kind: RelayKind, data: String) {
        if !self.can_tell(to) {
            return;
        }
        let generation = self.generation;
        self.request(ClientRequest::Relay { generation, kind, to, data });
    }

    fn request(&self, request: ClientRequest) {
        let Some(signaling) = self.signaling.upgrade() else { return };
        // A queue this full belongs to a server that does not read; that connection ends anyway.
        let _ = signaling.request(request);
    }

    /// Lets go of a peer that left before it described itself. Any other is connected, or may be
    /// in a moment: it has only lost its signaling, and stays until its connection ends.
    fn remove(&self, other: PeerId) {
        let early = self.members.borrow_mut().remove(&other);
        if early.flatten().is_some() && self.peer.has_peer(number(other)) {
            self.peer.clone().remove_peer(number(other));
        }
    }

    /// Lets go of a peer that may not be here any more.
    fn expel(&self, other: PeerId) {
        if self.peer.has_peer(number(other)) {
            self.peer.clone().remove_peer(number(other));
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
        let id = number(other);
        self.peer.has_peer(id).then(|| self.peer.get_peer(id).get(key))?
    }
}

/// A candidate that the connection cannot use is the other peer's affair.
fn hand_over(connection: &mut Gd<WebRtcPeerConnection>, candidate: &Candidate) {
    connection.add_ice_candidate(&candidate.mid, candidate.index, &candidate.sdp);
}

/// Whether two members of a lobby connect to each other.
fn pairs(topology: Topology, a: PeerId, b: PeerId) -> bool {
    let host_among_them = a == PeerId::HOST || b == PeerId::HOST;
    a != b && (topology == Topology::Mesh || host_among_them)
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
        for (topology, a, b, expected) in [
            (Topology::Mesh, 1, 2, true),
            (Topology::Mesh, 2, 3, true),
            (Topology::Mesh, 2, 2, false),
            (Topology::ClientServer, 1, 2, true),
            (Topology::ClientServer, 2, 1, true),
            (Topology::ClientServer, 2, 3, false),
            (Topology::ClientServer, 1, 1, false),
        ] {
            assert_eq!(pairs(topology, id(a), id(b)), expected, "{topology:?} {a} {b}");
        }
    }
}
