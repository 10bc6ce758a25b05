//! How often something may happen: token buckets.

use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::address::neighbourhood;
use crate::timers::Timers;

/// What a bucket allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// After how long a token that was taken is back. Zero: everything is allowed. So long that no
    /// clock reaches it: nothing is.
    pub interval: Duration,
    /// How many tokens a full bucket holds: how much may happen at once. Zero: nothing is allowed.
    pub burst: u32,
}

impl Rate {
    /// Everything is allowed.
    pub const UNLIMITED: Self = Self { interval: Duration::ZERO, burst: 1 };
}

/// A bucket of tokens, full at first. One number tells how full it is: when it will be full again
/// (the "generic cell rate algorithm", which needs no rounding).
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes a token; false when there is none, which costs nothing.
    pub fn take(&mut self, now: Instant, rate: &Rate) -> bool {
        self.take_many(1, now, rate)
    }

    /// Takes so many tokens at once; false when there are fewer, which costs nothing.
    pub fn take_many(&mut self, count: u32, now: Instant, rate: &Rate) -> bool {
        let empty = rate.interval.saturating_mul(rate.burst);
        let full_at = self.full_at.max(now).checked_add(rate.interval.saturating_mul(count));
        let Some(full_at) = full_at.filter(|full_at| *full_at - now <= empty) else { return false };
        self.full_at = full_at;
        true
    }
}

/// A bucket for each key, such as the address of a stranger.
///
/// Only buckets that are not full are remembered, and at most `capacity` of them. For one more the
/// fullest is forgotten: whoever comes from many addresses wins a few tokens, and locks nobody out.
#[derive(Debug)]
pub struct Buckets<K> {
    /// When each bucket is full again.
    full: Timers<K>,
    capacity: usize,
}

impl<K: Ord + Hash + Clone> Buckets<K> {
    /// Full buckets for all, of which at most `capacity` are remembered, at least one.
    pub fn new(capacity: usize) -> Self {
        Self { full: Timers::default(), capacity }
    }

    /// Whether [`Buckets::take`] would be granted a token.
    pub fn has_token(&self, key: &K, now: Instant, rate: &Rate) -> bool {
        let mut bucket = Bucket { full_at: self.full.get(key).unwrap_or(now) };
        bucket.take(now, rate)
    }

    /// Takes a token from this key's bucket; false when there is none, which costs nothing.
    pub fn take(&mut self, key: &K, now: Instant, rate: &Rate) -> bool {
        while self.full.pop_due(now).is_some() {}
        let mut bucket = Bucket { full_at: self.full.get(key).unwrap_or(now) };
        let taken = bucket.take(now, rate);
        if taken {
            self.remember(key, bucket);
        }
        taken
    }

    fn remember(&mut self, key: &K, bucket: Bucket) {
        self.full.cancel(key);
        // The newcomer stays even if it is the fullest, or a full table would let all pass.
        if self.full.len() >= self.capacity
            && let Some(fullest) = self.full.earliest()
        {
            self.full.pop_due(fullest);
        }
        self.full.set(key.clone(), bucket.full_at);
    }
}

/// A bucket for each address, of as many as there is a reason to remember.
#[derive(Debug)]
pub struct Strangers(Buckets<String>);

/// Addresses that are remembered.
const MAX_ADDRESSES: usize = 4096;

impl Default for Strangers {
    fn default() -> Self {
        Self(Buckets::new(MAX_ADDRESSES))
    }
}

impl Strangers {
    /// Whether [`Strangers::take`] would be granted a token.
    pub fn has_token(&self, now: Instant, from: &str, rate: &Rate) -> bool {
        self.0.has_token(&neighbourhood(from), now, rate)
    }

    /// Takes a token from the bucket of whoever connects from there; false when there is none.
    /// Whoever shares our memory, and comes from nowhere, is no stranger.
    pub fn take(&mut self, now: Instant, from: &str, rate: &Rate) -> bool {
        from.is_empty() || self.0.take(&neighbourhood(from), now, rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RATE: Rate = Rate { interval: SECOND, burst: 3 };

    /// How many tokens can be taken at once.
    fn drain(take: impl FnMut() -> bool) -> usize {
        std::iter::repeat_with(take).take(100).take_while(|taken| *taken).count()
    }

    #[test]
    fn a_bucket_allows_a_burst_and_then_one_an_interval() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        for (seconds, allowed) in
            [(0.0, 3), (0.9, 0), (1.0, 1), (1.9, 0), (3.5, 2), (4.0, 1), (100.0, 3)]
        {
            let now = start + SECOND.mul_f64(seconds);
            assert_eq!(drain(|| bucket.take(now, &RATE)), allowed, "after {seconds} s");
        }
    }

    #[test]
    fn many_tokens_are_taken_together_or_not_at_all() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        for (seconds, count, is_taken) in
            [(0, 4, false), (0, 2, true), (0, 2, false), (0, 1, true), (1, 2, false), (2, 2, true)]
        {
            let now = start + SECOND * seconds;
            assert_eq!(bucket.take_many(count, now, &RATE), is_taken, "{count} after {seconds} s");
        }
        assert!(!bucket.take_many(u32::MAX, start, &RATE));
    }

    #[test]
    fn a_rate_can_allow_everything_or_nothing() {
        let now = Instant::now();
        for (interval, burst, allowed) in [
            (Duration::ZERO, 1, 100),
            (SECOND, 0, 0),
            (Duration::MAX, u32::MAX, 0),
            (SECOND, u32::MAX, 100),
        ] {
            let rate = Rate { interval, burst };
            let mut bucket = Bucket::new(now);
            assert_eq!(drain(|| bucket.take(now, &rate)), allowed, "{rate:?}");
        }
    }

    #[test]
    fn each_key_has_its_own_bucket() {
        let now = Instant::now();
        let mut buckets = Buckets::new(10);
        assert_eq!(drain(|| buckets.take(&"here", now, &RATE)), 3);
        assert_eq!(drain(|| buckets.take(&"there", now, &RATE)), 3);
        assert_eq!(drain(|| buckets.take(&"here", now + SECOND, &RATE)), 1);
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let now = Instant::now();
        let mut buckets = Buckets::new(10);
        for key in 0..10 {
            assert!(buckets.take(&key, now, &RATE));
        }
        assert!(buckets.take(&0, now + SECOND, &RATE));
        assert_eq!(buckets.full.len(), 1);
    }

    #[test]
    fn when_too_many_are_remembered_the_fullest_is_forgotten() {
        let now = Instant::now();
        let mut buckets = Buckets::new(2);
        assert_eq!(drain(|| buckets.take(&"empty", now, &RATE)), 3);
        assert!(buckets.take(&"nearly full", now, &RATE));
        assert_eq!(drain(|| buckets.take(&"newcomer", now, &RATE)), 3);
        assert!(!buckets.take(&"empty", now, &RATE));
        assert_eq!(drain(|| buckets.take(&"nearly full", now, &RATE)), 3);
        assert_eq!(buckets.full.len(), 2);
    }
}
