//! The native WebRTC transport, shown to the engine.
//!
//! Reading order:
//! - `backend`: whether the engine's `WebRTCPeerConnection` is ours.
//! - `peer_connection` and `data_channel`: the two classes that the engine asks for.
//! - `options`: the dictionaries that it hands over, and `statistics`: one that it gets.

mod backend;
mod data_channel;
mod options;
mod peer_connection;
mod statistics;

use std::time::Duration;

use godot::global::godot_error;
use signaling_webrtc::Transport;

pub(crate) use backend::install_default_extension;
pub(crate) use options::{is_ice_server, is_turn_url, open_urls};
pub(crate) use peer_connection::WebRtcNativePeerConnection;

/// The one thread for every connection of the game; it starts with the first of them.
static TRANSPORT: Transport = Transport::new();

const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// Closes every connection and waits for the thread behind them, for the library may be unloaded
/// next.
pub(crate) fn shut_down() {
    if let Err(error) = TRANSPORT.shut_down(SHUTDOWN_TIMEOUT) {
        godot_error!("WebRTC: {error}");
    }
}
