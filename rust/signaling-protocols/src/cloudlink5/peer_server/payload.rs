//! What PeerJS clients put into their messages. Each connection between two clients has a name of
//! its own, drawn by whoever begins it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::wire::Kind;
use crate::Signal;
use crate::json::Fields;

/// What a message of the WebRTC handshake is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A connection for data.
    Data {
        /// Its name.
        connection: String,
        /// What is to be told.
        signal: Signal,
        /// With an offer: the first channel.
        channel: Option<Channel>,
    },
    /// A call, as with a telephone: sound, which is for the receiver to decline.
    Call,
}

/// The first channel of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its label; in CloudLink 5 always `default`.
    pub label: String,
    /// Whether messages arrive in order.
    pub is_ordered: bool,
    /// How messages are written.
    pub serialization: Serialization,
}

impl Default for Channel {
    /// As CloudLink 5 has it, with messages as plain text.
    fn default() -> Self {
        Self { label: "default".to_owned(), is_ordered: true, serialization: Serialization::Raw }
    }
}

/// How messages of a connection's first channel are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serialization {
    /// As they are.
    Raw,
    /// As BinaryPack, large ones in pieces; what PeerJS does unless it is told otherwise.
    Binary,
    /// As JSON in bytes.
    Json,
}

impl Payload {
    /// Which message carries it; a call is never begun by us.
    pub(super) fn kind(signal: &Signal) -> Kind {
        match signal {
            Signal::Offer { .. } => Kind::Offer,
            Signal::Answer { .. } => Kind::Answer,
            Signal::Candidate { .. } => Kind::Candidate,
        }
    }

    /// Writes the payload.
    pub fn encode(&self) -> String {
        let fields = match self {
            Self::Data { connection, signal, channel } => {
                PayloadFields::of(connection, signal, channel.as_ref())
            }
            Self::Call => PayloadFields { r#type: MEDIA, ..PayloadFields::default() },
        };
        serde_json::to_string(&fields).expect("texts, JSON and flags can be written")
    }

    /// Reads the payload of a message; `None` when it means nothing. Answers and candidates of
    /// calls do not: we begin and accept none.
    pub fn decode(kind: Kind, payload: &str) -> Option<Self> {
        let fields = Fields::parse(payload)?;
        let connection = text(&fields, "connectionId")?;
        if text(&fields, "type")? == MEDIA {
            return (kind == Kind::Offer).then_some(Self::Call);
        }
        let key = if kind == Kind::Candidate { "candidate" } else { "sdp" };
        let signal = Signal::parse(fields.raw(key)?).filter(|signal| Self::kind(signal) == kind)?;
        let channel = (kind == Kind::Offer).then(|| Channel::read(&fields, &connection));
        Some(Self::Data { connection, signal, channel })
    }
}

impl Channel {
    /// A label that is not given is the connection's name.
    fn read(fields: &Fields<'_>, connection: &str) -> Self {
        let serialization = text(fields, "serialization");
        Self {
            label: text(fields, "label").unwrap_or_else(|| connection.to_owned()),
            is_ordered: fields.get::<bool>("reliable").ok().flatten().unwrap_or_default(),
            serialization: match serialization.as_deref() {
                Some("raw") => Serialization::Raw,
                Some("json") => Serialization::Json,
                _ => Serialization::Binary,
            },
        }
    }
}

impl Serialization {
    fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Binary => "binary",
            Self::Json => "json",
        }
    }
}

fn text(fields: &Fields<'_>, key: &str) -> Option<String> {
    fields.get::<String>(key).ok()?
}

const DATA: &str = "data";
const MEDIA: &str = "media";

#[derive(Default, Serialize)]
struct PayloadFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sdp: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<Box<RawValue>>,
    r#type: &'a str,
    #[serde(rename = "connectionId")]
    connection_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reliable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serialization: Option<&'a str>,
}

impl<'a> PayloadFields<'a> {
    fn of(connection_id: &'a str, signal: &Signal, channel: Option<&'a Channel>) -> Self {
        let json = Some(signal.to_json());
        let (sdp, candidate) = match signal {
            Signal::Candidate { .. } => (None, json),
            Signal::Offer { .. } | Signal::Answer { .. } => (json, None),
        };
        Self {
            sdp,
            candidate,
            r#type: DATA,
            connection_id,
            label: channel.map(|channel| &*channel.label),
            reliable: channel.map(|channel| channel.is_ordered),
            serialization: channel.map(|channel| channel.serialization.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_written_as_peerjs_writes_it() {
        let (signal, channel) = (Signal::Offer { sdp: "v=0".into() }, Some(Channel::default()));
        let offer = Payload::Data { connection: "dc_1".into(), signal, channel };
        let text = offer.encode();
        assert_eq!(
            text,
            r#"{"sdp":{"type":"offer","sdp":"v=0"},"type":"data","connectionId":"dc_1","label":"default","reliable":true,"serialization":"raw"}"#
        );
        assert_eq!(Payload::decode(Kind::Offer, &text), Some(offer));
    }

    #[test]
    fn what_a_browser_sends_is_understood() {
        let candidate = r#"{"candidate":{"candidate":"candidate:1 1 udp 1 1.2.3.4 5 typ host",
            "sdpMLineIndex":0.0,"sdpMid":"0","usernameFragment":"abcd"},"type":"data",
            "connectionId":"dc_x"}"#;
        let sdp = "candidate:1 1 udp 1 1.2.3.4 5 typ host".into();
        let signal = Signal::Candidate { sdp, mid: "0".into(), index: 0 };
        let payload = Payload::Data { connection: "dc_x".into(), signal, channel: None };
        assert_eq!(Payload::decode(Kind::Candidate, candidate).as_ref(), Some(&payload));
        assert_eq!(Payload::decode(Kind::Candidate, &payload.encode()), Some(payload));
    }

    #[test]
    fn a_call_rings_and_nothing_else_of_it_is_heard() {
        let text = r#"{"sdp":{"type":"offer","sdp":"v=0"},"type":"media","connectionId":"mc_1"}"#;
        assert_eq!(Payload::decode(Kind::Offer, text), Some(Payload::Call));
        assert_eq!(Payload::decode(Kind::Answer, text), None);
    }

    #[test]
    fn a_message_carries_what_its_type_says() {
        let text = r#"{"sdp":{"type":"offer","sdp":"v=0"},"type":"data","connectionId":"dc_1"}"#;
        assert_eq!(Payload::decode(Kind::Answer, text), None);
    }
}
