//! The PeerServer: what brings offers, answers and candidates of CloudLink 5 to the other side. It
//! speaks as the PeerServer that PeerJS clients know.
//!
//! ```text
//!   A ── OFFER, ANSWER, CANDIDATE (dst: B) ──► server ── the same (src: A) ──► B
//!                                                │
//!                        while B is not connected: kept, after 5 s EXPIRE to A
//! ```
//!
//! A client names itself in the query (`id`, `token`, `key`); in CloudLink 5 it takes its
//! `instance_id`. Whoever comes back with the same id and token takes over its place.
//!
//! Reading order:
//! - [`wire`]: frames to messages and back.
//! - [`settings`]: limits and timers.
//! - [`server`]: all clients of one server, as a state machine; `mail`: what waits for those who
//!   are not connected.
//! - [`payload`]: what PeerJS clients put into their messages.
//! - [`client`]: one client's session, as a state machine.

pub mod client;
mod mail;
pub mod payload;
pub mod server;
pub mod settings;
pub mod wire;

pub use client::{PeerEvent, PeerRequest, PeerSession};
pub use payload::{Channel, Serialization};
pub use server::PeerServer;
pub use settings::Settings;

use rand::{CryptoRng, RngExt};
use signaling_core::ids::alphanumeric;
use uuid::Builder;

/// The key that all clients give.
const KEY: &str = "peerjs";
/// The version of PeerJS that our clients behave like.
const VERSION: &str = "1.5.4";

/// A fresh id for a client that has none.
pub fn draw_id(rng: &mut impl CryptoRng) -> String {
    Builder::from_random_bytes(rng.random()).into_uuid().to_string()
}

/// A token, which proves later that an id is the client's.
pub fn draw_token(rng: &mut impl CryptoRng) -> String {
    alphanumeric(rng, 16)
}

/// Path and query of a client's connection.
pub fn target(id: &str, token: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::from("/peerjs?"))
        .extend_pairs([("key", KEY), ("id", id), ("token", token), ("version", VERSION)])
        .finish();
    query.replacen("?&", "?", 1)
}
