//! Our WebRTC connections to others, whatever protocol introduces them.
//!
//! - `mesh`: one multiplayer peer and its connections.
//! - `named`: the same where peers are known by texts.
//! - `links`: how they are doing.

mod links;
mod mesh;
mod named;

use godot::classes::WebRtcPeerConnection;
use godot::global::Error;
use godot::prelude::*;

pub(crate) use links::{LinkEvent, Links};
pub(crate) use mesh::{Mesh, Post, Role};
pub(crate) use named::{Carry, NamedMesh};

/// A connection to nobody yet.
///
/// # Errors
/// Why none can be made at all.
pub(crate) fn connection(
    configuration: &VarDictionary,
) -> Result<Gd<WebRtcPeerConnection>, &'static str> {
    let mut connection = WebRtcPeerConnection::new_gd();
    if connection.get_class() == "WebRTCPeerConnectionExtension" {
        return Err("no WebRTC implementation is installed");
    }
    if connection.initialize_ex().configuration(configuration).done() != Error::OK {
        return Err("`ice_servers` or `rtc_configuration` is not understood");
    }
    Ok(connection)
}
