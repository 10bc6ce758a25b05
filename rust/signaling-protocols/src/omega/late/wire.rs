//! Frames to messages and back. Decoding never fails: a malformed frame is a message too.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use signaling_core::Frame;
use uuid::Uuid;

use crate::json::Fields;
use crate::omega::packet::{Draft, KEEPALIVE, Packet, VIOLATION};

/// What a client may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// No JSON object, one whose opcode is no whole number, or whose `rx` is no text.
    Malformed,
    /// 1: a sign of life, which the server echoes.
    Keepalive,
    /// 2: the first message, with the user's name.
    Init(Payload<Cow<'a, str>>),
    /// 4: open a lobby.
    ConfigHost(Payload<LobbyConfig>),
    /// 5: join a lobby.
    ConfigPeer(Payload<LobbyEntrance>),
    /// 10, 11, 12, 35: to anybody in the game.
    Relay {
        /// What it is.
        kind: Relay,
        /// Any JSON text; of [`Relay::Channel`] only what is one.
        payload: Payload<&'a str>,
        /// The recipient's id; `None` when it is none.
        to: Option<Uuid>,
    },
    /// Any other opcode, and those that were never put to use.
    Unknown(i64),
}

/// What came as payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<T> {
    /// Nothing, or `null`.
    Missing,
    /// Something else than what belongs there.
    Wrong,
    /// What belongs there.
    Given(T),
}

/// What a lobby is to be like. What is absent has the value of its type's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LobbyConfig {
    /// Its name in the game.
    pub lobby_id: String,
    /// Whether it goes on when its host leaves.
    pub allow_host_reclaim: bool,
    /// If so: whether it goes on without a host.
    pub allow_peers_to_claim_host: bool,
    /// How many may be in it, the host included; 0 or less: no limit.
    pub max_peers: i64,
    /// What one needs to join; empty: nothing.
    pub password: String,
}

/// Which lobby to join.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LobbyEntrance {
    /// Its name.
    pub lobby_id: String,
    /// Its password.
    pub password: String,
}

/// What one client sends to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relay {
    /// MAKE_OFFER
    Offer,
    /// MAKE_ANSWER
    Answer,
    /// ICE
    Candidate,
    /// NEW_CHANNEL
    Channel,
}

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// 0: the client did something wrong; a close follows.
    Violation(Cow<'a, str>),
    /// 1: an echo.
    Keepalive,
    /// 3: the client's own id.
    InitOk(Cow<'a, str>),
    /// 6: its lobby is open.
    AckHost,
    /// 7: it is in the lobby.
    AckPeer,
    /// 8: somebody has opened a lobby.
    NewHost(LobbyOffer),
    /// 9: somebody is new in the lobby of which the client is the host.
    NewPeer(User),
    /// 10, 11, 12, 35: from another client.
    Relayed {
        /// What it is.
        kind: Relay,
        /// Any JSON text.
        payload: Option<&'a str>,
        /// The sender.
        from: User,
    },
    /// 16, 17, 18, 19, 31, 33: the lobby was not opened, or cannot be joined.
    Refused(Refusal),
    /// 20: the lobby is closed.
    LobbyClose(Cow<'a, str>),
    /// 21: the host is gone, and the lobby goes on without.
    HostGone(Cow<'a, str>),
    /// 23: the host is gone, and somebody else is it now.
    HostReclaim(NewHost),
    /// 32: the password was right.
    PasswordAck,
    /// 34: nobody has the id that something was sent to.
    PeerInvalid,
}

/// Why there is no way into a lobby.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// 16: there is already one of this name.
    Exists,
    /// 17: there is none of this name.
    NotFound,
    /// 18: as many are in it as may be.
    Full,
    /// 19: nobody may join at the moment.
    Locked,
    /// 31: one needs a password.
    PasswordRequired,
    /// 33: the password is wrong.
    WrongPassword,
}

/// A client, as others see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its id.
    pub id: String,
    /// Its name, which others may have too.
    pub username: String,
}

/// A lobby that can be joined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LobbyOffer {
    /// The id of its host.
    pub id: String,
    /// The name of its host.
    pub username: String,
    /// Its name.
    pub lobby_id: String,
    /// How many may be in it, the host included; 0 or less: no limit.
    pub max_peers: i64,
    /// Whether one needs a password.
    pub password_required: bool,
}

/// Who is the host of a lobby now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewHost {
    /// The lobby's name.
    pub lobby_id: String,
    /// The host's id.
    pub id: String,
    /// The host's name.
    pub username: String,
}

/// A data channel that both sides are to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Its stream id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether messages arrive in order.
    pub ordered: bool,
}

impl Relay {
    const ALL: [Self; 4] = [Self::Offer, Self::Answer, Self::Candidate, Self::Channel];

    fn opcode(self) -> u8 {
        match self {
            Self::Offer => 10,
            Self::Answer => 11,
            Self::Candidate => 12,
            Self::Channel => 35,
        }
    }

