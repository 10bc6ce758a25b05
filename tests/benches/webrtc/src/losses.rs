//! How messages fare on bad networks. All networks and both engines at the same time: the ends
//! have next to nothing to do, and whatever disturbs the machine disturbs all of them.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::link::{Condition, Link};
use crate::pair::{Maker, Pair};
use crate::rows::{numbers, opening_times};
use crate::table::{median, quantile};

struct Network {
    name: &'static str,
    condition: Condition,
    /// Messages on each channel in a second.
    rate: u32,
}

const GOOD: Condition = Condition {
    loss: 0.0,
    delay: Duration::from_millis(20),
    reordered: 0.0,
    duplicated: 0.0,
    outage: Duration::ZERO,
};

const NETWORKS: [Network; 6] = [
    lossy("2 % lost", 0.02, 80),
    lossy("5 % lost", 0.05, 80),
    lossy("10 % lost", 0.10, 80),
    Network {
        name: "200 ms out of 3 s lost",
        condition: Condition { outage: Duration::from_millis(200), ..GOOD },
        rate: 80,
    },
    Network {
        name: "1 % lost, 10 % out of order, 5 % twice",
        condition: Condition { loss: 0.01, reordered: 0.1, duplicated: 0.05, ..GOOD },
        rate: 80,
    },
    lossy("5 % lost, 10 messages/s", 0.05, 10),
];

const fn lossy(name: &'static str, loss: f64, rate: u32) -> Network {
    Network { name, condition: Condition { loss, ..GOOD }, rate }
}

/// For how long messages are sent.
const DURATION: Duration = Duration::from_secs(20);
/// How many connections are opened on each network.
const OPENED: usize = 8;

/// What came of one network with one engine, over all rounds; in seconds.
#[derive(Default)]
struct Delivery {
    opening: Vec<f64>,
    reliable: Vec<f64>,
    unreliable: Vec<f64>,
    /// Unreliable messages that were sent.
    sent: usize,
    failures: Vec<String>,
}

/// What was measured, by network and engine.
#[derive(Default)]
pub struct Losses(BTreeMap<(usize, Maker), Delivery>);

impl Losses {
    /// Adds a round; the same seed loses the same datagrams, counted from the first.
    pub fn measure(&mut self, makers: &[Maker], seed: u64) {
        let runs =
            (0..NETWORKS.len()).flat_map(|index| makers.iter().map(move |maker| (index, *maker)));
        thread::scope(|scope| {
            let running =
                runs.map(|run| (run, scope.spawn(move || deliver(&NETWORKS[run.0], run.1, seed))));
            for (run, thread) in running.collect::<Vec<_>>() {
                let outcome = thread.join().expect("failures are returned");
                self.0.entry(run).or_default().add(outcome);
            }
        });
    }

    /// As Markdown.
    pub fn print(&self, makers: &[Maker]) {
        if self.0.is_empty() {
            return;
        }
        print!("\n| network | delivery, ms |");
        makers.iter().for_each(|maker| print!(" {maker} |"));
        println!("{}", if makers.len() == 2 { " ratio |" } else { "" });
        println!("|---|---|{}", "--:|".repeat(makers.len() + usize::from(makers.len() == 2)));
        for (index, network) in NETWORKS.iter().enumerate() {
            for kind in Kind::ALL {
                let cells = makers
                    .iter()
                    .filter_map(|maker| Some(kind.cell(self.0.get(&(index, *maker))?)));
                let cells: Vec<(String, f64)> = cells.collect();
                print!("| {} | {} |", network.name, kind.label());
                cells.iter().for_each(|(cell, _)| print!(" {cell} |"));
                if let [(_, ours), (_, theirs)] = &cells[..] {
                    print!(" {:.2} |", ours / theirs);
                }
                println!();
            }
        }
        for ((index, maker), delivery) in &self.0 {
            for failure in &delivery.failures {
                println!("\n{maker}, {}: {failure}", NETWORKS[*index].name);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Opening,
    Reliable,
    Unreliable,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Opening, Self::Reliable, Self::Unreliable];

    fn label(self) -> &'static str {
        match self {
            Self::Opening => "opening (median / max)",
            Self::Reliable => "reliable (median / p99 / max)",
            Self::Unreliable => "unreliable, and how many arrive",
        }
    }

    /// What to show, and the number to compare.
    fn cell(self, delivery: &Delivery) -> (String, f64) {
        let of = |times: &[f64], share: f64| quantile(times, share) * 1e3;
        let three = |times: &[f64]| {
            format!("{:.0} / {:.0} / {:.0}", of(times, 0.5), of(times, 0.99), of(times, 1.0))
        };
        match self {
            Self::Opening => {
                let median = median(&delivery.opening) * 1e3;
                (format!("{median:.0} / {:.0}", of(&delivery.opening, 1.0)), median)
            }
            Self::Reliable => (three(&delivery.reliable), of(&delivery.reliable, 0.99)),
            Self::Unreliable => {
                let arrived = delivery.unreliable.len() as f64 / delivery.sent as f64 * 100.0;
                let text = format!("{}, {arrived:.1} %", three(&delivery.unreliable));
                (text, of(&delivery.unreliable, 0.99))
            }
        }
    }
}

impl Delivery {
    fn add(&mut self, outcome: Result<Self>) {
        match outcome {
            Ok(round) => {
                self.opening.extend(round.opening);
                self.reliable.extend(round.reliable);
                self.unreliable.extend(round.unreliable);
                self.sent += round.sent;
            }
            Err(error) => self.failures.push(format!("{error:#}")),
        }
    }
}

fn deliver(network: &Network, maker: Maker, seed: u64) -> Result<Delivery> {
    let pair = Pair::start(maker, Some(Link::start(network.condition, seed)))?;
    let mut delivery = Delivery {
        opening: opening_times(&pair.play(&format!("open {OPENED} 400"))?)?,
        ..Delivery::default()
    };
    let ticks = DURATION.as_secs() as usize * network.rate as usize;
    let ends = pair
        .play(&format!("play {ticks} {}", 1_000_000 / network.rate))
        .context("while messages were sent")?;
    for end in &ends {
        delivery.reliable.extend(numbers(end, "reliable")?);
        delivery.unreliable.extend(numbers(end, "unreliable")?);
        delivery.sent += ticks;
    }
    Ok(delivery)
}
