//! One connection to one peer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::candidate::RemoteCandidate;
use crate::certificate::Certificate;
use crate::channels::{ChannelError, ChannelInit, ChannelKey};
use crate::config::PeerConfig;
use crate::sdp::{Description, SdpKind};
use crate::signaling_state::{SignalingState, WrongState};

/// A WebRTC peer connection with data channels, as a state machine.
///
/// Call one command or [`PeerConnection::handle_input`], then drain
/// [`PeerConnection::poll_output`] until it returns `None`, then wait until
/// [`PeerConnection::poll_timeout`] and hand in [`Input::Timeout`]. Extra timeouts are harmless.
/// It must stay on the thread it was made on; everything that goes in or comes out may cross
/// threads.
pub struct PeerConnection {
    outputs: VecDeque<Output>,
}

/// What can happen to a [`PeerConnection`].
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A datagram arrived.
    Datagram {
        /// The address of the socket it came to, as given to
        /// [`PeerConnection::add_host_candidate`].
        local: SocketAddr,
        /// Where it came from.
        from: SocketAddr,
        /// What is in it.
        bytes: &'a [u8],
    },
    /// Time has passed.
    Timeout,
}

/// What a [`PeerConnection`] wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram.
    Transmit {
        /// The address of the socket to send it from.
        from: SocketAddr,
        /// Where to send it.
        to: SocketAddr,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// Tell the owner.
    Event(Event),
}

/// What a [`PeerConnection`] tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A description is ready to be set as ours and sent to the other side.
    DescriptionCreated {
        /// Offer or answer.
        kind: SdpKind,
        /// The text to send.
        sdp: String,
    },
    /// The other side should learn of this candidate.
    CandidateCreated {
        /// The media id it belongs to, never empty.
        mid: String,
        /// The index of the media line it belongs to.
        index: u32,
        /// The candidate line, without `a=`.
        candidate: String,
    },
    /// The state of the connection has changed.
    ConnectionState(ConnectionState),
    /// The state of gathering has changed. At [`GatheringState::Gathering`] it is time to bind
    /// sockets.
    GatheringState(GatheringState),
    /// The signaling state has changed.
    SignalingState(SignalingState),
    /// The other side opened a channel. It is open at once.
    ChannelAnnounced {
        /// Its key from now on.
        key: ChannelKey,
        /// How it was made.
        init: ChannelInit,
        /// Its stream id.
        id: u16,
    },
    /// A channel that was made here is open.
    ChannelOpen {
        /// Which.
        key: ChannelKey,
        /// Its stream id.
        id: u16,
    },
    /// A channel is being closed, by either side; nothing more can be sent.
    ChannelClosing {
        /// Which.
        key: ChannelKey,
    },
    /// A channel is closed; its key is not used again.
    ChannelClosed {
        /// Which.
        key: ChannelKey,
    },
    /// A message arrived.
    Message {
        /// On which channel.
        key: ChannelKey,
        /// What it says.
        data: Vec<u8>,
        /// Whether it was sent as text; then it may still not be UTF-8.
        text: bool,
    },
    /// Bytes that waited to be sent have left, or were given up: the buffered amount falls.
    Sent {
        /// On which channel.
        key: ChannelKey,
        /// How many.
        bytes: usize,
    },
}

/// How the connection as a whole is (W3C WebRTC, section 4.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionState {
    /// Nothing has been tried.
    #[default]
    New,
    /// Paths are being tried.
    Connecting,
    /// Channels work.
    Connected,
    /// Nothing is heard from the other side at the moment.
    Disconnected,
    /// There is no way, or the other side is not who it claimed to be.
    Failed,
    /// Closed, by either side; for good.
    Closed,
}

/// How far the search for our own addresses is (W3C WebRTC, section 4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GatheringState {
    /// Not begun.
    #[default]
    New,
    /// Going on.
    Gathering,
    /// All found.
    Complete,
}

/// Why a description cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// It does not fit the signaling state.
    #[error(transparent)]
    WrongState(#[from] WrongState),
    /// It is not the one that was created last; such a one cannot be set as ours.
    #[error("not the description that was created last")]
    NotCreatedHere,
    /// It contradicts what was agreed before (another media id, other certificates or roles).
    #[error("contradicts the descriptions before it")]
    Contradiction,
}

