//! Drives every connection of the process on one thread, and hands out handles to them.
//!
//! ```text
//! any thread                                      I/O thread (one per Transport)
//! PeerHandle, ChannelHandle                       Connection: PeerConnection and its sockets
//!   commands ─ bounded queue, waker ─►              feed, drain, transmit
//!   events and messages ◄─ bounded queues ─         never waits for a reader
//!   states   ◄─ written as they change ─
//! ```
//! No handle ever waits: its locks are held for the time it takes to push or pop. What is sent
//! leaves at once, whether or not anybody polls.
//!
//! Every queue, who fills it, who empties it, and what happens when it is full:
//!
//! | queue | capacity | filled by | emptied by | when full |
//! |---|---|---|---|---|
//! | commands of a connection | [`MAX_COMMANDS`] | handles | I/O thread | [`CommandError::Busy`], [`PutError::Full`]; closing always fits: once per channel and connection |
//! | outgoing messages of a channel | [`MAX_BUFFERED`] | [`ChannelHandle::put`] | I/O thread, as the other side has room | [`PutError::Full`] |
//! | incoming messages of a channel | [`MAX_WAITING_BYTES`] | I/O thread | [`ChannelHandle::take`] | reliable: the other side is slowed down; unreliable: the oldest is lost |
//! | events of a connection | [`MAX_EVENTS`] | I/O thread | [`PeerHandle::take_events`] | the new one is lost, an announced channel is closed |
//! | who sent the latest STUN requests of shared sockets | 4096 | I/O thread | – | the oldest is forgotten, its answer lost |
//! | what goes to a TURN server over TCP or TLS | [`MAX_LINK_BACKLOG`] | I/O thread | the system | datagrams are lost, as on any network; requests still fit, which are few and small |
//! | connections with commands | each connection once | handles | I/O thread | – |
//! | names in `.local` to look up | 64, of one connection 8 | I/O thread | those who answer; given up after 5 s | given up at once; the candidate is ignored |
//! | names to resolve | [`MAX_NAMES`] | I/O thread | resolver threads, at most [`MAX_RESOLVERS`] | the server is given up |
//!
//! Reading order:
//! - `transport`: start and stop.
//! - `peer_handle` and `channel_handle`: what callers hold.
//! - `io_thread`: the loop, `connection`: one peer on it, and `mux`: sockets that peers share.
//! - `socket_options`, `sockets`, `socket`, `multicast`, `relay_link`, `tls`, `interfaces` and `resolver`: the
//!   outside world.

mod channel_handle;
mod connection;
mod interfaces;
mod io_thread;
mod multicast;
mod mux;
mod peer_handle;
mod relay_link;
mod resolver;
mod socket;
mod socket_options;
mod sockets;
#[cfg(test)]
mod tests;
mod tls;
mod transport;

pub use channel_handle::{ChannelHandle, ChannelState, Message, PutError};
pub use peer_handle::{CommandError, PeerEvent, PeerHandle, PeerOptions};
pub use socket_options::{Ports, SocketOptions, SocketOptionsError};
pub use transport::{StillRunning, Transport};

use crate::channels::Amount;

/// Commands that wait for the I/O thread, each message to send being one.
pub const MAX_COMMANDS: usize = 65_536;
/// What may wait to be sent on one channel.
pub const MAX_BUFFERED: Amount = Amount { bytes: 16 * 1024 * 1024, messages: 65_536 };
/// Bytes of one channel that have arrived and wait to be read, counting 64 more per message.
pub const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Events of one connection that wait to be taken.
pub const MAX_EVENTS: usize = 1024;
/// Bytes that wait for the way to a TURN server over TCP or TLS.
pub const MAX_LINK_BACKLOG: usize = 256 * 1024;
/// Names of servers that wait to be resolved, of all connections.
pub const MAX_NAMES: usize = 64;
/// Names that are resolved at the same time; three times as many lookups may hang beside them.
pub const MAX_RESOLVERS: usize = 4;
