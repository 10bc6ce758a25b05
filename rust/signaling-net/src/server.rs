//! A served state machine, seen from the embedding program.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use signaling_core::Server;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::config::ServerConfig;
use crate::listener::Listener;
use crate::local::{self, LocalStream};
use crate::notices::Notices;

/// Commands that wait for the server's task; further ones are refused.
const MAX_COMMANDS: usize = 1024;

/// A bounded queue has no room; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("queue full")]
pub struct QueueFull;

/// The server has been shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("server stopped")]
pub struct ServerStopped;

/// Serves `machine` on `listener` with tasks of `runtime`, until [`ServerHandle::shutdown`] or
/// until the last handle is dropped.
///
/// # Errors
/// When the runtime cannot watch the socket.
pub fn serve<S: Server>(
    runtime: &Handle,
    listener: Listener,
    machine: S,
    config: ServerConfig,
) -> io::Result<ServerHandle<S>> {
    let _ = (runtime, listener, machine, config);
    Err(io::ErrorKind::Unsupported.into())
}

/// A running server. All clones are the same server; when the last one is dropped, the server
/// shuts down.
pub struct ServerHandle<S: Server> {
    shared: Arc<Shared<S>>,
}

struct Shared<S: Server> {
    machine: parking_lot::Mutex<S>,
    commands: mpsc::Sender<S::Command>,
    stop: watch::Sender<bool>,
    local_addr: SocketAddr,
}

impl<S: Server> Clone for ServerHandle<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: Server> ServerHandle<S> {
    /// The address that clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }

    /// How many connections the machine knows at the moment. Never blocks.
    pub fn connection_count(&self) -> usize {
        0
    }

    /// Hands a command to the machine. Never blocks: the command waits for the server's task. A
    /// server that has stopped ignores it.
    ///
    /// # Errors
    /// [`QueueFull`] when as many commands wait already as can.
    pub fn command(&self, command: S::Command) -> Result<(), QueueFull> {
        match self.shared.commands.try_send(command) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(QueueFull),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// What the machine has told since the last call. Never waits for the machine.
    pub fn take_notices(&self) -> Notices<S::Notice> {
        Notices { events: Vec::new(), lost: false }
    }

    /// Drops the notices that wait and reads the machine in one step under its lock, so that the
    /// next notice follows exactly what was read. Waits for the machine's lock, which is never
    /// held for longer than one input takes.
    pub fn resync<R>(&self, read: impl FnOnce(&S) -> R) -> R {
        read(&self.shared.machine.lock())
    }

    /// Opens a connection through memory, under the same rules as a socket. Never blocks.
    ///
    /// # Errors
    /// [`ServerStopped`] after [`ServerHandle::shutdown`].
    pub fn connect_local(&self) -> Result<LocalStream, ServerStopped> {
        if *self.shared.stop.borrow() {
            return Err(ServerStopped);
        }
        Ok(local::pair().0)
    }

    /// Frees the port, closes every connection with 1001 and ends all tasks within the close
    /// timeout. Returns at once, with the port already free.
    pub fn shutdown(&self) {
        self.shared.stop.send_replace(true);
    }

    /// True when everything has ended after a [`ServerHandle::shutdown`].
    pub fn is_closed(&self) -> bool {
        self.shared.stop.is_closed()
    }

    /// Waits until everything has ended after a [`ServerHandle::shutdown`]. May be dropped midway.
    pub async fn closed(&self) {
        self.shared.stop.closed().await;
    }
}