    /// A channel has to be one; everything else is passed on unread.
    fn payload<'a>(self, packet: &Packet<'a>) -> Payload<&'a str> {
        match (self, packet.payload()) {
            (Self::Channel, Some(text)) if Channel::read(text).is_some() => Payload::Given(text),
            (Self::Channel, _) => Payload::Wrong,
            (_, Some(text)) => Payload::Given(text),
            (_, None) => Payload::Missing,
        }
    }

    fn of_opcode(opcode: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| i64::from(kind.opcode()) == opcode)
    }
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Exists,
        Self::NotFound,
        Self::Full,
        Self::Locked,
        Self::PasswordRequired,
        Self::WrongPassword,
    ];

    fn opcode(self) -> u8 {
        match self {
            Self::Exists => 16,
            Self::NotFound => 17,
            Self::Full => 18,
            Self::Locked => 19,
            Self::PasswordRequired => 31,
            Self::WrongPassword => 33,
        }
    }
}

impl<'a> ClientMessage<'a> {
    /// Reads a frame.
    pub fn decode(frame: Frame<'a>) -> Self {
        let Some(packet) = Packet::read(frame) else { return Self::Malformed };
        let Ok(to) = packet.text("rx") else { return Self::Malformed };
        let to = to.and_then(|to| Uuid::parse_str(&to).ok());
        match packet.opcode {
            1 => Self::Keepalive,
            2 => Self::Init(Payload::read(&packet, |text| {
                serde_json::from_str(text).ok().map(Cow::Owned)
            })),
            4 => Self::ConfigHost(Payload::read(&packet, LobbyConfig::read)),
            5 => Self::ConfigPeer(Payload::read(&packet, LobbyEntrance::read)),
            opcode => match Relay::of_opcode(opcode) {
                Some(kind) => Self::Relay { kind, payload: kind.payload(&packet), to },
                None => Self::Unknown(opcode),
            },
        }
    }

    /// Writes a frame; a malformed one has no text.
    pub fn encode(&self) -> String {
        match self {
            Self::Malformed => String::new(),
            Self::Keepalive => Draft::new(KEEPALIVE).write(),
            Self::Init(name) => name.write(Draft::new(2)),
            Self::ConfigHost(config) => config.write(Draft::new(4)),
            Self::ConfigPeer(entrance) => entrance.write(Draft::new(5)),
            Self::Relay { kind, payload, to } => {
                let to = to.map(|to| to.to_string());
                let draft = Draft::new(kind.opcode()).rx(to.as_deref());
                draft.passing_on(payload.given().copied()).write()
            }
            Self::Unknown(opcode) => format!("{{\"opcode\":{opcode}}}"),
        }
    }
}

impl<T> Payload<T> {
    fn read<'a>(packet: &Packet<'a>, read: impl FnOnce(&'a str) -> Option<T>) -> Self {
        match packet.given().map(read) {
            None => Self::Missing,
            Some(None) => Self::Wrong,
            Some(Some(given)) => Self::Given(given),
        }
    }

    fn given(&self) -> Option<&T> {
        match self {
            Self::Given(given) => Some(given),
            Self::Missing | Self::Wrong => None,
        }
    }

    fn write(&self, draft: Draft<'_>) -> String
    where
        T: Serialize,
    {
        match self.given() {
            Some(given) => draft.payload(given).write(),
            None => draft.write(),
        }
    }
}

/// The value of a key, or that of its type's default where it is absent or `null`.
fn field<'a, T>(fields: &Fields<'a>, key: &str) -> Option<T>
where
    T: Default + Deserialize<'a>,
{
    Some(fields.get::<Option<T>>(key).ok()?.flatten().unwrap_or_default())
}

/// The same for a whole number.
fn number(fields: &Fields<'_>, key: &str) -> Option<i64> {
    match fields.raw(key) {
        Some("null") => Some(0),
        _ => Some(fields.integer(key).ok()?.unwrap_or_default()),
    }
}

impl LobbyConfig {
    fn read(text: &str) -> Option<Self> {
        let fields = Fields::parse(text)?;
        Some(Self {
            lobby_id: field(&fields, "lobby_id")?,
            allow_host_reclaim: field(&fields, "allow_host_reclaim")?,
            allow_peers_to_claim_host: field(&fields, "allow_peers_to_claim_host")?,
            max_peers: number(&fields, "max_peers")?,
            password: field(&fields, "password")?,
        })
    }
}

impl LobbyEntrance {
    fn read(text: &str) -> Option<Self> {
        let fields = Fields::parse(text)?;
        Some(Self { lobby_id: field(&fields, "lobby_id")?, password: field(&fields, "password")? })
    }
}

impl Channel {
    /// Reads the payload of NEW_CHANNEL.
    pub(super) fn read(text: &str) -> Option<Self> {
        let fields = Fields::parse(text)?;
        Some(Self {
            id: number(&fields, "id")?,
            name: field(&fields, "name")?,
            ordered: field(&fields, "ordered")?,
        })
    }
}

