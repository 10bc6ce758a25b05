//! The hands: this crate gives the state machines of `signaling-core` a port, sockets and a clock,
//! on tokio. It moves frames and never looks inside one.
#![allow(dead_code)]

mod client;
mod config;
mod listener;
mod local;
mod notices;
mod server;

pub use client::{ClientHandle, Endpoint, connect};
pub use config::{ClientConfig, ServerConfig};
pub use listener::Listener;
pub use local::LocalStream;
pub use notices::Notices;
pub use server::{QueueFull, ServerHandle, ServerStopped, serve};
