//! What waits for those who are not connected.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use signaling_core::ConnId;
use signaling_core::timers::Timers;

use super::settings::Settings;

/// Queues of messages, one for each destination, bounded by [`Settings`].
#[derive(Debug, Default)]
pub(super) struct Mail {
    queues: HashMap<Arc<str>, VecDeque<Letter>>,
    /// When to discard a queue.
    timers: Timers<Arc<str>>,
    /// Who has messages waiting. It may have disconnected since.
    senders: HashMap<ConnId, Sender>,
    bytes: usize,
}

/// One message, ready to be sent.
#[derive(Debug)]
pub(super) struct Letter {
    /// The connection that it came on.
    conn: ConnId,
    /// The id of its sender.
    pub(super) src: Arc<str>,
    pub(super) text: Arc<str>,
}

impl Letter {
    pub(super) fn new(conn: ConnId, src: Arc<str>, text: Arc<str>) -> Self {
        Self { conn, src, text }
    }
}

/// What one sender has waiting.
#[derive(Debug, Default)]
struct Sender {
    bytes: usize,
    /// How many messages for whom.
    letters: HashMap<Arc<str>, usize>,
}

/// There is no room for one more message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Mail {
    /// Keeps a message until its destination connects.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        dst: &str,
        letter: Letter,
        limits: &Settings,
    ) -> Result<(), Full> {
        if !self.has_room(dst, &letter, limits) {
            return Err(Full);
        }
        let key = self.queues.get_key_value(dst).map_or_else(|| dst.into(), |(key, _)| key.clone());
        let sender = self.senders.entry(letter.conn).or_default();
        sender.bytes += letter.cost();
        *sender.letters.entry(Arc::clone(&key)).or_default() += 1;
        self.bytes += letter.cost();
        self.timers.set(Arc::clone(&key), now + limits.expire_timeout);
        self.queues.entry(key).or_default().push_back(letter);
        Ok(())
    }

    fn has_room(&self, dst: &str, letter: &Letter, limits: &Settings) -> bool {
        let queued = self.queues.get(dst).map_or(0, VecDeque::len);
        let (sent, others) = self.senders.get(&letter.conn).map_or((0, 0), |sender| {
            (sender.bytes, sender.letters.keys().filter(|known| ***known != *dst).count())
        });
        queued < limits.max_queued
            && others < limits.max_unknown
            && sent + letter.cost() <= limits.max_sender_bytes
            && self.bytes + letter.cost() <= limits.max_queued_bytes
    }

    /// Takes out everything that waits for this id, oldest first.
    pub(super) fn take(&mut self, dst: &str) -> VecDeque<Letter> {
        let Some((key, letters)) = self.queues.remove_entry(dst) else { return VecDeque::new() };
        self.timers.cancel(&key);
        letters.iter().for_each(|letter| self.settle(&key, letter));
        letters
    }

    /// Takes out one message of what a sender has waiting.
    fn settle(&mut self, dst: &Arc<str>, letter: &Letter) {
        self.bytes -= letter.cost();
        let Some(sender) = self.senders.get_mut(&letter.conn) else { return };
        sender.bytes -= letter.cost();
        if let Some(count) = sender.letters.get_mut(dst) {
            *count -= 1;
            if *count == 0 {
                sender.letters.remove(dst);
            }
        }
        if sender.letters.is_empty() {
            self.senders.remove(&letter.conn);
        }
    }

    /// Discards one queue whose time is up: for whom it was, and who had sent something, each once.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(Arc<str>, Vec<Arc<str>>)> {
        let dst = self.timers.pop_due(now)?;
        let mut seen = HashSet::new();
        let sources = self.take(&dst).into_iter().map(|letter| letter.src);
        let sources = sources.filter(|src| seen.insert(Arc::clone(src))).collect();
        Some((dst, sources))
    }

    /// When to call [`Mail::expire`] next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.earliest()
    }

    /// For whom something waits.
    pub(super) fn destinations(&self) -> impl Iterator<Item = &Arc<str>> {
        self.queues.keys()
    }

    /// Panics unless queues, timers and senders agree and are within the limits.
    pub(super) fn assert_consistent(&self, limits: &Settings) {
        let letters = || self.queues.values().flatten();
        assert_eq!(self.queues.len(), self.timers.len(), "each queue has its time");
        assert_eq!(self.bytes, letters().map(Letter::cost).sum::<usize>(), "all is counted");
        assert!(self.bytes <= limits.max_queued_bytes, "too much waits");
        for (dst, queue) in &self.queues {
            assert!((1..=limits.max_queued).contains(&queue.len()), "{} wait", queue.len());
            assert!(self.timers.get(dst).is_some(), "each queue has its time");
        }
        for (conn, sender) in &self.senders {
            let sent = || letters().filter(|letter| letter.conn == *conn);
            assert_eq!(sender.bytes, sent().map(Letter::cost).sum::<usize>(), "all is counted");
            assert_eq!(sender.letters.values().sum::<usize>(), sent().count(), "all is counted");
            assert!(sender.letters.len() <= limits.max_unknown, "too many destinations");
        }
    }
}

impl Letter {
    fn cost(&self) -> usize {
        self.text.len()
    }
}
