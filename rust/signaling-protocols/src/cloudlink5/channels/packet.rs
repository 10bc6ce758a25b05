//! Messages between games, to and from text. Values are JSON texts, which nobody looks into.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::json::{Fields, compact, integer};

/// A message on a data channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// G_MSG, P_MSG: any value.
    Message {
        /// For whom it is.
        scope: Scope,
        /// What.
        payload: String,
    },
    /// G_VAR, P_VAR: a networked variable has another value.
    Variable {
        /// For whom it is.
        scope: Scope,
        /// Which variable.
        id: String,
        /// Its value.
        payload: String,
    },
    /// G_LIST, P_LIST: a networked list is changed.
    List {
        /// For whom it is.
        scope: Scope,
        /// Which list.
        id: String,
        /// How.
        change: ListChange,
    },
    /// NEW_CHAN, on the channel `default` alone: another channel.
    NewChannel(NewChannel),
    /// HANGUP: a call is over.
    Hangup,
    /// DECLINE: a call is not accepted.
    Decline,
}

/// For whom a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// For all peers.
    Global,
    /// For the one that gets it.
    Private,
}

/// How a list is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChange {
    /// `set`, also `reset`: these are its items.
    Set(Vec<String>),
    /// `replace`: one item is another, or the list is longer by it.
    Replace {
        /// Which item; the first is 0.
        index: usize,
        /// What it is.
        value: String,
    },
    /// `length`: it has so many items; the last ones are gone, or there are empty ones.
    Length(usize),
}

/// A channel that both sides make with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChannel {
    /// The number of its stream.
    pub id: u16,
    /// Its name.
    pub label: String,
    /// Whether messages arrive in order.
    pub is_ordered: bool,
}

impl Packet {
    /// Reads a message; `None` when it means nothing.
    pub fn decode(text: &str) -> Option<Self> {
        let fields = Fields::parse(text)?;
        let opcode: String = fields.get("opcode").ok()??;
        let (scope, kind) = match opcode.split_once('_') {
            Some(("G", kind)) => (Scope::Global, kind),
            Some(("P", kind)) => (Scope::Private, kind),
            _ => return Self::control(&opcode, &fields),
        };
        let id = || fields.get::<String>("id").ok().flatten();
        let payload = fields.raw("payload").unwrap_or("null");
        match kind {
            "MSG" => Some(Self::Message { scope, payload: value(payload) }),
            "VAR" => Some(Self::Variable { scope, id: id()?, payload: value(payload) }),
            "LIST" => {
                let method: String = fields.get("method").ok()??;
                let change = ListChange::read(&method, payload)?;
                Some(Self::List { scope, id: id()?, change })
            }
            _ => None,
        }
    }

    fn control(opcode: &str, fields: &Fields<'_>) -> Option<Self> {
        match opcode {
            "NEW_CHAN" => NewChannel::read(&fields.object("payload").ok()??).map(Self::NewChannel),
            "HANGUP" => Some(Self::Hangup),
            "DECLINE" => Some(Self::Decline),
            _ => None,
        }
    }

    /// Writes the message. A value that is not JSON is written as `null`.
    pub fn encode(&self) -> String {
        let fields = match self {
            Self::Message { scope, payload } => {
                PacketFields::new(scope.opcode("G_MSG", "P_MSG")).with(raw(payload))
            }
            Self::Variable { scope, id, payload } => PacketFields {
                id: Some(id),
                ..PacketFields::new(scope.opcode("G_VAR", "P_VAR")).with(raw(payload))
            },
            Self::List { scope, id, change } => {
                let (method, payload) = change.write();
                PacketFields {
                    id: Some(id),
                    method: Some(method),
                    ..PacketFields::new(scope.opcode("G_LIST", "P_LIST")).with(payload)
                }
            }
            Self::NewChannel(channel) => PacketFields::new("NEW_CHAN").with(channel.write()),
            Self::Hangup => PacketFields::new("HANGUP"),
            Self::Decline => PacketFields::new("DECLINE"),
        };
        write(&fields)
    }
}

impl Scope {
    fn opcode(self, global: &'static str, private: &'static str) -> &'static str {
        match self {
            Self::Global => global,
            Self::Private => private,
        }
    }
}

impl ListChange {
    /// Existing clients write `set` for any of the three.
    fn read(method: &str, payload: &str) -> Option<Self> {
        match (method, payload.as_bytes().first()?) {
            ("set" | "reset", b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(payload).ok()?;
                Some(Self::Set(items.into_iter().map(|item| value(item.get())).collect()))
            }
            ("set" | "replace", b'{') => {
                let fields = Fields::parse(payload)?;
                let index = index(fields.raw("property")?)?;
                let value = value(fields.raw("value").unwrap_or("null"));
                Some(Self::Replace { index, value })
            }
            ("set" | "length", _) => Some(Self::Length(integer(payload)?.try_into().ok()?)),
            _ => None,
        }
    }

    fn write(&self) -> (&'static str, Box<RawValue>) {
        match self {
            Self::Set(items) => {
                let items: Vec<_> = items.iter().map(|item| raw(item)).collect();
                ("set", raw(&write(&items)))
            }
            Self::Replace { index, value } => {
                let item = Item { property: index.to_string(), value: raw(value) };
                ("replace", raw(&write(&item)))
            }
            Self::Length(length) => ("length", raw(&length.to_string())),
        }
    }
}

