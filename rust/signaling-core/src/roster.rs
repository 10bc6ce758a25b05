//! Who is in a lobby, in which order, and who its host is.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The members of one lobby in join order, one of them its host.
///
/// A roster is created with its host and is never empty: when the last member leaves, drop it.
#[derive(Debug, Clone)]
pub struct Roster<K, M> {
    members: BTreeMap<u64, (K, M)>,
    places: HashMap<K, u64>,
    next_place: u64,
    host: K,
}

impl<K: Clone + Eq + Hash, M> Roster<K, M> {
    /// A roster with its host in it.
    pub fn new(host: K, member: M) -> Self {
        Self {
            members: BTreeMap::from([(0, (host.clone(), member))]),
            places: HashMap::from([(host.clone(), 0)]),
            next_place: 1,
            host,
        }
    }

    /// Adds a member behind all others.
    ///
    /// # Panics
    /// When the key is taken already: keys come from our own generator, never from a peer.
    pub fn join(&mut self, key: K, member: M) {
        let taken = self.places.insert(key.clone(), self.next_place);
        assert!(taken.is_none(), "a key joins once");
        self.members.insert(self.next_place, (key, member));
        self.next_place += 1;
    }

    /// Takes a member out; `None` if it is not in.
    pub fn leave(&mut self, key: &K) -> Option<M> {
        let place = self.places.remove(key)?;
        self.members.remove(&place).map(|(_, member)| member)
    }

    /// The member with this key.
    pub fn get(&self, key: &K) -> Option<&M> {
        self.places.get(key).map(|place| &self.members[place].1)
    }

    /// True when a member has this key.
    pub fn contains(&self, key: &K) -> bool {
        self.places.contains_key(key)
    }

    /// All members in join order, the host included.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &M)> {
        self.members.values().map(|(key, member)| (key, member))
    }

    /// The key of the host. It stays the host's after it has left.
    pub fn host(&self) -> &K {
        &self.host
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True when the last member has left.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Panics unless keys, places and members agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        assert_eq!(self.members.len(), self.places.len(), "each member has one place");
        for (place, (key, _)) in &self.members {
            assert_eq!(self.places.get(key), Some(place), "a member stands where its key says");
            assert!(*place < self.next_place, "places are handed out in order");
        }
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
}
