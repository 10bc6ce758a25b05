//! A client's session on its connection, seen from the game.

use std::sync::Arc;

use signaling_core::Session;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::config::ClientConfig;
use crate::driver;
use crate::events::EventQueue;
use crate::local::LocalServer;
use crate::server::{QueueFull, offer};

/// Where a client connects to.
pub enum Endpoint {
    /// A `ws://` URL.
    Url(String),
    /// A server in the same process.
    Local(LocalServer),
}

/// Connects `session` to `endpoint` with a task of `runtime`. Returns at once: whether it worked
/// is told by the session's events.
pub fn connect<C: Session>(
    runtime: &Handle,
    endpoint: Endpoint,
    session: C,
    config: ClientConfig,
) -> ClientHandle<C> {
    let (requests, inbox) = mpsc::channel(config.max_requests.clamp(1, Semaphore::MAX_PERMITS));
    let events = Arc::new(EventQueue::new(config.max_events));
    runtime.spawn(driver::run(endpoint, session, inbox, Arc::clone(&events), config));
    ClientHandle { requests, events }
}

/// A client's session and its connection. Dropping it ends both: a connection that stands is closed
/// with 1000, without waiting for it.
pub struct ClientHandle<C: Session> {
    requests: mpsc::Sender<C::Request>,
    events: Arc<EventQueue<C::Event>>,
}

impl<C: Session> ClientHandle<C> {
    /// Hands a request to the session. Never blocks. What it means without a connection is
    /// for the session to say.
    ///
    /// # Errors
    /// [`QueueFull`] when as many requests wait already as can.
    pub fn request(&self, request: C::Request) -> Result<(), QueueFull> {
        offer(&self.requests, request)
    }

    /// What the session has told since the last call, oldest first. Never blocks. While nobody
    /// takes them, the socket is not read.
    pub fn take_events(&self) -> Vec<C::Event> {
        self.events.take()
    }

    /// Waits until there may be something in [`ClientHandle::take_events`]; for one waiter at a
    /// time. May be dropped midway.
    pub async fn told(&self) {
        self.events.told().await;
    }
}
