//! What clients ask for.

use std::sync::Arc;
use std::time::Duration;

use super::problem::Problem;
use super::stanza::{Reader, Stanza, flag, is_object, number, text};
use crate::calling::value::{Payload, Status};
use crate::json::{Fields, integer};

/// What a client may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Replace our global status.
    Status {
        /// The new one.
        status: Status,
    },
    /// Hear of the users and rooms of a namespace, and have a list of them.
    Subscribe {
        /// Which.
        namespace: String,
    },
    /// Hear no more of them.
    Unsubscribe {
        /// Which.
        namespace: String,
    },
    /// Be announced to the subscribers of a namespace.
    RegisterUser {
        /// Which.
        namespace: String,
    },
    /// Be announced there no longer.
    UnregisterUser {
        /// Which.
        namespace: String,
    },
    /// Announce a room to the subscribers of a namespace.
    RegisterRoom {
        /// Which namespace.
        namespace: String,
        /// Which room.
        room: String,
    },
    /// Announce a room there no longer.
    UnregisterRoom {
        /// Which namespace.
        namespace: String,
        /// Which room.
        room: String,
    },
    /// Join a room, and create it if there is none of this name.
    Join {
        /// Which; `None`: a new one.
        room: Option<String>,
        /// Our status in it.
        status: Status,
    },
    /// Leave a room.
    Leave {
        /// Which.
        room: String,
    },
    /// Change one key of a room's status.
    SetRoomStatus {
        /// Which room.
        room: String,
        /// Which key.
        key: String,
        /// Its new value; `None`: the key goes.
        value: Option<Payload>,
        /// What must stand there, or nothing is changed.
        expected: Expected,
    },
    /// Replace our status in a room.
    SetPeerStatus {
        /// Which room.
        room: String,
        /// The new status.
        status: Status,
    },
    /// The same in the form of the protocol's document, where nothing need be changed.
    UpdatePeer {
        /// Which room.
        room: String,
        /// The new status.
        status: Option<Status>,
    },
    /// Pass something on to a peer of a room.
    Send {
        /// Which room.
        room: String,
        /// To whom.
        user: String,
        /// What it is.
        event: String,
        /// It: an object, an array or `null`.
        data: Payload,
    },
    /// Invite a user into a room, which is created if there is none of this name.
    Invite {
        /// Which room.
        room: String,
        /// Whom.
        user: String,
        /// What else the user is to know: an object, an array or `null`.
        data: Payload,
    },
    /// Take an invitation back.
    CancelInvitation {
        /// Our number of it.
        handle: u64,
    },
    /// Accept an invitation.
    AcceptInvitation {
        /// Our number of it.
        handle: u64,
        /// Our status in the room.
        status: Status,
    },
    /// Turn an invitation down.
    DenyInvitation {
        /// Our number of it.
        handle: u64,
    },
    /// Say that we are here.
    Ping,
    /// Have the server say that it is there, whenever nothing was said for this time.
    RemotePing {
        /// How long; `None`: never.
        time: Option<Duration>,
    },
    /// Have the server give us up when we say nothing for this time.
    RemoteTimeout {
        /// How long; `None`: never.
        time: Option<Duration>,
    },
}

/// What must stand in a room's status for it to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whatever stands there.
    Anything,
    /// Nothing.
    Absent,
    /// This value.
    Value(Payload),
}

/// A number that no invitation ever has.
const NO_HANDLE: u64 = u64::MAX;

/// Longer times are cut to this, in seconds: a day.
const MAX_SECONDS: f64 = 86_400.0;

impl Request {
    pub(super) fn decode(fields: &Fields<'_>) -> Result<Self, Problem> {
        let kind = fields.raw("type").ok_or(Problem::MissingType)?;
        let kind = text(kind).ok_or(Problem::UnknownCommand)?;
        let mut reader = Reader::new(fields);
        let request = Self::read(&kind, &mut reader)?;
        reader.finish()?;
        Ok(request)
    }

