//! One client's session with a server, over as many connections as it takes.
//!
//! It speaks the extended protocol, or the plain one where the server knows no other.
//!
//! Reading order:
//! - [`request`]: what the game may ask for.
//! - [`event`]: what the game is told.
//! - [`state`]: how the session stands towards lobbies.
//! - `plain`: a session of the plain protocol.
//! - `extended`: a session of the extended protocol.
//! - `told`: what the game was told of a lobby, at most as much as there can be.
//! - `outputs`: what waits for whoever drives the session.

use std::time::Instant;

use rand::rngs::StdRng;
use signaling_core::{Session, SessionInput, SessionOutput};

pub mod event;
mod extended;
mod outputs;
mod plain;
pub mod request;
pub mod state;
#[cfg(test)]
mod tests;
mod told;

pub use event::{Answer, ClientEvent, Refusal};
pub use request::{ClientRequest, Protocol, SessionOptions};
pub use state::ClientState;

use extended::Extended;
use outputs::Outputs;
use plain::Plain;

/// Requests of the game that wait for an answer; further ones are refused.
const MAX_UNANSWERED: usize = 256;

/// The client side of both protocols.
#[derive(Debug)]
pub struct GodotSession {
    tongue: Tongue,
}

/// What is spoken.
#[derive(Debug)]
enum Tongue {
    Extended(Box<Extended>),
    Plain(Plain),
}

impl GodotSession {
    /// A session whose first connection is being made. `rng` spreads the tries to make it again.
    pub fn new(options: SessionOptions, rng: StdRng) -> Self {
        let tongue = match options.protocol {
            Protocol::Extended => Tongue::Extended(Box::new(Extended::new(options, rng))),
            Protocol::Plain => Tongue::Plain(Plain::new(Outputs::default())),
        };
        Self { tongue }
    }
}

impl Session for GodotSession {
    type Request = ClientRequest;
    type Event = ClientEvent;

    fn handle_input(&mut self, now: Instant, input: SessionInput<'_, ClientRequest>) {
        match &mut self.tongue {
            Tongue::Plain(plain) => plain.handle_input(input),
            Tongue::Extended(extended) => {
                extended.handle_input(now, input);
                if let Some(plain) = extended.fall_back() {
                    self.tongue = Tongue::Plain(plain);
                }
            }
        }
    }

    fn poll_output(&mut self) -> Option<SessionOutput<ClientEvent>> {
        match &mut self.tongue {
            Tongue::Plain(plain) => plain.out.pop(),
            Tongue::Extended(extended) => extended.out.pop(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.tongue {
            Tongue::Plain(_) => None,
            Tongue::Extended(extended) => extended.poll_timeout(),
        }
    }
}

/// The payload of a candidate, as existing clients write it: a line each for the media section's
/// name, its index, and the candidate, after an empty one.
pub fn candidate_payload(mid: &str, index: i32, sdp: &str) -> String {
    format!("\n{mid}\n{index}\n{sdp}")
}
