//! What is kept while there is no way to send it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::rooms::wire::Kind;

/// Signals in the order in which they were made, bounded in number and in bytes.
#[derive(Debug)]
pub(super) struct Queue {
    signals: VecDeque<(Kind, Arc<str>)>,
    bytes: usize,
    max_count: usize,
    max_bytes: usize,
}

impl Queue {
    pub(super) fn new(max_count: usize, max_bytes: usize) -> Self {
        Self { signals: VecDeque::new(), bytes: 0, max_count, max_bytes }
    }

    /// Keeps a signal; gives it back when there is no room for it.
    pub(super) fn push(&mut self, kind: Kind, text: Arc<str>) -> Result<(), Kind> {
        let bytes = self.bytes + text.len();
        if self.signals.len() >= self.max_count || bytes > self.max_bytes {
            return Err(kind);
        }
        self.bytes = bytes;
        self.signals.push_back((kind, text));
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<(Kind, Arc<str>)> {
        let (kind, text) = self.signals.pop_front()?;
        self.bytes -= text.len();
        Some((kind, text))
    }
}
