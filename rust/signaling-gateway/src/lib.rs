//! The gateway: one port, all protocols, and one view of all their lobbies. The binary and the
//! extension both serve through it.
//!
//! Each protocol has a machine of its own, and they share nothing but the port. Reading order:
//! - this file: [`Gateway`], what is served and how it is ended.
//! - `tongue`: one served protocol, whichever it is.
//! - `switchboard`, `origin`: whom a request is for, and from where it may come.
//! - `key`: what the lobbies of all protocols are told apart by.

mod key;
mod origin;
mod switchboard;
mod tongue;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use futures_util::future::join_all;
use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::overview::Overview;
use signaling_core::wall_clock::WallClock;
use signaling_net::{Listener, Port, PortConfig, ServerConfig, ServerHandle, host};
use signaling_protocols::calling::{self, CallingServer};
use signaling_protocols::cloudlink5::peer_server::{self, PeerServer};
use signaling_protocols::cloudlink5::{self, CloudLink5Server};
use signaling_protocols::godot::{self, GodotServer};
use signaling_protocols::omega::{self, LateServer, SeedServer};
use signaling_protocols::rooms::{self, RoomServer};
use signaling_protocols::routing::{Paths, Protocol};
use tokio::runtime::Handle;

pub use key::unique_name;
pub use origin::Origin;
use switchboard::Switchboard;
use tongue::Spoken;
pub use tongue::Tongue;

/// What a [`Gateway`] speaks, and its limits.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The protocols that are spoken; the paths of the others are unknown. Default: all.
    pub protocols: BTreeSet<Protocol>,
    /// Where they are spoken.
    pub paths: Paths,
    /// The pages that may connect; whoever comes from another is answered with HTTP 403. Programs
    /// that are no browser name none and are let in. Empty, the default: all.
    pub origins: Vec<Origin>,
    /// The limits of the port.
    pub port: PortConfig,
    /// What the protocol of Godot's demo is to know.
    pub godot: godot::Settings,
    /// The limits of its connections.
    pub godot_connections: ServerConfig,
    /// What the protocol of namespaces, rooms and invitations is to know.
    pub calling: calling::Settings,
    /// What CloudLink Omega is to know, in both numberings.
    pub omega: omega::Settings,
    /// What CloudLink 5 is to know of lobbies.
    pub cloudlink5: cloudlink5::Settings,
    /// What its PeerServer is to know.
    pub peer_server: peer_server::Settings,
    /// What rooms are to know.
    pub rooms: rooms::Settings,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            protocols: Protocol::ALL.into(),
            paths: Paths::default(),
            origins: Vec::new(),
            port: PortConfig::default(),
            godot: godot::Settings::default(),
            godot_connections: ServerConfig::default(),
            calling: calling::Settings::default(),
            omega: omega::Settings::default(),
            cloudlink5: cloudlink5::Settings::default(),
            peer_server: peer_server::Settings::default(),
            rooms: rooms::Settings::default(),
        }
    }
}

/// All protocols on one port. Dropping it shuts it down, as [`Gateway::shutdown`] does.
pub struct Gateway {
    port: Port,
    godot: Option<ServerHandle<GodotServer>>,
    others: Vec<Box<dyn Tongue>>,
}

impl Gateway {
    /// Serves on `listener` with tasks of `runtime`. Seed `rng` from the operating system: names
    /// and tokens are the only thing that keeps strangers out.
    ///
    /// # Errors
    /// When the runtime cannot watch the socket.
    ///
    /// # Panics
    /// When `runtime` was built without I/O or without time.
    pub fn open(
        runtime: &Handle,
        listener: Listener,
        config: GatewayConfig,
        mut rng: StdRng,
    ) -> io::Result<Self> {
        let mut switchboard = Switchboard::new(config.paths.clone(), config.origins.clone());
        let godot = config.protocols.contains(&Protocol::Godot).then(|| {
            let machine = GodotServer::new(config.godot.clone(), fork(&mut rng));
            host(runtime, machine, config.godot_connections.clone())
        });
        if let Some(godot) = &godot {
            switchboard.connect(Protocol::Godot, godot.entrance());
        }
        let clock = wall_clock();
        let mut stage = Stage { runtime, switchboard: &mut switchboard, tongues: Vec::new() };
        for &protocol in &config.protocols {
            stage.start(protocol, &config, fork(&mut rng), clock);
        }
        let others = stage.tongues;
        let port = Port::open(runtime, listener, switchboard, config.port)?;
        Ok(Self { port, godot, others })
    }