    fn read(kind: &str, reader: &mut Reader<'_>) -> Result<Self, Problem> {
        match kind {
            "status" | "ping" | "remote_ping" | "remote_timeout" => Self::read_own(kind, reader),
            _ if kind.starts_with("ns_") => Self::read_in_namespace(kind, reader),
            _ if kind.starts_with("room_") => Self::read_in_room(kind, reader),
            _ => Self::read_invitation(kind, reader),
        }
    }

    fn read_own(kind: &str, reader: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(match kind {
            "status" => Self::Status { status: reader.must("status", Status::parse)? },
            "remote_ping" => Self::RemotePing { time: reader.must("time", time)? },
            "remote_timeout" => Self::RemoteTimeout { time: reader.must("time", time)? },
            _ => Self::Ping,
        })
    }

    fn read_in_namespace(kind: &str, reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let mut namespace = || reader.must("namespace", text);
        Ok(match kind {
            "ns_subscribe" => Self::Subscribe { namespace: namespace()? },
            "ns_unsubscribe" => Self::Unsubscribe { namespace: namespace()? },
            "ns_user_register" => Self::RegisterUser { namespace: namespace()? },
            "ns_user_unregister" => Self::UnregisterUser { namespace: namespace()? },
            "ns_room_register" => {
                Self::RegisterRoom { namespace: namespace()?, room: reader.must("room", text)? }
            }
            "ns_room_unregister" => {
                Self::UnregisterRoom { namespace: namespace()?, room: reader.must("room", text)? }
            }
            _ => return Err(Problem::UnknownCommand),
        })
    }

    fn read_in_room(kind: &str, reader: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(match kind {
            "room_join" => Self::Join {
                room: reader.may("room", text)?,
                status: reader.may("status", Status::parse)?.unwrap_or_default(),
            },
            "room_leave" => Self::Leave { room: reader.must("room", text)? },
            "room_status" => Self::SetRoomStatus {
                room: reader.must("room", text)?,
                key: reader.must("key", text)?,
                value: reader.may("value", Payload::of_field)?,
                expected: expected(
                    reader.may("check", flag)?,
                    reader.may("previous", Payload::of_field)?,
                ),
            },
            "room_peer_status" => Self::SetPeerStatus {
                room: reader.must("room", text)?,
                status: reader.must("status", Status::parse)?,
            },
            "room_peer_update" => {
                let room = reader.must("room", text)?;
                // Nobody becomes pending again.
                reader.may("pending", |json| (json == "false").then_some(()))?;
                Self::UpdatePeer { room, status: reader.may("status", Status::parse)? }
            }
            "room_peer_to" => Self::Send {
                room: reader.must("room", text)?,
                user: reader.must("user", text)?,
                event: reader.must("event", text)?,
                data: reader.must("data", object)?,
            },
            _ => return Err(Problem::UnknownCommand),
        })
    }

    fn read_invitation(kind: &str, reader: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(match kind {
            "invite_send" => Self::Invite {
                room: reader.must("room", text)?,
                user: reader.must("user", text)?,
                data: reader.must("data", object)?,
            },
            "invite_cancel" => Self::CancelInvitation { handle: reader.must("handle", handle)? },
            "invite_accept" => Self::AcceptInvitation {
                handle: reader.must("handle", handle)?,
                status: reader.may("status", Status::parse)?.unwrap_or_default(),
            },
            "invite_deny" => Self::DenyInvitation { handle: reader.must("handle", handle)? },
            _ => return Err(Problem::UnknownCommand),
        })
    }

