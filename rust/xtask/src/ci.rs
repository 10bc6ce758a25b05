//! Answers "is it fine?": every check there is, each with the time it took.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::report::Echo;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{demo, export, interop, lab, run, test};

/// How long cargo may take for one step on a slow machine.
const CARGO_LIMIT: Duration = Duration::from_secs(1800);

/// Makes every check, also after one has failed.
pub(crate) fn all(workspace: &Workspace) -> Tally {
    let mut tally = Tally::default();
    tally += step("format", || cargo(workspace, ["fmt", "--all", "--", "--check"], &[]));
    tally += step("lints", || {
        let arguments = ["clippy", "--workspace", "--all-targets", "--", "--deny=warnings"];
        cargo(workspace, arguments, &[])
    });
    tally += step("docs", || {
        let deny = [("RUSTDOCFLAGS", "--deny=warnings")];
        cargo(workspace, ["doc", "--workspace", "--no-deps", "--document-private-items"], &deny)
    });
    tally += step("tests", || Ok(test::all(workspace)));
    tally += step("interop", || interop::test(workspace, ""));
    tally += step("lab", || lab::all(workspace, ""));
    tally += step("demo without a window", || demo::headless(workspace).map(|()| Tally::PASS));
    tally += step("exported server", || export::server(workspace).map(|()| Tally::PASS));
    tally
}

fn step(name: &str, check: impl FnOnce() -> Result<Tally>) -> Tally {
    println!("── {name}");
    let started = Instant::now();
    let tally = Tally::of(name, check());
    println!("── {name}: {tally}, in {:.0?}", started.elapsed());
    tally
}

fn cargo<const N: usize>(
    workspace: &Workspace,
    arguments: [&str; N],
    variables: &[(&str, &str)],
) -> Result<Tally> {
    let mut command = workspace.cargo(arguments);
    command.envs(variables.iter().copied());
    run::run("cargo", command, CARGO_LIMIT, Echo::Live)?;
    Ok(Tally::PASS)
}
