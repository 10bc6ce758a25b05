//! A TURN server, which is a STUN server as well.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::Network;
use crate::report::Echo;
use crate::run::{self, Running};

/// Where it is, in the namespace `net`.
pub(super) const ADDRESS: &str = "198.51.100.1";

/// Has it know one user.
pub(super) const ONE_USER: [&str; 2] = ["--lt-cred-mech", "--user=player:secret"];

/// What it shares with whoever gives passwords out.
pub(super) const SECRET: &str = "north";

/// Has it know whoever was given a password by that secret.
pub(super) const SHARED_SECRET: [&str; 2] = ["--use-auth-secret", "--static-auth-secret=north"];

/// What vouches for it, in its folder.
pub(super) const CERTIFICATE: &str = "turn.crt";

/// How long it may run, and how long it may take to start.
const LIMIT: Duration = Duration::from_secs(120);
const START_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks whether it has started.
const LOOK: Duration = Duration::from_millis(20);

/// coturn. Dropping it ends it.
pub(super) struct TurnServer {
    _running: Running,
}

impl TurnServer {
    /// Starts it, and returns when it listens. It writes into `folder`, and `users` tells it whom it
    /// knows.
    pub(super) fn start(network: &Network, folder: &Path, users: &[&str]) -> Result<Self> {
        make_certificate(folder)?;
        let mut command = network.command("net", Path::new("turnserver"));
        command.current_dir(folder).args([
            "-n",
            "--no-cli",
            "--no-dtls",
            "--realm=lab",
            "--cert",
            CERTIFICATE,
            "--pkey=turn.key",
            "--log-file=stdout",
            "--pidfile=turn.pid",
            "--userdb=turn.db",
            "--relay-threads=1",
        ]);
        command.args(users);
        command.args([format!("--listening-ip={ADDRESS}"), format!("--relay-ip={ADDRESS}")]);
        let running = Running::start("turnserver", command, LIMIT, Echo::OnFailure)?;
        let deadline = Instant::now() + START_LIMIT;
        while !listens(network)? {
            ensure!(Instant::now() < deadline, "the TURN server does not listen");
            thread::sleep(LOOK);
        }
        Ok(Self { _running: running })
    }
}

/// Whether the last of its ports is open, that for TLS.
fn listens(network: &Network) -> Result<bool> {
    let output = network.command("net", Path::new("ss")).args(["-ltn"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).contains(":5349"))
}

/// A certificate that nobody has signed but its owner.
fn make_certificate(folder: &Path) -> Result<()> {
    if folder.join(CERTIFICATE).exists() {
        return Ok(());
    }
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["req", "-x509", "-nodes", "-days", "2"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    command.args(["-keyout", "turn.key", "-out", CERTIFICATE, "-subj", "/CN=turn.lab"]);
    command.arg("-addext").arg(format!("subjectAltName=IP:{ADDRESS}"));
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    run::run("openssl", command, START_LIMIT, Echo::OnFailure).context("making a certificate")?;
    Ok(())
}
