//! What time it is for people, where ids carry it.

use std::time::{Duration, Instant};

/// The wall clock, read once: a machine that is told `now` knows the time from then on.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    at: Instant,
    since_1970: Duration,
}

impl WallClock {
    /// A clock that showed `since_1970` at `at`.
    pub fn new(at: Instant, since_1970: Duration) -> Self {
        Self { at, since_1970 }
    }

    /// Milliseconds since 1970 (UTC); what lies before the reading counts as it.
    pub fn unix_millis(&self, now: Instant) -> u64 {
        let passed = self.since_1970 + now.saturating_duration_since(self.at);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_from_its_reading() {
        let at = Instant::now();
        let clock = WallClock::new(at, Duration::from_millis(1_700_000_000_000));
        assert_eq!(clock.unix_millis(at), 1_700_000_000_000);
        assert_eq!(clock.unix_millis(at + Duration::from_secs(2)), 1_700_000_002_000);
        assert_eq!(clock.unix_millis(at - Duration::from_secs(2)), 1_700_000_000_000);
    }
}
