//! Frames to messages of a PeerServer and back: `{type, src?, dst?, payload?}`.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use signaling_core::Frame;

use crate::json::Fields;

/// What is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// OFFER: begins a connection.
    Offer,
    /// ANSWER.
    Answer,
    /// CANDIDATE.
    Candidate,
    /// LEAVE: the connections with whoever says it are over.
    Leave,
    /// EXPIRE: whoever it is from was not there.
    Expire,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Offer, Self::Answer, Self::Candidate, Self::Leave, Self::Expire];

    /// Whether it waits for somebody who is not connected.
    pub fn can_wait(self) -> bool {
        matches!(self, Self::Offer | Self::Answer | Self::Candidate)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Offer => "OFFER",
            Self::Answer => "ANSWER",
            Self::Candidate => "CANDIDATE",
            Self::Leave => "LEAVE",
            Self::Expire => "EXPIRE",
        }
    }
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// HEARTBEAT: nothing but a sign of life.
    Heartbeat,
    /// Something for another client.
    Signal {
        /// What.
        kind: Kind,
        /// For whom; `None`: for nobody.
        dst: Option<Cow<'a, str>>,
        /// What comes with it, as JSON text.
        payload: Option<&'a str>,
    },
    /// Anything else. It is ignored.
    Malformed,
}

impl<'a> ClientMessage<'a> {
    /// Reads a frame; never fails.
    pub fn decode(frame: Frame<'a>) -> Self {
        let Some(fields) = Fields::of_frame(frame) else { return Self::Malformed };
        let Ok(Some(name)) = fields.get::<Cow<'_, str>>("type") else { return Self::Malformed };
        if name == "HEARTBEAT" {
            return Self::Heartbeat;
        }
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        let dst = fields.get::<Option<Cow<'_, str>>>("dst");
        let (Some(kind), Ok(dst)) = (kind, dst) else { return Self::Malformed };
        let dst = dst.flatten().filter(|dst| !dst.is_empty());
        Self::Signal { kind, dst, payload: fields.raw("payload") }
    }

    /// Writes the message. Something malformed is written as a heartbeat, which means as little.
    pub fn encode(&self) -> Arc<str> {
        match self {
            Self::Signal { kind, dst, payload } => {
                Packet::new(kind.name(), None, dst.as_deref(), *payload).write()
            }
            Self::Heartbeat | Self::Malformed => Packet::new("HEARTBEAT", None, None, None).write(),
        }
    }
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// OPEN: the client is known by its id now.
    Open,
    /// ERROR: why the connection is closed now.
    Error(Cow<'a, str>),
    /// ID-TAKEN: somebody else has that id; the connection is closed now.
    IdTaken,
    /// Something from another client.
    Signal {
        /// What.
        kind: Kind,
        /// From whom.
        src: Cow<'a, str>,
        /// For whom.
        dst: Cow<'a, str>,
        /// What comes with it, as JSON text.
        payload: Option<&'a str>,
    },
}

/// What comes with ID-TAKEN.
pub(super) const ID_TAKEN: &str = "ID is taken";

impl<'a> ServerMessage<'a> {
    /// Writes the message.
    pub fn encode(&self) -> Arc<str> {
        match self {
            Self::Open => Packet::new("OPEN", None, None, None).write(),
            Self::Error(msg) => Packet::new("ERROR", None, None, Some(&note(msg))).write(),
            Self::IdTaken => Packet::new("ID-TAKEN", None, None, Some(&note(ID_TAKEN))).write(),
            Self::Signal { kind, src, dst, payload } => {
                Packet::new(kind.name(), Some(src), Some(dst), *payload).write()
            }
        }
    }

    /// Reads a frame; `None` when it means nothing.
    pub fn decode(frame: Frame<'a>) -> Option<Self> {
        let fields = Fields::of_frame(frame)?;
        let text = |key| fields.get::<Cow<'a, str>>(key).ok().flatten();
        match &*text("type")? {
            "OPEN" => Some(Self::Open),
            "ERROR" => {
                let note = fields.object("payload").ok()??;
                Some(Self::Error(Cow::Owned(note.get::<String>("msg").ok()??)))
            }
            "ID-TAKEN" => Some(Self::IdTaken),
            name => {
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
                let (src, dst) = (text("src")?, text("dst").unwrap_or_default());
                Some(Self::Signal { kind, src, dst, payload: fields.raw("payload") })
            }
        }
    }
}

#[derive(Serialize)]
struct Packet<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dst: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

impl<'a> Packet<'a> {
    /// A payload that is not JSON is left out.
    fn new(
        r#type: &'a str,
        src: Option<&'a str>,
        dst: Option<&'a str>,
        payload: Option<&'a str>,
    ) -> Self {
        let payload = payload.and_then(|text| serde_json::from_str(text).ok());
        Self { r#type, src, dst, payload }
    }

    fn write(&self) -> Arc<str> {
        serde_json::to_string(self).expect("texts and JSON can be written").into()
    }
}

#[derive(Serialize)]
struct Note<'a> {
    msg: &'a str,
}

fn note(msg: &str) -> String {
    serde_json::to_string(&Note { msg }).expect("a text can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_passed_on_as_it_was_written() {
        let text =
            r#"{"dst":"b","type":"OFFER","src":"forged","payload":{ "a":1.0,"\u0061":"\/" }}"#;
        let message = ClientMessage::decode(Frame::Text(text));
        let payload = Some(r#"{ "a":1.0,"\u0061":"\/" }"#);
        let dst = Some(Cow::from("b"));
        assert_eq!(message, ClientMessage::Signal { kind: Kind::Offer, dst, payload });
        let passed_on =
            ServerMessage::Signal { kind: Kind::Offer, src: "a".into(), dst: "b".into(), payload };
        assert_eq!(
            &*passed_on.encode(),
            r#"{"type":"OFFER","src":"a","dst":"b","payload":{ "a":1.0,"\u0061":"\/" }}"#
        );
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        for text in ["", "[]", "{}", r#"{"type":"OPEN"}"#, r#"{"type":"OFFER","dst":1}"#] {
            assert_eq!(
                ClientMessage::decode(Frame::Text(text)),
                ClientMessage::Malformed,
                "{text}"
            );
        }
        for text in [r#"{"type":"LEAVE"}"#, r#"{"type":"LEAVE","dst":""}"#] {
            let leave = ClientMessage::Signal { kind: Kind::Leave, dst: None, payload: None };
            assert_eq!(ClientMessage::decode(Frame::Text(text)), leave, "{text}");
        }
    }
}
