//! What a machine wants done, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::ids::ConnId;
use crate::machine::{Close, Output, SessionOutput};

/// The outputs of a [`Server`](crate::Server) that wait for whoever drives it. It is emptied after
/// each input, and one input leads to a bounded number of them.
#[derive(Debug)]
pub struct Outputs<N> {
    queue: VecDeque<Output<N>>,
}

impl<N> Default for Outputs<N> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}

impl<N> Outputs<N> {
    /// Sends a text message to one connection.
    pub fn send(&mut self, conn: ConnId, text: impl Into<Arc<str>>) {
        self.queue.push_back(Output::Send { conn, text: text.into() });
    }

    /// Sends one text message to many connections.
    pub fn send_all(&mut self, conns: impl IntoIterator<Item = ConnId>, text: impl Into<Arc<str>>) {
        let text = text.into();
        conns.into_iter().for_each(|conn| self.send(conn, text.clone()));
    }

    /// Sends a WebSocket ping.
    pub fn ping(&mut self, conn: ConnId) {
        self.queue.push_back(Output::Ping { conn });
    }

    /// Closes a connection, which the machine forgets.
    pub fn close(&mut self, conn: ConnId, close: Close) {
        self.queue.push_back(Output::Close { conn, close });
    }

    /// Tells the embedding program.
    pub fn notify(&mut self, notice: N) {
        self.queue.push_back(Output::Notice(notice));
    }

    /// All of them, the next one first.
    pub fn iter(&self) -> impl Iterator<Item = &Output<N>> {
        self.queue.iter()
    }

    /// The next one.
    pub fn pop(&mut self) -> Option<Output<N>> {
        self.queue.pop_front()
    }
}

/// The outputs of a [`Session`](crate::Session) that wait for whoever drives it. It is emptied after
/// each input, and one input leads to a bounded number of them.
#[derive(Debug)]
pub struct SessionOutputs<E> {
    queue: VecDeque<SessionOutput<E>>,
}

impl<E> Default for SessionOutputs<E> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}

impl<E> SessionOutputs<E> {
    /// Sends a text message.
    pub fn send(&mut self, text: impl Into<Arc<str>>) {
        self.queue.push_back(SessionOutput::Send(text.into()));
    }

    /// Makes the connection again.
    pub fn connect(&mut self) {
        self.queue.push_back(SessionOutput::Connect);
    }

    /// Closes the connection.
    pub fn close(&mut self, close: Close) {
        self.queue.push_back(SessionOutput::Close(close));
    }

    /// Tells the game.
    pub fn tell(&mut self, event: E) {
        self.queue.push_back(SessionOutput::Event(event));
    }

    /// The next one.
    pub fn pop(&mut self) -> Option<SessionOutput<E>> {
        self.queue.pop_front()
    }
}
