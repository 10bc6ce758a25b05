//! One client's session with a PeerServer: one WebSocket, over which connections to any number of
//! peers are made.
//!
//! ```text
//!   connecting ─ opened ─► waiting ─ OPEN ─► ready ──┐
//!        └────────────── closed ─────────────────────┴─► over
//! ```

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use signaling_core::ids::alphanumeric;
use signaling_core::outputs::SessionOutputs;
use signaling_core::{Cause, Close, Frame, Session, SessionInput, SessionOutput};

use super::payload::{Channel, Payload};
use super::wire::{ClientMessage, ID_TAKEN, Kind, ServerMessage};
use crate::Signal;
use crate::json::length;

/// Peers to which there is a connection, standing or being made. Offers of further ones are
/// ignored.
const MAX_PEERS: usize = 1024;
/// Candidates that came before the offer that they belong to; the oldest are forgotten.
const MAX_EARLY: usize = 64;
/// How often the server is given a sign of life.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

/// What the game asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerRequest {
    /// To tell a peer something. An offer begins a connection, and an earlier one to that peer
    /// counts no more; anything else is about the present one, and ignored when there is none.
    Signal {
        /// The peer.
        to: String,
        /// What.
        signal: Signal,
    },
    /// To forget the connection to a peer, which is told nothing.
    Forget {
        /// The peer.
        peer: String,
    },
    /// To end the session.
    Close,
}

/// What the game is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// The server knows us by our id now.
    Opened,
    /// A peer begins a connection, whose offer follows; an earlier one to it counts no more.
    Connecting {
        /// The peer.
        from: String,
        /// The first channel.
        channel: Channel,
    },
    /// A peer tells us something about the present connection.
    Signal {
        /// The peer.
        from: String,
        /// What.
        signal: Signal,
    },
    /// A peer calls, as with a telephone.
    Called {
        /// The peer.
        from: String,
    },
    /// A peer is gone, says the server or the peer itself.
    PeerLeft {
        /// The peer.
        id: String,
    },
    /// What was sent to a peer has expired, because it did not connect in time.
    Expired {
        /// The peer.
        id: String,
    },
    /// The server turns us away; `Disconnected` follows.
    Refused {
        /// Why.
        why: String,
    },
    /// The server sent something that means nothing; it was ignored.
    Malformed {
        /// How many bytes it had.
        bytes: usize,
    },
    /// The connection has ended, or never came about. Nothing follows.
    Disconnected {
        /// The close code; 1006 when there was no close frame.
        code: u16,
        /// The reason, as the server gave it or as the network reported it.
        reason: String,
        /// What brought it about.
        cause: Cause,
    },
}

/// The client side of a PeerServer. Connections to peers that stand do not need it any more.
#[derive(Debug)]
pub struct PeerSession {
    rng: StdRng,
    /// The name of the present connection to each peer.
    connections: HashMap<String, String>,
    early: VecDeque<Early>,
    /// When to give a sign of life, while connected.
    heartbeat: Option<Instant>,
    out: SessionOutputs<PeerEvent>,
}

/// A candidate whose connection is not known yet.
#[derive(Debug)]
struct Early {
    from: String,
    connection: String,
    signal: Signal,
}

impl PeerSession {
    /// A session whose connection to [`target`](super::target) is being made. `rng` draws the names
    /// of connections.
    pub fn new(rng: StdRng) -> Self {
        let (connections, early) = (HashMap::new(), VecDeque::new());
        Self { rng, connections, early, heartbeat: None, out: SessionOutputs::default() }
    }
}

impl Session for PeerSession {
    type Request = PeerRequest;
    type Event = PeerEvent;

    fn handle_input(&mut self, now: Instant, input: SessionInput<'_, PeerRequest>) {
        match input {
            SessionInput::Opened => self.heartbeat = Some(now + HEARTBEAT_INTERVAL),
            SessionInput::Frame(frame) => self.receive(frame),
            SessionInput::Closed { close: Close { code, reason }, cause } => {
                self.heartbeat = None;
                self.out.tell(PeerEvent::Disconnected {
                    code,
                    reason: (*reason).to_owned(),
                    cause,
                });
            }
            SessionInput::Request(request) => self.handle_request(request),
            SessionInput::Timeout => self.beat(now),
        }
    }

