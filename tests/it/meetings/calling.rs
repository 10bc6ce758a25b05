//! Namespaces, rooms and invitations.

use std::net::SocketAddr;

use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::calling::client::SessionOptions;
use signaling_protocols::calling::{
    CallingSession, ClientEvent, ClientRequest, Event, Reply, Request, Status, handshake,
};

use super::{Client, Turn, dial, meet};

#[tokio::test]
async fn two_calling_clients_meet() {
    let client = |addr: SocketAddr| {
        let line = dial(addr, "/calling", CallingSession::new(SessionOptions::default()));
        let mut client = Calling { line, other: None, next_ticket: 0 };
        client.ask(Request::Join { room: Some(ROOM.to_owned()), status: Status::default() });
        client
    };
    meet(client, |addr, _| client(addr)).await;
}

const ROOM: &str = "den";

struct Calling {
    line: ClientHandle<CallingSession>,
    other: Option<String>,
    next_ticket: u64,
}

impl Client for Calling {
    fn take(&mut self) -> Vec<Turn> {
        self.line.take_events().into_iter().filter_map(|event| self.hear(event)).collect()
    }

    fn send(&mut self, signal: Signal) {
        let (event, data) = handshake::encode(&signal, &["default"]);
        let (room, user, event) = (ROOM.to_owned(), self.other.clone().unwrap(), event.to_owned());
        self.ask(Request::Send { room, user, event, data });
    }
}

impl Calling {
    fn ask(&mut self, request: Request) {
        let (ticket, request) = (self.next_ticket, request.into());
        self.next_ticket += 1;
        self.line.request(ClientRequest::Ask { ticket, request }).unwrap();
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
