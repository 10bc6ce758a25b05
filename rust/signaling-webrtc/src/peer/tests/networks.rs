//! Games on whatever network there is: bad ones, drawn by the seed, and routers that forget.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::sim::{A, B, Link, Sim, ms, negotiated};
use crate::channels::{ChannelInit, ChannelKey, Reliability};
use crate::peer::ConnectionState;
use crate::seeds::for_each_seed;

const FRAME: Duration = ms(16);
const FRAMES: u32 = 40;

/// Both ends send a message on each of two channels in each frame.
struct Game {
    sim: Sim,
    reliable: ChannelKey,
    unreliable: ChannelKey,
}

impl Game {
    fn open(mut sim: Sim) -> Self {
        let unreliable = ChannelInit {
            ordered: false,
            reliability: Reliability::MaxRetransmits(0),
            ..negotiated(3)
        };
        let unreliable = [A, B].map(|side| sim.create_channel(side, unreliable.clone()))[A];
        let reliable = [A, B].map(|side| sim.create_channel(side, negotiated(1)))[A];
        sim.offer(A);
        sim.run_until(ms(30_000), "both channels open", |sim| {
            [A, B]
                .iter()
                .all(|side| [reliable, unreliable].iter().all(|key| sim.is_open(*side, *key)))
        });
        Self { sim, reliable, unreliable }
    }

    fn play(&mut self, frames: std::ops::Range<u32>) {
        for frame in frames {
            for side in [A, B] {
                self.sim.send(side, self.reliable, &frame.to_be_bytes(), false);
                self.sim.send(side, self.unreliable, &frame.to_be_bytes(), false);
            }
            self.sim.run_for(FRAME);
        }
    }

    /// Reliable messages arrive all and in order, unreliable ones at most once, and nobody took
    /// the connection for lost.
    fn expect_fairness(&mut self, limit: Duration) {
        let (reliable, unreliable) = (self.reliable, self.unreliable);
        self.sim.run_until(limit, "all reliable messages arrive", |sim| {
            [A, B].iter().all(|side| sim.messages(*side, reliable).len() >= FRAMES as usize)
        });
        self.sim.run_for(ms(500));
        for side in [A, B] {
            let sent: Vec<_> = (0..FRAMES).map(u32::to_be_bytes).collect();
            assert_eq!(self.sim.messages(side, reliable), sent);
            let mut lucky = self.sim.messages(side, unreliable);
            lucky.sort_unstable();
            assert!(lucky.windows(2).all(|pair| pair[0] < pair[1]), "each at most once");
            assert!(lucky.iter().all(|message| sent.iter().any(|one| one == message)));
            assert_eq!(self.sim.state(side), ConnectionState::Connected);
        }
    }
}

#[test]
fn a_game_is_fair_on_any_network() {
    for_each_seed(0..1000, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut sim = Sim::new(seed);
        sim.link = Link {
            delay: ms(rng.random_range(0..100)),
            jitter: ms(rng.random_range(0..40)),
            loss: rng.random_range(0.0..0.15),
            duplication: rng.random_range(0.0..0.10),
        };
        sim.signaling_delay = ms(rng.random_range(0..200));
        let mut game = Game::open(sim);
        game.play(0..FRAMES);
        game.expect_fairness(ms(30_000));
    });
}

#[test]
fn a_game_goes_on_when_a_router_forgets() {
    for_each_seed(0..100, |seed| {
        let side = (seed % 2) as usize;
        let public = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let mut sim = Sim::new(seed);
        sim.link = Link { delay: ms(20), jitter: ms(seed % 3 * 5), ..Link::GOOD };
        let private = sim.ends[side].sockets[0];
        sim.nat.insert(private, public(7000));
        let mut game = Game::open(sim);
        game.play(0..FRAMES / 2);
        // From now on what it sends comes from elsewhere, and what is sent there is lost.
        game.sim.nat.insert(private, public(7001));
        game.play(FRAMES / 2..FRAMES);
        game.expect_fairness(ms(5000));
    });
}
