//! Streams of messages, reliable or not, ordered or not (RFC 8831, RFC 9260). A seat for the
//! `dcsctp` crate.

use std::time::{Duration, Instant};

use dcsctp::api::{
    DcSctpSocket, ErrorKind, Message, Options, PpId, SendOptions, SocketEvent, SocketTime,
    StreamId, ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
};

use crate::channels::Reliability;
use crate::config::PeerConfig;
use crate::statistics::Counters;

/// The port that we announce, as everybody does.
pub(crate) const PORT: u16 = 5000;

/// What may wait in the association for one stream, in bytes. A message that exceeds it is taken
/// whole when nothing else waits.
pub(crate) const STREAM_BUFFER: usize = 128 * 1024;

/// What may arrive before it is read, in bytes. It also bounds what the other side has in
/// flight: after a burst of losses this implementation recovers slowly when that is much.
const RECEIVE_WINDOW: usize = 1024 * 1024;

/// The most that the window grows to when larger messages are allowed.
const MAX_RECEIVE_WINDOW: usize = 1024 * 1024 * 1024;

/// Messages that may have arrived and not been read. The window counts bytes only, and a flood
/// of tiny messages costs far more than their bytes.
const MAX_UNREAD: usize = 1024;

/// Expiries of timers that are caught up at once.
const MAX_CATCH_UP: usize = 64;

/// One end of an SCTP association.
pub(crate) struct Association {
    socket: Box<dyn DcSctpSocket>,
    start: Instant,
}

/// How a message is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) ordered: bool,
    pub(crate) reliability: Reliability,
}

/// A message that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) stream: u16,
    pub(crate) ppid: u32,
    pub(crate) bytes: Vec<u8>,
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
    /// The other side broke the protocol; the association is gone.
    Failed,
    /// The other side will send nothing more on these streams; none named means all.
    IncomingReset(Vec<u16>),
    /// The other side knows that we will send nothing more on these streams, or cannot be told.
    OutgoingReset(Vec<u16>),
}

impl Association {
    /// An association that begins to connect at once; both sides do.
    pub(crate) fn new(now: Instant, config: &PeerConfig, remote_port: u16) -> Self {
        let options = options(config, remote_port);
        let mut socket = dcsctp::new_socket("", &options);
        socket.connect();
        Self { socket, start: now }
    }

    /// Takes a packet. What it says is in [`Association::poll`] and [`Association::receive`].
    pub(crate) fn handle(&mut self, now: Instant, packet: &[u8]) {
        self.advance(now);
        // As though it had been lost: the other side sends it again.
        if self.socket.messages_ready_count() < MAX_UNREAD {
            self.socket.handle_input(packet);
        }
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant) {
        let now = SocketTime::zero() + (now - self.start);
        // After a pause without a path a timer has run out more than once.
        for _ in 0..MAX_CATCH_UP {
            self.socket.advance_time(now);
            if self.socket.poll_timeout() > now {
                return;
            }
        }
    }

    /// When to call [`Association::advance`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.socket.poll_timeout() - SocketTime::zero();
        (due != Duration::MAX).then(|| self.start + due)
    }

    /// How many streams the other side takes; ids are below. Known once connected.
    pub(crate) fn max_streams(&self) -> u16 {
        self.socket.get_metrics().map_or(0, |metrics| metrics.negotiated_maximum_outgoing_streams)
    }

    /// What it has done so far.
    pub(crate) fn counters(&self) -> Counters {
        let Some(metrics) = self.socket.get_metrics() else {
            return Counters::default();
        };
        Counters {
            packets_sent: metrics.tx_packets_count as u64,
            packets_received: metrics.rx_packets_count as u64,
            packets_retransmitted: metrics.rtx_packets_count as u64,
            round_trip: Some(metrics.srtt).filter(|srtt| !srtt.is_zero()),
        }
    }

    /// Sends messages, none of them empty, as `(ppid, bytes)`.
    pub(crate) fn send(&mut self, stream: u16, delivery: Delivery, messages: Vec<(u32, Vec<u8>)>) {
        let options = SendOptions {
            unordered: !delivery.ordered,
            lifetime: match delivery.reliability {
                Reliability::MaxPacketLifeTime(time) => Some(time),
                _ => None,
            },
            max_retransmissions: match delivery.reliability {
                Reliability::MaxRetransmits(times) => Some(times),
                _ => None,
            },
            lifecycle_id: None,
        };
        let message = |(ppid, bytes)| Message::new(StreamId(stream), PpId(ppid), bytes);
        let messages = messages.into_iter().map(message).collect();
        // It can only fail once the association is closing, and then all messages are lost.
        let _ = self.socket.send_many(messages, &options);
    }

    /// The bytes of this stream that have not left yet.
    pub(crate) fn buffered(&self, stream: u16) -> usize {
        self.socket.buffered_amount(StreamId(stream))
    }

    /// Ends our side of a stream, whose messages have all left; [`SctpEvent::OutgoingReset`]
    /// follows. False when the other side does not know how.
    pub(crate) fn reset(&mut self, stream: u16) -> bool {
        self.socket.reset_streams(&[StreamId(stream)]).is_ok()
    }

    /// The next message that arrived. Reading opens the window for more.
    pub(crate) fn receive(&mut self) -> Option<Received> {
        let Message { stream_id, ppid, payload } = self.socket.get_next_message()?;
        Some(Received { stream: stream_id.0, ppid: ppid.0, bytes: payload })
    }

    /// Ends the association and tells the other side.
    pub(crate) fn close(&mut self) {
        self.socket.close();
    }

    /// The next thing that happened, in order.
    pub(crate) fn poll(&mut self) -> Option<SctpEvent> {
        let ids = |streams: Vec<StreamId>| streams.into_iter().map(|stream| stream.0).collect();
        loop {
            return Some(match self.socket.poll_event()? {
                SocketEvent::SendPacket(packet) => SctpEvent::Transmit(packet),
                SocketEvent::OnConnected() => SctpEvent::Connected,
                SocketEvent::OnClosed() => SctpEvent::Closed,
                SocketEvent::OnAborted(ErrorKind::PeerReported, _) => SctpEvent::Closed,
                SocketEvent::OnAborted(..) => SctpEvent::Failed,
                SocketEvent::OnIncomingStreamReset(streams) => {
                    SctpEvent::IncomingReset(ids(streams))
                }
                SocketEvent::OnStreamsResetPerformed(streams)
                | SocketEvent::OnStreamsResetFailed(streams) => {
                    SctpEvent::OutgoingReset(ids(streams))
                }
                _ => continue,
            });
        }
    }
}

