//! CloudLink Omega, in both numberings.

use std::net::SocketAddr;

use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::omega::{
    ClientEvent, ClientRequest, LobbyOptions, Numbering, OmegaSession,
};

use super::{Client, Turn, dial, meet};

#[tokio::test]
async fn two_omega_clients_meet_in_either_numbering() {
    for numbering in [Numbering::Seed, Numbering::Late] {
        let lobby = || "the lobby".to_owned();
        let host = ClientRequest::Host { lobby: lobby(), options: LobbyOptions::default() };
        let guest = ClientRequest::Join { lobby: lobby(), password: String::new() };
        meet(
            |addr| Omega::new(addr, numbering, host),
            |addr, _| Omega::new(addr, numbering, guest),
        )
        .await;
    }
}

struct Omega {
    line: ClientHandle<OmegaSession>,
    other: String,
}

impl Omega {
    fn new(addr: SocketAddr, numbering: Numbering, place: ClientRequest) -> Self {
        let session = OmegaSession::new(numbering, "Ada");
        let line = dial(addr, &numbering.target("a game"), session);
        line.request(place).unwrap();
        Self { line, other: String::new() }
    }
}

impl Client for Omega {
    fn take(&mut self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for event in self.line.take_events() {
            match event {
                ClientEvent::Hosting { lobby } => turns.push(Turn::Ready(lobby)),
                ClientEvent::PeerFound(peer) => {
                    self.other = peer.id;
                    turns.push(Turn::Call);
                }
                ClientEvent::Signal { from, signal } => {
                    self.other = from.id;
                    turns.push(Turn::Signal(signal));
                }
                _ => {}
            }
        }
        turns
    }

    fn send(&mut self, signal: Signal) {
        let to = self.other.clone();
        self.line.request(ClientRequest::Send { to, signal }).unwrap();
    }
}
