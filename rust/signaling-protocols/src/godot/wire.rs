//! Frames to messages and back. Decoding needs no state and never fails: a malformed frame is a
//! message too. What is relayed is never unescaped: its text goes from frame to frame as it came.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use signaling_core::{Frame, PeerId};

use super::Topology;
use super::extended::{self, Hello, Invalid, LinkState, Request, ServerEvent};
use crate::json::{MAX_NESTING, nesting};

/// What a client may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// Create a lobby.
    Create {
        /// Who will connect to whom.
        topology: Topology,
    },
    /// Join a lobby.
    Join {
        /// Its name.
        lobby: Cow<'a, str>,
    },
    /// Pass something on to another member.
    Relay {
        /// What it is.
        kind: RelayKind,
        /// The addressee; `None` when no peer can have that id.
        to: Option<PeerId>,
        /// The payload: a JSON string as it stood in the frame, quotes included.
        data: &'a str,
    },
    /// Seal the lobby.
    Seal,
    /// What opens the extended protocol, as all down to `Ready` belongs to it.
    Hello(Result<Box<Hello>, Invalid>),
    /// A sign of life.
    Ping {
        /// How many messages the client has received.
        received: u64,
        /// Its last round trip, in milliseconds.
        rtt: Option<u32>,
    },
    /// Something that is to be answered.
    Request {
        /// The client's number of it.
        number: u64,
        /// What.
        request: Result<Box<Request>, Invalid>,
    },
    /// How the connection to another member is.
    Link {
        /// The other member.
        peer: Option<PeerId>,
        /// How it is.
        state: LinkState,
    },
    /// The client is in this epoch.
    Ready {
        /// Which.
        epoch: u64,
    },
    /// A well-formed message of a type that no client may send.
    Unknown {
        /// The type.
        kind: u64,
        /// What stands in `id`.
        number: u64,
    },
    /// Not a message at all.
    Malformed(Malformed),
}

/// What the server may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// A lobby was assigned or joined.
    Joined {
        /// Its name.
        lobby: Cow<'a, str>,
    },
    /// The receiver's own id.
    Identified {
        /// 1 for whoever created the lobby.
        id: PeerId,
        /// The lobby's topology.
        topology: Topology,
    },
    /// Another peer is in the lobby.
    PeerConnected(PeerId),
    /// Another peer has left the lobby.
    PeerDisconnected(PeerId),
    /// Something that another member passed on.
    Relayed {
        /// What it is.
        kind: RelayKind,
        /// The sender.
        from: PeerId,
        /// The payload.
        data: Cow<'a, str>,
    },
    /// The lobby was sealed.
    Sealed,
    /// A message of the extended protocol.
    Extended(ServerEvent),
}

/// The messages that the server passes on without looking at their payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayKind {
    /// A session description that asks for a connection.
    Offer,
    /// A session description that answers an offer.
    Answer,
    /// An ICE candidate.
    Candidate,
}

/// Why a frame is not a message. Its text is the reason of the close that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A binary frame.
    #[error("Invalid transfer mode, must be text")]
    Binary,
    /// Not a JSON object with a `type` and an `id` that are numbers of at least 0.
    #[error("Invalid message format")]
    Format,
}

const JOIN: u64 = 0;
const ID: u64 = 1;
const PEER_CONNECT: u64 = 2;
const PEER_DISCONNECT: u64 = 3;
const OFFER: u64 = 4;
const ANSWER: u64 = 5;
const CANDIDATE: u64 = 6;
const SEAL: u64 = 7;

/// An empty JSON string: what counts as `data` when a client sends none.
const NO_DATA: &str = "\"\"";

impl<'a> ClientMessage<'a> {
    /// What a client's frame means.
    pub fn decode(frame: Frame<'a>) -> Self {
        let Frame::Text(text) = frame else {
            return Self::Malformed(Malformed::Binary);
        };
        let Some(envelope) = Envelope::parse(text) else {
            return Self::Malformed(Malformed::Format);
        };
        match envelope.kind {
            JOIN => match unescape(envelope.data) {
                Some(name) if name.is_empty() => Self::Create { topology: envelope.topology() },
                Some(lobby) => Self::Join { lobby },
                // Half a surrogate pair: legal JSON, but no lobby's name.
                None => Self::Join { lobby: "\u{fffd}".into() },
            },
            SEAL => Self::Seal,
            kind => match RelayKind::from_number(kind) {
                Some(kind) => {
                    Self::Relay { kind, to: PeerId::new(envelope.id), data: envelope.data }
                }
                None => Self::decode_extended(&envelope),
            },
        }
    }

