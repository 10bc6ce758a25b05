//! How a client's session speaks this numbering.
//!
//! The specification lets both sides of a dialogue make an offer and an answer, where one WebRTC
//! connection needs one of each. So the host's offer and the peer's answer are those that count,
//! and the rest of the dialogue says what it says, without a description:
//!
//! | host | | peer |
//! |---|---|---|
//! | MAKE_OFFER, its offer | → | told as [`ClientEvent::Signal`] |
//! | | ← | ACCEPT_OFFER without payload: yours will do |
//! | told as [`ClientEvent::Signal`] | ← | MAKE_ANSWER, its answer |
//! | MAKE_ANSWER without payload: nothing to answer | → | |
//! | ACK_CHECK: your answer has come | → | told as [`ClientEvent::Ready`] |
//! | told as [`ClientEvent::Ready`] | ← | ACK_READY |
//!
//! Candidates are payloads of further MAKE_ANSWERs, from either side at any time. A peer may
//! still make an offer of its own (it goes out as ACCEPT_OFFER) and a host answer one, as clients
//! do that want a connection in each direction.

use std::time::Duration;

use signaling_core::Frame;

use super::wire::{ClientMessage, Relay, ServerMessage};
use crate::Signal;
use crate::omega::client::{ClientEvent, Dialect, Heard, Meaning, Party, Place};

/// The numbering, as a session speaks it.
#[derive(Debug)]
pub(in crate::omega) struct Seed;

impl Dialect for Seed {
    fn keepalive_interval(&self) -> Option<Duration> {
        None
    }

    fn keepalive(&self) -> String {
        ClientMessage::Keepalive.encode()
    }

    fn init(&self, name: &str) -> String {
        let name = serde_json::to_string(name).ok().map(Into::into);
        ClientMessage::Init { name }.encode()
    }

    fn ask(&self, place: &Place) -> String {
        match place {
            Place::Host { lobby, .. } => {
                ClientMessage::ConfigHost { lobby: Some(lobby.into()) }.encode()
            }
            Place::Peer { lobby, .. } => {
                ClientMessage::ConfigPeer { lobby: Some(lobby.into()) }.encode()
            }
        }
    }

    fn signal(&self, is_host: bool, to: &str, signal: &Signal) -> Vec<String> {
        let json = signal.to_json();
        let relay = |kind, payload| relay(kind, payload, to);
        match signal {
            Signal::Offer { .. } if is_host => vec![relay(Relay::Offer, Some(json.get()))],
            Signal::Offer { .. } => vec![relay(Relay::Acceptance, Some(json.get()))],
            Signal::Answer { .. } if !is_host => {
                vec![relay(Relay::Acceptance, None), relay(Relay::Answer, Some(json.get()))]
            }
            Signal::Answer { .. } | Signal::Candidate { .. } => {
                vec![relay(Relay::Answer, Some(json.get()))]
            }
        }
    }

    fn suspect(&self, id: &str) -> Option<String> {
        Some(ClientMessage::ShutdownWarning { suspect: Some(id.into()) }.encode())
    }

    fn leave(&self) -> Option<String> {
        Some(ClientMessage::Shutdown.encode())
    }

    fn hear(&self, is_host: bool, frame: Frame<'_>) -> Option<Heard> {
        let party = |id: std::borrow::Cow<'_, str>| Party { id: id.into(), name: String::new() };
        let meaning = match ServerMessage::decode(frame)? {
            ServerMessage::Keepalive => {
                let reply = Some(self.keepalive());
                return Some(Heard { meaning: Meaning::Nothing, reply });
            }
            ServerMessage::Relayed { kind, payload, from } => {
                return relayed(is_host, kind, payload, &from);
            }
            ServerMessage::InitOk(id) => Meaning::Welcome(id.into()),
            ServerMessage::AckHost | ServerMessage::AckPeer => Meaning::Granted,
            ServerMessage::NewPeer(id) => Meaning::Told(ClientEvent::PeerFound(party(id))),
            ServerMessage::NewHost(id) => Meaning::Told(ClientEvent::HostFound(party(id))),
            ServerMessage::ShutdownAck(id) => {
                Meaning::Told(ClientEvent::PeerGone { id: id.into() })
            }
            ServerMessage::Violation(message) => {
                Meaning::Told(ClientEvent::Violation { message: message.into() })
            }
        };
        Some(Heard { meaning, reply: None })
    }
}

/// What a step of the dialogue means, and the next step where it needs nobody's decision.
fn relayed(is_host: bool, kind: Relay, payload: Option<&str>, from: &str) -> Option<Heard> {
    let signal = match payload {
        Some(payload) => Some(Signal::parse(payload)?),
        None => None,
    };
    let ready = || Meaning::Told(ClientEvent::Ready { id: from.to_owned() });
    let (meaning, next) = match (kind, signal) {
        (Relay::Check, _) => (ready(), Some(Relay::Ready)),
        (Relay::Ready, _) => (ready(), None),
        (Relay::Acceptance, None) => (Meaning::Nothing, Some(Relay::Answer)),
        (_, None) => (Meaning::Nothing, None),
        (kind, Some(signal)) => {
            let is_answer = kind == Relay::Answer && matches!(signal, Signal::Answer { .. });
            let from = Party { id: from.to_owned(), name: String::new() };
            let told = Meaning::Told(ClientEvent::Signal { from, signal });
            (told, (is_answer && is_host).then_some(Relay::Check))
        }
    };
    Some(Heard { meaning, reply: next.map(|kind| relay(kind, None, from)) })
}

fn relay(kind: Relay, payload: Option<&str>, to: &str) -> String {
    ClientMessage::Relay { kind, payload, to: Some(to.into()) }.encode()
}
