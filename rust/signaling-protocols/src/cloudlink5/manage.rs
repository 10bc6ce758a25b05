//! What a host can do to its lobby.

use serde::Serialize;
use serde_json::Value;

use super::wire::{Arguments, Malformed};
use crate::json;

/// A request of MANAGE_LOBBY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manage {
    /// `lock`: nobody may join for now.
    Lock,
    /// `unlock`: others may join again.
    Unlock,
    /// `kick`: the member with this `instance_id` is to go.
    Kick(String),
    /// `change_password`: what others need to know from now on; empty: nothing.
    ChangePassword(String),
    /// `change_max_players`: how many may be in it besides the host; -1: any number.
    ChangeMaxPlayers(i64),
    /// `close_lobby`.
    CloseLobby,
    /// `transfer_ownership`: the member with this `instance_id` is the host from now on.
    TransferOwnership(String),
    /// What cannot be done whoever asks for it: only ever received.
    Impossible(Refusal),
}

/// Why a host's request was not carried out. The texts are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such member; the host itself is none.
    #[error("no peer found")]
    NoPeer,
    /// An id of another type.
    #[error("type error: argument (peer id) should be a string")]
    PeerType,
    /// A password of another type.
    #[error("type error: argument (new password) should be a string")]
    PasswordType,
    /// A number of players that is no whole number.
    #[error("type error: argument (max players) should be an integer")]
    MaxPlayersType,
    /// A number of players below -1.
    // The words are the protocol's: clients may compare the text.
    #[error(
        "value error: argument (max players) should at least be -1 (unlimited), greater than or \
         equal to than the current number of peers in the lobby"
    )]
    MaxPlayersRange,
    /// There are more members than that.
    #[error("value error: new size is smaller than the current number of peers in the lobby")]
    TooManyPeers,
    /// A method that nobody knows.
    #[error("unknown method")]
    UnknownMethod,
}

impl Manage {
    pub(super) fn read(args: &Arguments<'_>) -> Result<Self, Malformed> {
        let argument = args.raw("args").unwrap_or("null");
        let read = match &*args.text("method")? {
            "lock" => Ok(Self::Lock),
            "unlock" => Ok(Self::Unlock),
            "kick" => text(argument).map(Self::Kick).ok_or(Refusal::PeerType),
            "change_password" => {
                text(argument).map(Self::ChangePassword).ok_or(Refusal::PasswordType)
            }
            "change_max_players" => max_players(argument).map(Self::ChangeMaxPlayers),
            "close_lobby" => Ok(Self::CloseLobby),
            "transfer_ownership" => {
                text(argument).map(Self::TransferOwnership).ok_or(Refusal::PeerType)
            }
            _ => Err(Refusal::UnknownMethod),
        };
        Ok(read.unwrap_or_else(Self::Impossible))
    }

    /// What MANAGE_LOBBY carries.
    pub(super) fn arguments(&self) -> impl Serialize {
        let (method, args) = match self {
            Self::Lock => ("lock", None),
            Self::Unlock => ("unlock", None),
            Self::Kick(id) => ("kick", Some(id.as_str().into())),
            Self::ChangePassword(password) => ("change_password", Some(password.as_str().into())),
            Self::ChangeMaxPlayers(number) => ("change_max_players", Some((*number).into())),
            Self::CloseLobby => ("close_lobby", None),
            Self::TransferOwnership(id) => ("transfer_ownership", Some(id.as_str().into())),
            Self::Impossible(_) => ("", None),
        };
        ManageArgs { method, args }
    }
}

#[derive(Serialize)]
struct ManageArgs {
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Value>,
}

fn text(argument: &str) -> Option<String> {
    serde_json::from_str(argument).ok()
}

fn max_players(argument: &str) -> Result<i64, Refusal> {
    let number = json::integer(argument).ok_or(Refusal::MaxPlayersType)?;
    if number < -1 { Err(Refusal::MaxPlayersRange) } else { Ok(number) }
}
