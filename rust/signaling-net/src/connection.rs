//! One connection of a server, from its handshake to its end.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::{Close, Frame, Server};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::config::ServerConfig;
use crate::hub::{Hub, Seat};
use crate::wire::{Ended, Limits, Wire};

/// Messages of one connection that are handled before the others get their turn.
const MESSAGES_PER_TURN: usize = 8;

/// Serves a connection whose handshake is over until it ends. Dropped midway, it cuts the
/// connection off and the machine is told.
pub(crate) async fn run<S: Server, T>(hub: Arc<Hub<S>>, stream: T, target: &str, from: &str)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let ServerConfig { max_message_bytes, max_frame_bytes, outbox_bytes, .. } = hub.config;
    let limits = Limits { max_message_bytes, max_frame_bytes, outbox_bytes };
    let wire = Wire::from_raw(stream, Role::Server, limits).await;
    let mut connection = Connection::new(wire, hub.open(target, from), &hub);
    let ended = poll_fn(|cx| connection.poll(cx)).await;
    tracing::debug!(conn = %connection.seat.conn(), ?ended, "connection ends");
    let Connection { wire, seat, .. } = connection;
    let mailbox = Arc::clone(&seat.mailbox);
    // Others hear of the departure before the peer does.
    drop(seat);
    if !matches!(ended, Ended::Lost(_)) {
        let farewell = wire.farewell(&mailbox, ended.owed());
        // A peer that neither reads nor hangs up is cut off.
        let _ = timeout(hub.config.close_timeout, farewell).await;
    }
}

struct Connection<S: Server, T> {
    wire: Wire<T>,
    seat: Seat<S>,
    reads_binary_as_text: bool,
    keepalive: Keepalive,
    /// When to ask the keepalive; `None` when it has nothing to do.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S: Server, T: AsyncRead + AsyncWrite + Unpin> Connection<S, T> {
    fn new(wire: Wire<T>, seat: Seat<S>, hub: &Hub<S>) -> Self {
        let config = &hub.config;
        let keepalive = Keepalive::new(Instant::now(), config.ping_interval, config.silence_limit);
        let alarm =
            keepalive.poll_timeout().map(|at| Box::pin(tokio::time::sleep_until(at.into())));
        Self { wire, seat, reads_binary_as_text: config.reads_binary_as_text, keepalive, alarm }
    }

    /// Reads, keeps time, writes; none of them waits for another. Ready at the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Poll::Ready(ended) = self.poll_read(cx) {
            return Poll::Ready(ended);
        }
        if let Poll::Ready(ended) = self.poll_keepalive(cx) {
            return Poll::Ready(ended);
        }
        if self.seat.mailbox.take_ping() {
            self.wire.ping(cx);
        }
        self.wire.poll_write(cx, &self.seat.mailbox)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        for _ in 0..MESSAGES_PER_TURN {
            match ready!(self.wire.poll_read(cx)) {
                Ok(Message::Text(text)) => self.seat.receive(Frame::Text(&text)),
                Ok(Message::Binary(bytes)) if self.reads_binary_as_text => {
                    match str::from_utf8(&bytes) {
                        Ok(text) => self.seat.receive(Frame::Text(text)),
                        Err(_) => return Poll::Ready(Ended::ByUs(Close::invalid_utf8())),
                    }
                }
                Ok(Message::Binary(bytes)) => self.seat.receive(Frame::Binary(&bytes)),
                Ok(_) => self.seat.hear(),
                Err(ended) => return Poll::Ready(ended),
            }
            self.keepalive.heard(Instant::now());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_keepalive(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            let Some(alarm) = &mut self.alarm else { return Poll::Pending };
            ready!(alarm.as_mut().poll(cx));
            match self.keepalive.poll(Instant::now()) {
                Some(Beat::Silent) => return Poll::Ready(Ended::ByUs(Close::silent())),
                Some(Beat::Ping) => self.wire.ping(cx),
                None => {}
            }
            if let Some(at) = self.keepalive.poll_timeout() {
                alarm.as_mut().reset(at.into());
            }
        }
    }
}
