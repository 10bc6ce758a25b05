//! Ending streams, so that their ids can be used again (RFC 6525).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::chunk::Reconfig;
use super::sender::Sender;
use super::serial::Tsn;
use super::wire::Packet;

/// Streams of one request.
const MAX_STREAMS: usize = 128;
/// The room that a request and two answers take at most.
const MOST_ROOM: usize = 320;
/// How long an answer may take before we ask again, doubled each time up to the last.
const RETRY: Duration = Duration::from_millis(200);
const MAX_RETRY: Duration = Duration::from_secs(2);

mod outcome {
    pub(super) const NOTHING_TO_DO: u32 = 0;
    pub(super) const PERFORMED: u32 = 1;
    pub(super) const DENIED: u32 = 2;
    pub(super) const BAD_REQUEST_NUMBER: u32 = 5;
    pub(super) const IN_PROGRESS: u32 = 6;
}

/// Both sides' requests.
#[derive(Debug)]
pub(super) struct Resets {
    /// Streams of ours to end, of which the other side has not been told.
    waiting: BTreeSet<u16>,
    asked: Option<Asked>,
    next_request: u32,
    /// The other side's last request that counts.
    last_heard: u32,
    last_outcome: u32,
    /// What it asked for and must wait until everything before has arrived.
    deferred: Option<Deferred>,
    /// What was performed after we had said that it takes time.
    performed: Option<Deferred>,
    /// What there is to answer; the last two, since the other side asks one at a time.
    answers: Vec<Reconfig>,
}

#[derive(Debug)]
struct Asked {
    request: u32,
    last_tsn: u32,
    streams: Vec<u16>,
    due: Instant,
    retry: Duration,
    /// Whether the other side waits for something before it can do it.
    is_in_progress: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Deferred {
    request: u32,
    last_tsn: Tsn,
    streams: Vec<u16>,
}

impl Resets {
    /// Requests are counted from the first TSNs on (RFC 6525, section 5.1.1).
    pub(super) fn new(our_first: u32, their_first: u32) -> Self {
        Self {
            waiting: BTreeSet::new(),
            asked: None,
            next_request: our_first,
            last_heard: their_first.wrapping_sub(1),
            last_outcome: outcome::NOTHING_TO_DO,
            deferred: None,
            performed: None,
            answers: Vec::new(),
        }
    }

    /// Ends a stream of which everything has been sent.
    pub(super) fn request(&mut self, stream: u16) {
        self.waiting.insert(stream);
    }

    /// When to call [`Resets::fill`]. What has not been said yet is said with the next packet.
    pub(super) fn due(&self) -> Option<Instant> {
        self.asked.as_ref().map(|asked| asked.due)
    }

    /// Appends what there is to ask or answer, if there is room.
    pub(super) fn fill(&mut self, now: Instant, sender: &Sender, packet: &mut Packet) {
        if packet.room() < MOST_ROOM {
            return;
        }
        for answer in self.answers.drain(..) {
            answer.write(packet);
        }
        if self.asked.is_none() && !self.waiting.is_empty() {
            self.asked = Some(self.question(now, sender.last_tsn()));
        }
        let next_request = self.next_request;
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.due <= now) {
            // Some answer a repeated request as they did before, whatever has happened since.
            if asked.is_in_progress && sender.is_acknowledged(asked.last_tsn) {
                asked.request = next_request;
                asked.is_in_progress = false;
                self.next_request = next_request.wrapping_add(1);
            }
            asked.due = now + asked.retry;
            asked.retry = (asked.retry * 2).min(MAX_RETRY);
            let (request, last_tsn) = (asked.request, asked.last_tsn);
            Reconfig::OutgoingReset { request, last_tsn, streams: asked.streams.clone() }
                .write(packet);
        }
    }

    fn question(&mut self, now: Instant, last_tsn: u32) -> Asked {
        let streams: Vec<u16> = self.waiting.iter().copied().take(MAX_STREAMS).collect();
        self.waiting.retain(|stream| !streams.contains(stream));
        let request = self.next_request;
        self.next_request = request.wrapping_add(1);
        Asked { request, last_tsn, streams, due: now, retry: RETRY, is_in_progress: false }
    }

    /// Takes an answer; our streams that are over by it.
    pub(super) fn handle_response(&mut self, request: u32, outcome: u32) -> Option<Vec<u16>> {
        let asked = self.asked.as_mut().filter(|asked| asked.request == request)?;
        asked.is_in_progress = outcome == outcome::IN_PROGRESS;
        // One that is refused is over as well: nothing else can be done.
        self.asked.take_if(|asked| !asked.is_in_progress).map(|asked| asked.streams)
    }

    /// Takes a request to end streams of the other side, whose last chunk on them is `last_tsn`.
    /// [`Resets::perform`] ends them.
    pub(super) fn handle_request(&mut self, request: u32, last_tsn: Tsn, streams: Vec<u16>) {
        if !self.is_expected(request) {
            return;
        }
        let is_same = |done: &Deferred| done.last_tsn == last_tsn && done.streams == streams;
        if self.performed.take_if(|done| is_same(done)).is_some() {
            // The same question under another number, since we had said that it takes time.
            return self.conclude(request, outcome::PERFORMED);
        }
        let mut deferred = Deferred { request, last_tsn, streams };
        if let Some(earlier) = self.deferred.take() {
            deferred.last_tsn = deferred.last_tsn.max(earlier.last_tsn);
            deferred.streams.extend(earlier.streams);
            deferred.streams.sort_unstable();
            deferred.streams.dedup();
        }
        self.deferred = Some(deferred);
        self.conclude(request, outcome::IN_PROGRESS);
    }

    /// The streams of the other side that are over, now that everything has arrived up to
    /// `cumulative`.
    pub(super) fn perform(&mut self, cumulative: Tsn) -> Option<Vec<u16>> {
        let deferred = self.deferred.take_if(|deferred| deferred.last_tsn <= cumulative)?;
        let is_told = self.answers.is_empty();
        // In place of what was to be said before.
        self.answers.clear();
        self.conclude(deferred.request, outcome::PERFORMED);
        let streams = deferred.streams.clone();
        self.performed = Some(deferred).filter(|_| is_told);
        Some(streams)
    }

    /// Takes a request for something that channels do not need.
    pub(super) fn handle_other(&mut self, request: u32) {
        if self.is_expected(request) {
            self.conclude(request, outcome::DENIED);
        }
    }

    /// Whether a request is new. Others are answered as before.
    fn is_expected(&mut self, request: u32) -> bool {
        let is_new = request == self.last_heard.wrapping_add(1);
        if is_new {
            self.last_heard = request;
        } else if request == self.last_heard {
            self.answer(request, self.last_outcome);
        } else {
            self.answer(request, outcome::BAD_REQUEST_NUMBER);
        }
        is_new
    }

    fn conclude(&mut self, request: u32, outcome: u32) {
        self.last_outcome = outcome;
        self.answer(request, outcome);
    }

    fn answer(&mut self, request: u32, outcome: u32) {
        if self.answers.len() == 2 {
            self.answers.remove(0);
        }
        self.answers.push(Reconfig::Response { request, outcome });
    }
}
