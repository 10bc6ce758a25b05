//! What the game may ask of its session.

use signaling_core::PeerId;

use crate::godot::extended::{LinkState, Request};
use crate::godot::wire::RelayKind;

/// Who we are, and what we speak.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionOptions {
    /// What to speak. Default: the extended protocol.
    pub protocol: Protocol,
    /// Which game this is, at most 64 bytes: lobbies of other games are out of reach.
    pub game: String,
    /// The game's build, at most 64 bytes: a lobby takes only clients of the same.
    pub build: String,
    /// What other players see, at most 64 bytes.
    pub name: String,
    /// What the server checks, if it checks anything; at most 4096 bytes.
    pub token: String,
}

/// What a session speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// The extended protocol; the plain one where the server knows no other.
    #[default]
    Extended,
    /// The plain protocol.
    Plain,
}

/// What the game may ask for. All but `Ask` and `Close` is ignored when it comes at a bad time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientRequest {
    /// Something of the extended protocol; of it the plain one knows Create and Enter without what
    /// it cannot express, and Leave, which ends the connection there. Can be asked at any time:
    /// what comes while there is no connection is sent with the next one.
    Ask {
        /// What [`Answered`](super::ClientEvent::Answered) names, once.
        ticket: u64,
        /// What.
        request: Box<Request>,
    },
    /// Seal the lobby; the host's right alone.
    Seal,
    /// Send a session description or a candidate to another member.
    Relay {
        /// The generation that it belongs to; of an earlier one it is dropped.
        generation: u64,
        /// What it is.
        kind: RelayKind,
        /// The addressee.
        to: PeerId,
        /// The payload; for a candidate see [`candidate_payload`](super::candidate_payload).
        data: String,
    },
    /// How the game's own connection to another member is, whenever it changes. `None` at first.
    Link {
        /// The generation that it belongs to; of an earlier one it is dropped.
        generation: u64,
        /// The other member.
        peer: PeerId,
        /// How it is.
        state: LinkState,
    },
    /// Leave the lobby and close the connection, for good.
    Close,
}
