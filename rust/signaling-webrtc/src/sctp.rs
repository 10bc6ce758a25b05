//! Streams of messages, reliable or not, ordered or not: SCTP as data channels use it over DTLS
//! (RFC 8831, RFC 8261).
//!
//! ```text
//!  send ─► outgoing ─► sender ─► packets          flight      what is on its way, what was lost
//!          queues      │  ▲                       congestion  how much may be
//!                      ▼  │ acknowledgements      rtt         how long answers take
//!                     flight, congestion, rtt     arrivals    what came, when to say so
//!  receive ◄─ reassembly ◄─ arrivals ◄─ packets   resets      ending streams
//! ```
//! It is RFC 9260 with partial reliability (RFC 3758), stream resets (RFC 6525), interleaved
//! messages (RFC 8260) and no checksum where DTLS has one (RFC 9653), as far as the other side
//! knows them. Not there, since ICE and DTLS do their work: several addresses, heartbeats of our
//! own, restarts, giving up.

mod arrivals;
mod chunk;
mod congestion;
mod flight;
mod outgoing;
mod reassembly;
mod reset;
mod rtt;
mod sender;
mod serial;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::channels::Reliability;
use crate::config::PeerConfig;
use crate::statistics::Counters;
use arrivals::Arrivals;
use chunk::{Abilities, Data, Forward, Init, Place, Reconfig, Sack, kind};
use outgoing::Draft;
use reassembly::Reassembly;
use reset::Resets;
use sender::Sender;
use wire::{Header, Item, Packet};

/// The port that we announce, as everybody does.
pub(crate) const PORT: u16 = 5000;

/// What may wait in the association for one stream, in bytes. A message that exceeds it is taken
/// whole when nothing else waits.
pub(crate) const STREAM_BUFFER: usize = 128 * 1024;

/// What may arrive before it is read, in bytes.
const RECEIVE_WINDOW: usize = 1024 * 1024;
/// The most that the window grows to when larger messages are allowed.
const MAX_RECEIVE_WINDOW: usize = 1024 * 1024 * 1024;

/// Each side may have as many streams as there are ids.
const STREAMS: u16 = u16::MAX;

/// How long the handshake waits for an answer, doubled each time up to the last.
const HANDSHAKE_RETRY: Duration = Duration::from_millis(250);
const MAX_HANDSHAKE_RETRY: Duration = Duration::from_secs(1);

/// Answers that may wait to be sent; what asks for more is as good as lost.
const MAX_ANSWERS: usize = 32;

const OURS: Abilities =
    Abilities { forward_tsn: true, re_config: true, interleaving: true, zero_checksum: true };

/// One end of an SCTP association.
#[derive(Debug)]
pub(crate) struct Association {
    remote_port: u16,
    mtu: usize,
    ours: Init,
    /// What makes our cookies ours.
    secret: [u8; 8],
    phase: Phase,
    sender: Sender,
    reassembly: Reassembly,
    /// What [`Association::receive`] may leave unread, in bytes.
    capacity: usize,
    events: VecDeque<SctpEvent>,
    counters: Counters,
}

#[derive(Debug)]
enum Phase {
    Opening(Opening),
    Open(Box<Open>),
    Over,
}

/// What is asked again until it is answered: for a cookie, then whether the cookie is right.
#[derive(Debug)]
struct Opening {
    answer: Option<(Init, Vec<u8>)>,
    due: Instant,
    retry: Duration,
}

/// What is known once both sides know each other.
#[derive(Debug)]
struct Open {
    theirs: Init,
    abilities: Abilities,
    arrivals: Arrivals,
    resets: Resets,
    /// The window that the other side was last told of.
    told_window: usize,
}

/// How a message is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) ordered: bool,
    pub(crate) reliability: Reliability,
}

/// What arrived, in the order of its stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inbound {
    Message(Received),
    /// The other side sends nothing more on this stream.
    Reset(u16),
}

/// A message that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) stream: u16,
    pub(crate) ppid: u32,
    pub(crate) bytes: Vec<u8>,
    /// Whether a later one was delivered already; see [`Association::deliver_at_once`].
    pub(crate) is_late: bool,
}

