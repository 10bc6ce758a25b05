//! What goes with a way into a lobby, and with a host's request.

use godot::prelude::*;
use signaling_protocols::cloudlink5::Manage;
use signaling_protocols::omega::HostGone;

use super::session::{Entrance, Extras};
use crate::client::options::Options;
use crate::client::request::Misuse;
use crate::loose;

/// Reads the options of a new lobby.
///
/// # Errors
/// For what makes no sense.
pub(super) fn creation(name: String, options: &AnyDictionary) -> Result<Entrance, Misuse> {
    let mut options = Options::new("options of a lobby", options);
    let password = options.text("password")?.unwrap_or_default();
    let max_players = match options.take::<i64>("max_players", "a whole number")? {
        None | Some(-1) => None,
        Some(max) => Some(u32::try_from(max).map_err(|_| invalid("max_players"))?),
    };
    let is_locked = options.flag("locked")?.unwrap_or_default();
    let host_gone = host_gone(options.text("host_policy")?.as_deref())?;
    options.end()?;
    let options = Extras { is_locked, host_gone };
    Ok(Entrance::Create { name, password, max_players, options })
}

/// Reads the options of joining a lobby.
///
/// # Errors
/// For what makes no sense.
pub(super) fn joining(name: String, options: &AnyDictionary) -> Result<Entrance, Misuse> {
    let mut options = Options::new("options of joining", options);
    let password = options.text("password")?.unwrap_or_default();
    options.end()?;
    Ok(Entrance::Join { name, password })
}

/// Reads a host's request.
///
/// # Errors
/// For a method that there is not, and for an argument that it does not take.
pub(super) fn management(method: &GString, argument: &Variant) -> Result<Manage, Misuse> {
    let text = || {
        let text = loose::read::<GString>(argument).map_err(|_| invalid("argument"))?;
        Ok::<_, Misuse>(text.to_string())
    };
    Ok(match &*method.to_string() {
        "lock" => Manage::Lock,
        "unlock" => Manage::Unlock,
        "kick" => Manage::Kick(text()?),
        "change_password" => Manage::ChangePassword(text()?),
        "change_max_players" => {
            Manage::ChangeMaxPlayers(loose::read(argument).map_err(|_| invalid("argument"))?)
        }
        "close_lobby" => Manage::CloseLobby,
        "transfer_ownership" => Manage::TransferOwnership(text()?),
        _ => return Err(Misuse::invalid("There is no such method of a lobby.")),
    })
}

fn host_gone(policy: Option<&str>) -> Result<HostGone, Misuse> {
    match policy {
        None | Some("close") => Ok(HostGone::Close),
        Some("migrate") => Ok(HostGone::OldestTakesOver),
        Some("stay") => Ok(HostGone::GoOn),
        _ => Err(Misuse::invalid("`host_policy` must be close, migrate or stay.")),
    }
}

fn invalid(key: &str) -> Misuse {
    Misuse::invalid(format!("`{key}` makes no sense."))
}
