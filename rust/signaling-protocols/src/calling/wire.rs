//! Stanzas to messages and back. Decoding needs no state and never fails: what cannot be understood
//! is a message too.
//!
//! Reading order:
//! - [`request`]: what clients ask for.
//! - [`reply`]: what the answers carry.
//! - [`event`]: what the server tells.
//! - [`problem`]: why requests fail.
//! - `stanza`: how stanzas are read and written.

pub mod event;
pub mod problem;
pub mod reply;
pub mod request;
mod stanza;

use std::sync::Arc;

use serde_json::value::RawValue;
use signaling_core::Frame;

use super::value::Payload;
use crate::json::{Fields, MAX_NESTING, nesting};
use event::Event;
use problem::Problem;
use reply::Reply;
use request::Request;
use stanza::{Stanza, text};

/// What a client may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// A request, or what should have been one.
    Request {
        /// What its answer is to carry, as it was sent; `None` when none is wanted.
        tid: Option<Payload>,
        /// What it asks for.
        request: Result<Request, Problem>,
    },
    /// Not JSON, nested more than 64 deep, or `null`.
    Malformed,
}

impl ClientMessage {
    /// What a client's frame means.
    pub fn decode(frame: Frame<'_>) -> Self {
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(bytes) => str::from_utf8(bytes).unwrap_or_default(),
        };
        match Fields::parse(text) {
            Some(fields) => Self::of_fields(&fields),
            None if is_other_value(text) => {
                Self::Request { tid: None, request: Err(Problem::MissingType) }
            }
            None => Self::Malformed,
        }
    }

    fn of_fields(fields: &Fields<'_>) -> Self {
        let tid = fields.raw("tid").filter(|tid| *tid != "null").and_then(Payload::of_field);
        let is_usable = tid.as_ref().is_none_or(|tid| stanza::number(tid.text()).is_some());
        let request = if is_usable { Request::decode(fields) } else { Err(Problem::TypeMismatch) };
        Self::Request { tid, request }
    }
}

/// Whether it is JSON that is neither an object nor `null`.
fn is_other_value(text: &str) -> bool {
    let value: Result<&RawValue, _> = serde_json::from_str(text);
    let is_other = |json: &str| !json.starts_with('{') && json != "null";
    value.is_ok_and(|value| is_other(value.get()) && nesting(value.get()) <= MAX_NESTING)
}

/// What the server may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// The answer to the request with this number.
    Answer {
        /// The number.
        tid: u64,
        /// What it carries, if anything, or why the request failed.
        result: Result<Option<Payload>, String>,
    },
    /// Something has happened.
    Event {
        /// What.
        event: Event,
        /// Whether it has the second of its two names: then it may only repeat the one before.
        is_alias: bool,
    },
    /// A stanza of a type that we do not know.
    Unknown,
}

impl ServerMessage {
    /// What a server's frame means; `None` when it means nothing.
    pub fn decode(frame: Frame<'_>) -> Option<Self> {
        let fields = Fields::of_frame(frame)?;
        let kind = fields.raw("type").and_then(text)?;
        if kind != ANSWER {
            return Event::decode(&kind, &fields);
        }
        let result = match fields.raw("error") {
            Some(error) => Err(text(error).unwrap_or_else(|| error.to_owned())),
            None => Ok(fields.raw("data").and_then(Payload::of_field)),
        };
        let tid = fields.integer("tid").ok()??.try_into().ok()?;
        Some(Self::Answer { tid, result })
    }
}

const ANSWER: &str = "answer";

/// The answer to a request.
pub(super) fn answer(tid: &Payload, result: &Result<Reply, Problem>) -> Arc<str> {
    let stanza = Stanza::new(ANSWER).with("tid", tid);
    match result {
        Ok(reply) => reply.write(stanza).done(),
        Err(problem) => stanza.with("error", &problem.to_string()).done(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> ClientMessage {
        ClientMessage::decode(Frame::Text(text))
    }

    fn problem(text: &str) -> Option<Problem> {
        match decode(text) {
            ClientMessage::Request { request, .. } => request.err(),
            _ => None,
        }
    }

    #[test]
    fn what_is_wrong_is_found_in_a_fixed_order() {
        for (text, expected) in [
            (r#"{"tid":"a"}"#, Problem::TypeMismatch),
            (r#"{"tid":1}"#, Problem::MissingType),
            ("[]", Problem::MissingType),
            ("7", Problem::MissingType),
            (r#"{"type":7}"#, Problem::UnknownCommand),
            (r#"{"type":"toString","x":1}"#, Problem::UnknownCommand),
            (r#"{"type":"room_peer_to","room":1}"#, Problem::TypeMismatch),
            (r#"{"type":"room_peer_to","user":1}"#, Problem::MissingElement),
            (r#"{"type":"room_leave","extra":1}"#, Problem::MissingElement),
            (r#"{"type":"room_leave","room":"r","extra":1}"#, Problem::UnexpectedField),
            (r#"{"type":"room_join","room":null}"#, Problem::TypeMismatch),
            (r#"{"type":"room_peer_update","room":"r","pending":true}"#, Problem::TypeMismatch),
            (r#"{"type":"remote_ping","time":"1"}"#, Problem::TypeMismatch),
        ] {
            assert_eq!(problem(text), Some(expected), "{text}");
        }
        assert_eq!(problem(r#"{"type":"ping"}"#), None);
    }

    #[test]
    fn what_is_no_stanza_at_all_is_malformed() {
        for text in ["", "null", " null ", "{", "{\"a\":}", &"[".repeat(65)] {
            assert_eq!(decode(text), ClientMessage::Malformed, "{text}");
        }
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(problem(&nested(64)), Some(Problem::MissingType));
        assert_eq!(decode(&nested(65)), ClientMessage::Malformed);
        assert_eq!(ClientMessage::decode(Frame::Binary(b"\xff")), ClientMessage::Malformed);
        let binary = ClientMessage::decode(Frame::Binary(br#"{"type":"ping"}"#));
        assert_eq!(binary, decode(r#"{"type":"ping"}"#));
    }

    #[test]
    fn a_tid_is_a_number_that_is_kept_as_it_was_sent() {
        for (text, kept) in [
            (r#"{"type":"ping","tid":1.50}"#, Some("1.50")),
            (r#"{"type":"ping","tid":-0}"#, Some("-0")),
            (r#"{"type":"ping","tid":null}"#, None),
            (r#"{"type":"ping"}"#, None),
        ] {
            let ClientMessage::Request { tid, request } = decode(text) else { panic!("{text}") };
            assert_eq!(tid.as_ref().map(Payload::text), kept, "{text}");
            assert_eq!(request, Ok(Request::Ping));
        }
    }
}
