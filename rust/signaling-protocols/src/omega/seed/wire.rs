//! Frames to messages and back. Decoding never fails: a malformed frame is a message too.

use std::borrow::Cow;

use signaling_core::Frame;

use crate::json::integer;
use crate::omega::packet::{Draft, KEEPALIVE, Packet, VIOLATION};

/// What a client may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// No JSON object, or one whose opcode is no whole number.
    Malformed,
    /// 1: a sign of life.
    Keepalive,
    /// 2: the first message. Names the user; nothing is done with it.
    Init {
        /// Any JSON text.
        name: Option<Cow<'a, str>>,
    },
    /// 4: offer a game.
    ConfigHost {
        /// Its lobby id; `None` when there is none that can be used.
        lobby: Option<Cow<'a, str>>,
    },
    /// 5: ask for a game.
    ConfigPeer {
        /// Its lobby id; `None` when there is none that can be used.
        lobby: Option<Cow<'a, str>>,
    },
    /// 10, 12, 14, 16, 17: to a counterpart.
    Relay {
        /// What it is.
        kind: Relay,
        /// Any JSON text.
        payload: Option<&'a str>,
        /// The recipient's id; `None` when there is none that can be used.
        to: Option<Cow<'a, str>>,
    },
    /// 18: leave.
    Shutdown,
    /// 20: somebody seems to be gone.
    ShutdownWarning {
        /// Who; `None` when there is no id.
        suspect: Option<Cow<'a, str>>,
    },
    /// Any other opcode.
    Unknown(i64),
}

/// What one counterpart sends to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relay {
    /// MAKE_OFFER, heard as ANTICIPATE_OFFER.
    Offer,
    /// ACCEPT_OFFER, heard as RETURN_OFFER.
    Acceptance,
    /// MAKE_ANSWER, heard as ANTICIPATE_ANSWER.
    Answer,
    /// ACK_CHECK: are you ready? Without a payload.
    Check,
    /// ACK_READY: yes. Without a payload.
    Ready,
}

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// 0: the client did something wrong; a close follows.
    Violation(Cow<'a, str>),
    /// 1: a sign of life is asked for, or answered.
    Keepalive,
    /// 3: the client's own id.
    InitOk(Cow<'a, str>),
    /// 6: it will be told of hosts.
    AckPeer,
    /// 7: it will be told of peers.
    AckHost,
    /// 8: a peer, by its id.
    NewPeer(Cow<'a, str>),
    /// 9: a host, by its id.
    NewHost(Cow<'a, str>),
    /// 11, 13, 15, 16, 17: from a counterpart.
    Relayed {
        /// What it is.
        kind: Relay,
        /// Any JSON text.
        payload: Option<&'a str>,
        /// The sender's id.
        from: Cow<'a, str>,
    },
    /// 19: somebody is gone, by its id.
    ShutdownAck(Cow<'a, str>),
}

impl Relay {
    const ALL: [Self; 5] = [Self::Offer, Self::Acceptance, Self::Answer, Self::Check, Self::Ready];

    /// The opcode of who sends it.
    fn sent(self) -> u8 {
        match self {
            Self::Offer => 10,
            Self::Acceptance => 12,
            Self::Answer => 14,
            Self::Check => 16,
            Self::Ready => 17,
        }
    }

    /// The opcode of who gets it.
    fn heard(self) -> u8 {
        match self {
            Self::Offer | Self::Acceptance | Self::Answer => self.sent() + 1,
            Self::Check | Self::Ready => self.sent(),
        }
    }

    fn has_payload(self) -> bool {
        self.sent() != self.heard()
    }

    /// The specification names its recipient `tx` in one place and `rx` in another.
    fn may_name_recipient_tx(self) -> bool {
        matches!(self, Self::Acceptance | Self::Ready)
    }
}

impl<'a> ClientMessage<'a> {
    /// Reads a frame.
    pub fn decode(frame: Frame<'a>) -> Self {
        let Some(packet) = Packet::read(frame) else { return Self::Malformed };
        match packet.opcode {
            1 => Self::Keepalive,
            2 => Self::Init { name: packet.payload().map(Cow::Borrowed) },
            4 => Self::ConfigHost { lobby: lobby(&packet) },
            5 => Self::ConfigPeer { lobby: lobby(&packet) },
            18 => Self::Shutdown,
            20 => Self::ShutdownWarning {
                suspect: text(&packet, "rx").or_else(|| text(&packet, "payload")),
            },
            opcode => match Relay::ALL.into_iter().find(|kind| i64::from(kind.sent()) == opcode) {
                Some(kind) => Self::relay(kind, &packet),
                None => Self::Unknown(opcode),
            },
        }
    }

    fn relay(kind: Relay, packet: &Packet<'a>) -> Self {
        let to = match packet.text("rx") {
            Ok(Some(to)) => Some(to.into()),
            Ok(None) if kind.may_name_recipient_tx() => text(packet, "tx"),
            _ => None,
        };
        Self::Relay { kind, payload: packet.payload().filter(|_| kind.has_payload()), to }
    }

    /// Writes a frame; a malformed one has no text.
    pub fn encode(&self) -> String {
        match self {
            Self::Malformed => return String::new(),
            Self::Keepalive => Draft::new(KEEPALIVE),
            Self::Init { name } => Draft::new(2).passing_on(name.as_deref()),
            Self::ConfigHost { lobby } => Draft::new(4).payload(lobby),
            Self::ConfigPeer { lobby } => Draft::new(5).payload(lobby),
            Self::Relay { kind, payload, to } => {
                Draft::new(kind.sent()).passing_on(*payload).rx(to.as_deref())
            }
            Self::Shutdown => Draft::new(18),
            Self::ShutdownWarning { suspect } => Draft::new(20).rx(suspect.as_deref()),
            Self::Unknown(opcode) => return format!("{{\"opcode\":{opcode}}}"),
        }
        .write()
    }
}

/// A number is read as its decimal text.
fn lobby<'a>(packet: &Packet<'a>) -> Option<Cow<'a, str>> {
    let payload = packet.given()?;
    let number = || match integer(payload) {
        Some(number) => Some(number.to_string()),
        None => serde_json::from_str::<serde_json::Number>(payload).ok().map(|it| it.to_string()),
    };
    text(packet, "payload").or_else(|| number().map(Cow::Owned))
}

fn text<'a>(packet: &Packet<'a>, key: &str) -> Option<Cow<'a, str>> {
    packet.text(key).ok().flatten().map(Cow::Owned)
}

