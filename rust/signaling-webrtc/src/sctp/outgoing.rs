//! What waits to be sent, a queue for each stream, and whose turn it is (RFC 8260, section 3).

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

/// What a chunk has beside its payload, in bytes.
const CHUNK_HEAD: usize = 16;

/// A message that is to be sent.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) ppid: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) is_unordered: bool,
    pub(super) max_retransmits: Option<u16>,
    /// When it is not worth sending any more.
    pub(super) expires: Option<Instant>,
}

/// A message of which something has been sent.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) stream: u16,
    /// Its place in the order of its stream; zero where unordered messages are not counted.
    pub(super) number: u32,
    pub(super) draft: Draft,
    /// Whether the other side is told not to wait for it any more.
    pub(super) is_abandoned: Cell<bool>,
}

/// What one chunk carries.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) message: Rc<Message>,
    pub(super) range: Range<usize>,
    pub(super) number: u32,
}

/// The queues of all streams.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    streams: BTreeMap<u16, Stream>,
    /// The streams that have something to send, each once.
    turns: VecDeque<u16>,
    /// Whether parts of several messages may alternate.
    is_interleaved: bool,
    /// The bytes of all messages that are being sent, and how many there may be: the other side
    /// must have room for them until one of them is complete.
    begun: usize,
    max_begun: usize,
}

#[derive(Debug, Default)]
struct Stream {
    waiting: VecDeque<Draft>,
    /// The message that is being sent: what is left of it.
    current: Option<Part>,
    buffered: usize,
    next_ordered: u32,
    next_unordered: u32,
}

impl Message {
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.draft.expires.is_some_and(|expires| expires <= now)
    }
}

impl Part {
    pub(super) fn len(&self) -> usize {
        self.range.len()
    }

    /// What it costs on its way. The head counts too, so that tiny messages are not free.
    pub(super) fn size(&self) -> usize {
        self.len() + CHUNK_HEAD
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.message.draft.bytes[self.range.clone()]
    }

    pub(super) fn is_first(&self) -> bool {
        self.range.start == 0
    }

    pub(super) fn is_last(&self) -> bool {
        self.range.end == self.message.draft.bytes.len()
    }

    /// Splits off the first `len` bytes.
    fn take(&mut self, len: usize) -> Self {
        let middle = self.range.start + len;
        let taken = Self { range: self.range.start..middle, ..self.clone() };
        self.range.start = middle;
        self.number += 1;
        taken
    }
}

impl Outgoing {
    /// From now on no large message holds up those of other streams. The other side has room for
    /// `window` bytes.
    pub(super) fn interleave(&mut self, window: usize) {
        self.is_interleaved = true;
        self.max_begun = window / 2;
    }

