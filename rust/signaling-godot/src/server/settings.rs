//! The node's properties, as the server wants them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use godot::prelude::*;
use signaling_gateway::{GatewayConfig, Origin};
use signaling_net::{PortConfig, ServerConfig};
use signaling_protocols::godot::Settings;
use signaling_protocols::godot::extended::{Json, limits};
use signaling_protocols::godot::server::{Hooks, TurnSecret};
use signaling_protocols::rooms;
use signaling_protocols::routing::{Paths, Protocol};

use super::SignalingServer;
use crate::json;
use crate::webrtc::{is_ice_server, is_turn_url, open_urls};

/// The most that clients read, as JSON.
const ICE_SERVERS_BYTES: usize = 16_384;
/// What a name and a password for [`SignalingServer::turn_urls`] add at most.
const TURN_CREDENTIAL_BYTES: usize = 256;

impl SignalingServer {
    /// The properties as the server wants them; `None` when one is out of its range.
    pub(super) fn config(&self, hooks: Hooks) -> Option<GatewayConfig> {
        let mut godot = self.settings()?;
        godot.hooks = hooks;
        Some(GatewayConfig {
            protocols: self.spoken()?,
            paths: self.paths()?,
            origins: self.origins()?,
            port: PortConfig {
                trust_proxy: self.trust_proxy,
                ..PortConfig::fitting(godot.max_peers)
            },
            godot_connections: self.connections(&godot)?,
            godot,
            rooms: self.rooms(),
            ..GatewayConfig::default()
        })
    }

    /// The protocols whose bits are set.
    fn spoken(&self) -> Option<BTreeSet<Protocol>> {
        let all = Protocol::ALL.into_iter().fold(0, |bits, protocol| bits | bit(protocol));
        if self.protocols == 0 || self.protocols & !all != 0 {
            return refused(&format!("`protocols` is {}, not a sum of protocols", self.protocols));
        }
        let is_spoken = |protocol: &Protocol| self.protocols & bit(*protocol) != 0;
        Some(Protocol::ALL.into_iter().filter(is_spoken).collect())
    }

    fn paths(&self) -> Option<Paths> {
        let paths = [
            (Protocol::Godot, &self.godot_path),
            (Protocol::OmegaSeed, &self.omega_path),
            (Protocol::OmegaLate, &self.omega_late_path),
            (Protocol::CloudLink5, &self.cloudlink5_path),
            (Protocol::PeerServer, &self.peer_server_path),
            (Protocol::Rooms, &self.rooms_path),
            (Protocol::Calling, &self.calling_path),
        ];
        Paths::new(paths.map(|(protocol, path)| (protocol, path.to_string())))
            .map_or_else(|why| refused(&why.to_string()), Some)
    }

    fn origins(&self) -> Option<Vec<Origin>> {
        let parse = |origin: &GString| {
            let parsed = origin.to_string().parse();
            parsed.map_or_else(
                |why| refused(&format!("of \"{origin}\" in `allowed_origins`: {why}")),
                Some,
            )
        };
        self.allowed_origins.as_slice().iter().map(parse).collect()
    }

    /// What the native protocol is to know.
    fn settings(&self) -> Option<Settings> {
        let mut settings = Settings::default();
        settings.max_peers = count(self.max_peers)?;
        settings.max_lobbies = count(self.max_lobbies)?;
        settings.join_timeout = seconds(self.join_timeout)??;
        settings.seal_timeout = seconds(self.seal_timeout)??;
        let message_bytes = count(self.max_message_bytes)?;
        settings.max_message_bytes =
            Settings::MESSAGE_BYTES.contains(&message_bytes).then_some(message_bytes)?;
        settings.resume_timeout = seconds(self.resume_timeout)?.unwrap_or_default();
        settings.ping_interval = seconds(self.client_ping_interval)??;
        settings.game = self.required_game_id.to_string();
        settings.build = self.required_game_version.to_string();
        settings.max_metadata_bytes = usize::try_from(self.max_metadata_bytes)
            .ok()
            .filter(|bytes| *bytes <= limits::LOBBY_METADATA)?;
        settings.ice_servers = self.told_ice_servers()?;
        settings.turn = self.turn_servers()?;
        Some(settings)
    }

