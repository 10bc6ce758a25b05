//! What the server tells.

use std::sync::Arc;

use super::ServerMessage;
use super::reply::{PeerView, RoomView, peer_fields};
use super::stanza::{Stanza, flag, text};
use crate::calling::value::{Payload, Status};
use crate::json::Fields;

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The connection stands.
    Hello {
        /// Our id.
        user: String,
        /// What the server calls itself.
        server: String,
    },
    /// A user is announced in a namespace.
    UserAdded {
        /// Which namespace.
        namespace: String,
        /// Who.
        user: String,
        /// Its global status.
        status: Status,
    },
    /// A user is announced there no longer.
    UserRemoved {
        /// Which namespace.
        namespace: String,
        /// Who.
        user: String,
    },
    /// A user that is announced there has another status.
    UserUpdated {
        /// Which namespace.
        namespace: String,
        /// Who.
        user: String,
        /// Its global status.
        status: Status,
    },
    /// A room is announced in a namespace.
    RoomAdded {
        /// Which namespace.
        namespace: String,
        /// Which room.
        room: String,
        /// How it is.
        view: RoomView,
    },
    /// A room is announced there no longer.
    RoomRemoved {
        /// Which namespace.
        namespace: String,
        /// Which room.
        room: String,
    },
    /// A room has another status.
    RoomUpdated {
        /// Where it is told.
        scope: Scope,
        /// Which room.
        room: String,
        /// All of its status.
        status: Status,
    },
    /// A peer came into a room.
    PeerAdded {
        /// Where it is told.
        scope: Scope,
        /// Which room.
        room: String,
        /// Who.
        user: String,
        /// How it is.
        peer: PeerView,
    },
    /// A peer left a room.
    PeerRemoved {
        /// Where it is told.
        scope: Scope,
        /// Which room.
        room: String,
        /// Who.
        user: String,
    },
    /// A peer of a room has changed.
    PeerUpdated {
        /// Where it is told.
        scope: Scope,
        /// Which room.
        room: String,
        /// Who.
        user: String,
        /// What is new.
        change: PeerChange,
    },
    /// A peer of a room has something for us.
    Received {
        /// Which room.
        room: String,
        /// The sender.
        user: String,
        /// What it is.
        event: String,
        /// It: an object, an array or `null`.
        data: Payload,
    },
    /// We are invited into a room.
    Invited(Box<Invitation>),
    /// An invitation of ours has an answer.
    Responded {
        /// Our number of it.
        handle: u64,
        /// Whether it was accepted.
        accepted: bool,
    },
    /// An invitation that we had was taken back.
    Cancelled {
        /// Our number of it.
        handle: u64,
    },
    /// The server is there.
    Ping,
    /// A request that wanted no answer failed, or what we sent was no request.
    Error {
        /// Why.
        text: String,
    },
}

/// Where something about a room is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In the room, to its peers.
    Room,
    /// In a namespace, to its subscribers.
    Namespace(String),
}

/// What is new about a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerChange {
    /// Its status, as others see it.
    Status(Status),
    /// It has accepted its invitation.
    Accepted,
}

/// An invitation, as it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Our number of it.
    pub handle: u64,
    /// Who invites us.
    pub user: String,
    /// The status of who invites us; empty where the server does not tell.
    pub user_status: Status,
    /// The room's id; empty where the server does not tell.
    pub room: String,
    /// The room, without ourselves; empty where the server does not tell.
    pub view: RoomView,
    /// What else we are to know: an object, an array or `null`.
    pub data: Payload,
}

/// Which names and fields a client knows, where the protocol's document and its clients differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Naming {
    /// Those of the document.
    Doc,
    /// Those of the clients.
    Code,
    /// Both: four events are sent under either name, first that of the clients.
    #[default]
    Both,
}

