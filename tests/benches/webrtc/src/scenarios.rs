//! What the ends do with their connections, whatever the engine.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::clock::now;
use crate::end::{End, Side, result};
use crate::engine::Channel::{Reliable, Unreliable};
use crate::engine::{Channel, Connection as _, Engine};

/// What both ends are told to do at the same time.
#[derive(Debug, Clone, Copy)]
pub enum Scenario {
    /// Opens so many connections, one after another.
    Open { count: usize, spacing: Duration },
    /// A sends messages of a size as fast as they leave.
    Bulk { size: usize, duration: Duration },
    /// As [`Self::Bulk`], and B sends everything back.
    Echo { size: usize, duration: Duration },
    /// A sends messages of 64 bytes, each after the answer to the one before, at most one in each
    /// interval.
    Ping { count: usize, interval: Duration },
    /// A sends unreliable messages of 256 bytes as fast as they leave.
    Flood { duration: Duration },
    /// On each connection both ends send so many bytes to each other.
    Exchange { bytes: usize },
    /// Both ends send a message on the reliable and one on the unreliable channel at each tick, as
    /// a game does each frame.
    Play { ticks: usize, interval: Duration },
    /// Tells what the process holds.
    Weigh,
}

impl Scenario {
    pub fn parse(line: &str) -> Result<Self> {
        let mut parts = line.split(' ');
        let name = parts.next().unwrap_or_default();
        let mut number = || -> Result<u64> { Ok(parts.next().context("too short")?.parse()?) };
        Ok(match name {
            "open" => Self::Open { count: number()? as usize, spacing: millis(number()?) },
            "bulk" => Self::Bulk { size: number()? as usize, duration: millis(number()?) },
            "echo" => Self::Echo { size: number()? as usize, duration: millis(number()?) },
            "ping" => Self::Ping { count: number()? as usize, interval: micros(number()?) },
            "flood" => Self::Flood { duration: millis(number()?) },
            "exchange" => Self::Exchange { bytes: number()? as usize },
            "play" => Self::Play { ticks: number()? as usize, interval: micros(number()?) },
            "weigh" => Self::Weigh,
            _ => anyhow::bail!("no such scenario"),
        })
    }
}

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn micros(number: u64) -> Duration {
    Duration::from_micros(number)
}

pub fn play<E: Engine>(end: &mut End<E>, scenario: Scenario) -> Result<()> {
    match scenario {
        Scenario::Open { count, spacing } => open(end, count, spacing),
        Scenario::Bulk { size, duration } => match end.side {
            Side::A => bulk(end, size, duration),
            Side::B => absorb(end, Reliable),
        },
        Scenario::Echo { size, duration } => match end.side {
            Side::A => echo(end, size, duration),
            Side::B => answer(end, BULK_PAUSE),
        },
        Scenario::Ping { count, interval } => {
            let pause = if interval.is_zero() { NO_PAUSE } else { SHORT_PAUSE };
            match end.side {
                Side::A => ping(end, count, interval, pause),
                Side::B => answer(end, pause),
            }
        }
        Scenario::Flood { duration } => match end.side {
            Side::A => flood(end, duration),
            Side::B => absorb(end, Unreliable),
        },
        Scenario::Exchange { bytes } => exchange(end, bytes),
        Scenario::Play { ticks, interval } => play_game(end, ticks, interval),
        Scenario::Weigh => weigh(),
    }
}

/// How long to look away from a connection that is busy with bulk.
const BULK_PAUSE: Duration = Duration::from_micros(200);
/// How long to look away between two round trips: not at all, but others may have the core.
const NO_PAUSE: Duration = Duration::ZERO;
/// How long to look away where there are pauses, which others would not get the core back in.
const SHORT_PAUSE: Duration = Duration::from_micros(20);
/// How long to look away while connections open.
const OPENING_PAUSE: Duration = Duration::from_micros(100);
/// How long to look away in a game, which would look once in a frame.
const GAME_PAUSE: Duration = Duration::from_micros(500);
/// How long to look away from many connections.
const IDLE_PAUSE: Duration = Duration::from_millis(1);
/// How long after the last tick an unreliable message may still come.
const SETTLING: Duration = Duration::from_secs(1);
/// What a sender of bulk lets wait.
const MAX_WAITING: usize = 1024 * 1024;
/// Ends a scenario; no other message is as short.
const LAST: [u8; 1] = [0];