    fn poll_output(&mut self) -> Option<SessionOutput<PeerEvent>> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.heartbeat
    }
}

impl PeerSession {
    fn receive(&mut self, frame: Frame<'_>) {
        match ServerMessage::decode(frame) {
            Some(ServerMessage::Signal { kind, src, payload, .. }) if kind.can_wait() => {
                match payload.and_then(|payload| Payload::decode(kind, payload)) {
                    Some(payload) => self.hear(src.into(), payload),
                    None => self.out.tell(PeerEvent::Malformed { bytes: length(frame) }),
                }
            }
            Some(message) => self.told(message),
            None => self.out.tell(PeerEvent::Malformed { bytes: length(frame) }),
        }
    }

    fn told(&mut self, message: ServerMessage<'_>) {
        let event = match message {
            ServerMessage::Open => PeerEvent::Opened,
            ServerMessage::Error(why) => PeerEvent::Refused { why: why.into() },
            ServerMessage::IdTaken => PeerEvent::Refused { why: ID_TAKEN.to_owned() },
            ServerMessage::Signal { kind: Kind::Leave, src, .. } => {
                self.connections.remove(&*src);
                PeerEvent::PeerLeft { id: src.into() }
            }
            ServerMessage::Signal { src, .. } => PeerEvent::Expired { id: src.into() },
        };
        self.out.tell(event);
    }

    fn hear(&mut self, from: String, payload: Payload) {
        match payload {
            Payload::Call => self.out.tell(PeerEvent::Called { from }),
            Payload::Data { connection, signal, channel: Some(channel) } => {
                self.offered(from, connection, signal, channel);
            }
            Payload::Data { connection, signal, .. } => self.signalled(from, connection, signal),
        }
    }

    fn offered(&mut self, from: String, connection: String, offer: Signal, channel: Channel) {
        let is_its = |early: &Early| early.from == from && early.connection == connection;
        let (its, others) = std::mem::take(&mut self.early).into_iter().partition(is_its);
        self.early = others;
        if !self.connect(&from, connection) {
            return;
        }
        self.out.tell(PeerEvent::Connecting { from: from.clone(), channel });
        self.out.tell(PeerEvent::Signal { from, signal: offer });
        self.hear_at_last(its);
    }

    fn hear_at_last(&mut self, early: VecDeque<Early>) {
        for Early { from, signal, .. } in early {
            self.out.tell(PeerEvent::Signal { from, signal });
        }
    }

    fn signalled(&mut self, from: String, connection: String, signal: Signal) {
        if self.connections.get(&from) == Some(&connection) {
            self.out.tell(PeerEvent::Signal { from, signal });
        } else if matches!(signal, Signal::Candidate { .. }) {
            self.put_aside(from, connection, signal);
        }
    }

    fn put_aside(&mut self, from: String, connection: String, signal: Signal) {
        if self.early.len() == MAX_EARLY {
            self.early.pop_front();
        }
        self.early.push_back(Early { from, connection, signal });
    }

    /// Notes the present connection to a peer; false when there are too many peers.
    fn connect(&mut self, peer: &str, connection: String) -> bool {
        let has_room = self.connections.len() < MAX_PEERS || self.connections.contains_key(peer);
        if has_room {
            self.connections.insert(peer.to_owned(), connection);
        }
        has_room
    }

    fn handle_request(&mut self, request: PeerRequest) {
        match request {
            PeerRequest::Signal { to, signal } => self.send(&to, signal),
            PeerRequest::Forget { peer } => {
                self.connections.remove(&peer);
            }
            PeerRequest::Close => {
                self.out.close(Close::normal());
            }
        }
    }

