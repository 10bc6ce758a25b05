//! A map that remembers in which order its keys came.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values by key, in the order of arrival. Whatever is asked for costs a lookup, also to take one
/// out of the middle.
#[derive(Debug, Clone)]
pub struct Arrivals<K, V> {
    entries: BTreeMap<u64, (K, V)>,
    places: HashMap<K, u64>,
    next_place: u64,
}

impl<K, V> Default for Arrivals<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), places: HashMap::new(), next_place: 0 }
    }
}

impl<K: Clone + Eq + Hash, V> Arrivals<K, V> {
    /// Adds an entry behind all others.
    ///
    /// # Panics
    /// When the key is taken already.
    pub fn add(&mut self, key: K, value: V) {
        let taken = self.places.insert(key.clone(), self.next_place);
        assert!(taken.is_none(), "a key comes once");
        self.entries.insert(self.next_place, (key, value));
        self.next_place += 1;
    }

    /// Takes an entry out; `None` when there is none.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.places.remove(key)?;
        self.entries.remove(&place).map(|(_, value)| value)
    }

    /// The value of this key.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// This key as it was added, and its value.
    pub fn get_key_value<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (key, value) = &self.entries[self.places.get(key)?];
        Some((key, value))
    }

    /// The value of this key, to change.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.places.get(key)?;
        self.entries.get_mut(place).map(|(_, value)| value)
    }

    /// True when there is an entry with this key.
    pub fn contains<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.places.contains_key(key)
    }

    /// All entries, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.values().map(|(key, value)| (key, value))
    }

    /// All entries, the oldest first, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries.values_mut().map(|(key, value)| (&*key, value))
    }

    /// All keys, the oldest first.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// Gives an entry another key; it keeps its place.
    ///
    /// # Panics
    /// When there is no such entry, or the new key is taken.
    pub fn rename(&mut self, old: &K, new: K) {
        let place = self.places.remove(old).expect("only what is there is renamed");
        let taken = self.places.insert(new.clone(), place);
        assert!(taken.is_none(), "a key has one entry");
        self.entries.entry(place).and_modify(|(key, _)| *key = new);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Panics unless keys and places agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        assert_eq!(self.entries.len(), self.places.len(), "each entry has one place");
        for (place, (key, _)) in &self.entries {
            assert_eq!(self.places.get(key), Some(place), "an entry stands where its key says");
            assert!(*place < self.next_place, "places are handed out in order");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_the_order_in_which_they_came() {
        let mut arrivals = Arrivals::default();
        for (key, value) in [(9, "first"), (4, "second"), (7, "third")] {
            arrivals.add(key, value);
        }
        assert_eq!(arrivals.remove(&9), Some("first"));
        assert_eq!(arrivals.remove(&9), None);
        arrivals.add(9, "first again");
        arrivals.rename(&4, 1);
        arrivals.assert_consistent();
        assert_eq!(
            arrivals.iter().collect::<Vec<_>>(),
            [(&1, &"second"), (&7, &"third"), (&9, &"first again")]
        );
    }
}
