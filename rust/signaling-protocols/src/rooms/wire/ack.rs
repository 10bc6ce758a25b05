//! What the server says of its own, in three shapes.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::action::{Action, Refusal};
use crate::json::Fields;
use crate::rooms::MAX_MESSAGE_BYTES;
use crate::rooms::model::{Channel, Publisher, Role};

/// How acks look to a client, by `ack` in the query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// `{"c":200,"b":{"s":"JOIN_ACK","d":{…}},"ch":"p2p"}`, that of old clients.
    V1,
    /// `{"c":200,"s":"JOIN","b":{…}}`.
    #[default]
    V2,
    /// Both in one.
    Both,
}

impl Shape {
    pub(crate) const ALL: [Self; 3] = [Self::V1, Self::V2, Self::Both];

    /// The shape with this name; what is unknown is [`Shape::V2`].
    pub fn from_name(name: &str) -> Self {
        match name {
            "v1" => Self::V1,
            "both" => Self::Both,
            _ => Self::V2,
        }
    }
}

/// What the server says of its own.
#[derive(Debug, Clone, Copy)]
pub enum Ack<'a> {
    /// The receiver is in the room.
    Joined {
        /// The room.
        room: &'a str,
        /// The receiver's role.
        role: Role,
        /// Who publishes.
        publishers: &'a [Publisher],
        /// STUN and TURN servers.
        ice_servers: &'a [String],
    },
    /// The answer to a heartbeat.
    Heartbeat {
        /// The room.
        room: &'a str,
        /// Which heartbeat.
        id: Option<&'a str>,
        /// Who publishes.
        publishers: &'a [Publisher],
    },
    /// Somebody publishes now, or something else, or not any more.
    PublishersChanged {
        /// The room.
        room: &'a str,
        /// Who publishes; nobody when the room is closed.
        publishers: &'a [Publisher],
    },
    /// A sign of life.
    Keepalive,
    /// A signal was refused.
    Refused {
        /// What it was for.
        action: Action,
        /// The JSON text of the signal.
        request: &'a str,
        /// Why.
        refusal: Refusal,
    },
}

impl Ack<'_> {
    /// Writes it in a shape; `channel` is the kind of the room, where there is one.
    pub fn encode(&self, shape: Shape, channel: Option<Channel>) -> Arc<str> {
        let text = self.write(shape, channel);
        match *self {
            // Whoever sent it knows it, and it would not fit.
            Self::Refused { action, refusal, .. } if text.len() > MAX_MESSAGE_BYTES => {
                Self::Refused { action, request: "null", refusal }.write(shape, channel)
            }
            _ => text,
        }
        .into()
    }

    fn write(&self, shape: Shape, channel: Option<Channel>) -> String {
        let publishers = |shape| move |list| entries(list, shape);
        let (v1, v2) = (publishers(Shape::V1), publishers(Shape::V2));
        match *self {
            Self::Joined { room: rid, role, publishers, ice_servers } => {
                let eg = "native";
                let icfg = IceConfig { is: ice_servers };
                // Owners are a later invention.
                let v1_role = if role == Role::Owner { Role::Publisher } else { role };
                let d = JoinedV1 { pps: v1(publishers), rid, pt: v1_role.name(), eg, icfg };
                let es = EngineSettings { icfg };
                let b = Joined { pps: v2(publishers), rid, pt: role.name(), eg, es };
                self.shaped(shape, channel, d, b)
            }
            Self::Heartbeat { room: rid, id: bid, publishers } => {
                let d = Heartbeat { pps: v1(publishers), rid, bid };
                let b = Heartbeat { pps: v2(publishers), rid, bid };
                self.shaped(shape, channel, d, b)
            }
            Self::PublishersChanged { room: rid, publishers } => {
                let d = ChangedV1 { publisher: v1(publishers), rid };
                self.shaped(shape, channel, d, Changed { pps: v2(publishers), rid })
            }
            Self::Keepalive => self.shaped(shape, channel, Empty {}, Empty {}),
            Self::Refused { request, refusal, .. } => {
                let (uid, rid) = names(request);
                let d = RefusedV1 { uid: &uid, rid: &rid, msg: refusal.message };
                let req = Raw(request);
                self.shaped(shape, channel, d, Refused { req, msg: refusal.message })
            }
        }
    }

    fn shaped<D: Serialize, B: Serialize>(
        &self,
        shape: Shape,
        channel: Option<Channel>,
        d: D,
        b: B,
    ) -> String {
        let (code, name) = (self.code(), self.name());
        let v1_name = if name == KEEPALIVE { name.to_owned() } else { format!("{name}_ACK") };
        let (s, ch) = (Some(name), channel.map(Channel::name));
        let text = match shape {
            Shape::V1 => to_string(&Whole { c: code, s: None, ch, b: V1 { s: &v1_name, d } }),
            Shape::V2 => to_string(&Whole { c: code, s, ch: None, b }),
            Shape::Both => to_string(&Whole { c: code, s, ch, b: Both { s: &v1_name, d, v2: b } }),
        };
        text.expect("strings, bools and what was read as JSON are always JSON")
    }

    fn code(&self) -> u16 {
        match self {
            Self::Refused { refusal, .. } => refusal.code.number(),
            _ => OK,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Joined { .. } => Action::Join.signal_name(),
            Self::Heartbeat { .. } => Action::Heartbeat.signal_name(),
            Self::PublishersChanged { .. } => PUBLISHERS_CHANGED,
            Self::Keepalive => KEEPALIVE,
            Self::Refused { action, .. } => action.signal_name(),
        }
    }
}

