//! Our WebRTC connections to others, whatever protocol introduces them.
//!
//! - `mesh`: one multiplayer peer and its connections.
//! - `links`: how they are doing.

mod links;
mod mesh;

pub(crate) use links::LinkEvent;
pub(crate) use mesh::{Mesh, Post, Role, Signal};
