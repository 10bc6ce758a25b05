//! Which chunks have arrived, and when to say so (RFC 9260, section 6.2).

use std::time::{Duration, Instant};

use super::chunk::Sack;
use super::serial::{Tsn, start, unwrap};

/// How long a single packet may go unacknowledged: what answers it may carry the news.
const DELAY: Duration = Duration::from_millis(20);
/// Packets after which the other side hears of them at once.
const MAX_UNTOLD: u32 = 2;
/// Runs of chunks with something missing before each; what would make one more is taken as lost.
const MAX_GAPS: usize = 1024;
/// Duplicates that are reported; they are news for the statistics of the other side only.
const MAX_DUPLICATES: usize = 32;
/// How far ahead a chunk may be: an acknowledgement cannot name what is further.
const MAX_AHEAD: u64 = u16::MAX as u64;

/// Everything that has arrived.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// Nothing is missing up to here.
    cumulative: Tsn,
    /// What has arrived beyond, as first and last, in order, never touching.
    gaps: Vec<(Tsn, Tsn)>,
    duplicates: Vec<u32>,
    /// Packets with data of which the other side has not been told.
    untold: u32,
    /// When to tell it.
    due: Option<Instant>,
}

impl Arrivals {
    pub(super) fn new(first: u32) -> Self {
        Self {
            cumulative: start(first) - 1,
            gaps: Vec::new(),
            duplicates: Vec::new(),
            untold: 0,
            due: None,
        }
    }

    /// The number that is meant by what is on the wire.
    pub(super) fn tsn(&self, low: u32) -> Tsn {
        unwrap(self.cumulative, low)
    }

    pub(super) fn cumulative(&self) -> Tsn {
        self.cumulative
    }

    /// Whether this is the one that everything waits for.
    pub(super) fn is_next(&self, tsn: Tsn) -> bool {
        tsn == self.cumulative + 1
    }

    /// Whether something is missing before what has arrived.
    pub(super) fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Notes a chunk; whether it is new and can be taken.
    pub(super) fn add(&mut self, tsn: Tsn) -> bool {
        if tsn > self.cumulative + MAX_AHEAD {
            return false;
        }
        // The first gap that ends here or later, or would if it grew by one.
        let index = self.gaps.partition_point(|(_, last)| last + 1 < tsn);
        let is_known =
            self.gaps.get(index).is_some_and(|(first, last)| (*first..=*last).contains(&tsn));
        if tsn <= self.cumulative || is_known {
            if self.duplicates.len() < MAX_DUPLICATES {
                self.duplicates.push(tsn as u32);
            }
            return false;
        }
        if self.is_next(tsn) {
            self.cumulative = tsn;
            self.close_gaps();
            return true;
        }
        let has_room = self.gaps.len() < MAX_GAPS;
        match self.gaps.get_mut(index) {
            Some((_, last)) if *last + 1 == tsn => {
                *last = tsn;
                self.join(index);
            }
            Some((first, _)) if *first == tsn + 1 => *first = tsn,
            _ if has_room => self.gaps.insert(index, (tsn, tsn)),
            _ => return false,
        }
        true
    }

    /// Two runs that touch become one.
    fn join(&mut self, index: usize) {
        if let Some(&(first, last)) = self.gaps.get(index + 1)
            && self.gaps[index].1 + 1 == first
        {
            self.gaps[index].1 = last;
            self.gaps.remove(index + 1);
        }
    }

    /// Nothing more comes of what is missing up to there.
    pub(super) fn skip_to(&mut self, tsn: Tsn) {
        self.cumulative = self.cumulative.max(tsn);
        self.close_gaps();
    }

    fn close_gaps(&mut self) {
        let closed = self.gaps.iter().take_while(|(first, _)| *first <= self.cumulative + 1);
        let closed = closed.count();
        if let Some((_, last)) = self.gaps.drain(..closed).next_back() {
            self.cumulative = self.cumulative.max(last);
        }
    }

    /// A packet with data is at its end.
    pub(super) fn packet_ended(&mut self, now: Instant, is_urgent: bool) {
        self.untold += 1;
        let is_unusual = !self.gaps.is_empty() || !self.duplicates.is_empty();
        if is_urgent || is_unusual || self.untold >= MAX_UNTOLD {
            self.tell(now);
        } else {
            self.due = self.due.or(Some(now + DELAY));
        }
    }

    /// The other side is to be told now.
    pub(super) fn tell(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// When [`Arrivals::report`] is to be sent.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What to tell the other side, which now knows.
    pub(super) fn report(&mut self, window: u32) -> Sack {
        self.untold = 0;
        self.due = None;
        let from_here = |tsn: Tsn| u16::try_from(tsn - self.cumulative).ok();
        let gap = |(first, last): &(Tsn, Tsn)| from_here(*first).zip(from_here(*last));
        Sack {
            cumulative: self.cumulative as u32,
            window,
            gaps: self.gaps.iter().map_while(gap).collect(),
            duplicates: std::mem::take(&mut self.duplicates),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::seeds::for_each_seed;

    #[test]
    fn what_is_reported_is_what_has_arrived() {
        for_each_seed(0..200, |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let first = u32::MAX - 50;
            let (mut arrivals, mut model) = (Arrivals::new(first), BTreeSet::new());
            for _ in 0..200 {
                let tsn = start(first) + rng.random_range(0..150);
                assert_eq!(arrivals.add(tsn), model.insert(tsn));
                let sack = arrivals.report(0);
                let cumulative = arrivals.tsn(sack.cumulative);
                let mut said: BTreeSet<Tsn> = (start(first)..=cumulative).collect();
                for (first, last) in sack.gaps {
                    said.extend(cumulative + u64::from(first)..=cumulative + u64::from(last));
                }
                assert_eq!(said, model);
            }
        });
    }

    #[test]
    fn what_is_skipped_counts_as_arrived() {
        let mut arrivals = Arrivals::new(10);
        let at = |low| start(low);
        for low in [10, 12, 13, 15] {
            assert!(arrivals.add(at(low)));
        }
        arrivals.skip_to(at(11));
        assert_eq!(arrivals.cumulative(), at(13));
        arrivals.skip_to(at(20));
        assert_eq!(arrivals.cumulative(), at(20));
        arrivals.skip_to(at(5));
        assert_eq!(arrivals.cumulative(), at(20));
        assert!(!arrivals.add(at(14)));
        assert_eq!(arrivals.report(0).gaps, []);
    }

    #[test]
    fn gaps_are_limited_in_number_and_distance() {
        let mut arrivals = Arrivals::new(0);
        for index in 0..MAX_GAPS as u64 {
            assert!(arrivals.add(start(2) + 2 * index));
        }
        assert!(!arrivals.add(start(2) + 2 * MAX_GAPS as u64));
        assert!(arrivals.add(start(3)), "what closes a gap is welcome");
        assert!(!arrivals.add(start(0) + MAX_AHEAD));
    }

    #[test]
    fn the_other_side_hears_at_once_of_every_second_packet_and_of_anything_unusual() {
        let now = Instant::now();
        let told_at = |lows: &[u32], is_urgent| {
            let mut arrivals = Arrivals::new(0);
            for low in lows {
                arrivals.add(start(*low));
                arrivals.packet_ended(now, is_urgent);
            }
            arrivals.due()
        };
        assert_eq!(told_at(&[], false), None);
        assert_eq!(told_at(&[0], false), Some(now + DELAY));
        for (lows, is_urgent) in
            [(&[0][..], true), (&[0, 1], false), (&[1], false), (&[0, 0], false)]
        {
            assert_eq!(told_at(lows, is_urgent), Some(now));
        }
    }
}