/// Tuned for games: little waiting, no giving up; whether the other side lives is ICE's business.
fn options(config: &PeerConfig, remote_port: u16) -> Options {
    let ms = Duration::from_millis;
    Options {
        local_port: PORT,
        remote_port,
        mtu: config.mtu.clamp(512, 16_000),
        max_message_size: usize::MAX,
        max_receiver_window_buffer_size: config
            .max_message_bytes
            .saturating_mul(4)
            .clamp(RECEIVE_WINDOW, MAX_RECEIVE_WINDOW),
        // The channels hand over no more than `STREAM_BUFFER` each.
        max_send_buffer_size: usize::MAX,
        per_stream_send_queue_limit: usize::MAX,
        rto_initial: ms(400),
        rto_min: ms(150),
        min_rtt_variance: ms(60),
        t1_init_timeout: ms(300),
        t1_cookie_timeout: ms(300),
        max_timer_backoff_duration: Some(ms(3000)),
        delayed_ack_max_timeout: ms(20),
        immediate_sack_under_cwnd_mtus: 64,
        max_retransmissions: None,
        max_init_retransmits: None,
        // DTLS has checked already that nothing was changed on the way.
        zero_checksum_alternate_error_detection_method:
            ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
        ..Options::default()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::seeds::for_each_seed;

    /// Two ends, and the packets on their way to each.
    struct Pair {
        now: Instant,
        ends: [Association; 2],
        arriving: [Vec<Vec<u8>>; 2],
        rng: StdRng,
    }

    impl Pair {
        fn new(seed: u64) -> Self {
            fastrand::seed(seed);
            let now = Instant::now();
            let end = || Association::new(now, &PeerConfig::default(), PORT);
            let rng = StdRng::seed_from_u64(seed);
            Self { now, ends: [end(), end()], arriving: [Vec::new(), Vec::new()], rng }
        }

        /// Lets 10 ms pass, and packets arrive, some with a garbled copy.
        fn step(&mut self, garbles: bool) {
            self.now += Duration::from_millis(10);
            for side in 0..2 {
                for packet in std::mem::take(&mut self.arriving[side]) {
                    self.ends[side].handle(self.now, &packet);
                    if garbles && self.rng.random_bool(0.2) {
                        let copy = self.garbled(packet);
                        self.ends[side].handle(self.now, &copy);
                    }
                }
                self.ends[side].advance(self.now);
                while self.ends[side].receive().is_some() {}
                while let Some(event) = self.ends[side].poll() {
                    if let SctpEvent::Transmit(packet) = event {
                        self.arriving[1 - side].push(packet);
                    }
                }
                // What a garbled copy provokes may provoke as much again.
                self.arriving[1 - side].truncate(50);
            }
        }

        fn garbled(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
            for _ in 0..self.rng.random_range(1..4) {
                // The header with its tag stays whole, so that the chunks are looked at.
                let place = self.rng.random_range(12..=packet.len().max(12));
                match self.rng.random_range(0..5) {
                    0 => packet.truncate(place),
                    1 => packet.insert(place.min(packet.len()), self.rng.random()),
                    _ => packet.iter_mut().skip(place).take(1).for_each(|byte| {
                        *byte = if self.rng.random() { self.rng.random() } else { *byte ^ 1 };
                    }),
                }
            }
            packet
        }
    }

    #[test]
    fn no_packet_of_the_other_side_panics() {
        let delivery = |reliability| Delivery { ordered: true, reliability };
        for_each_seed(0..40, |seed| {
            let mut pair = Pair::new(seed);
            for round in 0..60 {
                for (stream, end) in pair.ends.iter_mut().enumerate() {
                    let messages = vec![(53, vec![1; 300]), (51, vec![2; 3000])];
                    end.send(stream as u16, delivery(Reliability::Reliable), messages);
                    end.send(5, delivery(Reliability::MaxRetransmits(0)), vec![(53, vec![3; 50])]);
                    if round % 7 == 0 {
                        end.reset(5);
                    }
                }
                pair.step(seed % 3 != 0 || round > 20);
            }
        });
    }
}
