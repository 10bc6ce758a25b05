//! Why something is refused, or over.

macro_rules! problems {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $sentence:literal;)*) => {
        /// Why the server refuses something, or why a member is out of its lobby.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Problem {
            $($(#[$doc])* $variant,)*
        }

        impl Problem {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the wire; it never changes.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A sentence that a player can read.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

problems! {
    /// The message is not what the specification says.
    Invalid = "invalid", "The request makes no sense.";
    /// The server wants another game or build, or a lobby has another.
    WrongVersion = "wrong_version", "Your version of the game does not fit.";
    /// The auth token is missing or wrong.
    Unauthorised = "unauthorised", "You may not play here.";
    /// Whoever decides on the server said no.
    Rejected = "rejected", "The server turned you away.";
    /// Too often within too short a time.
    RateLimited = "rate_limited", "Too many tries, please wait a moment.";
    /// A limit of the server is reached.
    ServerFull = "server_full", "The server is full.";
    /// There is no such lobby.
    NotFound = "not_found", "There is no such lobby.";
    /// The lobby has `max_players` members.
    Full = "full", "The lobby is full.";
    /// The host has locked the lobby.
    Locked = "locked", "The lobby is locked.";
    /// The lobby was sealed.
    Sealed = "sealed", "The game has already begun.";
    /// The password is missing or wrong.
    WrongPassword = "wrong_password", "The password is wrong.";
    /// The host has banned this player from the lobby.
    Banned = "banned", "You are banned from this lobby.";
    /// The host has removed this player.
    Kicked = "kicked", "You were removed from the lobby.";
    /// The host has left, and nobody took its place.
    HostLeft = "host_left", "The host has left.";
    /// The lobby was closed by its host or by the server.
    Closed = "closed", "The lobby was closed.";
    /// The connection was away for longer than the server waits.
    Lost = "lost", "The connection was lost for too long.";
    /// The request needs a lobby.
    NotInLobby = "not_in_lobby", "You are in no lobby.";
    /// The request can only be made outside of a lobby.
    InLobby = "in_lobby", "You are in a lobby already.";
    /// Only the host may do that.
    NotHost = "not_host", "Only the host may do that.";
    /// There is no such member in the lobby.
    NoSuchMember = "no_such_member", "That player is not in the lobby.";
    /// There is no such user.
    NoSuchUser = "no_such_user", "That player is not here.";
    /// There is no such invitation, or it is over.
    NoSuchInvite = "no_such_invite", "The invitation is over.";
    /// The value is not the one that was expected.
    Conflict = "conflict", "Somebody else was faster.";
}

impl Problem {
    /// The problem with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|problem| problem.name() == name)
    }
}
