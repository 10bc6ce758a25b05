//! How a client's node connects to its server, and with what it connects to other players.

use godot::global::Error;
use godot::prelude::*;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use signaling_core::Session;
use signaling_net::{ClientConfig, ClientHandle, Endpoint};

use crate::client::argument::Keys;
use crate::client::request::Misuse;
use crate::{json, runtime};

/// Where a URL leads.
///
/// # Errors
/// When it is none that we can connect to.
pub(crate) fn endpoint(url: &GString) -> Result<Endpoint, Misuse> {
    let url = url.to_string();
    let has_scheme = |scheme: &str| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if has_scheme("ws://") {
        Ok(Endpoint::Url(url))
    } else if has_scheme("wss://") {
        Err(Misuse::new(Error::ERR_UNAVAILABLE, "This version cannot connect to `wss://`."))
    } else {
        Err(Misuse::invalid("`url` must begin with `ws://`."))
    }
}

/// Starts to connect a session that is made with random numbers.
///
/// # Errors
/// `ERR_CANT_CREATE` when there is no network thread, or no randomness.
pub(crate) fn connect<S: Session>(
    endpoint: Endpoint,
    session: impl FnOnce(StdRng) -> S,
    config: ClientConfig,
) -> Result<ClientHandle<S>, Misuse> {
    let no_thread = |_| Misuse::new(Error::ERR_CANT_CREATE, "There is no network thread.");
    let runtime = runtime::handle().map_err(no_thread)?;
    Ok(signaling_net::connect(&runtime, endpoint, session(randomness()?), config))
}

/// What draws numbers that nobody can guess.
///
/// # Errors
/// `ERR_CANT_CREATE` when the system has none.
pub(crate) fn randomness() -> Result<StdRng, Misuse> {
    let no_chance = |_| Misuse::new(Error::ERR_CANT_CREATE, "There is no randomness.");
    StdRng::try_from_rng(&mut SysRng).map_err(no_chance)
}

/// What each connection to another player is made with: the node's properties, and the STUN and
/// TURN servers that its server told of.
pub(crate) fn configuration(
    rtc_configuration: &Keys,
    ice_servers: &Array<VarDictionary>,
    told: impl Iterator<Item = Variant>,
) -> VarDictionary {
    let mut configuration = json::untyped(rtc_configuration.dictionary());
    let given = configuration.get("iceServers").unwrap_or_default();
    let mut merged: VarArray = match given.try_to::<AnyArray>() {
        Ok(servers) => servers.iter_shared().collect(),
        Err(_) if given.is_nil() => VarArray::new(),
        // Complained about where the connection is made.
        Err(_) => return configuration,
    };
    // Each may have types of its own.
    merged.extend(AnyArray::iter_shared(ice_servers));
    merged.extend(told);
    configuration.set("iceServers", &merged);
    configuration
}
