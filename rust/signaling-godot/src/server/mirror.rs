//! The lobbies as the game knows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use signaling_protocols::routing::Protocol;

use super::lobby::{Lobby, LobbyEvent, Member};

/// A copy of the server's lobbies on the main thread, as told by the events applied so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Mirror {
    lobbies: BTreeMap<Arc<str>, Lobby>,
}

impl Mirror {
    /// All lobbies, sorted by key.
    pub(super) fn lobbies(&self) -> impl Iterator<Item = &Lobby> {
        self.lobbies.values()
    }

    /// The lobby with this key.
    pub(super) fn lobby(&self, key: &str) -> Option<&Lobby> {
        self.lobbies.get(key)
    }

    /// Takes one event into account.
    pub(super) fn apply(&mut self, event: &LobbyEvent) {
        match event {
            LobbyEvent::Created(lobby) | LobbyEvent::Changed(lobby) => {
                self.lobbies.insert(lobby.key.clone(), lobby.clone());
            }
            LobbyEvent::Joined { lobby, member } => {
                self.change(lobby, |lobby| lobby.members.push(member.clone()));
            }
            LobbyEvent::Left { lobby, member } => {
                self.change(lobby, |lobby| lobby.remove(member));
            }
            LobbyEvent::Sealed { lobby } => self.change(lobby, |lobby| lobby.sealed = true),
            LobbyEvent::Closed { lobby } => {
                self.lobbies.remove(lobby);
            }
        }
    }

    /// The events after which nothing is left.
    pub(super) fn end(&self) -> Vec<LobbyEvent> {
        self.lobbies().flat_map(ended).collect()
    }

    /// The events that lead from here to `actual`, all lobbies of one protocol, for when the real
    /// ones were lost.
    pub(super) fn catch_up(
        &self,
        protocol: Protocol,
        actual: impl IntoIterator<Item = Lobby>,
    ) -> Vec<LobbyEvent> {
        let actual: BTreeMap<_, _> =
            actual.into_iter().map(|lobby| (lobby.key.clone(), lobby)).collect();
        let mut events = Vec::new();
        for known in self.lobbies().filter(|known| known.protocol() == protocol) {
            match actual.get(&known.key).filter(|lobby| lobby.goes_on(known)) {
                Some(lobby) => events.extend(left(known, &lobby.members)),
                None => events.extend(ended(known)),
            }
        }
        for lobby in actual.values() {
            let known = self.lobby(&lobby.key).filter(|known| lobby.goes_on(known));
            events.extend(known.is_none().then(|| created(lobby)));
            events.extend(joined(lobby, known.map_or(&[][..], |known| &known.members)));
            let is_news = lobby.sealed && !known.is_some_and(|known| known.sealed);
            events.extend(is_news.then(|| LobbyEvent::Sealed { lobby: lobby.key.clone() }));
            let has_changed = known.is_some_and(|known| known.about != lobby.about);
            events.extend(has_changed.then(|| LobbyEvent::Changed(lobby.clone())));
        }
        events
    }

    fn change(&mut self, key: &str, change: impl FnOnce(&mut Lobby)) {
        if let Some(lobby) = self.lobbies.get_mut(key) {
            change(lobby);
        }
    }
}

fn created(lobby: &Lobby) -> LobbyEvent {
    LobbyEvent::Created(Lobby { members: Vec::new(), sealed: false, ..lobby.clone() })
}

fn joined(lobby: &Lobby, known: &[Member]) -> impl Iterator<Item = LobbyEvent> {
    let new = lobby.members.iter().filter(|member| !known.contains(member));
    new.map(|member| LobbyEvent::Joined { lobby: lobby.key.clone(), member: member.clone() })
}

fn left(lobby: &Lobby, remaining: &[Member]) -> impl Iterator<Item = LobbyEvent> {
    let gone = lobby.members.iter().filter(|member| !remaining.contains(member));
    gone.map(|member| LobbyEvent::Left { lobby: lobby.key.clone(), member: member.clone() })
}

fn ended(lobby: &Lobby) -> impl Iterator<Item = LobbyEvent> {
    left(lobby, &[]).chain([LobbyEvent::Closed { lobby: lobby.key.clone() }])
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use signaling_core::PeerId;
    use signaling_core::overview::{LobbyKey, LobbyView};
    use signaling_protocols::godot::extended::Object;
    use signaling_protocols::godot::{LobbyInfo, Topology};

    use super::*;

    fn native(name: &str, created: Instant, sealed: bool, members: &[u64]) -> Lobby {
        let members: Vec<_> = members.iter().filter_map(|id| PeerId::new(*id)).collect();
        Lobby::native(LobbyInfo {
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
        })
    }

    fn room(name: &str, members: &[&str]) -> Lobby {
        let members: Vec<Arc<str>> = members.iter().map(|&member| member.into()).collect();
        let key = LobbyKey { game: "".into(), name: name.into() };
        let hosts = members.first().into_iter().cloned().collect();
        Lobby::other(Protocol::Rooms, LobbyView { members, hosts, ..LobbyView::new(key) })
    }

    fn mirror(lobbies: &[Lobby]) -> Mirror {
        let by_key = |lobby: &Lobby| (lobby.key.clone(), lobby.clone());
        Mirror { lobbies: lobbies.iter().map(by_key).collect() }
    }

    /// From each state to each later one.
    fn check_catching_up(protocol: Protocol, states: &[Vec<Lobby>]) {
        let later_states = |index: usize| states[index..].iter();
        let pairs = states.iter().enumerate();
        for (from, to) in pairs.flat_map(|(i, from)| later_states(i).map(move |to| (from, to))) {
            let mut mirror = mirror(from);
            let events = mirror.catch_up(protocol, to.clone());
            events.iter().for_each(|event| mirror.apply(event));
            assert_eq!(mirror.lobbies().cloned().collect::<Vec<_>>(), *to, "from {from:?}");
        }
    }

    #[test]
    fn catching_up_leads_to_what_is() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let states = [
            vec![],
            vec![native("a", start, false, &[1])],
            vec![native("a", start, false, &[1, 2]), native("b", start, true, &[1, 5])],
            vec![native("a", start, true, &[1, 3]), native("b", start, true, &[1])],
            vec![native("a", later, false, &[1, 3])],
        ];
        check_catching_up(Protocol::Godot, &states);
        let states = [
            vec![],
            vec![room("a", &["Ann"]), room("b", &["Ben", "Bob"])],
            vec![room("a", &["Amy", "Abe"]), room("c", &["Ann"])],
        ];
        check_catching_up(Protocol::Rooms, &states);
    }

    #[test]
    fn catching_up_with_one_protocol_leaves_the_others_alone() {
        let known = mirror(&[native("a", Instant::now(), false, &[1]), room("a", &[])]);
        let closed = |lobby: &str| vec![LobbyEvent::Closed { lobby: lobby.into() }];
        assert_eq!(known.catch_up(Protocol::Rooms, []), closed("rooms:a"));
        assert_eq!(known.catch_up(Protocol::Calling, []), []);
    }

    #[test]
    fn a_lobby_ends_after_its_members_have_left() {
        let known = mirror(&[native("a", Instant::now(), false, &[1, 2])]);
        let lobby: Arc<str> = "a".into();
        let left = |peer| LobbyEvent::Left { lobby: lobby.clone(), member: Member::Numbered(peer) };
        let events = [
            left(PeerId::HOST),
            left(PeerId::new(2).unwrap()),
            LobbyEvent::Closed { lobby: lobby.clone() },
        ];
        assert_eq!(known.end(), events);
        assert_eq!(known.catch_up(Protocol::Godot, []), events);
    }
}
