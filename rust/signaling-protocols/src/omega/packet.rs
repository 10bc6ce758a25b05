//! What every message of both numberings looks like.

use std::borrow::Cow;

use serde::Serialize;
use signaling_core::Frame;

use crate::json::{Fields, WrongType, compact};

/// In both numberings the opcode of what precedes a close.
pub(super) const VIOLATION: u8 = 0;
/// In both numberings the sign of life.
pub(super) const KEEPALIVE: u8 = 1;

/// A message that was read: its fields as they stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// 0 when it is absent.
    pub(super) opcode: i64,
    fields: Fields<'a>,
}

impl<'a> Packet<'a> {
    /// Reads a frame; `None` unless it is an object whose opcode is a whole number.
    pub(super) fn read(frame: Frame<'a>) -> Option<Self> {
        let fields = Fields::of_frame(frame)?;
        let opcode = fields.integer("opcode").ok()?.unwrap_or(0);
        Some(Self { opcode, fields })
    }

    /// The payload as it stood there, `null` included.
    pub(super) fn payload(&self) -> Option<&'a str> {
        self.fields.raw("payload")
    }

    /// The payload, unless it is `null`.
    pub(super) fn given(&self) -> Option<&'a str> {
        self.payload().filter(|payload| *payload != "null")
    }

    /// A field that is a text; `null` counts as absent.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, WrongType> {
        self.fields.get::<Option<String>>(key).map(Option::flatten)
    }

    /// A field that is an object.
    pub(super) fn object(&self, key: &str) -> Option<Fields<'a>> {
        self.fields.object(key).ok().flatten()
    }
}

/// A message that is being written; payload, sender and recipient are JSON texts.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    opcode: u8,
    payload: Option<Cow<'a, str>>,
    tx: Option<String>,
    rx: Option<String>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(opcode: u8) -> Self {
        Self { opcode, ..Self::default() }
    }

    /// With a payload that came in another message, without the blanks in it.
    pub(super) fn passing_on(self, payload: Option<&'a str>) -> Self {
        Self { payload: payload.map(compact), ..self }
    }

    pub(super) fn payload(self, payload: &impl Serialize) -> Self {
        Self { payload: Some(json(payload).into()), ..self }
    }

    pub(super) fn tx(self, sender: &impl Serialize) -> Self {
        Self { tx: Some(json(sender)), ..self }
    }

    pub(super) fn rx(self, recipient: Option<&str>) -> Self {
        Self { rx: recipient.map(|recipient| json(&recipient)), ..self }
    }

    /// The text, on one line.
    pub(super) fn write(self) -> String {
        let field = |key, json: Option<&str>| {
            json.map(|json| format!(",\"{key}\":{json}")).unwrap_or_default()
        };
        format!(
            "{{\"opcode\":{}{}{}{}}}",
            self.opcode,
            field("payload", self.payload.as_deref()),
            field("tx", self.tx.as_deref()),
            field("rx", self.rx.as_deref()),
        )
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts, numbers and structs of them can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_needs_a_whole_number_as_opcode() {
        let opcode = |text| Packet::read(Frame::Text(text)).map(|packet| packet.opcode);
        for (text, number) in [
            (r#"{"opcode":2}"#, Some(2)),
            (" { \"opcode\" : 2.0 }\n", Some(2)),
            ("{}", Some(0)),
            (r#"{"opcode":1,"opcode":5}"#, Some(5)),
            (r#"{"opcode":"2"}"#, None),
            (r#"{"opcode":2.5}"#, None),
            (r#"{"opcode":null}"#, None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(opcode(text), number, "{text}");
        }
        assert_eq!(Packet::read(Frame::Binary(br#"{"opcode":1}"#)).map(|it| it.opcode), Some(1));
        assert_eq!(Packet::read(Frame::Binary(b"\xff")), None);
    }

    #[test]
    fn what_is_absent_is_not_written() {
        assert_eq!(Draft::new(6).write(), r#"{"opcode":6}"#);
        let full = Draft::new(11).passing_on(Some("{ \"a\": [1.0, \" \\u00e9\"] }")).tx(&"x");
        assert_eq!(full.write(), r#"{"opcode":11,"payload":{"a":[1.0," \u00e9"]},"tx":"x"}"#);
        assert_eq!(Draft::new(16).rx(Some("\"")).write(), r#"{"opcode":16,"rx":"\""}"#);
    }
}
