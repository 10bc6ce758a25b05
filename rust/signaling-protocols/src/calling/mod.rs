//! Namespaces, rooms and invitations: the protocol "calling-signaling", as a server and as a client.
//!
//! Users subscribe to *namespaces* to see the users and rooms that are announced there, meet in
//! *rooms*, pass messages on to the peers of a room, and invite each other. Every stanza is a JSON
//! object with a `type`: a *request* of a client, the *answer* to one that carried a `tid`, or an
//! *event*.
//!
//! ```text
//!             ┌──────────────── joined ────────────────┐
//!             │                                        ▼
//!   not in the room ── invited ──► pending ── accepted ──► full
//!             ▲                       │                    │
//!             ├── denied, cancelled ──┘                    │
//!             └───────────── left, or gone ────────────────┘
//! ```
//!
//! Reading order:
//! - [`wire`]: stanzas to messages and back, and why requests fail.
//! - [`value`]: what is passed on and never looked into.
//! - [`settings`]: every timer and limit.
//! - [`server`]: all users, rooms and namespaces, as a state machine.
//! - [`client`]: one client's session, as a state machine.
//! - [`handshake`]: how peers of a room connect to each other, in the words of existing clients.

pub mod client;
pub mod handshake;
pub mod server;
pub mod settings;
pub mod value;
pub mod wire;

pub use client::{CallingSession, ClientEvent, ClientRequest, Refusal};
pub use server::CallingServer;
pub use settings::Settings;
pub use value::{Payload, Status};
pub use wire::event::{Event, Invitation, Naming, PeerChange, Scope};
pub use wire::problem::Problem;
pub use wire::reply::{PeerView, Reply, RoomView};
pub use wire::request::{Expected, Request};
