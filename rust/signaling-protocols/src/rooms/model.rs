//! Rooms, people and publishers, as both sides name them.

use std::fmt;
use std::sync::Arc;

use signaling_core::PeerId;

/// What a room is for. Fixed when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Channel {
    /// `p2p`, a call between two, both of them publishers.
    #[default]
    Call,
    /// `m2m`, a group chat: up to nine publishers, and viewers.
    Group,
    /// `a2m`, a group chat without video.
    AudioGroup,
    /// `p2m`, a broadcast: one publisher, and viewers.
    Broadcast,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Call, Self::Group, Self::AudioGroup, Self::Broadcast];

    /// What it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "p2p",
            Self::Group => "m2m",
            Self::AudioGroup => "a2m",
            Self::Broadcast => "p2m",
        }
    }

    /// The channel with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }

    /// Whether many may publish in it, each to all others.
    pub fn is_group(self) -> bool {
        matches!(self, Self::Group | Self::AudioGroup)
    }
}

/// One user's place in a room. A user may have several, such as a camera and a shared screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Participant {
    /// The user, chosen by the client.
    pub user: Arc<str>,
    /// Which of the user's sessions, chosen by the client.
    pub session: Arc<str>,
}

impl Participant {
    /// The session of a user.
    pub fn new(user: impl Into<Arc<str>>, session: impl Into<Arc<str>>) -> Self {
        Self { user: user.into(), session: session.into() }
    }

    /// The id that stands for it in a multiplayer peer: all members come to the same one.
    pub fn peer_id(&self) -> PeerId {
        PeerId::of_name(&self.to_string())
    }
}

/// User and session with a slash between them.
impl fmt::Display for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.session)
    }
}

/// For whom a signal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// All sessions of a user.
    User(String),
    /// One session.
    Session(Participant),
}

impl Recipient {
    /// Whether this session is meant.
    pub fn means(&self, participant: &Participant) -> bool {
        match self {
            Self::User(user) => *participant.user == **user,
            Self::Session(session) => session == participant,
        }
    }
}

impl From<Participant> for Recipient {
    fn from(participant: Participant) -> Self {
        Self::Session(participant)
    }
}

/// What a session says of its device; the server only repeats it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// `iOS`, `iOS_EX`, `Android`, `Web`, `Web_Studio` or `Server`.
    pub host: Option<String>,
    /// `stream` or `screenshare`.
    pub category: Option<String>,
    /// Which device.
    pub device: Option<String>,
}

/// What somebody publishes at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Media {
    /// Pictures.
    pub video: bool,
    /// Sound.
    pub audio: bool,
}

/// What a session is in its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It only receives.
    Viewer,
    /// It sends to the others.
    Publisher,
    /// The publisher who has been one for the longest. Messages call it `admin`.
    Owner,
}

impl Role {
    /// What it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Publisher => "publisher",
            Self::Owner => "admin",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Publisher, Self::Owner].into_iter().find(|role| role.name() == name)
    }
}

/// One entry in the list of those who publish in a room, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Who.
    pub participant: Participant,
    /// Publisher or owner.
    pub role: Role,
    /// What it publishes.
    pub media: Media,
    /// Its device.
    pub profile: Profile,
}
