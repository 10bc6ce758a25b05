//! The PeerServer of CloudLink 5.

use std::time::Duration;

use signaling_protocols::cloudlink5::peer_server::{PeerServer, Settings};

use super::files;
use super::player::{Subject, check};

#[test]
fn the_peer_server_says_what_its_transcripts_say() {
    for path in files("peer_server") {
        check(&path, Settings::default());
    }
}

impl Subject for Settings {
    type Server = PeerServer;

    fn set(&mut self, name: &str, value: u64) -> bool {
        let (count, millis) = (value as usize, Duration::from_millis(value));
        match name {
            "max_clients" => self.max_clients = count,
            "silence_limit" => self.silence_limit = millis,
            "expire_timeout" => self.expire_timeout = millis,
            "max_queued" => self.max_queued = count,
            "max_unknown" => self.max_unknown = count,
            "max_sender_bytes" => self.max_sender_bytes = count,
            "max_queued_bytes" => self.max_queued_bytes = count,
            _ => return false,
        }
        true
    }

    fn start(&self) -> PeerServer {
        PeerServer::new(self.clone())
    }
}
