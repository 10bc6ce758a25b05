//! Puts messages together from their parts, and in order (RFC 9260, section 6.6; RFC 8260,
//! section 2.3).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::chunk::{Data, Place, Skipped};
use super::serial::{Tsn, start, unwrap, unwrap16};
use super::{Inbound, Received};

/// What a message or a run of parts costs beside its bytes. It counts towards the window, so that
/// many tiny messages cannot grow without end either.
const OVERHEAD: usize = 64;

/// All that has arrived and not been read.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    streams: BTreeMap<u16, Stream>,
    /// Parts of unordered messages that have no numbers, of all streams, by their TSN.
    unnumbered: Assembly,
    /// Of them nothing can become whole any more up to this TSN.
    unnumbered_over: Tsn,
    /// What can be read next of each stream, by when it was complete.
    readable: BTreeSet<(u64, u16)>,
    completed: u64,
    held: usize,
}

#[derive(Debug)]
struct Stream {
    /// By the number of the message.
    ordered: BTreeMap<u64, Assembly>,
    unordered: BTreeMap<u64, Assembly>,
    /// The number of the next message in order, and the one after the newest without.
    next: u64,
    newest: u64,
    /// Of the messages before these nothing more comes but what was under way when they were
    /// given up.
    ordered_over: u64,
    unordered_over: u64,
    /// Whether messages do not wait for those before them.
    is_impatient: bool,
    /// When each was complete, and what it is.
    ready: VecDeque<(u64, Inbound)>,
}

/// The parts of a message, or of unordered messages without numbers: runs without a gap, by the
/// place of the first.
#[derive(Debug, Default)]
struct Assembly {
    runs: BTreeMap<u64, Run>,
}

#[derive(Debug)]
struct Run {
    stream: u16,
    /// The place after the last.
    end: u64,
    is_begun: bool,
    is_ended: bool,
    ppid: u32,
    bytes: Vec<u8>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            ordered: BTreeMap::new(),
            unordered: BTreeMap::new(),
            next: start(0),
            newest: start(0),
            ordered_over: start(0),
            unordered_over: start(0),
            is_impatient: false,
            ready: VecDeque::new(),
        }
    }
}

impl Reassembly {
    /// What is kept, in bytes.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether nothing can be read.
    pub(super) fn is_waiting(&self) -> bool {
        self.readable.is_empty()
    }

    /// From now on ordered messages of this stream do not wait for those before them.
    pub(super) fn deliver_at_once(&mut self, id: u16) {
        let stream = self.streams.entry(id).or_default();
        stream.is_impatient = true;
        let waiting: Vec<u64> = stream.ordered.keys().copied().collect();
        for key in waiting {
            self.deliver_if_complete(id, key, u64::MAX);
        }
    }

    /// Takes a part that has not come before.
    pub(super) fn add(&mut self, tsn: Tsn, data: &Data<'_>) {
        let id = data.stream;
        let stream = self.streams.entry(id).or_default();
        let (key, place) = match data.place {
            Place::Plain { .. } if data.is_unordered => {
                self.unnumbered.add(tsn, data, &mut self.held);
                self.forget_unnumbered();
                if let Some(run) = self.unnumbered.take_at(tsn) {
                    self.push(id, Inbound::Message(run.into_message(false)));
                }
                return;
            }
            Place::Plain { ssn } => (unwrap16(stream.next, ssn), tsn),
            Place::Interleaved { message, part } if data.is_unordered => {
                (unwrap(stream.newest, message), part.into())
            }
            Place::Interleaved { message, part } => (unwrap(stream.next, message), part.into()),
        };
        let over = if data.is_unordered { stream.unordered_over } else { stream.ordered_over };
        if key < over {
            return;
        }
        if data.is_unordered {
            stream.newest = stream.newest.max(key + 1);
            stream.unordered.entry(key).or_default().add(place, data, &mut self.held);
            if let Some(run) = take_complete(&mut stream.unordered, key, place) {
                self.push(id, Inbound::Message(run.into_message(false)));
            }
        } else if stream.is_impatient {
            stream.ordered.entry(key).or_default().add(place, data, &mut self.held);
            self.deliver_if_complete(id, key, place);
        } else if key >= stream.next {
            stream.ordered.entry(key).or_default().add(place, data, &mut self.held);
            self.deliver_in_order(id);
        }
    }

