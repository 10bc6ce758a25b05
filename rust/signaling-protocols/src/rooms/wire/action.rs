//! What a signal is for, in which rooms it is allowed, and why it may be refused.

use crate::rooms::model::Channel;

/// What a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Enter a room, create it, or come back into it.
    Join,
    /// Leave it.
    Leave,
    /// Publish something else than before.
    Update,
    /// Stay.
    Heartbeat,
    /// Remove others.
    Kick,
    /// Ask the owner to become a publisher.
    RequestPublish,
    /// Make somebody a publisher.
    AcceptPublish,
    /// Decline to.
    RejectPublish,
    /// A session description that begins a connection.
    Offer,
    /// A session description that answers one.
    Answer,
    /// An ICE candidate.
    Candidate,
    /// Receive from a media server.
    Watch,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Join,
        Self::Leave,
        Self::Update,
        Self::Heartbeat,
        Self::Kick,
        Self::RequestPublish,
        Self::AcceptPublish,
        Self::RejectPublish,
        Self::Offer,
        Self::Answer,
        Self::Candidate,
        Self::Watch,
    ];

    /// What it is called around a signal.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// What it is called in a signal, and in the acks to it.
    pub fn signal_name(self) -> &'static str {
        self.names().1
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Join => ("join", "JOIN"),
            Self::Leave => ("leave", "LEAVE"),
            Self::Update => ("updateVideo", "UPDATE"),
            Self::Heartbeat => ("heartbeat", "HEARTBEAT"),
            Self::Kick => ("kick", "KICK"),
            Self::RequestPublish => ("publishRequest", "PUBLISH_REQUEST"),
            Self::AcceptPublish => ("publishAccept", "PUBLISH_ACCEPT"),
            Self::RejectPublish => ("publishReject", "PUBLISH_REJECT"),
            Self::Offer => ("offer", "OFFER"),
            Self::Answer => ("answer", "ANSWER"),
            Self::Candidate => ("iceCandidate", "ICE"),
            Self::Watch => ("watch", "WATCH"),
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    pub(super) fn from_signal_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.signal_name() == name)
    }

    /// Whether it means anything in such a room.
    pub fn is_for(self, channel: Channel) -> bool {
        match self {
            Self::Join | Self::Leave | Self::Update | Self::Heartbeat => true,
            Self::Kick => channel != Channel::Call,
            Self::Offer | Self::Answer | Self::Candidate => channel != Channel::Broadcast,
            Self::RequestPublish | Self::AcceptPublish | Self::RejectPublish | Self::Watch => {
                channel.is_group()
            }
        }
    }
}

/// The code in an ack to a signal that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    /// The server failed, or is at a limit.
    Internal = 500,
    /// The signal is malformed.
    InvalidSignal = 2001,
    /// Not in this kind of room.
    UnsupportedChannel = 2002,
    /// There is no such room.
    RoomNotFound = 4001,
    /// Whoever must be in the room is not.
    NotRoomMember = 4002,
    /// The recipient is not in the room.
    RecipientNotMember = 4003,
    /// The room exists already.
    RoomExists = 4022,
    /// The sender publishes already.
    AlreadyPublisher = 4023,
    /// The recipient has just left.
    UserLeft = 4024,
    /// The sender may not, or the room is full.
    PermissionNotFound = 4051,
}

impl Code {
    /// The number in the ack.
    pub fn number(self) -> u16 {
        self as u16
    }
}

/// Why a signal was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// In which way.
    pub code: Code,
    /// A sentence for developers.
    pub message: &'static str,
}

impl Refusal {
    pub(crate) const fn new(code: Code, message: &'static str) -> Self {
        Self { code, message }
    }
}
