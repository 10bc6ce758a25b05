//! What goes into a connection, and what comes out.

use std::net::SocketAddr;

use crate::channels::{Amount, ChannelInit, ChannelKey};
use crate::dtls::DtlsFailure;
use crate::ice::IceFailure;
use crate::relays::{LinkEvent, LinkKey, LinkRequest};
use crate::sdp::SdpKind;
use crate::signaling_state::SignalingState;

/// What can happen to a [`PeerConnection`](super::PeerConnection).
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A datagram arrived.
    Datagram {
        /// The address of the socket it came to, as given to
        /// [`add_host_candidate`](super::PeerConnection::add_host_candidate).
        local: SocketAddr,
        /// Where it came from.
        from: SocketAddr,
        /// What is in it.
        bytes: &'a [u8],
    },
    /// Something happened on a link to a TURN server.
    Link {
        /// Which.
        link: LinkKey,
        /// What.
        event: LinkEvent<'a>,
    },
    /// Time has passed.
    Timeout,
}

/// What a [`PeerConnection`](super::PeerConnection) wants done.
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
    /// Do something about a link to a TURN server.
    Link {
        /// Which; its key is new in [`LinkRequest::Open`] only.
        link: LinkKey,
        /// What.
        request: LinkRequest,
    },
    /// Tell the owner.
    Event(Event),
}

/// What a [`PeerConnection`](super::PeerConnection) tells its owner.
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
    /// An ICE server is of no use, or what it granted is lost. The search goes on without it.
    IceServerFailed {
        /// Which, as it was given.
        url: String,
        /// What the server said, for example 401 for wrong credentials; 701 when nothing was
        /// heard of it (W3C WebRTC, section 4.8.1.3).
        code: u16,
        /// The same in words.
        reason: String,
    },
    /// Why the connection has failed; [`ConnectionState::Failed`] follows.
    Failed(Failure),
    /// The other side hides an address behind this name in `.local` (RFC 6762): hand in what it
    /// stands for with [`add_name`](super::PeerConnection::add_name).
    NameReceived {
        /// Which, in lower case.
        name: String,
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
    /// What waited to be sent has left, or was given up: the buffered amount falls.
    Sent {
        /// On which channel.
        key: ChannelKey,
        /// How much. A message counts once the last of its bytes has left.
        amount: Amount,
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
    /// There is a path, and it is encrypted; channels open.
    Connected,
    /// Nothing is heard from the other side at the moment. It may heal by itself.
    Disconnected,
    /// There is no way, or the other side is not who it claimed to be; [`Failure`] tells. A restart
    /// of ICE may still help where nothing was heard.
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

/// Why a connection has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// None of our own addresses could be used.
    #[error("no socket could be bound")]
    NoSocket,
    /// The other side named no address that could be tried.
    #[error("the other side sent no usable candidate")]
    NoCandidates,
    /// No pair of addresses worked: one side or both need a relay (TURN).
    #[error("no pair of candidates answered")]
    NoPairAnswered,
    /// Nothing was heard for [`PeerConfig::failed_after`](crate::PeerConfig::failed_after).
    #[error("the other side fell silent")]
    Silence,
    /// What we sent was not answered for 30 s, while something was heard (RFC 7675).
    #[error("the other side does not agree to receive any more")]
    ConsentExpired,
    /// The other side has another certificate than its description told.
    #[error("the other side's certificate does not match its fingerprint")]
    WrongCertificate,
    /// The DTLS handshake, or what followed it, broke the protocol or took too long.
    #[error("encryption failed")]
    Encryption,
}

impl From<IceFailure> for Failure {
    fn from(failure: IceFailure) -> Self {
        match failure {
            IceFailure::NoCandidates => Self::NoCandidates,
            IceFailure::NoPairAnswered => Self::NoPairAnswered,
            IceFailure::Silence => Self::Silence,
            IceFailure::ConsentExpired => Self::ConsentExpired,
        }
    }
}

impl From<DtlsFailure> for Failure {
    fn from(failure: DtlsFailure) -> Self {
        match failure {
            DtlsFailure::WrongCertificate => Self::WrongCertificate,
            DtlsFailure::Protocol => Self::Encryption,
        }
    }
}
