//! What the two send each other: numbers, on a reliable and on an unreliable channel.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use signaling_webrtc::{ChannelHandle, ChannelInit, ChannelState, PeerHandle, Reliability};

/// The numbers of one peer.
pub(crate) struct Game {
    reliable: ChannelHandle,
    unreliable: ChannelHandle,
    /// How many are sent on each channel.
    count: u32,
    sent: u32,
    begun: Option<Instant>,
    /// How many of the reliable ones have come.
    heard: u32,
    lucky: HashSet<u32>,
}

/// Between two messages on a channel.
const INTERVAL: Duration = Duration::from_millis(10);

impl Game {
    pub(crate) fn new(peer: &PeerHandle, count: u32) -> Self {
        let channel = |id, ordered, reliability| {
            let init = ChannelInit {
                label: "game".to_owned(),
                protocol: String::new(),
                ordered,
                reliability,
                negotiated: Some(id),
            };
            peer.create_channel(init).expect("the channel is valid")
        };
        Self {
            reliable: channel(1, true, Reliability::Reliable),
            unreliable: channel(3, false, Reliability::MaxRetransmits(0)),
            count,
            sent: 0,
            begun: None,
            heard: 0,
            lucky: HashSet::new(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        [&self.reliable, &self.unreliable].iter().all(|c| c.state() == ChannelState::Open)
    }

    /// Sends what is due and takes what has come.
    pub(crate) fn step(&mut self, now: Instant) {
        let begun = *self.begun.get_or_insert(now);
        if self.sent < self.count && now >= begun + INTERVAL * self.sent {
            let number = self.sent.to_be_bytes();
            self.reliable.put(&number, false).expect("there is room for so little");
            self.unreliable.put(&number, false).expect("there is room for so little");
            self.sent += 1;
        }
        while let Some(message) = self.reliable.take() {
            assert_eq!(message.data, self.heard.to_be_bytes(), "in order, each once");
            self.heard += 1;
        }
        while let Some(message) = self.unreliable.take() {
            let number = u32::from_be_bytes(message.data.try_into().expect("four bytes"));
            assert!(number < self.count && self.lucky.insert(number), "{number} came twice");
        }
    }

    /// Whether everything was sent, and every reliable message of the other one has come.
    pub(crate) fn has_heard_all(&self) -> bool {
        self.sent == self.count && self.heard == self.count
    }

    /// How many unreliable messages have come.
    pub(crate) fn lucky(&self) -> usize {
        self.lucky.len()
    }

    /// How many were sent on each channel.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }
}
