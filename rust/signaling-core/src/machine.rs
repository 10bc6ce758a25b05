//! The contract of every state machine.
//!
//! A machine has three doors. Mutate it once through `handle_input`, then drain `poll_output`
//! until it returns `None`, then sleep until `poll_timeout` and hand it a timeout input. Extra
//! timeout inputs are harmless. What a peer sends is never an `Err` and never a panic: a bad
//! message leads to an output (an error answer, a close) for whoever sent it.

use std::sync::Arc;
use std::time::Instant;

use crate::ids::ConnId;

/// An inbound WebSocket message, still in the buffer of the connection that read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A text message, valid UTF-8.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// Why a connection ends: a WebSocket close code and reason (RFC 6455, section 7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The close code, for example 1000 or 4000.
    pub code: u16,
    /// The reason, at most [`Close::MAX_REASON_BYTES`] of UTF-8.
    pub reason: Arc<str>,
}

impl Close {
    /// What fits in a close frame beside the code: 123 bytes (RFC 6455, section 5.5).
    pub const MAX_REASON_BYTES: usize = 123;

    /// A close with this code and reason; a longer reason is cut at a character boundary.
    pub fn new(code: u16, reason: &str) -> Self {
        Self { code, reason: reason[..reason.floor_char_boundary(Self::MAX_REASON_BYTES)].into() }
    }

    /// 1000, for a connection that is needed no longer.
    pub fn normal() -> Self {
        Self::new(1000, "")
    }

    /// 1001, what every connection is told at shutdown.
    pub fn shutting_down() -> Self {
        Self::new(1001, "Server shutting down")
    }

    /// 1001, for a connection that has been silent for too long.
    pub fn silent() -> Self {
        Self::new(1001, "Ping timeout")
    }

    /// 1001, the same in the words of CloudLink.
    pub fn keepalive_timeout() -> Self {
        Self::new(1001, "Keepalive timeout")
    }

    /// 1006, what a client is told when the socket ended without a close frame.
    pub fn abnormal(reason: &str) -> Self {
        Self::new(1006, reason)
    }

    /// 1007, for text that is not UTF-8.
    pub fn invalid_utf8() -> Self {
        Self::new(1007, "Invalid UTF-8")
    }

    /// 1009, for a message or frame over the limit.
    pub fn too_large() -> Self {
        Self::new(1009, "Message too large")
    }

    /// 1013, for a connection that does not read what it is sent.
    pub fn send_queue_full() -> Self {
        Self::new(1013, "Send queue full")
    }
}

/// The server side of one protocol: all its lobbies and connections in one machine.
pub trait Server: Send + 'static {
    /// A decoded inbound message; it may borrow from the frame it came in.
    type Message<'a>;
    /// What the embedding program may ask for at any time.
    type Command: Send + 'static;
    /// What the embedding program is told.
    type Notice: Send + 'static;

    /// Decodes one frame. Needs no state, so that it happens before any lock is taken; never
    /// fails, because a malformed message is a message too.
    fn decode(frame: Frame<'_>) -> Self::Message<'_>;

    /// Whether a connection with this path and query may come in from there (as in
    /// [`Input::Opened`]). Asked before its handshake is answered, and not through memory; what holds
    /// then need not hold any more when it is opened.
    ///
    /// # Errors
    /// Why not. By default nobody is turned away.
    fn knock(&mut self, _now: Instant, _target: &str, _from: &str) -> Result<(), TurnedAway> {
        Ok(())
    }

    /// Takes one input. Drain [`Server::poll_output`] and read [`Server::poll_timeout`] again
    /// afterwards.
    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>);

    /// The next thing to do, in the order in which it must be done; `None` when there is nothing
    /// left.
    fn poll_output(&mut self) -> Option<Output<Self::Notice>>;

    /// When to hand in [`Input::Timeout`] at the latest; `None` means idle.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// Why a connection may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// There is no room for one more.
    Full,
    /// Whoever it is from connects too often.
    TooOften,
}

