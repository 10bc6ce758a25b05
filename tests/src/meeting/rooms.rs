//! Rooms: a call between two.

use std::net::SocketAddr;

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::rooms::wire::Kind;
use signaling_protocols::rooms::{
    Media, Participant, RoomEvent, RoomOptions, RoomRequest, RoomSession,
};

use super::{Client, Turn, dial};

/// A client in a call.
pub struct Rooms(ClientHandle<RoomSession>);

impl Rooms {
    /// Joins a room of this server; the caller creates it.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(addr: SocketAddr, name: &str) -> Self {
        let me = Participant::new(name, name);
        let options = RoomOptions { room: "room".into(), me, ..RoomOptions::default() };
        let session = RoomSession::new(options, StdRng::seed_from_u64(1));
        let rooms = Self(dial(addr, "/room", session));
        rooms.say(Kind::Join { media: Media::default(), is_creating: name == "caller" });
        rooms
    }

    fn say(&self, kind: Kind) {
        self.0.request(RoomRequest::Say(kind)).expect("few requests wait");
    }
}

impl Client for Rooms {
    fn take(&mut self) -> Vec<Turn> {
        self.0.take_events().into_iter().filter_map(turn).collect()
    }

    fn send(&mut self, signal: Signal) {
        self.say(match signal {
            Signal::Offer { sdp } => Kind::Offer { to: None, sdp, is_restart: false },
            Signal::Answer { sdp } => Kind::Answer { to: None, sdp },
            Signal::Candidate { sdp, .. } => Kind::Candidate { to: None, sdp },
        });
    }
}

fn turn(event: RoomEvent) -> Option<Turn> {
    match event {
        // Whoever finds another one in the room offers.
        RoomEvent::Joined { publishers, .. } => match publishers.len() {
            1 => Some(Turn::Ready(String::new())),
            _ => Some(Turn::Call),
        },
        RoomEvent::Heard(signal) => match signal.kind {
            Kind::Offer { sdp, .. } => Some(Turn::Signal(Signal::Offer { sdp })),
            Kind::Answer { sdp, .. } => Some(Turn::Signal(Signal::Answer { sdp })),
            // There is one media section, and so one that it can belong to.
            Kind::Candidate { sdp, .. } => {
                Some(Turn::Signal(Signal::Candidate { mid: String::new(), index: 0, sdp }))
            }
            _ => None,
        },
        _ => None,
    }
}
