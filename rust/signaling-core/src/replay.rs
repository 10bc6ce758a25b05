//! What makes a dropped connection resumable: nothing lost, nothing doubled.
//!
//! A session outlives its connections. Both sides count the messages of the session that they sent
//! and received, so that every message has a number without carrying one, and each side keeps what
//! the other has not confirmed yet. On a new connection both tell how many they received: the
//! other side forgets so many and sends the rest again, in order. A message is counted as received
//! when it is handled, so none is handled twice.
//!
//! XMPP's stream management does the same (XEP-0198, "Acks" and "Resumption").

use std::collections::VecDeque;
use std::sync::Arc;

use crate::outbox::Outbox;

/// One side's count of a session, and what it may have to send again.
///
/// What is kept is bounded in bytes. Filled by whoever sends, drained by confirmations; when it
/// overflows, everything is dropped, and the session cannot be resumed until all that was dropped
/// is confirmed. Its connection lives on.
#[derive(Debug)]
pub struct Replay {
    sent: u64,
    unconfirmed: VecDeque<Arc<str>>,
    bytes: usize,
    capacity: usize,
    /// How many messages had been sent when some were dropped; 0 once they are confirmed.
    dropped: u64,
    received: u64,
}

/// Too much is unconfirmed: the session cannot be resumed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much unconfirmed")]
pub struct Full;

/// The other side confirms more than was ever sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more confirmed than was sent")]
pub struct Bogus;

impl Replay {
    /// A session in which nothing was sent or received yet. It keeps at most `capacity` bytes,
    /// each message counted with [`Outbox::MESSAGE_OVERHEAD`].
    pub fn new(capacity: usize) -> Self {
        let unconfirmed = VecDeque::new();
        Self { sent: 0, unconfirmed, bytes: 0, capacity, dropped: 0, received: 0 }
    }

    /// Counts a message as sent and keeps it until it is confirmed.
    ///
    /// # Errors
    /// [`Full`] when the message does not fit: it and all before it are dropped.
    pub fn push(&mut self, text: Arc<str>) -> Result<(), Full> {
        self.sent += 1;
        self.bytes += cost(&text);
        self.unconfirmed.push_back(text);
        if self.bytes > self.capacity {
            self.dropped = self.sent;
            self.forget(self.unconfirmed.len());
            return Err(Full);
        }
        Ok(())
    }

    /// Whether [`push`](Self::push) would keep this message.
    pub fn has_room(&self, text: &str) -> bool {
        self.bytes + cost(text) <= self.capacity
    }

    /// The other side has received `received` messages of this session in all: they need not be
    /// sent again. A number that is lower than an earlier one changes nothing.
    ///
    /// # Errors
    /// [`Bogus`] when so many were never sent.
    pub fn confirm(&mut self, received: u64) -> Result<(), Bogus> {
        let missing = self.sent.checked_sub(received).ok_or(Bogus)?;
        // More can be missing than is kept: then the number is an old one.
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        self.forget(self.unconfirmed.len().saturating_sub(missing));
        if received >= self.dropped {
            self.dropped = 0;
        }
        Ok(())
    }

    /// What is to be sent again, in order, once the other side has confirmed what it received.
    /// Not all of it when the session is not [resumable](Self::is_resumable).
    pub fn unconfirmed(&self) -> impl Iterator<Item = &Arc<str>> {
        self.unconfirmed.iter()
    }

    /// What is kept, in bytes as they count for the capacity.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// False when something is lost that the other side may need.
    pub fn is_resumable(&self) -> bool {
        self.dropped == 0
    }

    /// Counts a message as received. Call it for each message of the session, and for no other.
    pub fn note_received(&mut self) {
        self.received += 1;
    }

    /// How many messages were received in all: what to tell the other side.
    pub fn received(&self) -> u64 {
        self.received
    }

    fn forget(&mut self, count: usize) {
        self.bytes -= self.unconfirmed.drain(..count).map(|text| cost(&text)).sum::<usize>();
        if self.unconfirmed.is_empty() {
            // A quiet session holds no buffer.
            self.unconfirmed = VecDeque::new();
        }
    }
}

fn cost(text: &str) -> usize {
    text.len() + Outbox::MESSAGE_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room for two messages of one letter.
    const TWO: usize = 2 * (1 + Outbox::MESSAGE_OVERHEAD);

    fn kept(replay: &Replay) -> String {
        replay.unconfirmed().map(|text| &**text).collect()
    }

    #[test]
    fn what_was_lost_with_the_connection_is_sent_again_once() {
        let (mut server, mut client) = (Replay::new(1024), Replay::new(1024));
        for text in ["a", "b", "c"] {
            server.push(text.into()).unwrap();
        }
        client.note_received();

        server.confirm(client.received()).unwrap();
        assert_eq!(kept(&server), "bc");
        server.unconfirmed().for_each(|_| client.note_received());
        server.confirm(client.received()).unwrap();
        assert_eq!(kept(&server), "");
    }

    #[test]
    fn an_old_confirmation_changes_nothing() {
        let mut replay = Replay::new(1024);
        for text in ["a", "b", "c"] {
            replay.push(text.into()).unwrap();
        }
        replay.confirm(2).unwrap();
        replay.confirm(0).unwrap();
        assert_eq!(kept(&replay), "c");
    }

    #[test]
    fn nobody_can_have_received_what_was_never_sent() {
        let mut replay = Replay::new(1024);
        replay.push("a".into()).unwrap();
        assert_eq!(replay.confirm(2), Err(Bogus));
        assert_eq!(replay.confirm(u64::MAX), Err(Bogus));
        assert_eq!(kept(&replay), "a");
    }

    #[test]
    fn confirming_makes_room() {
        let mut replay = Replay::new(TWO);
        for sent in 1..=10 {
            replay.push("a".into()).unwrap();
            replay.push("b".into()).unwrap();
            replay.confirm(2 * sent).unwrap();
        }
        assert!(replay.is_resumable());
    }

    #[test]
    fn a_session_that_overflowed_is_resumable_once_all_that_was_dropped_is_confirmed() {
        let mut replay = Replay::new(TWO);
        for _ in 0..2 {
            assert!(replay.has_room("a"));
            replay.push("a".into()).unwrap();
        }
        assert!(!replay.has_room("a"));
        assert_eq!(replay.push("a".into()), Err(Full));
        assert_eq!((kept(&replay).as_str(), replay.is_resumable()), ("", false));
        assert_eq!(replay.push("b".into()), Ok(()));
        for (received, is_resumable) in [(2, false), (3, true), (0, true)] {
            replay.confirm(received).unwrap();
            assert_eq!((kept(&replay).as_str(), replay.is_resumable()), ("b", is_resumable));
        }
        assert_eq!(replay.confirm(5), Err(Bogus));
    }
}
