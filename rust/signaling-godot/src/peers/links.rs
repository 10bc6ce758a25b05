//! Watches over the connections that were made: tells when one is in trouble, looks for a new path
//! while the server can pass descriptions on, and says why one is lost.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use godot::classes::web_rtc_peer_connection::ConnectionState;
use godot::classes::{MultiplayerPeer, WebRtcMultiplayerPeer, WebRtcPeerConnection};
use godot::prelude::*;
use signaling_core::PeerId;

use crate::webrtc::WebRtcNativePeerConnection;

/// Attempts at a new path for each interruption: the last begins 11 s after it was noticed.
const MAX_RESTARTS: u32 = 5;
/// The time from the first attempt to the second; doubled each time, but not above four times as
/// much: an attempt that the other side agrees to puts off the end for six seconds.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How long the side that did not offer first leaves it to the other one, which may have noticed
/// nothing, or be about to try again.
const COURTESY: Duration = Duration::from_secs(2);

/// The connections to other members.
#[derive(Default)]
pub(crate) struct Links {
    links: RefCell<HashMap<PeerId, Link>>,
    /// What the node has to tell. Filled by signals of the connections, one when it stands, at most
    /// two for each interruption and few for each ICE server, emptied each frame.
    news: Rc<RefCell<Vec<LinkEvent>>>,
}

/// What became of a connection.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// It stands.
    Up(PeerId),
    Unstable(PeerId),
    Recovered(PeerId),
    Failed {
        id: PeerId,
        reason: String,
        local_candidates: PackedStringArray,
        remote_candidates: PackedStringArray,
        /// Whether it stood before.
        has_stood: bool,
    },
    /// Either side has closed it.
    Closed(PeerId),
    ServerFailed {
        url: GString,
        code: i32,
        reason: GString,
    },
    /// No connection can be made at all.
    Impossible {
        reason: &'static str,
    },
}

struct Link {
    connection: Gd<WebRtcPeerConnection>,
    /// Whether the first offer was ours.
    is_offerer: bool,
    has_stood: bool,
    restarts: Option<Restarts>,
}

/// The attempts during one interruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Restarts {
    due: Instant,
    count: u32,
}

impl Links {
    /// Watches which connections come to stand.
    pub(super) fn listen(&self, peer: &Gd<WebRtcMultiplayerPeer>) {
        let news = Rc::clone(&self.news);
        let peer = peer.clone().upcast::<MultiplayerPeer>();
        peer.signals().peer_connected().connect(move |id| {
            let id = u64::try_from(id).ok().and_then(PeerId::new);
            news.borrow_mut().extend(id.map(LinkEvent::Up));
        });
    }

    /// Tells that a connection stands.
    pub(crate) fn note_up(&self, id: PeerId) {
        self.news.borrow_mut().push(LinkEvent::Up(id));
    }

    /// Tells that no connection can be made.
    pub(crate) fn give_up(&self, reason: &'static str) {
        self.news.borrow_mut().push(LinkEvent::Impossible { reason });
    }

    /// Watches a connection until it is dropped.
    pub(crate) fn add(&self, id: PeerId, connection: &Gd<WebRtcPeerConnection>, is_offerer: bool) {
        if let Ok(native) = connection.clone().try_cast::<WebRtcNativePeerConnection>() {
            let news = Rc::clone(&self.news);
            native.signals().link_unstable().connect(move || {
                news.borrow_mut().push(LinkEvent::Unstable(id));
            });
            let news = Rc::clone(&self.news);
            native.signals().link_recovered().connect(move || {
                news.borrow_mut().push(LinkEvent::Recovered(id));
            });
            let news = Rc::clone(&self.news);
            native.signals().ice_server_failed().connect(move |url, code, reason| {
                news.borrow_mut().push(LinkEvent::ServerFailed { url, code, reason });
            });
        }
        let connection = connection.clone();
        let link = Link { connection, is_offerer, has_stood: false, restarts: None };
        self.links.borrow_mut().insert(id, link);
    }

    /// Lets go of every connection.
    pub(crate) fn clear(&self) {
        let links = self.links.take();
        drop(links);
    }

    /// Whether a peer is not heard at the moment.
    pub(super) fn is_unstable(&self, id: PeerId) -> bool {
        self.links.borrow().get(&id).is_some_and(|link| link.restarts.is_some())
    }

    /// The other side has made an offer: it has an attempt of its own under way.
    pub(super) fn postpone(&self, id: PeerId) {
        if let Some(Link { restarts: Some(restarts), .. }) = self.links.borrow_mut().get_mut(&id) {
            restarts.due = restarts.due.max(Instant::now() + COURTESY);
        }
    }