impl NewChannel {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.integer("id").ok()??.try_into().ok()?,
            label: fields.get("label").ok()??,
            is_ordered: fields.get::<bool>("ordered").ok().flatten().unwrap_or(true),
        })
    }

    fn write(&self) -> Box<RawValue> {
        let Self { id, label, is_ordered: ordered } = self;
        raw(&write(&ChannelFields { id: *id, label, ordered: *ordered }))
    }
}

#[derive(Serialize)]
struct PacketFields<'a> {
    opcode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
}

impl<'a> PacketFields<'a> {
    fn new(opcode: &'a str) -> Self {
        Self { opcode, payload: None, id: None, method: None }
    }

    fn with(self, payload: Box<RawValue>) -> Self {
        Self { payload: Some(payload), ..self }
    }
}

#[derive(Serialize)]
struct Item {
    property: String,
    value: Box<RawValue>,
}

#[derive(Serialize)]
struct ChannelFields<'a> {
    id: u16,
    label: &'a str,
    ordered: bool,
}

/// An index of a list; scripts write it as a text.
fn index(text: &str) -> Option<usize> {
    let written: Option<String> = serde_json::from_str(text).ok();
    match written {
        Some(digits) => digits.parse().ok(),
        None => integer(text)?.try_into().ok(),
    }
}

fn value(json: &str) -> String {
    compact(json).into_owned()
}

fn raw(json: &str) -> Box<RawValue> {
    serde_json::from_str(json).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn write(fields: &impl Serialize) -> String {
    serde_json::to_string(fields).expect("texts, numbers and JSON can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(change: ListChange) -> Option<Packet> {
        Some(Packet::List { scope: Scope::Global, id: "l".into(), change })
    }

    #[test]
    fn messages_are_written_as_existing_clients_write_them() {
        let (scope, payload) = (Scope::Private, r#"{"a":[1]}"#.to_owned());
        for (packet, text) in [
            (
                Packet::Message { scope, payload: payload.clone() },
                r#"{"opcode":"P_MSG","payload":{"a":[1]}}"#,
            ),
            (
                Packet::Variable { scope: Scope::Global, id: "score".into(), payload },
                r#"{"opcode":"G_VAR","payload":{"a":[1]},"id":"score"}"#,
            ),
            (
                Packet::NewChannel(NewChannel { id: 2, label: "chat".into(), is_ordered: false }),
                r#"{"opcode":"NEW_CHAN","payload":{"id":2,"label":"chat","ordered":false}}"#,
            ),
            (Packet::Hangup, r#"{"opcode":"HANGUP"}"#),
            (Packet::Decline, r#"{"opcode":"DECLINE"}"#),
        ] {
            assert_eq!(packet.encode(), text);
            assert_eq!(Packet::decode(text), Some(packet));
        }
    }

    #[test]
    fn lists_change_by_their_methods() {
        for (change, method, payload) in [
            (ListChange::Set(vec!["1".into(), r#""b""#.into()]), "set", r#"[1,"b"]"#),
            (
                ListChange::Replace { index: 3, value: "null".into() },
                "replace",
                r#"{"property":"3","value":null}"#,
            ),
            (ListChange::Length(0), "length", "0"),
        ] {
            let text = format!(
                r#"{{"opcode":"G_LIST","payload":{payload},"id":"l","method":"{method}"}}"#
            );
            let packet = list(change).unwrap();
            assert_eq!(packet.encode(), text);
            assert_eq!(Packet::decode(&text), Some(packet));
        }
    }

    #[test]
    fn lists_of_existing_clients_are_understood() {
        for (method, payload, change) in [
            ("reset", "[ 1, 2 ]", Some(ListChange::Set(vec!["1".into(), "2".into()]))),
            (
                "set",
                r#"{"property":"0"}"#,
                Some(ListChange::Replace { index: 0, value: "null".into() }),
            ),
            (
                "replace",
                r#"{"property":1.0,"value":2}"#,
                Some(ListChange::Replace { index: 1, value: "2".into() }),
            ),
            ("set", "4", Some(ListChange::Length(4))),
            ("replace", r#"{"property":"_monitorUpToDate","value":false}"#, None),
            ("replace", r#"{"property":"-1","value":false}"#, None),
            ("length", "-1", None),
            ("length", "1.5", None),
            ("shuffle", "[]", None),
        ] {
            let text = format!(
                r#"{{"opcode":"G_LIST","id":"l","method":"{method}","payload":{payload}}}"#
            );
            assert_eq!(Packet::decode(&text), change.and_then(list), "{method} {payload}");
        }
    }

    #[test]
    fn what_is_no_message_means_nothing() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"opcode":"G_VAR","payload":1}"#,
            r#"{"opcode":"X_MSG"}"#,
            r#"{"opcode":"NEW_CHAN","payload":{"id":70000,"label":"a"}}"#,
        ] {
            assert_eq!(Packet::decode(text), None, "{text}");
        }
    }
}
