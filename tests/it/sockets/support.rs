//! Servers on a free port, and plain WebSockets to them.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signaling_core::Server;
use signaling_net::{Listener, PortConfig, ServerConfig, ServerHandle};
use signaling_tests::Served;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::hall::{Hall, Notice};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(super) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what).await.expect("it should have happened by now")
}

/// Serves a machine on a free port of the loopback interface.
pub(super) fn serve<S: Server>(machine: S, config: ServerConfig) -> Served<S> {
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    signaling_tests::serve(&Handle::current(), listener, machine, config).unwrap()
}

pub(super) fn serve_hall() -> Served<Hall> {
    serve(Hall::new(), ServerConfig::default())
}

/// Serves a hall at a port with these limits.
pub(super) fn serve_hall_within(limits: PortConfig) -> Served<Hall> {
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    let config = ServerConfig::default();
    let runtime = Handle::current();
    signaling_tests::serve_limited(&runtime, listener, Hall::new(), config, limits).unwrap()
}

/// Waits for the next notices, as many as `count`.
pub(super) async fn notices(server: &ServerHandle<Hall>, count: usize) -> Vec<Notice> {
    let mut notices = Vec::new();
    while notices.len() < count {
        soon(server.noticed()).await;
        notices.extend(server.take_notices().events);
    }
    notices
}

/// Waits until the hall has this many connections.
pub(super) async fn wait_for_count(server: &ServerHandle<Hall>, count: usize) {
    while server.connection_count() != count {
        soon(server.noticed()).await;
    }
}

/// A client's WebSocket that does nothing by itself but answer pings and closes.
pub(super) struct Socket(pub(super) WebSocketStream<TcpStream>);

/// How a WebSocket ended: the close frame's code and reason.
pub(super) type Closed = Option<(u16, String)>;

impl Socket {
    pub(super) async fn connect(addr: SocketAddr) -> Self {
        Self::request(addr, "/").await
    }

    pub(super) async fn request(addr: SocketAddr, target: &str) -> Self {
        let stream = soon(TcpStream::connect(addr)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::upgrade(stream, &format!("ws://{addr}{target}")).await
    }

    pub(super) async fn upgrade(stream: TcpStream, url: &str) -> Self {
        Self(soon(client_async(url, stream)).await.unwrap().0)
    }

    /// Where the server sees it.
    pub(super) fn addr(&self) -> SocketAddr {
        self.0.get_ref().local_addr().unwrap()
    }

    pub(super) async fn say(&mut self, text: &str) {
        soon(self.0.send(text.into())).await.unwrap();
    }

    /// Sends one frame, which need not be legal.
    pub(super) async fn send_frame(&mut self, payload: &[u8], opcode: Data, is_final: bool) {
        let frame = Frame::message(payload.to_vec(), OpCode::Data(opcode), is_final);
        soon(self.0.send(Message::Frame(frame))).await.unwrap();
    }

    /// The next text message.
    pub(super) async fn hear(&mut self) -> String {
        loop {
            match soon(self.0.next()).await {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?} is not a text"),
            }
        }
    }

    /// Reads until the end; `None` when there was no close frame.
    pub(super) async fn closed(&mut self) -> Closed {
        let mut closed = None;
        while let Some(message) = soon(self.0.next()).await {
            match message {
                Ok(Message::Close(Some(frame))) => {
                    closed = Some((frame.code.into(), frame.reason.to_string()));
                }
                Ok(_) => {}
                Err(Error::Io(_) | Error::Protocol(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        closed
    }
}

pub(super) fn closed(code: u16, reason: &str) -> Closed {
    Some((code, reason.to_owned()))
}
