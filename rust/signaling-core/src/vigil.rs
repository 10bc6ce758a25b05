//! Signs of life of many connections, or of whatever else may fall silent.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::ids::ConnId;
use crate::keepalive::{Beat, Keepalive};
use crate::timers::Timers;

/// A [`Keepalive`] for each connection of a machine, or for each of whatever has this key.
///
/// A sign of life costs a lookup: the timer is moved only when it comes due.
#[derive(Debug)]
pub struct Vigil<K = ConnId> {
    keepalives: HashMap<K, Keepalive>,
    timers: Timers<K>,
}

impl<K> Default for Vigil<K> {
    fn default() -> Self {
        Self { keepalives: HashMap::new(), timers: Timers::default() }
    }
}

impl<K: Ord + Hash + Clone> Vigil<K> {
    /// Watches a connection from now on, in place of an earlier watch.
    pub fn watch(&mut self, key: K, keepalive: Keepalive) {
        match keepalive.poll_timeout() {
            Some(at) => self.timers.set(key.clone(), at),
            None => self.timers.cancel(&key),
        }
        self.keepalives.insert(key, keepalive);
    }

    /// Something arrived from this connection, or whatever else counts as life.
    pub fn heard(&mut self, now: Instant, key: impl Borrow<K>) {
        let key = key.borrow();
        let Some(keepalive) = self.keepalives.get_mut(key) else { return };
        keepalive.heard(now);
        // Something may be due again where nothing was.
        if self.timers.get(key).is_none()
            && let Some(at) = keepalive.poll_timeout()
        {
            self.timers.set(key.clone(), at);
        }
    }

    /// Expects a sign of life `within` this time from now on; false when one is expected already, or
    /// the connection is not watched.
    pub fn probe(&mut self, now: Instant, key: impl Borrow<K>, within: Duration) -> bool {
        let key = key.borrow();
        let Some(keepalive) = self.keepalives.get_mut(key) else { return false };
        let is_new = keepalive.probe(now, within);
        if let Some(at) = keepalive.poll_timeout() {
            self.timers.set(key.clone(), at);
        }
        is_new
    }

    /// Forgets a connection.
    pub fn forget(&mut self, key: impl Borrow<K>) {
        let key = key.borrow();
        self.keepalives.remove(key);
        self.timers.cancel(key);
    }

    /// How many are watched.
    pub fn count(&self) -> usize {
        self.keepalives.len()
    }

    /// What is due; call again until it returns `None`. A connection that is [`Beat::Silent`] is
    /// forgotten.
    pub fn poll(&mut self, now: Instant) -> Option<(K, Beat)> {
        while let Some(key) = self.timers.pop_due(now) {
            let Some(keepalive) = self.keepalives.get_mut(&key) else { continue };
            let beat = keepalive.poll(now);
            if beat == Some(Beat::Silent) {
                self.forget(&key);
            } else if let Some(at) = keepalive.poll_timeout() {
                self.timers.set(key.clone(), at);
            }
            if let Some(beat) = beat {
                return Some((key, beat));
            }
        }
        None
    }

    /// When to call [`Vigil::poll`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.earliest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_is_pinged_and_given_up_by_itself() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let (ping, limit) = (Some(Duration::from_secs(10)), Some(Duration::from_secs(15)));
        let (talker, silent) = (ConnId(1), ConnId(2));
        let mut vigil = Vigil::default();
        vigil.watch(talker, Keepalive::new(at(0), ping, limit));
        vigil.watch(silent, Keepalive::new(at(1), ping, limit));

        assert_eq!(vigil.poll_timeout(), Some(at(10)));
        assert_eq!(vigil.poll(at(9)), None);
        vigil.heard(at(10), talker);
        assert_eq!(vigil.poll(at(10)), Some((talker, Beat::Ping)));
        assert_eq!(vigil.poll(at(11)), Some((silent, Beat::Ping)));
        assert_eq!(vigil.poll(at(11)), None);
        assert_eq!(vigil.poll(at(16)), Some((silent, Beat::Silent)));
        assert_eq!(vigil.poll_timeout(), Some(at(20)));
        vigil.forget(talker);
        assert_eq!(vigil.poll(at(100)), None);
        assert_eq!(vigil.poll_timeout(), None);
    }

    #[test]
    fn whoever_is_probed_is_given_up_sooner_than_others() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let limit = Some(Duration::from_secs(90));
        let mut vigil = Vigil::default();
        assert!(!vigil.probe(at(0), ConnId(1), Duration::from_secs(10)));
        for conn in [1, 2] {
            vigil.watch(ConnId(conn), Keepalive::new(at(0), None, limit));
            assert!(vigil.probe(at(5), ConnId(conn), Duration::from_secs(10)));
        }
        vigil.heard(at(14), ConnId(2));
        assert_eq!(vigil.poll_timeout(), Some(at(15)));
        assert_eq!(vigil.poll(at(15)), Some((ConnId(1), Beat::Silent)));
        assert_eq!(vigil.poll(at(15)), None);
        assert_eq!(vigil.poll_timeout(), Some(at(104)));
    }

    #[test]
    fn whoever_speaks_again_is_pinged_again() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut vigil = Vigil::default();
        let keepalive = Keepalive::in_silence(start, [Duration::from_secs(10)].into(), None);
        vigil.watch(ConnId(1), keepalive);
        assert_eq!(vigil.poll(at(10)), Some((ConnId(1), Beat::Ping)));
        assert_eq!(vigil.poll_timeout(), None);
        vigil.heard(at(15), ConnId(1));
        assert_eq!(vigil.poll(at(25)), Some((ConnId(1), Beat::Ping)));
    }
}
