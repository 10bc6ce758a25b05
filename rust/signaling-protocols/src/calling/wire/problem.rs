//! Why requests fail.

/// Why a request was not granted. Its text is what the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No `type`, or no object.
    #[error("Missing type in message")]
    MissingType,
    /// No request has this type.
    #[error("Unknown command")]
    UnknownCommand,
    /// A field is of the wrong type.
    #[error("Type mismatch in message")]
    TypeMismatch,
    /// A field is missing.
    #[error("Missing element in message")]
    MissingElement,
    /// There is a field that the request does not know.
    #[error("Unexpected field in message")]
    UnexpectedField,
    /// There is no such room.
    #[error("Room does not exist")]
    NoSuchRoom,
    /// There is no such namespace.
    #[error("Namespace does not exist")]
    NoSuchNamespace,
    /// Who should come into a room is in it, or invited to it.
    #[error("User is already in room")]
    AlreadyInRoom,
    /// Only peers of the room may do that.
    #[error("You are not in the room")]
    NotInRoom,
    /// Only those who have accepted the invitation may do that.
    #[error("You are only invited to the room")]
    OnlyInvited,
    /// There is no such user, or not in this room.
    #[error("Unknown recipient")]
    UnknownRecipient,
    /// The addressee has not accepted its invitation.
    #[error("Recipient is pending")]
    RecipientPending,
    /// The room's status has another value there.
    #[error("Status not in expected state")]
    OtherStatus,
    /// There is nothing to subscribe to any more.
    #[error("User was already subscribed to that namespace")]
    AlreadySubscribed,
    /// There is no subscription to end.
    #[error("User was not subscribed to namespace")]
    NotSubscribed,
    /// The user is announced there.
    #[error("User was already registered to that namespace")]
    UserAlreadyRegistered,
    /// The user is not announced there.
    #[error("User was not registered to namespace")]
    UserNotRegistered,
    /// The room is announced there.
    #[error("Room was already registered to that namespace")]
    RoomAlreadyRegistered,
    /// The room is not announced there.
    #[error("Room was not registered to namespace")]
    RoomNotRegistered,
    /// There is no such invitation, it is over, or it is for the other side to do that.
    #[error("Invalid invitation handle")]
    InvalidHandle,
    /// A limit of the server.
    #[error("Limit reached")]
    LimitReached,
}
