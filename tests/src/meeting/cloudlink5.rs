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

use super::{Client, Turn, dial};

const LOBBY: &str = "den";

/// A client in a lobby.
pub struct CloudLink5 {
    addr: SocketAddr,
    rng: StdRng,
    lobbies: ClientHandle<LobbySession>,
    /// From the moment on at which we know what we are called.
    peers: Option<ClientHandle<PeerSession>>,
    /// What is still to be asked for.
    place: Option<Ask>,
    other: String,
}

impl CloudLink5 {
    /// Creates a lobby on this server.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn host(addr: SocketAddr) -> Self {
        let lobby =
            CreateLobby { name: LOBBY.to_owned(), max_players: 1, ..CreateLobby::default() };
        Self::enter(addr, Ask::Create(lobby), 1)
    }

    /// Joins a lobby on this server.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn guest(addr: SocketAddr) -> Self {
        let join = JoinLobby { name: LOBBY.to_owned(), ..JoinLobby::default() };
        Self::enter(addr, Ask::Join(join), 2)
    }

    fn enter(addr: SocketAddr, place: Ask, seed: u64) -> Self {
        let lobbies = dial(addr, "/?ugi=a+game", LobbySession::new(LobbyOptions::named("Ada")));
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
                let ask = self.place.take()?;
                let request = LobbyRequest::Ask { ticket: 1, ask };
                self.lobbies.request(request).expect("it is the first");
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
        let peers = self.peers.as_ref().expect("nobody is heard before");
        peers.request(PeerRequest::Signal { to, signal }).expect("few requests wait");
    }
}
