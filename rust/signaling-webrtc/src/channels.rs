//! What a data channel is.

use std::iter::Sum;
use std::ops::{AddAssign, SubAssign};
use std::time::Duration;

/// Names a channel between a connection and its owner. Channels made here have even numbers,
/// chosen by the caller; channels that the other side opened have odd ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelKey(pub u64);

/// How a channel is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInit {
    /// What the channel is called, at most 65,535 bytes.
    pub label: String,
    /// What is spoken over it, at most 65,535 bytes; mostly empty.
    pub protocol: String,
    /// Whether messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// How hard delivery is tried.
    pub reliability: Reliability,
    /// The stream id that both sides agreed upon, each making the channel itself; `None` when
    /// this side announces the channel to the other (RFC 8832).
    pub negotiated: Option<u16>,
}

/// How hard the delivery of a message is tried (RFC 3758, RFC 7496).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reliability {
    /// Until it has arrived.
    #[default]
    Reliable,
    /// At most so many times after the first.
    MaxRetransmits(u16),
    /// Until so much time has passed, counted in milliseconds.
    MaxPacketLifeTime(Duration),
}

/// How much a channel holds that waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Bytes of messages: the buffered amount.
    pub bytes: usize,
    /// Messages, also those without bytes.
    pub messages: usize,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.messages += other.messages;
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.messages -= other.messages;
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), |mut total, amount| {
            total += amount;
            total
        })
    }
}

/// Why a channel cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The connection is closed or has failed.
    #[error("the connection is closed")]
    Closed,
    /// Another channel has this stream id.
    #[error("stream {0} is in use")]
    IdInUse(u16),
    /// A stream id above 65,534, or as many channels as there can be.
    #[error("no such stream id")]
    IdOutOfRange,
    /// Label or protocol is longer than 65,535 bytes.
    #[error("label or protocol too long")]
    TextTooLong,
    /// The key names another channel already, or is odd.
    #[error("channel key in use")]
    KeyInUse,
}