/// The code of whatever is no refusal.
pub(super) const OK: u16 = 200;
pub(super) const PUBLISHERS_CHANGED: &str = "PUBLISH_LIST_CHANGED";
pub(super) const KEEPALIVE: &str = "KEEPALIVE";

/// What the signal was that is not understood: the user and the room, as far as they are readable.
fn names(request: &str) -> (String, String) {
    let fields = Fields::parse(request).unwrap_or_default();
    let string = |fields: &Fields<'_>, key| fields.get::<String>(key).ok().flatten();
    let info = fields.object("ss").ok().flatten();
    let user = info.and_then(|info| string(&info, "userId")).or_else(|| string(&fields, "uid"));
    (user.unwrap_or_default(), string(&fields, "rid").unwrap_or_default())
}

/// The kind of room that a signal names which may be malformed.
pub(crate) fn channel_of(request: &str) -> Option<Channel> {
    Channel::from_name(&Fields::parse(request)?.get::<String>("ch").ok()??)
}

/// What a gateway says to a message that it cannot route; the ids mean nothing.
pub(crate) fn forbidden(connection: &str, request: &str) -> Arc<str> {
    let text = Forbidden { message: "Forbidden", connection_id: connection, request_id: request };
    serde_json::to_string(&text).expect("strings are always JSON").into()
}

fn entries(publishers: &[Publisher], shape: Shape) -> Vec<Entry<'_>> {
    publishers.iter().map(|publisher| Entry::of(publisher, shape)).collect()
}

fn to_string(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Forbidden<'a> {
    message: &'a str,
    connection_id: &'a str,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Whole<'a, B> {
    c: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ch: Option<&'a str>,
    b: B,
}

#[derive(Serialize)]
struct V1<'a, D> {
    s: &'a str,
    d: D,
}

#[derive(Serialize)]
struct Both<'a, D, B> {
    s: &'a str,
    d: D,
    #[serde(flatten)]
    v2: B,
}

#[derive(Serialize)]
struct Joined<'a> {
    pps: Vec<Entry<'a>>,
    rid: &'a str,
    pt: &'a str,
    eg: &'a str,
    es: EngineSettings<'a>,
}

