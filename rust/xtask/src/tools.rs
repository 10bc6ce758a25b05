//! Programs of others that some commands need.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::report::Echo;
use crate::run;

/// How long an installation may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Debian's packages of programs, where they are not named like the program.
const PACKAGES: [(&str, &str); 9] = [
    ("c++", "g++"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("node", "nodejs"),
    ("python3", "python3-venv"),
    ("sysctl", "procps"),
    ("tc", "iproute2"),
    ("turnserver", "coturn"),
    ("xvfb-run", "xvfb"),
];

/// Makes sure that `programs` are on the PATH: installs the packages of Debian that have them,
/// where we may.
pub(crate) fn debian(programs: &[&str]) -> Result<()> {
    let is_missing = |program: &&&str| find_on_path(program).is_none();
    let mut packages: Vec<_> = programs.iter().filter(is_missing).map(|p| package_of(p)).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    install(&packages)?;
    match programs.iter().find(is_missing) {
        Some(program) => bail!("{} did not bring {program} to the PATH", packages.join(" ")),
        None => Ok(()),
    }
}

/// The first program of that name on the PATH.
pub(crate) fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let file = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&path).map(|folder| folder.join(&file)).find(|program| program.is_file())
}

fn package_of(program: &str) -> &str {
    let named = PACKAGES.iter().find(|(name, _)| *name == program);
    named.map_or(program, |(_, package)| package)
}

/// Installs packages of Debian, where we may.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    ensure!(
        is_root() && find_on_path("apt-get").is_some(),
        "something is missing: install it (on Debian: apt-get install {names})"
    );
    println!("installing {names}");
    if apt_get_install(packages).is_ok() {
        return Ok(());
    }
    // The lists of packages may be missing or out of date.
    apt_get(&["update"])?;
    apt_get_install(packages)
}

fn apt_get_install(packages: &[&str]) -> Result<()> {
    apt_get(&[&["--yes", "--no-install-recommends", "install"], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    run::run("apt-get", command, INSTALL_LIMIT, Echo::OnFailure)?;
    Ok(())
}

/// Whether we may do everything.
#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[cfg(not(unix))]
pub(crate) fn is_root() -> bool {
    false
}
