//! The protocol of Godot's demo, extended.

use std::net::SocketAddr;

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::PeerId;
use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::godot::client::candidate_payload;
use signaling_protocols::godot::{
    ClientEvent, ClientRequest, GodotSession, Join, RelayKind, SessionOptions, Topology,
};

use super::{Client, Turn, dial, meet};

#[tokio::test]
async fn two_godot_clients_meet() {
    let client = |addr: SocketAddr, lobby: String, seed| {
        let auto_join = Some(Join { lobby, topology: Topology::Mesh });
        let options = SessionOptions { auto_join, ..SessionOptions::default() };
        let session = GodotSession::new(options, StdRng::seed_from_u64(seed));
        Godot { line: dial(addr, "/", session), me: PeerId::HOST, generation: 0, other: None }
    };
    let host = |addr| client(addr, String::new(), 1);
    let guest = |addr, lobby| client(addr, lobby, 2);
    meet(host, guest).await;
}

struct Godot {
    line: ClientHandle<GodotSession>,
    me: PeerId,
    generation: u64,
    other: Option<PeerId>,
}

impl Client for Godot {
    fn take(&mut self) -> Vec<Turn> {
        self.line.take_events().into_iter().filter_map(|event| self.hear(event)).collect()
    }

    fn send(&mut self, signal: Signal) {
        let (kind, data) = match signal {
            Signal::Offer { sdp } => (RelayKind::Offer, sdp),
            Signal::Answer { sdp } => (RelayKind::Answer, sdp),
            Signal::Candidate { mid, index, sdp } => {
                (RelayKind::Candidate, candidate_payload(&mid, index as i32, &sdp))
            }
        };
        let (generation, to) = (self.generation, self.other.unwrap());
        self.line.request(ClientRequest::Relay { generation, kind, to, data }).unwrap();
    }
}

impl Godot {
    fn hear(&mut self, event: ClientEvent) -> Option<Turn> {
        match event {
            ClientEvent::Identified { id, generation, .. } => {
                (self.me, self.generation) = (id, generation);
                None
            }
            ClientEvent::LobbyJoined { lobby, .. } => Some(Turn::Ready(lobby)),
            ClientEvent::PeerConnected { id } => {
                self.other = Some(id);
                (self.me > id).then_some(Turn::Call)
            }
            ClientEvent::Offer { sdp, .. } => Some(Turn::Signal(Signal::Offer { sdp })),
            ClientEvent::Answer { sdp, .. } => Some(Turn::Signal(Signal::Answer { sdp })),
            ClientEvent::Candidate { mid, index, sdp, .. } => {
                Some(Turn::Signal(Signal::Candidate { mid, index: index as u32, sdp }))
            }
            _ => None,
        }
    }
}
