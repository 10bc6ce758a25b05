//! The numbering of the specification of October 2023.
//!
//! ```text
//!   connected ─ INIT ─► initialised ─┬─ CONFIG_HOST ─► host ──┐
//!                                    └─ CONFIG_PEER ─► peer ──┴─ SHUTDOWN, or gone ─► closed
//! ```
//!
//! Hosts and peers of the same lobby id are each other's *counterparts*: they are told of each
//! other with NEW_PEER and NEW_HOST, what one of them sends reaches only the others, and they alone
//! hear SHUTDOWN_ACK when it leaves. A peer whose hosts have left waits for another one.
//!
//! The server does not check the order of the dialogue:
//!
//! ```text
//!   host ─ MAKE_OFFER ───► peer       host ◄─ ACCEPT_OFFER ─ peer
//!   host ─ MAKE_ANSWER ──► peer       host ◄── MAKE_ANSWER ─ peer
//!   host ─ ACK_CHECK ────► peer       host ◄──── ACK_READY ─ peer
//! ```
//!
//! Reading order:
//! - [`wire`]: frames to messages and back.
//! - [`server`]: all games of one server, as a state machine.
//! - `client`: how a client's session speaks this numbering, and what it makes of the dialogue.

pub(in crate::omega) mod client;
pub mod server;
pub mod wire;

pub use server::SeedServer;
