//! What a session tells the game.

use std::time::Duration;

use signaling_core::{Cause, PeerId};

use super::state::ClientState;
use crate::godot::Topology;
use crate::godot::extended::{Json, LobbyEntry, LobbyView, MemberView, Object, Problem, Request};
use crate::godot::wire::{RelayKind, ServerMessage};

/// What the game is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The connection stands, and it is known what is spoken on it. Told once.
    Opened,
    /// The server speaks the extended protocol. Comes before `Opened`, and again before `Resumed`
    /// and `ResumeFailed`.
    Welcomed {
        /// Our id for invitations. When it is another one than before, all invitations are void.
        user: String,
        /// STUN and TURN servers, in the form of the W3C's `iceServers`.
        ice_servers: Json,
    },
    /// We stand differently towards lobbies; comes before the event that brought it about.
    StateChanged {
        /// Before.
        old: ClientState,
        /// Now.
        new: ClientState,
    },
    /// The server gave us our id in a lobby; comes before every [`ClientEvent::PeerConnected`].
    Identified {
        /// 1 when we created the lobby.
        id: PeerId,
        /// The topology of the lobby, whatever we asked for.
        topology: Topology,
        /// Counts how often all connections to others had to be made anew. What is sent through
        /// the session for them names it.
        generation: u64,
    },
    /// We are in a lobby.
    LobbyJoined {
        /// Its name.
        lobby: String,
        /// What it is like, when the protocol is the extended one.
        view: Option<Box<LobbyView>>,
    },
    /// The lobby was sealed; the server will end it soon.
    Sealed,
    /// Another peer is in the lobby, to connect to. Whoever has the higher id makes the offer.
    PeerConnected {
        /// Its id.
        id: PeerId,
    },
    /// Another peer has left the lobby.
    PeerDisconnected {
        /// Its id.
        id: PeerId,
    },
    /// Another peer sent an offer.
    Offer {
        /// The sender.
        from: PeerId,
        /// The session description.
        sdp: String,
    },
    /// Another peer sent an answer.
    Answer {
        /// The sender.
        from: PeerId,
        /// The session description.
        sdp: String,
    },
    /// Another peer sent a candidate.
    Candidate {
        /// The sender.
        from: PeerId,
        /// Which media section it belongs to, by name.
        mid: String,
        /// Which media section it belongs to, by index.
        index: i32,
        /// The candidate line.
        sdp: String,
    },
    /// What was asked with this ticket has an answer.
    Answered {
        /// The ticket.
        ticket: u64,
        /// What came of it.
        result: Result<Answer, Refusal>,
    },
    /// What the game had asked for before was asked again by the session itself, because the
    /// server began a new one: WATCH, WATCH_STATUS and SET_STATUS. Replaces what was known; what the
    /// server refuses is over.
    AskedAgain {
        /// What.
        request: Box<Request>,
        /// What came of it.
        result: Result<Answer, Refusal>,
    },
    /// A member of the lobby is new, or has changed; also told of ourselves.
    MemberChanged(Box<MemberView>),
    /// A member is gone.
    MemberLeft {
        /// Its id.
        id: PeerId,
        /// Why; `None` when it left by itself.
        problem: Option<Problem>,
    },
    /// The lobby has changed.
    LobbyChanged(Box<LobbyEntry>),
    /// The lobby has another host.
    HostChanged {
        /// Its id.
        id: PeerId,
        /// Whether it is us.
        is_me: bool,
    },
    /// All connections to others have to be made anew, because the host of a client-server lobby
    /// has the id 1 and is another now. `PeerConnected` follows for each, after `HostChanged`.
    EpochStarted {
        /// See [`ClientEvent::Identified`].
        generation: u64,
        /// The lobby, with our id from now on.
        view: Box<LobbyView>,
        /// Members whose id is another from now on: from, to.
        renamed: Vec<(PeerId, PeerId)>,
    },
    /// A member's connection to the server is lost; the server waits for its return.
    PeerUnstable {
        /// Its id.
        id: PeerId,
    },
    /// It has returned.
    PeerStable {
        /// Its id.
        id: PeerId,
    },
    /// A member sent something.
    LobbyMessage {
        /// The sender.
        from: PeerId,
        /// Whether it went to all.
        is_for_all: bool,
        /// What.
        data: Json,
    },
    /// A value of the lobby is another now.
    ValueChanged {
        /// Which.
        key: String,
        /// What it is; `None`: gone.
        value: Option<Json>,
        /// Who set it; `None` when that is not known: it was there before us, or we were away.
        by: Option<PeerId>,
    },
    /// A lobby that is watched for is new, or has changed.
    LobbyListed(Box<LobbyEntry>),
    /// A lobby that was watched for is not there any more.
    LobbyUnlisted {
        /// Its code.
        code: String,
    },
    /// A user's status is another now.
    StatusChanged {
        /// Where.
        namespace: String,
        /// Who.
        user: String,
        /// Its name.
        name: String,
        /// What; `None`: nothing any more.
        status: Option<Json>,
    },
    /// Somebody invites us.
    Invited {
        /// The number of the invitation.
        invite: u64,
        /// Who.
        user: String,
        /// Its name.
        name: String,
        /// Where.
        lobby: Box<LobbyEntry>,
        /// Anything.
        data: Option<Json>,
    },
    /// An invitation of ours was answered.
    InviteAnswered {
        /// Which.
        invite: u64,
        /// Whether it was accepted.
        is_accepted: bool,
    },
    /// An invitation for us is over.
    InviteCancelled {
        /// Which.
        invite: u64,
    },
    /// We are out of the lobby. Not told with the plain protocol, where the connection ends.
    LobbyLeft {
        /// Why; `None` when we left by ourselves.
        problem: Option<Problem>,
        /// Why, in words.
        message: String,
    },
    /// How long the members' ways to the server are, there and back, in milliseconds.
    RoundTrips(Vec<(PeerId, u32)>),
    /// The connection is lost; another try to make it follows.
    Reconnecting {
        /// Counts the tries, from 1 on, since the connection was last a good one.
        attempt: u32,
        /// How long it is until then.
        delay: Duration,
    },
    /// The connection stands again, and all goes on as before.
    Resumed,
    /// Our place in the lobby is lost. `LobbyLeft` follows.
    ResumeFailed {
        /// Why.
        problem: Problem,
    },
    /// The server sent something that means nothing; it was ignored.
    Malformed {
        /// How many bytes it had: what strangers send is not repeated.
        bytes: usize,
    },
    /// The connection has ended for good, or never came about. Nothing follows but answers: what
    /// was asked before is answered before, and what is asked later is refused.
    Disconnected {
        /// The close code; 1006 when there was no close frame.
        code: u16,
        /// The reason, as the server gave it or as the network reported it.
        reason: String,
        /// What brought it about.
        cause: Cause,
        /// Why the server turned us away, if it said so.
        problem: Option<Problem>,
    },
}