/// What comes out of an [`Association`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SctpEvent {
    /// Send this packet.
    Transmit(Vec<u8>),
    /// Both sides can send.
    Connected,
    /// The other side has closed the association.
    Closed,
    /// The other side knows that we will send nothing more on these streams, or cannot be told.
    OutgoingReset(Vec<u16>),
}

impl Association {
    /// An association that begins to connect at once; both sides do.
    pub(crate) fn new(
        now: Instant,
        rng: &mut StdRng,
        config: &PeerConfig,
        remote_port: u16,
    ) -> Self {
        let mtu = config.mtu.clamp(512, 16_000);
        let capacity =
            config.max_message_bytes.saturating_mul(4).clamp(RECEIVE_WINDOW, MAX_RECEIVE_WINDOW);
        let ours = Init {
            tag: rng.random_range(1..=u32::MAX),
            window: capacity as u32,
            outgoing_streams: STREAMS,
            incoming_streams: STREAMS,
            first_tsn: rng.random(),
            abilities: OURS,
        };
        Self {
            remote_port,
            mtu,
            ours,
            secret: rng.random(),
            phase: Phase::Opening(Opening { answer: None, due: now, retry: HANDSHAKE_RETRY }),
            sender: Sender::new(ours.first_tsn, mtu),
            reassembly: Reassembly::default(),
            capacity,
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// The same, with numbers that begin elsewhere.
    #[cfg(test)]
    fn counting_from(mut self, first_tsn: u32) -> Self {
        self.ours.first_tsn = first_tsn;
        self.sender = Sender::new(first_tsn, self.mtu);
        self
    }

    /// How many streams the other side takes; ids are below. Known once connected.
    pub(crate) fn max_streams(&self) -> u16 {
        match &self.phase {
            Phase::Open(open) => open.theirs.incoming_streams,
            Phase::Opening(_) | Phase::Over => 0,
        }
    }

    /// Sends messages, none of them empty, as `(ppid, bytes)`.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        stream: u16,
        delivery: Delivery,
        messages: Vec<(u32, Vec<u8>)>,
    ) {
        let (max_retransmits, lifetime) = match delivery.reliability {
            Reliability::Reliable => (None, None),
            Reliability::MaxRetransmits(times) => (Some(times), None),
            Reliability::MaxPacketLifeTime(time) => (None, Some(time)),
        };
        let expires = lifetime.map(|time| now + time);
        let is_unordered = !delivery.ordered;
        for (ppid, bytes) in messages {
            let draft = Draft { ppid, bytes, is_unordered, max_retransmits, expires };
            self.sender.push(stream, draft);
        }
    }

    /// The bytes of this stream that have not left yet.
    pub(crate) fn buffered(&self, stream: u16) -> usize {
        self.sender.buffered(stream)
    }

    /// Forgets the messages of this stream of which nothing has left.
    pub(crate) fn discard(&mut self, stream: u16) {
        self.sender.discard(stream);
    }

    /// Has ordered messages of a stream delivered as soon as they have arrived, even while
    /// earlier ones are missing; those are marked as late then. For streams whose messages are
    /// never sent again, so that waiting for them is in vain.
    pub(crate) fn deliver_at_once(&mut self, stream: u16) {
        self.reassembly.deliver_at_once(stream);
    }

    /// Ends our side of a stream, whose messages have all left; [`SctpEvent::OutgoingReset`]
    /// follows. False when the other side does not know how.
    pub(crate) fn reset(&mut self, stream: u16) -> bool {
        match &mut self.phase {
            Phase::Open(open) if open.abilities.re_config => {
                open.resets.request(stream);
                true
            }
            _ => false,
        }
    }

    /// The next that arrived, on a stream that is not paused. Reading opens the window for more.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        is_paused: impl Fn(u16) -> bool,
    ) -> Option<Inbound> {
        let inbound = self.reassembly.receive(is_paused)?;
        let window = self.window();
        if let Phase::Open(open) = &mut self.phase
            && open.told_window < self.capacity / 4
            && window > self.capacity / 2
        {
            open.told_window = window;
            open.arrivals.tell(now);
        }
        self.perform_reset();
        Some(inbound)
    }

