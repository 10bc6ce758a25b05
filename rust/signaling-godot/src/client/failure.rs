//! Why something failed, as games are told.

use godot::prelude::*;
use signaling_core::Cause;
use signaling_protocols::godot::Refusal;
use signaling_protocols::godot::extended::{Json, Object, Problem};

use super::SignalingClient;
use crate::json;
use crate::peers::LinkEvent;

macro_rules! failures {
    ($($variant:ident = $number:literal, $name:literal, $sentence:expr, $hint:literal;)*) => {
        /// Why something failed. The numbers never change: they are the `FAILURE_` constants.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Failure {
            $($variant = $number,)*
        }

        impl Failure {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name, as in the constant.
            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A sentence that a player can read.
            fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// What a developer can do about it.
            fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }
        }
    };
}

failures! {
    None = 0, "none", "", "";
    ServerUnreachable = 1, "server_unreachable", "The server cannot be reached.",
        "Nobody answers at `url` as a signaling server does: look at the address, at whether the \
         server runs, and at the firewalls between.";
    TlsFailed = 2, "tls_failed", "No secure connection to the server could be made.",
        "The server's certificate is not valid for the name in `url`, has expired, or is signed by \
         nobody whom this machine trusts.";
    RefusedOrigin = 3, "refused_origin", "The server turned you away.",
        "The server, or a proxy before it, answered 403: it does not let this origin in.";
    WrongVersion = 4, "wrong_version", Problem::WrongVersion.sentence(),
        "`game_id` and `game_version` have to be those that the server, or the lobby, asks for.";
    NotFound = 5, "not_found", Problem::NotFound.sentence(),
        "The code is mistyped, or the lobby has ended. Lobbies of another `game_id` are out of reach.";
    Full = 6, "full", Problem::Full.sentence(), "The lobby has `max_players` members.";
    Locked = 7, "locked", Problem::Locked.sentence(),
        "The host has set `locked` with update_lobby().";
    Sealed = 8, "sealed", Problem::Sealed.sentence(), "The host has called seal_lobby().";
    Password = 9, "password", Problem::WrongPassword.sentence(),
        "Ask the player and try again with the option `password`; a wrong one costs a few seconds \
         when it is repeated.";
    Banned = 10, "banned", Problem::Banned.sentence(), "The host has called ban().";
    Kicked = 11, "kicked", Problem::Kicked.sentence(), "The host has called kick().";
    HostLeft = 12, "host_left", Problem::HostLeft.sentence(),
        "With the host policy \"migrate\" somebody else becomes the host instead.";
    RateLimited = 13, "rate_limited", Problem::RateLimited.sentence(),
        "Ask less often; docs/protocol.md has the limits.";
    Unauthorized = 14, "unauthorized", Problem::Unauthorised.sentence(),
        "The server does not know `auth_token`.";
    IceFailed = 15, "ice_failed", "The connection to another player failed.",
        "Look at the kinds of candidates: without \"srflx\" no STUN server answered, and two \
         players behind strict routers need a TURN server, whose candidates are \"relay\".";
    TurnUnreachable = 16, "turn_unreachable", "A relay server cannot be used.",
        "The TURN server does not answer or refuses the credentials: see `code` and `reason`.";
    NoWebrtc = 17, "no_webrtc", "This game cannot connect to other players here.",
        "There is no WebRTC for this platform, or it does not understand `ice_servers` or \
         `rtc_configuration`: see `reason`.";
    Invalid = 18, "invalid", Problem::Invalid.sentence(),
        "The request is not what the server, or this class, understands: see the message.";
    Rejected = 19, "rejected", Problem::Rejected.sentence(),
        "Whoever decides on the server said no.";
    ServerFull = 20, "server_full", Problem::ServerFull.sentence(),
        "The server has as many clients, lobbies or invitations as it takes.";
    Closed = 21, "closed", Problem::Closed.sentence(),
        "The host has called close_lobby(), or the server has closed the lobby.";
    Lost = 22, "lost", Problem::Lost.sentence(),
        "The server's `resume_timeout` is over, or it was started anew: join again.";
    NotInLobby = 23, "not_in_lobby", Problem::NotInLobby.sentence(),
        "Wait for `lobby_joined`.";
    InLobby = 24, "in_lobby", Problem::InLobby.sentence(), "Call leave_lobby() first.";
    NotHost = 25, "not_host", Problem::NotHost.sentence(),
        "Look at `host` in get_members() before.";
    NoSuchMember = 26, "no_such_member", Problem::NoSuchMember.sentence(),
        "The member may have left in the meantime.";
    NoSuchUser = 27, "no_such_user", Problem::NoSuchUser.sentence(),
        "The user has gone, or connected anew and has another id now.";
    NoSuchInvite = 28, "no_such_invite", Problem::NoSuchInvite.sentence(),
        "It was taken back, answered, or its lobby is gone.";
    Conflict = 29, "conflict", Problem::Conflict.sentence(),
        "`value` of the request is what the value is now.";
    NotConnected = 30, "not_connected", "You are not connected.",
        "The connection has ended; the next request makes a new one.";
    NeedsExtended = 31, "needs_extended", "This server cannot do that.",
        "The server speaks the plain protocol alone, or `extended` is off.";
    ConnectionLost = 32, "connection_lost", "The connection to the server was lost.",
        "It may have been done or not: look before asking again.";
    Overloaded = 33, "overloaded", "Too much is going on, please wait a moment.",
        "256 requests or 256 KiB wait already: ask less, or wait for answers.";
    ServerClosed = 34, "server_closed", "The server has closed the connection.",
        "See `code` and `reason`: 1001 means that it was shut down.";
    Cancelled = 35, "cancelled", "It was cancelled.",
        "stop(), or a new connection, came before the answer.";
}

