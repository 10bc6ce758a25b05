//! What waits for the embedding program.

use std::collections::VecDeque;

/// What a server has told since the last time it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices<N> {
    /// The notices, oldest first.
    pub events: Vec<N>,
    /// True when notices had to be dropped because nobody took them: read the state anew with
    /// [`ServerHandle::resync`](crate::ServerHandle::resync).
    pub lost: bool,
}

/// The bounded queue behind [`Notices`]. When it overflows, everything that waits is dropped, and
/// whatever follows until it is taken: half a history is of no use to anybody.
#[derive(Debug)]
pub(crate) struct NoticeQueue<N> {
    waiting: VecDeque<N>,
    capacity: usize,
    lost: bool,
}

impl<N> NoticeQueue<N> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { waiting: VecDeque::new(), capacity, lost: false }
    }

    pub(crate) fn push(&mut self, notice: N) {
        if self.waiting.len() >= self.capacity {
            self.lost = true;
            self.waiting = VecDeque::new();
        }
        if !self.lost {
            self.waiting.push_back(notice);
        }
    }

    pub(crate) fn take(&mut self) -> Notices<N> {
        let events = Vec::from(std::mem::take(&mut self.waiting));
        Notices { events, lost: std::mem::take(&mut self.lost) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_is_told_once_and_leaves_nothing_else() {
        let mut queue = NoticeQueue::new(2);
        (0..5).for_each(|notice| queue.push(notice));
        assert_eq!(queue.take(), Notices { events: vec![], lost: true });
        queue.push(5);
        assert_eq!(queue.take(), Notices { events: vec![5], lost: false });
    }
}
