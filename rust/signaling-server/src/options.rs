//! What can be set on the command line and in the environment.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Parser;
use clap::builder::{ArgPredicate, RangedU64ValueParser};
use signaling_gateway::{GatewayConfig, Origin};
use signaling_net::{PortConfig, ServerConfig};
use signaling_protocols::godot::Settings;
use signaling_protocols::godot::server::Hooks;
use signaling_protocols::rooms;
use signaling_protocols::routing::{PathError, Paths, Protocol};

use crate::cloudlink::CloudLinkOptions;
use crate::gate::GateOptions;
use crate::ice::IceOptions;

/// A signaling server for WebRTC: for games that speak the protocol of Godot's signaling demo, and
/// for clients of CloudLink Omega, CloudLink 5, rooms and calling.
///
/// Prints one line with its address when it listens, logs to standard error as RUST_LOG says, and
/// ends on SIGINT or SIGTERM.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Options {
    /// The IP address to listen on; "*" is all of them, IPv6 and IPv4
    #[arg(long, env = "SIGNALING_BIND", default_value = "*", value_name = "ADDRESS")]
    pub(crate) bind: String,

    /// The TCP port to listen on; 0 is any free one
    #[arg(long, env = "SIGNALING_PORT", default_value_t = 9080)]
    pub(crate) port: u16,

    /// The protocols that are spoken, of godot, omega, cloudlink5, peerserver, rooms and calling, or
    /// all; with --tokens or --auth-url by default godot alone, because others let everybody in
    #[arg(long, env = "SIGNALING_PROTOCOLS", value_name = "NAMES", value_delimiter = ',')]
    #[arg(value_parser = protocols, default_value = "all")]
    #[arg(default_value_ifs = [
        ("tokens", ArgPredicate::IsPresent, "godot"),
        ("auth_url", ArgPredicate::IsPresent, "godot"),
    ])]
    protocols: Vec<Vec<Protocol>>,

    /// Pages that may connect, as scheme://host; programs that are no browser always may
    #[arg(
        long = "origin",
        env = "SIGNALING_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    origins: Vec<Origin>,

    /// A path of Godot's protocol besides /
    #[arg(long, env = "SIGNALING_GODOT_PATH", default_value = "/godot", value_name = "PATH")]
    godot_path: String,

    /// The path of CloudLink Omega as it is specified; the name of a game follows
    #[arg(long, env = "SIGNALING_OMEGA_PATH", default_value = "/ws", value_name = "PATH")]
    omega_path: String,

    /// The path of CloudLink Omega as its later clients speak it; the name of a game follows
    #[arg(long, env = "SIGNALING_OMEGA_LATE_PATH", default_value = "/signaling")]
    #[arg(value_name = "PATH")]
    omega_late_path: String,

    /// A path of CloudLink 5 besides /
    #[arg(long, env = "SIGNALING_CLOUDLINK5_PATH", default_value = "/signaling")]
    #[arg(value_name = "PATH")]
    cloudlink5_path: String,

    /// The path of the PeerServer
    #[arg(long, env = "SIGNALING_PEERSERVER_PATH", default_value = "/peerjs", value_name = "PATH")]
    peerserver_path: String,

    /// The path of the rooms protocol
    #[arg(long, env = "SIGNALING_ROOMS_PATH", default_value = "/room", value_name = "PATH")]
    rooms_path: String,

    /// The path of the calling protocol
    #[arg(long, env = "SIGNALING_CALLING_PATH", default_value = "/calling", value_name = "PATH")]
    calling_path: String,

    /// Open connections of Godot's protocol; one more is closed at once
    #[arg(long, env = "SIGNALING_MAX_PEERS", default_value_t = 4096, value_name = "COUNT")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_peers: usize,

    /// Open lobbies of Godot's protocol
    #[arg(long, env = "SIGNALING_MAX_LOBBIES", default_value_t = 1024, value_name = "COUNT")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_lobbies: usize,

    /// How long a connection may stay outside of a lobby
    #[arg(long, env = "SIGNALING_JOIN_TIMEOUT_MS", default_value_t = 5000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    join_timeout_ms: u32,

    /// How long a sealed lobby lives on
    #[arg(long, env = "SIGNALING_SEAL_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    seal_timeout_ms: u32,

    /// How often each connection is pinged; 0 is never
    #[arg(long, env = "SIGNALING_PING_INTERVAL_MS", default_value_t = 10_000, value_name = "MS")]
    ping_interval_ms: u32,

    /// How long a connection may be silent, pongs included, until it is closed; 0 is for ever
    #[arg(long, env = "SIGNALING_PONG_TIMEOUT_MS", default_value_t = 0, value_name = "MS")]
    pong_timeout_ms: u32,

    /// Take players' addresses from X-Forwarded-For, or Forwarded where that is missing: the last
    /// entry, which the reverse proxy before this server must write itself
    #[arg(long, env = "SIGNALING_TRUST_PROXY")]
    trust_proxy: bool,

    /// The largest relayed message; what clients send may be one byte longer
    #[arg(
        long,
        env = "SIGNALING_MAX_MESSAGE_BYTES",
        default_value_t = 65_535,
        value_name = "BYTES"
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(message_bytes()))]
    max_message_bytes: usize,

    /// The only game that may use the server; players without HELLO name none and are let in
    #[arg(long, env = "SIGNALING_GAME", default_value = "", value_name = "ID")]
    game: String,

    /// The only build of the game that may use the server
    #[arg(long, env = "SIGNALING_BUILD", default_value = "", value_name = "VERSION")]
    build: String,

    /// The largest metadata of a lobby
    #[arg(long, env = "SIGNALING_MAX_METADATA_BYTES", default_value_t = 2048)]
    #[arg(value_name = "BYTES")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(2..=16_384))]
    max_metadata_bytes: usize,

    /// How long a player whose connection was lost keeps its place; 0 is not at all
    #[arg(long, env = "SIGNALING_RESUME_TIMEOUT_MS", default_value_t = 30_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=86_400_000))]
    resume_timeout_ms: u32,

    /// How often a session gives a sign of life; after three that are missed its connection counts
    /// as lost
    #[arg(long, env = "SIGNALING_SESSION_PING_MS", default_value_t = 5000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u32).range(50..=3_600_000))]
    session_ping_ms: u32,

    #[command(flatten)]
    ice: IceOptions,

    #[command(flatten)]
    cloudlink: CloudLinkOptions,

    #[command(flatten)]
    pub(crate) gate: GateOptions,
}

