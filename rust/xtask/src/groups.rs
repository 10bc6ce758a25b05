//! Process groups: a helper such as `xvfb-run` has children, which must not outlive it, nor us.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How long a group may take to end by itself after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How long its children may then take to tidy up.
const TIDYING: Duration = Duration::from_millis(500);
/// How often to look whether a process has ended.
const LOOK: Duration = Duration::from_millis(10);

/// The groups that run now, by the id of their first process.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A process and its children. Dropping it ends them all.
pub(crate) struct Group(Child);

impl Group {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        system::lead(command);
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        running().push(child.id());
        Ok(Self(child))
    }

    /// Waits until the first process ends; `None` when it does not within `limit`.
    pub(crate) fn exit_within(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.0.try_wait()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.id();
        system::terminate(id);
        // Only the operating system can fail here; the group is killed either way.
        let _ = self.exit_within(GRACE);
        let deadline = Instant::now() + TIDYING;
        while system::exists(id) && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        system::kill(id);
        let _ = self.0.wait();
        running().retain(|other| *other != id);
    }
}

/// Ends every group that still runs when this process is interrupted.
pub(crate) fn end_all_on_interrupt() -> Result<()> {
    let end_all = || {
        running().iter().for_each(|group| system::kill(*group));
        std::process::exit(130);
    };
    ctrlc::set_handler(end_all).context("handling interrupts")
}

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
mod system {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;

    pub(super) fn lead(command: &mut Command) {
        command.process_group(0);
    }

    pub(super) fn exists(group: u32) -> bool {
        signal(group, None)
    }

    pub(super) fn terminate(group: u32) {
        signal(group, Some(Signal::SIGTERM));
    }

    pub(super) fn kill(group: u32) {
        signal(group, Some(Signal::SIGKILL));
    }

    /// Returns whether there was anybody to get it.
    fn signal(group: u32, signal: Option<Signal>) -> bool {
        i32::try_from(group).is_ok_and(|group| killpg(Pid::from_raw(group), signal).is_ok())
    }
}

/// Windows: `taskkill` ends a process with its children.
#[cfg(not(unix))]
mod system {
    use std::process::{Command, Stdio};

    pub(super) fn lead(_command: &mut Command) {}

    pub(super) fn exists(_group: u32) -> bool {
        false
    }

    /// There is no gentle way to end a process without a window.
    pub(super) fn terminate(group: u32) {
        kill(group);
    }

    pub(super) fn kill(group: u32) {
        let mut command = Command::new("taskkill");
        command.args(["/T", "/F", "/PID", &group.to_string()]);
        // A process that has ended already cannot be killed, and need not be.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
