//! How long answers take (RFC 9260, section 6.3.1, and RFC 9002, section 6.2).

use std::time::Duration;

/// Assumed before the first answer.
const INITIAL: Duration = Duration::from_millis(200);
/// The least that an answer may vary without being missed.
const GRANULARITY: Duration = Duration::from_millis(10);
/// Asking sooner would cost more than it could win.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(40);
/// However often nothing came, we ask again after this time.
pub(super) const LONGEST_PATIENCE: Duration = Duration::from_secs(1);

/// What is known of the round-trip time.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    smoothed: Option<Duration>,
    variation: Duration,
    least: Option<Duration>,
}

impl RoundTrip {
    pub(super) fn measure(&mut self, time: Duration) {
        self.least = Some(self.least.map_or(time, |least| least.min(time)));
        match self.smoothed {
            None => {
                self.smoothed = Some(time);
                self.variation = time / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(time)) / 4;
                self.smoothed = Some((smoothed * 7 + time) / 8);
            }
        }
    }

    /// How long to wait between tries that cost little and are not counted on.
    pub(super) fn impatience(&self) -> Duration {
        self.smoothed.map_or(INITIAL, |smoothed| (smoothed / 3).max(GRANULARITY))
    }

    /// The usual time; unknown before the first answer.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// The shortest time.
    pub(super) fn least(&self) -> Option<Duration> {
        self.least
    }

    /// How long to wait for an answer before asking again, for the time after `misses` in a row.
    pub(super) fn patience(&self, misses: u32) -> Duration {
        let usual = match self.smoothed {
            None => INITIAL,
            Some(smoothed) => smoothed + (self.variation * 4).max(GRANULARITY),
        };
        let doubled = usual.max(SHORTEST_PATIENCE) * 2_u32.pow(misses.min(8));
        doubled.min(LONGEST_PATIENCE.max(usual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn patience_follows_what_is_measured() {
        let mut trip = RoundTrip::default();
        assert_eq!(trip.patience(0), INITIAL);
        trip.measure(ms(100));
        assert_eq!(trip.patience(0), ms(300));
        for _ in 0..100 {
            trip.measure(ms(100));
        }
        assert_eq!(trip.patience(0), ms(110));
        assert_eq!(trip.smoothed(), Some(ms(100)));
        trip.measure(ms(60));
        assert_eq!(trip.least(), Some(ms(60)));
        assert!(trip.patience(0) > ms(110));
    }

    #[test]
    fn patience_grows_with_each_miss_up_to_a_limit() {
        let mut trip = RoundTrip::default();
        trip.measure(ms(1));
        assert_eq!(trip.patience(0), SHORTEST_PATIENCE);
        assert_eq!(trip.patience(1), SHORTEST_PATIENCE * 2);
        assert_eq!(trip.patience(100), LONGEST_PATIENCE);
        trip.measure(ms(9000));
        assert!(trip.patience(3) > LONGEST_PATIENCE, "never less than an answer takes");
    }
}
