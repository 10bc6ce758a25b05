//! Gets the engine from Debian's archive into the target folder, without touching the system: its
//! packages, with all the libraries they need, are unpacked into one folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::relocate;
use crate::report::Echo;
use crate::run;
use crate::sources::{self, Mirror};
use crate::tools::{self, find_on_path};

/// The suite of Debian's archive that has the engine.
const SUITE: &str = "forky";
/// The engine, and what it exports games with.
const PROGRAMS: [&str; 3] = ["godot", "godot-template-release", "godot-template-debug"];
/// What it draws windows with, on a machine that has never shown any.
const DRIVERS: [&str; 2] = ["libgl1", "libgl1-mesa-dri"];
/// How long the download may take.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(1800);
/// How long a step on files that are here may take.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// The engine's program in `home`, which is filled when it is not complete. The export templates
/// are beside it.
pub(crate) fn godot(home: &Path) -> Result<PathBuf> {
    let root = home.join("root");
    let binary = root.join("usr/bin/godot");
    if !is_complete(home) {
        let has = |program| find_on_path(program).is_some();
        ensure!(has("apt-get") && has("dpkg-deb"), "only on Debian can it be fetched for you");
        tools::debian(&["patchelf"])?;
        println!("getting Godot from Debian's archive (about 200 MB, once)");
        // What an interrupted attempt has left may be of any state and age.
        if home.exists() {
            fs::remove_dir_all(home)?;
        }
        download(&home.join("apt"))?;
        unpack(&home.join("apt"), &root)?;
        relocate::relocate(&root, &PROGRAMS)?;
        step(&binary, ["--version"])?;
        fs::remove_dir_all(home.join("apt"))?;
        fs::write(home.join(COMPLETE), root.as_os_str().as_encoded_bytes())?;
    }
    Ok(binary)
}

/// The file that is written last. It holds the place, because the programs hold absolute paths.
const COMPLETE: &str = "complete";

fn is_complete(home: &Path) -> bool {
    let place = home.join("root");
    fs::read(home.join(COMPLETE)).is_ok_and(|noted| noted == place.as_os_str().as_encoded_bytes())
}

/// Downloads the packages and all they depend on, from the first mirror that has the suite.
fn download(apt: &Path) -> Result<()> {
    for folder in ["lists/partial", "cache/archives/partial", "empty"] {
        fs::create_dir_all(apt.join(folder))?;
    }
    fs::write(apt.join("status"), "")?;
    let mut failure = None;
    for mirror in sources::mirrors()? {
        match update(apt, &mirror) {
            Ok(()) => return fetch(apt),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) => Err(error.context(format!("no mirror of this machine has Debian {SUITE}"))),
        None => bail!("the apt sources of this machine name no mirror of Debian"),
    }
}

fn update(apt: &Path, mirror: &Mirror) -> Result<()> {
    fs::write(apt.join("sources.list"), mirror.entry(SUITE, &architecture()?))?;
    let mut command = apt_get(apt);
    command.args(["--option", "APT::Update::Error-Mode=any", "update"]);
    run::run("apt-get update", command, DOWNLOAD_LIMIT, Echo::OnFailure)?;
    Ok(())
}

fn fetch(apt: &Path) -> Result<()> {
    let mut command = apt_get(apt);
    command.args(["--yes", "--download-only", "--no-install-recommends", "install"]);
    command.args(PROGRAMS).args(DRIVERS);
    run::run("apt-get install", command, DOWNLOAD_LIMIT, Echo::OnFailure)?;
    Ok(())
}

/// An `apt-get` that knows of nothing but what is in the folder `apt`: no source, no preference
/// and no installed package of the system.
fn apt_get(apt: &Path) -> Command {
    let mut command = Command::new("apt-get");
    for (option, path) in [
        ("Dir::Etc::SourceList", "sources.list"),
        ("Dir::Etc::SourceParts", "empty"),
        ("Dir::Etc::Preferences", "none"),
        ("Dir::Etc::PreferencesParts", "empty"),
        ("Dir::State::Lists", "lists"),
        ("Dir::State::Status", "status"),
        ("Dir::Cache", "cache"),
    ] {
        let mut assignment = OsStr::new(option).to_owned();
        assignment.push("=");
        assignment.push(apt.join(path));
        command.arg("--option").arg(assignment);
    }
    for option in [
        "APT::Default-Release=",
        "APT::Sandbox::User=",
        "Acquire::Languages=none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
        "Acquire::Retries=3",
    ] {
        command.args(["--option", option]);
    }
    command
}

fn architecture() -> Result<String> {
    let output = Command::new("dpkg").arg("--print-architecture").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn unpack(apt: &Path, root: &Path) -> Result<()> {
    fs::create_dir_all(root)?;
    for entry in fs::read_dir(apt.join("cache/archives"))? {
        let package = entry?.path();
        if package.extension() == Some(OsStr::new("deb")) {
            step(
                Path::new("dpkg-deb"),
                [OsStr::new("--extract"), package.as_ref(), root.as_ref()],
            )?;
        }
    }
    Ok(())
}

fn step<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments);
    run::run(&program.display().to_string(), command, STEP_LIMIT, Echo::OnFailure)?;
    Ok(())
}
