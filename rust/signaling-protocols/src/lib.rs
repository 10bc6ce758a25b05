//! The tongues: one module for each signaling protocol, its wire format beside its state machines.
//! No sockets, no clock, no threads; and no protocol knows another.
//!
//! - [`godot`]: the protocol of Godot's `webrtc_signaling` demo.

pub mod godot;
