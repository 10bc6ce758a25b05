//! The lobbies as the game knows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use signaling_core::PeerId;
use signaling_protocols::godot::{LobbyInfo, ServerNotice};

/// A copy of the server's lobbies on the main thread, as told by the notices applied so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Mirror {
    lobbies: BTreeMap<Arc<str>, LobbyInfo>,
}

impl Mirror {
    /// All lobbies, sorted by name.
    pub(super) fn lobbies(&self) -> impl Iterator<Item = &LobbyInfo> {
        self.lobbies.values()
    }

    /// The lobby with this name.
    pub(super) fn lobby(&self, name: &str) -> Option<&LobbyInfo> {
        self.lobbies.get(name)
    }

    /// Takes one notice into account.
    pub(super) fn apply(&mut self, notice: &ServerNotice) {
        match notice {
            ServerNotice::LobbyCreated { info } | ServerNotice::LobbyChanged { info } => {
                self.lobbies.insert(info.name.clone(), LobbyInfo::clone(info));
            }
            ServerNotice::PeerJoined { lobby, peer } => {
                self.change(lobby, |info| info.members.push(*peer));
            }
            ServerNotice::PeerLeft { lobby, peer } => {
                self.change(lobby, |info| info.members.retain(|member| member != peer));
            }
            ServerNotice::LobbySealed { lobby } => self.change(lobby, |info| info.sealed = true),
            ServerNotice::LobbyClosed { lobby } => {
                self.lobbies.remove(lobby);
            }
            ServerNotice::Asked(_) | ServerNotice::Undecided { .. } => {}
        }
    }

    /// The notices that lead from here to `actual`, for when the real ones were lost.
    pub(super) fn catch_up(&self, actual: Vec<LobbyInfo>) -> Vec<ServerNotice> {
        let actual: BTreeMap<_, _> =
            actual.into_iter().map(|info| (info.name.clone(), info)).collect();
        let mut notices = Vec::new();
        for known in self.lobbies.values() {
            match actual.get(&known.name).filter(|info| info.created == known.created) {
                Some(info) => notices.extend(left(known, &info.members)),
                None => notices.extend(left(known, &[]).chain([closed(known)])),
            }
        }
        for info in actual.values() {
            let known = self.lobby(&info.name).filter(|known| known.created == info.created);
            notices.extend(known.is_none().then(|| created(info)));
            notices.extend(joined(info, known.map_or(&[][..], |known| &known.members)));
            let sealed = info.sealed && !known.is_some_and(|known| known.sealed);
            notices.extend(sealed.then(|| ServerNotice::LobbySealed { lobby: info.name.clone() }));
            let is_same = known.is_some_and(|known| are_settings_same(known, info));
            notices.extend((known.is_some() && !is_same).then(|| changed(info)));
        }
        notices
    }

    fn change(&mut self, lobby: &str, change: impl FnOnce(&mut LobbyInfo)) {
        if let Some(info) = self.lobbies.get_mut(lobby) {
            change(info);
        }
    }
}

fn created(info: &LobbyInfo) -> ServerNotice {
    let info = LobbyInfo { members: Vec::new(), sealed: false, ..info.clone() };
    ServerNotice::LobbyCreated { info: Box::new(info) }
}

fn changed(info: &LobbyInfo) -> ServerNotice {
    ServerNotice::LobbyChanged { info: Box::new(info.clone()) }
}

/// Whether two states of a lobby differ in nothing that has notices of its own.
fn are_settings_same(known: &LobbyInfo, info: &LobbyInfo) -> bool {
    let (members, sealed) = (info.members.clone(), info.sealed);
    LobbyInfo { members, sealed, ..known.clone() } == *info
}

fn closed(info: &LobbyInfo) -> ServerNotice {
    ServerNotice::LobbyClosed { lobby: info.name.clone() }
}

fn joined(info: &LobbyInfo, known: &[PeerId]) -> impl Iterator<Item = ServerNotice> {
    let new = info.members.iter().filter(|peer| !known.contains(peer));
    new.map(|peer| ServerNotice::PeerJoined { lobby: info.name.clone(), peer: *peer })
}

fn left(info: &LobbyInfo, remaining: &[PeerId]) -> impl Iterator<Item = ServerNotice> {
    let gone = info.members.iter().filter(|peer| !remaining.contains(peer));
    gone.map(|peer| ServerNotice::PeerLeft { lobby: info.name.clone(), peer: *peer })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use signaling_protocols::godot::Topology;
    use signaling_protocols::godot::extended::Object;

    use super::*;

    fn info(name: &str, created: Instant, sealed: bool, members: &[u64]) -> LobbyInfo {
        let members: Vec<_> = members.iter().filter_map(|id| PeerId::new(*id)).collect();
        LobbyInfo {
            name: name.into(),
            topology: Topology::Mesh,
            sealed,
            created,
            host: members.last().copied().unwrap_or(PeerId::HOST),
            members,
            max_players: 8,
            is_public: true,
            is_locked: false,
            has_password: false,
            metadata: Object::default(),
        }
    }

    fn mirror(lobbies: &[LobbyInfo]) -> Mirror {
        let by_name = |info: &LobbyInfo| (info.name.clone(), info.clone());
        Mirror { lobbies: lobbies.iter().map(by_name).collect() }
    }

    #[test]
    fn catching_up_leads_to_what_is() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let states = [
            vec![],
            vec![info("a", start, false, &[1])],
            vec![info("a", start, false, &[1, 2]), info("b", start, true, &[1, 5])],
            vec![info("a", start, true, &[1, 3]), info("b", start, true, &[1])],
            vec![info("a", later, false, &[1, 3])],
        ];
        let later_states = |index: usize| states[index..].iter();
        let pairs = states.iter().enumerate();
        for (from, to) in pairs.flat_map(|(i, from)| later_states(i).map(move |to| (from, to))) {
            let mut mirror = mirror(from);
            mirror.catch_up(to.clone()).iter().for_each(|notice| mirror.apply(notice));
            assert_eq!(mirror.lobbies().cloned().collect::<Vec<_>>(), *to, "from {from:?}");
        }
    }

    #[test]
    fn catching_up_tells_of_departures_before_the_end_of_a_lobby() {
        let known = mirror(&[info("a", Instant::now(), false, &[1, 2])]);
        let lobby: Arc<str> = "a".into();
        let left = |peer| ServerNotice::PeerLeft { lobby: lobby.clone(), peer };
        let closed = ServerNotice::LobbyClosed { lobby: lobby.clone() };
        let second = PeerId::new(2).unwrap();
        assert_eq!(known.catch_up(vec![]), [left(PeerId::HOST), left(second), closed]);
    }
}
