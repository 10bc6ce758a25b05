//! Limits and timers of the transport. What a protocol decides for itself is not here.

use std::time::Duration;

/// Limits of a port, in whatever machines those who come in end up.
#[derive(Debug, Clone)]
pub struct PortConfig {
    /// From the accepted socket to the end of its WebSocket handshake; a socket that takes longer
    /// is dropped. Default 5 s.
    pub handshake_timeout: Duration,
    /// Sockets at any time, in a handshake, open or closing. While there are as many, newcomers
    /// wait unaccepted. Default 16 384: keep it well above the protocols' own limits, which refuse
    /// with a reason.
    pub max_connections: usize,
    /// Sockets in their handshake at any time; further ones wait unaccepted. Default 1024.
    pub max_handshakes: usize,
    /// Whether all connections come through a proxy that tells whom they are from: by the last entry
    /// of `X-Forwarded-For`, or without that header of `Forwarded` (RFC 7239). Clients without an IP
    /// address there count as one, from `0.0.0.0`. Default `false`: anybody can send such headers.
    pub trust_proxy: bool,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            max_connections: 16_384,
            max_handshakes: 1024,
            trust_proxy: false,
        }
    }
}

impl PortConfig {
    /// The defaults, with room for `max_peers` connections and for those whom the protocols refuse
    /// with a reason.
    pub fn fitting(max_peers: usize) -> Self {
        let defaults = Self::default();
        let max_connections = defaults.max_connections.max(max_peers.saturating_mul(2));
        Self { max_connections, ..defaults }
    }
}

/// Limits and timers of one machine's connections.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// How often each connection is pinged; `None` switches it off. Default 10 s. Pinging more
    /// often costs a packet each way for each connection.
    pub ping_interval: Option<Duration>,
    /// A connection from which nothing arrives for this long, not even a pong, is closed with
    /// 1001. Default `None`, off: a paused game does not answer. Only useful above
    /// `ping_interval`.
    pub silence_limit: Option<Duration>,
    /// How long a connection that is being closed may take to read what still waits for it and to
    /// hang up. Default 2 s.
    pub close_timeout: Duration,
    /// The largest inbound message in bytes; a larger one closes its sender with 1009. Default
    /// 65 536. Each connection may hold one message of this size.
    pub max_message_bytes: usize,
    /// The largest frame in bytes, if it is less than a message: a larger inbound frame closes its
    /// sender with 1009, a larger outbound message leaves in several. Default `None`.
    pub max_frame_bytes: Option<usize>,
    /// Whether binary messages are read as text: one that is not UTF-8 closes its sender with 1007,
    /// like text. Default `false`: the machine is told which of the two a message is.
    pub reads_binary_as_text: bool,
    /// What may wait to be written to one connection, in bytes, each message counted with
    /// [`Outbox::MESSAGE_OVERHEAD`](signaling_core::outbox::Outbox::MESSAGE_OVERHEAD) on top. A
    /// connection that overflows is closed with 1013. Default 1 MiB.
    pub outbox_bytes: usize,
    /// Connections at any time; one more is answered with HTTP 503. Default 16 384.
    pub max_connections: usize,
    /// Notices that wait for the embedding program; when they overflow it must
    /// [`resync`](crate::ServerHandle::resync). Default 16 384.
    pub max_notices: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            ping_interval: Some(Duration::from_secs(10)),
            silence_limit: None,
            close_timeout: Duration::from_secs(2),
            max_message_bytes: 65_536,
            max_frame_bytes: None,
            reads_binary_as_text: false,
            outbox_bytes: 1 << 20,
            max_connections: 16_384,
            max_notices: 16_384,
        }
    }
}

impl ServerConfig {
    /// The defaults, fitted to a protocol that keeps `max_peers` connections and relays messages
    /// of up to `max_relayed_bytes`.
    pub fn fitting(max_peers: usize, max_relayed_bytes: usize) -> Self {
        let defaults = Self::default();
        Self {
            // Room for those whom the protocol refuses with a reason.
            max_connections: defaults.max_connections.max(max_peers.saturating_mul(2)),
            // A little more may come in than goes out: the limit is on the latter.
            max_message_bytes: max_relayed_bytes.saturating_add(1),
            ..defaults
        }
    }
}

/// Limits and timers of a client's connection.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// From the call to the end of the WebSocket handshake, name resolution included. Default 5 s.
    pub connect_timeout: Duration,
    /// How long the connection may take to write what still waits and to hang up once the client
    /// has closed it. Default 2 s.
    pub close_timeout: Duration,
    /// The largest inbound message in bytes; a larger one ends the connection with 1009. Default
    /// 1 MiB: a server that relays the largest message it takes may add to it, and lets no more wait
    /// for us.
    pub max_message_bytes: usize,
    /// The largest frame in bytes, if it is less than a message: a larger inbound frame ends the
    /// connection with 1009, a larger outbound message leaves in several. Default `None`.
    pub max_frame_bytes: Option<usize>,
    /// What may wait to be written, in bytes. A connection that overflows ends with 1013. Default
    /// 1 MiB.
    pub outbox_bytes: usize,
    /// Requests that wait for the connection; further ones are refused. Default 1024.
    pub max_requests: usize,
    /// Events that wait for the game. While there are as many, the socket is not read. Default
    /// 1024.
    pub max_events: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(2),
            max_message_bytes: 1 << 20,
            max_frame_bytes: None,
            outbox_bytes: 1 << 20,
            max_requests: 1024,
            max_events: 1024,
        }
    }
}
