//! A client session on its connection, seen from the game.

use signaling_core::Session;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::config::ClientConfig;
use crate::local::LocalStream;
use crate::server::QueueFull;

/// Where a client connects to.
#[derive(Debug)]
pub enum Endpoint {
    /// A `ws://` URL.
    Url(String),
    /// A server in the same process.
    Local(LocalStream),
}

/// Connects `session` to `endpoint` with a task of `runtime`. Returns at once: whether it worked
/// is told by the session's events.
pub fn connect<C: Session>(
    runtime: &Handle,
    endpoint: Endpoint,
    session: C,
    config: ClientConfig,
) -> ClientHandle<C> {
    let _ = (runtime, endpoint, session, config);
    ClientHandle { requests: mpsc::channel(1).0 }
}

/// A client's connection. Dropping it closes the connection with 1000, without waiting for it.
pub struct ClientHandle<C: Session> {
    requests: mpsc::Sender<C::Request>,
}

impl<C: Session> ClientHandle<C> {
    /// Hands a request to the session. Never blocks. A session whose connection has ended ignores
    /// it.
    ///
    /// # Errors
    /// [`QueueFull`] when as many requests wait already as can.
    pub fn request(&self, request: C::Request) -> Result<(), QueueFull> {
        match self.requests.try_send(request) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(QueueFull),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// What the session has told since the last call, oldest first. Never blocks.
    pub fn take_events(&self) -> Vec<C::Event> {
        Vec::new()
    }
}
