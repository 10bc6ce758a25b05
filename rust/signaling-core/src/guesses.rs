//! How often strangers may guess at passwords and codes.

use std::time::{Duration, Instant};

use crate::rate::{Rate, Strangers};

/// Wrong guesses, counted by where they come from.
#[derive(Debug, Default)]
pub struct Guesses(Strangers);

impl Guesses {
    /// How many may be wrong.
    pub const RATE: Rate = Rate { interval: Duration::from_secs(5), burst: 10 };

    /// Whether whoever connects from there may try another, be it right or wrong.
    pub fn may_guess(&self, now: Instant, from: &str) -> bool {
        self.0.has_token(now, from, &Self::RATE)
    }

    /// Counts one that was wrong.
    pub fn count(&mut self, now: Instant, from: &str) {
        self.0.take(now, from, &Self::RATE);
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
