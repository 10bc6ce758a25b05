//! Strings in, strings out: each file under `tests/transcripts/` is a conversation. How one is
//! written: `player`.

mod calling;
mod cloudlink5;
mod godot;
mod omega;
mod peer_server;
mod player;
mod rooms;

use std::fs;
use std::path::{Path, PathBuf};

/// The conversations of a protocol.
fn files(protocol: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts").join(protocol);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no transcripts of {protocol}");
    files
}
