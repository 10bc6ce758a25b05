//! One channel: what waits on it, what is on its way, and how it ends.

use std::collections::VecDeque;
use std::time::Instant;

use crate::channels::{Amount, ChannelInit, Reliability};
use crate::dcep::Control;
use crate::message::Payload;
use crate::sctp::{Association, Delivery, STREAM_BUFFER};

/// A channel that is not closed yet.
pub(super) struct Channel {
    init: ChannelInit,
    /// Unknown until it is known who begins the DTLS handshake.
    pub(super) stream: Option<u16>,
    pub(super) state: State,
    our_side: OurSide,
    pub(super) their_side_ended: bool,
    /// Whether the other side may not know the channel yet, so that order must be kept.
    pub(super) is_unconfirmed: bool,
    pub(super) is_paused: bool,
    /// Whether the association knows how to deliver what arrives.
    is_prepared: bool,
    waiting: VecDeque<Waiting>,
    handed: Handed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The association does not stand yet.
    Connecting,
    Open,
    /// Either side has closed it. It is gone when both sides' streams have ended.
    Closing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OurSide {
    Live,
    /// The other side has been told that nothing more comes.
    Ending,
    Ended,
}

/// A message that the association has not taken yet.
struct Waiting {
    payload: Payload,
    since: Instant,
}

/// What the association has taken of one channel and not sent yet, oldest first.
#[derive(Default)]
struct Handed {
    messages: VecDeque<Size>,
    on_wire: usize,
}

/// What has not left of a message. The two differ where the owner's count does not know what is
/// sent: control messages, and the one byte of an empty message.
struct Size {
    on_wire: usize,
    counted: Amount,
}

impl Channel {
    pub(super) fn new(init: ChannelInit, stream: Option<u16>) -> Self {
        Self {
            init,
            stream,
            state: State::Connecting,
            our_side: OurSide::Live,
            their_side_ended: false,
            is_unconfirmed: false,
            is_paused: false,
            is_prepared: false,
            waiting: VecDeque::new(),
            handed: Handed::default(),
        }
    }

    pub(super) fn open(&mut self, now: Instant) {
        self.state = State::Open;
        if self.init.negotiated.is_none() {
            self.is_unconfirmed = true;
            let open = Payload::Control(Control::Open(self.init.clone()).encode());
            // Before whatever waits already.
            self.waiting.push_front(Waiting { payload: open, since: now });
        }
    }

    pub(super) fn wait(&mut self, now: Instant, payload: Payload) {
        self.waiting.push_back(Waiting { payload, since: now });
    }

    pub(super) fn is_closed_to_messages(&self) -> bool {
        self.is_paused || self.their_side_ended
    }

    /// What has not left, as the owner counts it.
    pub(super) fn counted(&self) -> Amount {
        let waiting = self.waiting.iter().map(|waiting| waiting.payload.counted());
        waiting.chain(self.handed.messages.iter().map(|size| size.counted)).sum()
    }

    /// The other side knows that we send nothing more.
    pub(super) fn reset_done(&mut self) {
        if self.our_side == OurSide::Ending {
            self.our_side = OurSide::Ended;
        }
    }

    /// Whether both sides have ended.
    pub(super) fn is_over(&self) -> bool {
        self.our_side == OurSide::Ended && self.their_side_ended
    }

    /// Hands what waits to the association, and ends our side when it is time. Returns what has
    /// left or was given up.
    pub(super) fn flush(
        &mut self,
        now: Instant,
        max_bytes: usize,
        association: &mut Association,
    ) -> Amount {
        let is_connecting = self.state == State::Connecting;
        let Some(stream) = self.stream.filter(|_| !is_connecting) else { return Amount::default() };
        self.prepare(stream, association);
        let mut left = self.handed.settle(association.buffered(stream));
        if self.our_side == OurSide::Live && !self.their_side_ended {
            left += self.hand_over(now, stream, max_bytes, association);
        }
        self.end_our_side(stream, association);
        left += self.handed.settle(association.buffered(stream));
        left
    }

    /// A message that is never sent again must not delay those after it.
    fn prepare(&mut self, stream: u16, association: &mut Association) {
        let is_unrepeated = self.init.reliability == Reliability::MaxRetransmits(0);
        if !std::mem::replace(&mut self.is_prepared, true) && self.init.ordered && is_unrepeated {
            association.deliver_at_once(stream);
        }
    }

