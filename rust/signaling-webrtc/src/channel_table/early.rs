//! Messages on streams that have no channel yet: of two sides that agree on a channel by its number,
//! one makes it first, and may use it at once.

use std::collections::VecDeque;

/// What is kept, in messages and in bytes; what exceeds it is lost. The other side decides on what
/// it sends.
const MAX_MESSAGES: usize = 64;
const MAX_BYTES: usize = 64 << 10;

/// Messages of all streams, oldest first.
#[derive(Default)]
pub(super) struct Early {
    messages: VecDeque<Message>,
    bytes: usize,
}

struct Message {
    stream: u16,
    data: Vec<u8>,
    text: bool,
}

impl Early {
    pub(super) fn keep(&mut self, stream: u16, data: Vec<u8>, text: bool) {
        if self.messages.len() < MAX_MESSAGES && self.bytes + data.len() <= MAX_BYTES {
            self.bytes += data.len();
            self.messages.push_back(Message { stream, data, text });
        }
    }

    /// Takes out what came on a stream, and whether each was text.
    pub(super) fn take(&mut self, stream: u16) -> Vec<(Vec<u8>, bool)> {
        let is_its = |message: &Message| message.stream == stream;
        let (its, others) = std::mem::take(&mut self.messages).into_iter().partition(is_its);
        self.messages = others;
        let its: VecDeque<Message> = its;
        self.bytes -= its.iter().map(|message| message.data.len()).sum::<usize>();
        its.into_iter().map(|Message { data, text, .. }| (data, text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_gets_its_own_in_order() {
        let mut early = Early::default();
        for (stream, text) in [(1, "a"), (2, "b"), (1, "c")] {
            early.keep(stream, text.into(), true);
        }
        assert_eq!(early.take(1), [(b"a".to_vec(), true), (b"c".to_vec(), true)]);
        assert_eq!(early.take(1), []);
        assert_eq!(early.take(2), [(b"b".to_vec(), true)]);
        assert_eq!(early.bytes, 0);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let mut early = Early::default();
        for _ in 0..100 {
            early.keep(1, vec![0; 10_000], false);
        }
        assert_eq!(early.take(1).len(), MAX_BYTES / 10_000);
        for _ in 0..100 {
            early.keep(1, vec![], false);
        }
        assert_eq!(early.take(1).len(), MAX_MESSAGES);
    }
}
