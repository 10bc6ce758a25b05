//! A port, and who is spoken to on it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use signaling_core::TurnedAway;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::accept::{self, Door};
use crate::config::PortConfig;
use crate::listener::Listener;

/// The head of a request, before anything has been promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knock<'a> {
    /// Path and query, as sent.
    pub target: &'a str,
    /// Which page asks, when a browser does.
    pub origin: Option<&'a str>,
}

/// What a request is answered with.
pub enum Answer {
    /// It is meant for this machine. If it does not ask for a WebSocket, it is told to (426); if the
    /// machine turns it away, to come back later (503 or 429).
    Seat(Arc<dyn Entrance>),
    /// HTTP. A request for a WebSocket fails with it.
    Http {
        /// The status, such as 404.
        status: u16,
        /// Plain text.
        body: String,
    },
}

/// Decides whom a request is for. Called by many tasks at a time; must not block.
pub trait Router: Send + Sync + 'static {
    /// What to answer.
    fn route(&self, knock: &Knock<'_>) -> Answer;
}

/// The way to one machine; from [`ServerHandle::entrance`](crate::ServerHandle::entrance). It does
/// not keep the machine running.
pub trait Entrance: Send + Sync {
    /// Whether one more may come in from there, with this path and query.
    ///
    /// # Errors
    /// Why not.
    fn knock(&self, target: &str, from: &str) -> Result<(), TurnedAway>;

    /// Serves a connection whose handshake is over, until it ends.
    fn seat(&self, visitor: Visitor) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A connection whose handshake is over.
pub struct Visitor {
    pub(crate) stream: TcpStream,
    pub(crate) target: String,
    pub(crate) from: String,
}

/// A served port. Dropping it closes it, as [`Port::close`] does.
pub struct Port {
    door: Arc<Door>,
    stop: watch::Sender<bool>,
    local_addr: SocketAddr,
}

impl Port {
    /// Lets in whoever knocks at `listener`, with tasks of `runtime`.
    ///
    /// # Errors
    /// When the runtime cannot watch the socket.
    ///
    /// # Panics
    /// When `runtime` was built without I/O or without time.
    pub fn open(
        runtime: &Handle,
        listener: Listener,
        router: impl Router,
        config: PortConfig,
    ) -> io::Result<Self> {
        let _inside = runtime.enter();
        let local_addr = listener.local_addr();
        let door = Arc::new(Door::new(TcpListener::from_std(listener.into_std())?));
        let (stop, stopped) = watch::channel(false);
        runtime.spawn(accept::run(Arc::clone(&door), Arc::new(router), config, stopped));
        Ok(Self { door, stop, local_addr })
    }

    /// The address that clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Frees the port at once and drops handshakes under way. Connections that stand are not
    /// touched.
    pub fn close(&self) {
        self.door.close();
        self.stop.send_replace(true);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}
