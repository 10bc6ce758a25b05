//! One WebSocket after its handshake, on either side and over any stream.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use signaling_core::Close;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::mailbox::Mailbox;
use crate::paced::Paced;

/// Bytes read at once, and written at once when more waits. The buffers of an idle connection are
/// this small because there are thousands of them and the read buffer is zeroed for each read.
const BUFFER_BYTES: usize = 4 << 10;

/// The limits of one WebSocket, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Of an inbound message.
    pub(crate) max_message_bytes: usize,
    /// Of a frame, inbound and outbound; `None`: a frame may be as large as a message.
    pub(crate) max_frame_bytes: Option<usize>,
    /// Of what waits to be written, and so of the largest message that can be.
    pub(crate) outbox_bytes: usize,
}

impl Limits {
    pub(crate) fn config(&self) -> WebSocketConfig {
        let max_frame_bytes = self.max_frame_bytes.unwrap_or(self.max_message_bytes);
        WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            // One batch, and the largest message that an outbox can hold.
            .max_write_buffer_size(self.outbox_bytes.saturating_add(2 * BUFFER_BYTES))
            .max_message_size(Some(self.max_message_bytes))
            .max_frame_size(Some(max_frame_bytes))
    }
}

/// A WebSocket whose reads and writes never block one another: both are polled by one task.
#[derive(Debug)]
pub(crate) struct Wire<T> {
    socket: WebSocketStream<Paced<T>>,
    role: Role,
    /// The largest outbound frame.
    max_frame_bytes: usize,
    /// What is left of a message that does not fit in one frame.
    rest: Bytes,
    /// True while something written may still lie in our buffer.
    unflushed: bool,
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It is for us to close it so.
    ByUs(Close),
    /// The peer sent this close frame.
    ByPeer(Close),
    /// It broke off, for this reason.
    Lost(String),
}

impl Ended {
    /// The close frame that we still owe the peer; an answer to its own needs none.
    pub(crate) fn owed(&self) -> Option<Close> {
        match self {
            Self::ByUs(close) => Some(close.clone()),
            Self::ByPeer(_) | Self::Lost(_) => None,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    /// A WebSocket that was made with [`Limits::config`].
    pub(crate) fn new(socket: WebSocketStream<Paced<T>>, role: Role, limits: Limits) -> Self {
        let max_frame_bytes = limits.max_frame_bytes.unwrap_or(usize::MAX).max(1);
        Self { socket, role, max_frame_bytes, rest: Bytes::new(), unflushed: false }
    }

    /// A WebSocket on a stream whose handshake is over.
    pub(crate) async fn from_raw(stream: T, role: Role, limits: Limits) -> Self {
        let (stream, config) = (Paced::new(stream), Some(limits.config()));
        Self::new(WebSocketStream::from_raw_socket(stream, role, config).await, role, limits)
    }

    /// The next message, pings and pongs included; pings have been answered.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Ended>> {
        Poll::Ready(match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
            Some(Ok(Message::Close(frame))) => Err(Ended::ByPeer(close_of(frame))),
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(ended(&error)),
            None => Err(Ended::Lost(LOST.into())),
        })
    }

