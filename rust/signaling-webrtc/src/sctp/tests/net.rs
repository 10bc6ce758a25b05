//! Two ends of an association and the network between them, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use dcsctp::api as theirs;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::channels::Reliability;
use crate::config::PeerConfig;
use crate::sctp::{Association, Delivery, Inbound, PORT, SctpEvent};

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) const RELIABLE: Delivery =
    Delivery { ordered: true, reliability: Reliability::Reliable };

/// What happens to packets on their way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) delay: Duration,
    /// Added at random, so that packets overtake each other.
    pub(super) jitter: Duration,
    pub(super) loss: f64,
    pub(super) duplication: f64,
    /// How many bytes pass in a millisecond, and how many may wait for it; 0 is no limit.
    pub(super) bytes_per_ms: usize,
    pub(super) queue: Duration,
}

impl Link {
    pub(super) const GOOD: Self = Self {
        delay: ms(20),
        jitter: Duration::ZERO,
        loss: 0.0,
        duplication: 0.0,
        bytes_per_ms: 0,
        queue: ms(100),
    };
}

/// One end: an association of ours, or one that was not written here.
pub(super) enum End {
    Ours(Box<Association>),
    Theirs(Box<dyn theirs::DcSctpSocket>),
}

/// A message that arrived: stream, bytes, whether a later one came before.
pub(super) type Message = (u16, Vec<u8>, bool);

pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) link: Link,
    pub(super) ends: [End; 2],
    /// Whether what arrives is read at once.
    pub(super) reads: [bool; 2],
    pub(super) messages: [Vec<(Instant, Message)>; 2],
    /// Streams that ended: those of the other end, and its own.
    pub(super) ended: [Vec<u16>; 2],
    pub(super) own_ended: [Vec<u16>; 2],
    pub(super) is_connected: [bool; 2],
    pub(super) packets: [usize; 2],
    start: Instant,
    rng: StdRng,
    arriving: BTreeMap<u64, (usize, Vec<u8>)>,
    order: BinaryHeap<Reverse<(Instant, u64)>>,
    next: u64,
    /// Until when the link is busy, for each direction.
    busy: [Instant; 2],
}

impl Net {
    pub(super) fn ours(seed: u64) -> Self {
        Self::new(seed, [true; 2])
    }

