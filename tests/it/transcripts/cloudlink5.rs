//! The lobbies of CloudLink 5.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::wall_clock::WallClock;
use signaling_protocols::cloudlink5::{Account, CloudLink5Server, Settings};

use super::files;
use super::player::{Subject, check};
use crate::watched::Watched;

#[test]
fn the_lobbies_of_cloudlink_5_say_what_their_transcripts_say() {
    for path in files("cloudlink5") {
        check(&path, Settings::default());
    }
}

impl Subject for Settings {
    type Server = Watched<CloudLink5Server>;

    fn set(&mut self, name: &str, value: u64) -> bool {
        let (count, millis) = (value as usize, Duration::from_millis(value));
        match name {
            "max_games" => self.limits.games = count,
            "max_clients" => self.limits.clients = count,
            "max_lobbies" => self.limits.lobbies = count,
            "create_burst" => self.create_rate.burst = value as u32,
            "max_text_bytes" => self.max_text_bytes = count,
            "ping_interval" => self.ping_interval = millis,
            "silence_limit" => self.silence_limit = millis,
            // Accounts by the tokens token1, token2 and so on.
            "accounts" => {
                let account = |number| Account {
                    user_id: format!("user{number}").into(),
                    username: Arc::from(format!("User {number}")),
                };
                let accounts =
                    (1..=count).map(|number| (format!("token{number}"), account(number)));
                self.accounts = Some(accounts.collect());
            }
            _ => return false,
        }
        true
    }

    fn start(&self) -> Watched<CloudLink5Server> {
        let clock = WallClock::new(Instant::now(), Duration::from_secs(1_700_000_000));
        Watched::new(CloudLink5Server::new(self.clone(), StdRng::seed_from_u64(1), clock))
    }

    /// `$name` is a ULID, `%NAME` 16 bytes in base64.
    fn can_be(variable: &str, value: &str) -> bool {
        match variable.starts_with('$') {
            true => value.len() == 26 && value.bytes().all(|b| CROCKFORD.contains(&b)),
            false => value.len() == 24 && value.ends_with("=="),
        }
    }
}

/// The digits of a ULID.
const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
