//! What has been sent and not been acknowledged in full: what is on its way, what was lost, what
//! was given up.
//!
//! A packet is lost when one sent later has arrived and its own time has passed (RFC 8985): that
//! needs no three witnesses, which a game that sends little does not have.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::chunk::{Forward, Sack, Skipped};
use super::outgoing::{Message, Part};
use super::serial::{Tsn, start, unwrap};

/// So many packets that have arrived before it are witness enough that a packet is lost, unless
/// packets were seen to overtake each other.
const WITNESSES: u64 = 3;
/// How many parts are looked at for one that is overdue.
const MAX_LOOK: usize = 64;
/// Chunks that are kept until everything before them has arrived too. More are not sent.
const MAX_SENT: usize = 16_384;

/// Everything after the cumulative acknowledgement.
#[derive(Debug)]
pub(super) struct Flight {
    /// The number of the first of `sent`.
    first: Tsn,
    sent: VecDeque<Sent>,
    in_flight: usize,
    lost: BTreeSet<Tsn>,
    /// The last packet, and whether it holds anything yet.
    packet: u64,
    is_packet_used: bool,
    /// The last packet that has arrived.
    newest: Option<Newest>,
    /// How late a packet may arrive after one that was sent later; unknown until one did.
    lateness: Option<Duration>,
    /// When the next packet counts as lost.
    deadline: Option<Instant>,
    /// How far the other side was told not to wait.
    forwarded: Tsn,
}

#[derive(Debug)]
struct Sent {
    part: Part,
    state: State,
    at: Instant,
    packet: u64,
    transmissions: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InFlight,
    Arrived,
    Lost,
    Abandoned,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    packet: u64,
    trip: Duration,
}

/// What an acknowledgement told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Whether there is less to wait for.
    pub(super) is_any: bool,
    pub(super) bytes: usize,
    pub(super) trip: Option<Duration>,
}

/// What was found to be lost.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// The newest packet among them.
    pub(super) packet: Option<u64>,
    /// Chunks that were lost.
    pub(super) chunks: u64,
    /// Messages that are not worth another try.
    pub(super) hopeless: Vec<Rc<Message>>,
}

impl Flight {
    pub(super) fn new(first: u32) -> Self {
        let first = start(first);
        Self {
            first,
            sent: VecDeque::new(),
            in_flight: 0,
            lost: BTreeSet::new(),
            packet: 0,
            is_packet_used: false,
            newest: None,
            lateness: None,
            deadline: None,
            forwarded: first - 1,
        }
    }

    /// Bytes that are on their way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether something is expected of the other side.
    pub(super) fn is_waiting(&self) -> bool {
        self.in_flight > 0 || self.is_forward_pending()
    }

    /// Whether the other side still waits for something that was given up.
    pub(super) fn is_forward_pending(&self) -> bool {
        self.sent.front().is_some_and(|sent| sent.state == State::Abandoned)
    }

    /// Whether so much is kept that nothing may be added.
    pub(super) fn is_full(&self) -> bool {
        self.sent.len() >= MAX_SENT
    }

    /// Whether everything up to there has arrived.
    pub(super) fn is_acknowledged(&self, tsn: u32) -> bool {
        unwrap(self.first, tsn) < self.first
    }

    /// The number of the last chunk that was sent.
    pub(super) fn last_tsn(&self) -> u32 {
        (self.next_tsn() - 1) as u32
    }

    /// The last packet that was sent.
    pub(super) fn last_packet(&self) -> u64 {
        self.packet
    }