    pub(super) fn push(&mut self, stream: u16, draft: Draft) {
        let queue = self.streams.entry(stream).or_default();
        if queue.buffered == 0 {
            self.turns.push_back(stream);
        }
        queue.buffered += draft.bytes.len();
        queue.waiting.push_back(draft);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// How many bytes the message whose turn it is has left, about: it may have expired.
    pub(super) fn next_len(&self) -> usize {
        let queue = self.turns.front().and_then(|stream| self.streams.get(stream));
        queue.map_or(0, |queue| match (&queue.current, queue.waiting.front()) {
            (Some(rest), _) => rest.len(),
            (None, Some(draft)) => draft.bytes.len(),
            (None, None) => 0,
        })
    }

    /// The bytes of a stream of which nothing has been sent yet.
    pub(super) fn buffered(&self, stream: u16) -> usize {
        self.streams.get(&stream).map_or(0, |queue| queue.buffered)
    }

    /// Takes the next part, whole streams taking turns. It is at most `room` bytes long; unless
    /// `may_split`, a message that is longer waits for the next packet.
    pub(super) fn next(&mut self, now: Instant, room: usize, may_split: bool) -> Option<Part> {
        for _ in 0..self.turns.len() {
            let stream = *self.turns.front()?;
            let queue = self.streams.get_mut(&stream)?;
            queue.drop_expired(now);
            if queue.buffered == 0 {
                self.turns.pop_front();
                continue;
            }
            let len = queue.unbegun_len();
            if len > room && self.begun > 0 && self.begun + len > self.max_begun {
                // Others end theirs first; without interleaving there are none.
                self.turns.rotate_left(1);
                continue;
            }
            self.begun += len;
            let rest = queue.begin(stream, self.is_interleaved)?;
            if rest.len() > room && !may_split {
                return None;
            }
            let part = rest.take(rest.len().min(room));
            queue.buffered -= part.len();
            if part.is_last() {
                queue.current = None;
                self.begun -= part.message.draft.bytes.len();
            }
            if part.is_last() || self.is_interleaved {
                self.turns.pop_front();
                if queue.buffered > 0 {
                    self.turns.push_back(stream);
                }
            }
            return Some(part);
        }
        None
    }

    /// Forgets the messages of a stream of which nothing has been sent.
    pub(super) fn discard(&mut self, stream: u16) {
        let Some(queue) = self.streams.get_mut(&stream) else { return };
        queue.buffered -= queue.waiting.drain(..).map(|draft| draft.bytes.len()).sum::<usize>();
        if queue.buffered == 0 {
            self.turns.retain(|turn| *turn != stream);
        }
    }

    /// Forgets what has not been sent of a message; what it was, if there is such a part.
    pub(super) fn forget(&mut self, message: &Rc<Message>) -> Option<Part> {
        let queue = self.streams.get_mut(&message.stream)?;
        let rest = queue.current.take_if(|rest| Rc::ptr_eq(&rest.message, message))?;
        queue.buffered -= rest.len();
        self.begun -= message.draft.bytes.len();
        if queue.buffered == 0 {
            self.turns.retain(|stream| *stream != message.stream);
        }
        Some(rest)
    }

    /// Counts the messages of a stream from zero again.
    pub(super) fn reset(&mut self, stream: u16) {
        if let Some(queue) = self.streams.get_mut(&stream) {
            (queue.next_ordered, queue.next_unordered) = (0, 0);
            if queue.buffered == 0 {
                self.streams.remove(&stream);
            }
        }
    }
}

impl Stream {
    fn drop_expired(&mut self, now: Instant) {
        let is_expired = |draft: &mut Draft| draft.expires.is_some_and(|expires| expires <= now);
        while self.current.is_none()
            && let Some(draft) = self.waiting.pop_front_if(is_expired)
        {
            self.buffered -= draft.bytes.len();
        }
    }

    /// The length of the message that would be begun now; 0 while another is being sent.
    fn unbegun_len(&self) -> usize {
        let next = self.waiting.front().filter(|_| self.current.is_none());
        next.map_or(0, |draft| draft.bytes.len())
    }

    /// What is left of the message whose turn it is.
    fn begin(&mut self, stream: u16, is_interleaved: bool) -> Option<&mut Part> {
        if self.current.is_none() {
            let draft = self.waiting.pop_front()?;
            let range = 0..draft.bytes.len();
            let number = self.number(draft.is_unordered, is_interleaved);
            let message = Message { stream, number, draft, is_abandoned: Cell::new(false) };
            self.current = Some(Part { message: Rc::new(message), range, number: 0 });
        }
        self.current.as_mut()
    }