    fn decode_extended(envelope: &Envelope<'_>) -> Self {
        let (kind, number) = (envelope.kind, envelope.id);
        // Half a surrogate pair is no JSON either.
        let data = unescape(envelope.data).unwrap_or(Cow::Borrowed("\u{fffd}"));
        extended::decode(kind, number, &data).unwrap_or(Self::Unknown { kind, number })
    }

    /// The frame of this message.
    pub fn encode(&self) -> Arc<str> {
        match self {
            Self::Create { topology } => encode(JOIN, join_id(*topology), NO_DATA),
            Self::Join { lobby } => encode(JOIN, 0u32, &escape(lobby)),
            Self::Relay { kind, to, data } => {
                encode(kind.number(), to.map_or(0, PeerId::get), data)
            }
            Self::Seal => encode(SEAL, 0u32, NO_DATA),
            Self::Hello(_)
            | Self::Ping { .. }
            | Self::Request { .. }
            | Self::Link { .. }
            | Self::Ready { .. } => extended::encode(self),
            // Nobody sends these on purpose; the closest frame that decodes to the same.
            Self::Unknown { kind, number } => encode(*kind, *number, NO_DATA),
            Self::Malformed(_) => "".into(),
        }
    }
}

impl<'a> ServerMessage<'a> {
    /// What a server's frame means; `None` when it means nothing.
    pub fn decode(frame: Frame<'a>) -> Option<Self> {
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(bytes) => str::from_utf8(bytes).ok()?,
        };
        let envelope = Envelope::parse(text)?;
        let data = unescape(envelope.data)?;
        let peer = PeerId::new(envelope.id);
        Some(match envelope.kind {
            JOIN => Self::Joined { lobby: data },
            ID => Self::Identified { id: peer?, topology: topology_from_flag(&data) },
            PEER_CONNECT => Self::PeerConnected(peer?),
            PEER_DISCONNECT => Self::PeerDisconnected(peer?),
            SEAL => Self::Sealed,
            kind => match RelayKind::from_number(kind) {
                Some(kind) => Self::Relayed { kind, from: peer?, data },
                None => Self::Extended(ServerEvent::decode(kind, envelope.id, &data)?),
            },
        })
    }

    /// The frame of this message.
    pub fn encode(&self) -> Arc<str> {
        match self {
            Self::Joined { lobby } => encode(JOIN, 0u32, &escape(lobby)),
            Self::Identified { id, topology } => encode(ID, id.get(), topology_flag(*topology)),
            Self::PeerConnected(id) => encode(PEER_CONNECT, id.get(), NO_DATA),
            Self::PeerDisconnected(id) => encode(PEER_DISCONNECT, id.get(), NO_DATA),
            Self::Relayed { kind, from, data } => relay(*kind, *from, &escape(data)),
            Self::Sealed => encode(SEAL, 0u32, NO_DATA),
            Self::Extended(event) => event.encode(),
        }
    }
}

/// The frame that passes `data`, a JSON string with its quotes, on as coming `from` a peer.
pub fn relay(kind: RelayKind, from: PeerId, data: &str) -> Arc<str> {
    encode(kind.number(), from.get(), data)
}

/// A JSON string, quotes included.
pub fn escape(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl RelayKind {
    fn from_number(number: u64) -> Option<Self> {
        match number {
            OFFER => Some(Self::Offer),
            ANSWER => Some(Self::Answer),
            CANDIDATE => Some(Self::Candidate),
            _ => None,
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Offer => OFFER,
            Self::Answer => ANSWER,
            Self::Candidate => CANDIDATE,
        }
    }
}

/// The frame of a message whose `data` is a JSON string with its quotes.
pub(super) fn encode(kind: u64, id: impl Into<u64>, data: &str) -> Arc<str> {
    let id = id.into();
    format!(r#"{{"type":{kind},"id":{id},"data":{data}}}"#).into()
}

fn unescape(data: &str) -> Option<Cow<'_, str>> {
    match data.strip_prefix('"')?.strip_suffix('"')? {
        plain if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        _ => serde_json::from_str(data).ok().map(Cow::Owned),
    }
}

fn join_id(topology: Topology) -> u32 {
    match topology {
        Topology::Mesh => 0,
        Topology::ClientServer => 1,
    }
}

fn topology_flag(topology: Topology) -> &'static str {
    match topology {
        Topology::Mesh => "\"true\"",
        Topology::ClientServer => NO_DATA,
    }
}

fn topology_from_flag(flag: &str) -> Topology {
    if flag == "true" { Topology::Mesh } else { Topology::ClientServer }
}

/// The three fields of a frame, checked as far as they are the same for every message.
struct Envelope<'a> {
    kind: u64,
    id: u64,
    /// A JSON string with its quotes; empty when the frame has none.
    data: &'a str,
}