impl PeerConnection {
    /// A connection in state New. `seed` must be unpredictable: credentials are drawn from it.
    pub fn new(
        _now: Instant,
        _seed: [u8; 32],
        _certificate: &Certificate,
        _config: PeerConfig,
    ) -> Self {
        Self { outputs: VecDeque::new() }
    }

    /// Makes a channel: [`Event::ChannelOpen`] follows once it can be used.
    ///
    /// # Errors
    /// See [`ChannelError`]; nothing has changed then.
    pub fn create_channel(
        &mut self,
        _now: Instant,
        _key: ChannelKey,
        _init: ChannelInit,
    ) -> Result<(), ChannelError> {
        Ok(())
    }

    /// Makes an offer: [`Event::DescriptionCreated`] follows, nothing else changes.
    ///
    /// # Errors
    /// [`WrongState`] while the other side's offer waits for an answer, or after the end.
    pub fn create_offer(&mut self, _now: Instant) -> Result<(), WrongState> {
        Ok(())
    }

    /// Sets the description that was created last as ours. The first time, gathering begins.
    ///
    /// # Errors
    /// See [`DescriptionError`]; nothing has changed then.
    pub fn set_local_description(
        &mut self,
        _now: Instant,
        _description: Description,
    ) -> Result<(), DescriptionError> {
        Ok(())
    }

    /// Sets the other side's description. An offer is followed by [`Event::DescriptionCreated`]
    /// with our answer.
    ///
    /// # Errors
    /// See [`DescriptionError`]; nothing has changed then.
    pub fn set_remote_description(
        &mut self,
        _now: Instant,
        _description: Description,
    ) -> Result<(), DescriptionError> {
        Ok(())
    }

    /// Adds a candidate of the other side; before its description it is kept.
    pub fn add_remote_candidate(&mut self, _now: Instant, _candidate: RemoteCandidate) {}

    /// Adds a bound socket: [`Event::CandidateCreated`] follows.
    pub fn add_host_candidate(&mut self, _now: Instant, _address: SocketAddr) {}

    /// Adds a STUN server, which every host socket of its address family asks for its public
    /// address.
    pub fn add_stun_server(&mut self, _now: Instant, _server: SocketAddr) {}

    /// No more sockets or STUN servers will be added. Gathering is complete once the servers
    /// have answered or have been given up.
    pub fn end_of_local_candidates(&mut self, _now: Instant) {}

    /// Queues a message on a channel that is not closing. What waits is bounded by the caller,
    /// who knows the buffered amount: what it sent less what [`Event::Sent`] gave back. A
    /// message that can never be sent (larger than the other side takes, or the channel is gone)
    /// is dropped and given back the same way.
    pub fn send(&mut self, _now: Instant, _key: ChannelKey, _data: Vec<u8>, _text: bool) {}

    /// The largest message that the other side takes, in bytes; known with its description.
    pub fn max_message_bytes(&self) -> usize {
        256 * 1024
    }

    /// Stops delivering messages of this channel: its reader is full. A message of it that is
    /// next in line holds back those behind it, on all channels, and the other side learns of it
    /// through the receive window; so resume soon.
    pub fn pause_reading(&mut self, _key: ChannelKey) {}

    /// The reader of this channel has room again.
    pub fn resume_reading(&mut self, _now: Instant, _key: ChannelKey) {}

    /// Closes a channel once what waits on it has been sent; [`Event::ChannelClosing`] and later
    /// [`Event::ChannelClosed`] follow.
    pub fn close_channel(&mut self, _now: Instant, _key: ChannelKey) {}

    /// Closes the connection; the other side is told at once.
    pub fn close(&mut self, _now: Instant) {}

    /// Takes one input.
    pub fn handle_input(&mut self, _now: Instant, _input: Input<'_>) {}

    /// The next thing to do, in order; `None` when there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to hand in [`Input::Timeout`] at the latest; `None` means idle.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
