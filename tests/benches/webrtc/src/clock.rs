//! A clock that all processes of the machine share.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Time since the machine was started.
pub fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Unix has this clock").into()
}

/// Makes short sleeps short: by default Linux adds 50 µs to each.
pub fn sleep_precisely() {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_timerslack(1).expect("any thread may sleep precisely");
}