    /// Delivers an ordered message whose stream does not wait.
    fn deliver_if_complete(&mut self, id: u16, key: u64, place: u64) {
        let stream = self.streams.entry(id).or_default();
        if let Some(run) = take_complete(&mut stream.ordered, key, place) {
            let is_late = key < stream.next;
            stream.next = stream.next.max(key + 1);
            self.push(id, Inbound::Message(run.into_message(is_late)));
        }
    }

    fn deliver_in_order(&mut self, id: u16) {
        while let Some(stream) = self.streams.get_mut(&id)
            && let Some(assembly) = stream.ordered.get_mut(&stream.next)
            && let Some(run) = assembly.take_whole()
        {
            self.held -= assembly.cost();
            stream.ordered.remove(&stream.next);
            stream.next += 1;
            self.push(id, Inbound::Message(run.into_message(false)));
        }
    }

    fn push(&mut self, id: u16, inbound: Inbound) {
        self.completed += 1;
        let stream = self.streams.entry(id).or_default();
        if stream.ready.is_empty() {
            self.readable.insert((self.completed, id));
        }
        stream.ready.push_back((self.completed, inbound));
    }

    /// The next that can be read: what was complete first, of streams that are not paused.
    pub(super) fn receive(&mut self, is_paused: impl Fn(u16) -> bool) -> Option<Inbound> {
        let &(at, id) = self.readable.iter().find(|(_, stream)| !is_paused(*stream))?;
        self.readable.remove(&(at, id));
        let ready = &mut self.streams.get_mut(&id)?.ready;
        let (_, inbound) = ready.pop_front()?;
        if let Some((at, _)) = ready.front() {
            self.readable.insert((*at, id));
        }
        self.held -= inbound.cost();
        if matches!(inbound, Inbound::Reset(_)) && self.streams.get(&id).is_some_and(Stream::is_new)
        {
            self.streams.remove(&id);
        }
        Some(inbound)
    }

    /// Nothing more comes of what is incomplete up to there.
    pub(super) fn skip(&mut self, cumulative: Tsn, is_interleaved: bool, skipped: &[Skipped]) {
        if !is_interleaved {
            self.unnumbered_over = self.unnumbered_over.max(cumulative);
            self.forget_unnumbered();
        }
        for &Skipped { stream: id, is_unordered, message } in skipped {
            let stream = self.streams.entry(id).or_default();
            if !is_unordered {
                let last = if is_interleaved {
                    unwrap(stream.next, message)
                } else {
                    unwrap16(stream.next, message as u16)
                };
                self.skip_in_order(id, last);
            } else {
                // Of several messages only the last is named.
                let over = unwrap(stream.newest, message) + 1;
                stream.unordered_over = stream.unordered_over.max(over);
                let skipped = stream.unordered.extract_if(..over, |_, _| true);
                self.held -= skipped.map(|(_, assembly)| assembly.cost()).sum::<usize>();
            }
        }
    }

    /// What is complete among the messages that are skipped is delivered all the same.
    fn skip_in_order(&mut self, id: u16, last: u64) {
        while let Some(stream) = self.streams.get_mut(&id)
            && let Some(mut oldest) =
                stream.ordered.first_entry().filter(|oldest| *oldest.key() <= last)
        {
            let run = oldest.get_mut().take_whole();
            self.held -= oldest.remove().cost();
            if let Some(run) = run {
                self.push(id, Inbound::Message(run.into_message(false)));
            }
        }
        let stream = self.streams.entry(id).or_default();
        stream.next = stream.next.max(last + 1);
        stream.ordered_over = stream.ordered_over.max(last + 1);
        self.deliver_in_order(id);
    }