    /// The address that clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.port.local_addr()
    }

    /// The protocol of Godot's demo, if it is spoken.
    pub fn godot(&self) -> Option<&ServerHandle<GodotServer>> {
        self.godot.as_ref()
    }

    /// The other protocols that are spoken.
    pub fn others(&self) -> impl Iterator<Item = &dyn Tongue> {
        self.others.iter().map(|tongue| &**tongue)
    }

    /// How many connections there are at the moment. Never blocks.
    pub fn connection_count(&self) -> usize {
        let godot = self.godot.as_ref().map_or(0, ServerHandle::connection_count);
        godot + self.others().map(Tongue::connection_count).sum::<usize>()
    }

    /// Frees the port, closes every connection with 1001 and ends all tasks within the close
    /// timeout. Returns at once, with the port already free.
    pub fn shutdown(&self) {
        self.port.close();
        if let Some(godot) = &self.godot {
            godot.shutdown();
        }
        self.others().for_each(Tongue::shutdown);
    }

    /// Waits until everything has ended after a [`Gateway::shutdown`]. May be dropped midway.
    pub async fn closed(&self) {
        if let Some(godot) = &self.godot {
            godot.closed().await;
        }
        join_all(self.others().map(Tongue::closed)).await;
    }
}

/// Where the machines of all protocols but Godot's are started.
struct Stage<'a> {
    runtime: &'a Handle,
    switchboard: &'a mut Switchboard,
    tongues: Vec<Box<dyn Tongue>>,
}

impl Stage<'_> {
    fn start(&mut self, protocol: Protocol, config: &GatewayConfig, rng: StdRng, clock: WallClock) {
        match protocol {
            Protocol::OmegaSeed => {
                self.speak(protocol, SeedServer::new(config.omega.clone(), rng), own_pings());
            }
            Protocol::OmegaLate => {
                self.speak(
                    protocol,
                    LateServer::new(config.omega.clone(), rng, clock),
                    own_pings(),
                );
            }
            Protocol::CloudLink5 => {
                let machine = CloudLink5Server::new(config.cloudlink5.clone(), rng, clock);
                self.speak(protocol, machine, own_pings());
            }
            Protocol::PeerServer => {
                self.switchboard.draw_peer_ids(rng);
                self.speak(protocol, PeerServer::new(config.peer_server.clone()), own_pings());
            }
            Protocol::Rooms => {
                let machine = RoomServer::new(config.rooms.clone(), rng);
                self.speak(protocol, machine, room_connections());
            }
            Protocol::Calling => {
                let machine = CallingServer::new(config.calling.clone(), rng);
                self.speak(protocol, machine, own_pings());
            }
            _ => {}
        }
    }

    fn speak<S: Overview>(&mut self, protocol: Protocol, machine: S, connections: ServerConfig) {
        let server = host(self.runtime, machine, connections);
        self.switchboard.connect(protocol, server.entrance());
        self.tongues.push(Box::new(Spoken { protocol, server }));
    }
}

/// The limits of connections that their protocol pings by itself.
fn own_pings() -> ServerConfig {
    ServerConfig {
        ping_interval: None,
        max_message_bytes: 256 << 10,
        reads_binary_as_text: true,
        // One names all members of a lobby, who may be thousands.
        max_notices: 1024,
        ..ServerConfig::default()
    }
}

/// The limits of rooms, whose messages come in frames.
fn room_connections() -> ServerConfig {
    ServerConfig {
        max_message_bytes: rooms::MAX_MESSAGE_BYTES,
        max_frame_bytes: Some(rooms::MAX_FRAME_BYTES),
        ..own_pings()
    }
}

/// For machines whose ids carry the time.
fn wall_clock() -> WallClock {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    WallClock::new(Instant::now(), since_1970.unwrap_or_default())
}

/// A generator of its own for each machine.
fn fork(rng: &mut StdRng) -> StdRng {
    StdRng::from_rng(rng)
}
