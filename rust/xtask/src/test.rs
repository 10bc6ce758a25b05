//! Runs the tests: those of the workspace's crates, and those that run in the engine.

use std::env::consts::EXE_EXTENSION;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::extension::{self, Profile};
use crate::godot::Godot;
use crate::project;
use crate::report::{Echo, Ended};
use crate::run::{self, Running};
use crate::tally::Tally;
use crate::workspace::Workspace;

/// How long the crates' tests may take to build and run on a slow machine.
const RUST_LIMIT: Duration = Duration::from_secs(1800);
/// How long the tests of one file may take in the engine.
const FILE_LIMIT: Duration = Duration::from_secs(180);
/// The name of the test that an editor runs.
const RELOAD: &str = "reload";
/// The tests in which games meet the program `guest`.
const MEETINGS: &str = "test_meetings.gd";
/// What the runner says when all tests of a file passed.
pub(crate) const SENTINEL: &str = "ALL TESTS PASSED";

/// Runs everything there is.
pub(crate) fn all(workspace: &Workspace) -> Tally {
    let mut tally = Tally::of("Rust tests", rust(workspace));
    tally += Tally::of("Godot tests", godot(workspace, ""));
    tally
}

/// Runs the tests of all crates.
fn rust(workspace: &Workspace) -> Result<Tally> {
    // Those with the stacks of others need these stacks: `interop`.
    let command =
        workspace.cargo(["test", "--workspace", "--exclude", "interop", "--no-fail-fast"]);
    cargo_test(command)
}

/// Runs `cargo test`, or a command that runs it.
pub(crate) fn cargo_test(command: Command) -> Result<Tally> {
    let report = Running::start("cargo test", command, RUST_LIMIT, Echo::Live)?.finish()?;
    let mut tally = Tally::default();
    report.lines.iter().filter_map(|line| rust_result(line)).for_each(|result| tally += result);
    if report.ended != Ended::Succeeded && tally.failed == 0 {
        tally += Tally::FAIL;
    }
    Ok(tally)
}

/// Reads "test result: ok. 9 passed; 0 failed; …".
fn rust_result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = counts.split("; ").map(|count| count.split_once(' '));
    let mut next = |name| {
        let (number, what) = counts.next()??;
        (what == name).then(|| number.parse().ok())?
    };
    Some(Tally { passed: next("passed")?, failed: next("failed")? })
}

/// Runs the tests in the engine, of the files whose name contains `filter`.
pub(crate) fn godot(workspace: &Workspace, filter: &str) -> Result<Tally> {
    let godot = Godot::find(workspace)?;
    extension::build(workspace, Profile::Debug)?;
    let project = project::scratch(workspace, &godot)?;
    let files = test_files(&project.join("tests"), filter)?;
    ensure!(
        !files.is_empty() || RELOAD.contains(filter),
        "no Godot test has \"{filter}\" in its name"
    );
    if files.iter().any(|file| file == MEETINGS) {
        build_guest(workspace)?;
    }
    let guest = workspace.target.join("debug/examples/guest").with_extension(EXE_EXTENSION);
    let mut tally = Tally::default();
    for file in files {
        tally += godot_file(&godot, &project, &file, &guest)?;
    }
    if RELOAD.contains(filter) {
        tally += Tally::of(RELOAD, reload(workspace, &godot));
    }
    Ok(tally)
}

fn build_guest(workspace: &Workspace) -> Result<()> {
    // With the packages that are tested: with others the features differ, and much is built anew.
    let mut command = workspace.cargo(["build", "--workspace", "--exclude=interop"]);
    command.arg("--example=guest");
    run::run("cargo build", command, RUST_LIMIT, Echo::Live)?;
    Ok(())
}

/// The test of hot reload, in an editor: a game that runs cannot reload an extension.
fn reload(workspace: &Workspace, godot: &Godot) -> Result<Tally> {
    let mut command = godot.headless(&project::editor(workspace)?);
    command.arg("--editor");
    let report = Running::start(RELOAD, command, FILE_LIMIT, Echo::OnFailure)?.finish()?;
    report.judge(Some(SENTINEL))?;
    println!("ok: {RELOAD} in {:.1?}", report.took);
    Ok(Tally::PASS)
}

fn test_files(folder: &Path, filter: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("test_") && name.ends_with(".gd") && name.contains(filter) {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs one file in an engine of its own, so that a crash or a hang has a name.
fn godot_file(godot: &Godot, project: &Path, file: &str, guest: &Path) -> Result<Tally> {
    let mut command = godot.headless(project);
    command.env("GUEST", guest);
    command.args(["res://tests/runner.tscn", "--", &format!("--case={file}")]);
    let report = Running::start(file, command, FILE_LIMIT, Echo::OnFailure)?.finish()?;
    let count = |prefix| report.lines.iter().filter(|line| line.starts_with(prefix)).count();
    let mut tally = Tally { passed: count("ok: "), failed: 0 };
    match report.judge(Some(SENTINEL)) {
        Ok(()) => println!("ok: {file}: {} tests in {:.1?}", tally.passed, report.took),
        Err(complaint) => {
            println!("FAILED: {complaint:#}");
            tally.failed = count("FAILED: ").max(1);
        }
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_rust_tests_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered";
        assert_eq!(rust_result(line), Some(Tally { passed: 12, failed: 3 }));
        let line = "test result: ok. 1 passed; 0 failed; 0 ignored; finished in 0.00s";
        assert_eq!(rust_result(line), Some(Tally { passed: 1, failed: 0 }));
        assert_eq!(rust_result("test a_test ... ok"), None);
    }
}
