//! What leaves, and when: as much as both the network and the other side can take.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::statistics::Counters;

use super::chunk::{Data, Place, Sack};
use super::congestion::Congestion;
use super::flight::{Flight, Losses};
use super::outgoing::{Draft, Message, Outgoing, Part};
use super::rtt::RoundTrip;
use super::wire::Packet;

/// The sending half of an association.
#[derive(Debug)]
pub(super) struct Sender {
    outgoing: Outgoing,
    flight: Flight,
    congestion: Congestion,
    trip: RoundTrip,
    /// The most payload that a packet holds.
    max_payload: usize,
    is_interleaved: bool,
    can_forward: bool,
    /// What the other side had room for when it was last heard of.
    window: usize,
    /// When something was last sent that is answered.
    last_sent: Option<Instant>,
    /// How often in a row an answer was missed.
    misses: u32,
    /// Whether one packet may leave although the network seems full.
    is_probing: bool,
    /// Whether the other side is to be told once more what it must not wait for.
    is_forward_due: bool,
    chunks_sent: u64,
    chunks_retransmitted: u64,
    chunks_lost: u64,
}

impl Sender {
    pub(super) fn new(first_tsn: u32, mtu: usize) -> Self {
        Self {
            outgoing: Outgoing::default(),
            flight: Flight::new(first_tsn),
            congestion: Congestion::new(mtu),
            trip: RoundTrip::default(),
            max_payload: 0,
            is_interleaved: false,
            can_forward: false,
            window: 0,
            last_sent: None,
            misses: 0,
            is_probing: false,
            is_forward_due: false,
            chunks_sent: 0,
            chunks_retransmitted: 0,
            chunks_lost: 0,
        }
    }

    /// The association stands. `room` is that of an empty packet.
    pub(super) fn open(
        &mut self,
        window: u32,
        room: usize,
        is_interleaved: bool,
        can_forward: bool,
    ) {
        self.window = window as usize;
        self.max_payload = room - Data::overhead(is_interleaved);
        self.is_interleaved = is_interleaved;
        self.can_forward = can_forward;
        if is_interleaved {
            self.outgoing.interleave(self.window);
        }
    }

    pub(super) fn push(&mut self, stream: u16, mut draft: Draft) {
        if !self.can_forward {
            draft.max_retransmits = None;
            draft.expires = None;
        }
        self.outgoing.push(stream, draft);
    }

    pub(super) fn buffered(&self, stream: u16) -> usize {
        self.outgoing.buffered(stream)
    }

    /// Forgets the messages of a stream of which nothing has been sent.
    pub(super) fn discard(&mut self, stream: u16) {
        self.outgoing.discard(stream);
    }

    /// The number of the last chunk that was sent.
    pub(super) fn last_tsn(&self) -> u32 {
        self.flight.last_tsn()
    }

    /// Whether everything up to there has arrived.
    pub(super) fn is_acknowledged(&self, tsn: u32) -> bool {
        self.flight.is_acknowledged(tsn)
    }

    pub(super) fn reset(&mut self, stream: u16) {
        self.outgoing.reset(stream);
    }

    /// Adds what is known here.
    pub(super) fn count(&self, counters: Counters) -> Counters {
        Counters {
            chunks_sent: self.chunks_sent,
            chunks_retransmitted: self.chunks_retransmitted,
            chunks_lost: self.chunks_lost,
            round_trip: self.trip.smoothed(),
            congestion_window: self.congestion.window(),
            in_flight: self.flight.in_flight(),
            ..counters
        }
    }

    /// Whether a packet would hold messages now.
    pub(super) fn can_send(&self) -> bool {
        let len = self.outgoing.next_len().min(self.max_payload);
        let has_new = len > 0 && self.has_window_for(len);
        (has_new || self.flight.has_lost()) && self.has_network_for(self.max_payload)
    }

