//! What is said, between the engine's values and the protocol's.

use std::collections::BTreeMap;
use std::time::Duration;

use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::calling::wire::reply::Peers;
use signaling_protocols::calling::{Payload, PeerView, RoomView, Status};

use crate::client::request::Misuse;
use crate::json;

/// Any value; `null` means that there is none.
///
/// # Errors
/// When it is no JSON.
pub(super) fn optional(value: &Variant) -> Result<Option<Payload>, Misuse> {
    if value.is_nil() { Ok(None) } else { payload(value).map(Some) }
}

/// What goes to another user: a dictionary, an array or `null`.
///
/// # Errors
/// When it is something else, or no JSON.
pub(super) fn data(value: &Variant) -> Result<Payload, Misuse> {
    let payload = payload(value)?;
    match payload.text().as_bytes() {
        [b'{' | b'[', ..] | b"null" => Ok(payload),
        _ => Err(Misuse::invalid("`data` must be a dictionary, an array or null.")),
    }
}

/// # Errors
/// When it is no JSON.
pub(super) fn status(status: &AnyDictionary) -> Result<Status, Misuse> {
    json::text(&status.to_variant()).and_then(|text| Status::parse(&text)).ok_or_else(no_json)
}

/// A status, as games are told.
pub(super) fn dictionary(status: &Status) -> VarDictionary {
    under_keys(status.iter().map(|(key, value)| (key, variant(value))))
}

/// What was said, as games are told.
pub(super) fn variant(payload: &Payload) -> Variant {
    json::parsed(payload.text())
}

/// What is announced in a namespace, as games are told.
pub(super) fn namespace(
    users: &BTreeMap<String, Status>,
    rooms: &BTreeMap<String, RoomView>,
) -> VarDictionary {
    let users = users.iter().map(|(user, status)| (&**user, dictionary(status).to_variant()));
    let rooms = rooms.iter().map(|(name, view)| (&**name, room(view).to_variant()));
    vdict! { "users" => &under_keys(users), "rooms" => &under_keys(rooms) }
}

/// The members of a room, as games are told.
pub(super) fn members(peers: &Peers) -> Array<VarDictionary> {
    let member = |(user, peer): (&String, &PeerView)| {
        vdict! {
            "user" => &**user,
            "id" => json::id(PeerId::of_name(user)),
            "status" => &dictionary(&peer.status),
            "pending" => peer.pending,
        }
    };
    peers.iter().map(member).collect()
}

/// The number of an invitation, as games are told.
pub(super) fn number(handle: u64) -> i64 {
    i64::try_from(handle).unwrap_or(i64::MAX)
}

/// The invitation with this number.
///
/// # Errors
/// When no invitation can have it.
pub(super) fn handle(number: i64) -> Result<u64, Misuse> {
    u64::try_from(number).map_err(|_| Misuse::invalid("No invitation has a negative number."))
}

/// So many seconds; `None` for 0.
///
/// # Errors
/// When nobody can wait that long.
pub(super) fn time(seconds: f64) -> Result<Option<Duration>, Misuse> {
    let time = Duration::try_from_secs_f64(seconds);
    let time = time.map_err(|_| Misuse::invalid("`after` is negative, or no number."))?;
    Ok(Some(time).filter(|time| !time.is_zero()))
}

fn room(view: &RoomView) -> VarDictionary {
    vdict! { "status" => &dictionary(&view.status), "members" => &members(&view.peers) }
}

fn under_keys<'a>(pairs: impl Iterator<Item = (&'a str, Variant)>) -> VarDictionary {
    pairs.map(|(key, value)| (key.to_variant(), value)).collect()
}

fn payload(value: &Variant) -> Result<Payload, Misuse> {
    json::text(value).and_then(|text| Payload::parse(&text)).ok_or_else(no_json)
}

fn no_json() -> Misuse {
    Misuse::invalid("It must be JSON, without NAN and INF, that is nested at most 16 deep.")
}
