//! A served state machine, seen from the embedding program.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Instant;

use signaling_core::{Server, TurnedAway};
use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::config::ServerConfig;
use crate::connection;
use crate::hub::Hub;
use crate::local::{self, LocalServer};
use crate::notices::Notices;
use crate::port::{Entrance, Visitor};

/// Commands that wait for the server's task; further ones are refused.
const MAX_COMMANDS: usize = 1024;

/// A bounded queue has no room; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("queue full")]
pub struct QueueFull;

/// Runs `machine` with tasks of `runtime`, until [`ServerHandle::shutdown`] or until the last
/// handle is dropped. It is reached through its [`ServerHandle::entrance`] and
/// [`ServerHandle::local`].
///
/// # Panics
/// When `runtime` was built without time.
pub fn host<S: Server>(runtime: &Handle, machine: S, config: ServerConfig) -> ServerHandle<S> {
    let hub = Arc::new(Hub::new(machine, config));
    let (stop, stopped) = watch::channel(false);
    let (commands, inbox) = mpsc::channel(MAX_COMMANDS);
    runtime.spawn(tend(Arc::clone(&hub), inbox, stopped));
    let shared = Shared { hub, commands, stop, runtime: runtime.clone() };
    ServerHandle { shared: Arc::new(shared) }
}

/// A running server. All clones are the same server; dropping the last one shuts it down, as
/// [`ServerHandle::shutdown`] does.
pub struct ServerHandle<S: Server> {
    shared: Arc<Shared<S>>,
}

struct Shared<S: Server> {
    hub: Arc<Hub<S>>,
    commands: mpsc::Sender<S::Command>,
    /// True from shutdown on. Each task of the server holds a receiver until it ends, so that
    /// `closed` knows when all have.
    stop: watch::Sender<bool>,
    runtime: Handle,
}

impl<S: Server> Shared<S> {
    /// Keeps the server from being [`ServerHandle::closed`] while it is held; `None` after a
    /// shutdown.
    fn alive(&self) -> Option<watch::Receiver<bool>> {
        let alive = self.stop.subscribe();
        let stopped = *alive.borrow();
        (!stopped).then_some(alive)
    }

    /// The client's end of a connection through memory; `None` after a shutdown.
    fn connect_local(&self) -> Option<DuplexStream> {
        let alive = self.alive()?;
        let (client, server) = local::pair();
        let hub = Arc::clone(&self.hub);
        self.runtime.spawn(async move {
            connection::run(hub, server, "/", "").await;
            drop(alive);
        });
        Some(client)
    }
}

impl<S: Server> Entrance for Weak<Shared<S>> {
    fn knock(&self, target: &str, from: &str) -> Result<(), TurnedAway> {
        // One that has stopped turns everybody away by itself.
        self.upgrade().map_or(Ok(()), |shared| shared.hub.knock(target, from))
    }

    fn seat(&self, visitor: Visitor) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let server = self.upgrade().and_then(|shared| Some((shared.alive()?, shared.hub.clone())));
        Box::pin(async move {
            let Some((alive, hub)) = server else { return };
            let Visitor { stream, target, from } = visitor;
            connection::run(hub, stream, &target, &from).await;
            drop(alive);
        })
    }
}

impl<S: Server> Clone for ServerHandle<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: Server> ServerHandle<S> {
    /// How many connections the machine knows at the moment. Never blocks.
    pub fn connection_count(&self) -> usize {
        self.shared.hub.connections()
    }

    /// Hands a command to the machine. Never blocks: the command waits for the server's task. A
    /// server that has stopped ignores it.
    ///
    /// # Errors
    /// [`QueueFull`] when as many commands wait already as can.
    pub fn command(&self, command: S::Command) -> Result<(), QueueFull> {
        offer(&self.shared.commands, command)
    }

    /// What the machine has told since the last call. Never waits for the machine.
    pub fn take_notices(&self) -> Notices<S::Notice> {
        self.shared.hub.take_notices()
    }

    /// Waits until there may be something in [`ServerHandle::take_notices`]; for one waiter at a
    /// time. May be dropped midway.
    pub async fn noticed(&self) {
        self.shared.hub.noticed().await;
    }

    /// Drops the notices that wait and reads the machine in one step under its lock, so that the
    /// next notice follows exactly what was read. Waits for the machine's lock, which is never
    /// held for longer than one input takes.
    pub fn resync<R>(&self, read: impl FnOnce(&S) -> R) -> R {
        self.shared.hub.resync(read)
    }

    /// Reads the machine under its lock. Waits for it as [`ServerHandle::resync`] does.
    pub fn read<R>(&self, read: impl FnOnce(&S) -> R) -> R {
        self.shared.hub.read(read)
    }

    /// This server for those who come through a [`Port`](crate::Port).
    pub fn entrance(&self) -> Arc<dyn Entrance> {
        Arc::new(Arc::downgrade(&self.shared))
    }

    /// This server for clients in the same process, as often as they like to connect to it.
    pub fn local(&self) -> LocalServer {
        let shared = Arc::downgrade(&self.shared);
        LocalServer::new(move || shared.upgrade()?.connect_local())
    }

    /// Closes every connection with 1001, lets nobody in any more, and ends all tasks within the
    /// close timeout. Returns at once.
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

/// Puts something into a bounded queue without waiting. A queue that nobody drains any more
/// swallows it.
pub(crate) fn offer<T>(queue: &mpsc::Sender<T>, item: T) -> Result<(), QueueFull> {
    match queue.try_send(item) {
        Err(mpsc::error::TrySendError::Full(_)) => Err(QueueFull),
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
    }
}

/// The server's own task: keeps the machine's time and hands in commands, and shuts the machine
/// down when `stop` says so or no handle is left.
async fn tend<S: Server>(
    hub: Arc<Hub<S>>,
    mut commands: mpsc::Receiver<S::Command>,
    mut stop: watch::Receiver<bool>,
) {
    let mut alarm = hub.tick();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(command) = commands.recv() => hub.command(command),
            () = sleep_until(alarm) => alarm = hub.tick(),
            () = hub.alarm_moved() => alarm = hub.tick(),
        }
    }
    hub.shut_down();
}

/// Sleeps until then; for ever without a time.
pub(crate) async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
