//! What the tests that cross rooms share with the benchmarks, and with the program that games meet;
//! they live in `it/`, `benches/` and `guest/`.

pub mod meeting;

use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use signaling_core::Server;
use signaling_net::{
    Answer, Entrance, Knock, Listener, Port, PortConfig, Router, ServerConfig, ServerHandle, host,
};
use tokio::runtime::Handle;

/// One machine with a port of its own, at which every path leads to it.
pub struct Served<S: Server> {
    port: Port,
    server: ServerHandle<S>,
}

/// Serves `machine` on `listener` with tasks of `runtime`.
///
/// # Errors
/// When the runtime cannot watch the socket.
pub fn serve<S: Server>(
    runtime: &Handle,
    listener: Listener,
    machine: S,
    config: ServerConfig,
) -> io::Result<Served<S>> {
    serve_limited(runtime, listener, machine, config, PortConfig::default())
}

/// The same, with limits for the port.
///
/// # Errors
/// When the runtime cannot watch the socket.
pub fn serve_limited<S: Server>(
    runtime: &Handle,
    listener: Listener,
    machine: S,
    config: ServerConfig,
    limits: PortConfig,
) -> io::Result<Served<S>> {
    let server = host(runtime, machine, config);
    let port = Port::open(runtime, listener, AllTo(server.entrance()), limits)?;
    Ok(Served { port, server })
}

struct AllTo(Arc<dyn Entrance>);

impl Router for AllTo {
    fn route(&self, _: &Knock<'_>) -> Answer {
        Answer::Seat(Arc::clone(&self.0))
    }
}

impl<S: Server> Served<S> {
    /// The address that clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.port.local_addr()
    }

    /// Frees the port and shuts the machine down.
    pub fn shutdown(&self) {
        self.port.close();
        self.server.shutdown();
    }
}

impl<S: Server> Deref for Served<S> {
    type Target = ServerHandle<S>;

    fn deref(&self) -> &ServerHandle<S> {
        &self.server
    }
}
