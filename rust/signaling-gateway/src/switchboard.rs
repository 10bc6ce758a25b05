//! Whom a request is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use signaling_net::{Answer, Entrance, Knock, Router};
use signaling_protocols::cloudlink5::peer_server;
use signaling_protocols::routing::{Paths, Protocol, Route};

use crate::Origin;

/// The protocols that are spoken on a port.
pub(crate) struct Switchboard {
    paths: Paths,
    origins: Vec<Origin>,
    entrances: BTreeMap<Protocol, Arc<dyn Entrance>>,
    /// Draws ids for clients of the PeerServer, while there is one.
    peer_ids: Option<Mutex<StdRng>>,
}

impl Switchboard {
    pub(crate) fn new(paths: Paths, origins: Vec<Origin>) -> Self {
        Self { paths, origins, entrances: BTreeMap::new(), peer_ids: None }
    }

    pub(crate) fn connect(&mut self, protocol: Protocol, entrance: Arc<dyn Entrance>) {
        self.entrances.insert(protocol, entrance);
    }

    /// Whoever asks for an id of the PeerServer is given one from now on.
    pub(crate) fn draw_peer_ids(&mut self, rng: StdRng) {
        self.peer_ids = Some(Mutex::new(rng));
    }

    /// Whether a page from there may connect.
    fn lets_in(&self, origin: Option<&str>) -> bool {
        let is_listed = |header: &str| self.origins.iter().any(|origin| origin.is(header));
        self.origins.is_empty() || origin.is_none_or(is_listed)
    }
}

impl Router for Switchboard {
    fn route(&self, knock: &Knock<'_>) -> Answer {
        if !self.lets_in(knock.origin) {
            return http(403, "Pages from this origin may not connect.");
        }
        match self.paths.route(knock.target) {
            Route::To(protocol) => match self.entrances.get(&protocol) {
                Some(entrance) => Answer::Seat(Arc::clone(entrance)),
                None => unknown(),
            },
            Route::Malformed(why) if self.entrances.contains_key(&Protocol::CloudLink5) => {
                http(400, why)
            }
            Route::PeerId => match &self.peer_ids {
                Some(rng) => http(200, &peer_server::draw_id(&mut *rng.lock())),
                None => unknown(),
            },
            Route::Malformed(_) | Route::Unknown => unknown(),
        }
    }
}

fn unknown() -> Answer {
    http(404, "Nothing is spoken at this path.")
}

fn http(status: u16, body: &str) -> Answer {
    Answer::Http { status, body: body.to_owned() }
}
