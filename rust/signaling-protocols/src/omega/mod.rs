//! CloudLink Omega: a host offers a game under a lobby id, others ask for that id, and the server
//! passes offers and answers on between them.
//!
//! Every message is a JSON object `{"opcode":int,"payload"?:any,"tx"?:sender,"rx"?:recipient}`.
//! The game is named in the path; games know nothing of each other. There are two numberings of
//! the opcodes, at paths of their own, because the same numbers mean different things:
//!
//! - [`seed`] at `/ws/{game}`: that of the specification of October 2023. Several hosts may serve
//!   a lobby, and peers may wait for one.
//! - [`late`] at `/signaling/{game}`: that of the clients of late 2023. A lobby has one host,
//!   options and a password.
//!
//! Reading order:
//! - [`settings`]: limits and timers of both servers.
//! - `packet`: what every message looks like.
//! - [`server`]: what both servers have in common.
//! - [`client`]: the session of a client, whichever numbering it speaks.

pub mod client;
pub mod late;
mod packet;
pub mod seed;
pub mod server;
pub mod settings;

pub use client::{
    ClientEvent, ClientRequest, HostGone, LobbyEntry, LobbyOptions, Numbering, OmegaSession, Party,
    Refusal,
};
pub use late::LateServer;
pub use seed::SeedServer;
pub use server::OmegaServer;
pub use settings::Settings;
