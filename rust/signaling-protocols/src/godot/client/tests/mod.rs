//! What a session does, in virtual time.

mod plain;

use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::{Cause, Close, Frame, PeerId, Session, SessionInput, SessionOutput};

use super::*;

type Output = SessionOutput<ClientEvent>;

/// A session, and the time that it lives in.
struct Client {
    session: GodotSession,
    now: Instant,
}

impl Client {
    /// One whose connection is being made.
    fn new(options: SessionOptions) -> Self {
        let session = GodotSession::new(options, StdRng::seed_from_u64(1));
        Self { session, now: Instant::now() }
    }

    fn input(&mut self, input: SessionInput<'_, ClientRequest>) -> Vec<Output> {
        self.session.handle_input(self.now, input);
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }

    fn open(&mut self) -> Vec<Output> {
        self.input(SessionInput::Opened)
    }

    fn request(&mut self, request: ClientRequest) -> Vec<Output> {
        self.input(SessionInput::Request(request))
    }

    /// The server sends `text`.
    fn frame(&mut self, text: &str) -> Vec<Output> {
        self.input(SessionInput::Frame(Frame::Text(text)))
    }

    /// The connection ends by a close frame.
    fn close(&mut self, code: u16, reason: &str) -> Vec<Output> {
        self.input(SessionInput::Closed { close: Close::new(code, reason), cause: Cause::Closed })
    }
}

fn event(event: ClientEvent) -> Output {
    SessionOutput::Event(event)
}

fn sent(text: &str) -> Output {
    SessionOutput::Send(text.into())
}

fn changed(old: ClientState, new: ClientState) -> Output {
    event(ClientEvent::StateChanged { old, new })
}

fn id(number: u64) -> PeerId {
    PeerId::new(number).unwrap()
}
