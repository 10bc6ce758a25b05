//! Why the server closes a connection: every reason text of the protocol, in one place.

use signaling_core::Close;

use super::extended::Problem;
use super::wire::Malformed;

/// A protocol error, or the end of something that the connection depended on. No error message is
/// ever sent: the text is the reason of the close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Too many peers connected")]
    TooManyPeers,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("Already in a lobby")]
    AlreadyInLobby,
    #[error("Too many lobbies open, disconnecting")]
    TooManyLobbies,
    // The grammar is the protocol's: clients may compare the text.
    #[error("Lobby does not exists")]
    NoSuchLobby,
    #[error("Lobby is sealed")]
    LobbySealed,
    #[error("Invalid message when not in a lobby")]
    NotInLobby,
    #[error("Only host can seal the lobby")]
    NotHost,
    #[error("Invalid destination")]
    InvalidDestination,
    #[error("Message too large")]
    MessageTooLarge,
    #[error("Invalid command")]
    InvalidCommand,
    #[error("Have not joined lobby yet")]
    NotJoined,
    #[error("Room host has disconnected")]
    HostGone,
    // What only lobbies of the extended protocol know.
    #[error("{}", .0.sentence())]
    Problem(Problem),
}

/// The code of every close that is an error of the protocol.
const ERROR: u16 = 4000;

impl From<Refusal> for Close {
    fn from(refusal: Refusal) -> Self {
        Self::new(ERROR, &refusal.to_string())
    }
}

/// A close that tells why in other words: an error message's, or the embedding program's.
pub(super) fn refused(message: &str) -> Close {
    Close::new(ERROR, message)
}

/// The regular end of a sealed lobby.
pub(super) fn seal_complete() -> Close {
    Close::new(1000, "Seal complete")
}

/// What a close of the plain protocol means to a client, where the extended one has a name for it.
pub(super) fn problem(close: &Close) -> Option<Problem> {
    const NAMED: [(Refusal, Problem); 7] = [
        (Refusal::TooManyPeers, Problem::ServerFull),
        (Refusal::TooManyLobbies, Problem::ServerFull),
        (Refusal::NoSuchLobby, Problem::NotFound),
        (Refusal::LobbySealed, Problem::Sealed),
        (Refusal::AlreadyInLobby, Problem::InLobby),
        (Refusal::NotHost, Problem::NotHost),
        (Refusal::HostGone, Problem::HostLeft),
    ];
    let is_it = |refusal: Refusal| close.code == ERROR && *close.reason == refusal.to_string();
    NAMED.iter().find(|(refusal, _)| is_it(*refusal)).map(|(_, problem)| *problem)
}
