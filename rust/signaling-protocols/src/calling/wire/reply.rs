//! What the answers to requests carry.

use std::collections::BTreeMap;

use serde::Serialize;

use super::request::Request;
use super::stanza::{Stanza, flag, text};
use crate::calling::value::{Payload, Status};
use crate::json::Fields;

/// What an answer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: it is done.
    Done,
    /// What is announced in a namespace, to who subscribed to it.
    Namespace {
        /// The global status of each user.
        users: BTreeMap<String, Status>,
        /// Each room.
        rooms: BTreeMap<String, RoomView>,
    },
    /// The room that was joined.
    Room {
        /// Its id.
        room: String,
        /// It, without ourselves.
        view: RoomView,
    },
    /// The number of the invitation that was sent.
    Handle(u64),
}

/// A room, as others see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomView {
    /// Its status.
    pub status: Status,
    /// Its peers, by user.
    pub peers: Peers,
}

/// Peers of a room, by user.
pub type Peers = BTreeMap<String, PeerView>;

/// A peer of a room, as others see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerView {
    /// The user's global status, where the one in this room says nothing else.
    pub status: Status,
    /// Whether it was invited and has not accepted yet.
    pub pending: bool,
}

impl Reply {
    pub(super) fn write(&self, stanza: Stanza) -> Stanza {
        match self {
            Self::Done => stanza,
            Self::Namespace { users, rooms } => {
                let rooms = rooms.iter().map(|(room, view)| (room, RoomFields::from(view)));
                let data = NamespaceFields { users, rooms: rooms.collect() };
                stanza.with("data", &data)
            }
            Self::Room { room, view } => {
                let RoomFields { status, peers } = view.into();
                stanza.with("data", &JoinedFields { room, peers, status })
            }
            Self::Handle(handle) => stanza.with("data", &HandleFields { handle: *handle }),
        }
    }

    /// What an answer carries that is to carry this; `None` when it makes no sense.
    pub(crate) fn decode(expects: Expects, data: Option<&Payload>) -> Option<Self> {
        if expects == Expects::Nothing {
            return Some(Self::Done);
        }
        let fields = Fields::parse(data?.text())?;
        match expects {
            Expects::Nothing => Some(Self::Done),
            Expects::Namespace => {
                let (users, rooms) = (fields.object("users").ok()?, fields.object("rooms").ok()?);
                let users = each(&users.unwrap_or_default(), Status::parse)?;
                let rooms = each(&rooms.unwrap_or_default(), RoomView::parse)?;
                Some(Self::Namespace { users, rooms })
            }
            Expects::Room => {
                let room = fields.raw("room").and_then(text)?;
                Some(Self::Room { room, view: RoomView::of_fields(&fields)? })
            }
            Expects::Handle => {
                let handle = fields.integer("handle").ok()??;
                Some(Self::Handle(handle.try_into().ok()?))
            }
        }
    }
}

/// What the answer to a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expects {
    Nothing,
    Namespace,
    Room,
    Handle,
}

impl From<&Request> for Expects {
    fn from(request: &Request) -> Self {
        match request {
            Request::Subscribe { .. } => Self::Namespace,
            Request::Join { .. } => Self::Room,
            Request::Invite { .. } => Self::Handle,
            _ => Self::Nothing,
        }
    }
}

impl RoomView {
    fn parse(json: &str) -> Option<Self> {
        Self::of_fields(&Fields::parse(json)?)
    }

    /// What is missing is empty.
    pub(super) fn of_fields(fields: &Fields<'_>) -> Option<Self> {
        let status = Status::parse(fields.raw("status").unwrap_or("{}"))?;
        let peers = fields.object("peers").ok()?.unwrap_or_default();
        Some(Self { status, peers: each(&peers, PeerView::parse)? })
    }
}

impl PeerView {
    fn parse(json: &str) -> Option<Self> {
        Self::of_fields(&Fields::parse(json)?)
    }

    /// What is missing is empty or false.
    pub(super) fn of_fields(fields: &Fields<'_>) -> Option<Self> {
        let status = Status::parse(fields.raw("status").unwrap_or("{}"))?;
        Some(Self { status, pending: fields.raw("pending").map_or(Some(false), flag)? })
    }
}

fn each<T>(fields: &Fields<'_>, read: fn(&str) -> Option<T>) -> Option<BTreeMap<String, T>> {
    fields.keys().map(|key| Some((key.to_owned(), read(fields.raw(key)?)?))).collect()
}

#[derive(Serialize)]
struct NamespaceFields<'a> {
    users: &'a BTreeMap<String, Status>,
    rooms: BTreeMap<&'a String, RoomFields<'a>>,
}

#[derive(Serialize)]
struct JoinedFields<'a> {
    room: &'a str,
    peers: BTreeMap<&'a str, PeerFields<'a>>,
    status: &'a Status,
}

#[derive(Serialize)]
struct RoomFields<'a> {
    status: &'a Status,
    peers: BTreeMap<&'a str, PeerFields<'a>>,
}

#[derive(Serialize)]
pub(super) struct PeerFields<'a> {
    pending: bool,
    status: &'a Status,
}

#[derive(Serialize)]
struct HandleFields {
    handle: u64,
}

impl<'a> From<&'a RoomView> for RoomFields<'a> {
    fn from(view: &'a RoomView) -> Self {
        Self { status: &view.status, peers: peer_fields(&view.peers) }
    }
}

pub(super) fn peer_fields<'a>(peers: &'a Peers) -> BTreeMap<&'a str, PeerFields<'a>> {
    let fields = |peer: &'a PeerView| PeerFields { pending: peer.pending, status: &peer.status };
    peers.iter().map(|(user, peer)| (user.as_str(), fields(peer))).collect()
}