/// What is told of a failure.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    failure: Failure,
    message: String,
    details: VarDictionary,
}

impl Trouble {
    pub(super) fn new(failure: Failure) -> Self {
        let details = vdict! { "name" => failure.name(), "hint" => failure.hint() };
        Self { failure, message: failure.sentence().to_owned(), details }
    }

    /// Why the connection has ended, unless we ended it.
    pub(super) fn of_end(
        code: u16,
        reason: &str,
        cause: Cause,
        problem: Option<Problem>,
    ) -> Option<Self> {
        let failure = match (problem, cause) {
            (Some(problem), _) => problem.into(),
            (None, Cause::Closed) if code == 1000 => return None,
            (None, Cause::Closed) => Failure::ServerClosed,
            (None, Cause::Lost) => Failure::ConnectionLost,
            (None, Cause::Refused { status: 403 }) => Failure::RefusedOrigin,
            (None, Cause::Refused { .. } | Cause::Unreachable) => Failure::ServerUnreachable,
            (None, Cause::Tls) => Failure::TlsFailed,
        };
        // What the game on the server says to whom it turns away is for the player.
        let words = match problem {
            Some(Problem::Unauthorised | Problem::Rejected) => reason,
            _ => "",
        };
        Some(
            Self::new(failure)
                .saying(words)
                .with("code", &code)
                .with("reason", &GString::from(reason)),
        )
    }

    /// Why somebody else ended our stay in a lobby.
    pub(super) fn of_problem(problem: Problem, message: &str) -> Self {
        Self::new(problem.into()).saying(message)
    }

    /// Why a connection to another player is of no use.
    pub(super) fn of_link(event: &LinkEvent) -> Option<Self> {
        match event {
            LinkEvent::Failed { id, reason, local_candidates, remote_candidates } => Some(
                Self::new(Failure::IceFailed)
                    .with("peer", &json::id(*id))
                    .with("reason", &GString::from(reason))
                    .with("local_candidates", local_candidates)
                    .with("remote_candidates", remote_candidates),
            ),
            LinkEvent::ServerFailed { url, code, reason } if is_turn(url) => Some(
                Self::new(Failure::TurnUnreachable)
                    .with("url", url)
                    .with("code", code)
                    .with("reason", reason),
            ),
            LinkEvent::Impossible { reason } => {
                Some(Self::new(Failure::NoWebrtc).with("reason", &GString::from(*reason)))
            }
            _ => None,
        }
    }

    /// The same in other words, if there are any.
    pub(super) fn saying(mut self, message: &str) -> Self {
        if !message.is_empty() {
            message.clone_into(&mut self.message);
        }
        self
    }

    /// The same with something more to know.
    pub(super) fn with(mut self, key: &str, value: &impl ToGodot) -> Self {
        self.details.set(key, &value.to_variant());
        self
    }