/// What came of something that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Of Create, Enter and QuickJoin: where we are. What a plain server does not tell has the
    /// value that it has there: no limit, host policy `close`, and as many players as are known.
    Lobby(Box<LobbyView>),
    /// Of anything else: what DONE brought.
    Object(Object),
}

/// Why something that was asked was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The server said no.
    Refused {
        /// Why.
        problem: Problem,
        /// Why, in words.
        message: String,
        /// What else there is to know, such as `value` with [`Problem::Conflict`].
        details: Object,
    },
    /// The connection has ended for good.
    NotConnected,
    /// The server speaks the plain protocol alone, which cannot express it.
    NeedsExtended,
    /// The connection was lost before there was an answer: it may have been done or not.
    ConnectionLost,
    /// Too much waits already to be sent or answered: 256 requests, or 256 KiB while there is no
    /// connection. It was not sent.
    Overloaded,
}

impl Refusal {
    /// What the server would have said.
    pub(super) fn by_problem(problem: Problem) -> Self {
        let message = problem.sentence().to_owned();
        Self::Refused { problem, message, details: Object::default() }
    }
}

/// What a message that both protocols have means to the game; `None` when it means nothing, or more
/// than that.
pub(super) fn of_message(message: ServerMessage<'_>) -> Option<ClientEvent> {
    match message {
        ServerMessage::PeerConnected(id) => Some(ClientEvent::PeerConnected { id }),
        ServerMessage::PeerDisconnected(id) => Some(ClientEvent::PeerDisconnected { id }),
        ServerMessage::Sealed => Some(ClientEvent::Sealed),
        ServerMessage::Relayed { kind, from, data } => relayed(kind, from, &data),
        ServerMessage::Joined { .. }
        | ServerMessage::Identified { .. }
        | ServerMessage::Extended(_) => None,
    }
}

/// `None` for a candidate that existing clients drop too: one without three non-empty lines, such
/// as the empty one that ends them.
fn relayed(kind: RelayKind, from: PeerId, data: &str) -> Option<ClientEvent> {
    Some(match kind {
        RelayKind::Offer => ClientEvent::Offer { from, sdp: data.to_owned() },
        RelayKind::Answer => ClientEvent::Answer { from, sdp: data.to_owned() },
        RelayKind::Candidate => {
            let mut lines = data.split('\n').filter(|line| !line.is_empty());
            let (mid, index, sdp) = (lines.next()?, lines.next()?, lines.next()?);
            let index = index.parse().ok().filter(|_| lines.next().is_none())?;
            ClientEvent::Candidate { from, mid: mid.into(), index, sdp: sdp.into() }
        }
    })
}
