//! Who is in a lobby, in which order, and who its host is.

use std::hash::Hash;

use crate::arrivals::Arrivals;

/// The members of one lobby in join order, one of them its host.
///
/// A roster is created with its host and is never empty: when the last member leaves, drop it.
#[derive(Debug, Clone)]
pub struct Roster<K, M> {
    members: Arrivals<K, M>,
    host: K,
}

impl<K: Clone + Eq + Hash, M> Roster<K, M> {
    /// A roster with its host in it.
    pub fn new(host: K, member: M) -> Self {
        let mut members = Arrivals::default();
        members.add(host.clone(), member);
        Self { members, host }
    }

    /// Adds a member behind all others.
    ///
    /// # Panics
    /// When the key is taken already: keys come from our own generator, never from a peer.
    pub fn join(&mut self, key: K, member: M) {
        self.members.add(key, member);
    }

    /// Takes a member out; `None` if it is not in.
    pub fn leave(&mut self, key: &K) -> Option<M> {
        self.members.remove(key)
    }

    /// The member with this key.
    pub fn get(&self, key: &K) -> Option<&M> {
        self.members.get(key)
    }

    /// The member with this key, to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut M> {
        self.members.get_mut(key)
    }

    /// True when a member has this key.
    pub fn contains(&self, key: &K) -> bool {
        self.members.contains(key)
    }

    /// All members in join order, the host included.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &M)> {
        self.members.iter()
    }

    /// All members in join order, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut M)> {
        self.members.iter_mut()
    }

    /// The key of the host. It stays the host's after it has left.
    pub fn host(&self) -> &K {
        &self.host
    }

    /// Makes a member the host.
    ///
    /// # Panics
    /// When there is no such member.
    pub fn set_host(&mut self, key: &K) {
        assert!(self.contains(key), "a host is a member");
        self.host = key.clone();
    }

    /// Who has been here the longest; `None` when the last member has left.
    pub fn oldest(&self) -> Option<&K> {
        self.members.keys().next()
    }

    /// Who becomes host when the present one goes, or has gone: the oldest other member of those
    /// that are eligible.
    pub fn successor(&self, eligible: impl Fn(&K, &M) -> bool) -> Option<&K> {
        let mut others = self.iter().filter(|(key, _)| *key != &self.host);
        others.find(|(key, member)| eligible(key, member)).map(|(key, _)| key)
    }

    /// Gives a member another key. It keeps its place, and stays the host if it was. Whoever is
    /// given the key of a host that has left is the host.
    ///
    /// # Panics
    /// When there is no such member, or the new key is taken: both come from our own generator,
    /// never from a peer.
    pub fn rename(&mut self, old: &K, new: K) {
        self.members.rename(old, new.clone());
        if self.host == *old {
            self.host = new;
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True when the last member has left.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Panics unless keys and members agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        self.members.assert_consistent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_join_order() {
        let mut roster = Roster::new(1, "host");
        roster.join(9, "first");
        roster.join(4, "second");
        assert_eq!(roster.leave(&9), Some("first"));
        roster.join(9, "first again");
        roster.assert_consistent();
        assert_eq!(roster.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [1, 4, 9]);
        assert_eq!(roster.get(&9), Some(&"first again"));
        assert_eq!(roster.leave(&7), None);
    }

    #[test]
    fn a_roster_can_lose_its_host_and_its_last_member() {
        let mut roster = Roster::new(1, ());
        assert_eq!(roster.leave(&1), Some(()));
        assert!(roster.is_empty());
        assert_eq!(roster.host(), &1);
    }

    #[test]
    fn the_oldest_eligible_member_succeeds_the_host() {
        let mut roster = Roster::new(1, "here");
        assert_eq!(roster.successor(|_, _| true), None);
        roster.join(9, "away");
        roster.join(4, "here");
        assert_eq!(roster.successor(|_, _| true), Some(&9));
        assert_eq!(roster.successor(|_, member| *member == "here"), Some(&4));

        roster.leave(&1);
        assert_eq!(roster.oldest(), Some(&9));
        assert_eq!(roster.successor(|_, member| *member == "here"), Some(&4));
        roster.set_host(&4);
        assert_eq!((roster.host(), roster.successor(|_, _| true)), (&4, Some(&9)));
    }

    #[test]
    fn a_new_host_takes_over_the_key_and_keeps_its_place() {
        let mut roster = Roster::new(1, "old host");
        roster.join(9, "new host");
        roster.join(4, "member");
        roster.leave(&1);
        roster.rename(&9, 1);
        roster.assert_consistent();
        assert_eq!(roster.iter().collect::<Vec<_>>(), [(&1, &"new host"), (&4, &"member")]);
        assert_eq!(roster.host(), &1);
        assert!(!roster.contains(&9));
    }

    #[test]
    fn a_host_that_is_renamed_stays_host() {
        let mut roster = Roster::new(1, ());
        roster.join(9, ());
        roster.rename(&1, 7);
        roster.assert_consistent();
        assert_eq!(roster.host(), &7);
    }

    #[test]
    fn members_can_be_changed() {
        let mut roster = Roster::new(1, 10);
        roster.join(9, 90);
        roster.iter_mut().for_each(|(_, member)| *member += 1);
        *roster.get_mut(&9).unwrap() += 1;
        assert_eq!(roster.iter().collect::<Vec<_>>(), [(&1, &11), (&9, &92)]);
        assert_eq!(roster.get_mut(&4), None);
    }
}