impl Event {
    /// The stanzas that tell it, in order.
    pub fn encode(&self, naming: Naming) -> Vec<Arc<str>> {
        let (code, doc) = (self.name(), self.alias());
        let names = match (naming, doc) {
            (Naming::Doc, Some(doc)) => vec![doc],
            (Naming::Both, Some(doc)) => vec![code, doc],
            (Naming::Code, Some(_)) | (_, None) => vec![code],
        };
        names.into_iter().map(|name| self.write(Stanza::new(name), naming).done()).collect()
    }

    /// Whether it is told under two names to those who want both.
    pub(crate) fn has_alias(&self) -> bool {
        self.alias().is_some()
    }

    /// The name that clients know.
    fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::UserAdded { .. } => "ns_user_add",
            Self::UserRemoved { .. } => "ns_user_rm",
            Self::UserUpdated { .. } => "ns_user_update",
            Self::RoomAdded { .. } => "ns_room_add",
            Self::RoomRemoved { .. } => "ns_room_rm",
            Self::RoomUpdated { scope, .. } => scope.choose("room_update", "ns_room_update"),
            Self::PeerAdded { scope, .. } => scope.choose("room_peer_add", "ns_room_peer_add"),
            Self::PeerRemoved { scope, .. } => scope.choose("room_peer_rm", "ns_room_peer_rm"),
            Self::PeerUpdated { scope, .. } => {
                scope.choose("room_peer_update", "ns_room_peer_update")
            }
            Self::Received { .. } => "room_peer_from",
            Self::Invited(_) => "invite_incoming",
            Self::Responded { .. } => "invite_response",
            Self::Cancelled { .. } => "invite_cancelled",
            Self::Ping => "ping",
            Self::Error { .. } => "error",
        }
    }

    /// The name in the document, where it is another one.
    fn alias(&self) -> Option<&'static str> {
        match self {
            Self::UserUpdated { .. } => Some("user_update"),
            Self::PeerAdded { scope: Scope::Namespace(_), .. } => Some("ns_room_user_add"),
            Self::PeerRemoved { scope: Scope::Namespace(_), .. } => Some("ns_room_user_rm"),
            Self::PeerUpdated { scope: Scope::Namespace(_), .. } => Some("ns_room_user_update"),
            _ => None,
        }
    }

    fn write(&self, stanza: Stanza, naming: Naming) -> Stanza {
        match self {
            Self::Hello { user, server } => stanza.with("id", user).with("server", server),
            Self::UserAdded { namespace, user, status }
            | Self::UserUpdated { namespace, user, status } => {
                stanza.with("namespace", namespace).with("user", user).with("status", status)
            }
            Self::UserRemoved { namespace, user } => {
                stanza.with("namespace", namespace).with("user", user)
            }
            Self::RoomAdded { namespace, room, view } => {
                write_view(stanza.with("namespace", namespace).with("room", room), view)
            }
            Self::RoomRemoved { namespace, room } => {
                stanza.with("namespace", namespace).with("room", room)
            }
            Self::RoomUpdated { scope, room, status } => {
                scope.write(stanza).with("room", room).with("status", status)
            }
            Self::PeerAdded { scope, room, user, peer: PeerView { status, pending } } => scope
                .write(stanza)
                .with("room", room)
                .with("user", user)
                .with("status", status)
                .with("pending", pending),
            Self::PeerRemoved { scope, room, user } => {
                scope.write(stanza).with("room", room).with("user", user)
            }
            Self::PeerUpdated { scope, room, user, change } => {
                change.write(scope.write(stanza).with("room", room).with("user", user))
            }
            Self::Received { room, user, event, data } => {
                stanza.with("room", room).with("user", user).with("event", event).with("data", data)
            }
            Self::Invited(invitation) => invitation.write(stanza, naming),
            Self::Responded { handle, accepted } => {
                stanza.with("handle", handle).with("accepted", accepted)
            }
            Self::Cancelled { handle } => stanza.with("handle", handle),
            Self::Ping => stanza,
            Self::Error { text } => stanza.with("error", text),
        }
    }

    /// What a stanza of this type tells; `None` when it lacks something.
    pub(super) fn decode(kind: &str, fields: &Fields<'_>) -> Option<ServerMessage> {
        let event = match kind {
            "hello" => Self::Hello { user: word(fields, "id")?, server: word(fields, "server")? },
            "invite_incoming" => Self::Invited(Invitation::decode(fields)?.into()),
            "invite_response" => Self::Responded {
                handle: handle(fields)?,
                accepted: fields.raw("accepted").and_then(flag)?,
            },
            "invite_cancelled" => Self::Cancelled { handle: handle(fields)? },
            "ping" => Self::Ping,
            "error" => Self::Error { text: word(fields, "error")? },
            _ => match Self::decode_news(kind, fields) {
                Ok(event) => event?,
                Err(Unknown) => return Some(ServerMessage::Unknown),
            },
        };
        let is_alias = event.alias() == Some(kind);
        Some(ServerMessage::Event { event, is_alias })
    }

    /// What is told of users and rooms.
    fn decode_news(kind: &str, fields: &Fields<'_>) -> Result<Option<Self>, Unknown> {
        let decode = match kind {
            "ns_user_add" => Self::decode_user_added,
            "ns_user_rm" => Self::decode_user_removed,
            "ns_user_update" | "user_update" => Self::decode_user_updated,
            "ns_room_add" => Self::decode_room_added,
            "ns_room_rm" => Self::decode_room_removed,
            "room_update" | "ns_room_update" => Self::decode_room_updated,
            "room_peer_add" | "ns_room_peer_add" | "ns_room_user_add" => Self::decode_peer_added,
            "room_peer_rm" | "ns_room_peer_rm" | "ns_room_user_rm" => Self::decode_peer_removed,
            "room_peer_update" | "ns_room_peer_update" | "ns_room_user_update" => {
                Self::decode_peer_updated
            }
            "room_peer_from" => Self::decode_received,
            _ => return Err(Unknown),
        };
        Ok(decode(fields, Scope::of(kind, fields)))
    }

    fn decode_user_added(fields: &Fields<'_>, scope: Option<Scope>) -> Option<Self> {
        let (user, status) = (word(fields, "user")?, status(fields, "status")?);
        Some(Self::UserAdded { namespace: scope?.namespace()?, user, status })
    }

    fn decode_user_removed(fields: &Fields<'_>, scope: Option<Scope>) -> Option<Self> {
        Some(Self::UserRemoved { namespace: scope?.namespace()?, user: word(fields, "user")? })
    }

    fn decode_user_updated(fields: &Fields<'_>, scope: Option<Scope>) -> Option<Self> {
        let (user, status) = (word(fields, "user")?, status(fields, "status")?);
        Some(Self::UserUpdated { namespace: scope?.namespace()?, user, status })
    }

    fn decode_room_added(fields: &Fields<'_>, scope: Option<Scope>) -> Option<Self> {
        let (room, view) = (word(fields, "room")?, RoomView::of_fields(fields)?);
        Some(Self::RoomAdded { namespace: scope?.namespace()?, room, view })
    }

    fn decode_room_removed(fields: &Fields<'_>, scope: Option<Scope>) -> Option<Self> {
        Some(Self::RoomRemoved { namespace: scope?.namespace()?, room: word(fields, "room")? })
    }

    fn decode_room_updated(fields: &Fields<'_>, scope: Option<Scope>) -> Option<Self> {
        let (room, status) = (word(fields, "room")?, status(fields, "status")?);
        Some(Self::RoomUpdated { scope: scope?, room, status })
    }

    fn decode_peer_added(fields: &Fields<'_>, scope: Option<Scope>) -> Option<Self> {
        let (room, user) = (word(fields, "room")?, word(fields, "user")?);
        Some(Self::PeerAdded { scope: scope?, room, user, peer: PeerView::of_fields(fields)? })
    }

    fn decode_peer_removed(fields: &Fields<'_>, scope: Option<Scope>) -> Option<Self> {
        let (room, user) = (word(fields, "room")?, word(fields, "user")?);
        Some(Self::PeerRemoved { scope: scope?, room, user })
    }

    fn decode_peer_updated(fields: &Fields<'_>, scope: Option<Scope>) -> Option<Self> {
        let (room, user) = (word(fields, "room")?, word(fields, "user")?);
        let change = match fields.raw("status") {
            Some(status) => PeerChange::Status(Status::parse(status)?),
            None => {
                fields.raw("pending").filter(|it| *it == "false").map(|_| PeerChange::Accepted)?
            }
        };
        Some(Self::PeerUpdated { scope: scope?, room, user, change })
    }

    fn decode_received(fields: &Fields<'_>, _: Option<Scope>) -> Option<Self> {
        let (room, user) = (word(fields, "room")?, word(fields, "user")?);
        let (event, data) = (word(fields, "event")?, payload(fields, "data"));
        Some(Self::Received { room, user, event, data })
    }
}