    /// When [`Flight::find_losses`] has something to find.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn next_tsn(&self) -> Tsn {
        self.first + self.sent.len() as u64
    }

    fn get_mut(&mut self, tsn: Tsn) -> Option<&mut Sent> {
        self.sent.get_mut(usize::try_from(tsn.checked_sub(self.first)?).ok()?)
    }

    /// What is sent from now on is in another packet.
    pub(super) fn begin_packet(&mut self) {
        self.packet += u64::from(std::mem::take(&mut self.is_packet_used));
    }

    /// Notes that a part is sent for the first time; its number.
    pub(super) fn send(&mut self, now: Instant, part: Part) -> u32 {
        let tsn = self.next_tsn();
        self.is_packet_used = true;
        self.in_flight += part.size();
        let (state, packet) = (State::InFlight, self.packet);
        self.sent.push_back(Sent { part, state, at: now, packet, transmissions: 1 });
        tsn as u32
    }

    /// Whether something is to be sent again.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// The next part that is to be sent again.
    pub(super) fn next_lost(&self) -> Option<Tsn> {
        self.lost.first().copied()
    }

    /// Notes that a part that was lost is sent again.
    pub(super) fn send_again(&mut self, now: Instant, tsn: Tsn) {
        if self.lost.remove(&tsn)
            && let Some(sent) = self.get_mut(tsn)
        {
            sent.state = State::InFlight;
            let size = sent.part.size();
            self.in_flight += size;
            self.repeat(now, tsn);
        }
    }

    /// The oldest part that should have been acknowledged by now: it was sent for the first time
    /// before `once`, or again before `again`, and may be sent once more.
    pub(super) fn overdue(&self, now: Instant, once: Instant, again: Instant) -> Option<Tsn> {
        let mut oldest = (self.first..).zip(&self.sent).take(MAX_LOOK);
        let is_overdue = |sent: &Sent| {
            // Where tries are counted they are not to be used up all at once.
            let is_counted = sent.part.message.draft.max_retransmits.is_some();
            let since = if sent.transmissions == 1 || is_counted { once } else { again };
            sent.state == State::InFlight && sent.at <= since && sent.has_hope(now)
        };
        oldest.find(|(_, sent)| is_overdue(sent)).map(|(tsn, _)| tsn)
    }

    /// The part of this number.
    pub(super) fn part(&self, tsn: Tsn) -> Option<&Part> {
        let index = usize::try_from(tsn.checked_sub(self.first)?).ok()?;
        self.sent.get(index).map(|sent| &sent.part)
    }

    /// Notes that a part is sent once more although it may be on its way still.
    pub(super) fn repeat(&mut self, now: Instant, tsn: Tsn) {
        let packet = self.packet;
        self.is_packet_used = true;
        if let Some(sent) = self.get_mut(tsn) {
            sent.at = now;
            sent.packet = packet;
            sent.transmissions = sent.transmissions.saturating_add(1);
        }
    }

    /// Takes an acknowledgement; `None` when it is out of date or cannot be meant.
    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        sack: &Sack,
        least_trip: Option<Duration>,
    ) -> Option<Progress> {
        let cumulative = unwrap(self.first - 1, sack.cumulative);
        if cumulative + 1 < self.first || cumulative >= self.next_tsn() {
            return None;
        }
        let before = self.newest;
        let mut progress = Progress { is_any: cumulative >= self.first, ..Progress::default() };
        for tsn in self.first..=cumulative {
            // What was given up is acknowledged here whether it has arrived or not.
            if self.get_mut(tsn).is_some_and(|sent| sent.state != State::Abandoned) {
                self.arrived(now, tsn, before, least_trip, &mut progress);
            }
        }
        self.sent.drain(..(cumulative + 1 - self.first) as usize);
        self.first = cumulative + 1;
        let mut next = self.first;
        for &(first, last) in &sack.gaps {
            let last = (cumulative + u64::from(last)).min(self.next_tsn() - 1);
            // They follow each other; looking at each place once bounds the work.
            for tsn in next.max(cumulative + u64::from(first))..=last {
                self.arrived(now, tsn, before, least_trip, &mut progress);
            }
            next = next.max(last + 1);
        }
        Some(progress)
    }

    fn arrived(
        &mut self,
        now: Instant,
        tsn: Tsn,
        before: Option<Newest>,
        least_trip: Option<Duration>,
        progress: &mut Progress,
    ) {
        let Some(sent) = self.get_mut(tsn).filter(|sent| sent.state != State::Arrived) else {
            return;
        };
        let (size, packet, at) = (sent.part.size(), sent.packet, sent.at);
        let is_first_try = sent.transmissions == 1;
        match std::mem::replace(&mut sent.state, State::Arrived) {
            State::InFlight => {
                self.in_flight -= size;
                progress.bytes += size;
            }
            State::Lost => {
                self.lost.remove(&tsn);
                progress.bytes += size;
            }
            State::Arrived | State::Abandoned => {}
        }
        progress.is_any = true;
        let trip = now.saturating_duration_since(at);
        if let Some(before) = before.filter(|before| is_first_try && packet < before.packet) {
            let late = trip.saturating_sub(before.trip);
            self.lateness = Some(self.lateness.map_or(late, |known| known.max(late)));
        }
        // Which of several tries has arrived? Not the last, if it has not had the time.
        let is_this_try = is_first_try || least_trip.is_none_or(|least| trip >= least);
        if is_this_try && self.newest.is_none_or(|newest| packet > newest.packet) {
            self.newest = Some(Newest { packet, trip });
            // Else it is not sure enough to count (RFC 9260, section 6.3.1, rule C5).
            progress.trip = is_first_try.then_some(trip);
        }
    }

    /// Finds what is lost by now. `usual_trip` bounds how long to wait for what may be late.
    pub(super) fn find_losses(&mut self, now: Instant, usual_trip: Duration) -> Losses {
        let mut losses = Losses::default();
        self.deadline = None;
        let Some(newest) = self.newest else { return losses };
        let patience = match self.lateness {
            // A little more than was seen.
            Some(late) => (late + late / 4).min(usual_trip),
            None => usual_trip / 4,
        };
        for index in 0..self.sent.len() {
            let sent = &self.sent[index];
            if sent.packet >= newest.packet {
                // What follows was sent later still, unless this one is here again.
                if sent.transmissions == 1 {
                    break;
                }
                continue;
            }
            if sent.state != State::InFlight {
                continue;
            }
            let due = sent.at + newest.trip + patience;
            let has_witnesses = self.lateness.is_none() && newest.packet - sent.packet >= WITNESSES;
            if has_witnesses || due <= now {
                self.lose(now, self.first + index as u64, &mut losses);
            } else {
                self.deadline = Some(self.deadline.map_or(due, |known| known.min(due)));
            }
        }
        losses
    }

    /// Counts everything on its way as lost: nothing has come back for too long.
    pub(super) fn lose_all(&mut self, now: Instant) -> Losses {
        let mut losses = Losses::default();
        for tsn in self.first..self.next_tsn() {
            self.lose(now, tsn, &mut losses);
        }
        losses
    }

    /// Has everything beyond the cumulative acknowledgement sent again: the other side may have
    /// thrown it away (RFC 9260, section 6.2.1).
    pub(super) fn distrust(&mut self) {
        for (tsn, sent) in (self.first..).zip(&mut self.sent) {
            if sent.state == State::Arrived {
                sent.state = State::Lost;
                self.lost.insert(tsn);
            }
        }
    }

    /// Has the oldest part that may be sent again count as lost; whether there is one.
    pub(super) fn lose_oldest(&mut self, now: Instant) -> bool {
        let may_be_sent = |sent: &Sent| sent.state == State::InFlight && sent.has_hope(now);
        let Some(index) = self.sent.iter().position(may_be_sent) else { return false };
        self.lose(now, self.first + index as u64, &mut Losses::default());
        true
    }

    fn lose(&mut self, now: Instant, tsn: Tsn, losses: &mut Losses) {
        let Some(sent) = self.get_mut(tsn).filter(|sent| sent.state == State::InFlight) else {
            return;
        };
        sent.state = State::Lost;
        let (size, packet, has_hope) = (sent.part.size(), sent.packet, sent.has_hope(now));
        losses.packet = losses.packet.max(Some(packet));
        losses.chunks += 1;
        let message = &sent.part.message;
        if !has_hope && !message.is_abandoned.replace(true) {
            losses.hopeless.push(Rc::clone(message));
        }
        self.in_flight -= size;
        self.lost.insert(tsn);
    }

    /// Messages that wait to be sent again and are not worth it any more.
    pub(super) fn expired(&self, now: Instant) -> Vec<Rc<Message>> {
        let lost = self.lost.iter().filter_map(|tsn| self.part(*tsn)).map(|part| &part.message);
        let expired = lost.filter(|message| message.is_expired(now));
        expired.filter(|message| !message.is_abandoned.replace(true)).map(Rc::clone).collect()
    }

    /// Gives up the messages that are marked as abandoned: the other side must not wait for them.
    /// `rests` is what has not been sent of them.
    pub(super) fn abandon(&mut self, now: Instant, rests: impl Iterator<Item = Part>) {
        for rest in rests {
            // Else, if all that was sent has arrived, it would wait for the rest for ever.
            let nothing = Part { range: rest.range.end..rest.range.end, ..rest };
            self.send(now, nothing);
        }
        for (tsn, sent) in (self.first..).zip(&mut self.sent) {
            if !sent.part.message.is_abandoned.get() || sent.state == State::Arrived {
                continue;
            }
            match sent.state {
                State::InFlight => self.in_flight -= sent.part.size(),
                State::Lost => drop(self.lost.remove(&tsn)),
                State::Arrived | State::Abandoned => {}
            }
            sent.state = State::Abandoned;
        }
    }

    /// What to tell the other side not to wait for, unless it was told already or a packet has no
    /// `room` for it.
    pub(super) fn news_to_forward(&mut self, is_interleaved: bool, room: usize) -> Option<Forward> {
        let (upto, forward) = self.forward(is_interleaved, room)?;
        (upto > self.forwarded).then(|| {
            self.forwarded = upto;
            forward
        })
    }

    /// What the other side must not wait for. When there is nothing, this asks for an
    /// acknowledgement (RFC 3758, section 3.6).
    pub(super) fn forward_again(&self, is_interleaved: bool, room: usize) -> Forward {
        let nothing = || Forward { cumulative: (self.first - 1) as u32, skipped: Vec::new() };
        self.forward(is_interleaved, room).map_or_else(nothing, |(_, forward)| forward)
    }

    fn forward(&self, is_interleaved: bool, room: usize) -> Option<(Tsn, Forward)> {
        let max_skipped = Forward::max_skipped(is_interleaved, room)?;
        if !self.is_forward_pending() {
            return None;
        }
        let mut upto = self.first - 1;
        let mut skipped: Vec<Skipped> = Vec::new();
        for (tsn, sent) in (self.first..).zip(&self.sent) {
            match sent.state {
                State::Abandoned if skipped.len() < max_skipped => {
                    // What has arrived beyond may be the begin of a message that goes on.
                    upto = tsn;
                    let message = &sent.part.message;
                    if is_interleaved || !message.draft.is_unordered {
                        skip(&mut skipped, message);
                    }
                }
                State::Arrived => {}
                State::Abandoned | State::InFlight | State::Lost => break,
            }
        }
        Some((upto, Forward { cumulative: upto as u32, skipped }))
    }
}

impl Sent {
    /// Whether it may be sent once more.
    fn has_hope(&self, now: Instant) -> bool {
        let message = &self.part.message;
        let limit = message.draft.max_retransmits;
        limit.is_none_or(|limit| self.transmissions <= limit) && !message.is_expired(now)
    }
}

/// Adds a message to those that are skipped: only the last of each stream is named.
fn skip(skipped: &mut Vec<Skipped>, message: &Message) {
    let (stream, is_unordered) = (message.stream, message.draft.is_unordered);
    let known = skipped
        .iter_mut()
        .find(|known| known.stream == stream && known.is_unordered == is_unordered);
    match known {
        Some(known) => known.message = message.number,
        None => skipped.push(Skipped { stream, is_unordered, message: message.number }),
    }
}
