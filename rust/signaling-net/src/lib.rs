//! The hands: this crate gives the state machines of `signaling-core` a port, sockets and a clock,
//! on tokio. It moves frames and never looks inside one.
//!
//! Reading order, the server first:
//! - `server`: [`host`] and its handle, a running machine as the embedding program sees it.
//! - `hub`: the machine, its lock, and what every connection does under it.
//! - `port`: a [`Port`], and which machine is spoken to on it.
//! - `listener`, `accept`, `handshake`: the way in.
//! - `connection`: one connection, from its handshake to its end.
//! - `client`, `driver`, `dial`: the same for a client's session, and how it connects.
//! - `wire`: one WebSocket, on either side.
//! - `local`: connections through memory.
//! - `mailbox`, `notices`, `events`, `config`: the queues and the limits.
//!
//! # Queues
//!
//! Nothing here grows without bound:
//!
//! | queue | capacity | filled by | drained by | when full |
//! |---|---|---|---|---|
//! | kernel's backlog | 1024 sockets | clients | accepting task | the kernel lets clients wait |
//! | handshakes | `max_handshakes` (1024) | accepting task | each socket's task, within `handshake_timeout` | newcomers stay in the backlog |
//! | request's head | 16 KiB per handshake | its socket | its task | answered with 400 |
//! | sockets of a port | `max_connections` (16 384) | accepting task | each socket's task | newcomers stay in the backlog |
//! | connections of a machine | `max_connections` (16 384) | each socket's task | each socket's task | newcomers are answered with 503 |
//! | inbound message | `max_message_bytes` (64 KiB) per connection | its socket | its task | closed with 1009 |
//! | outbox | `outbox_bytes` (1 MiB) per connection | whoever holds the machine's lock | its task | closed with 1013, others hear that it left |
//! | WebSocket's write buffer | 4 KiB and one message | its task | its socket | the task takes nothing more from the outbox |
//! | notices | `max_notices` (16 384 unless told otherwise) | whoever holds the machine's lock | embedding program | all dropped, told as [`Notices::lost`] |
//! | commands | 1024 | embedding program | server's own task | [`QueueFull`] |
//! | local connection | 16 KiB each way | its two ends | its two ends | the writer waits, as on a socket |
//! | client's requests | `max_requests` (1024) | game | client's task | [`QueueFull`] |
//! | client's outbox | `outbox_bytes` (1 MiB) | session | client's task | the connection ends with 1013 |
//! | client's events | `max_events` (1024) | session | game | the socket is not read, and no connection made |

mod accept;
mod client;
mod config;
mod connection;
mod dial;
mod driver;
mod events;
mod forwarded;
mod handshake;
mod hub;
mod listener;
mod local;
mod mailbox;
mod notices;
mod paced;
mod port;
mod server;
mod wire;

pub use client::{ClientHandle, Endpoint, connect};
pub use config::{ClientConfig, PortConfig, ServerConfig};
pub use listener::Listener;
pub use local::LocalServer;
pub use notices::Notices;
pub use port::{Answer, Entrance, Knock, Port, Router, Visitor};
pub use server::{QueueFull, ServerHandle, host};
