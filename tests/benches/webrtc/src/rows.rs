//! What is measured on loopback, where nothing is lost.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::pair::{Maker, Pair, Results};
use crate::table::{Figure, median, quantile};

/// A set of figures that are measured together.
pub struct Experiment {
    pub name: &'static str,
    pub measure: fn(Maker) -> Result<Vec<Figure>>,
}

pub const EXPERIMENTS: [Experiment; 6] = [
    Experiment { name: "open", measure: open },
    Experiment { name: "ping", measure: ping },
    Experiment { name: "bulk", measure: bulk },
    Experiment { name: "echo", measure: echo },
    Experiment { name: "flood", measure: flood },
    Experiment { name: "memory", measure: memory },
];

const SIZES: [usize; 3] = [1024, 16 * 1024, 64 * 1024];
const KIB: f64 = 1024.0;

/// Each time with new processes, as when a player joins.
fn open(maker: Maker) -> Result<Vec<Figure>> {
    let mut times = Vec::new();
    for _ in 0..3 {
        times.extend(opening_times(&Pair::start(maker, None)?.play("open 1 0")?)?);
    }
    Ok(vec![Figure::less("open: offer to 3 open channels, ms", median(&times) * 1e3)])
}

/// From the offer of each connection until all channels are open at both ends.
pub fn opening_times([a, b]: &[Results; 2]) -> Result<Vec<f64>> {
    let offered = numbers(a, "offered")?;
    let opened = numbers(a, "opened")?.iter().zip(numbers(b, "opened")?);
    Ok(opened.zip(offered).map(|((a, b), offered)| a.max(*b) - offered).collect())
}

fn ping(maker: Maker) -> Result<Vec<Figure>> {
    let pair = opened(maker)?;
    let [busy, _] = pair.play("ping 3000 0")?;
    let [paced, _] = pair.play("ping 200 16000")?;
    let (busy, paced) = (numbers(&busy, "times")?, numbers(&paced, "times")?);
    Ok(vec![
        Figure::less("round trip of 64 B, µs", median(busy) * 1e6),
        Figure::less("— its 99th percentile", quantile(busy, 0.99) * 1e6),
        Figure::less("round trip of 64 B every 16 ms, µs", median(paced) * 1e6),
        Figure::less("— its 99th percentile", quantile(paced, 0.99) * 1e6),
    ])
}

fn bulk(maker: Maker) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for size in SIZES {
        let [a, b] = opened(maker)?.play(&format!("bulk {size} 2000"))?;
        let (bytes, seconds) = (number(&b, "bytes")?, number(&b, "seconds")?);
        let label = format!("one way, {} KiB, MB/s", size / 1024);
        figures.push(Figure::more(&label, bytes / seconds / 1e6));
        let label = format!("— processor, both ends, ns/byte at {} KiB", size / 1024);
        figures.push(Figure::less(&label, (number(&a, "cpu")? + number(&b, "cpu")?) * 1e9 / bytes));
    }
    Ok(figures)
}

fn echo(maker: Maker) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for size in SIZES {
        let [a, _] = opened(maker)?.play(&format!("echo {size} 2000"))?;
        let label = format!("there and back, {} KiB, MB/s", size / 1024);
        let speed = number(&a, "bytes")? / number(&a, "seconds")? / 1e6;
        figures.push(Figure::more(&label, speed));
    }
    Ok(figures)
}

fn flood(maker: Maker) -> Result<Vec<Figure>> {
    let [a, b] = opened(maker)?.play("flood 2000")?;
    let messages = number(&b, "messages")?;
    Ok(vec![
        Figure::more(
            "unreliable messages of 256 B that arrive, 1000/s",
            messages / number(&b, "seconds")? / 1e3,
        ),
        Figure::more("— of those sent, %", messages / number(&a, "sent")? * 100.0),
    ])
}

fn memory(maker: Maker) -> Result<Vec<Figure>> {
    const COUNT: f64 = 50.0;
    const BYTES: usize = 1024 * 1024;
    let pair = opened(maker)?;
    let exchange = || pair.play(&format!("exchange {BYTES}"));
    // What the first connection of a process costs is no cost of connections.
    exchange()?;
    let [before, _] = settled(&pair)?;
    pair.play("open 50 20")?;
    let [idle, _] = settled(&pair)?;
    exchange()?;
    let [after, _] = settled(&pair)?;
    let per_end = |now: &Results| -> Result<f64> {
        Ok((number(now, "bytes")? - number(&before, "bytes")?) / COUNT / KIB)
    };
    Ok(vec![
        Figure::less("memory of an idle end, KiB", per_end(&idle)?),
        Figure::less("— after 1 MiB each way", per_end(&after)?),
        Figure::less("threads for 51 connections", number(&after, "threads")?),
    ])
}

/// What the ends hold when all is quiet.
fn settled(pair: &Pair) -> Result<[Results; 2]> {
    thread::sleep(Duration::from_secs(2));
    pair.play("weigh")
}

fn opened(maker: Maker) -> Result<Pair> {
    let pair = Pair::start(maker, None)?;
    pair.play("open 1 0")?;
    Ok(pair)
}

pub fn numbers<'a>(results: &'a Results, name: &str) -> Result<&'a [f64]> {
    Ok(results.get(name).with_context(|| format!("no {name}"))?)
}

fn number(results: &Results, name: &str) -> Result<f64> {
    numbers(results, name)?.first().copied().with_context(|| format!("no {name}"))
}
