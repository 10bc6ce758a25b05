//! What a session wants done, and the state that it has told.

use std::collections::VecDeque;
use std::sync::Arc;

use signaling_core::{Close, SessionOutput};

use super::event::ClientEvent;
use super::state::ClientState;

/// Emptied after each input; one input leads to a bounded number of outputs.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    queue: VecDeque<SessionOutput<ClientEvent>>,
    state: ClientState,
}

impl Outputs {
    pub(super) fn pop(&mut self) -> Option<SessionOutput<ClientEvent>> {
        self.queue.pop_front()
    }

    pub(super) fn send(&mut self, text: Arc<str>) {
        self.queue.push_back(SessionOutput::Send(text));
    }

    pub(super) fn connect(&mut self) {
        self.queue.push_back(SessionOutput::Connect);
    }

    pub(super) fn close(&mut self) {
        self.queue.push_back(SessionOutput::Close(Close::new(1000, "")));
    }

    pub(super) fn tell(&mut self, event: ClientEvent) {
        self.queue.push_back(SessionOutput::Event(event));
    }

    pub(super) fn state(&self) -> ClientState {
        self.state
    }

    pub(super) fn set_state(&mut self, new: ClientState) {
        let old = std::mem::replace(&mut self.state, new);
        if old != new {
            self.tell(ClientEvent::StateChanged { old, new });
        }
    }
}
