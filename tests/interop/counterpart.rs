//! Their process, and everything that was said between us and it.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// Lines that are kept for the case of a failure.
const KEPT_LINES: usize = 200;
/// Longer lines are cut there.
const KEPT_BYTES: usize = 1500;
/// How long it may take to end by itself when nobody speaks to it any more.
const GRACE: Duration = Duration::from_secs(2);

/// A process with another stack in it. Dropping it ends it.
pub(crate) struct Counterpart {
    child: Child,
    /// `None` once it is to end.
    stdin: Option<ChildStdin>,
    /// Filled by a thread that reads until the process ends; bounded by what one case provokes.
    events: Receiver<Value>,
    log: Arc<Log>,
    /// Of the connection that it is told of; what it says of an earlier one does not count.
    connection: u64,
}

impl Counterpart {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.get_program().to_owned();
        let mut child =
            command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let log = Arc::new(Log::default());
        let (sender, events) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            each_line("they", stdout, &log, move |line| {
                // What is not JSON is a remark, which is in the log.
                let _ = serde_json::from_str(line).map(|event| sender.send(event));
            });
        }
        if let Some(stderr) = child.stderr.take() {
            each_line("they", stderr, &log, |_| {});
        }
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, events, log, connection: 0 })
    }

    /// Tells it to forget its connection and make a new one.
    pub(crate) fn start_connection(&mut self, channels: &[Value]) -> Result<()> {
        self.connection += 1;
        let number = self.connection;
        self.tell(&json!({ "do": "start", "number": number, "channels": channels }))
    }

    pub(crate) fn tell(&mut self, command: &Value) -> Result<()> {
        self.log.add("we", &command.to_string());
        let stdin = self.stdin.as_mut().context("it was told to end")?;
        writeln!(stdin, "{command}").context("it has ended")
    }

    /// What it has said about the current connection since the last call.
    ///
    /// # Errors
    /// When something failed over there, or the process has ended.
    pub(crate) fn heard(&mut self) -> Result<Vec<Value>> {
        let mut heard = Vec::new();
        loop {
            match self.events.try_recv() {
                Ok(event) if event["connection"] != self.connection => {}
                Ok(event) if event["say"] == "error" => bail!("their error: {}", event["text"]),
                Ok(event) => heard.push(event),
                Err(mpsc::TryRecvError::Empty) => return Ok(heard),
                Err(mpsc::TryRecvError::Disconnected) => bail!("their process has ended"),
            }
        }
    }

    /// Notes something that we did.
    pub(crate) fn note(&self, line: &str) {
        self.log.add("we", line);
    }

    /// The last of what both sides said.
    pub(crate) fn log(&self) -> String {
        self.log.to_string()
    }
}

impl Drop for Counterpart {
    fn drop(&mut self) {
        self.stdin = None;
        let deadline = Instant::now() + GRACE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn each_line(
    who: &'static str,
    stream: impl Read + Send + 'static,
    log: &Arc<Log>,
    mut then: impl FnMut(&str) + Send + 'static,
) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            log.add(who, &line);
            then(&line);
        }
    });
}

struct Log {
    started: Instant,
    lines: Mutex<VecDeque<String>>,
}

impl Log {
    fn add(&self, who: &str, line: &str) {
        let mut lines = self.lines();
        let cut = line.floor_char_boundary(KEPT_BYTES);
        lines.push_back(format!(
            "{:9.3} {who}: {}",
            self.started.elapsed().as_secs_f64(),
            &line[..cut]
        ));
        if lines.len() > KEPT_LINES {
            lines.pop_front();
        }
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { started: Instant::now(), lines: Mutex::default() }
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
