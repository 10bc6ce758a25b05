//! How our nodes get their turn once a frame.
//!
//! Not through the virtual method `_process`: a script on the node that has a `_process` of its
//! own would replace it, and the engine would hold the Rust object borrowed while signals are
//! emitted from it. The tree's `process_frame` has neither fault, and it goes on while the tree is
//! paused.

use godot::classes::{Node, SceneTree};
use godot::obj::WithSignals;
use godot::prelude::*;
use godot::signal::ConnectHandle;

/// Calls `turn` each frame until the handle is disconnected or `node` is freed.
///
/// # Panics
/// When `node` is not inside the tree.
pub(crate) fn each_frame<T>(node: &Gd<T>, turn: fn(Gd<T>)) -> ConnectHandle
where
    T: Inherits<Node> + WithSignals,
{
    let tree: Gd<SceneTree> = node.upcast_ref::<Node>().get_tree();
    tree.signals().process_frame().builder().connect_other_gd(node, turn)
}