    pub(super) fn failure(&self) -> Failure {
        self.failure
    }

    pub(super) fn message(&self) -> GString {
        GString::from(&self.message)
    }

    pub(super) fn details(&self) -> VarDictionary {
        self.details.clone()
    }

    fn with_all(mut self, details: &Object) -> Self {
        self.details.extend_dictionary(&json::object_to_dictionary(details), false);
        self
    }
}

impl From<&Refusal> for Trouble {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Refused { problem, message, details } => {
                Self::of_problem(*problem, message).with_all(details)
            }
            Refusal::NotConnected => Self::new(Failure::NotConnected),
            Refusal::NeedsExtended => Self::new(Failure::NeedsExtended),
            Refusal::ConnectionLost => Self::new(Failure::ConnectionLost),
            Refusal::Overloaded => Self::new(Failure::Overloaded),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Invalid => Self::Invalid,
            Problem::WrongVersion => Self::WrongVersion,
            Problem::Unauthorised => Self::Unauthorized,
            Problem::Rejected => Self::Rejected,
            Problem::RateLimited => Self::RateLimited,
            Problem::ServerFull => Self::ServerFull,
            Problem::NotFound => Self::NotFound,
            Problem::Full => Self::Full,
            Problem::Locked => Self::Locked,
            Problem::Sealed => Self::Sealed,
            Problem::WrongPassword => Self::Password,
            Problem::Banned => Self::Banned,
            Problem::Kicked => Self::Kicked,
            Problem::HostLeft => Self::HostLeft,
            Problem::Closed => Self::Closed,
            Problem::Lost => Self::Lost,
            Problem::NotInLobby => Self::NotInLobby,
            Problem::InLobby => Self::InLobby,
            Problem::NotHost => Self::NotHost,
            Problem::NoSuchMember => Self::NoSuchMember,
            Problem::NoSuchUser => Self::NoSuchUser,
            Problem::NoSuchInvite => Self::NoSuchInvite,
            Problem::Conflict => Self::Conflict,
        }
    }
}

fn is_turn(url: &GString) -> bool {
    url.to_lower().begins_with("turn")
}

/// The value that was found where another was expected.
pub(super) fn conflicting(refusal: &Refusal) -> Option<Json> {
    match refusal {
        Refusal::Refused { problem: Problem::Conflict, details, .. } => details.get("value"),
        _ => None,
    }
}

