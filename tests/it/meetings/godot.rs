//! The protocol of Godot's demo, extended.

use std::net::SocketAddr;

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::PeerId;
use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::godot::client::candidate_payload;
use signaling_protocols::godot::extended::{LobbyOptions, Object, Request};
use signaling_protocols::godot::{
    ClientEvent, ClientRequest, GodotSession, RelayKind, SessionOptions,
};

use super::{Client, Turn, dial, meet};

#[tokio::test]
async fn two_godot_clients_meet() {
    let client = |addr: SocketAddr, request: Request, seed| {
        let session = GodotSession::new(SessionOptions::default(), StdRng::seed_from_u64(seed));
        let line = dial(addr, "/", session);
        let request = Box::new(request);
        line.request(ClientRequest::Ask { ticket: 1, request }).unwrap();
        Godot { line, me: PeerId::HOST, generation: 0, other: None }
    };
    let create = Request::Create { options: LobbyOptions::default(), me: Object::default() };
    let host = |addr| client(addr, create, 1);
    let guest = |addr, code| {
        let (password, invite, me) = (String::new(), None, Object::default());
        client(addr, Request::Enter { code, password, invite, me }, 2)
    };
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
