//! The substrate that every signaling protocol stands on: it names connections, draws ids, keeps
//! deadlines, bounds queues and holds lobbies together. It never parses, never opens a socket,
//! never starts a thread and never asks what time it is: time and randomness are arguments.
//!
//! Reading order:
//! - [`machine`]: the contract of every state machine, server side and client side.
//! - [`arrivals`]: a map in the order of arrival.
//! - [`roster`]: who is in a lobby, in which order, and who its host is.
//! - [`space`]: the clients and lobbies of one game.
//! - [`games`]: all games of a server, which know nothing of each other.
//! - [`ids`]: connection and peer ids, and where random names come from.
//! - [`code`]: lobby codes that people type.
//! - [`timers`]: many deadlines, one earliest.
//! - [`wall_clock`]: what time it is for people, where ids carry it.
//! - [`keepalive`]: when to ping a connection, and when its silence means that it is gone.
//! - [`vigil`]: the same for many connections.
//! - [`rate`]: how often something may happen.
//! - [`address`]: who counts as one, of all who connect from somewhere.
//! - [`password`]: passwords that are compared, and never kept in the clear.
//! - [`outputs`]: what a machine wants done.
//! - [`outbox`]: what waits to be written to one connection, bounded in bytes.
//! - [`replay`]: what a session sends again when its connection was replaced.
//! - [`backoff`]: how long to wait before another try.
//! - [`overview`]: what an embedding program sees of the lobbies of any protocol.

pub mod address;
pub mod arrivals;
pub mod backoff;
pub mod code;
pub mod games;
pub mod guesses;
pub mod ids;
pub mod keepalive;
pub mod machine;
pub mod outbox;
pub mod outputs;
pub mod overview;
pub mod password;
pub mod rate;
pub mod replay;
pub mod roster;
pub mod space;
pub mod timers;
pub mod vigil;
pub mod wall_clock;

pub use ids::{ConnId, PeerId};
pub use machine::{
    Cause, Close, Frame, Input, Output, Server, Session, SessionInput, SessionOutput, TurnedAway,
};