    /// `is_ours` says who wrote each end.
    pub(super) fn new(seed: u64, is_ours: [bool; 2]) -> Self {
        fastrand::seed(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let now = Instant::now();
        let ends = is_ours.map(|is_ours| {
            if !is_ours {
                return End::Theirs(their_socket());
            }
            let config = PeerConfig::default();
            let mut association = Association::new(now, &mut rng, &config, PORT);
            if seed.is_multiple_of(2) {
                // The numbers wrap around soon.
                association = association.counting_from(u32::MAX - 30);
            }
            End::Ours(Box::new(association))
        });
        Self {
            now,
            link: Link::GOOD,
            ends,
            reads: [true; 2],
            messages: Default::default(),
            ended: Default::default(),
            own_ended: Default::default(),
            is_connected: [false; 2],
            packets: [0; 2],
            start: now,
            rng,
            arriving: BTreeMap::new(),
            order: BinaryHeap::new(),
            next: 0,
            busy: [now; 2],
        }
    }

    pub(super) fn connected(seed: u64, is_ours: [bool; 2]) -> Self {
        let mut net = Self::new(seed, is_ours);
        net.drain(0);
        net.drain(1);
        net.run_until(ms(5000), "connected", |net| net.is_connected == [true; 2]);
        net
    }

    pub(super) fn send(&mut self, side: usize, stream: u16, delivery: Delivery, bytes: Vec<u8>) {
        let now = self.now;
        match &mut self.ends[side] {
            End::Ours(ours) => ours.send(now, stream, delivery, vec![(53, bytes)]),
            End::Theirs(socket) => {
                let (max_retransmissions, lifetime) = match delivery.reliability {
                    Reliability::Reliable => (None, None),
                    Reliability::MaxRetransmits(times) => (Some(times), None),
                    Reliability::MaxPacketLifeTime(time) => (None, Some(time)),
                };
                let options = theirs::SendOptions {
                    unordered: !delivery.ordered,
                    lifetime,
                    max_retransmissions,
                    lifecycle_id: None,
                };
                let message =
                    theirs::Message::new(theirs::StreamId(stream), theirs::PpId(53), bytes);
                assert!(socket.send(message, &options).is_ok());
            }
        }
        self.drain(side);
    }

    pub(super) fn reset(&mut self, side: usize, stream: u16) {
        match &mut self.ends[side] {
            End::Ours(ours) => assert!(ours.reset(stream)),
            End::Theirs(socket) => drop(socket.reset_streams(&[theirs::StreamId(stream)])),
        }
        self.drain(side);
    }

    pub(super) fn our(&mut self, side: usize) -> &mut Association {
        match &mut self.ends[side] {
            End::Ours(ours) => ours,
            End::Theirs(_) => panic!("that end is not ours"),
        }
    }

    /// Whether an end of ours keeps nothing of what has arrived.
    pub(super) fn is_all_read(&self, side: usize) -> bool {
        match &self.ends[side] {
            End::Ours(ours) => ours.unread() == 0,
            End::Theirs(_) => true,
        }
    }

    /// What arrived on a stream.
    pub(super) fn received(&self, side: usize, stream: u16) -> Vec<&[u8]> {
        let messages = self.messages[side].iter().map(|(_, message)| message);
        messages.filter(|(of, ..)| *of == stream).map(|(_, bytes, _)| &bytes[..]).collect()
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// How long it took.
    pub(super) fn run_until(
        &mut self,
        limit: Duration,
        what: &str,
        is_so: impl Fn(&Self) -> bool,
    ) -> Duration {
        let begin = self.now;
        while !is_so(self) {
            assert!(self.step(begin + limit), "not within {limit:?}: {what}");
        }
        self.now - begin
    }

    fn step(&mut self, until: Instant) -> bool {
        let arrival = self.order.peek().map(|Reverse((at, _))| *at);
        let due = [0, 1].map(|side| self.due(side));
        let Some(next) = due.into_iter().flatten().chain(arrival).min() else { return false };
        if next > until {
            return false;
        }
        self.now = self.now.max(next);
        while let Some(Reverse((at, key))) = self.order.peek().copied()
            && at <= self.now
        {
            self.order.pop();
            if let Some((side, packet)) = self.arriving.remove(&key) {
                self.handle(side, &packet);
            }
        }
        for side in [0, 1] {
            if self.due(side).is_some_and(|due| due <= self.now) {
                self.advance(side);
                assert!(self.due(side).is_none_or(|due| due > self.now), "it spins");
            }
        }
        true
    }

    fn due(&self, side: usize) -> Option<Instant> {
        match &self.ends[side] {
            End::Ours(ours) => ours.poll_timeout(),
            End::Theirs(socket) => {
                let due = socket.poll_timeout() - theirs::SocketTime::zero();
                (due != Duration::MAX).then(|| self.start + due)
            }
        }
    }

    fn advance(&mut self, side: usize) {
        match &mut self.ends[side] {
            End::Ours(ours) => ours.advance(self.now),
            End::Theirs(socket) => {
                socket.advance_time(theirs::SocketTime::zero() + (self.now - self.start));
            }
        }
        self.drain(side);
    }

    /// Hands a packet in, as though it came from the network.
    pub(super) fn handle(&mut self, side: usize, packet: &[u8]) {
        match &mut self.ends[side] {
            End::Ours(ours) => ours.handle(self.now, packet),
            End::Theirs(socket) => {
                socket.advance_time(theirs::SocketTime::zero() + (self.now - self.start));
                socket.handle_input(packet);
            }
        }
        self.drain(side);
    }

    /// Hands a packet to an end of ours and leaves what comes of it.
    pub(super) fn our_handle(&mut self, side: usize, packet: &[u8]) {
        let now = self.now;
        self.our(side).handle(now, packet);
    }

    /// What an end sends now, which does not reach the network.
    pub(super) fn drain_packets(&mut self, side: usize) -> Vec<Vec<u8>> {
        self.read(side);
        std::iter::from_fn(|| self.poll(side)).collect()
    }

    pub(super) fn drain(&mut self, side: usize) {
        loop {
            self.read(side);
            let Some(packet) = self.poll(side) else { return };
            self.transmit(side, &packet);
        }
    }

    fn read(&mut self, side: usize) {
        while self.reads[side] {
            match &mut self.ends[side] {
                End::Ours(ours) => match ours.receive(self.now, |_| false) {
                    Some(Inbound::Message(message)) => {
                        let message = (message.stream, message.bytes, message.is_late);
                        self.messages[side].push((self.now, message));
                    }
                    Some(Inbound::Reset(stream)) => self.ended[side].push(stream),
                    None => return,
                },
                End::Theirs(socket) => {
                    let Some(message) = socket.get_next_message() else { return };
                    let message = (message.stream_id.0, message.payload, false);
                    self.messages[side].push((self.now, message));
                }
            }
        }
    }

    /// The next packet that an end sends; what else happened is noted.
    fn poll(&mut self, side: usize) -> Option<Vec<u8>> {
        let ids = |streams: Vec<theirs::StreamId>| streams.into_iter().map(|stream| stream.0);
        loop {
            match &mut self.ends[side] {
                End::Ours(ours) => match ours.poll(self.now)? {
                    SctpEvent::Transmit(packet) => return Some(packet),
                    SctpEvent::Connected => self.is_connected[side] = true,
                    SctpEvent::Closed => self.is_connected[side] = false,
                    SctpEvent::OutgoingReset(streams) => self.own_ended[side].extend(streams),
                },
                End::Theirs(socket) => match socket.poll_event()? {
                    theirs::SocketEvent::SendPacket(packet) => return Some(packet),
                    theirs::SocketEvent::OnConnected() => self.is_connected[side] = true,
                    theirs::SocketEvent::OnIncomingStreamReset(streams) => {
                        self.ended[side].extend(ids(streams));
                    }
                    theirs::SocketEvent::OnStreamsResetPerformed(streams) => {
                        self.own_ended[side].extend(ids(streams));
                    }
                    _ => {}
                },
            }
        }
    }

    fn transmit(&mut self, side: usize, packet: &[u8]) {
        self.packets[side] += 1;
        assert!(packet.len() <= PeerConfig::default().mtu);
        let copies = 1 + usize::from(self.rng.random_bool(self.link.duplication));
        for _ in 0..copies {
            let jitter = self.link.jitter.mul_f64(self.rng.random());
            let Some(passed) = self.pass(side, packet.len()) else { continue };
            if !self.rng.random_bool(self.link.loss) {
                self.order.push(Reverse((passed + self.link.delay + jitter, self.next)));
                self.arriving.insert(self.next, (1 - side, packet.to_vec()));
                self.next += 1;
            }
        }
    }

    /// When a packet has passed the narrowest place; `None` when too much waits there already.
    fn pass(&mut self, side: usize, len: usize) -> Option<Instant> {
        if self.link.bytes_per_ms == 0 {
            return Some(self.now);
        }
        let begin = self.busy[side].max(self.now);
        if begin - self.now > self.link.queue {
            return None;
        }
        let micros = (len * 1000 / self.link.bytes_per_ms) as u64;
        self.busy[side] = begin + Duration::from_micros(micros);
        Some(self.busy[side])
    }
}

fn their_socket() -> Box<dyn theirs::DcSctpSocket> {
    let mut socket = dcsctp::new_socket(
        "",
        &theirs::Options {
            local_port: PORT,
            remote_port: PORT,
            mtu: PeerConfig::default().mtu,
            max_message_size: 1024 * 1024,
            max_send_buffer_size: usize::MAX,
            per_stream_send_queue_limit: usize::MAX,
            max_retransmissions: None,
            max_init_retransmits: None,
            ..theirs::Options::default()
        },
    );
    socket.connect();
    socket
}