/// No event that we know has this type.
struct Unknown;

impl Scope {
    /// `None` when a namespace should be named and is not.
    fn of(kind: &str, fields: &Fields<'_>) -> Option<Self> {
        match kind.starts_with("room_") {
            true => Some(Self::Room),
            false => word(fields, "namespace").map(Self::Namespace),
        }
    }

    fn choose<T>(&self, in_room: T, in_namespace: T) -> T {
        match self {
            Self::Room => in_room,
            Self::Namespace(_) => in_namespace,
        }
    }

    fn namespace(self) -> Option<String> {
        match self {
            Self::Room => None,
            Self::Namespace(namespace) => Some(namespace),
        }
    }

    fn write(&self, stanza: Stanza) -> Stanza {
        match self {
            Self::Room => stanza,
            Self::Namespace(namespace) => stanza.with("namespace", namespace),
        }
    }
}

impl PeerChange {
    fn write(&self, stanza: Stanza) -> Stanza {
        match self {
            Self::Status(status) => stanza.with("status", status),
            Self::Accepted => stanza.with("pending", &false),
        }
    }
}

impl Invitation {
    fn write(&self, stanza: Stanza, naming: Naming) -> Stanza {
        let Self { handle, user, user_status, room, view, data } = self;
        let stanza = stanza.with("handle", handle);
        let stanza = match naming {
            Naming::Doc => stanza.with("user", user).with("status", user_status),
            Naming::Code => write_view(stanza.with("room", room).with("sender", user), view),
            Naming::Both => {
                let stanza = stanza.with("user", user).with("sender", user).with("room", room);
                write_view(stanza, view).with("user_status", user_status)
            }
        };
        stanza.with("data", data)
    }

