//! What games say to each other over data channels; no server sees it.
//!
//! Two peers have a channel `default` from the start, and open further ones by name with NEW_CHAN
//! on it. On every channel a message is one JSON object `{opcode, payload?, id?, method?}`; on
//! `default` it is written as the connection's offer says ([`Serialization`]).
//!
//! ```text
//!   Shared (variables, lists) ◄─► Packet ◄─► Link (channels of one peer) ◄─► data channels
//! ```
//!
//! Reading order:
//! - [`packet`]: messages to and from text.
//! - [`framing`]: how they are written on the channel `default`; `binary_pack`: in bytes.
//! - [`link`]: the channels with one peer.
//! - [`shared`]: variables and lists that several games keep the same.
//!
//! [`Serialization`]: super::peer_server::Serialization

mod binary_pack;
pub mod framing;
pub mod link;
pub mod packet;
pub mod shared;

pub use framing::Piece;
pub use link::{Heard, Link, OpenError, Side};
pub use packet::{ListChange, NewChannel, Packet, Scope};
pub use shared::{Change, ShareError, Shared};