fn open<E: Engine>(end: &mut End<E>, count: usize, spacing: Duration) -> Result<()> {
    let first = end.connections.len();
    let mut offered = Vec::new();
    let mut opened = vec![0.0; count];
    if end.side == Side::B {
        (0..count).for_each(|_| end.connections.push(end.engine.connect()));
    }
    let begun = now();
    while opened.contains(&0.0) {
        if end.side == Side::A
            && offered.len() < count
            && now() >= begun + spacing * offered.len() as u32
        {
            let mut connection = end.engine.connect();
            offered.push(now().as_secs_f64());
            connection.offer();
            end.connections.push(connection);
        }
        end.wait(OPENING_PAUSE)?;
        for (connection, opened) in end.connections[first..].iter().zip(&mut opened) {
            if *opened == 0.0 && connection.is_open() {
                *opened = now().as_secs_f64();
            }
        }
    }
    result("offered", &offered);
    result("opened", &opened);
    Ok(())
}

fn bulk<E: Engine>(end: &mut End<E>, size: usize, duration: Duration) -> Result<()> {
    send_for(end, Reliable, size, duration)?;
    send(end, Reliable, &LAST)?;
    receive(end, BULK_PAUSE)?;
    Ok(())
}

fn flood<E: Engine>(end: &mut End<E>, duration: Duration) -> Result<()> {
    let sent = send_for(end, Unreliable, 256, duration)?;
    result("sent", &[sent as f64]);
    send(end, Reliable, &LAST)?;
    receive(end, BULK_PAUSE)?;
    Ok(())
}

/// Keeps the queue of the channel filled for so long, and returns how many messages went in.
fn send_for<E: Engine>(
    end: &mut End<E>,
    channel: Channel,
    size: usize,
    duration: Duration,
) -> Result<usize> {
    let message = vec![7; size];
    let mut sent = 0;
    let until = now() + duration;
    while now() < until {
        let connection = &mut end.connections[0];
        if connection.buffered(channel) < MAX_WAITING && connection.send(channel, &message) {
            sent += 1;
        } else {
            end.wait(BULK_PAUSE)?;
        }
    }
    Ok(sent)
}

/// Counts what comes on a channel until the last message comes on the reliable one.
fn absorb<E: Engine>(end: &mut End<E>, channel: Channel) -> Result<()> {
    let mut first = None;
    let (mut bytes, mut messages, mut is_over) = (0, 0, false);
    while !is_over {
        let connection = &mut end.connections[0];
        while let Some(message) = connection.receive(channel) {
            first.get_or_insert_with(now);
            is_over |= message == LAST;
            bytes += message.len();
            messages += 1;
        }
        is_over |= channel != Reliable && connection.receive(Reliable).is_some();
        ensure!(is_over || end.connections[0].is_open(), "the connection was lost");
        if !is_over {
            end.wait(BULK_PAUSE)?;
        }
    }
    let seconds = (now() - first.context("nothing came")?).as_secs_f64();
    result("bytes", &[bytes as f64]);
    result("messages", &[messages as f64]);
    result("seconds", &[seconds]);
    send(end, Reliable, &LAST)
}

fn echo<E: Engine>(end: &mut End<E>, size: usize, duration: Duration) -> Result<()> {
    let message = vec![7; size];
    let (mut sent, mut returned) = (0, 0);
    let begun = now();
    while now() < begun + duration || returned < sent {
        let may_send = now() < begun + duration && (sent - returned) * size < MAX_WAITING;
        let connection = &mut end.connections[0];
        if may_send && connection.send(Reliable, &message) {
            sent += 1;
            continue;
        }
        end.wait(BULK_PAUSE)?;
        while let Some(message) = end.connections[0].receive(Reliable) {
            ensure!(message.len() == size, "something else came back");
            returned += 1;
        }
    }
    result("bytes", &[(returned * size) as f64]);
    result("seconds", &[(now() - begun).as_secs_f64()]);
    send(end, Reliable, &LAST)?;
    receive(end, BULK_PAUSE)?;
    Ok(())
}

/// Sends everything back, the last message included.
fn answer<E: Engine>(end: &mut End<E>, pause: Duration) -> Result<()> {
    loop {
        let message = receive(end, pause)?;
        send(end, Reliable, &message)?;
        if message == LAST {
            return Ok(());
        }
    }
}

