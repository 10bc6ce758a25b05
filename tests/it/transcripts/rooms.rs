//! Rooms.

use std::fs;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_protocols::rooms::wire::Action;
use signaling_protocols::rooms::{Channel, RoomServer, Settings};

use super::files;
use super::player::{Subject, check};
use crate::watched::Watched;

#[test]
fn rooms_say_what_their_transcripts_say() {
    for path in files("rooms") {
        check(&path, Settings::default());
    }
}

/// Each code that a signal may be refused with must be shown, beside success where it is acked.
#[test]
fn the_transcripts_of_rooms_cover_every_code_of_every_signal() {
    let transcripts: String =
        files("rooms").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for action in Action::ALL {
        let name = action.signal_name();
        for code in codes(action) {
            let ack = format!(r#"{{"c":{code},"s":"{name}","#);
            assert!(transcripts.contains(&ack), "no transcript shows {code} for {name}");
        }
        let in_some_room = Channel::ALL.into_iter().any(|channel| action.is_for(channel));
        let everywhere = Channel::ALL.into_iter().all(|channel| action.is_for(channel));
        assert!(in_some_room && (everywhere || codes(action).contains(&2002)), "{name}");
    }
}

fn codes(action: Action) -> &'static [u16] {
    match action {
        Action::Join => &[200, 500, 2001, 2002, 4001, 4022, 4051],
        Action::Leave => &[2001, 2002, 4001],
        Action::Update => &[2001, 2002, 4001, 4002, 4051],
        Action::Heartbeat => &[200, 2001, 4001],
        Action::Kick => &[2001, 2002, 4001, 4002, 4051],
        Action::RequestPublish => &[2001, 2002, 4001, 4002, 4023],
        Action::AcceptPublish | Action::RejectPublish => &[2001, 2002, 4001, 4002, 4051],
        Action::Offer => &[2001, 2002, 4001, 4002, 4003, 4051],
        Action::Answer => &[2001, 2002, 4001, 4002, 4003, 4024],
        Action::Candidate => &[2001, 2002, 4001, 4002, 4003],
        Action::Watch => &[2001, 2002, 4001, 4002],
    }
}

impl Subject for Settings {
    type Server = Watched<RoomServer>;

    fn set(&mut self, name: &str, value: u64) -> bool {
        let (count, millis) = (value as usize, Duration::from_millis(value));
        // Zero switches a timer off that can be.
        let optional = (value > 0).then_some(millis);
        match name {
            "expiry" => self.expiry = millis,
            "keepalive_interval" => self.keepalive_interval = optional,
            "idle_limit" => self.idle_limit = optional,
            "lifetime" => self.lifetime = millis,
            "departed_memory" => self.departed_memory = millis,
            "max_rooms" => self.max_rooms = count,
            "max_sessions" => self.max_sessions = count,
            "max_sessions_per_connection" => self.max_sessions_per_connection = count,
            "max_stored_signals" => self.max_stored_signals = count,
            "max_stored_bytes" => self.max_stored_bytes = count,
            _ => return false,
        }
        true
    }

    fn start(&self) -> Watched<RoomServer> {
        Watched::new(RoomServer::new(self.clone(), StdRng::seed_from_u64(1)))
    }

    /// `%NAME` is what the gateway calls a connection or a request.
    fn can_be(variable: &str, value: &str) -> bool {
        variable.starts_with('%') && value.len() == 16
    }
}
