//! How often strangers may guess at passwords and codes.

use std::time::{Duration, Instant};

use crate::address::neighbourhood;
use crate::rate::{Buckets, Rate};

/// Wrong guesses, counted by where they come from.
#[derive(Debug)]
pub struct Guesses(Buckets<String>);

/// Addresses that are remembered.
const MAX_ADDRESSES: usize = 4096;

impl Default for Guesses {
    fn default() -> Self {
        Self(Buckets::new(MAX_ADDRESSES))
    }
}

impl Guesses {
    /// How many may be wrong.
    pub const RATE: Rate = Rate { interval: Duration::from_secs(5), burst: 10 };

    /// Whether whoever connects from there may try another, be it right or wrong.
    pub fn may_guess(&self, now: Instant, from: &str) -> bool {
        self.0.has_token(&neighbourhood(from), now, &Self::RATE)
    }

    /// Counts one that was wrong. Whoever shares our memory, and comes from nowhere, is no stranger.
    pub fn count(&mut self, now: Instant, from: &str) {
        if !from.is_empty() {
            self.0.take(&neighbourhood(from), now, &Self::RATE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_wrong_too_often_has_to_wait() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for _ in 0..Guesses::RATE.burst {
            assert!(guesses.may_guess(now, "192.0.2.1:1"));
            guesses.count(now, "192.0.2.1:2");
            guesses.count(now, "");
        }
        assert!(!guesses.may_guess(now, "192.0.2.1:3"));
        for from in ["192.0.2.2:1", ""] {
            assert!(guesses.may_guess(now, from), "{from}");
        }
        assert!(guesses.may_guess(now + Guesses::RATE.interval, "192.0.2.1:3"));
    }
}