/// What can happen to a [`Server`].
pub enum Input<'a, S: Server + ?Sized> {
    /// A connection has finished its handshake.
    Opened {
        /// The new connection, never used before.
        conn: ConnId,
        /// Path and query of its request, as sent.
        target: &'a str,
        /// The remote address and port as text, such as `192.0.2.1:5000` or `[2001:db8::1]:80`;
        /// empty through memory.
        from: &'a str,
    },
    /// A connection sent a message.
    Message {
        /// The sender.
        conn: ConnId,
        /// What [`Server::decode`] made of the frame.
        message: S::Message<'a>,
    },
    /// A connection gave a sign of life that is no message: a WebSocket ping or pong.
    Heard {
        /// Which.
        conn: ConnId,
    },
    /// A connection is gone, whatever the cause. Ignored when the machine has closed it itself.
    Closed {
        /// The connection, never used again.
        conn: ConnId,
    },
    /// The embedding program asks for something.
    Command(S::Command),
    /// Time has passed.
    Timeout,
    /// The server ends: every connection is to be closed with [`Close::shutting_down`].
    Shutdown,
}

/// What a [`Server`] wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<N> {
    /// Send this text message.
    Send {
        /// The receiver.
        conn: ConnId,
        /// The message; one that goes to many is shared.
        text: Arc<str>,
    },
    /// Send a WebSocket ping. Several that the connection has had no time for are one.
    Ping {
        /// The receiver.
        conn: ConnId,
    },
    /// Close this connection once what was sent before has been written. The machine has already
    /// forgotten it.
    Close {
        /// The connection, never used again.
        conn: ConnId,
        /// Code and reason.
        close: Close,
    },
    /// Tell the embedding program.
    Notice(N),
}

/// The client side of one protocol. Its first connection is made without its asking; after that it
/// decides itself whether to [`SessionOutput::Connect`] again.
pub trait Session: Send + 'static {
    /// What the game asks for.
    type Request: Send + 'static;
    /// What the game is told.
    type Event: Send + 'static;

    /// Takes one input. Drain [`Session::poll_output`] and read [`Session::poll_timeout`] again
    /// afterwards.
    fn handle_input(&mut self, now: Instant, input: SessionInput<'_, Self::Request>);

    /// The next thing to do, in order; `None` when there is nothing left.
    fn poll_output(&mut self) -> Option<SessionOutput<Self::Event>>;

    /// When to hand in [`SessionInput::Timeout`] at the latest; `None` means idle.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// What can happen to a [`Session`].
#[derive(Debug)]
pub enum SessionInput<'a, R> {
    /// The connection stands.
    Opened,
    /// The server sent a message.
    Frame(Frame<'a>),
    /// The connection has ended or never came about; nothing follows until the session asks to
    /// [`SessionOutput::Connect`].
    Closed {
        /// Code and reason; 1006 when there was no close frame.
        close: Close,
        /// What brought it about.
        cause: Cause,
    },
    /// The game asks for something.
    Request(R),
    /// Time has passed.
    Timeout,
}

/// Why a [`Session`] is without a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Either side closed it, or the session stopped the making of it.
    Closed,
    /// It stood and broke off.
    Lost,
    /// No such server was reached: its URL or name means nothing, nobody listens or answers in
    /// time, or what answers does not speak the protocol.
    Unreachable,
    /// The server answered the handshake with an error of HTTP.
    Refused {
        /// The status of the answer, such as 403 for an origin that is not let in.
        status: u16,
    },
    /// The two could not agree on TLS, or the server did not prove who it is.
    Tls,
    /// The server was in this very program and has stopped: it never comes back.
    Stopped,
}

/// What a [`Session`] wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionOutput<E> {
    /// Send this text message; dropped while there is no connection, because the session itself
    /// knows what is worth sending again.
    Send(Arc<str>),
    /// Close the connection once what was sent before has been written, or stop making it;
    /// [`SessionInput::Closed`] follows. Ignored while there is none.
    Close(Close),
    /// Make the connection again. The session is told [`SessionInput::Opened`] or
    /// [`SessionInput::Closed`] as for the first one. A connection that still stands, or is being
    /// made, is cut off at once and nothing more is told of it.
    Connect,
    /// Tell the game.
    Event(E),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_close_reason_is_cut_at_a_character_boundary() {
        let close = Close::new(4000, &"é".repeat(100));
        assert_eq!(close.reason.len(), 122);
        assert_eq!(&*Close::new(4000, "short").reason, "short");
    }
}