    /// Drops what cannot become whole: parts up to the last that was skipped, and those behind
    /// it up to the next beginning.
    fn forget_unnumbered(&mut self) {
        while let Some(run) = self.unnumbered.take_dead(self.unnumbered_over) {
            self.held -= run.cost();
            self.unnumbered_over = self.unnumbered_over.max(run.end - 1);
        }
    }

    /// The other side counts the messages of these streams from zero again; none named means all.
    pub(super) fn reset(&mut self, mut streams: Vec<u16>) {
        if streams.is_empty() {
            streams.extend(self.streams.keys());
        }
        for id in streams {
            let stream = self.streams.entry(id).or_default();
            let assemblies = stream.ordered.values().chain(stream.unordered.values());
            self.held -= assemblies.map(Assembly::cost).sum::<usize>();
            self.held -= self.unnumbered.drop_stream(id);
            let ready = std::mem::take(&mut stream.ready);
            *stream = Stream { ready, ..Stream::default() };
            self.held += Inbound::Reset(id).cost();
            self.push(id, Inbound::Reset(id));
        }
    }
}

impl Stream {
    /// Whether it is as though nothing had come.
    fn is_new(&self) -> bool {
        let is_empty = self.ordered.is_empty() && self.unordered.is_empty();
        let is_unused = self.next == start(0) && self.newest == start(0);
        let is_none_over = self.ordered_over == start(0) && self.unordered_over == start(0);
        is_empty && self.ready.is_empty() && !self.is_impatient && is_unused && is_none_over
    }
}

impl Inbound {
    fn cost(&self) -> usize {
        match self {
            Self::Message(message) => message.bytes.len() + OVERHEAD,
            Self::Reset(_) => OVERHEAD,
        }
    }
}

impl Assembly {
    /// Adds a part, and to `held` what it costs.
    fn add(&mut self, place: u64, data: &Data<'_>, held: &mut usize) {
        let before = self.runs.range_mut(..=place).next_back();
        if before.as_ref().is_some_and(|(_, run)| run.end > place) {
            // Two parts at one place: the other side does not count well.
            return;
        }
        *held += data.payload.len();
        let is_next = |run: &Run| {
            run.end == place && !run.is_ended && !data.is_first && run.stream == data.stream
        };
        let start = match before {
            Some((start, run)) if is_next(run) => {
                run.end += 1;
                run.is_ended = data.is_last;
                run.bytes.extend_from_slice(data.payload);
                *start
            }
            _ => {
                *held += OVERHEAD;
                self.runs.insert(place, Run::new(place, data));
                place
            }
        };
        if self.join(start) {
            *held -= OVERHEAD;
        }
    }

    /// Joins a run with the one that follows it without a gap, if that is of the same message.
    fn join(&mut self, start: u64) -> bool {
        let Some(run) = self.runs.get(&start).filter(|run| !run.is_ended) else { return false };
        let (end, stream) = (run.end, run.stream);
        if self.runs.get(&end).is_none_or(|next| next.is_begun || next.stream != stream) {
            return false;
        }
        let Some(mut next) = self.runs.remove(&end) else { return false };
        if let Some(run) = self.runs.get_mut(&start) {
            run.end = next.end;
            run.is_ended = next.is_ended;
            run.bytes.append(&mut next.bytes);
        }
        true
    }

    /// Takes the message that the part at this place completes.
    fn take_at(&mut self, place: u64) -> Option<Run> {
        let (&start, run) = self.runs.range(..=place).next_back()?;
        if run.is_complete() { self.runs.remove(&start) } else { None }
    }

    /// Takes the message, if it is complete.
    fn take_whole(&mut self) -> Option<Run> {
        self.runs
            .first_entry()
            .filter(|first| first.get().is_complete())
            .map(|first| first.remove())
    }

