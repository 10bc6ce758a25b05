//! Many deadlines, one earliest.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// A set of deadlines, at most one for each key.
#[derive(Debug, Clone)]
pub struct Timers<K> {
    queue: BTreeSet<(Instant, K)>,
    deadlines: HashMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), deadlines: HashMap::new() }
    }
}

impl<K: Ord + Hash + Clone> Timers<K> {
    /// Sets the deadline of `key`, replacing an earlier one.
    pub fn set(&mut self, key: K, deadline: Instant) {
        self.cancel(&key);
        self.queue.insert((deadline, key.clone()));
        self.deadlines.insert(key, deadline);
    }

    /// Forgets the deadline of `key`, if it has one.
    pub fn cancel(&mut self, key: &K) {
        if let Some((key, deadline)) = self.deadlines.remove_entry(key) {
            self.queue.remove(&(deadline, key));
        }
    }

    /// The deadline of `key`.
    pub fn get(&self, key: &K) -> Option<Instant> {
        self.deadlines.get(key).copied()
    }

    /// How many deadlines there are.
    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// True when there is no deadline.
    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// The earliest deadline.
    pub fn earliest(&self) -> Option<Instant> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out one key whose deadline has come; earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (deadline, _) = self.queue.first()?;
        if *deadline > now {
            return None;
        }
        let (_, key) = self.queue.pop_first()?;
        self.deadlines.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn deadlines_come_due_in_order_and_never_early() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut timers = Timers::default();
        timers.set("late", at(9));
        timers.set("moved", at(1));
        timers.set("moved", at(5));
        timers.set("cancelled", at(2));
        timers.cancel(&"cancelled");

        assert_eq!(timers.earliest(), Some(at(5)));
        assert_eq!(timers.pop_due(at(4)), None);
        assert_eq!(timers.pop_due(at(9)), Some("moved"));
        assert_eq!(timers.pop_due(at(9)), Some("late"));
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.earliest(), None);
    }
}
