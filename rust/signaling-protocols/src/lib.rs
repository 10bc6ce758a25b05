//! The tongues: one module for each signaling protocol, its wire format beside its state machines.
//! No sockets, no clock, no threads; and no protocol knows another.
//!
//! - [`routing`]: which protocol is spoken at which path.
//! - [`godot`]: the protocol of Godot's `webrtc_signaling` demo, and what extends it.

pub mod godot;
pub mod json;
pub mod routing;
mod target;