    /// Takes the first run if it ends by there, or follows without a beginning.
    fn take_dead(&mut self, last: u64) -> Option<Run> {
        let is_dead =
            |start: u64, run: &Run| run.end <= last + 1 || (!run.is_begun && start <= last + 1);
        let oldest = self.runs.first_entry().filter(|oldest| is_dead(*oldest.key(), oldest.get()));
        oldest.map(|oldest| oldest.remove())
    }

    /// Drops what is incomplete of a stream; what it cost.
    fn drop_stream(&mut self, id: u16) -> usize {
        let dropped = self.runs.extract_if(.., |_, run| run.stream == id);
        dropped.map(|(_, run)| run.cost()).sum()
    }

    fn cost(&self) -> usize {
        self.runs.values().map(Run::cost).sum()
    }
}

impl Run {
    fn new(place: u64, data: &Data<'_>) -> Self {
        Self {
            stream: data.stream,
            end: place + 1,
            is_begun: data.is_first,
            is_ended: data.is_last,
            ppid: data.ppid,
            bytes: data.payload.to_vec(),
        }
    }

    fn is_complete(&self) -> bool {
        self.is_begun && self.is_ended
    }

    fn cost(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }

    fn into_message(self, is_late: bool) -> Received {
        Received { stream: self.stream, ppid: self.ppid, bytes: self.bytes, is_late }
    }
}

fn take_complete(messages: &mut BTreeMap<u64, Assembly>, key: u64, place: u64) -> Option<Run> {
    let assembly = messages.get_mut(&key)?;
    let run = assembly.take_at(place);
    if assembly.runs.is_empty() {
        messages.remove(&key);
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: u16 = 4;

    fn part(place: Place, is_unordered: bool, is_first: bool, is_last: bool) -> Data<'static> {
        Data {
            tsn: 0,
            stream: STREAM,
            is_unordered,
            is_first,
            is_last,
            is_urgent: false,
            place,
            ppid: 53,
            payload: b"part",
        }
    }

    fn skipped(is_unordered: bool, message: u32) -> Skipped {
        Skipped { stream: STREAM, is_unordered, message }
    }

    /// What was under way when its message was given up must not be kept for ever.
    #[test]
    fn a_part_that_comes_after_its_message_was_skipped_is_dropped() {
        for is_unordered in [true, false] {
            let mut reassembly = Reassembly::default();
            if !is_unordered {
                reassembly.deliver_at_once(STREAM);
            }
            reassembly.skip(start(10), true, &[skipped(is_unordered, 3)]);
            let place = |message, part| Place::Interleaved { message, part };
            reassembly.add(start(12), &part(place(3, 2), is_unordered, false, true));
            assert_eq!(reassembly.held(), 0, "unordered: {is_unordered}");
            reassembly.add(start(13), &part(place(4, 0), is_unordered, true, true));
            assert!(reassembly.receive(|_| false).is_some(), "unordered: {is_unordered}");
        }
    }

    #[test]
    fn parts_without_numbers_behind_one_that_was_skipped_are_dropped() {
        let plain = |is_first, is_last| part(Place::Plain { ssn: 0 }, true, is_first, is_last);
        for order in [[12, 13, 14], [14, 13, 12], [13, 14, 12], [14, 12, 13]] {
            let mut reassembly = Reassembly::default();
            reassembly.add(start(10), &plain(true, false));
            // The next message, of which a part is missing.
            reassembly.add(start(15), &plain(true, false));
            reassembly.skip(start(11), false, &[]);
            for tsn in order {
                reassembly.add(start(tsn), &plain(false, tsn == 14));
            }
            assert_eq!(reassembly.held(), plain(true, false).payload.len() + OVERHEAD, "{order:?}");
            reassembly.add(start(16), &plain(false, true));
            assert!(reassembly.receive(|_| false).is_some(), "{order:?}");
            assert_eq!(reassembly.held(), 0, "{order:?}");
        }
    }
}