    /// The stanza that asks for this, and for an answer if there is a number for it.
    pub fn encode(&self, tid: Option<u64>) -> Arc<str> {
        let stanza = Stanza::new(self.kind()).with_some("tid", tid.as_ref());
        self.write(stanza).done()
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Subscribe { .. } => "ns_subscribe",
            Self::Unsubscribe { .. } => "ns_unsubscribe",
            Self::RegisterUser { .. } => "ns_user_register",
            Self::UnregisterUser { .. } => "ns_user_unregister",
            Self::RegisterRoom { .. } => "ns_room_register",
            Self::UnregisterRoom { .. } => "ns_room_unregister",
            Self::Join { .. } => "room_join",
            Self::Leave { .. } => "room_leave",
            Self::SetRoomStatus { .. } => "room_status",
            Self::SetPeerStatus { .. } => "room_peer_status",
            Self::UpdatePeer { .. } => "room_peer_update",
            Self::Send { .. } => "room_peer_to",
            Self::Invite { .. } => "invite_send",
            Self::CancelInvitation { .. } => "invite_cancel",
            Self::AcceptInvitation { .. } => "invite_accept",
            Self::DenyInvitation { .. } => "invite_deny",
            Self::Ping => "ping",
            Self::RemotePing { .. } => "remote_ping",
            Self::RemoteTimeout { .. } => "remote_timeout",
        }
    }

    fn write(&self, stanza: Stanza) -> Stanza {
        match self {
            Self::Status { status } => stanza.with("status", status),
            Self::Subscribe { namespace }
            | Self::Unsubscribe { namespace }
            | Self::RegisterUser { namespace }
            | Self::UnregisterUser { namespace } => stanza.with("namespace", namespace),
            Self::RegisterRoom { namespace, room } | Self::UnregisterRoom { namespace, room } => {
                stanza.with("namespace", namespace).with("room", room)
            }
            Self::Join { room, status } => {
                stanza.with_some("room", room.as_ref()).with("status", status)
            }
            Self::Leave { room } => stanza.with("room", room),
            Self::SetRoomStatus { room, key, value, expected } => {
                let stanza = stanza.with("room", room).with("key", key);
                expected.write(stanza.with_some("value", value.as_ref()))
            }
            Self::SetPeerStatus { room, status } => {
                stanza.with("room", room).with("status", status)
            }
            Self::UpdatePeer { room, status } => {
                stanza.with("room", room).with_some("status", status.as_ref())
            }
            Self::Send { room, user, event, data } => {
                stanza.with("room", room).with("user", user).with("event", event).with("data", data)
            }
            Self::Invite { room, user, data } => {
                stanza.with("room", room).with("user", user).with("data", data)
            }
            Self::CancelInvitation { handle } | Self::DenyInvitation { handle } => {
                stanza.with("handle", handle)
            }
            Self::AcceptInvitation { handle, status } => {
                stanza.with("handle", handle).with("status", status)
            }
            Self::Ping => stanza,
            Self::RemotePing { time } | Self::RemoteTimeout { time } => {
                let millis = time.map_or(0, |time| time.as_millis().max(1));
                stanza.with("time", &(millis as u64))
            }
        }
    }
}

impl Expected {
    fn write(&self, stanza: Stanza) -> Stanza {
        match self {
            Self::Anything => stanza,
            Self::Absent => stanza.with("check", &true),
            Self::Value(value) => stanza.with("check", &true).with("previous", value),
        }
    }
}

fn expected(check: Option<bool>, previous: Option<Payload>) -> Expected {
    match check {
        Some(true) => previous.map_or(Expected::Absent, Expected::Value),
        Some(false) | None => Expected::Anything,
    }
}

fn object(json: &str) -> Option<Payload> {
    is_object(json).then(|| Payload::of_field(json)).flatten()
}

/// Any number; those that cannot be handles are none.
fn handle(json: &str) -> Option<u64> {
    number(json)?;
    Some(integer(json).and_then(|whole| whole.try_into().ok()).unwrap_or(NO_HANDLE))
}

/// Milliseconds; none of at most 0 is ever over.
#[expect(clippy::option_option, reason = "the outer one says whether it is a number")]
fn time(json: &str) -> Option<Option<Duration>> {
    let seconds = number(json)? / 1000.0;
    Some((seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(MAX_SECONDS))))
}
