//! Small programs of the system that some commands need.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::report::Echo;
use crate::run;

/// How long the installation of a package may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Makes sure that `program` is there: installs `packages` of Debian where we may.
pub(crate) fn ensure(program: &str, packages: &[&str]) -> Result<()> {
    if find_on_path(program).is_some() {
        return Ok(());
    }
    let names = packages.join(" ");
    if !is_root() || find_on_path("apt-get").is_none() {
        bail!("{program} is missing: install it (on Debian: apt-get install {names})");
    }
    println!("installing {names}");
    if install(packages).is_ok() {
        return Ok(());
    }
    // The lists of packages may be missing or out of date.
    apt_get(&["update"])?;
    install(packages)
}

/// The first program of that name on the PATH.
pub(crate) fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let file = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&path).map(|folder| folder.join(&file)).find(|program| program.is_file())
}

fn install(packages: &[&str]) -> Result<()> {
    apt_get(&[&["--yes", "--no-install-recommends", "install"], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    run::run("apt-get", command, INSTALL_LIMIT, Echo::OnFailure)?;
    Ok(())
}

#[cfg(unix)]
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
