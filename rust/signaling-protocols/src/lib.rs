//! The tongues: one module for each signaling protocol, its wire format beside its state machines.
//! No sockets, no clock, no threads; and no protocol knows another.
//!
//! - [`routing`]: which protocol is spoken at which path.
//! - [`Signal`]: what two peers tell each other in order to connect.
//! - [`godot`]: the protocol of Godot's `webrtc_signaling` demo, and what extends it.
//! - [`omega`]: CloudLink Omega.
//! - [`cloudlink5`]: CloudLink 5, with its PeerServer and its data channels.
//! - [`rooms`]: rooms with heartbeats.
//! - [`calling`]: namespaces, rooms and invitations.

pub mod calling;
pub mod cloudlink5;
pub mod godot;
pub mod json;
pub mod omega;
pub mod rooms;
pub mod routing;
mod signal;
mod target;

pub use signal::Signal;
