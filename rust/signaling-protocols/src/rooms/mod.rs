//! Rooms with heartbeats: calls between two, group chats and broadcasts.
//!
//! What a client says is a *signal*: `{"action":"join","data":{"s":"JOIN","ch":"p2p","rid":…,…}}`.
//! What the server says of its own is an *ack*: `{"c":200,"s":"JOIN","b":{…}}`. A signal that is
//! passed on arrives as its bare `data`, unchanged; it has no `c`, which tells the two apart.
//!
//! A *session* is one user's place in one room. It outlives its connections: who loses one comes
//! back with the same JOIN on another. Only LEAVE, a kick, the end of the room or silence end it.
//!
//! ```text
//!   JOIN ─► bound to a connection ── connection lost ──► detached ── expiry ──► gone
//!              ▲   │                                        │
//!              │   └─ LEAVE, kick, room closed, expiry ─► gone
//!              └──────────────── JOIN again ────────────────┘
//! ```
//!
//! Reading order:
//! - [`model`]: rooms, people and publishers, as both sides name them.
//! - [`wire`]: signals and acks, to and from text.
//! - [`settings`]: the timers and limits of a server.
//! - [`server`]: all rooms of one server.
//! - [`client`]: one client's session.

pub mod client;
pub mod model;
pub mod server;
pub mod settings;
pub mod wire;

pub use client::{RoomEvent, RoomOptions, RoomRequest, RoomSession, RoomState};
pub use model::{Channel, Media, Participant, Profile, Publisher, Recipient, Role};
pub use server::RoomServer;
pub use settings::Settings;

/// The largest frame that either side sends, in bytes.
pub const MAX_FRAME_BYTES: usize = 32 << 10;

/// The largest message that either side sends, in bytes; it takes several frames.
pub const MAX_MESSAGE_BYTES: usize = 128 << 10;

/// The longest id of a room, user, session, device or heartbeat, in bytes.
///
/// A list of publishers fits in a message because ids are no longer than this.
pub const MAX_ID_BYTES: usize = 128;

/// How many may publish in a group chat.
pub const MAX_PUBLISHERS: usize = 9;
