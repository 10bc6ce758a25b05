//! Why something failed, in the words that all clients have.

use godot::prelude::*;
use signaling_core::Cause;
use signaling_protocols::calling::{Problem, Refusal};

use crate::client::failure::{Failure, Trouble};

/// What the server says, what that is to games, and a sentence for players where there is a better
/// one than the failure's.
const PROBLEMS: [(Problem, Failure, &str); 21] = [
    (Problem::MissingType, Failure::Invalid, ""),
    (Problem::UnknownCommand, Failure::Invalid, ""),
    (Problem::TypeMismatch, Failure::Invalid, ""),
    (Problem::MissingElement, Failure::Invalid, ""),
    (Problem::UnexpectedField, Failure::Invalid, ""),
    (Problem::NoSuchRoom, Failure::NotFound, "There is no such room."),
    (Problem::NoSuchNamespace, Failure::NotFound, "There is no such namespace."),
    (Problem::AlreadyInRoom, Failure::InLobby, "The player is in the room, or invited, already."),
    (Problem::NotInRoom, Failure::NotInLobby, "You are not in the room."),
    (Problem::OnlyInvited, Failure::NotInLobby, "You have not accepted the invitation yet."),
    (Problem::UnknownRecipient, Failure::NoSuchUser, "The player is not there."),
    (Problem::RecipientPending, Failure::NoSuchMember, "The player is only invited."),
    (Problem::OtherStatus, Failure::Conflict, ""),
    (Problem::AlreadySubscribed, Failure::Rejected, "You have subscribed already."),
    (Problem::NotSubscribed, Failure::Rejected, "You have not subscribed."),
    (Problem::UserAlreadyRegistered, Failure::Rejected, "You are announced already."),
    (Problem::UserNotRegistered, Failure::Rejected, "You are not announced."),
    (Problem::RoomAlreadyRegistered, Failure::Rejected, "The room is announced already."),
    (Problem::RoomNotRegistered, Failure::Rejected, "The room is not announced."),
    (Problem::InvalidHandle, Failure::NoSuchInvite, ""),
    (Problem::LimitReached, Failure::ServerFull, ""),
];

const TOO_LARGE: &str = "A message takes at most 256 KiB.";

/// Why the connection has ended, unless we ended it.
pub(super) fn of_end(code: u16, reason: &str, cause: Cause) -> Option<Trouble> {
    let trouble = Trouble::of_end(code, reason, cause, None)?;
    let hint = hint(trouble.failure());
    Some(trouble.hinting(hint))
}

/// Why what was asked was not done.
pub(super) fn of_refusal(refusal: &Refusal) -> Trouble {
    match refusal {
        Refusal::Refused(text) => of_text(text),
        Refusal::Misunderstood => of(Failure::Invalid),
        Refusal::TooLarge => of(Failure::Invalid).saying(TOO_LARGE),
        Refusal::Overloaded => of(Failure::Overloaded),
        Refusal::ConnectionLost => of(Failure::ConnectionLost),
        Refusal::NotConnected => of(Failure::NotConnected),
    }
}

/// What the server says.
pub(super) fn of_text(text: &str) -> Trouble {
    let known = PROBLEMS.iter().find(|(problem, ..)| problem.to_string() == text);
    let (failure, words) =
        known.map_or((Failure::Rejected, text), |(_, failure, words)| (*failure, *words));
    of(failure).saying(words).with("reason", &GString::from(text))
}

/// The failure, with a hint that fits this protocol.
pub(super) fn of(failure: Failure) -> Trouble {
    Trouble::new(failure).hinting(hint(failure))
}

pub(super) fn hint(failure: Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::ServerUnreachable => {
            "Nobody speaks calling at `url`: look at the address, at its path, usually /calling, at \
             whether the server runs and speaks calling, and at the firewalls between."
        }
        Failure::ServerClosed => {
            "See `code` and `reason`: 1001 means that it was shut down, 4000 that `url` leads to the \
             native protocol; the path of calling is usually /calling."
        }
        Failure::NotFound => "Nobody is in it, or its name is written differently.",
        Failure::InLobby => "Who is invited has to answer the invitation before anything else.",
        Failure::NotInLobby => "Wait for `room_joined`.",
        Failure::NoSuchInvite => "It was answered or taken back, or its other side is gone.",
        Failure::Conflict => "get_room_status() tells what it is now.",
        Failure::Rejected => "It is so already: see `reason`.",
        Failure::ServerFull => {
            "The server, the room or the namespace has as many as it takes, or a name or status is \
             too long."
        }
        Failure::NotConnected => "The connection has ended, or was never asked for: call start().",
        Failure::Overloaded => {
            "1024 requests, or 512 KiB of them, wait already: ask less, or wait for answers."
        }
        _ => return None,
    })
}
