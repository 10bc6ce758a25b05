//! How the members of a lobby reach each other through its server while they connect.

use std::rc::{Rc, Weak};

use signaling_core::PeerId;
use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::godot::client::candidate_payload;
use signaling_protocols::godot::extended::{LinkState, Problem};
use signaling_protocols::godot::{ClientEvent, ClientRequest, GodotSession, RelayKind, Topology};

use crate::peers::{LinkEvent, Mesh, Post, Role};

/// The session, as those see it who connect to each other.
pub(super) struct LobbyPost {
    /// Dropped by the node when the connection to the server ends.
    pub(super) signaling: Weak<ClientHandle<GodotSession>>,
    /// What the session knows our connections by.
    pub(super) generation: u64,
}

impl LobbyPost {
    fn request(&self, request: ClientRequest) {
        let Some(signaling) = self.signaling.upgrade() else { return };
        // A queue this full belongs to a server that does not read; that connection ends anyway.
        let _ = signaling.request(request);
    }
}

impl Post for LobbyPost {
    fn is_open(&self) -> bool {
        self.signaling.strong_count() > 0
    }

    fn send(&self, to: PeerId, signal: Signal) {
        let (kind, data) = match signal {
            Signal::Offer { sdp } => (RelayKind::Offer, sdp),
            Signal::Answer { sdp } => (RelayKind::Answer, sdp),
            Signal::Candidate { mid, index, sdp } => {
                (RelayKind::Candidate, candidate_payload(&mid, index.cast_signed(), &sdp))
            }
        };
        self.request(ClientRequest::Relay { generation: self.generation, kind, to, data });
    }

    fn note(&self, event: &LinkEvent) {
        if let Some((peer, state)) = link_state(event) {
            self.request(ClientRequest::Link { generation: self.generation, peer, state });
        }
    }
}

/// How a connection is from now on.
fn link_state(event: &LinkEvent) -> Option<(PeerId, LinkState)> {
    match event {
        LinkEvent::Up(id) | LinkEvent::Recovered(id) => Some((*id, LinkState::Up)),
        LinkEvent::Unstable(id) | LinkEvent::Failed { id, .. } => Some((*id, LinkState::Down)),
        LinkEvent::Closed(id) => Some((*id, LinkState::None)),
        LinkEvent::ServerFailed { .. } | LinkEvent::Impossible { .. } => None,
    }
}

/// What a member with this id is among the others.
pub(super) fn role(me: PeerId, topology: Topology) -> Role {
    match topology {
        Topology::Mesh => Role::Mesh(me),
        Topology::ClientServer if me == PeerId::HOST => Role::Server,
        Topology::ClientServer => Role::Client(me),
    }
}

/// What the server or another member told, as far as it concerns our connections.
pub(super) fn deliver(mesh: &Rc<Mesh>, event: &ClientEvent) {
    match event {
        // The greater id offers.
        ClientEvent::PeerConnected { id } => mesh.add(*id, *id < mesh.id()),
        ClientEvent::PeerDisconnected { id } => mesh.remove(*id),
        ClientEvent::MemberLeft { id, problem: Some(Problem::Kicked | Problem::Banned) } => {
            mesh.expel(*id);
        }
        ClientEvent::LobbyLeft { .. } => mesh.hang_up(),
        ClientEvent::Offer { from, sdp } => mesh.handle(*from, &Signal::Offer { sdp: sdp.clone() }),
        ClientEvent::Answer { from, sdp } => {
            mesh.handle(*from, &Signal::Answer { sdp: sdp.clone() })
        }
        ClientEvent::Candidate { from, mid, index, sdp } => {
            let index = u32::try_from(*index).unwrap_or_default();
            let (mid, sdp) = (mid.clone(), sdp.clone());
            mesh.handle(*from, &Signal::Candidate { mid, index, sdp });
        }
        _ => {}
    }
}