    /// Takes an acknowledgement.
    pub(super) fn acknowledge(&mut self, now: Instant, sack: &Sack) {
        let in_flight = self.flight.in_flight();
        let Some(progress) = self.flight.acknowledge(now, sack, self.trip.least()) else { return };
        self.window = sack.window as usize;
        if let Some(trip) = progress.trip {
            self.trip.measure(trip);
        }
        if progress.is_any {
            self.misses = 0;
        }
        self.congestion.acknowledged(progress.bytes, in_flight);
        self.find_losses(now);
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Instant) {
        if self.flight.deadline().is_some_and(|due| due <= now) {
            self.find_losses(now);
        }
        if self.probe_deadline().is_some_and(|due| due <= now) {
            self.probe(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.flight.deadline().into_iter().chain(self.probe_deadline()).min()
    }

    /// When an answer is overdue.
    fn probe_deadline(&self) -> Option<Instant> {
        let last_sent = self.last_sent.filter(|_| self.flight.is_waiting())?;
        Some(last_sent + self.trip.patience(self.misses))
    }

    fn find_losses(&mut self, now: Instant) {
        let usual_trip = self.trip.smoothed().unwrap_or(Duration::ZERO);
        let losses = self.flight.find_losses(now, usual_trip);
        self.handle_losses(now, &losses);
    }

    fn handle_losses(&mut self, now: Instant, losses: &Losses) {
        if let Some(packet) = losses.packet {
            self.congestion.lost(packet, self.flight.last_packet());
        }
        self.chunks_lost += losses.chunks;
        self.abandon(now, &losses.hopeless);
    }

    /// Gives up messages: the other side must not wait for them.
    fn abandon(&mut self, now: Instant, messages: &[Rc<Message>]) {
        if !messages.is_empty() {
            let rests = messages.iter().filter_map(|message| self.outgoing.forget(message));
            self.flight.abandon(now, rests);
        }
    }

    /// An answer is overdue: provokes another, which tells what was lost. Only when several were
    /// missed does everything count as lost.
    fn probe(&mut self, now: Instant) {
        self.misses += 1;
        self.last_sent = Some(now);
        self.is_forward_due = self.flight.is_forward_pending();
        let is_window_closed = self.window < self.max_payload;
        if self.misses >= 3 {
            self.flight.distrust();
        }
        if self.misses >= 2 && !is_window_closed {
            let losses = self.flight.lose_all(now);
            self.chunks_lost += losses.chunks;
            self.congestion.collapsed(self.flight.last_packet());
            self.abandon(now, &losses.hopeless);
        } else if self.can_send_new() || self.flight.lose_oldest(now) {
            self.is_probing = true;
        } else {
            self.is_forward_due |= self.can_forward;
        }
    }

    fn can_send_new(&self) -> bool {
        !self.outgoing.is_empty() && self.has_window_for(self.max_payload)
    }

    /// Fills a packet with what may leave now.
    pub(super) fn fill(&mut self, now: Instant, packet: &mut Packet) {
        self.flight.begin_packet();
        self.forward(now, packet);
        while self.resend(now, packet) {}
        while self.send_new(now, packet) {}
        while self.repeat(now, packet) {}
        self.is_probing = false;
    }

    fn forward(&mut self, now: Instant, packet: &mut Packet) {
        let room = packet.room();
        let news = self.flight.news_to_forward(self.is_interleaved, room);
        let is_due = std::mem::take(&mut self.is_forward_due);
        let again = || self.flight.forward_again(self.is_interleaved, room);
        let Some(forward) = news.or_else(|| is_due.then(again)) else { return };
        forward.write(self.is_interleaved, packet);
        self.last_sent = Some(now);
    }

    fn resend(&mut self, now: Instant, packet: &mut Packet) -> bool {
        let Some(tsn) = self.flight.next_lost() else { return false };
        let Some(part) = self.flight.part(tsn).cloned() else { return false };
        if part.message.is_expired(now) {
            let expired = self.flight.expired(now);
            self.abandon(now, &expired);
            return true;
        }
        if part.len() > self.room(packet) || !self.has_network_for(part.len()) {
            return false;
        }
        self.flight.send_again(now, tsn);
        self.chunks_retransmitted += 1;
        self.write(now, tsn as u32, &part, packet);
        true
    }

    /// Uses the room that is left in a packet for what should have been acknowledged by now: it
    /// costs little, and wins the time that the next acknowledgement takes.
    fn repeat(&mut self, now: Instant, packet: &mut Packet) -> bool {
        if packet.is_empty() {
            return false;
        }
        let ago = |time: Duration| now.checked_sub(time).unwrap_or(now);
        let once = ago(self.trip.patience(0));
        let again = ago(self.trip.impatience());
        let Some(tsn) = self.flight.overdue(now, once, again) else { return false };
        let Some(part) = self.flight.part(tsn).cloned() else { return false };
        if part.len() > self.room(packet) {
            return false;
        }
        self.flight.repeat(now, tsn);
        self.chunks_retransmitted += 1;
        self.write(now, tsn as u32, &part, packet);
        true
    }

    fn send_new(&mut self, now: Instant, packet: &mut Packet) -> bool {
        let room = self.room(packet);
        let len = self.outgoing.next_len().min(room);
        if len == 0 || !self.has_window_for(len) || !self.has_network_for(len) {
            return false;
        }
        if self.flight.is_full() {
            return false;
        }
        let may_split = room >= self.max_payload;
        let Some(part) = self.outgoing.next(now, room, may_split) else { return false };
        let tsn = self.flight.send(now, part.clone());
        self.chunks_sent += 1;
        self.write(now, tsn, &part, packet);
        true
    }

    fn room(&self, packet: &Packet) -> usize {
        packet.room().saturating_sub(Data::overhead(self.is_interleaved))
    }

    /// Whether the other side takes another `len` bytes. To find out that it does again, it is
    /// tried with one packet (RFC 9260, section 6.1).
    fn has_window_for(&self, len: usize) -> bool {
        let in_flight = self.flight.in_flight();
        in_flight == 0 || in_flight + len <= self.window
    }

    /// Whether the network takes another `len` bytes.
    fn has_network_for(&self, len: usize) -> bool {
        let in_flight = self.flight.in_flight();
        in_flight == 0 || self.is_probing || in_flight + len <= self.congestion.window()
    }

    fn write(&mut self, now: Instant, tsn: u32, part: &Part, packet: &mut Packet) {
        self.last_sent = Some(now);
        let message = &part.message;
        let place = if self.is_interleaved {
            Place::Interleaved { message: message.number, part: part.number }
        } else {
            Place::Plain { ssn: message.number as u16 }
        };
        // When nothing follows, no acknowledgement should wait for it.
        let is_urgent = self.outgoing.is_empty()
            || !self.has_network_for(2 * self.max_payload)
            || !self.has_window_for(2 * self.max_payload);
        let data = Data {
            tsn,
            stream: message.stream,
            is_unordered: message.draft.is_unordered,
            is_first: part.is_first(),
            is_last: part.is_last(),
            is_urgent,
            place,
            ppid: message.draft.ppid,
            payload: part.payload(),
        };
        data.write(packet);
    }
}