impl<'a> Envelope<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let fields: Fields<'a> = serde_json::from_str(text).ok()?;
        Some(Self {
            kind: whole_number(fields.kind?)?,
            id: whole_number(fields.id?)?,
            data: fields.data.filter(|data| data.starts_with('"')).unwrap_or(NO_DATA),
        })
    }

    fn topology(&self) -> Topology {
        if self.id == 0 { Topology::Mesh } else { Topology::ClientServer }
    }
}

/// A JSON number of at least 0, rounded down. One that is too large for any id stays so.
fn whole_number(json: &str) -> Option<u64> {
    // Rust's parser knows "inf" and "NaN"; JSON does not.
    let is_number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let number: f64 = json.parse().ok().filter(|number| is_number && *number >= 0.0)?;
    Some(number as u64)
}

/// The raw fields of a frame; of a repeated key the last one counts.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    id: Option<&'a str>,
    data: Option<&'a str>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<Key>()? {
            let value = map.next_value::<&'de RawValue>()?.get();
            if nesting(value) >= MAX_NESTING {
                return Err(serde::de::Error::custom("nested too deeply"));
            }
            match key {
                Key::Type => fields.kind = Some(value),
                Key::Id => fields.id = Some(value),
                Key::Data => fields.data = Some(value),
                Key::Other => {}
            }
        }
        Ok(fields)
    }
}