    fn window(&self) -> usize {
        self.capacity.saturating_sub(self.reassembly.held())
    }

    /// What has arrived and not been read, in bytes.
    #[cfg(test)]
    pub(crate) fn unread(&self) -> usize {
        self.reassembly.held()
    }

    /// Ends the association and tells the other side. What has not been read is gone.
    pub(crate) fn close(&mut self) {
        if let Phase::Open(_) = &self.phase {
            let mut packet = self.packet();
            chunk::write_abort(&mut packet);
            self.transmit(packet);
        }
        self.phase = Phase::Over;
        self.reassembly = Reassembly::default();
    }

    /// What has been done so far.
    pub(crate) fn counters(&self) -> Counters {
        self.sender.count(self.counters)
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant) {
        if let Phase::Open(_) = self.phase {
            self.sender.advance(now);
        }
    }

    /// When to call [`Association::advance`] and [`Association::poll`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Opening(opening) => Some(opening.due),
            Phase::Open(open) => {
                let due = [open.arrivals.due(), open.resets.due(), self.sender.poll_timeout()];
                due.into_iter().flatten().min()
            }
            Phase::Over => None,
        }
    }

    /// The next thing that happened, in order, or that there is to send now. Polling once after
    /// several packets were handled or messages were sent saves packets.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<SctpEvent> {
        if self.events.is_empty() {
            self.fill(now);
        }
        self.events.pop_front()
    }

    /// Takes a packet.
    pub(crate) fn handle(&mut self, now: Instant, packet: &[u8]) {
        let Some((header, chunks)) = wire::parse(packet) else { return };
        self.counters.packets_received += 1;
        let mut has_data = false;
        let mut is_urgent = false;
        for chunk in wire::items(chunks) {
            let [kind, flags] = chunk.head;
            if !self.is_meant(header.verification_tag, kind, flags) {
                break;
            }
            match kind {
                kind::DATA | kind::I_DATA => {
                    let Some(data) = Data::parse(chunk) else { continue };
                    has_data = true;
                    is_urgent |= data.is_urgent;
                    self.handle_data(now, &data);
                }
                // The two highest bits of a type say what to do without knowing it.
                _ if !self.handle_chunk(now, chunk) && kind & 0x80 == 0 => break,
                _ => {}
            }
        }
        if let Phase::Open(open) = &mut self.phase
            && has_data
        {
            open.arrivals.packet_ended(now, is_urgent);
        }
        self.perform_reset();
    }

    /// Whether the tag shows that a chunk was sent by the other side to this association
    /// (RFC 9260, section 8.5).
    fn is_meant(&self, tag: u32, kind: u8, flags: u8) -> bool {
        let is_reflected = flags & 1 != 0 && matches!(kind, kind::ABORT | kind::SHUTDOWN_COMPLETE);
        match kind {
            kind::INIT => tag == 0,
            _ if is_reflected => self.their_tag() == Some(tag),
            _ => tag == self.ours.tag,
        }
    }

    fn their_tag(&self) -> Option<u32> {
        match &self.phase {
            Phase::Opening(opening) => opening.answer.as_ref().map(|(theirs, _)| theirs.tag),
            Phase::Open(open) => Some(open.theirs.tag),
            Phase::Over => None,
        }
    }

    /// Takes a chunk that is not data. False when its type is not known.
    fn handle_chunk(&mut self, now: Instant, chunk: Item<'_>) -> bool {
        let Item { head: [kind, _], value } = chunk;
        match kind {
            kind::INIT => self.handle_init(value),
            kind::INIT_ACK => self.handle_init_ack(now, value),
            kind::COOKIE_ECHO => self.handle_cookie(value),
            kind::COOKIE_ACK => self.confirm(),
            kind::SACK => {
                self.confirm();
                if let Some(sack) = Sack::parse(value)
                    && let Phase::Open(_) = self.phase
                {
                    self.sender.acknowledge(now, &sack);
                }
            }
            kind::HEARTBEAT => self.answer(kind::HEARTBEAT_ACK, value),
            kind::ABORT | kind::SHUTDOWN_COMPLETE => self.end(),
            kind::SHUTDOWN => {
                self.answer(kind::SHUTDOWN_ACK, &[]);
                self.end();
            }
            kind::SHUTDOWN_ACK => {
                self.answer(kind::SHUTDOWN_COMPLETE, &[]);
                self.end();
            }
            kind::FORWARD_TSN | kind::I_FORWARD_TSN => self.handle_forward(now, chunk),
            kind::RE_CONFIG => Reconfig::parse(value).for_each(|line| self.handle_reconfig(line)),
            _ => return matches!(kind, kind::HEARTBEAT_ACK | kind::ERROR),
        }
        true
    }

    /// Both sides ask; each answers with a cookie, as though it knew nothing yet.
    fn handle_init(&mut self, value: &[u8]) {
        let Some(theirs) = Init::parse(value) else { return };
        if matches!(self.phase, Phase::Opening(_)) && self.events.len() < MAX_ANSWERS {
            let mut cookie = self.secret.to_vec();
            theirs.write(&mut cookie, None);
            let mut packet = self.packet_to(theirs.tag);
            let ours = self.ours;
            packet.push(kind::INIT_ACK, 0, |bytes| ours.write(bytes, Some(&cookie)));
            self.transmit(packet);
        }
    }

    fn handle_init_ack(&mut self, now: Instant, value: &[u8]) {
        if let Phase::Opening(opening) = &mut self.phase
            && opening.answer.is_none()
            && let Some((theirs, cookie)) = Init::parse(value).zip(Init::cookie(value))
        {
            let answer = Some((theirs, cookie.to_vec()));
            *opening = Opening { answer, due: now, retry: HANDSHAKE_RETRY };
        }
    }

    fn handle_cookie(&mut self, cookie: &[u8]) {
        let Some(theirs) = cookie.strip_prefix(&self.secret).and_then(Init::parse) else { return };
        match &self.phase {
            Phase::Opening(_) => self.open(theirs),
            Phase::Open(open) if open.theirs.tag == theirs.tag => {}
            Phase::Open(_) | Phase::Over => return,
        }
        self.answer(kind::COOKIE_ACK, &[]);
    }

    /// The other side has accepted our cookie: it said so, or behaves as though it had and what
    /// it said was lost.
    fn confirm(&mut self) {
        if let Phase::Opening(Opening { answer: Some((theirs, _)), .. }) = self.phase {
            self.open(theirs);
        }
    }

    fn open(&mut self, theirs: Init) {
        let abilities = self.ours.abilities.shared_with(theirs.abilities);
        let room = self.packet_to(theirs.tag).room();
        self.sender.open(theirs.window, room, abilities.interleaving, abilities.forward_tsn);
        self.phase = Phase::Open(Box::new(Open {
            theirs,
            abilities,
            arrivals: Arrivals::new(theirs.first_tsn),
            resets: Resets::new(self.ours.first_tsn, theirs.first_tsn),
            told_window: self.capacity,
        }));
        self.events.push_back(SctpEvent::Connected);
    }

    fn handle_data(&mut self, now: Instant, data: &Data<'_>) {
        self.confirm();
        let held = self.reassembly.held();
        let Phase::Open(open) = &mut self.phase else { return };
        let is_interleaved = matches!(data.place, Place::Interleaved { .. });
        if is_interleaved != open.abilities.interleaving {
            return;
        }
        let tsn = open.arrivals.tsn(data.tsn);
        // What others wait for is taken all the same, or nothing might ever be complete.
        let is_awaited = open.arrivals.is_next(tsn)
            && (open.arrivals.has_gaps() || self.reassembly.is_waiting());
        let limit = if is_awaited { 2 * self.capacity } else { self.capacity };
        if held + data.payload.len() > limit {
            open.arrivals.tell(now);
        } else if open.arrivals.add(tsn) {
            self.reassembly.add(tsn, data);
        }
    }

    fn handle_forward(&mut self, now: Instant, chunk: Item<'_>) {
        let Phase::Open(open) = &mut self.phase else { return };
        let is_interleaved = chunk.head[0] == kind::I_FORWARD_TSN;
        let Some(forward) = Forward::parse(chunk) else { return };
        if is_interleaved != open.abilities.interleaving {
            return;
        }
        let cumulative = open.arrivals.tsn(forward.cumulative);
        // Even one that is out of date is a question that wants an answer.
        open.arrivals.tell(now);
        if cumulative > open.arrivals.cumulative() {
            open.arrivals.skip_to(cumulative);
            self.reassembly.skip(cumulative, is_interleaved, &forward.skipped);
        }
    }

    fn handle_reconfig(&mut self, line: Reconfig) {
        let Phase::Open(open) = &mut self.phase else { return };
        match line {
            Reconfig::OutgoingReset { request, last_tsn, streams } => {
                let last_tsn = open.arrivals.tsn(last_tsn);
                open.resets.handle_request(request, last_tsn, streams);
            }
            Reconfig::Other { request } => open.resets.handle_other(request),
            Reconfig::Response { request, outcome } => {
                if let Some(streams) = open.resets.handle_response(request, outcome) {
                    streams.iter().for_each(|stream| self.sender.reset(*stream));
                    self.events.push_back(SctpEvent::OutgoingReset(streams));
                }
            }
        }
    }

    /// Ends streams of the other side, once everything it sent on them has arrived. While the
    /// reader leaves everything unread, this waits too.
    fn perform_reset(&mut self) {
        if self.window() > 0
            && let Phase::Open(open) = &mut self.phase
            && let Some(streams) = open.resets.perform(open.arrivals.cumulative())
        {
            self.reassembly.reset(streams);
        }
    }

    fn end(&mut self) {
        if !matches!(self.phase, Phase::Over) {
            self.phase = Phase::Over;
            self.events.push_back(SctpEvent::Closed);
        }
    }

    /// Writes the next packet that is due.
    fn fill(&mut self, now: Instant) {
        match self.phase {
            Phase::Opening(_) => self.fill_opening(now),
            Phase::Open(_) => self.fill_open(now),
            Phase::Over => {}
        }
    }

    fn fill_opening(&mut self, now: Instant) {
        let mut packet = self.packet();
        let Phase::Opening(opening) = &mut self.phase else { return };
        if opening.due > now {
            return;
        }
        opening.due = now + opening.retry;
        opening.retry = (opening.retry * 2).min(MAX_HANDSHAKE_RETRY);
        match &opening.answer {
            None => packet.push(kind::INIT, 0, |bytes| self.ours.write(bytes, None)),
            Some((_, cookie)) => packet.push(kind::COOKIE_ECHO, 0, |bytes| bytes.extend(cookie)),
        }
        self.transmit(packet);
    }

    fn fill_open(&mut self, now: Instant) {
        let mut packet = self.packet();
        let window = self.window();
        let Phase::Open(open) = &mut self.phase else { return };
        let is_due = |due: Instant| due <= now || self.sender.can_send();
        if open.arrivals.due().is_some_and(is_due) {
            open.told_window = window;
            open.arrivals.report(window as u32).write(&mut packet);
        }
        open.resets.fill(now, &self.sender, &mut packet);
        self.sender.fill(now, &mut packet);
        if !packet.is_empty() {
            self.transmit(packet);
        }
    }

    /// Answers a chunk, unless one packet asks for more answers than anybody needs.
    fn answer(&mut self, kind: u8, value: &[u8]) {
        if self.events.len() >= MAX_ANSWERS {
            return;
        }
        let mut packet = self.packet();
        packet.push(kind, 0, |bytes| bytes.extend(value));
        self.transmit(packet);
    }

    fn packet(&self) -> Packet {
        self.packet_to(self.their_tag().unwrap_or(0))
    }

    fn packet_to(&self, verification_tag: u32) -> Packet {
        let (source_port, destination_port) = (PORT, self.remote_port);
        Packet::new(Header { source_port, destination_port, verification_tag }, self.mtu)
    }

    fn transmit(&mut self, packet: Packet) {
        let needs_checksum = match &self.phase {
            Phase::Open(open) => !open.abilities.zero_checksum,
            Phase::Opening(_) | Phase::Over => true,
        };
        self.counters.packets_sent += 1;
        self.events.push_back(SctpEvent::Transmit(packet.finish(needs_checksum)));
    }
}