impl<'a> ServerMessage<'a> {
    /// Reads a frame; `None` when it means nothing.
    pub fn decode(frame: Frame<'a>) -> Option<Self> {
        let packet = Packet::read(frame)?;
        let text = || packet.text("payload").ok().flatten().map(Cow::Owned);
        let fields = || packet.object("payload");
        Some(match packet.opcode {
            // The server of 2023 sends others of this number by accident.
            0 => Self::Violation(text()?),
            1 => Self::Keepalive,
            3 => Self::InitOk(text()?),
            6 => Self::AckHost,
            7 => Self::AckPeer,
            8 => Self::NewHost(LobbyOffer::read(&fields()?)?),
            9 => Self::NewPeer(User::read(&fields()?)?),
            20 => Self::LobbyClose(text()?),
            21 => Self::HostGone(text()?),
            23 => Self::HostReclaim(NewHost::read(&fields()?)?),
            32 => Self::PasswordAck,
            34 => Self::PeerInvalid,
            opcode => return Self::refused(opcode).or_else(|| Self::relayed(&packet)),
        })
    }

    fn refused(opcode: i64) -> Option<Self> {
        let mut refusals = Refusal::ALL.into_iter();
        refusals.find(|refusal| i64::from(refusal.opcode()) == opcode).map(Self::Refused)
    }

    fn relayed(packet: &Packet<'a>) -> Option<Self> {
        let kind = Relay::of_opcode(packet.opcode)?;
        let from = User::read(&packet.object("tx")?)?;
        Some(Self::Relayed { kind, payload: packet.payload(), from })
    }

    /// Writes a frame.
    pub fn encode(&self) -> String {
        match self {
            Self::Violation(text) => Draft::new(VIOLATION).payload(text),
            Self::Keepalive => Draft::new(KEEPALIVE),
            Self::InitOk(id) => Draft::new(3).payload(id),
            Self::AckHost => Draft::new(6),
            Self::AckPeer => Draft::new(7),
            Self::NewHost(lobby) => Draft::new(8).payload(lobby),
            Self::NewPeer(user) => Draft::new(9).payload(user),
            Self::Relayed { kind, payload, from } => {
                Draft::new(kind.opcode()).passing_on(*payload).tx(from)
            }
            Self::Refused(refusal) => Draft::new(refusal.opcode()),
            Self::LobbyClose(lobby) => Draft::new(20).payload(lobby),
            Self::HostGone(lobby) => Draft::new(21).payload(lobby),
            Self::HostReclaim(host) => Draft::new(23).payload(host),
            Self::PasswordAck => Draft::new(32),
            Self::PeerInvalid => Draft::new(34),
        }
        .write()
    }
}

impl User {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let id = fields.get("id").ok().flatten()?;
        Some(Self { id, username: field(fields, "username")? })
    }
}

impl LobbyOffer {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let User { id, username } = User::read(fields)?;
        Some(Self {
            id,
            username,
            lobby_id: field(fields, "lobby_id")?,
            max_peers: number(fields, "max_peers")?,
            password_required: field(fields, "password_required")?,
        })
    }
}

impl NewHost {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let User { id, username } = User::read(fields)?;
        Some(Self { lobby_id: field(fields, "lobby_id")?, id, username })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> ClientMessage<'_> {
        ClientMessage::decode(Frame::Text(text))
    }

    #[test]
    fn what_a_lobby_is_like_need_not_be_said() {
        let config = |max_peers, lobby_id: &str| {
            let lobby_id = lobby_id.to_owned();
            Payload::Given(LobbyConfig { lobby_id, max_peers, ..LobbyConfig::default() })
        };
        for (payload, expected) in [
            ("{}", config(0, "")),
            (r#"{"lobby_id":"a","max_peers":2.0,"password":null,"x":1}"#, config(2, "a")),
            (r#"{"lobby_id":"a","max_peers":null}"#, config(0, "a")),
            (r#"{"max_peers":"2"}"#, Payload::Wrong),
            (r#"{"max_peers":2.5}"#, Payload::Wrong),
            (r#"{"lobby_id":1}"#, Payload::Wrong),
            (r#"{"allow_host_reclaim":1}"#, Payload::Wrong),
            (r#""a""#, Payload::Wrong),
            ("null", Payload::Missing),
        ] {
            let text = format!(r#"{{"opcode":4,"payload":{payload}}}"#);
            assert_eq!(decode(&text), ClientMessage::ConfigHost(expected), "{payload}");
        }
    }

    #[test]
    fn a_recipient_is_an_id_however_it_is_written() {
        let id = Uuid::from_u128(0x0192_a3b4_c5d6_7000_8000_0000_0000_0001);
        for rx in
            [id.hyphenated().to_string(), id.to_string().to_uppercase(), id.simple().to_string()]
        {
            let text = format!(r#"{{"opcode":12,"rx":"{rx}"}}"#);
            let (kind, payload) = (Relay::Candidate, Payload::Missing);
            assert_eq!(decode(&text), ClientMessage::Relay { kind, payload, to: Some(id) });
        }
        for rx in ["null", "\"\"", "\"somebody\""] {
            let text = format!(r#"{{"opcode":12,"rx":{rx}}}"#);
            assert!(matches!(decode(&text), ClientMessage::Relay { to: None, .. }), "{rx}");
        }
        assert_eq!(decode(r#"{"opcode":1,"rx":1}"#), ClientMessage::Malformed);
    }
}
