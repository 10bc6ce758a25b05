//! Random commands and cuts in virtual time; invariants after each step.
//!
//! A failing run prints its seed; `SIMULATION_SEED=n` runs that one alone.

mod calling;
mod cloudlink5;
mod crowd;
mod godot;
mod network;
mod omega;
mod peer_server;
mod room_sessions;
mod rooms;
mod sessions;
mod view;
mod world;

/// Runs `run` with many seeds, or with the one that the environment asks for.
fn for_each_seed(count: u64, run: impl Fn(u64)) {
    let asked = std::env::var("SIMULATION_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in asked.map_or(0..count, |seed: u64| seed..seed + 1) {
        let _guard = PrintSeed(seed);
        run(seed);
    }
}

/// Prints its seed when it is dropped by a panic.
struct PrintSeed(u64);

impl Drop for PrintSeed {
    #[expect(clippy::print_stderr, reason = "tells how to repeat a failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat this: SIMULATION_SEED={}", self.0);
        }
    }
}
