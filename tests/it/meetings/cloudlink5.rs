//! CloudLink 5: a connection for lobbies, and one to the PeerServer.

use std::net::SocketAddr;

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::client::Ask;
use signaling_protocols::cloudlink5::peer_server::{self, PeerEvent, PeerRequest, PeerSession};
use signaling_protocols::cloudlink5::wire::{CreateLobby, JoinLobby};
use signaling_protocols::cloudlink5::{LobbyEvent, LobbyOptions, LobbyRequest, LobbySession};

use super::{Client, Turn, dial, meet};

#[tokio::test]
async fn two_clients_of_cloudlink_5_meet() {
    let name = || "the lobby".to_owned();
    let lobby = CreateLobby { name: name(), max_players: 1, ..CreateLobby::default() };
    let join = JoinLobby { name: name(), ..JoinLobby::default() };
    let host = |addr| CloudLink5::new(addr, Ask::Create(lobby), 1);
    let guest = |addr, _| CloudLink5::new(addr, Ask::Join(join), 2);
    meet(host, guest).await;
}

struct CloudLink5 {
    addr: SocketAddr,
    rng: StdRng,
    lobbies: ClientHandle<LobbySession>,
    /// From the moment on at which we know what we are called.
    peers: Option<ClientHandle<PeerSession>>,
    place: Option<Ask>,
    other: String,
}

impl CloudLink5 {
    fn new(addr: SocketAddr, place: Ask, seed: u64) -> Self {
        let session = LobbySession::new(LobbyOptions::named("Ada"));
        let lobbies = dial(addr, "/?ugi=a+game", session);
        let (rng, other) = (StdRng::seed_from_u64(seed), String::new());
        Self { addr, rng, lobbies, peers: None, place: Some(place), other }
    }

    fn hear(&mut self, event: LobbyEvent) -> Option<Turn> {
        match event {
            LobbyEvent::Welcomed(me) => {
                let token = peer_server::draw_token(&mut self.rng);
                let target = peer_server::target(&me.instance_id, &token);
                let session = PeerSession::new(StdRng::from_rng(&mut self.rng));
                self.peers = Some(dial(self.addr, &target, session));
                None
            }
            LobbyEvent::HostChanged(_) => Some(Turn::Ready(String::new())),
            LobbyEvent::PeerJoined(peer) => {
                self.other = peer.instance_id.to_string();
                Some(Turn::Call)
            }
            _ => None,
        }
    }

    fn hear_peer(&mut self, event: PeerEvent) -> Option<Turn> {
        match event {
            // Whoever is there connects to whoever joins, so that one joins when it can be reached.
            PeerEvent::Opened => {
                let ask = self.place.take().unwrap();
                self.lobbies.request(LobbyRequest::Ask { ticket: 1, ask }).unwrap();
                None
            }
            PeerEvent::Signal { from, signal } => {
                self.other = from;
                Some(Turn::Signal(signal))
            }
            _ => None,
        }
    }
}

impl Client for CloudLink5 {
    fn take(&mut self) -> Vec<Turn> {
        let events = self.lobbies.take_events();
        let mut turns: Vec<_> = events.into_iter().filter_map(|event| self.hear(event)).collect();
        let events = self.peers.as_ref().map(ClientHandle::take_events).unwrap_or_default();
        turns.extend(events.into_iter().filter_map(|event| self.hear_peer(event)));
        turns
    }

    fn send(&mut self, signal: Signal) {
        let to = self.other.clone();
        self.peers.as_ref().unwrap().request(PeerRequest::Signal { to, signal }).unwrap();
    }
}
