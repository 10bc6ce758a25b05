//! What a socket says first: an HTTP request, which is answered or becomes a WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;

use signaling_core::TurnedAway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::{StatusCode, header};

use crate::config::PortConfig;
use crate::port::{Answer, Entrance, Knock, Router};
use crate::{forwarded, wire};

/// The largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// A connection whose handshake is over.
pub(crate) struct Admitted {
    /// Whose it is from now on.
    pub(crate) entrance: Arc<dyn Entrance>,
    /// Path and query.
    pub(crate) target: String,
    /// The address and port of its client, as text.
    pub(crate) from: String,
}

/// `None` when the request was answered otherwise, broke off or took too long.
pub(crate) async fn run(
    stream: &mut TcpStream,
    router: &dyn Router,
    peer: SocketAddr,
    config: &PortConfig,
) -> Option<Admitted> {
    // Small messages must not wait for the acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    timeout(config.handshake_timeout, greet(stream, router, peer, config)).await.ok().flatten()
}

async fn greet(
    stream: &mut TcpStream,
    router: &dyn Router,
    peer: SocketAddr,
    config: &PortConfig,
) -> Option<Admitted> {
    let request = match read_head(stream).await {
        Ok(request) => request?,
        Err(refusal) => return refuse(stream, refusal).await,
    };
    let client = forwarded::client(request.headers()).filter(|_| config.trust_proxy);
    match admit(&request, router, written(client.unwrap_or(peer))) {
        Ok((response, admitted)) => stream.write_all(&response).await.ok().map(|()| admitted),
        Err(refusal) => refuse(stream, refusal).await,
    }
}

/// The request; `None` when the socket broke off within it.
async fn read_head(stream: &mut TcpStream) -> Result<Option<Request>, Refusal> {
    let mut head = Vec::new();
    while head.len() < MAX_HEAD_BYTES {
        let mut room = (&mut *stream).take((MAX_HEAD_BYTES - head.len()) as u64);
        if !matches!(room.read_buf(&mut head).await, Ok(1..)) {
            return Ok(None);
        }
        match Request::try_parse(&head) {
            Ok(None) => {}
            // Nobody has a reason to send more before this is answered.
            Ok(Some((length, _))) if length < head.len() => break,
            Ok(Some((_, request))) => return Ok(Some(request)),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::new(StatusCode::BAD_REQUEST, ""))
}

/// An address as text. On a socket that takes both IPv4 and IPv6, IPv4 comes mapped.
fn written(from: SocketAddr) -> String {
    SocketAddr::new(from.ip().to_canonical(), from.port()).to_string()
}

/// What makes the request a WebSocket, and whose it is.
fn admit(
    request: &Request,
    router: &dyn Router,
    from: String,
) -> Result<(Vec<u8>, Admitted), Refusal> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let entrance = match router.route(&Knock { target, origin }) {
        Answer::Seat(entrance) => entrance,
        Answer::Http { status, body } => {
            let status = StatusCode::from_u16(status);
            return Err(Refusal::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &body));
        }
    };
    let response = create_response(request)?;
    entrance.knock(target, &from)?;
    let mut bytes = Vec::new();
    write_response(&mut bytes, &response)?;
    Ok((bytes, Admitted { entrance, target: target.to_owned(), from }))
}

/// Browsers let pages from elsewhere read what is answered: whom the server lets in it has decided.
const FOR_EVERY_PAGE: &str = "Access-Control-Allow-Origin: *\r\n";

/// An answer that makes no WebSocket.
struct Refusal {
    status: StatusCode,
    body: String,
}

impl Refusal {
    fn new(status: StatusCode, body: &str) -> Self {
        Self { status, body: body.to_owned() }
    }

    fn encode(&self) -> String {
        let Self { status, body } = self;
        let upgrade = match *status {
            StatusCode::UPGRADE_REQUIRED => {
                "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            }
            _ => "Connection: close\r\n",
        };
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\n{upgrade}{FOR_EVERY_PAGE}\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }
}

impl From<TurnedAway> for Refusal {
    fn from(turned_away: TurnedAway) -> Self {
        match turned_away {
            TurnedAway::Full => Self::new(StatusCode::SERVICE_UNAVAILABLE, "The server is full."),
            TurnedAway::TooOften => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many connections from this address.")
            }
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        tracing::debug!(%error, "not a handshake");
        match error {
            Error::Protocol(
                ProtocolError::WrongHttpMethod
                | ProtocolError::WrongHttpVersion
                | ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingUpgradeWebSocketHeader
                | ProtocolError::MissingSecWebSocketVersionHeader,
            ) => Self::new(StatusCode::UPGRADE_REQUIRED, "This is a WebSocket's address."),
            _ => Self::new(StatusCode::BAD_REQUEST, ""),
        }
    }
}

async fn refuse(stream: &mut TcpStream, refusal: Refusal) -> Option<Admitted> {
    let answer = refusal.encode();
    let answered =
        stream.write_all(answer.as_bytes()).await.is_ok() && stream.shutdown().await.is_ok();
    if answered {
        wire::hang_up(stream).await;
    }
    None
}
