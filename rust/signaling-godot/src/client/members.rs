//! The members of the lobby that we are in.

use std::collections::{BTreeMap, HashMap};

use signaling_core::PeerId;
use signaling_protocols::godot::extended::{MemberView, limits};

/// In the order in which they were told, and found by their ids. Filled and emptied by the server;
/// who is more than a lobby can have is not kept.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_arrival: BTreeMap<u64, MemberView>,
    arrivals: HashMap<PeerId, u64>,
    told: u64,
}

impl Members {
    /// Keeps what is known of a member now.
    pub(super) fn put(&mut self, member: MemberView) {
        if let Some(known) = self.get_mut(member.id) {
            *known = member;
        } else if (self.len() as u64) < limits::PLAYERS {
            self.told += 1;
            self.arrivals.insert(member.id, self.told);
            self.by_arrival.insert(self.told, member);
        }
    }

    pub(super) fn remove(&mut self, id: PeerId) {
        let arrival = self.arrivals.remove(&id);
        arrival.map(|arrival| self.by_arrival.remove(&arrival));
    }

    pub(super) fn get(&self, id: PeerId) -> Option<&MemberView> {
        self.by_arrival.get(self.arrivals.get(&id)?)
    }

    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut MemberView> {
        self.by_arrival.get_mut(self.arrivals.get(&id)?)
    }

    /// Gives members other ids, all at once: two may change theirs.
    pub(super) fn rename(&mut self, renamed: &[(PeerId, PeerId)]) {
        let renamed: HashMap<_, _> = renamed.iter().copied().collect();
        for member in self.by_arrival.values_mut() {
            member.id = renamed.get(&member.id).copied().unwrap_or(member.id);
        }
        let arrivals = self.by_arrival.iter().map(|(arrival, member)| (member.id, *arrival));
        self.arrivals = arrivals.collect();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &MemberView> {
        self.by_arrival.values()
    }

    pub(super) fn len(&self) -> usize {
        self.by_arrival.len()
    }
}

#[cfg(test)]
mod tests {
    use signaling_protocols::godot::extended::Object;

    use super::*;

    fn id(number: u64) -> PeerId {
        PeerId::new(number).unwrap()
    }

    fn member(number: u64) -> MemberView {
        let (name, user, metadata) = (number.to_string(), String::new(), Object::default());
        MemberView { id: id(number), name, user, metadata, rtt: None, is_unstable: false }
    }

    fn members(numbers: impl IntoIterator<Item = u64>) -> Members {
        let mut members = Members::default();
        numbers.into_iter().for_each(|number| members.put(member(number)));
        members
    }

    #[test]
    fn members_keep_their_place_when_they_change_ids() {
        let mut members = members([7, 1, 9, 7]);
        members.rename(&[(id(7), id(1)), (id(1), id(5))]);
        let told: Vec<_> = members.iter().map(|member| (member.id.get(), &*member.name)).collect();
        assert_eq!(told, [(1, "7"), (5, "1"), (9, "9")]);
        members.remove(id(1));
        assert!(members.get(id(1)).is_none());
        assert_eq!(members.get(id(5)).map(|member| &*member.name), Some("1"));
    }

    #[test]
    fn more_than_a_lobby_can_have_are_not_kept() {
        let mut members = members(1..=limits::PLAYERS + 1);
        assert_eq!(members.len() as u64, limits::PLAYERS);
        members.remove(id(1));
        members.put(member(limits::PLAYERS + 1));
        assert!(members.get(id(limits::PLAYERS + 1)).is_some());
    }
}
