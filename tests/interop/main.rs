//! Our WebRTC with the stacks of others, over real sockets.
//!
//! A counterpart is a process that speaks JSON lines: it does what it is told on stdin, says on
//! stdout what happens, and echoes every message on every channel. Every case runs with every
//! counterpart, in both roles. `cargo xtask interop [filter]` provides the counterparts.
//!
//! Reading order: `stacks` (who they are), `cases` (what must work), `duo` (a connection between
//! us and them), `counterpart` (their process), `server` (our server's program), `calling` and
//! `peerjs` (libraries that bring their own signaling).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod calling;
mod cases;
mod counterpart;
mod duo;
mod peerjs;
mod server;
mod stacks;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::cases::{CASES, Case};
use crate::counterpart::Counterpart;
use crate::duo::Offerer;
use crate::stacks::{STACKS, Stack};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Figures would mean nothing, and the machine may have only two cores.
    arguments.test_threads = Some(1);
    let trials = STACKS
        .iter()
        .flat_map(trials_with)
        .chain(calling::trials())
        .chain(peerjs::trials())
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The trials with one stack share its process.
fn trials_with(stack: &'static Stack) -> Vec<Trial> {
    let process = Arc::new(Mutex::new(None));
    let cases = CASES.iter().filter(|case| (case.applies)(stack));
    let roles = cases.flat_map(|case| [(case, Offerer::We), (case, Offerer::They)]);
    let trial = |(case, offerer): (&'static Case, _)| {
        let process = Arc::clone(&process);
        let name = format!("{}::{offerer}::{}", stack.name, case.name);
        Trial::test(name, move || run(stack, case, offerer, &process))
    };
    roles.map(trial).collect()
}

fn run(
    stack: &Stack,
    case: &Case,
    offerer: Offerer,
    process: &Mutex<Option<Counterpart>>,
) -> Result<(), Failed> {
    let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
    let mut counterpart = match process.take() {
        Some(running) => running,
        None => Counterpart::start(&mut stack.command()?)?,
    };
    match (case.run)(stack, &mut counterpart, offerer) {
        Ok(()) => {
            *process = Some(counterpart);
            Ok(())
        }
        // Its process is ended here: what is wrong with it must not spoil the next case.
        Err(error) => Err(format!("{error:#}\n{}", counterpart.log()).into()),
    }
}