impl<'a> ServerMessage<'a> {
    /// Reads a frame; `None` when it means nothing.
    pub fn decode(frame: Frame<'a>) -> Option<Self> {
        let packet = Packet::read(frame)?;
        let id = || text(&packet, "payload");
        Some(match packet.opcode {
            0 => Self::Violation(id().unwrap_or_default()),
            1 => Self::Keepalive,
            3 => Self::InitOk(id()?),
            6 => Self::AckPeer,
            7 => Self::AckHost,
            8 => Self::NewPeer(id()?),
            9 => Self::NewHost(id()?),
            19 => Self::ShutdownAck(text(&packet, "tx").or_else(id)?),
            opcode => {
                let mut kinds = Relay::ALL.into_iter();
                let kind = kinds.find(|kind| i64::from(kind.heard()) == opcode)?;
                let payload = packet.payload().filter(|_| kind.has_payload());
                Self::Relayed { kind, payload, from: text(&packet, "tx")? }
            }
        })
    }

    /// Writes a frame.
    pub fn encode(&self) -> String {
        match self {
            Self::Violation(text) => Draft::new(VIOLATION).payload(text),
            Self::Keepalive => Draft::new(KEEPALIVE),
            Self::InitOk(id) => Draft::new(3).payload(id),
            Self::AckPeer => Draft::new(6),
            Self::AckHost => Draft::new(7),
            Self::NewPeer(id) => Draft::new(8).payload(id),
            Self::NewHost(id) => Draft::new(9).payload(id),
            Self::Relayed { kind, payload, from } => {
                Draft::new(kind.heard()).passing_on(*payload).tx(from)
            }
            Self::ShutdownAck(id) => Draft::new(19).payload(id).tx(id),
        }
        .write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> ClientMessage<'_> {
        ClientMessage::decode(Frame::Text(text))
    }

    #[test]
    fn a_lobby_id_is_a_text_or_a_number() {
        for (payload, id) in [
            (r#""""#, Some("")),
            (r#""a\u00e9""#, Some("aé")),
            ("1", Some("1")),
            ("1.0", Some("1")),
            ("-1.50", Some("-1.5")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("null", None),
            ("true", None),
            ("[]", None),
            ("{}", None),
        ] {
            let text = format!(r#"{{"opcode":4,"payload":{payload}}}"#);
            assert_eq!(decode(&text), ClientMessage::ConfigHost { lobby: id.map(Into::into) });
        }
    }

    #[test]
    fn two_messages_may_name_their_recipient_tx() {
        let to = |text: &str| match decode(text) {
            ClientMessage::Relay { to, .. } => to.map(Cow::into_owned),
            other => panic!("{other:?}"),
        };
        for (text, recipient) in [
            (r#"{"opcode":12,"tx":"a"}"#, Some("a")),
            (r#"{"opcode":17,"tx":"a"}"#, Some("a")),
            (r#"{"opcode":12,"tx":"a","rx":"b"}"#, Some("b")),
            (r#"{"opcode":12,"tx":"a","rx":1}"#, None),
            (r#"{"opcode":10,"tx":"a"}"#, None),
            (r#"{"opcode":14,"tx":"a"}"#, None),
            (r#"{"opcode":16,"tx":"a"}"#, None),
        ] {
            assert_eq!(to(text).as_deref(), recipient, "{text}");
        }
    }

    #[test]
    fn a_suspect_is_named_in_either_field() {
        for text in [r#"{"opcode":20,"rx":"a"}"#, r#"{"opcode":20,"payload":"a"}"#] {
            assert_eq!(decode(text), ClientMessage::ShutdownWarning { suspect: Some("a".into()) });
        }
    }
}
