//! The face: the GDExtension. It shows the signaling server and clients as nodes and registers the
//! native WebRTC transport with the engine. It never parses a message nor touches a socket: what
//! crosses to the network thread is plain data.
//!
//! Reading order:
//! - `server`: the node `SignalingServer`.
//! - `client`: the node `SignalingClient`.
//! - `rooms`: the node `RoomClient`.
//! - `calling`: the node `CallingClient`.
//! - `cloudlink`: the node `CloudLinkClient`.
//! - `peers`: the WebRTC connections to other players, and the multiplayer peer that they make.
//! - `json`: what both tell of lobbies, and take.
//! - `loose`: how the values of dictionaries are read.
//! - `class_enum`: how enums become enums of a class.
//! - `line`: how a client's node connects to its server.
//! - `client_node`: what the nodes of all clients do alike.
//! - `frame`: how nodes get their turn once a frame.
//! - `webrtc`: the native WebRTC transport as engine classes.
//! - `runtime`: the one network thread behind both.
//! - `entry`: where the engine comes in.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "what is visible in Godot is documented for its help, which has links of its own"
)]
#![allow(unreachable_pub, reason = "the macros of the godot crate generate public methods")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "the engine hands the arguments of registered methods over by value"
)]

mod calling;
mod class_enum;
mod client;
mod client_node;
mod cloudlink;
mod entry;
mod frame;
mod json;
mod line;
mod loose;
mod peers;
mod rooms;
mod runtime;
mod server;
mod webrtc;
