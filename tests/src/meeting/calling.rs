//! Namespaces, rooms and invitations: two in a room.

use std::net::SocketAddr;

use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::calling::client::SessionOptions;
use signaling_protocols::calling::{
    CallingSession, ClientEvent, ClientRequest, Event, Reply, Request, Status, handshake,
};

use super::{Client, Turn, dial};

const ROOM: &str = "den";

/// A client in a room.
pub struct Calling {
    line: ClientHandle<CallingSession>,
    other: Option<String>,
    next_ticket: u64,
}

impl Calling {
    /// Joins a room of this server.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(addr: SocketAddr) -> Self {
        let line = dial(addr, "/calling", CallingSession::new(SessionOptions::default()));
        let mut client = Self { line, other: None, next_ticket: 0 };
        client.ask(Request::Join { room: Some(ROOM.to_owned()), status: Status::default() });
        client
    }

    fn ask(&mut self, request: Request) {
        let (ticket, request) = (self.next_ticket, request.into());
        self.next_ticket += 1;
        self.line.request(ClientRequest::Ask { ticket, request }).expect("few requests wait");
    }

    fn hear(&mut self, event: ClientEvent) -> Option<Turn> {
        match event {
            ClientEvent::Answered { result: Ok(Reply::Room { room, view }), .. } => {
                self.other = view.peers.into_keys().next();
                Some(Turn::Ready(room))
            }
            // Who was there first makes the offer.
            ClientEvent::Told(Event::PeerAdded { user, .. }) => {
                self.other = Some(user);
                Some(Turn::Call)
            }
            ClientEvent::Told(Event::Received { event, data, .. }) => {
                handshake::decode(&event, &data).map(Turn::Signal)
            }
            ClientEvent::Answered { result: Err(refusal), .. } => panic!("{refusal}"),
            _ => None,
        }
    }
}

impl Client for Calling {
    fn take(&mut self) -> Vec<Turn> {
        self.line.take_events().into_iter().filter_map(|event| self.hear(event)).collect()
    }

    fn send(&mut self, signal: Signal) {
        let (event, data) = handshake::encode(&signal, &["default"]);
        let user = self.other.clone().expect("nobody is told anything before there is somebody");
        self.ask(Request::Send { room: ROOM.to_owned(), user, event: event.to_owned(), data });
    }
}