    fn send(&mut self, to: &str, signal: Signal) {
        let kind = Payload::kind(&signal);
        let channel = (kind == Kind::Offer).then(Channel::default);
        if channel.is_some() {
            let connection = format!("dc_{}", alphanumeric(&mut self.rng, 11));
            self.connect(to, connection);
        }
        let Some(connection) = self.connections.get(to).cloned() else { return };
        let payload = Payload::Data { connection, signal, channel }.encode();
        let message = ClientMessage::Signal { kind, dst: Some(to.into()), payload: Some(&payload) };
        self.out.send(message.encode());
    }

    fn beat(&mut self, now: Instant) {
        if self.heartbeat.is_some_and(|due| due <= now) {
            self.heartbeat = Some(now + HEARTBEAT_INTERVAL);
            self.out.send(ClientMessage::Heartbeat.encode());
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn session() -> (PeerSession, Instant) {
        let (mut session, now) = (PeerSession::new(StdRng::seed_from_u64(1)), Instant::now());
        session.handle_input(now, SessionInput::Opened);
        (session, now)
    }

    fn receive(session: &mut PeerSession, connection: &str, signal: Signal) {
        let kind = Payload::kind(&signal);
        let channel = (kind == Kind::Offer).then(Channel::default);
        let payload = Payload::Data { connection: connection.into(), signal, channel }.encode();
        let (src, dst, payload) = ("peer".into(), "me".into(), Some(&*payload));
        let frame = ServerMessage::Signal { kind, src, dst, payload }.encode();
        session.handle_input(Instant::now(), SessionInput::Frame(Frame::Text(&frame)));
    }

    fn events(session: &mut PeerSession) -> Vec<PeerEvent> {
        let outputs = std::iter::from_fn(|| session.poll_output());
        outputs
            .filter_map(|output| match output {
                SessionOutput::Event(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    fn candidate(sdp: &str) -> Signal {
        Signal::Candidate { sdp: sdp.into(), mid: "0".into(), index: 0 }
    }

    #[test]
    fn a_heartbeat_goes_out_every_five_seconds() {
        let (mut session, start) = session();
        for beats in 1..4 {
            let due = start + Duration::from_secs(5) * beats;
            assert_eq!(session.poll_timeout(), Some(due));
            session.handle_input(due, SessionInput::Timeout);
            let beat = SessionOutput::Send(r#"{"type":"HEARTBEAT"}"#.into());
            assert_eq!(session.poll_output(), Some(beat));
        }
    }

    #[test]
    fn candidates_wait_for_the_offer_that_they_belong_to() {
        let (mut session, _) = session();
        receive(&mut session, "dc_1", candidate("early"));
        receive(&mut session, "dc_2", candidate("other"));
        assert_eq!(events(&mut session), []);
        let (from, channel) = ("peer".to_owned(), Channel::default());
        let offer = Signal::Offer { sdp: "v=0".into() };
        receive(&mut session, "dc_1", offer.clone());
        let signals = [offer, candidate("early")];
        let signals = signals.map(|signal| PeerEvent::Signal { from: from.clone(), signal });
        let connecting = PeerEvent::Connecting { from: from.clone(), channel };
        assert_eq!(events(&mut session), [vec![connecting], signals.into()].concat());
    }

    #[test]
    fn what_belongs_to_an_earlier_connection_is_not_heard() {
        let (mut session, now) = session();
        let signal = Signal::Offer { sdp: "v=0".into() };
        let offer = PeerRequest::Signal { to: "peer".into(), signal };
        session.handle_input(now, SessionInput::Request(offer));
        receive(&mut session, "dc_other", Signal::Answer { sdp: "v=0".into() });
        assert_eq!(events(&mut session), []);
    }

    #[test]
    fn nothing_that_strangers_send_grows_without_bound() {
        let (mut session, _) = session();
        for _ in 0..1000 {
            receive(&mut session, "dc_1", candidate("early"));
        }
        assert_eq!(session.early.len(), MAX_EARLY);
    }
}
