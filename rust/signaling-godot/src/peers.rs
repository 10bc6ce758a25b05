//! Our WebRTC connections to others, whatever protocol introduces them.
//!
//! - `mesh`: one multiplayer peer and its connections.
//! - `named`: the same where peers are known by texts.
//! - `links`: how they are doing.

mod links;
mod mesh;
#[allow(dead_code, unused_imports, reason = "the nodes that use it follow")]
mod named;

pub(crate) use links::LinkEvent;
pub(crate) use mesh::{Mesh, Post, Role, Signal};
#[allow(unused_imports, reason = "the nodes that use it follow")]
pub(crate) use named::NamedMesh;
