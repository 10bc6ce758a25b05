//! Tests that are run for many seeds.

use std::ops::Range;

/// Prints the seed of a test that panics.
struct OnPanic(u64);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "for whoever looks at a failed test")]
            {
                eprintln!("the seed was {}", self.0);
            }
        }
    }
}

/// Runs a test for each seed.
pub(crate) fn for_each_seed(seeds: Range<u64>, mut test: impl FnMut(u64)) {
    for seed in seeds {
        let _on_panic = OnPanic(seed);
        test(seed);
    }
}