enum Key {
    Type,
    Id,
    Data,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(match key {
            "type" => Key::Type,
            "id" => Key::Id,
            "data" => Key::Data,
            _ => Key::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> ClientMessage<'_> {
        ClientMessage::decode(Frame::Text(text))
    }

    fn is_malformed(text: &str) -> bool {
        decode(text) == ClientMessage::Malformed(Malformed::Format)
    }

    #[test]
    fn a_join_without_a_name_creates_a_lobby_of_the_topology_asked_for() {
        let mesh = ClientMessage::Create { topology: Topology::Mesh };
        let client_server = ClientMessage::Create { topology: Topology::ClientServer };
        assert_eq!(decode(r#"{"type":0,"id":0,"data":""}"#), mesh);
        assert_eq!(decode(r#"{"type":0.9,"id":0.2,"data":""}"#), mesh);
        assert_eq!(decode(r#"{"type":0,"id":0}"#), mesh);
        assert_eq!(decode(r#"{"type":-0.0,"id":0,"data":5}"#), mesh);
        assert_eq!(decode(r#"{"type":0,"id":1,"data":null}"#), client_server);
        assert_eq!(decode(r#"{"type":0,"id":1e20,"data":""}"#), client_server);
        assert_eq!(decode(r#"{"type":0,"id":1e999,"data":""}"#), client_server);
    }

    #[test]
    fn a_join_names_a_lobby() {
        let join = |lobby: &'static str| ClientMessage::Join { lobby: lobby.into() };
        assert_eq!(decode(r#"{"data":"Abc","id":7,"type":0}"#), join("Abc"));
        assert_eq!(decode(r#"{"type":0,"id":0,"data":"A\u0062c"}"#), join("Abc"));
        assert_eq!(decode(r#"{"type":0,"id":0,"data":"\ud800"}"#), join("\u{fffd}"));
    }

    #[test]
    fn a_relayed_payload_keeps_every_character_of_its_json() {
        for data in [r#""""#, r#""v=0\r\n\"ü\" \u00fc \ud800 \/""#, "\"[{\\\"]\""] {
            let text = format!(r#"{{"type":4.0,"id":2.0,"data":{data}}}"#);
            let relay = ClientMessage::Relay { kind: RelayKind::Offer, to: PeerId::new(2), data };
            assert_eq!(decode(&text), relay);
        }
    }

    #[test]
    fn no_peer_can_have_an_id_outside_of_godots_range() {
        for id in ["0", "2147483648", "1e20", "1e999"] {
            let text = format!(r#"{{"type":6,"id":{id},"data":""}}"#);
            assert!(matches!(decode(&text), ClientMessage::Relay { to: None, .. }), "{text}");
        }
    }

    #[test]
    fn types_that_no_client_may_send_are_unknown() {
        for kind in ["1", "2", "3", "10", "99", "7.0e9", "1e20"] {
            let text = format!(r#"{{"type":{kind},"id":0,"data":""}}"#);
            assert!(matches!(decode(&text), ClientMessage::Unknown { .. }), "{text}");
        }
    }

    #[test]
    fn of_a_repeated_key_the_last_one_counts_and_other_keys_are_ignored() {
        let text = r#"{"type":"x","type":7,"id":[],"id":0,"extra":{"type":0},"t\u0079pe":7}"#;
        assert_eq!(decode(text), ClientMessage::Seal);
    }

    #[test]
    fn anything_but_an_object_with_two_numbers_is_malformed() {
        for text in [
            "",
            "{",
            "[]",
            "\"text\"",
            "null",
            "7",
            "{}",
            r#"{"type":7}"#,
            r#"{"id":7}"#,
            r#"{"type":"7","id":0}"#,
            r#"{"type":7,"id":"0"}"#,
            r#"{"type":7,"id":null}"#,
            r#"{"type":7,"id":true}"#,
            r#"{"type":-1,"id":0}"#,
            r#"{"type":7,"id":-0.5}"#,
            r#"{"type":7,"id":-1e999}"#,
            r#"{"type":7,"id":NaN}"#,
            r#"{"type":7,"id":0} x"#,
            r#"{"type":7,"id":0,}"#,
            "{\"type\":7,\"id\":0,\"data\":\"raw\nnewline\"}",
            r#"{"type":7,"id":0,"data":"\x"}"#,
        ] {
            assert!(is_malformed(text), "{text}");
        }
    }

    #[test]
    fn sixty_four_levels_of_nesting_are_allowed() {
        let nested = |levels: usize| {
            let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
            format!(r#"{{"type":7,"id":0,"extra":{open}"]\"]"{close}}}"#)
        };
        assert_eq!(decode(&nested(64)), ClientMessage::Seal);
        assert!(is_malformed(&nested(65)));
        assert!(is_malformed(&nested(30_000)));
    }

    #[test]
    fn a_binary_frame_is_refused_by_the_server_and_read_by_the_client() {
        let frame = Frame::Binary(br#"{"type":7,"id":0,"data":""}"#);
        assert_eq!(ClientMessage::decode(frame), ClientMessage::Malformed(Malformed::Binary));
        assert_eq!(ServerMessage::decode(frame), Some(ServerMessage::Sealed));
    }

    #[test]
    fn what_the_server_encodes_is_what_existing_clients_expect() {
        let id = PeerId::new(2_147_483_647).unwrap();
        let cases = [
            (ServerMessage::Joined { lobby: "Abc".into() }, r#"{"type":0,"id":0,"data":"Abc"}"#),
            (
                ServerMessage::Identified { id: PeerId::HOST, topology: Topology::Mesh },
                r#"{"type":1,"id":1,"data":"true"}"#,
            ),
            (
                ServerMessage::Identified { id, topology: Topology::ClientServer },
                r#"{"type":1,"id":2147483647,"data":""}"#,
            ),
            (ServerMessage::PeerConnected(id), r#"{"type":2,"id":2147483647,"data":""}"#),
            (ServerMessage::PeerDisconnected(id), r#"{"type":3,"id":2147483647,"data":""}"#),
            (
                ServerMessage::Relayed { kind: RelayKind::Answer, from: id, data: "a\n\"b".into() },
                r#"{"type":5,"id":2147483647,"data":"a\n\"b"}"#,
            ),
            (ServerMessage::Sealed, r#"{"type":7,"id":0,"data":""}"#),
        ];
        for (message, text) in cases {
            assert_eq!(&*message.encode(), text);
            assert_eq!(ServerMessage::decode(Frame::Text(text)), Some(message));
        }
    }

    #[test]
    fn what_the_client_encodes_decodes_to_the_same() {
        for message in [
            ClientMessage::Create { topology: Topology::Mesh },
            ClientMessage::Create { topology: Topology::ClientServer },
            ClientMessage::Join { lobby: "a\"b\n".into() },
            ClientMessage::Relay {
                kind: RelayKind::Candidate,
                to: Some(PeerId::HOST),
                data: r#""\n0\n0\ncandidate:…""#,
            },
            ClientMessage::Seal,
            ClientMessage::Unknown { kind: 99, number: 3 },
            ClientMessage::Malformed(Malformed::Format),
        ] {
            assert_eq!(decode(&message.encode()), message);
        }
    }

    #[test]
    fn a_server_message_that_means_nothing_is_none() {
        for text in [
            "",
            "[]",
            r#"{"type":1,"id":0,"data":""}"#,
            r#"{"type":2,"id":2147483648,"data":""}"#,
            r#"{"type":4,"id":0,"data":""}"#,
            r#"{"type":8,"id":1,"data":""}"#,
            r#"{"type":99,"id":1,"data":"{}"}"#,
            r#"{"type":4,"id":1,"data":"\ud800"}"#,
        ] {
            assert_eq!(ServerMessage::decode(Frame::Text(text)), None, "{text}");
        }
    }
}
