//! One client's session with a server, over as many connections as it takes.
//!
//! It speaks the extended protocol, or the plain one where the server knows no other.
//!
//! Reading order:
//! - [`request`]: what the game may ask for.
//! - [`event`]: what the game is told.
//! - [`state`]: how the session stands towards lobbies.
//! - `plain`: a session of the plain protocol.
//! - `outputs`: what waits for whoever drives the session.

use std::time::Instant;

use rand::rngs::StdRng;
use signaling_core::{Frame, Session, SessionInput, SessionOutput};

pub mod event;
mod outputs;
mod plain;
pub mod request;
pub mod state;
#[cfg(test)]
mod tests;

pub use event::{Answer, ClientEvent, Refusal};
pub use request::{ClientRequest, Join, Protocol, SessionOptions};
pub use state::ClientState;

use outputs::Outputs;
use plain::Plain;

/// Requests of the game that wait for an answer; further ones are refused.
const MAX_UNANSWERED: usize = 256;

/// The client side of both protocols.
#[derive(Debug)]
pub struct GodotSession {
    plain: Plain,
}

impl GodotSession {
    /// A session whose first connection is being made. `rng` spreads the tries to make it again.
    pub fn new(options: SessionOptions, _rng: StdRng) -> Self {
        Self { plain: Plain::new(Outputs::default(), options.auto_join) }
    }
}

impl Session for GodotSession {
    type Request = ClientRequest;
    type Event = ClientEvent;

    fn handle_input(&mut self, _now: Instant, input: SessionInput<'_, ClientRequest>) {
        self.plain.handle_input(input);
    }

    fn poll_output(&mut self) -> Option<SessionOutput<ClientEvent>> {
        self.plain.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// The payload of a candidate, as existing clients write it: a line each for the media section's
/// name, its index, and the candidate, after an empty one.
pub fn candidate_payload(mid: &str, index: i32, sdp: &str) -> String {
    format!("\n{mid}\n{index}\n{sdp}")
}

fn length(frame: Frame<'_>) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
    }
}
