//! CloudLink Omega, in both numberings.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::wall_clock::WallClock;
use signaling_protocols::omega::{LateServer, SeedServer, Settings};

use super::files;
use super::player::{Subject, check};
use crate::watched::Watched;

#[test]
fn the_seed_numbering_says_what_its_transcripts_say() {
    for path in files("omega/seed") {
        check(&path, Seed(Settings::default()));
    }
}

#[test]
fn the_late_numbering_says_what_its_transcripts_say() {
    for path in files("omega/late") {
        check(&path, Late(Settings::default()));
    }
}

struct Seed(Settings);

impl Subject for Seed {
    type Server = Watched<SeedServer>;

    fn set(&mut self, name: &str, value: u64) -> bool {
        set(&mut self.0, name, value)
    }

    fn start(&self) -> Watched<SeedServer> {
        Watched::new(SeedServer::new(self.0.clone(), StdRng::seed_from_u64(1)))
    }

    /// Every variable is a random UUID.
    fn can_be(_: &str, value: &str) -> bool {
        is_uuid(value, '4')
    }
}

struct Late(Settings);

impl Subject for Late {
    type Server = Watched<LateServer>;

    fn set(&mut self, name: &str, value: u64) -> bool {
        set(&mut self.0, name, value)
    }

    fn start(&self) -> Watched<LateServer> {
        let clock = WallClock::new(Instant::now(), Duration::from_millis(0x018c_0000_0000));
        Watched::new(LateServer::new(self.0.clone(), StdRng::seed_from_u64(1), clock))
    }

    /// Every variable is a UUID of the time.
    fn can_be(_: &str, value: &str) -> bool {
        is_uuid(value, '7') && value.starts_with("018c0")
    }
}

fn set(settings: &mut Settings, name: &str, value: u64) -> bool {
    let (count, millis) = (value as usize, Duration::from_millis(value));
    match name {
        "max_games" => settings.limits.games = count,
        "max_clients" => settings.limits.clients = count,
        "max_lobbies" => settings.limits.lobbies = count,
        "max_lobby_hosts" => settings.max_lobby_hosts = count,
        "max_lobby_peers" => settings.max_lobby_peers = count,
        "host_burst" => settings.host_rate.burst = value as u32,
        "max_name_bytes" => settings.max_name_bytes = count,
        "keepalive_interval" => settings.keepalive_interval = millis,
        "silence_limit" => settings.silence_limit = millis,
        "probe_timeout" => settings.probe_timeout = millis,
        _ => return false,
    }
    true
}

fn is_uuid(value: &str, version: char) -> bool {
    let digits = value.split('-').map(str::len);
    digits.eq([8, 4, 4, 4, 12]) && value.chars().nth(14) == Some(version)
}
