//! How long to wait before another try.

use std::time::Duration;

use rand::{CryptoRng, RngExt};

/// Delays that double from try to try, each drawn between half and all of its ceiling ("equal
/// jitter"): whoever lost a server at the same moment does not come back at the same moment, and
/// nobody comes back at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempt: u32,
}

impl Backoff {
    /// Delays of at most `first` before the first try and of at most `max` before any.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, attempt: 0 }
    }

    /// Counts a try and draws the delay before it.
    pub fn next(&mut self, rng: &mut impl CryptoRng) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.attempt));
        let ceiling = doubled.min(self.max);
        self.attempt = self.attempt.saturating_add(1);
        rng.random_range(ceiling / 2..=ceiling)
    }

    /// How many tries were counted since the start or the last [`reset`](Self::reset).
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Starts anew, after a try that succeeded.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn delays_double_up_to_the_longest_and_keep_to_their_upper_half() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(SECOND, 10 * SECOND);
        for (tries, ceiling) in
            [1, 2, 4, 8, 10, 10].map(|seconds| seconds * SECOND).iter().enumerate()
        {
            assert_eq!(backoff.attempt() as usize, tries);
            let delay = backoff.next(&mut rng);
            assert!(delay >= *ceiling / 2 && delay <= *ceiling, "{delay:?} of {ceiling:?}");
        }
    }

    #[test]
    fn a_reset_starts_anew() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(SECOND, Duration::MAX);
        for _ in 0..100 {
            backoff.next(&mut rng);
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= SECOND);
        assert_eq!(backoff.attempt(), 1);
    }

    #[test]
    fn those_who_wait_together_do_not_come_together() {
        let delays = [1, 2, 3]
            .map(|seed| Backoff::new(SECOND, SECOND).next(&mut StdRng::seed_from_u64(seed)));
        assert!(delays[0] != delays[1] && delays[1] != delays[2] && delays[0] != delays[2]);
    }
}