    /// Whichever naming it has: the room tells whose `status` it is.
    fn decode(fields: &Fields<'_>) -> Option<Self> {
        let user = word(fields, "sender").or_else(|| word(fields, "user"))?;
        let handle = handle(fields)?;
        let (room, view, user_status) = match word(fields, "room") {
            Some(room) => (room, RoomView::of_fields(fields)?, status(fields, "user_status")),
            None => (String::new(), RoomView::default(), status(fields, "status")),
        };
        let user_status = user_status.unwrap_or_default();
        Some(Self { handle, user, user_status, room, view, data: payload(fields, "data") })
    }
}

fn write_view(stanza: Stanza, RoomView { status, peers }: &RoomView) -> Stanza {
    stanza.with("status", status).with("peers", &peer_fields(peers))
}

fn word(fields: &Fields<'_>, key: &str) -> Option<String> {
    fields.raw(key).and_then(text)
}

fn status(fields: &Fields<'_>, key: &str) -> Option<Status> {
    fields.raw(key).and_then(Status::parse)
}

fn payload(fields: &Fields<'_>, key: &str) -> Payload {
    fields.raw(key).and_then(Payload::of_field).unwrap_or_else(Payload::null)
}

fn handle(fields: &Fields<'_>) -> Option<u64> {
    fields.integer("handle").ok()??.try_into().ok()
}