    /// Writes what waits, flushing once. Ready when the mailbox was closed, with whatever still
    /// waits in it, or when the socket failed.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, mailbox: &Mailbox) -> Poll<Ended> {
        mailbox.register_owner(cx.waker());
        if let Some(close) = mailbox.closing() {
            return Poll::Ready(Ended::ByUs(close));
        }
        match ready!(self.poll_drain(cx, mailbox)) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(ended(&error)),
        }
    }

    /// Sends a ping, unless the socket is busy: then there is no lack of traffic to answer.
    pub(crate) fn ping(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Ok(())) = Pin::new(&mut self.socket).poll_ready(cx) {
            // A failed socket is found by the next read.
            let _ = Pin::new(&mut self.socket).start_send(Message::Ping(Bytes::new()));
            self.unflushed = true;
        }
    }

    /// Ends the WebSocket: writes what waits and our close, or with `None` the answer to the
    /// peer's, and waits for the peer to hang up. What still arrives is thrown away, so that
    /// neither the peer blocks on it nor the system cuts off what we wrote.
    ///
    /// Bounded only by its caller; may be dropped midway, which cuts the socket off.
    pub(crate) async fn farewell(mut self, mailbox: &Mailbox, close: Option<Close>) {
        let mut hung_up = false;
        let mut close = close.as_ref().map(close_message);
        let written = poll_fn(|cx| {
            hung_up = hung_up || poll_hang_up(self.socket.get_mut(), cx).is_ready();
            self.poll_last_words(cx, mailbox, &mut close)
        });
        let written = written.await.is_ok();
        let mut stream = self.socket.into_inner();
        // The server hangs up first (RFC 6455, section 7.1.1).
        if written && self.role == Role::Server {
            let _ = stream.shutdown().await;
        }
        if written && !hung_up {
            hang_up(&mut stream).await;
        }
    }

    /// Everything that waits, then the close unless it has been sent, all flushed.
    fn poll_last_words(
        &mut self,
        cx: &mut Context<'_>,
        mailbox: &Mailbox,
        close: &mut Option<Message>,
    ) -> Poll<Result<(), Error>> {
        if close.is_some() {
            ready!(self.poll_drain(cx, mailbox))?;
            ready!(Pin::new(&mut self.socket).poll_ready(cx))?;
        }
        if let Some(close) = close.take() {
            Pin::new(&mut self.socket).start_send(close)?;
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Ready when the mailbox is empty and everything is flushed.
    fn poll_drain(&mut self, cx: &mut Context<'_>, mailbox: &Mailbox) -> Poll<Result<(), Error>> {
        loop {
            ready!(Pin::new(&mut self.socket).poll_ready(cx))?;
            let Some(frame) = self.next_frame(mailbox) else { break };
            Pin::new(&mut self.socket).start_send(Message::Frame(frame))?;
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T> Wire<T> {
    /// The next frame of the message under way, or the first of the next message.
    fn next_frame(&mut self, mailbox: &Mailbox) -> Option<Frame> {
        let mut opcode = Data::Continue;
        if self.rest.is_empty() {
            // The text is shared, not copied; it has been UTF-8 all the way.
            self.rest = Bytes::from_owner(Arc::<[u8]>::from(mailbox.pop()?));
            opcode = Data::Text;
        }
        let part = self.rest.split_to(self.rest.len().min(self.max_frame_bytes));
        Some(Frame::message(part, OpCode::Data(opcode), self.rest.is_empty()))
    }
}

/// Waits for the peer to hang up. What still arrives is thrown away: a socket that is dropped with
/// something unread would also take back what it wrote last.
pub(crate) async fn hang_up(stream: &mut (impl AsyncRead + Unpin)) {
    poll_fn(|cx| poll_hang_up(stream, cx)).await;
}

/// Reads and forgets. Ready at the end of the stream.
fn poll_hang_up(stream: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
    let mut bytes = [0; BUFFER_BYTES];
    loop {
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
        if read.is_err() || buffer.filled().is_empty() {
            return Poll::Ready(());
        }
    }
}

const LOST: &str = "Connection lost";

fn ended(error: &Error) -> Ended {
    match error {
        Error::Capacity(_) => Ended::ByUs(Close::too_large()),
        Error::Utf8(_) => Ended::ByUs(Close::invalid_utf8()),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ended::Lost(LOST.into()),
        Error::Protocol(_) => Ended::ByUs(Close::new(1002, "Protocol error")),
        error => Ended::Lost(format!("{LOST}: {error}")),
    }
}

fn close_message(close: &Close) -> Message {
    let reason = (&*close.reason).into();
    Message::Close(Some(CloseFrame { code: close.code.into(), reason }))
}

/// A close frame without a code counts as 1005 (RFC 6455, section 7.1.5).
fn close_of(frame: Option<CloseFrame>) -> Close {
    frame.map_or_else(|| Close::new(1005, ""), |frame| Close::new(frame.code.into(), &frame.reason))
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::task::noop_waker;

    use super::*;

    /// A peer that begins a message and then sends empty fragments of it for ever.
    struct Fragments {
        sent: usize,
    }

    impl AsyncRead for Fragments {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            while buffer.remaining() > 0 {
                let place = self.sent % 6;
                let is_first = self.sent == 0;
                buffer.put_slice(&[[u8::from(is_first), 0x80, 0, 0, 0, 0][place]]);
                self.sent += 1;
                assert!(self.sent < 1_000_000, "nobody else gets a turn");
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Fragments {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn endless_fragments_leave_others_their_turn() {
        let limits = Limits { max_message_bytes: 1000, max_frame_bytes: None, outbox_bytes: 1000 };
        let mut wire = Wire::from_raw(Fragments { sent: 0 }, Role::Server, limits).await;
        let waker = noop_waker();
        for _ in 0..10 {
            assert!(wire.poll_read(&mut Context::from_waker(&waker)).is_pending());
        }
    }
}
