//! Processes with a time limit whose words are kept.

use std::io::{self, BufRead as _, BufReader, PipeReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::groups::Group;
use crate::report::{Echo, Ended, Report};

/// How long the last words of a process that was ended may be under way.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Runs a process to its end; its exit code decides.
pub(crate) fn run(name: &str, command: Command, limit: Duration, echo: Echo) -> Result<Report> {
    let report = Running::start(name, command, limit, echo)?.finish()?;
    report.expect_success()?;
    Ok(report)
}

/// A process and what it has said so far. Dropping it ends the process and its children.
pub(crate) struct Running {
    group: Group,
    /// Filled by a thread that reads until the last holder of the pipe is gone; what it holds is
    /// bounded by the time limit.
    incoming: Receiver<String>,
    report: Report,
    started: Instant,
    limit: Duration,
}

impl Running {
    /// Starts a process; its stdout and stderr are read as one stream, in order.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        limit: Duration,
        echo: Echo,
    ) -> Result<Self> {
        let (reader, writer) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        Ok(Self {
            group: Group::start(&mut command)?,
            incoming: lines_of(reader, name, echo),
            report: Report::new(name, echo),
            started: Instant::now(),
            limit,
        })
    }

    /// Waits for a line that starts with `prefix` and returns the rest of it.
    pub(crate) fn wait_for(&mut self, prefix: &str) -> Result<String> {
        while let Ok(line) = self.incoming.recv_timeout(self.time_left()) {
            let rest = line.strip_prefix(prefix).map(|rest| rest.trim().to_owned());
            self.report.lines.push(line);
            if let Some(rest) = rest {
                return Ok(rest);
            }
        }
        self.report.show();
        bail!("{} ended or hung before it said \"{prefix}…\"", self.report.name);
    }

    /// Waits until the process has ended and nobody holds its output any more.
    pub(crate) fn finish(mut self) -> Result<Report> {
        let status = loop {
            match self.incoming.recv_timeout(self.time_left()) {
                Ok(line) => self.report.lines.push(line),
                Err(RecvTimeoutError::Timeout) => break None,
                Err(RecvTimeoutError::Disconnected) => {
                    break self.group.exit_within(self.time_left())?;
                }
            }
        };
        Ok(self.end(match status {
            Some(status) if status.success() => Ended::Succeeded,
            Some(status) => Ended::Failed(status.to_string()),
            None => Ended::TimedOut,
        }))
    }

    /// Ends a process that would run for ever; to have ended before is a failure.
    pub(crate) fn stop(mut self) -> Result<Report> {
        let ended = match self.group.exit_within(Duration::ZERO)? {
            Some(status) => Ended::Failed(format!("{status}, too early")),
            None => Ended::Stopped,
        };
        Ok(self.end(ended))
    }

    fn end(self, ended: Ended) -> Report {
        let Self { group, incoming, mut report, started, .. } = self;
        drop(group);
        while let Ok(line) = incoming.recv_timeout(LAST_WORDS) {
            report.lines.push(line);
        }
        report.ended = ended;
        report.took = started.elapsed();
        report
    }

    fn time_left(&self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }
}

fn lines_of(reader: PipeReader, name: &str, echo: Echo) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let name = name.to_owned();
    thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            match echo {
                Echo::Live => println!("{line}"),
                Echo::Labelled => println!("[{name}] {line}"),
                Echo::OnFailure => {}
            }
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// More than any of these tests needs.
    const AMPLE: Duration = Duration::from_secs(60);

    fn shell(script: &str, limit: Duration) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start("shell", command, limit, Echo::OnFailure).expect("there is a shell")
    }

    #[test]
    fn both_streams_are_read_in_order() {
        let report = shell("echo one; echo two >&2; echo three", AMPLE).finish().unwrap();
        assert_eq!(report.lines, ["one", "two", "three"]);
        assert_eq!(report.ended, Ended::Succeeded);
    }

    #[test]
    fn a_failure_names_the_exit_status() {
        let report = shell("exit 3", AMPLE).finish().unwrap();
        assert_eq!(report.ended, Ended::Failed("exit status: 3".to_owned()));
    }

    #[test]
    fn a_process_whose_time_is_up_is_ended_with_its_children() {
        let report = shell("sleep 1000 & wait", Duration::from_millis(50)).finish().unwrap();
        assert_eq!(report.ended, Ended::TimedOut);
        assert!(report.took < AMPLE, "nobody waited for the child");
    }

    #[test]
    fn a_child_left_behind_is_noticed() {
        let report = shell("sleep 1000 & exit 0", Duration::from_millis(50)).finish().unwrap();
        assert_eq!(report.ended, Ended::TimedOut);
    }

    #[test]
    fn a_server_is_stopped_when_it_is_no_longer_needed() {
        let mut server = shell("echo listening on port 42; sleep 1000", AMPLE);
        assert_eq!(server.wait_for("listening on port ").unwrap(), "42");
        assert_eq!(server.stop().unwrap().ended, Ended::Stopped);
    }

    #[test]
    fn a_server_that_ended_too_early_has_failed() {
        let mut server = shell("echo ready", AMPLE);
        server.wait_for("ready").unwrap();
        assert!(server.wait_for("never").is_err());
        server.group.exit_within(AMPLE).unwrap();
        assert!(matches!(server.stop().unwrap().ended, Ended::Failed(_)));
    }
}
