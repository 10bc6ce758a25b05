//! The way in: accepting sockets, a few at a time, and their WebSocket handshake.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use signaling_core::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::{
    Callback, ErrorResponse, Request, Response,
};

use crate::hub::Hub;
use crate::{connection, forwarded, wire};

/// A listening socket that anybody can close at any time.
#[derive(Debug)]
pub(crate) struct Door(Mutex<Option<TcpListener>>);

impl Door {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self(Mutex::new(Some(listener)))
    }

    /// Frees the port at once.
    pub(crate) fn close(&self) {
        self.0.lock().take();
    }

    /// Waits for the next socket; for ever once the door is closed. May be dropped midway.
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| match &*self.0.lock() {
            Some(listener) => listener.poll_accept(cx),
            None => Poll::Pending,
        })
        .await
    }
}

/// Lets sockets in until `stop` says so.
pub(crate) async fn run<S: Server>(
    hub: Arc<Hub<S>>,
    door: Arc<Door>,
    mut stop: watch::Receiver<bool>,
) {
    let entrance = Entrance {
        places: places(hub.config.max_connections),
        handshakes: places(hub.config.max_handshakes),
        hub,
        stop: stop.clone(),
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = entrance.admit(&door) => {}
    }
}

struct Entrance<S: Server> {
    hub: Arc<Hub<S>>,
    places: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// How long to wait after accepting has failed: most failures, such as too many open files, need
/// time to pass. Doubled for each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl<S: Server> Entrance<S> {
    async fn admit(&self, door: &Door) {
        let mut pause = FIRST_PAUSE;
        loop {
            let place = acquire(&self.places).await;
            let handshake = acquire(&self.handshakes).await;
            match door.accept().await {
                Ok((stream, from)) => {
                    pause = FIRST_PAUSE;
                    tracing::debug!(%from, "accepted");
                    self.welcome(stream, from, place, handshake);
                }
                Err(error) => {
                    tracing::warn!(%error, ?pause, "cannot accept a connection");
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(2 * pause);
                }
            }
        }
    }

    fn welcome(
        &self,
        mut stream: TcpStream,
        from: SocketAddr,
        place: OwnedSemaphorePermit,
        handshake: OwnedSemaphorePermit,
    ) {
        let hub = Arc::clone(&self.hub);
        let mut stop = self.stop.clone();
        tokio::spawn(async move {
            let request = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => None,
                request = shake_hands(&mut stream, hub.config.handshake_timeout) => request,
            };
            drop(handshake);
            if let Some(Asked { target, client }) = request {
                let client = client.filter(|_| hub.config.trust_proxy).unwrap_or(from);
                connection::run(hub, stream, &target, &written(client)).await;
            }
            drop(place);
        });
    }
}

/// An address as text. On a socket that takes both IPv4 and IPv6, IPv4 comes mapped.
fn written(from: SocketAddr) -> String {
    SocketAddr::new(from.ip().to_canonical(), from.port()).to_string()
}

fn places(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}

async fn acquire(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(places).acquire_owned().await.expect("nobody closes these semaphores")
}

/// What a request tells.
#[derive(Debug, Default)]
struct Asked {
    /// Path and query.
    target: String,
    /// Whom it is from, if it is told so.
    client: Option<SocketAddr>,
}

/// The WebSocket handshake: returns what was asked, or `None` when it failed.
async fn shake_hands(stream: &mut TcpStream, limit: Duration) -> Option<Asked> {
    // Small messages must not wait for the acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let handshake = async {
        match upgrade(stream).await {
            Ok(asked) => Some(asked),
            Err(error) => {
                tracing::debug!(%error, "handshake failed");
                refuse(stream, &error).await;
                None
            }
        }
    };
    timeout(limit, handshake).await.ok().flatten()
}

async fn upgrade(stream: &mut TcpStream) -> Result<Asked, Error> {
    let mut asked = Asked::default();
    // The limits of the handshake's own buffers do not matter: nothing follows in this WebSocket.
    let config = wire::config(0, 0);
    // It holds no byte beyond the handshake: a client that sends more is refused.
    accept_hdr_async_with_config(stream, NoteInto(&mut asked), Some(config)).await?;
    Ok(asked)
}

/// Accepts any request and writes down what it tells.
struct NoteInto<'a>(&'a mut Asked);

impl Callback for NoteInto<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        let target = request.uri().path_and_query();
        self.0.target.push_str(target.map_or("/", |target| target.as_str()));
        self.0.client = forwarded::client(request.headers());
        Ok(response)
    }
}

const UPGRADE_REQUIRED: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\n\
    Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Content-Type: text/plain\r\nContent-Length: 34\r\n\r\nThis server speaks WebSocket only.";
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Answers what was not a WebSocket request.
async fn refuse(stream: &mut TcpStream, error: &Error) {
    let answer = match error {
        Error::Protocol(
            ProtocolError::WrongHttpMethod
            | ProtocolError::WrongHttpVersion
            | ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader
            | ProtocolError::MissingSecWebSocketVersionHeader,
        ) => UPGRADE_REQUIRED,
        Error::Io(_) | Error::Protocol(ProtocolError::HandshakeIncomplete) => return,
        _ => BAD_REQUEST,
    };
    let answered = stream.write_all(answer).await.is_ok() && stream.shutdown().await.is_ok();
    if answered {
        wire::hang_up(stream).await;
    }
}
