//! Why something failed, in the words that all clients have.

use godot::prelude::*;
use signaling_core::Cause as ConnectionEnd;
use signaling_protocols::rooms::client::{Ending, Failure as Cause, Unsent};
use signaling_protocols::rooms::wire::{Action, Code};

use crate::client::failure::{Failure, Trouble};

/// Why the session has failed; `loss` is why its last connection was lost.
pub(super) fn of_failure(failure: &Cause, loss: Option<Trouble>) -> Trouble {
    match failure {
        Cause::Refused { code, message } => of_code(*code, message),
        Cause::Unanswered => loss.unwrap_or_else(|| of(Failure::ServerUnreachable)),
        Cause::Alone => of(Failure::NoSuchMember),
        Cause::Unrecovered => of(Failure::IceFailed),
        Cause::GivenUp => of(Failure::Cancelled),
    }
}

/// Why a connection to the server has ended, unless we ended it.
pub(super) fn of_loss(code: u16, reason: &str, cause: ConnectionEnd) -> Option<Trouble> {
    let trouble = Trouble::of_end(code, reason, cause, None)?;
    let hint = hint(trouble.failure());
    Some(trouble.hinting(hint))
}

/// Why our stay has ended, unless we ended it.
pub(super) fn of_ending(ending: Ending) -> Failure {
    match ending {
        Ending::Kicked => Failure::Kicked,
        Ending::Closed => Failure::Closed,
    }
}

/// Why something was not sent.
pub(super) fn of_unsent(action: Action, why: Unsent) -> Trouble {
    let failure = match why {
        Unsent::NotInRoom => Failure::NotInLobby,
        Unsent::AlreadyInRoom => Failure::InLobby,
        Unsent::QueueFull => Failure::Overloaded,
        Unsent::TooLarge => Failure::Invalid,
    };
    of(failure).with("signal", &action.name())
}

/// The failure, in words and with a hint that fit rooms.
pub(super) fn of(failure: Failure) -> Trouble {
    Trouble::new(failure).saying(words(failure)).hinting(hint(failure))
}

fn of_code(code: u16, reason: &str) -> Trouble {
    const NOT_FOUND: u16 = Code::RoomNotFound as u16;
    const EXISTS: u16 = Code::RoomExists as u16;
    const FULL: u16 = Code::PermissionNotFound as u16;
    const INTERNAL: u16 = Code::Internal as u16;
    const INVALID: u16 = Code::InvalidSignal as u16;
    const OTHER_CHANNEL: u16 = Code::UnsupportedChannel as u16;
    let trouble = match code {
        NOT_FOUND => of(Failure::NotFound),
        EXISTS => {
            let hint = "Join the room, or choose another name.";
            of(Failure::Rejected).saying("There is such a room already.").hinting(Some(hint))
        }
        FULL => of(Failure::Full),
        INTERNAL => of(Failure::ServerFull),
        OTHER_CHANNEL => {
            let hint = "`channel` has to be what the room was created with.";
            of(Failure::Invalid).saying("The room is of another kind.").hinting(Some(hint))
        }
        INVALID => of(Failure::Invalid),
        _ => of(Failure::Rejected),
    };
    trouble.with("code", &code).with("reason", &GString::from(reason))
}

/// A sentence for players, where that of the failure is about lobbies.
fn words(failure: Failure) -> &'static str {
    match failure {
        Failure::NotFound => "There is no such room.",
        Failure::Full => "The room is full.",
        Failure::Kicked => "You were removed from the room.",
        Failure::Closed => "The room was closed.",
        Failure::NotInLobby => "You are in no room.",
        Failure::InLobby => "You are in a room already.",
        Failure::NoSuchMember => "Nobody else is here.",
        _ => "",
    }
}

/// What a developer can do about it, where the failure's own hint is about something else.
pub(super) fn hint(failure: Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::ServerUnreachable => {
            "Nobody speaks rooms at `url`: look at the address, at its path, usually /room, at \
             whether the server runs and speaks rooms, and at the firewalls between."
        }
        Failure::ServerClosed => {
            "See `code` and `reason`: 1001 means that it was shut down, 4000 that `url` leads to the \
             native protocol; the path of rooms is usually /room."
        }
        Failure::NotFound => {
            "Its name is written differently, or the last publisher has left. A server that was \
             started anew has the room again when whoever created it is back: call join() then."
        }
        Failure::Full => "Two can be in a call, and nine publish in a group chat.",
        Failure::Rejected => "The server says why in `reason`.",
        Failure::Kicked => "A publisher has called kick().",
        Failure::Closed => "The last publisher has left.",
        Failure::NotInLobby => "Wait for `room_joined`.",
        Failure::InLobby => "Call leave() first, and wait for `room_left`.",
        Failure::NoSuchMember => "Nobody came within `callee_timeout`.",
        Failure::Overloaded => "64 signals, or 256 KiB of them, wait already for the connection.",
        _ => return None,
    })
}
