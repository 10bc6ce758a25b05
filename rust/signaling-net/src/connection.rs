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
/// What they may lead to: whoever has many told something lets them read it before the next.
const SENT_PER_TURN: usize = 64;

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
        let mut sent = 0;
        for _ in 0..MESSAGES_PER_TURN {
            match ready!(self.wire.poll_read(cx)) {
                Ok(Message::Text(text)) => sent += self.seat.receive(Frame::Text(&text)),
                Ok(Message::Binary(bytes)) if self.reads_binary_as_text => {
                    match str::from_utf8(&bytes) {
                        Ok(text) => sent += self.seat.receive(Frame::Text(text)),
                        Err(_) => return Poll::Ready(Ended::ByUs(Close::invalid_utf8())),
                    }
                }
                Ok(Message::Binary(bytes)) => sent += self.seat.receive(Frame::Binary(&bytes)),
                Ok(_) => self.seat.hear(),
                Err(ended) => return Poll::Ready(ended),
            }
            self.keepalive.heard(Instant::now());
            if sent >= SENT_PER_TURN {
                break;
            }
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use futures_util::{SinkExt, StreamExt};
    use signaling_core::{ConnId, Input, Output};
    use tokio::io::{DuplexStream, duplex};
    use tokio_tungstenite::WebSocketStream;

    use super::*;

    /// Tells whoever came first [`SENT_PER_TURN`] times what anybody says.
    #[derive(Default)]
    struct Echoes(VecDeque<Output<Infallible>>);

    impl Server for Echoes {
        type Message<'a> = Frame<'a>;
        type Command = Infallible;
        type Notice = Infallible;

        fn decode(frame: Frame<'_>) -> Frame<'_> {
            frame
        }

        fn handle_input(&mut self, _: Instant, input: Input<'_, Self>) {
            if let Input::Message { message: Frame::Text(text), .. } = input {
                let echo = Output::Send { conn: ConnId(0), text: text.into() };
                self.0.extend(vec![echo; SENT_PER_TURN]);
            }
        }

        fn poll_output(&mut self) -> Option<Output<Infallible>> {
            self.0.pop_front()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            None
        }
    }

    async fn connect(hub: &Arc<Hub<Echoes>>) -> WebSocketStream<DuplexStream> {
        let (near, far) = duplex(1 << 20);
        let hub = Arc::clone(hub);
        tokio::spawn(async move { run(hub, far, "/", "").await });
        // It takes its seat.
        tokio::task::yield_now().await;
        WebSocketStream::from_raw_socket(near, Role::Client, None).await
    }

    #[tokio::test]
    async fn whoever_reads_is_not_cut_off_by_one_who_has_it_told_much() {
        // Two messages of this size would not fit.
        let outbox_bytes = SENT_PER_TURN * 150;
        let config = ServerConfig { outbox_bytes, ..ServerConfig::default() };
        let hub = Arc::new(Hub::new(Echoes::default(), config));
        let (mut reader, mut talker) = (connect(&hub).await, connect(&hub).await);
        for _ in 0..MESSAGES_PER_TURN {
            talker.feed(Message::text("x".repeat(100))).await.unwrap();
        }
        talker.flush().await.unwrap();
        for _ in 0..MESSAGES_PER_TURN * SENT_PER_TURN {
            assert!(reader.next().await.unwrap().unwrap().is_text());
        }
    }
}
