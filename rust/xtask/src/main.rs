//! The cupboard: `cargo xtask <command>` builds, tests and shows the project, on every system and
//! without a script to read. It never edits what is in version control.
//!
//! In reading order: `workspace` (where things are), `run` with `report` and `groups` (processes,
//! and the judgement of what they said), `tools` (programs of others), `godot` with `provision`,
//! `sources` and `relocate` (an engine), `extension`, `project` and `files` (something to run in
//! it), and then one file per command: `test`, `interop` with `meetings`, `lab`, `demo`, `export`,
//! `screenshot`, `bench`, `ci`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod bench;
mod ci;
mod demo;
mod export;
mod extension;
mod files;
mod godot;
mod groups;
mod interop;
mod lab;
mod meetings;
mod project;
mod provision;
mod relocate;
mod report;
mod run;
mod screenshot;
mod sources;
mod tally;
mod test;
mod tools;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::prelude::*;

use crate::extension::Profile;
use crate::tally::Tally;
use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <command>

  build [--release]    builds the addon's library for the editor, or for exported games
  demo                 opens the demo
  demo --headless      lets three bots play the demo without a window
  test                 runs all tests: Rust's, then those in the engine
  godot-test [filter]  runs the tests in the engine, of the files that have the filter in their name
  interop [filter]     tests connections with Chromium and other stacks, where the filter matches
  lab [filter]         lets peers meet in lossy and translated networks (Linux, as root), in the
                       cases that have the filter in their name
  export-server        exports the dedicated server, and lets two bots play on it
  screenshot           saves pictures of the demo under target/screenshots
  bench webrtc [...]   measures connections beside libdatachannel's (--only NAME, --rounds N,
                       --engine ours)
  ci                   makes every check: format, lints, docs, tests, interop, lab, demo,
                       export

The engine is $GODOT4_BIN, else godot4 or godot on the PATH, else fetched from Debian's archive.";

enum Task {
    Help,
    Build(Profile),
    Demo,
    DemoHeadless,
    Test,
    GodotTest { filter: String },
    Interop { filter: String },
    ExportServer,
    Screenshot,
    Lab { filter: String },
    BenchWebRtc(Vec<OsString>),
    Ci,
}

fn main() -> ExitCode {
    let tally = parse().and_then(perform);
    match tally {
        Ok(tally) if tally.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Task> {
    let mut arguments = lexopt::Parser::from_env();
    let Some(Value(command)) = arguments.next()? else { return Ok(Task::Help) };
    let mut task = match command.string()?.as_str() {
        "build" => Task::Build(Profile::Debug),
        "demo" => Task::Demo,
        "test" => Task::Test,
        "godot-test" => Task::GodotTest { filter: String::new() },
        "interop" => Task::Interop { filter: String::new() },
        "export-server" => Task::ExportServer,
        "screenshot" => Task::Screenshot,
        "lab" => Task::Lab { filter: String::new() },
        "bench" if arguments.value()? == "webrtc" => {
            Task::BenchWebRtc(arguments.raw_args()?.collect())
        }
        "ci" => Task::Ci,
        other => bail!("there is no command \"{other}\"\n\n{USAGE}"),
    };
    while let Some(argument) = arguments.next()? {
        task = match (task, argument) {
            (Task::Build(_), Long("release")) => Task::Build(Profile::Release),
            (Task::Demo, Long("headless")) => Task::DemoHeadless,
            (Task::GodotTest { .. }, Value(filter)) => Task::GodotTest { filter: filter.string()? },
            (Task::Interop { .. }, Value(filter)) => Task::Interop { filter: filter.string()? },
            (Task::Lab { .. }, Value(filter)) => Task::Lab { filter: filter.string()? },
            (_, argument) => return Err(argument.unexpected().into()),
        };
    }
    Ok(task)
}

fn perform(task: Task) -> Result<Tally> {
    if let Task::Help = task {
        println!("{USAGE}");
        return Ok(Tally::default());
    }
    groups::end_all_on_interrupt()?;
    let workspace = Workspace::open()?;
    match task {
        Task::Help => {}
        Task::Build(profile) => extension::build_addon(&workspace, profile)?,
        Task::Demo => demo::open(workspace)?,
        Task::DemoHeadless => demo::headless(&workspace)?,
        Task::ExportServer => export::server(&workspace)?,
        Task::BenchWebRtc(arguments) => bench::webrtc(&workspace, &arguments)?,
        Task::Screenshot => screenshot::take(&workspace)?,
        Task::Test => return Ok(closing_line(test::all(&workspace))),
        Task::GodotTest { filter } => return Ok(closing_line(test::godot(&workspace, &filter)?)),
        Task::Interop { filter } => {
            return Ok(closing_line(interop::test(&workspace, &filter)?));
        }
        Task::Lab { filter } => return Ok(closing_line(lab::all(&workspace, &filter)?)),
        Task::Ci => return Ok(closing_line(ci::all(&workspace))),
    }
    Ok(Tally::default())
}

fn closing_line(tally: Tally) -> Tally {
    println!("{tally}");
    tally
}
