//! Ending streams, so that their ids can be used again (RFC 6525).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::chunk::Reconfig;
use super::serial::Tsn;
use super::wire::Packet;

/// Streams of one request, so that it fits a packet.
const MAX_STREAMS: usize = 128;
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
}

#[derive(Debug)]
struct Deferred {
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

    /// Appends what there is to ask or answer. `last_tsn` is the last that we sent.
    pub(super) fn fill(&mut self, now: Instant, last_tsn: u32, packet: &mut Packet) {
        for answer in self.answers.drain(..) {
            answer.write(packet);
        }
        if self.asked.is_none() && !self.waiting.is_empty() {
            let streams: Vec<u16> = self.waiting.iter().copied().take(MAX_STREAMS).collect();
            self.waiting.retain(|stream| !streams.contains(stream));
            let request = self.next_request;
            self.next_request = request.wrapping_add(1);
            self.asked = Some(Asked { request, last_tsn, streams, due: now, retry: RETRY });
        }
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.due <= now) {
            asked.due = now + asked.retry;
            asked.retry = (asked.retry * 2).min(MAX_RETRY);
            let (request, last_tsn) = (asked.request, asked.last_tsn);
            Reconfig::OutgoingReset { request, last_tsn, streams: asked.streams.clone() }
                .write(packet);
        }
    }

    /// Takes an answer; our streams that are over by it.
    pub(super) fn handle_response(&mut self, request: u32, outcome: u32) -> Option<Vec<u16>> {
        let is_over = outcome != outcome::IN_PROGRESS;
        let asked = self.asked.take_if(|asked| is_over && asked.request == request)?;
        // One that is refused is over as well: nothing else can be done.
        Some(asked.streams)
    }

    /// Takes a request to end streams of the other side, whose last chunk on them is `last_tsn`.
    /// [`Resets::perform`] ends them.
    pub(super) fn handle_request(&mut self, request: u32, last_tsn: Tsn, streams: Vec<u16>) {
        if self.is_expected(request) {
            self.deferred = Some(Deferred { last_tsn, streams });
            self.last_outcome = outcome::IN_PROGRESS;
            self.answer(request, outcome::IN_PROGRESS);
        }
    }

    /// The streams of the other side that are over, now that everything has arrived up to
    /// `cumulative`.
    pub(super) fn perform(&mut self, cumulative: Tsn) -> Option<Vec<u16>> {
        let deferred = self.deferred.take_if(|deferred| deferred.last_tsn <= cumulative)?;
        self.last_outcome = outcome::PERFORMED;
        // In place of what was to be said before.
        self.answers.clear();
        self.answer(self.last_heard, outcome::PERFORMED);
        Some(deferred.streams)
    }

    /// Takes a request for something that channels do not need.
    pub(super) fn handle_other(&mut self, request: u32) {
        if self.is_expected(request) {
            self.last_outcome = outcome::DENIED;
            self.answer(request, outcome::DENIED);
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

    fn answer(&mut self, request: u32, outcome: u32) {
        if self.answers.len() == 2 {
            self.answers.remove(0);
        }
        self.answers.push(Reconfig::Response { request, outcome });
    }
}
