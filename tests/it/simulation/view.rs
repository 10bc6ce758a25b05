//! What a client knows by what its session has told it, which must make sense at any time.

use std::collections::{BTreeMap, BTreeSet};

use signaling_core::PeerId;
use signaling_protocols::godot::extended::{Json, MemberView};
use signaling_protocols::godot::{ClientEvent, ClientState, LobbyInfo, Protocol, Topology};

#[derive(Default)]
pub(super) struct View {
    pub(super) protocol: Protocol,
    pub(super) state: ClientState,
    pub(super) is_over: bool,
    /// Tickets that wait for their answers.
    pub(super) unanswered: BTreeSet<u64>,
    pub(super) generation: u64,
    topology: Option<Topology>,
    pub(super) lobby: Option<String>,
    me: Option<PeerId>,
    host: Option<PeerId>,
    /// Nothing of a plain client.
    members: BTreeMap<PeerId, MemberView>,
    pub(super) unstable: BTreeSet<PeerId>,
    /// Those to connect to.
    pub(super) peers: BTreeSet<PeerId>,
    pub(super) values: BTreeMap<String, Json>,
}

impl View {
    /// A client that speaks this knows nothing yet.
    pub(super) fn of(protocol: Protocol) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// Panics when an event contradicts an earlier one.
    pub(super) fn note(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::StateChanged { old, new } => {
                assert_eq!(*old, self.state, "states follow each other");
                assert_ne!(old, new, "a state is another one");
                self.state = *new;
            }
            ClientEvent::Identified { id, topology, generation } => {
                assert!(*generation > self.generation, "generations are counted");
                self.forget_lobby();
                (self.me, self.generation) = (Some(*id), *generation);
                (self.topology, self.host) = (Some(*topology), Some(PeerId::HOST));
            }
            ClientEvent::LobbyJoined { lobby, view } => {
                assert_eq!(self.state, ClientState::Joined);
                self.lobby = Some(lobby.clone());
                if let Some(view) = view {
                    assert_eq!(Some(view.me), self.me, "an id is told once");
                    self.host = Some(view.host);
                }
            }
            ClientEvent::EpochStarted { generation, view, renamed } => {
                assert!(*generation > self.generation, "generations are counted");
                self.rename(renamed);
                self.peers.clear();
                (self.me, self.generation) = (Some(view.me), *generation);
            }
            ClientEvent::HostChanged { id, is_me } => {
                assert_eq!(*is_me, self.me == Some(*id));
                self.host = Some(*id);
            }
            ClientEvent::PeerConnected { id } => {
                assert!(self.peers.insert(*id), "{id} is announced once");
                assert_ne!(Some(*id), self.me, "nobody connects to itself");
            }
            ClientEvent::PeerDisconnected { id } => {
                assert!(self.peers.remove(id), "{id} was announced");
            }
            ClientEvent::MemberChanged(member) => {
                self.set_unstable(member.id, member.is_unstable);
                self.members.insert(member.id, (**member).clone());
            }
            ClientEvent::MemberLeft { id, .. } => {
                assert!(self.members.remove(id).is_some(), "{id} was a member");
                self.unstable.remove(id);
            }
            ClientEvent::PeerUnstable { id } => self.set_unstable(*id, true),
            ClientEvent::PeerStable { id } => self.set_unstable(*id, false),
            ClientEvent::ValueChanged { key, value: Some(value), .. } => {
                self.values.insert(key.clone(), value.clone());
            }
            ClientEvent::ValueChanged { key, value: None, .. } => {
                self.values.remove(key);
            }
            ClientEvent::LobbyLeft { .. } => self.forget_lobby(),
            ClientEvent::Answered { ticket, .. } => {
                assert!(self.unanswered.remove(ticket), "{ticket} is answered once");
            }
            ClientEvent::Disconnected { .. } => {
                assert!(!self.is_over, "the end is told once");
                self.is_over = true;
                self.forget_lobby();
            }
            _ => {}
        }
    }

    /// Panics unless it is what the server says of our lobby.
    pub(super) fn assert_true(&self, lobbies: &BTreeMap<&str, &LobbyInfo>) {
        let Some(name) = &self.lobby else { return };
        let info = lobbies.get(name.as_str()).unwrap_or_else(|| panic!("{name} is gone"));
        let members: BTreeSet<PeerId> = info.members.iter().copied().collect();
        let me = self.me.expect("whoever is in a lobby has an id");
        assert!(members.contains(&me), "{me} is in the lobby");
        // A plain client is told of neither.
        if !self.members.is_empty() {
            assert_eq!(self.host, Some(info.host), "{me} knows the host");
            assert_eq!(self.members.keys().copied().collect::<BTreeSet<_>>(), members);
        }
        let connects = |other: &PeerId| {
            let with_host = me == info.host || *other == info.host;
            *other != me && (info.topology == Topology::Mesh || with_host)
        };
        let expected: BTreeSet<PeerId> = members.into_iter().filter(connects).collect();
        assert_eq!(self.peers, expected, "{me} knows whom to connect to");
    }

    pub(super) fn me(&self) -> Option<PeerId> {
        self.me
    }

    fn set_unstable(&mut self, id: PeerId, is_unstable: bool) {
        if is_unstable {
            self.unstable.insert(id);
        } else {
            self.unstable.remove(&id);
        }
    }

    fn rename(&mut self, renamed: &[(PeerId, PeerId)]) {
        let renamed: BTreeMap<_, _> = renamed.iter().copied().collect();
        let new_id = |id: PeerId| renamed.get(&id).copied().unwrap_or(id);
        let members = std::mem::take(&mut self.members).into_iter();
        self.members = members.map(|(id, member)| (new_id(id), member)).collect();
        self.unstable = self.unstable.iter().copied().map(new_id).collect();
    }

    fn forget_lobby(&mut self) {
        (self.lobby, self.me, self.host, self.topology) = (None, None, None, None);
        self.members.clear();
        self.unstable.clear();
        self.peers.clear();
        self.values.clear();
    }
}
