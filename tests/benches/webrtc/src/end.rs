//! The process at one end of connections. It is told over stdin what to do, and tells over stdout
//! what the other end should know and what it has measured:
//!
//! ```text
//! in    signal <connection> <signal>       from the other end
//!       <scenario> <arguments>             one after the other
//! out   signal <connection> <signal>       for the other end
//!       result <name> <numbers>            in seconds, bytes or pieces
//!       done                               with the scenario
//! ```
//! It ends with its stdin.

use std::io;
use std::process;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

use crate::clock;
use crate::engine::{Connection as _, Engine};
use crate::scenarios::{self, Scenario};
use crate::signal::Signal;

/// Which of the two this process is. The first one offers, and speaks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    A,
    B,
}

/// One end, and the connections it has so far.
pub struct End<E: Engine> {
    pub side: Side,
    pub engine: E,
    pub connections: Vec<E::Connection>,
    lines: Receiver<String>,
    /// What was asked for and has not begun.
    next: Option<Scenario>,
}

/// How often an idle end looks for something to do.
const IDLE: Duration = Duration::from_millis(1);

/// Does what it is told until stdin ends.
pub fn run<E: Engine>() -> Result<()> {
    clock::sleep_precisely();
    let side = match std::env::args().nth(1).as_deref() {
        Some("a") => Side::A,
        Some("b") => Side::B,
        _ => bail!("the argument is the side, a or b"),
    };
    let lines = lines_of_stdin();
    let mut end = End { side, engine: E::start(), connections: Vec::new(), lines, next: None };
    loop {
        let Some(scenario) = end.next.take() else {
            end.wait(IDLE)?;
            continue;
        };
        let before = processor_time()?;
        scenarios::play(&mut end, scenario)?;
        result("cpu", &[(processor_time()? - before).as_secs_f64()]);
        println!("done");
    }
}

impl<E: Engine> End<E> {
    /// Passes signals on, and sleeps for a moment.
    pub fn wait(&mut self, moment: Duration) -> Result<()> {
        // What comes after a scenario may be about connections that it makes.
        while self.next.is_none() {
            match self.lines.try_recv() {
                Ok(line) => self.take(&line)?,
                Err(TryRecvError::Empty) => break,
                // The engines' own ends would only be tested here, not measured.
                Err(TryRecvError::Disconnected) => process::exit(0),
            }
        }
        for (index, connection) in self.connections.iter_mut().enumerate() {
            for signal in connection.signals() {
                println!("signal {index} {}", signal.to_line());
            }
        }
        if moment.is_zero() {
            thread::yield_now();
        } else {
            thread::sleep(moment);
        }
        Ok(())
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let Some(rest) = line.strip_prefix("signal ") else {
            self.next = Some(Scenario::parse(line).with_context(|| line.to_owned())?);
            return Ok(());
        };
        let (index, signal) = rest.split_once(' ').context("a signal without a connection")?;
        let signal = Signal::from_line(signal).context("not a signal")?;
        let connection = self.connections.get_mut(index.parse::<usize>()?);
        connection.context("a signal for no connection")?.accept(&signal);
        Ok(())
    }
}

/// Reports something that was measured.
pub fn result(name: &str, values: &[f64]) {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    println!("result {name} {}", values.join(" "));
}

fn lines_of_stdin() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What all threads of the process have spent, in user space and in the kernel.
fn processor_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: nix::sys::time::TimeVal| {
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64)
    };
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}
