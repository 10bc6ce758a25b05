//! Why something failed, in the words that all clients have.

use godot::prelude::*;
use signaling_protocols::rooms::client::{Ending, Failure as Cause, Unsent};
use signaling_protocols::rooms::wire::{Action, Code};

use crate::client::failure::{Failure, Trouble};

/// Why the session has failed; `loss` is why its last connection was lost.
pub(super) fn of_failure(failure: &Cause, loss: Option<Trouble>) -> Trouble {
    match failure {
        Cause::Refused { code, message } => of_code(*code, message),
        Cause::Unanswered => loss.unwrap_or_else(|| Trouble::new(Failure::ServerUnreachable)),
        Cause::Alone => Trouble::new(Failure::NoSuchMember).saying("Nobody else is here."),
        Cause::Unrecovered => Trouble::new(Failure::IceFailed),
        Cause::GivenUp => Trouble::new(Failure::Cancelled),
    }
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
    Trouble::new(failure).with("signal", &action.name())
}

fn of_code(code: u16, reason: &str) -> Trouble {
    const NOT_FOUND: u16 = Code::RoomNotFound as u16;
    const EXISTS: u16 = Code::RoomExists as u16;
    const FULL: u16 = Code::PermissionNotFound as u16;
    const INTERNAL: u16 = Code::Internal as u16;
    const INVALID: u16 = Code::InvalidSignal as u16;
    const OTHER_CHANNEL: u16 = Code::UnsupportedChannel as u16;
    let trouble = match code {
        NOT_FOUND => Trouble::new(Failure::NotFound).saying("There is no such room."),
        EXISTS => Trouble::new(Failure::Rejected).saying("There is such a room already."),
        FULL => Trouble::new(Failure::Full).saying("The room is full."),
        INTERNAL => Trouble::new(Failure::ServerFull),
        OTHER_CHANNEL => Trouble::new(Failure::Invalid).saying("The room is of another kind."),
        INVALID => Trouble::new(Failure::Invalid),
        _ => Trouble::new(Failure::Rejected),
    };
    trouble.with("code", &code).with("reason", &GString::from(reason))
}