impl Options {
    /// All that is set; reads the files that the options name.
    pub(crate) fn config(&self, hooks: Hooks) -> Result<GatewayConfig, String> {
        let mut godot = self.settings()?;
        godot.hooks = hooks;
        let mut rooms = rooms::Settings::default();
        rooms.ice_servers = self.ice.urls().to_vec();
        Ok(GatewayConfig {
            protocols: self.protocols.iter().flatten().copied().collect(),
            paths: self.paths().map_err(|error| error.to_string())?,
            origins: self.origins.clone(),
            port: PortConfig {
                trust_proxy: self.trust_proxy,
                ..PortConfig::fitting(self.max_peers)
            },
            godot,
            godot_connections: self.connections(),
            cloudlink5: self.cloudlink.settings()?,
            rooms,
            ..GatewayConfig::default()
        })
    }

    fn paths(&self) -> Result<Paths, PathError> {
        let paths = [
            (Protocol::Godot, &self.godot_path),
            (Protocol::OmegaSeed, &self.omega_path),
            (Protocol::OmegaLate, &self.omega_late_path),
            (Protocol::CloudLink5, &self.cloudlink5_path),
            (Protocol::PeerServer, &self.peerserver_path),
            (Protocol::Rooms, &self.rooms_path),
            (Protocol::Calling, &self.calling_path),
        ];
        Paths::new(paths.map(|(protocol, path)| (protocol, path.clone())))
    }

    /// What Godot's protocol is to know.
    fn settings(&self) -> Result<Settings, String> {
        let mut settings = Settings::default();
        settings.max_peers = self.max_peers;
        settings.max_lobbies = self.max_lobbies;
        settings.join_timeout = milliseconds(self.join_timeout_ms);
        settings.seal_timeout = milliseconds(self.seal_timeout_ms);
        settings.max_message_bytes = self.max_message_bytes;
        settings.game.clone_from(&self.game);
        settings.build.clone_from(&self.build);
        settings.max_metadata_bytes = self.max_metadata_bytes;
        settings.resume_timeout = milliseconds(self.resume_timeout_ms);
        settings.ping_interval = milliseconds(self.session_ping_ms);
        settings.ice_servers = self.ice.servers();
        settings.turn = self.ice.turn()?;
        Ok(settings)
    }

    /// The limits of its connections.
    fn connections(&self) -> ServerConfig {
        ServerConfig {
            ping_interval: unless_zero(self.ping_interval_ms),
            silence_limit: unless_zero(self.pong_timeout_ms),
            ..ServerConfig::fitting(self.max_peers, self.max_message_bytes)
        }
    }
}

/// The protocols of this name.
fn protocols(name: &str) -> Result<Vec<Protocol>, String> {
    let is_named = |protocol: &Protocol| name == "all" || protocol.name() == name;
    let named: Vec<_> = Protocol::ALL.into_iter().filter(is_named).collect();
    if named.is_empty() { Err(format!("choose from {}", protocol_names())) } else { Ok(named) }
}

