//! What a process said and how it ended, and the judgement of both.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

/// When the lines of a process are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    /// As they come.
    Live,
    /// As they come, after the name of the process.
    Labelled,
    OnFailure,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Not yet.
    Running,
    Succeeded,
    /// With this exit status, in words.
    Failed(String),
    /// It, or a child that holds its output, was still there when its time was up.
    TimedOut,
    /// On our request, after it ran for as long as it was needed.
    Stopped,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => write!(f, "it is still running"),
            Self::Succeeded => write!(f, "it succeeded"),
            Self::Failed(status) => write!(f, "it ended with {status}"),
            Self::TimedOut => write!(f, "it was still running when its time was up"),
            Self::Stopped => write!(f, "it was stopped"),
        }
    }
}

/// Everything a process said, and how it ended.
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) lines: Vec<String>,
    pub(crate) ended: Ended,
    pub(crate) took: Duration,
    echo: Echo,
}

impl Report {
    pub(crate) fn new(name: &str, echo: Echo) -> Self {
        Self {
            name: name.to_owned(),
            lines: Vec::new(),
            ended: Ended::Running,
            took: Duration::ZERO,
            echo,
        }
    }

    /// Fails, and shows what was said, unless the process succeeded.
    pub(crate) fn expect_success(&self) -> Result<()> {
        if self.ended != Ended::Succeeded {
            self.show();
            bail!("{}: {}", self.name, self.ended);
        }
        Ok(())
    }

    /// Judges a run of the engine: fails, and shows what was said, unless it ended well, said
    /// `sentinel`, and complained about nothing.
    pub(crate) fn judge(&self, sentinel: Option<&str>) -> Result<()> {
        let complaints = complaints(&self.ended, &self.lines, sentinel);
        if !complaints.is_empty() {
            self.show();
        }
        ensure!(complaints.is_empty(), "{}: {}", self.name, complaints.join("; "));
        Ok(())
    }

    /// Shows what was said, unless it was shown already.
    pub(crate) fn show(&self) {
        if self.echo == Echo::OnFailure {
            self.lines.iter().for_each(|line| println!("[{}] {line}", self.name));
        }
    }
}

/// What the engine, in any of its builds, and a Rust thread say when something is wrong.
const ALARMS: [&str; 6] = ["SCRIPT ERROR", "ERROR:", "WARNING:", "leaked", "Orphan", "panicked at"];

/// What the engine says about the machine rather than about us: a virtual display has no refresh
/// to wait for.
const NOISE: [&str; 1] = [
    "WARNING: Could not set V-Sync mode, as changing V-Sync mode is not supported by the graphics \
     driver.",
];

fn complaints(ended: &Ended, lines: &[String], sentinel: Option<&str>) -> Vec<String> {
    let mut complaints = Vec::new();
    if !matches!(ended, Ended::Succeeded | Ended::Stopped) {
        complaints.push(ended.to_string());
    }
    if let Some(sentinel) = sentinel
        && !lines.iter().any(|line| line == sentinel)
    {
        complaints.push(format!("it did not say \"{sentinel}\""));
    }
    complaints.extend(lines.iter().filter(|line| is_alarming(line)).cloned());
    complaints
}

fn is_alarming(line: &str) -> bool {
    ALARMS.iter().any(|alarm| line.contains(alarm)) && !NOISE.contains(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ended: &Ended, said: &str, expected: &[&str]) {
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        assert_eq!(complaints(ended, &lines, Some("DONE")), expected);
    }

    #[test]
    fn a_good_end_with_the_sentinel_is_all_it_takes() {
        check(&Ended::Succeeded, "Godot Engine v4.6\nDONE", &[]);
        check(&Ended::Stopped, "DONE", &[]);
    }

    #[test]
    fn a_good_end_without_the_sentinel_is_a_failure() {
        check(&Ended::Succeeded, "NOT DONE", &["it did not say \"DONE\""]);
    }

    #[test]
    fn a_remark_on_the_machine_is_none_on_us() {
        check(&Ended::Succeeded, &format!("{}\nDONE", NOISE[0]), &[]);
    }

    #[test]
    fn a_crash_or_a_hang_after_the_sentinel_is_a_failure() {
        let crash = Ended::Failed("signal: 11 (SIGSEGV)".to_owned());
        check(&crash, "DONE", &["it ended with signal: 11 (SIGSEGV)"]);
        check(&Ended::TimedOut, "DONE", &["it was still running when its time was up"]);
    }

    #[test]
    fn every_complaint_of_the_engine_is_a_failure() {
        for complaint in [
            "SCRIPT ERROR: Invalid call.",
            "USER ERROR: no",
            "     ERROR: 1 resources still in use at exit.",
            "WARNING: ObjectDB instances leaked at exit.",
            "Orphan StringName: x",
            "thread 'signaling' panicked at src/lib.rs:1:1:",
        ] {
            check(&Ended::Succeeded, &format!("{complaint}\nDONE"), &[complaint]);
        }
    }
}
