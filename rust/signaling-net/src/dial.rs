//! The making of a client's connection.

use std::io;
use std::sync::Arc;

use signaling_core::{Cause, Close};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::http::{StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::client::Endpoint;
use crate::config::ClientConfig;
use crate::local::LocalServer;
use crate::paced::Paced;
use crate::wire::{Limits, Wire};

/// Where a connection goes, and its limits.
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) config: ClientConfig,
}

/// Whatever carries the bytes.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
pub(crate) type ClientWire = Wire<Box<dyn Stream>>;

/// Why a connection did not come about, as the session is told.
pub(crate) struct Unmade {
    pub(crate) close: Close,
    pub(crate) cause: Cause,
}

/// Makes the connection. May be dropped midway.
pub(crate) async fn dial(target: Arc<Target>) -> Result<ClientWire, Unmade> {
    match &target.endpoint {
        Endpoint::Local(server) => dial_local(server, &target.config).await,
        Endpoint::Url(url) => {
            let dialled = timeout(target.config.connect_timeout, dial_url(url, &target.config));
            let dialled = dialled.await.unwrap_or_else(|_| Err("no answer in time".into()));
            dialled.map_err(|failure| failure.at(url))
        }
    }
}

async fn dial_local(server: &LocalServer, config: &ClientConfig) -> Result<ClientWire, Unmade> {
    let stopped = || Unmade { close: Close::shutting_down(), cause: Cause::Stopped };
    let stream = server.open().ok_or_else(stopped)?;
    Ok(Wire::from_raw(Box::new(stream) as _, Role::Client, limits(config)).await)
}

async fn dial_url(url: &str, config: &ClientConfig) -> Result<ClientWire, Failure> {
    let uri: Uri = url.parse().map_err(|_| "not a URL")?;
    let (host, port) = address(&uri)?;
    let stream = TcpStream::connect((host, port)).await.map_err(|error| unreachable(&error))?;
    // Small messages must not wait for the acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let stream = Paced::new(Box::new(stream) as Box<dyn Stream>);
    let limits = limits(config);
    match client_async_with_config(&uri, stream, Some(limits.config())).await {
        Ok((socket, _)) => Ok(Wire::new(socket, Role::Client, limits)),
        Err(Error::Http(answer)) => Err(Failure::refused(answer.status())),
        Err(error) => Err(error.to_string().into()),
    }
}

fn limits(config: &ClientConfig) -> Limits {
    let &ClientConfig { max_message_bytes, max_frame_bytes, outbox_bytes, .. } = config;
    Limits { max_message_bytes, max_frame_bytes, outbox_bytes }
}

fn address(uri: &Uri) -> Result<(&str, u16), &'static str> {
    match uri.scheme_str() {
        Some("ws") => {}
        Some("wss") => return Err("wss:// is not supported, use ws://"),
        _ => return Err("not a ws:// URL"),
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("the URL names no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host, uri.port_u16().unwrap_or(80)))
}

fn unreachable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        _ => error.to_string(),
    }
}

/// Why a URL could not be connected to: the second half of a sentence, and its kind.
struct Failure {
    why: String,
    cause: Cause,
}

impl Failure {
    fn refused(status: StatusCode) -> Self {
        let cause = Cause::Refused { status: status.as_u16() };
        Self { why: format!("the server answered HTTP {status}"), cause }
    }

    fn at(self, url: &str) -> Unmade {
        let Self { why, cause } = self;
        Unmade { close: Close::abnormal(&format!("Cannot connect to {url}: {why}")), cause }
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self { why, cause: Cause::Unreachable }
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        why.to_owned().into()
    }
}
