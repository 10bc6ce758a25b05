//! Signals and acks, to and from text.
//!
//! - [`action`]: what a signal is for, and in which rooms it is allowed.
//! - [`signal`]: what clients say.
//! - [`ack`]: what the server says of its own, in three shapes.
//! - [`heard`]: what a client hears: acks, and signals that are passed on to it.

pub mod ack;
pub mod action;
pub mod heard;
pub mod signal;

pub use ack::{Ack, Shape};
pub use action::{Action, Code, Refusal};
pub use heard::ServerMessage;
pub use signal::{Kind, Message, Request, Signal};
