//! What an engine has to do to be measured.

use crate::signal::Signal;

/// A WebRTC engine. Nothing of it waits: a game looks once a frame what has come.
pub trait Engine: Sized {
    type Connection: Connection;

    fn start() -> Self;

    /// A connection that is reached on loopback alone, with all channels of [`Channel::ALL`].
    fn connect(&self) -> Self::Connection;
}

pub trait Connection {
    /// Makes an offer; all else follows from what is passed on.
    fn offer(&mut self);

    /// Takes what the other end has to say.
    fn accept(&mut self, signal: &Signal);

    /// What the other end has to be told.
    fn signals(&mut self) -> Vec<Signal>;

    /// Whether all channels are open.
    fn is_open(&self) -> bool;

    /// False when there is no room at the moment.
    fn send(&mut self, channel: Channel, message: &[u8]) -> bool;

    /// Bytes that were accepted and have not left.
    fn buffered(&self, channel: Channel) -> usize;

    fn receive(&mut self, channel: Channel) -> Option<Vec<u8>>;
}

/// The channels that `WebRTCMultiplayerPeer` makes, negotiated, with its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Reliable,
    /// In order, never sent twice.
    Ordered,
    /// In any order, never sent twice.
    Unreliable,
}

impl Channel {
    pub const ALL: [Self; 3] = [Self::Reliable, Self::Ordered, Self::Unreliable];

    pub fn id(self) -> u16 {
        self.index() as u16 + 1
    }

    pub fn index(self) -> usize {
        self as usize
    }

    pub fn is_ordered(self) -> bool {
        self != Self::Unreliable
    }

    pub fn is_reliable(self) -> bool {
        self == Self::Reliable
    }
}