    /// What is known of a connection; empty for one that is not ours.
    pub(crate) fn statistics(&self, id: PeerId) -> VarDictionary {
        let connection = self.links.borrow().get(&id).map(|link| link.connection.clone());
        connection.map(|connection| statistics(&connection)).unwrap_or_default()
    }

    /// What has happened since the last call. `is_kept` tells whether there still is a connection:
    /// one that was dropped is not held any longer.
    pub(crate) fn turn(&self, is_kept: impl Fn(PeerId) -> bool) -> Vec<LinkEvent> {
        let mut events = self.news.take();
        for event in &events {
            self.note(event);
        }
        let dropped: Vec<_> = self.links.borrow_mut().extract_if(|id, _| !is_kept(*id)).collect();
        for (id, link) in dropped {
            events.push(link.end(id));
        }
        events
    }

    fn note(&self, event: &LinkEvent) {
        let (LinkEvent::Up(id) | LinkEvent::Unstable(id) | LinkEvent::Recovered(id)) = event else {
            return;
        };
        let mut links = self.links.borrow_mut();
        let Some(link) = links.get_mut(id) else { return };
        match event {
            LinkEvent::Up(_) => link.has_stood = true,
            LinkEvent::Unstable(_) => {
                link.restarts = Some(Restarts::begin(Instant::now(), link.is_offerer));
            }
            _ => link.restarts = None,
        }
    }

    /// Makes the offers that are due, to those that can be told.
    pub(super) fn restart(&self, can_be_told: impl Fn(PeerId) -> bool) {
        let now = Instant::now();
        let mut due = Vec::new();
        for (id, link) in &mut *self.links.borrow_mut() {
            if can_be_told(*id)
                && let Some(restarts) = &mut link.restarts
                && restarts.take_due(now)
            {
                due.push(link.connection.clone());
            }
        }
        for mut connection in due {
            // It refuses while the other side's offer waits for our answer, which is as good.
            connection.create_offer();
        }
    }
}

impl Link {
    /// Why it was dropped.
    fn end(&self, id: PeerId) -> LinkEvent {
        let state = self.connection.get_connection_state();
        if !matches!(state, ConnectionState::FAILED | ConnectionState::DISCONNECTED) {
            return LinkEvent::Closed(id);
        }
        let statistics = statistics(&self.connection);
        let told = statistics.get("failure").unwrap_or_default();
        let told = told.try_to::<GString>().unwrap_or_default().to_string();
        LinkEvent::Failed {
            id,
            reason: if told.is_empty() { "the connection was lost".to_owned() } else { told },
            local_candidates: kinds(&statistics, "local_candidates"),
            remote_candidates: kinds(&statistics, "remote_candidates"),
            has_stood: self.has_stood,
        }
    }
}

impl Restarts {
    fn begin(now: Instant, is_offerer: bool) -> Self {
        Self { due: if is_offerer { now } else { now + COURTESY }, count: 0 }
    }

    /// Whether an attempt is due, which then counts as made.
    fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.count < MAX_RESTARTS && self.due <= now;
        if is_due {
            self.due = now + RESTART_PAUSE * (1 << self.count.min(2));
            self.count += 1;
        }
        is_due
    }
}

/// The kinds of candidates of one side, each once.
fn kinds(statistics: &VarDictionary, side: &str) -> PackedStringArray {
    let candidates = statistics.get(side).unwrap_or_default();
    let candidates = candidates.try_to::<VarArray>().unwrap_or_default();
    let kind = |candidate: Variant| -> Option<String> {
        Some(candidate.try_to::<VarDictionary>().ok()?.get("type")?.to_string())
    };
    let kinds: BTreeSet<String> = candidates.iter_shared().filter_map(kind).collect();
    kinds.iter().map(GString::from).collect()
}

fn statistics(connection: &Gd<WebRtcPeerConnection>) -> VarDictionary {
    let native = connection.clone().try_cast::<WebRtcNativePeerConnection>();
    native.map(|native| native.bind().get_statistics()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When attempts are made, in seconds, looking every tenth of one.
    fn attempts(is_offerer: bool) -> Vec<f64> {
        let begin = Instant::now();
        let mut restarts = Restarts::begin(begin, is_offerer);
        let tenths = 0..600;
        let due = |tenth: &u32| restarts.take_due(begin + Duration::from_millis(100) * *tenth);
        tenths.filter(due).map(|tenth| f64::from(tenth) / 10.0).collect()
    }

    #[test]
    fn attempts_are_few_and_the_first_offerer_begins() {
        assert_eq!(attempts(true), [0.0, 1.0, 3.0, 7.0, 11.0]);
        assert_eq!(attempts(false), [2.0, 3.0, 5.0, 9.0, 13.0]);
    }
}
