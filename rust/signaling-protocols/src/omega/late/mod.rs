//! The numbering of the clients of late 2023.
//!
//! ```text
//!   connected ─ INIT ─► named ─┬─ CONFIG_HOST ─► host ──┬─ lobby closed ─► named
//!                              └─ CONFIG_PEER ─► peer ──┘
//! ```
//!
//! A lobby has one host, who says at its creation how many may come in, with which password, and
//! what happens when the host leaves: the lobby is closed, goes on without a host, or its oldest
//! member takes over. Whoever is in the game, in a lobby or not, hears of new lobbies, and reaches
//! everybody else in the game by id.
//!
//! Reading order:
//! - [`wire`]: frames to messages and back.
//! - [`server`]: all games of one server, as a state machine.
//! - `client`: how a client's session speaks this numbering.

pub(in crate::omega) mod client;
pub mod server;
pub mod wire;

pub use server::LateServer;
