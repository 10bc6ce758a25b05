//! Why something failed, as games are told.

use godot::prelude::*;
use signaling_core::Cause;
use signaling_protocols::godot::Refusal;
use signaling_protocols::godot::extended::{Json, Object, Problem};

use super::SignalingClient;
use crate::class_enum::class_enum;
use crate::json;
use crate::peers::LinkEvent;

macro_rules! failures {
    ($(
        $(#[doc = $help:literal])*
        $variant:ident = $number:literal as $constant:ident,
        $sentence:expr, $hint:literal;
    )*) => {
        class_enum! {
            /// Why something failed. The numbers never change.
            pub(crate) enum SignalingClient.Failure {
                $($(#[doc = $help])* $variant = $number as $constant,)*
            }
        }

        impl Failure {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name of its constant, without what all begin with.
            fn name(self) -> String {
                let constant = match self { $(Self::$variant => stringify!($constant),)* };
                constant.trim_start_matches("FAILURE_").to_ascii_lowercase()
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
    /// Nothing failed.
    None = 0 as FAILURE_NONE, "", "";
    /// No signaling server answers at [member url].
    ServerUnreachable = 1 as FAILURE_SERVER_UNREACHABLE, "The server cannot be reached.",
        "Nobody answers at `url` as a signaling server does: look at the address, at whether the \
         server runs, and at the firewalls between.";
    /// No secure connection to the server could be made.
    TlsFailed = 2 as FAILURE_TLS_FAILED, "No secure connection to the server could be made.",
        "The server's certificate is not valid for the name in `url`, has expired, or is signed by \
         nobody whom this machine trusts.";
    /// The server does not let this origin in.
    RefusedOrigin = 3 as FAILURE_REFUSED_ORIGIN, "The server turned you away.",
        "The server, or a proxy before it, answered 403: it does not let this origin in.";
    /// The server or the lobby wants another [member game_id] or [member game_version].
    WrongVersion = 4 as FAILURE_WRONG_VERSION, Problem::WrongVersion.sentence(),
        "`game_id` and `game_version` have to be those that the server, or the lobby, asks for.";
    /// There is no such lobby.
    NotFound = 5 as FAILURE_NOT_FOUND, Problem::NotFound.sentence(),
        "The code is mistyped, or the lobby has ended. Lobbies of another `game_id` are out of reach.";
    /// The lobby has as many members as it takes.
    Full = 6 as FAILURE_FULL, Problem::Full.sentence(),
        "The lobby has `max_players` members.";
    /// The host has locked the lobby.
    Locked = 7 as FAILURE_LOCKED, Problem::Locked.sentence(),
        "The host has set `locked` with update_lobby().";
    /// The host has sealed the lobby.
    Sealed = 8 as FAILURE_SEALED, Problem::Sealed.sentence(),
        "The host has called seal_lobby().";
    /// The password is missing or wrong.
    Password = 9 as FAILURE_PASSWORD, Problem::WrongPassword.sentence(),
        "Ask the player and try again with the option `password`; a wrong one costs a few seconds \
         when it is repeated.";
    /// The host has banned this player from the lobby.
    Banned = 10 as FAILURE_BANNED, Problem::Banned.sentence(),
        "The host has called ban().";
    /// The host has removed this player from the lobby.
    Kicked = 11 as FAILURE_KICKED, Problem::Kicked.sentence(),
        "The host has called kick().";
    /// The host has left, and the lobby ended with it.
    HostLeft = 12 as FAILURE_HOST_LEFT, Problem::HostLeft.sentence(),
        "With the host policy \"migrate\" somebody else becomes the host instead.";
    /// Too many tries within a short time.
    RateLimited = 13 as FAILURE_RATE_LIMITED, Problem::RateLimited.sentence(),
        "Ask less often: a client may ask for 40 things at once and for 20 more a second, send 10 \
         messages, statuses and invitations at once and 5 more a second, and try 10 passwords or \
         codes at once and one more every 5 seconds. It may wait for one lobby at a time.";
    /// The server does not know [member auth_token].
    Unauthorized = 14 as FAILURE_UNAUTHORIZED, Problem::Unauthorised.sentence(),
        "The server does not know `auth_token`.";
    /// A connection to another player could not be made, or broke. The details have
    /// [code]peer[/code] ([int]), [code]reason[/code] ([String]), and the kinds of candidates that
    /// were seen, [code]local_candidates[/code] and [code]remote_candidates[/code]
    /// ([PackedStringArray] of "host", "srflx", "prflx" and "relay").
    IceFailed = 15 as FAILURE_ICE_FAILED, "The connection to another player failed.",
        "Look at the kinds of candidates: without \"srflx\" no STUN server answered, and two \
         players behind strict routers need a TURN server, whose candidates are \"relay\".";
    /// A TURN server is of no use; see [signal ice_server_failed]. The details have
    /// [code]url[/code], [code]code[/code] and [code]reason[/code].
    TurnUnreachable = 16 as FAILURE_TURN_UNREACHABLE, "A relay server cannot be used.",
        "The TURN server does not answer or refuses the credentials: see `code` and `reason`.";
    /// No connection to other players can be made here at all. The details have
    /// [code]reason[/code].
    NoWebrtc = 17 as FAILURE_NO_WEBRTC, "This game cannot connect to other players here.",
        "There is no WebRTC for this platform, or it does not understand `ice_servers` or \
         `rtc_configuration`: see `reason`.";
    /// The request makes no sense to the server, or a method was misused.
    Invalid = 18 as FAILURE_INVALID, Problem::Invalid.sentence(),
        "The request is not what the server, or this class, understands: see the message.";
    /// Whoever decides on the server said no.
    Rejected = 19 as FAILURE_REJECTED, Problem::Rejected.sentence(),
        "Whoever decides on the server said no.";
    /// The server has reached a limit of its own.
    ServerFull = 20 as FAILURE_SERVER_FULL, Problem::ServerFull.sentence(),
        "The server has as many clients, lobbies or invitations as it takes.";
    /// The lobby was closed by its host or by the server.
    Closed = 21 as FAILURE_CLOSED, Problem::Closed.sentence(),
        "The host has called close_lobby(), or the server has closed the lobby.";
    /// The connection was lost for longer than the server waits.
    Lost = 22 as FAILURE_LOST, Problem::Lost.sentence(),
        "The server's `resume_timeout` is over, or it was started anew: join again.";
    /// The request needs a lobby.
    NotInLobby = 23 as FAILURE_NOT_IN_LOBBY, Problem::NotInLobby.sentence(),
        "Wait for `lobby_joined`.";
    /// The request can only be made outside of a lobby.
    InLobby = 24 as FAILURE_IN_LOBBY, Problem::InLobby.sentence(),
        "Call leave_lobby() first. With `autojoin`, which is true unless you set it, connecting has \
         joined or created a lobby already.";
    /// Only the host may do that.
    NotHost = 25 as FAILURE_NOT_HOST, Problem::NotHost.sentence(),
        "Look at `host` in get_members() before.";
    /// There is no such member in the lobby.
    NoSuchMember = 26 as FAILURE_NO_SUCH_MEMBER, Problem::NoSuchMember.sentence(),
        "The member may have left in the meantime.";
    /// There is no such user.
    NoSuchUser = 27 as FAILURE_NO_SUCH_USER, Problem::NoSuchUser.sentence(),
        "The user has gone, or connected anew and has another id now.";
    /// There is no such invitation, or it is over.
    NoSuchInvite = 28 as FAILURE_NO_SUCH_INVITE, Problem::NoSuchInvite.sentence(),
        "It was taken back, answered, or its lobby is gone.";
    /// The value of the lobby is not the one that was expected.
    Conflict = 29 as FAILURE_CONFLICT, Problem::Conflict.sentence(),
        "`value` of the request is what the value is now.";
    /// The connection to the server has ended.
    NotConnected = 30 as FAILURE_NOT_CONNECTED, "You are not connected.",
        "The connection has ended; the next request makes a new one.";
    /// The server speaks the plain protocol alone, or [member extended] is off.
    NeedsExtended = 31 as FAILURE_NEEDS_EXTENDED, "This server cannot do that.",
        "The server speaks the plain protocol alone, or `extended` is off.";
    /// The connection to the server broke off; what was asked for may have been done or not.
    ConnectionLost = 32 as FAILURE_CONNECTION_LOST, "The connection to the server was lost.",
        "It may have been done or not: look before asking again.";
    /// Too many requests wait already.
    Overloaded = 33 as FAILURE_OVERLOADED, "Too much is going on, please wait a moment.",
        "256 requests or 256 KiB wait already: ask less, or wait for answers.";
    /// The server has closed the connection. The details have [code]code[/code] and
    /// [code]reason[/code].
    ServerClosed = 34 as FAILURE_SERVER_CLOSED, "The server has closed the connection.",
        "See `code` and `reason`: 1001 means that it was shut down.";
    /// [method stop] or a new connection came before the answer.
    Cancelled = 35 as FAILURE_CANCELLED, "It was cancelled.",
        "stop(), or a new connection, came before the answer.";
}

/// What is told of a failure.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    failure: Failure,
    message: String,
    details: VarDictionary,
}

impl Trouble {
    pub(crate) fn new(failure: Failure) -> Self {
        let details = vdict! { "name" => &*failure.name(), "hint" => failure.hint() };
        Self { failure, message: failure.sentence().to_owned(), details }
    }

    /// Why the connection has ended, unless we ended it.
    pub(crate) fn of_end(
        code: u16,
        reason: &str,
        cause: Cause,
        problem: Option<Problem>,
    ) -> Option<Self> {
        let failure = match (problem, cause) {
            (Some(problem), _) => problem.into(),
            (None, Cause::Closed) if code == 1000 => return None,
            (None, Cause::Closed | Cause::Stopped) => Failure::ServerClosed,
            (None, Cause::Lost) => Failure::ConnectionLost,
            (None, Cause::Refused { status: 403 }) => Failure::RefusedOrigin,
            (None, Cause::Refused { .. } | Cause::Unreachable) => Failure::ServerUnreachable,
            (None, Cause::Tls) => Failure::TlsFailed,
        };
        // What the game on the server says to whom it turns away is for the player.
        let words = match problem {
            Some(Problem::Unauthorised | Problem::Rejected) => reason,
            Some(Problem::Invalid) => &by_property(reason),
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
    pub(crate) fn of_problem(problem: Problem, message: &str) -> Self {
        Self::new(problem.into()).saying(message)
    }

    /// Why a connection to another player is of no use.
    pub(crate) fn of_link(event: &LinkEvent) -> Option<Self> {
        match event {
            LinkEvent::Failed { id, reason, local_candidates, remote_candidates, has_stood } => {
                Some(
                    Self::of_broken_link(*has_stood)
                        .with("peer", &json::id(*id))
                        .with("reason", &GString::from(reason))
                        .with("local_candidates", local_candidates)
                        .with("remote_candidates", remote_candidates),
                )
            }
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

    fn of_broken_link(has_stood: bool) -> Self {
        let trouble = Self::new(Failure::IceFailed);
        if has_stood { trouble.with("hint", &GString::from(BROKEN_LINK)) } else { trouble }
    }

    /// The same in other words, if there are any.
    pub(crate) fn saying(mut self, message: &str) -> Self {
        if !message.is_empty() {
            message.clone_into(&mut self.message);
        }
        self
    }

    /// The same with a hint that fits what is spoken, if there is one.
    pub(crate) fn hinting(self, hint: Option<&str>) -> Self {
        match hint {
            Some(hint) => self.with("hint", &GString::from(hint)),
            None => self,
        }
    }

    /// The same with something more to know.
    pub(crate) fn with(mut self, key: &str, value: &impl ToGodot) -> Self {
        self.details.set(key, &value.to_variant());
        self
    }

    pub(crate) fn failure(&self) -> Failure {
        self.failure
    }

    pub(crate) fn message(&self) -> GString {
        GString::from(&self.message)
    }

    pub(crate) fn details(&self) -> VarDictionary {
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

const BROKEN_LINK: &str = "The connection stood, and then nothing was heard for too long: the other \
    game has crashed, or either side has lost its network and found no other path.";

/// What HELLO is refused for, in terms of the properties that it was made of.
fn by_property(reason: &str) -> String {
    let names = [
        ("`game`", "`game_id`"),
        ("`build`", "`game_version`"),
        ("`token`", "`auth_token`"),
        ("`name`", "`player_name`"),
    ];
    names.iter().fold(reason.to_owned(), |reason, (field, name)| reason.replace(field, name))
}

fn is_turn(url: &GString) -> bool {
    url.to_lower().begins_with("turn")
}

/// The value that was found where another was expected.
pub(crate) fn conflicting(refusal: &Refusal) -> Option<Json> {
    match refusal {
        Refusal::Refused { problem: Problem::Conflict, details, .. } => details.get("value"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_hello_is_told_by_the_names_of_properties() {
        let reason = "`build` must be text of at most 64 bytes";
        assert_eq!(by_property(reason), "`game_version` must be text of at most 64 bytes");
    }

    #[test]
    fn each_failure_has_a_number_and_words_of_its_own() {
        for (index, failure) in Failure::ALL.iter().enumerate() {
            assert_eq!(*failure as usize, index, "{failure:?}");
            let is_told = !failure.sentence().is_empty() && !failure.hint().is_empty();
            assert_eq!(is_told, *failure != Failure::None, "{failure:?}");
        }
    }
}
