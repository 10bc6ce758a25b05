//! What goes with a way into a lobby, and with a host's request.

use godot::prelude::*;
use signaling_protocols::cloudlink5::Manage;
use signaling_protocols::omega::HostGone;

use super::session::{Entrance, Extras};
use super::version::Version;
use crate::client::options::Options;
use crate::client::request::Misuse;
use crate::loose;

/// Reads the options of a new lobby.
///
/// # Errors
/// For what makes no sense, or not in this version.
pub(super) fn creation(
    version: Version,
    name: String,
    options: &AnyDictionary,
) -> Result<Entrance, Misuse> {
    let mut options = Options::new("options of a lobby in this version", options);
    let password = password(version, &mut options)?;
    let (mut max_players, mut extras) = (None, Extras::default());
    if version != Version::OmegaOctober2023 {
        max_players = max(options.take("max_players", "a whole number")?)?;
    }
    match version {
        Version::OmegaOctober2023 => {}
        Version::OmegaLate2023 => {
            extras.host_gone = host_gone(options.text("host_policy")?.as_deref())?;
        }
        Version::CloudLink5 => extras.is_locked = options.flag("locked")?.unwrap_or_default(),
    }
    options.end()?;
    Ok(Entrance::Create { name, password, max_players, extras })
}

/// Reads the options of joining a lobby.
///
/// # Errors
/// For what makes no sense, or not in this version.
pub(super) fn joining(
    version: Version,
    name: String,
    options: &AnyDictionary,
) -> Result<Entrance, Misuse> {
    let mut options = Options::new("options of joining in this version", options);
    let password = password(version, &mut options)?;
    options.end()?;
    Ok(Entrance::Join { name, password })
}

fn password(version: Version, options: &mut Options) -> Result<String, Misuse> {
    let knows_passwords = version != Version::OmegaOctober2023;
    let password = if knows_passwords { options.text("password")? } else { None };
    Ok(password.unwrap_or_default())
}

fn max(max_players: Option<i64>) -> Result<Option<u32>, Misuse> {
    let invalid = |_| Misuse::invalid("`max_players` must be 0 or more, or -1 for any number.");
    let limit = max_players.filter(|max| *max != -1);
    limit.map(u32::try_from).transpose().map_err(invalid)
}

/// Reads a host's request.
///
/// # Errors
/// For a method that there is not, and for an argument that it does not take.
pub(super) fn management(method: &GString, argument: &Variant) -> Result<Manage, Misuse> {
    let text = || {
        let text = loose::read::<GString>(argument)
            .map_err(|_| Misuse::invalid("`argument` must be a text."))?;
        Ok::<_, Misuse>(text.to_string())
    };
    Ok(match &*method.to_string() {
        "lock" => Manage::Lock,
        "unlock" => Manage::Unlock,
        "kick" => Manage::Kick(text()?),
        "change_password" => Manage::ChangePassword(text()?),
        "change_max_players" => Manage::ChangeMaxPlayers(
            loose::read(argument)
                .map_err(|_| Misuse::invalid("`argument` must be a whole number."))?,
        ),
        "close_lobby" => Manage::CloseLobby,
        "transfer_ownership" => Manage::TransferOwnership(text()?),
        _ => {
            return Err(Misuse::invalid(
                "`method` must be lock, unlock, kick, change_password, change_max_players, \
                 close_lobby or transfer_ownership.",
            ));
        }
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
