//! The protocol of Godot's demo.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::PeerId;
use signaling_protocols::godot::{GodotServer, Settings};

use super::files;
use super::player::{Subject, check};

#[test]
fn the_godot_protocol_says_what_its_transcripts_say() {
    for path in files("godot") {
        check(&path, Settings::default());
    }
}

/// Each row of the error table in `docs/protocol.md` must be shown by a transcript.
#[test]
fn the_godot_transcripts_cover_every_documented_error() {
    let transcripts: String =
        files("godot").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let document = fs::read_to_string(document).unwrap();
    let mut rows = 0;
    for row in document.lines().filter_map(|line| line.strip_prefix("| 4000 | ")) {
        let reason = row.split(" |").next().unwrap();
        let close = format!(" is closed 4000 {reason}\n");
        assert!(transcripts.contains(&close), "no transcript shows {reason:?}");
        rows += 1;
    }
    assert_eq!(rows, 14, "the table has a row for each error");
}

impl Subject for Settings {
    type Server = GodotServer;

    fn set(&mut self, name: &str, value: u64) -> bool {
        let (count, millis) = (value as usize, Duration::from_millis(value));
        match name {
            "max_peers" => self.max_peers = count,
            "max_lobbies" => self.max_lobbies = count,
            "max_message_bytes" => self.max_message_bytes = count,
            "join_timeout" => self.join_timeout = millis,
            "seal_timeout" => self.seal_timeout = millis,
            _ => return false,
        }
        true
    }

    fn start(&self) -> GodotServer {
        GodotServer::new(self.clone(), StdRng::seed_from_u64(1))
    }

    /// `$name` is a peer's id, `%NAME` a lobby's name.
    fn can_be(variable: &str, value: &str) -> bool {
        match variable.starts_with('$') {
            true => value.parse().ok().and_then(PeerId::new).is_some_and(|id| id > PeerId::HOST),
            false => value.len() == 16,
        }
    }
}
