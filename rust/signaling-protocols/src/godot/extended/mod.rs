//! What the extension adds on the wire: negotiation, lobbies with options, lists, presence,
//! resuming. `docs/protocol.md` is its specification.
//!
//! The envelope is that of the plain protocol, with types from 8 on and an object, as JSON text, in
//! `data`. Requests carry a number of the client's in `id`, and are answered by DONE or REFUSED
//! with the same number.
//!
//! Reading order:
//! - [`hello`]: how a session begins, is kept alive and is resumed.
//! - [`request`]: what a client may ask for.
//! - [`event`]: what the server may say.
//! - [`lobby`]: lobbies and members, as both sides speak of them.
//! - [`filter`]: which lobbies, in which order.
//! - [`problem`]: why something is refused.
//! - `fields`: reading an object whose fields have types and limits.
//! - [`limits`]: how large everything may be.

use std::sync::Arc;

use serde_json::{Map, Value};
use signaling_core::PeerId;

use super::wire::{self, ClientMessage, Malformed};
use fields::Fields;

pub mod event;
mod fields;
pub mod filter;
pub mod hello;
pub mod limits;
pub mod lobby;
pub mod problem;
pub mod request;

pub use crate::json::{Json, Object};
pub use event::ServerEvent;
pub use fields::Invalid;
pub(crate) use filter::Traits;
pub use filter::{Filter, Query};
pub use hello::{Hello, Resume, Welcome};
pub use lobby::{
    HostPolicy, LinkState, LobbyChanges, LobbyEntry, LobbyOptions, LobbyView, MemberView,
};
pub use problem::Problem;
pub use request::Request;

/// The version of the extension that HELLO names.
pub const VERSION: u64 = 1;

/// The types of the extension's messages.
pub(super) mod kind {
    pub(crate) const HELLO: u64 = 8;
    pub(crate) const PING: u64 = 9;
    pub(crate) const DONE: u64 = 10;
    pub(crate) const REFUSED: u64 = 11;
    pub(crate) const CREATE: u64 = 12;
    pub(crate) const ENTER: u64 = 13;
    pub(crate) const QUICK_JOIN: u64 = 14;
    pub(crate) const LEAVE: u64 = 15;
    pub(crate) const LIST: u64 = 16;
    pub(crate) const WATCH: u64 = 17;
    pub(crate) const UNWATCH: u64 = 18;
    pub(crate) const FIND: u64 = 19;
    pub(crate) const UPDATE_LOBBY: u64 = 20;
    pub(crate) const UPDATE_MEMBER: u64 = 21;
    pub(crate) const REMOVE: u64 = 22;
    pub(crate) const TRANSFER: u64 = 23;
    pub(crate) const CLOSE_LOBBY: u64 = 24;
    pub(crate) const MESSAGE: u64 = 25;
    pub(crate) const SET_VALUE: u64 = 26;
    pub(crate) const SET_STATUS: u64 = 27;
    pub(crate) const WATCH_STATUS: u64 = 28;
    pub(crate) const UNWATCH_STATUS: u64 = 29;
    pub(crate) const INVITE: u64 = 30;
    pub(crate) const DENY_INVITE: u64 = 31;
    pub(crate) const CANCEL_INVITE: u64 = 32;
    pub(crate) const LINK: u64 = 33;
    pub(crate) const READY: u64 = 34;
    pub(crate) const MEMBER: u64 = 40;
    pub(crate) const MEMBER_GONE: u64 = 41;
    pub(crate) const LOBBY: u64 = 42;
    pub(crate) const HOST: u64 = 43;
    pub(crate) const EPOCH: u64 = 44;
    pub(crate) const UNSTABLE: u64 = 45;
    pub(crate) const STABLE: u64 = 46;
    pub(crate) const VALUE: u64 = 47;
    pub(crate) const LISTED: u64 = 48;
    pub(crate) const UNLISTED: u64 = 49;
    pub(crate) const STATUS: u64 = 50;
    pub(crate) const INVITED: u64 = 51;
    pub(crate) const INVITE_ANSWERED: u64 = 52;
    pub(crate) const INVITE_CANCELLED: u64 = 53;
    pub(crate) const LEFT: u64 = 54;
}

/// What a client's message of this type means; `None` when there is no such type.
pub(super) fn decode(kind: u64, number: u64, data: &str) -> Option<ClientMessage<'static>> {
    let fields = || Fields::parse(data);
    Some(match kind {
        kind::HELLO => ClientMessage::Hello(fields().and_then(Hello::read).map(Box::new)),
        kind::PING => match fields().and_then(hello::read_ping) {
            Ok((received, rtt)) => ClientMessage::Ping { received, rtt },
            // It is not counted, so nothing can answer it.
            Err(_) => ClientMessage::Malformed(Malformed::Format),
        },
        kind::LINK => {
            let state = fields().and_then(|mut fields| LinkState::read(&mut fields));
            let peer = PeerId::new(number).filter(|_| state.is_ok());
            ClientMessage::Link { peer, state: state.unwrap_or(LinkState::None) }
        }
        kind::READY => ClientMessage::Ready { epoch: number },
        _ => {
            let reader = Request::reader(kind)?;
            let request = fields().and_then(|mut fields| reader(&mut fields)).map(Box::new);
            ClientMessage::Request { number, request }
        }
    })
}

/// The frame of a client's message that belongs to the extension.
pub(super) fn encode(message: &ClientMessage<'_>) -> Arc<str> {
    let (kind, number, data) = match message {
        ClientMessage::Hello(Ok(hello)) => (kind::HELLO, 0, hello.write()),
        ClientMessage::Ping { received, rtt } => {
            (kind::PING, 0, hello::write_ping(*received, *rtt))
        }
        ClientMessage::Link { peer, state } => {
            (kind::LINK, peer.map_or(0, |peer| peer.get().into()), state.write())
        }
        ClientMessage::Ready { epoch } => (kind::READY, *epoch, Value::Object(Map::new())),
        ClientMessage::Request { number, request: Ok(request) } => {
            let (kind, data) = request.write();
            (kind, *number, data)
        }
        // Nobody sends what is wrong on purpose.
        _ => (kind::HELLO, 0, Value::Null),
    };
    wire::encode(kind, number, &wire::escape(&data.to_string()))
}
