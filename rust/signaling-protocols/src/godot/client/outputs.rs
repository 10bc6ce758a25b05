//! What a session wants done, and the state that it has told.

use std::sync::Arc;

use signaling_core::outputs::SessionOutputs;
use signaling_core::{Close, SessionOutput};

use super::event::ClientEvent;
use super::state::ClientState;

/// The outputs, and whether the game knows the state.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    queue: SessionOutputs<ClientEvent>,
    state: ClientState,
}

impl Outputs {
    pub(super) fn pop(&mut self) -> Option<SessionOutput<ClientEvent>> {
        self.queue.pop()
    }

    pub(super) fn send(&mut self, text: Arc<str>) {
        self.queue.send(text);
    }

    pub(super) fn connect(&mut self) {
        self.queue.connect();
    }

    pub(super) fn close(&mut self) {
        self.queue.close(Close::normal());
    }

    pub(super) fn tell(&mut self, event: ClientEvent) {
        self.queue.tell(event);
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
