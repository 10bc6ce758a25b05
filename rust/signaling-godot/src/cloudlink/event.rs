//! What the sessions of all versions tell, in one language.

use godot::prelude::*;
use signaling_core::Cause;
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::peer_server::Serialization;

use crate::client::failure::{Failure, Trouble};

/// Somebody in the game.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Member {
    /// What the server knows it by.
    pub(super) id: String,
    /// What others see; empty where the server does not tell.
    pub(super) name: String,
    /// Its key for encryption; empty: none.
    pub(super) pubkey: String,
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The server knows us.
    Opened(Member),
    /// What was asked with this ticket has an answer.
    Answered {
        ticket: u64,
        answer: Result<Variant, Trouble>,
    },
    /// We are in a lobby.
    Entered {
        lobby: String,
        is_host: bool,
    },
    /// Our lobby has another host, or one that we did not know of; perhaps ourselves.
    HostChanged(Member),
    /// Our lobby has no host any more.
    HostGone,
    /// Somebody is in the lobby to whom we make an offer.
    MemberJoined(Member),
    /// Somebody is in the lobby who makes an offer to us.
    MemberFound(Member),
    MemberLeft(String),
    /// A new connection begins, whose offer follows and whose first channel is written like this.
    Connecting {
        from: Member,
        serialization: Serialization,
    },
    Told {
        from: Member,
        signal: Signal,
    },
    /// Another client wants a further channel.
    ChannelRequested {
        from: Member,
        id: i64,
        name: String,
        ordered: bool,
    },
    /// Another client calls, as with a telephone.
    Called(String),
    /// There is another lobby, with these keys.
    LobbyListed(VarDictionary),
    LobbyUnlisted(String),
    /// We are out of the lobby, and still connected.
    Out(Failure),
    /// Something for the user to read.
    Warned(String),
    /// The connection has ended. What has no answer gets none.
    Ended {
        code: u16,
        reason: String,
        cause: Cause,
    },
}
