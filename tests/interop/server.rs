//! Our server's program, and what its users are waited for.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::counterpart::Counterpart;
use crate::stacks;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(25);
/// How often to look what has come.
const LOOK: Duration = Duration::from_millis(1);
/// The variable that tells where our server's program is.
const SERVER: &str = "SIGNALING_SERVER";

/// Our server, in a process of its own. Dropping it ends it.
pub(crate) struct Server {
    child: Child,
    /// Its address and port.
    addr: String,
}

impl Server {
    /// Starts it with these protocols.
    pub(crate) fn start(protocols: &str) -> Result<Self> {
        let program = env::var_os(SERVER).context("run `cargo xtask interop`")?;
        let mut command = Command::new(program);
        command.args(["--bind=127.0.0.1", "--port=0", "--protocols", protocols]);
        let child = command.stdout(Stdio::piped()).spawn().context("starting our server")?;
        let mut server = Self { child, addr: String::new() };
        let stdout = server.child.stdout.take().context("it is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.trim().strip_prefix("listening on ").context("it should listen")?;
        addr.clone_into(&mut server.addr);
        Ok(server)
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("ws://{}{target}", self.addr)
    }

    /// A script of the counterparts that uses this server, with these arguments.
    pub(crate) fn counterpart(&self, script: &str, arguments: &[&str]) -> Result<Counterpart> {
        let mut command = Command::new("node");
        command.current_dir(stacks::home()?).arg(script).args(arguments);
        Counterpart::start(&mut command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether they have just said this.
pub(crate) fn hears(they: &mut Counterpart, what: &str) -> Result<bool> {
    Ok(they.heard()?.iter().any(|event: &Value| event["say"] == what))
}

/// Waits for something, which they may have to do with.
pub(crate) fn until(
    they: &mut Counterpart,
    mut condition: impl FnMut(&mut Counterpart) -> Result<bool>,
) -> Result<()> {
    let result = wait(|| condition(they));
    result.with_context(|| they.log())
}

/// Waits for something.
pub(crate) fn wait(mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition()? {
        ensure!(Instant::now() < deadline, "not in {PATIENCE:?}");
        thread::sleep(LOOK);
    }
    Ok(())
}
