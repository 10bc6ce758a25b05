//! Tests our WebRTC with the stacks of others: provides these stacks in the target folder, and
//! runs the cases of `tests/interop` with them; `meetings` follow.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::files;
use crate::meetings;
use crate::report::Echo;
use crate::run;
use crate::tally::Tally;
use crate::test;
use crate::tools;
use crate::workspace::Workspace;

/// How long an installation may take on a slow line.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
/// How long our server may take to be built.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// What is installed or left there by browsers, beside what is copied from the checkout.
const APART: [&str; 5] =
    ["node_modules", "python", "profile", "profile_without_mdns", "profile_in_lobby"];
/// The variable that tells the cases where the counterparts are.
const HOME: &str = "INTEROP_HOME";

/// The variable that tells them where our server's program is.
const SERVER: &str = "SIGNALING_SERVER";

/// Runs the cases whose name contains `filter`.
pub(crate) fn test(workspace: &Workspace, filter: &str) -> Result<Tally> {
    let home = counterparts(workspace)?;
    let mut command = workspace.cargo(["test", "--package", "interop", "--", filter]);
    command.env(HOME, &home).env(SERVER, server(workspace)?);
    let mut tally = test::cargo_test(command)?;
    tally += meetings::test(workspace, &home, filter)?;
    Ok(tally)
}

/// Our server's program.
fn server(workspace: &Workspace) -> Result<PathBuf> {
    let command = workspace.cargo(["build", "--package", "signaling-server"]);
    run::run("cargo build", command, BUILD_LIMIT, Echo::OnFailure)?;
    Ok(workspace.target.join("debug/signaling-server"))
}

/// The folder of the counterparts, with all that they need.
fn counterparts(workspace: &Workspace) -> Result<PathBuf> {
    tools::debian(&["chromium", "node", "npm", "python3"])?;
    let home = workspace.target.join("interop");
    files::mirror(&workspace.root.join("tests/interop/counterparts"), &home, &APART)?;
    install(&home, "package-lock.json", "node_modules", node_modules)?;
    install(&home, "requirements.txt", "python", python)?;
    Ok(home)
}

/// Fills `folder`, unless that was done with the very same list of packages.
fn install(home: &Path, list: &str, folder: &str, fill: fn(&Path) -> Result<()>) -> Result<()> {
    let list = fs::read(home.join(list))?;
    let folder = home.join(folder);
    let complete = folder.join("complete");
    if fs::read(&complete).is_ok_and(|noted| noted == list) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fill(home)?;
    Ok(fs::write(complete, list)?)
}

/// Exactly what the lock file says. The stacks are compiled already; no package runs a script.
fn node_modules(home: &Path) -> Result<()> {
    step(home, "npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
}

fn python(home: &Path) -> Result<()> {
    step(home, "python3", ["-m", "venv", "python"])?;
    let pip = home.join("python/bin/pip");
    step(home, pip, ["install", "--no-deps", "--only-binary=:all:", "-r", "requirements.txt"])
}

fn step<const N: usize>(
    home: &Path,
    program: impl AsRef<OsStr>,
    arguments: [&str; N],
) -> Result<()> {
    let program = program.as_ref();
    let mut command = Command::new(program);
    command.current_dir(home).args(arguments);
    run::run(&program.display().to_string(), command, INSTALL_LIMIT, Echo::OnFailure)?;
    Ok(())
}
