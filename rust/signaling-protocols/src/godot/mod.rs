//! The protocol of Godot's `webrtc_signaling` demo: match-making for WebRTC games.
//!
//! A client creates a lobby or joins one by name; the server tells the members of each other and
//! relays offers, answers and candidates between them. Every message is a JSON object
//! `{"type": int, "id": int, "data": string}`.
//!
//! Reading order:
//! - [`wire`]: frames to messages and back.
//! - [`server`]: all lobbies of one server, as a state machine.
//! - `refusal`: why a connection is closed, with every reason text.
//! - [`client`]: one client's session, as a state machine.

pub mod client;
pub mod extended;
mod refusal;
pub mod server;
pub mod wire;

pub use client::{
    Answer, ClientEvent, ClientRequest, ClientState, GodotSession, Protocol, Refusal,
    SessionOptions,
};
pub use server::{
    Asked, GodotServer, Hooks, LobbyInfo, ServerCommand, ServerNotice, Settings, TurnSecret,
    Verdict, Wish,
};
pub use wire::RelayKind;

/// Who connects to whom in a lobby. Fixed when the lobby is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Every member connects to every other.
    Mesh,
    /// Every member connects to the host alone.
    ClientServer,
}