fn ping<E: Engine>(
    end: &mut End<E>,
    count: usize,
    interval: Duration,
    pause: Duration,
) -> Result<()> {
    let mut times = Vec::with_capacity(count);
    let mut next = now();
    for _ in 0..count {
        while now() < next {
            end.wait(pause)?;
        }
        next += interval;
        let sent = now();
        send(end, Reliable, &[7; 64])?;
        receive(end, pause)?;
        times.push((now() - sent).as_secs_f64());
    }
    result("times", &times);
    send(end, Reliable, &LAST)?;
    receive(end, pause)?;
    Ok(())
}

fn send<E: Engine>(end: &mut End<E>, channel: Channel, message: &[u8]) -> Result<()> {
    while !end.connections[0].send(channel, message) {
        end.wait(BULK_PAUSE)?;
    }
    Ok(())
}

fn receive<E: Engine>(end: &mut End<E>, pause: Duration) -> Result<Vec<u8>> {
    loop {
        if let Some(message) = end.connections[0].receive(Reliable) {
            return Ok(message);
        }
        ensure!(end.connections[0].is_open(), "the connection was lost");
        end.wait(pause)?;
    }
}

fn exchange<E: Engine>(end: &mut End<E>, bytes: usize) -> Result<()> {
    const SIZE: usize = 16 * 1024;
    let count = bytes / SIZE;
    let mut sent = vec![0; end.connections.len()];
    let mut received = sent.clone();
    while sent.iter().chain(&received).any(|done| *done < count) {
        for (index, connection) in end.connections.iter_mut().enumerate() {
            if sent[index] < count && connection.send(Reliable, &[7; SIZE]) {
                sent[index] += 1;
            }
            while connection.receive(Reliable).is_some() {
                received[index] += 1;
            }
        }
        end.wait(IDLE_PAUSE)?;
    }
    Ok(())
}

fn play_game<E: Engine>(end: &mut End<E>, ticks: usize, interval: Duration) -> Result<()> {
    let begun = now();
    let mut sent = 0;
    let mut heard = Channel::ALL.map(|_| Heard::default());
    while sent < ticks
        || heard[Reliable.index()].delays.len() < ticks
        || now() < begun + interval * ticks as u32 + SETTLING
    {
        ensure!(end.connections[0].is_open(), "the connection was lost after {sent} ticks");
        if sent < ticks && now() >= begun + interval * sent as u32 {
            for channel in [Reliable, Unreliable] {
                end.connections[0].send(channel, &stamped(sent));
            }
            sent += 1;
        }
        end.wait(GAME_PAUSE)?;
        for channel in [Reliable, Unreliable] {
            while let Some(message) = end.connections[0].receive(channel) {
                heard[channel.index()].take(channel, &message)?;
            }
        }
    }
    result("reliable", &heard[Reliable.index()].delays);
    result("unreliable", &heard[Unreliable.index()].delays);
    Ok(())
}

/// What has come on a channel of a game.
#[derive(Default)]
struct Heard {
    numbers: BTreeSet<u64>,
    delays: Vec<f64>,
}

impl Heard {
    fn take(&mut self, channel: Channel, message: &[u8]) -> Result<()> {
        let now = now();
        let (number, sent) = message.split_first_chunk().context("too short")?;
        let sent = sent.first_chunk().context("too short")?;
        let number = u64::from_be_bytes(*number);
        ensure!(self.numbers.insert(number), "{number} came twice");
        let in_order = number + 1 == self.numbers.len() as u64;
        ensure!(in_order || !channel.is_reliable(), "{number} came out of order");
        self.delays.push((now - Duration::from_nanos(u64::from_be_bytes(*sent))).as_secs_f64());
        Ok(())
    }
}

/// A message of 100 bytes that knows its number and when it was sent.
fn stamped(number: usize) -> Vec<u8> {
    let mut message = (number as u64).to_be_bytes().to_vec();
    message.extend((now().as_nanos() as u64).to_be_bytes());
    message.resize(100, 0);
    message
}

fn weigh() -> Result<()> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let status = fs::read_to_string("/proc/self/status")?;
    result("bytes", &[field(&rollup, "Private_Dirty:")? * 1024.0]);
    // Without the one that plays and the one that reads stdin.
    result("threads", &[field(&status, "Threads:")? - 2.0]);
    Ok(())
}

fn field(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.with_context(|| format!("no {name}"))?.parse()?)
}
