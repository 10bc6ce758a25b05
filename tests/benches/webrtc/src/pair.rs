//! Two processes, one at each end, and the signaling between them.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use parking_lot::Mutex;

use crate::end::Side;
use crate::link::Link;
use crate::signal::{Kind, Signal};

/// Whose connections they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    Ours,
    LibDataChannel,
}

impl Maker {
    pub const ALL: [Self; 2] = [Self::Ours, Self::LibDataChannel];

    /// The program beside this one.
    fn program(self) -> Result<PathBuf> {
        let name = match self {
            Self::Ours => "native",
            Self::LibDataChannel => "libdatachannel",
        };
        Ok(std::env::current_exe()?.with_file_name(name))
    }
}

/// Both ends. Dropping it ends the processes.
pub struct Pair {
    a: Process,
    b: Process,
}

/// What an end measured, by name.
pub type Results = HashMap<String, Vec<f64>>;

struct Process {
    child: Child,
    stdin: Arc<Mutex<ChildStdin>>,
    /// What it says beside signals.
    said: Receiver<String>,
}

/// How long a scenario may take.
const LIMIT: Duration = Duration::from_secs(60);

impl Pair {
    /// Without a link the ends talk to each other over loopback as it is.
    pub fn start(maker: Maker, link: Option<Link>) -> Result<Self> {
        let spawn = |side| {
            Command::new(maker.program()?)
                .arg(side)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .with_context(|| format!("starting {maker:?}"))
        };
        let (mut a, mut b) = (spawn("a")?, spawn("b")?);
        let (a_out, b_out) = (a.stdout.take(), b.stdout.take());
        let a_in = Arc::new(Mutex::new(a.stdin.take().context("it was piped")?));
        let b_in = Arc::new(Mutex::new(b.stdin.take().context("it was piped")?));
        let link = link.map(Arc::new);
        let (a_says, a_said) = mpsc::channel();
        let (b_says, b_said) = mpsc::channel();
        let a_ear =
            Ear { side: Side::A, link: link.clone(), other: Arc::clone(&b_in), says: a_says };
        let b_ear = Ear { side: Side::B, link, other: Arc::clone(&a_in), says: b_says };
        a_ear.listen(a_out.context("it was piped")?);
        b_ear.listen(b_out.context("it was piped")?);
        Ok(Self {
            a: Process { child: a, stdin: a_in, said: a_said },
            b: Process { child: b, stdin: b_in, said: b_said },
        })
    }

    /// Has both ends play a scenario, and returns what A and what B measured.
    pub fn play(&self, scenario: &str) -> Result<[Results; 2]> {
        // B first: it has to be ready for what A says.
        for process in [&self.b, &self.a] {
            writeln!(process.stdin.lock(), "{scenario}")?;
        }
        let deadline = Instant::now() + LIMIT;
        let results = |process: &Process| process.results(deadline);
        Ok([
            results(&self.a).with_context(|| format!("{scenario}, A"))?,
            results(&self.b).with_context(|| format!("{scenario}, B"))?,
        ])
    }
}

impl Process {
    fn results(&self, deadline: Instant) -> Result<Results> {
        let mut results = Results::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.said.recv_timeout(left).context("it ended or hung")?;
            if line == "done" {
                return Ok(results);
            }
            let rest = line.strip_prefix("result ").with_context(|| line.clone())?;
            let mut parts = rest.split(' ').filter(|part| !part.is_empty());
            let name = parts.next().unwrap_or_default().to_owned();
            let values: Result<Vec<f64>, _> = parts.map(str::parse).collect();
            results.insert(name, values?);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which was noticed where something was expected of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hears one end, and passes on to the other what is for it.
struct Ear {
    side: Side,
    link: Option<Arc<Link>>,
    other: Arc<Mutex<ChildStdin>>,
    says: Sender<String>,
}

impl Ear {
    fn listen(self, stdout: ChildStdout) {
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let heard = match line.strip_prefix("signal ") {
                    Some(signal) => self.pass_on(signal),
                    None => self.says.send(line).context("nobody listens"),
                };
                if heard.is_err() {
                    return;
                }
            }
        });
    }

    fn pass_on(&self, line: &str) -> Result<()> {
        let (connection, signal) = line.split_once(' ').context("not a signal")?;
        let mut signal = Signal::from_line(signal).context("not a signal")?;
        if let (Some(link), Kind::Candidate) = (&self.link, signal.kind) {
            signal.text = link.replace(self.side, &signal.text)?;
        }
        writeln!(self.other.lock(), "signal {connection} {}", signal.to_line())?;
        Ok(())
    }
}