    /// What rooms are to know.
    fn rooms(&self) -> rooms::Settings {
        let servers = AnyArray::iter_shared(&self.ice_servers);
        let mut settings = rooms::Settings::default();
        settings.ice_servers = servers.flat_map(|server| open_urls(&server)).collect();
        settings
    }

    /// The limits of its connections.
    fn connections(&self, settings: &Settings) -> Option<ServerConfig> {
        Some(ServerConfig {
            ping_interval: seconds(self.ping_interval)?,
            silence_limit: seconds(self.pong_timeout)?,
            ..ServerConfig::fitting(settings.max_peers, settings.max_message_bytes)
        })
    }

    /// The servers that clients are told of; `None`, and an error tells why, when they would not be
    /// understood.
    fn told_ice_servers(&self) -> Option<Json> {
        // Each may have types of its own.
        let mut servers = AnyArray::iter_shared(&self.ice_servers);
        if let Some(index) = servers.position(|server| !is_ice_server(&server)) {
            return refused(&format!("`ice_servers[{index}]` is not understood"));
        }
        let turn_bytes: usize = self.turn_urls.as_slice().iter().map(|url| url.len() + 4).sum();
        let fits = |json: &Json| {
            json.to_string().len() + turn_bytes + TURN_CREDENTIAL_BYTES <= ICE_SERVERS_BYTES
        };
        let json = json::from_variant(&self.ice_servers.to_variant()).filter(fits);
        json.or_else(|| refused("`ice_servers` and `turn_urls` are too much for a client"))
    }

    /// TURN servers that share a secret with us, if there are any.
    fn turn_servers(&self) -> Option<Option<TurnSecret>> {
        if self.turn_urls.is_empty() {
            return Some(None);
        }
        let urls: Vec<_> = self.turn_urls.as_slice().iter().map(GString::to_string).collect();
        if let Some(wrong) = urls.iter().find(|url| !is_turn_url(url)) {
            return refused(&format!(
                "`turn_urls` has \"{wrong}\", which is not a TURN server's URL"
            ));
        }
        if self.turn_secret.is_empty() {
            return refused("`turn_urls` need a `turn_secret`");
        }
        let lifetime = seconds(self.turn_lifetime)??;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = (Instant::now(), since_1970);
        Some(Some(TurnSecret::new(urls, self.turn_secret.to_string(), lifetime, clock)))
    }
}

/// What stands for a protocol in [`SignalingServer::protocols`].
fn bit(protocol: Protocol) -> i64 {
    match protocol {
        Protocol::Godot => SignalingServer::PROTOCOL_GODOT,
        Protocol::OmegaSeed | Protocol::OmegaLate => SignalingServer::PROTOCOL_CLOUDLINK_OMEGA,
        Protocol::CloudLink5 => SignalingServer::PROTOCOL_CLOUDLINK_5,
        Protocol::PeerServer => SignalingServer::PROTOCOL_PEER_SERVER,
        Protocol::Rooms => SignalingServer::PROTOCOL_ROOMS,
        Protocol::Calling => SignalingServer::PROTOCOL_CALLING,
    }
}

/// Says why a property is of no use.
fn refused<T>(why: &str) -> Option<T> {
    godot_error!("SignalingServer cannot listen: {why}.");
    None
}

/// A property that counts something; `None` unless it is at least 1.
fn count(value: i64) -> Option<usize> {
    usize::try_from(value).ok().filter(|count| *count > 0)
}

/// A property in seconds. The inner `None` means 0, "off"; the outer one that it makes no sense.
pub(super) fn seconds(value: f64) -> Option<Option<Duration>> {
    const SENSIBLE: RangeInclusive<f64> = 0.01..=31_536_000.0;
    match value {
        0.0 => Some(None),
        _ => SENSIBLE.contains(&value).then(|| Some(Duration::from_secs_f64(value))),
    }
}