#[derive(Serialize)]
struct JoinedV1<'a> {
    pps: Vec<Entry<'a>>,
    rid: &'a str,
    pt: &'a str,
    eg: &'a str,
    icfg: IceConfig<'a>,
}

#[derive(Serialize)]
struct EngineSettings<'a> {
    icfg: IceConfig<'a>,
}

#[derive(Clone, Copy, Serialize)]
struct IceConfig<'a> {
    is: &'a [String],
}

#[derive(Serialize)]
struct Heartbeat<'a> {
    pps: Vec<Entry<'a>>,
    rid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid: Option<&'a str>,
}

#[derive(Serialize)]
struct Changed<'a> {
    pps: Vec<Entry<'a>>,
    rid: &'a str,
}

#[derive(Serialize)]
struct ChangedV1<'a> {
    publisher: Vec<Entry<'a>>,
    rid: &'a str,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Refused<'a> {
    req: Raw<'a>,
    msg: &'a str,
}

#[derive(Serialize)]
struct RefusedV1<'a> {
    uid: &'a str,
    rid: &'a str,
    msg: &'a str,
}

/// JSON text that stands in a message as it is.
struct Raw<'a>(&'a str);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    id: &'a str,
    user_id: &'a str,
    session_id: &'a str,
    role: &'a str,
    video: bool,
    audio: bool,
    publish: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
    // What old clients show of people; only their own user database knows it.
    username: &'a str,
    fullname: &'a str,
    avatar: &'a str,
}

impl<'a> Entry<'a> {
    fn of(publisher: &'a Publisher, shape: Shape) -> Self {
        let Publisher { participant, role, media, profile } = publisher;
        let (user, session) = (&*participant.user, &*participant.session);
        Self {
            id: if shape == Shape::V1 { user } else { session },
            user_id: user,
            session_id: session,
            role: role.name(),
            video: media.video,
            audio: media.audio,
            publish: true,
            host: profile.host.as_deref(),
            category: profile.category.as_deref(),
            device_id: profile.device.as_deref(),
            username: "",
            fullname: "",
            avatar: "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::model::{Media, Participant, Profile};
    use crate::rooms::wire::action::Code;
    use crate::rooms::{MAX_ID_BYTES, MAX_PUBLISHERS};

    #[test]
    fn the_largest_list_fits_in_a_message() {
        // Each byte of it takes six in JSON.
        let id = "\u{1}".repeat(MAX_ID_BYTES);
        let label = Some(id.clone());
        let publisher = Publisher {
            participant: Participant::new(id.as_str(), id.as_str()),
            role: Role::Publisher,
            media: Media::default(),
            profile: Profile { host: label.clone(), category: label.clone(), device: label },
        };
        let publishers = &vec![publisher; MAX_PUBLISHERS];
        let heartbeat = Ack::Heartbeat { room: &id, id: Some(&id), publishers };
        let ice_servers = &["stun:".to_owned() + &"a".repeat(16 << 10)];
        let joined = Ack::Joined { room: &id, role: Role::Owner, publishers, ice_servers };
        for ack in [heartbeat, joined] {
            let bytes = ack.encode(Shape::Both, Some(Channel::Group)).len();
            assert!(bytes > 64 << 10 && bytes <= MAX_MESSAGE_BYTES, "{bytes} bytes");
        }
    }

    #[test]
    fn a_signal_that_does_not_fit_is_not_sent_back() {
        let refusal = Refusal::new(Code::InvalidSignal, "no");
        let request = format!("\"{}\"", "x".repeat(MAX_MESSAGE_BYTES - 30));
        let ack = Ack::Refused { action: Action::Leave, request: &request, refusal };
        let text = ack.encode(Shape::V2, None);
        assert_eq!(&*text, r#"{"c":2001,"s":"LEAVE","b":{"req":null,"msg":"no"}}"#);
    }
}
