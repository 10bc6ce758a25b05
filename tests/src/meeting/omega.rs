//! CloudLink Omega, in either numbering: a host and a guest in a lobby.

use std::net::SocketAddr;

use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::omega::{
    ClientEvent, ClientRequest, LobbyOptions, Numbering, OmegaSession,
};

use super::{Client, Turn, dial};

const GAME: &str = "a game";
const LOBBY: &str = "den";

/// A client in a lobby.
pub struct Omega {
    line: ClientHandle<OmegaSession>,
    other: String,
}

impl Omega {
    /// Creates a lobby on this server.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn host(addr: SocketAddr, numbering: Numbering) -> Self {
        let options = LobbyOptions::default();
        Self::enter(addr, numbering, ClientRequest::Host { lobby: LOBBY.to_owned(), options })
    }

    /// Joins a lobby on this server.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn guest(addr: SocketAddr, numbering: Numbering) -> Self {
        let password = String::new();
        Self::enter(addr, numbering, ClientRequest::Join { lobby: LOBBY.to_owned(), password })
    }

    fn enter(addr: SocketAddr, numbering: Numbering, place: ClientRequest) -> Self {
        let line = dial(addr, &numbering.target(GAME), OmegaSession::new(numbering, "Ada"));
        line.request(place).expect("it is the first");
        Self { line, other: String::new() }
    }

    fn hear(&mut self, event: ClientEvent) -> Option<Turn> {
        match event {
            ClientEvent::Hosting { lobby } => Some(Turn::Ready(lobby)),
            ClientEvent::PeerFound(peer) => {
                self.other = peer.id;
                Some(Turn::Call)
            }
            ClientEvent::Signal { from, signal } => {
                self.other = from.id;
                Some(Turn::Signal(signal))
            }
            _ => None,
        }
    }
}

impl Client for Omega {
    fn take(&mut self) -> Vec<Turn> {
        self.line.take_events().into_iter().filter_map(|event| self.hear(event)).collect()
    }

    fn send(&mut self, signal: Signal) {
        let to = self.other.clone();
        self.line.request(ClientRequest::Send { to, signal }).expect("few requests wait");
    }
}
