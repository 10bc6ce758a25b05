//! Why something failed, in the words that all clients have.

use godot::prelude::*;
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
const TOO_MUCH_WAITS: &str = "1024 requests, or 512 KiB of them, wait already: ask less, or wait for \
    answers.";

/// Why what was asked was not done.
pub(super) fn of_refusal(refusal: &Refusal) -> Trouble {
    match refusal {
        Refusal::Refused(text) => of_text(text),
        Refusal::Misunderstood => Trouble::new(Failure::Invalid),
        Refusal::Overloaded => overloaded(),
        Refusal::TooLarge => Trouble::new(Failure::Invalid).saying(TOO_LARGE),
        Refusal::ConnectionLost => Trouble::new(Failure::ConnectionLost),
        Refusal::NotConnected => Trouble::new(Failure::NotConnected),
    }
}

fn overloaded() -> Trouble {
    Trouble::new(Failure::Overloaded).with("hint", &GString::from(TOO_MUCH_WAITS))
}

/// What the server says.
pub(super) fn of_text(text: &str) -> Trouble {
    let known = PROBLEMS.iter().find(|(problem, ..)| problem.to_string() == text);
    let (failure, words) =
        known.map_or((Failure::Rejected, text), |(_, failure, words)| (*failure, *words));
    Trouble::new(failure).saying(words).with("reason", &GString::from(text))
}
