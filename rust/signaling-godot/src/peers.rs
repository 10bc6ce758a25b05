//! Our WebRTC connections to others, whatever protocol introduces them.
//!
//! - `mesh`: one multiplayer peer and its connections.
//! - `named`: the same where peers are known by texts.
//! - `links`: how they are doing.

mod links;
mod mesh;
mod named;

pub(crate) use links::LinkEvent;
pub(crate) use mesh::{Mesh, Post, Role, Signal};
pub(crate) use named::NamedMesh;