    /// Fills the association's buffer for this channel. Returns what was given up.
    fn hand_over(
        &mut self,
        now: Instant,
        stream: u16,
        max_bytes: usize,
        association: &mut Association,
    ) -> Amount {
        let mut given_up = Amount::default();
        let mut batch: Vec<(u32, Vec<u8>)> = Vec::new();
        let mut batch_delivery = None;
        while self.handed.on_wire < STREAM_BUFFER
            && let Some(Waiting { payload, since }) = self.waiting.pop_front()
        {
            let counted = payload.counted();
            let Some(delivery) = self.delivery(&payload, since, now) else {
                given_up += counted;
                continue;
            };
            if counted.bytes > max_bytes {
                given_up += counted;
                continue;
            }
            if let Some(previous) = batch_delivery.replace(delivery)
                && previous != delivery
            {
                association.send(now, stream, previous, std::mem::take(&mut batch));
            }
            let message = payload.encode();
            self.handed.push(Size { on_wire: message.1.len(), counted });
            batch.push(message);
        }
        if let Some(delivery) = batch_delivery {
            association.send(now, stream, delivery, batch);
        }
        given_up
    }

    /// How a message is to be delivered; `None` when it has waited for too long already.
    fn delivery(&self, payload: &Payload, since: Instant, now: Instant) -> Option<Delivery> {
        if matches!(payload, Payload::Control(_)) {
            return Some(Delivery { ordered: true, reliability: Reliability::Reliable });
        }
        let reliability = match self.init.reliability {
            Reliability::MaxPacketLifeTime(limit) => {
                Reliability::MaxPacketLifeTime(limit.checked_sub(now - since)?)
            }
            other => other,
        };
        Some(Delivery { ordered: self.init.ordered || self.is_unconfirmed, reliability })
    }

    /// Resets our stream when the channel is closing and there is nothing left to send, or nobody
    /// left to read it.
    fn end_our_side(&mut self, stream: u16, association: &mut Association) {
        if self.state != State::Closing || self.our_side != OurSide::Live {
            return;
        }
        if self.their_side_ended {
            association.discard(stream);
        }
        // A message that has been begun is ended even if nobody reads it: it would otherwise be
        // taken for one of the channel that has this stream next.
        let has_more = !self.waiting.is_empty() && !self.their_side_ended;
        if has_more || association.buffered(stream) > 0 {
            return;
        }
        self.our_side = OurSide::Ending;
        if !association.reset(stream) {
            // The other side does not know how to end a stream, so it never will either.
            self.our_side = OurSide::Ended;
            self.their_side_ended = true;
        }
    }
}

impl Handed {
    fn push(&mut self, size: Size) {
        self.on_wire += size.on_wire;
        self.messages.push_back(size);
    }

    /// Forgets what has left. Returns it as the owner counts it.
    fn settle(&mut self, still_buffered: usize) -> Amount {
        let mut left = self.on_wire.saturating_sub(still_buffered);
        let mut counted = Amount::default();
        while left > 0
            && let Some(size) = self.messages.front_mut()
        {
            let part = left.min(size.on_wire);
            left -= part;
            self.on_wire -= part;
            size.on_wire -= part;
            // A large message leaves in fragments.
            let counted_part = size.counted.bytes.min(part);
            size.counted.bytes -= counted_part;
            counted.bytes += counted_part;
            if size.on_wire == 0 {
                counted.messages += size.counted.messages;
                self.messages.pop_front();
            }
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_left_is_counted_to_the_byte() {
        let mut handed = Handed::default();
        for bytes in [0, 1000, 0, 5] {
            let counted = Amount { bytes, messages: 1 };
            handed.push(Size { on_wire: bytes.max(1), counted });
        }
        let mut left = |still| {
            let Amount { bytes, messages } = handed.settle(still);
            (bytes, messages)
        };
        assert_eq!(left(1007), (0, 0));
        assert_eq!(left(1006), (0, 1));
        assert_eq!(left(506), (500, 0));
        assert_eq!(left(5), (500, 2));
        assert_eq!(left(600), (0, 0), "a restart of the association brings some back");
        assert_eq!(left(0), (5, 1));
        assert_eq!(left(0), (0, 0));
    }
}