    fn number(&mut self, is_unordered: bool, is_interleaved: bool) -> u32 {
        let next = match (is_unordered, is_interleaved) {
            (false, _) => &mut self.next_ordered,
            (true, true) => &mut self.next_unordered,
            (true, false) => return 0,
        };
        let number = *next;
        *next = number.wrapping_add(1);
        number
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn draft(len: usize) -> Draft {
        let bytes = vec![7; len];
        Draft { ppid: 53, bytes, is_unordered: false, max_retransmits: None, expires: None }
    }

    /// Streams, message numbers and lengths of what is sent in packets of 100 bytes.
    fn sent(outgoing: &mut Outgoing) -> Vec<(u16, u32, usize)> {
        let parts = std::iter::from_fn(|| outgoing.next(Instant::now(), 100, true));
        parts.map(|part| (part.message.stream, part.message.number, part.len())).collect()
    }

    #[test]
    fn streams_take_turns_message_by_message() {
        let mut outgoing = Outgoing::default();
        for (stream, len) in [(1, 250), (1, 10), (2, 10), (2, 10)] {
            outgoing.push(stream, draft(len));
        }
        assert_eq!(outgoing.buffered(1), 260);
        let expected = [(1, 0, 100), (1, 0, 100), (1, 0, 50), (2, 0, 10), (1, 1, 10), (2, 1, 10)];
        assert_eq!(sent(&mut outgoing), expected);
        assert!(outgoing.is_empty() && outgoing.buffered(1) == 0);
    }

    #[test]
    fn interleaved_streams_take_turns_packet_by_packet() {
        let mut outgoing = Outgoing::default();
        outgoing.interleave(1000);
        for (stream, len) in [(1, 250), (2, 10), (2, 10)] {
            outgoing.push(stream, draft(len));
        }
        let expected = [(1, 0, 100), (2, 0, 10), (1, 0, 100), (2, 1, 10), (1, 0, 50)];
        assert_eq!(sent(&mut outgoing), expected);
    }

    #[test]
    fn only_as_much_is_begun_as_the_other_side_has_room_for() {
        let mut outgoing = Outgoing::default();
        outgoing.interleave(600);
        for stream in 1..=3 {
            outgoing.push(stream, draft(200));
        }
        outgoing.push(4, draft(50));
        let streams: Vec<u16> =
            sent(&mut outgoing).into_iter().map(|(stream, ..)| stream).collect();
        assert_eq!(streams, [1, 4, 1, 2, 2, 3, 3]);
        assert!(outgoing.is_empty() && outgoing.begun == 0);
    }

    #[test]
    fn what_has_not_been_begun_can_be_discarded() {
        let mut outgoing = Outgoing::default();
        for len in [150, 10, 10] {
            outgoing.push(1, draft(len));
        }
        assert_eq!(outgoing.next(Instant::now(), 100, true).map(|part| part.len()), Some(100));
        outgoing.discard(1);
        assert_eq!(sent(&mut outgoing), [(1, 0, 50)]);
        assert_eq!(outgoing.buffered(1), 0);
    }

    #[test]
    fn what_does_not_fit_waits_for_the_next_packet() {
        let mut outgoing = Outgoing::default();
        outgoing.push(1, draft(90));
        assert!(outgoing.next(Instant::now(), 50, false).is_none());
        assert_eq!(outgoing.buffered(1), 90);
        assert_eq!(outgoing.next(Instant::now(), 100, true).map(|part| part.len()), Some(90));
    }

    #[test]
    fn what_has_expired_is_not_sent() {
        let now = Instant::now();
        let mut outgoing = Outgoing::default();
        outgoing.push(1, Draft { expires: Some(now), ..draft(10) });
        outgoing.push(1, Draft { expires: Some(now + Duration::from_millis(1)), ..draft(20) });
        let part = outgoing.next(now, 100, true).unwrap();
        assert_eq!((part.len(), part.message.number), (20, 0));
        assert!(outgoing.next(now, 100, true).is_none() && outgoing.is_empty());
    }

    #[test]
    fn the_rest_of_a_message_can_be_forgotten() {
        let mut outgoing = Outgoing::default();
        outgoing.push(1, draft(150));
        outgoing.push(1, draft(10));
        let part = outgoing.next(Instant::now(), 100, true).unwrap();
        assert_eq!(outgoing.forget(&part.message).map(|rest| rest.range), Some(100..150));
        assert!(outgoing.forget(&part.message).is_none());
        assert_eq!(sent(&mut outgoing), [(1, 1, 10)]);
    }
}
