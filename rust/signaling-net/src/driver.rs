//! What drives a client's session: the making of its connection, and then its life.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use signaling_core::{Close, Frame, Session, SessionInput, SessionOutput};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Sleep, timeout};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::Endpoint;
use crate::config::ClientConfig;
use crate::events::EventQueue;
use crate::mailbox::Mailbox;
use crate::paced::Paced;
use crate::wire::{self, Ended, Wire};

/// Messages handled before other tasks get their turn.
const MESSAGES_PER_TURN: usize = 8;

/// Whatever carries the bytes.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
type ClientWire = Wire<Box<dyn Stream>>;

/// Connects the session and drives it until its connection ends.
pub(crate) async fn run<C: Session>(
    endpoint: Endpoint,
    session: C,
    requests: mpsc::Receiver<C::Request>,
    events: Arc<EventQueue<C::Event>>,
    config: ClientConfig,
) {
    let mailbox = Mailbox::new(config.outbox_bytes);
    let mut driver = Driver { session, requests, events, mailbox, alarm: None };
    let connected = tokio::select! {
        ended = poll_fn(|cx| driver.poll_session(cx)) => Err(ended),
        connected = establish(endpoint, &config) => connected.map_err(Ended::Lost),
    };
    match connected {
        Ok(wire) => driver.drive(wire, &config).await,
        Err(ended) => driver.end(&ended),
    }
}

struct Driver<C: Session> {
    session: C,
    requests: mpsc::Receiver<C::Request>,
    events: Arc<EventQueue<C::Event>>,
    mailbox: Mailbox,
    /// When to hand the session a timeout; made when it first asks for one.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<C: Session> Driver<C> {
    async fn drive(mut self, mut wire: ClientWire, config: &ClientConfig) {
        self.input(SessionInput::Opened);
        let ended = poll_fn(|cx| self.poll(cx, &mut wire)).await;
        // The game is told at once, not after the farewell.
        self.end(&ended);
        if !matches!(ended, Ended::Lost(_)) {
            let farewell = wire.farewell(&self.mailbox, ended.owed());
            let _ = timeout(config.close_timeout, farewell).await;
        }
    }

    /// Hands the session its last input.
    fn end(&mut self, ended: &Ended) {
        self.input(SessionInput::Closed(match ended {
            Ended::ByUs(close) | Ended::ByPeer(close) => close.clone(),
            Ended::Lost(reason) => Close::abnormal(reason),
        }));
    }

    /// Reads, listens to the game, writes; none of them waits for another. Ready at the end.
    fn poll(&mut self, cx: &mut Context<'_>, wire: &mut ClientWire) -> Poll<Ended> {
        if let Poll::Ready(ended) = self.poll_read(cx, wire) {
            return Poll::Ready(ended);
        }
        if let Poll::Ready(ended) = self.poll_session(cx) {
            return Poll::Ready(ended);
        }
        wire.poll_write(cx, &self.mailbox)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, wire: &mut ClientWire) -> Poll<Ended> {
        for _ in 0..MESSAGES_PER_TURN {
            ready!(self.events.poll_room(cx));
            match ready!(wire.poll_read(cx)) {
                Ok(Message::Text(text)) => self.input(SessionInput::Frame(Frame::Text(&text))),
                Ok(Message::Binary(data)) => self.input(SessionInput::Frame(Frame::Binary(&data))),
                Ok(_) => {}
                Err(ended) => return Poll::Ready(ended),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What the session does without its connection: requests and timers. Ready when it closes
    /// the connection.
    fn poll_session(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            if let Some(close) = self.mailbox.closing() {
                return Poll::Ready(Ended::ByUs(close));
            }
            if let Poll::Ready(request) = self.requests.poll_recv(cx) {
                match request {
                    Some(request) => self.input(SessionInput::Request(request)),
                    None => self.mailbox.close(Close::new(1000, "")),
                }
                continue;
            }
            ready!(self.poll_alarm(cx));
            self.input(SessionInput::Timeout);
        }
    }

    /// Ready when the session's deadline has come.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.session.poll_timeout() else { return Poll::Pending };
        let sleep = || Box::pin(tokio::time::sleep_until(deadline.into()));
        let alarm = self.alarm.get_or_insert_with(sleep);
        if alarm.deadline() != deadline.into() {
            alarm.as_mut().reset(deadline.into());
        }
        alarm.as_mut().poll(cx)
    }

    fn input(&mut self, input: SessionInput<'_, C::Request>) {
        self.session.handle_input(Instant::now(), input);
        while let Some(output) = self.session.poll_output() {
            match output {
                // On overflow the mailbox closes itself, which ends the connection.
                SessionOutput::Send(text) => drop(self.mailbox.push(text)),
                SessionOutput::Close(close) => self.mailbox.close(close),
                SessionOutput::Event(event) => self.events.push(event),
            }
        }
    }
}

/// Makes the connection, or says in one sentence why it cannot be made.
async fn establish(endpoint: Endpoint, config: &ClientConfig) -> Result<ClientWire, String> {
    match endpoint {
        Endpoint::Local(stream) => {
            let limits = wire::config(config.max_message_bytes, config.outbox_bytes);
            Ok(Wire::from_raw(Box::new(stream.0) as _, Role::Client, limits).await)
        }
        Endpoint::Url(url) => match timeout(config.connect_timeout, dial(&url, config)).await {
            Ok(dialled) => dialled.map_err(|why| format!("Cannot connect to {url}: {why}")),
            Err(_) => Err(format!("Cannot connect to {url}: no answer in time")),
        },
    }
}

async fn dial(url: &str, config: &ClientConfig) -> Result<ClientWire, String> {
    let uri: Uri = url.parse().map_err(|_| "not a URL")?;
    let (host, port) = address(&uri)?;
    let stream = TcpStream::connect((host, port)).await.map_err(|error| unreachable(&error))?;
    // Small messages must not wait for the acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let limits = wire::config(config.max_message_bytes, config.outbox_bytes);
    let stream = Paced::new(Box::new(stream) as Box<dyn Stream>);
    match client_async_with_config(&uri, stream, Some(limits)).await {
        Ok((socket, _)) => Ok(Wire::new(socket, Role::Client)),
        Err(Error::Http(answer)) => Err(format!("the server answered HTTP {}", answer.status())),
        Err(error) => Err(error.to_string()),
    }
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
