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
    /// The number of the next message in order.
    next: u64,
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
                if let Some(run) = self.unnumbered.take_at(tsn) {
                    self.push(id, Inbound::Message(run.into_message(false)));
                }
                return;
            }
            Place::Plain { ssn } => (unwrap16(stream.next, ssn), tsn),
            Place::Interleaved { message, part } if data.is_unordered => {
                (message.into(), part.into())
            }
            Place::Interleaved { message, part } => (unwrap(stream.next, message), part.into()),
        };
        if data.is_unordered {
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
            self.held -= self.unnumbered.drop_upto(cumulative);
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
                let is_skipped = |key: &u64| (*key as u32).wrapping_sub(message) as i32 <= 0;
                let skipped = stream.unordered.extract_if(.., |key, _| is_skipped(key));
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
        self.deliver_in_order(id);
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
        is_empty && self.ready.is_empty() && !self.is_impatient && self.next == start(0)
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

    /// Drops what is incomplete up to there; what it cost.
    fn drop_upto(&mut self, last: u64) -> usize {
        let mut dropped = 0;
        while let Some(oldest) =
            self.runs.first_entry().filter(|oldest| oldest.get().end <= last + 1)
        {
            dropped += oldest.remove().cost();
        }
        dropped
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
