//! A server of any protocol under clients that do anything at any time.
//!
//! It is held to what it tells of its lobbies. What clients say, and what they must have heard, is for the protocol to say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use signaling_core::overview::{LobbyKey, LobbyView, Overview};
use signaling_core::{Close, ConnId, Frame, Input, Output, Server};

use crate::watched::Watched;

/// The clients of a protocol.
pub(super) trait Crowd {
    type Server: Overview;

    /// The request of a new client.
    fn enter(&mut self, rng: &mut StdRng, conn: ConnId) -> String;

    /// What a client says, whatever comes to its mind.
    fn say(&mut self, rng: &mut StdRng, conn: ConnId) -> String;

    /// What a client is told.
    fn hear(&mut self, conn: ConnId, text: &str);

    /// A client is gone; with a close if the server closed it.
    fn part(&mut self, conn: ConnId, close: Option<&Close>);

    /// Panics unless the clients were told what the lobbies are like. Between two steps.
    fn check(&self, lobbies: &BTreeMap<LobbyKey, LobbyView>);
}

/// Lets a crowd play so many steps.
pub(super) fn play<C: Crowd>(seed: u64, steps: usize, server: C::Server, crowd: C) {
    let mut play = Play {
        rng: StdRng::seed_from_u64(seed),
        now: Instant::now(),
        server: Watched::new(server),
        crowd,
        next_conn: 0,
        conns: BTreeSet::new(),
    };
    for _ in 0..steps {
        play.step();
        play.crowd.check(play.server.told());
    }
    play.handle(Input::Shutdown);
    play.crowd.check(play.server.told());
    let is_over = play.conns.is_empty() && play.server.told().is_empty();
    assert!(is_over, "everybody is told of the end");
    assert_eq!(play.server.poll_timeout(), None, "no timer outlives its reason");
}

struct Play<C: Crowd> {
    rng: StdRng,
    now: Instant,
    server: Watched<C::Server>,
    crowd: C,
    next_conn: u64,
    conns: BTreeSet<ConnId>,
}

impl<C: Crowd> Play<C> {
    fn step(&mut self) {
        let anybody = self.conns.iter().copied().choose(&mut self.rng);
        match (self.rng.random_range(0..100), anybody) {
            (0..15, _) | (_, None) => self.enter(),
            (15..25, _) => self.advance(),
            (25..32, Some(conn)) => {
                self.conns.remove(&conn);
                self.crowd.part(conn, None);
                self.handle(Input::Closed { conn });
            }
            (32..36, Some(conn)) => self.handle(Input::Heard { conn }),
            (_, Some(conn)) => {
                let text = self.crowd.say(&mut self.rng, conn);
                let message = <C::Server>::decode(Frame::Text(&text));
                self.handle(Input::Message { conn, message });
            }
        }
    }

    fn enter(&mut self) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.conns.insert(conn);
        let target = self.crowd.enter(&mut self.rng, conn);
        self.handle(Input::Opened { conn, target: &target, from: "192.0.2.1:5000" });
    }

    /// Time moves to the next deadline, just short of it, or by a random step.
    fn advance(&mut self) {
        let due = self.server.poll_timeout().map(|due| due - self.now);
        self.now += match (self.rng.random_range(0..3), due) {
            (0, Some(due)) => due,
            (1, Some(due)) => due.saturating_sub(Duration::from_millis(1)),
            _ => Duration::from_millis(self.rng.random_range(0..20_000)),
        };
        self.handle(Input::Timeout);
    }

    fn handle(&mut self, input: Input<'_, Watched<C::Server>>) {
        self.server.handle_input(self.now, input);
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { conn, text } => {
                    assert!(self.conns.contains(&conn), "nothing is sent after the end");
                    self.crowd.hear(conn, &text);
                }
                Output::Close { conn, close } => {
                    assert!(self.conns.remove(&conn), "nobody is closed twice");
                    self.crowd.part(conn, Some(&close));
                }
                Output::Ping { conn } => assert!(self.conns.contains(&conn)),
                Output::Notice(_) => {}
            }
        }
    }
}
