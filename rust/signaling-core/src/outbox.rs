//! What waits to be written to one connection.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::machine::Close;

/// The messages that wait for one connection's writer, bounded in bytes, and the close that comes
/// after them. Filled by whoever holds the protocol's state, drained by the connection's own
/// task. When it overflows, what waits is dropped and only a close with 1013 is left: a reader
/// that slow has lost its place, and keeping its messages would only delay telling it.
#[derive(Debug)]
pub struct Outbox {
    waiting: VecDeque<Arc<str>>,
    bytes: usize,
    capacity: usize,
    close: Option<Close>,
}

/// The outbox is full; the connection must be treated as departed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("send queue full")]
pub struct Full;

impl Outbox {
    /// What a waiting message costs besides its text, so that many empty ones are bounded too.
    pub const MESSAGE_OVERHEAD: usize = 32;

    /// An empty outbox that holds at most `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, capacity, close: None }
    }

    /// Adds a message. After a close nothing is added any more.
    ///
    /// # Errors
    /// [`Full`] when the message does not fit: everything that waited is dropped and the outbox
    /// closed with [`Close::send_queue_full`].
    pub fn push(&mut self, text: Arc<str>) -> Result<(), Full> {
        if self.close.is_some() {
            return Ok(());
        }
        let cost = text.len() + Self::MESSAGE_OVERHEAD;
        if self.bytes + cost > self.capacity {
            self.waiting.clear();
            self.bytes = 0;
            self.close = Some(Close::send_queue_full());
            return Err(Full);
        }
        self.bytes += cost;
        self.waiting.push_back(text);
        Ok(())
    }

    /// Ends the outbox: what waits is still written, then the close. The first close wins.
    pub fn close(&mut self, close: Close) {
        self.close.get_or_insert(close);
    }

    /// Takes the oldest waiting message.
    pub fn pop(&mut self) -> Option<Arc<str>> {
        let text = self.waiting.pop_front()?;
        self.bytes -= text.len() + Self::MESSAGE_OVERHEAD;
        if self.waiting.is_empty() {
            // An idle connection holds no buffer.
            self.waiting = VecDeque::new();
        }
        Some(text)
    }

    /// The close to write once nothing waits any more.
    pub fn closing(&self) -> Option<&Close> {
        self.close.as_ref()
    }

    /// True when nothing waits and nothing is to be closed.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.close.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(outbox: &mut Outbox) -> Vec<Arc<str>> {
        std::iter::from_fn(|| outbox.pop()).collect()
    }

    #[test]
    fn messages_leave_in_order_and_free_their_place() {
        let mut outbox = Outbox::new(2 * (1 + Outbox::MESSAGE_OVERHEAD));
        for _ in 0..3 {
            outbox.push("a".into()).unwrap();
            outbox.push("b".into()).unwrap();
            assert_eq!(texts(&mut outbox), ["a".into(), "b".into()]);
        }
        assert!(outbox.is_idle());
    }

    #[test]
    fn an_overflow_leaves_only_the_close() {
        let mut outbox = Outbox::new(2 * (1 + Outbox::MESSAGE_OVERHEAD));
        outbox.push("a".into()).unwrap();
        outbox.push("b".into()).unwrap();
        assert_eq!(outbox.push("".into()), Err(Full));
        assert_eq!(outbox.push("ignored".into()), Ok(()));
        assert_eq!(outbox.pop(), None);
        assert_eq!(outbox.closing(), Some(&Close::send_queue_full()));
    }

    #[test]
    fn what_waits_is_written_before_the_close_and_the_first_close_wins() {
        let mut outbox = Outbox::new(1024);
        outbox.push("last".into()).unwrap();
        outbox.close(Close::new(4000, "first"));
        outbox.close(Close::new(1000, "second"));
        assert_eq!(outbox.pop().as_deref(), Some("last"));
        assert_eq!(outbox.closing(), Some(&Close::new(4000, "first")));
    }
}
