//! How many checks passed, and how many did not.

use std::fmt;
use std::ops::AddAssign;

use anyhow::Result;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// One check that passed.
    pub(crate) const PASS: Self = Self { passed: 1, failed: 0 };
    /// One check that failed.
    pub(crate) const FAIL: Self = Self { passed: 0, failed: 1 };

    /// Counts a set of checks that could not be made as one that failed, and says why.
    pub(crate) fn of(what: &str, result: Result<Self>) -> Self {
        result.unwrap_or_else(|error| {
            println!("FAILED: {what}: {error:#}");
            Self::FAIL
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}