fn protocol_names() -> String {
    let mut names = Protocol::ALL.map(Protocol::name).to_vec();
    // The numberings of Omega are one.
    names.dedup();
    format!("{} and all", names.join(", "))
}

fn message_bytes() -> RangeInclusive<u64> {
    let range = Settings::MESSAGE_BYTES;
    *range.start() as u64..=*range.end() as u64
}

fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

fn unless_zero(count: u32) -> Option<Duration> {
    (count > 0).then(|| milliseconds(count))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::gate::Gate;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn nothing_set_means_the_defaults_of_protocol_and_transport() {
        let options = Options::parse_from(["signaling-server"]);
        let (settings, config) = (Settings::default(), ServerConfig::default());
        assert_eq!(format!("{:?}", options.settings().unwrap()), format!("{settings:?}"));
        assert_eq!(Gate::new(&options.gate).unwrap().hooks(), settings.hooks);
        assert_eq!(format!("{:?}", options.connections()), format!("{config:?}"));
    }

    #[test]
    fn all_protocols_are_spoken_unless_some_would_let_in_whom_others_do_not() {
        let spoken = |args: &[&str]| {
            let args = ["signaling-server"].iter().chain(args);
            let options = Options::parse_from(args);
            options.config(Hooks::default()).unwrap().protocols.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(spoken(&[]), Protocol::ALL);
        assert_eq!(spoken(&["--tokens=file"]), [Protocol::Godot]);
        assert_eq!(spoken(&["--auth-url=http://a.example"]), [Protocol::Godot]);
        let asked = ["--tokens=file", "--protocols=rooms,omega"];
        assert_eq!(spoken(&asked), [Protocol::OmegaSeed, Protocol::OmegaLate, Protocol::Rooms]);
    }

    #[test]
    fn clients_in_rooms_are_told_of_the_same_stun_servers() {
        let options = Options::parse_from(["signaling-server", "--ice-server=stun:a,stun:b:1"]);
        let config = options.config(Hooks::default()).unwrap();
        assert_eq!(config.rooms.ice_servers, ["stun:a", "stun:b:1"]);
        assert!(!config.godot.ice_servers.is_null());
    }

    #[test]
    fn zero_switches_pings_and_their_deadline_off() {
        let args = ["signaling-server", "--ping-interval-ms=0", "--pong-timeout-ms=30000"];
        let config = Options::parse_from(args).connections();
        assert_eq!(config.ping_interval, None);
        assert_eq!(config.silence_limit, Some(Duration::from_secs(30)));
    }

    #[test]
    fn whoever_names_an_unknown_protocol_is_told_the_others() {
        let error = protocols("room").unwrap_err();
        assert_eq!(
            error,
            "choose from godot, omega, cloudlink5, peerserver, rooms, calling and all"
        );
    }

    #[test]
    fn protocols_that_would_not_be_found_are_refused() {
        let options = Options::parse_from(["signaling-server", "--rooms-path=/calling"]);
        let error = options.config(Hooks::default()).unwrap_err();
        assert_eq!(error, "the path \"/calling\" of calling belongs to another protocol too");
    }

    #[test]
    fn the_paths_are_the_usual_ones_unless_others_are_chosen() {
        let paths = |args: &[&str]| {
            let args = ["signaling-server"].iter().chain(args);
            Options::parse_from(args).config(Hooks::default()).unwrap().paths
        };
        assert_eq!(paths(&[]), Paths::default());
        let elsewhere = paths(&["--omega-path=/omega", "--peerserver-path=/peers"]);
        let chosen = [(Protocol::OmegaSeed, "/omega"), (Protocol::PeerServer, "/peers")];
        let chosen = chosen.map(|(protocol, path)| (protocol, path.to_owned()));
        assert_eq!(Ok(elsewhere), Paths::new(chosen));
    }

    #[test]
    fn limits_that_would_turn_everybody_away_are_refused() {
        for option in [
            "--max-peers=0",
            "--max-lobbies=0",
            "--join-timeout-ms=0",
            "--seal-timeout-ms=0",
            "--max-message-bytes=124",
            "--max-message-bytes=1000001",
            "--max-metadata-bytes=16385",
            "--session-ping-ms=0",
            "--ice-server=turn:turn.example.com",
            "--turn-url=turn:turn.example.com",
            "--allow-plain",
            "--auth-url=ftp://auth.example.com",
            "--auth-url=auth.example.com",
            "--auth-fail-open",
            "--protocols=esperanto",
            "--origin=example.com",
        ] {
            assert!(Options::try_parse_from(["signaling-server", option]).is_err(), "{option}");
        }
    }
}
