//! Why something failed, in the words that all clients have.

use godot::prelude::*;
use signaling_core::Cause;
use signaling_protocols::cloudlink5::client::Answer;
use signaling_protocols::cloudlink5::wire::{CreateReply, JoinReply};
use signaling_protocols::omega::Refusal;

use crate::client::failure::{Failure, Trouble};

/// With what words a connection is closed, and what that is to games.
const ENDS: [(&str, Failure); 5] = [
    ("Keepalive timeout", Failure::ConnectionLost),
    ("You have been kicked from the lobby.", Failure::Kicked),
    ("unauthorized", Failure::Unauthorized),
    ("server limit reached", Failure::ServerFull),
    ("Server limit reached", Failure::ServerFull),
];
const EXISTS: &str = "There is such a lobby already.";
/// What the server says of an id that is no member's.
const NO_PEER: &str = "no peer found";

/// Why the connection has ended, unless we ended it.
pub(super) fn of_end(code: u16, reason: &str, cause: Cause) -> Option<Trouble> {
    let trouble = Trouble::of_end(code, reason, cause, None)?;
    let known = ENDS.iter().find(|(text, _)| *text == reason);
    let Some((_, failure)) = known else {
        let hint = hint(trouble.failure());
        return Some(trouble.hinting(hint));
    };
    Some(of(*failure).with("code", &code).with("reason", &GString::from(reason)))
}

/// Why we are in no lobby of CloudLink Omega.
pub(super) fn of_refusal(refusal: Refusal) -> Trouble {
    match refusal {
        Refusal::Exists => of(Failure::Rejected).saying(EXISTS),
        Refusal::NotFound => of(Failure::NotFound),
        Refusal::Full => of(Failure::Full),
        Refusal::Locked => of(Failure::Locked),
        Refusal::PasswordRequired | Refusal::WrongPassword => of(Failure::Password),
    }
}

/// Why CloudLink 5 did not do something; `None` when it did.
pub(super) fn of_answer(answer: &Answer, is_managing: bool) -> Option<Trouble> {
    Some(match answer {
        Answer::Found(None) | Answer::Joined(JoinReply::NotFound) => of(Failure::NotFound),
        Answer::Created(CreateReply::Exists) => of(Failure::Rejected).saying(EXISTS),
        Answer::Joined(JoinReply::Locked) => of(Failure::Locked),
        Answer::Joined(JoinReply::Full) => of(Failure::Full),
        Answer::Joined(JoinReply::WrongPassword) => of(Failure::Password),
        Answer::Managed(text) if text == NO_PEER => of(Failure::NoSuchMember),
        Answer::Managed(text) if text != "ok" => of(Failure::Invalid).saying(text),
        Answer::Warned(_) if is_managing => of(Failure::NotHost),
        Answer::Warned(text) => of(Failure::Rejected).saying(text),
        Answer::Overloaded => of(Failure::Overloaded),
        Answer::Lost => of(Failure::ConnectionLost),
        Answer::Lobbies(_)
        | Answer::Found(_)
        | Answer::Created(_)
        | Answer::Joined(_)
        | Answer::Managed(_) => return None,
    })
}

/// The failure, with a hint that fits these protocols.
pub(super) fn of(failure: Failure) -> Trouble {
    Trouble::new(failure).hinting(hint(failure))
}

/// What a developer can do about it, where the failure's own hint is about something else.
pub(super) fn hint(failure: Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::ServerUnreachable => {
            "Nobody speaks this `version` of CloudLink at `url`, or not for such a `game`: look at \
             `reason`, at the address, which has no path, at whether the server runs and speaks it, \
             and at the firewalls between."
        }
        Failure::InLobby => "Call leave_lobby() first, and wait for `disconnected`.",
        Failure::NeedsExtended => {
            "`version` has to be VERSION_CLOUDLINK_5, here and on the server."
        }
        Failure::NotFound => {
            "Its name is written differently, it has ended, or it is one of another `game`."
        }
        Failure::Full => "It has `max_players` members besides its host.",
        Failure::Locked => "The host has called manage_lobby(\"lock\").",
        Failure::Password => "Ask the player and try again with the option `password`.",
        Failure::Kicked => "The host has called manage_lobby(\"kick\").",
        Failure::Closed => "The host has called manage_lobby(\"close_lobby\").",
        Failure::Unauthorized => "The server wants a `user_name`, or a `token` that it knows.",
        Failure::Rejected => "Join the lobby, or choose another name.",
        Failure::ServerFull => {
            "The server has as many clients or lobbies as it takes, or a name is too long."
        }
        _ => return None,
    })
}