#[godot_api(secondary)]
impl SignalingClient {
    /// Nothing failed.
    #[constant]
    const FAILURE_NONE: i64 = Failure::None as i64;
    /// No signaling server answers at [member url].
    #[constant]
    const FAILURE_SERVER_UNREACHABLE: i64 = Failure::ServerUnreachable as i64;
    /// No secure connection to the server could be made.
    #[constant]
    const FAILURE_TLS_FAILED: i64 = Failure::TlsFailed as i64;
    /// The server does not let this origin in.
    #[constant]
    const FAILURE_REFUSED_ORIGIN: i64 = Failure::RefusedOrigin as i64;
    /// The server or the lobby wants another [member game_id] or [member game_version].
    #[constant]
    const FAILURE_WRONG_VERSION: i64 = Failure::WrongVersion as i64;
    /// There is no such lobby.
    #[constant]
    const FAILURE_NOT_FOUND: i64 = Failure::NotFound as i64;
    /// The lobby has as many members as it takes.
    #[constant]
    const FAILURE_FULL: i64 = Failure::Full as i64;
    /// The host has locked the lobby.
    #[constant]
    const FAILURE_LOCKED: i64 = Failure::Locked as i64;
    /// The host has sealed the lobby.
    #[constant]
    const FAILURE_SEALED: i64 = Failure::Sealed as i64;
    /// The password is missing or wrong.
    #[constant]
    const FAILURE_PASSWORD: i64 = Failure::Password as i64;
    /// The host has banned this player from the lobby.
    #[constant]
    const FAILURE_BANNED: i64 = Failure::Banned as i64;
    /// The host has removed this player from the lobby.
    #[constant]
    const FAILURE_KICKED: i64 = Failure::Kicked as i64;
    /// The host has left, and the lobby ended with it.
    #[constant]
    const FAILURE_HOST_LEFT: i64 = Failure::HostLeft as i64;
    /// Too many tries within a short time.
    #[constant]
    const FAILURE_RATE_LIMITED: i64 = Failure::RateLimited as i64;
    /// The server does not know [member auth_token].
    #[constant]
    const FAILURE_UNAUTHORIZED: i64 = Failure::Unauthorized as i64;
    /// A connection to another player could not be made, or broke. The details have `peer` ([int]),
    /// `reason` ([String]), and the kinds of candidates that were seen, `local_candidates` and
    /// `remote_candidates` ([PackedStringArray] of "host", "srflx", "prflx" and "relay").
    #[constant]
    const FAILURE_ICE_FAILED: i64 = Failure::IceFailed as i64;
    /// A TURN server is of no use; see [signal ice_server_failed]. The details have `url`, `code`
    /// and `reason`.
    #[constant]
    const FAILURE_TURN_UNREACHABLE: i64 = Failure::TurnUnreachable as i64;
    /// No connection to other players can be made here at all. The details have `reason`.
    #[constant]
    const FAILURE_NO_WEBRTC: i64 = Failure::NoWebrtc as i64;
    /// The request makes no sense to the server, or a method was misused.
    #[constant]
    const FAILURE_INVALID: i64 = Failure::Invalid as i64;
    /// Whoever decides on the server said no.
    #[constant]
    const FAILURE_REJECTED: i64 = Failure::Rejected as i64;
    /// The server has reached a limit of its own.
    #[constant]
    const FAILURE_SERVER_FULL: i64 = Failure::ServerFull as i64;
    /// The lobby was closed by its host or by the server.
    #[constant]
    const FAILURE_CLOSED: i64 = Failure::Closed as i64;
    /// The connection was lost for longer than the server waits.
    #[constant]
    const FAILURE_LOST: i64 = Failure::Lost as i64;
    /// The request needs a lobby.
    #[constant]
    const FAILURE_NOT_IN_LOBBY: i64 = Failure::NotInLobby as i64;
    /// The request can only be made outside of a lobby.
    #[constant]
    const FAILURE_IN_LOBBY: i64 = Failure::InLobby as i64;
    /// Only the host may do that.
    #[constant]
    const FAILURE_NOT_HOST: i64 = Failure::NotHost as i64;
    /// There is no such member in the lobby.
    #[constant]
    const FAILURE_NO_SUCH_MEMBER: i64 = Failure::NoSuchMember as i64;
    /// There is no such user.
    #[constant]
    const FAILURE_NO_SUCH_USER: i64 = Failure::NoSuchUser as i64;
    /// There is no such invitation, or it is over.
    #[constant]
    const FAILURE_NO_SUCH_INVITE: i64 = Failure::NoSuchInvite as i64;
    /// The value of the lobby is not the one that was expected.
    #[constant]
    const FAILURE_CONFLICT: i64 = Failure::Conflict as i64;
    /// The connection to the server has ended.
    #[constant]
    const FAILURE_NOT_CONNECTED: i64 = Failure::NotConnected as i64;
    /// The server speaks the plain protocol alone, or [member extended] is off.
    #[constant]
    const FAILURE_NEEDS_EXTENDED: i64 = Failure::NeedsExtended as i64;
    /// The connection to the server broke off; what was asked for may have been done or not.
    #[constant]
    const FAILURE_CONNECTION_LOST: i64 = Failure::ConnectionLost as i64;
    /// Too many requests wait already.
    #[constant]
    const FAILURE_OVERLOADED: i64 = Failure::Overloaded as i64;
    /// The server has closed the connection. The details have `code` and `reason`.
    #[constant]
    const FAILURE_SERVER_CLOSED: i64 = Failure::ServerClosed as i64;
    /// [method stop] or a new connection came before the answer.
    #[constant]
    const FAILURE_CANCELLED: i64 = Failure::Cancelled as i64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_a_number_and_words_of_its_own() {
        for (index, failure) in Failure::ALL.iter().enumerate() {
            assert_eq!(*failure as usize, index, "{failure:?}");
            let is_told = !failure.sentence().is_empty() && !failure.hint().is_empty();
            assert_eq!(is_told, *failure != Failure::None, "{failure:?}");
        }
    }
}
