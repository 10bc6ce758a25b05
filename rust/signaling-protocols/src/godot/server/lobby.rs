//! One lobby and its members.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signaling_core::password::Sealed;
use signaling_core::roster::Roster;
use signaling_core::{ConnId, PeerId};

use super::notice::LobbyInfo;
use super::session::SessionId;
use crate::godot::Topology;
use crate::godot::extended::{
    HostPolicy, Json, LinkState, LobbyEntry, LobbyView, MemberView, Object, Traits, limits,
};

#[derive(Debug)]
pub(super) struct Lobby {
    pub(super) name: Arc<str>,
    pub(super) roster: Roster<PeerId, Member>,
    pub(super) topology: Topology,
    pub(super) sealed: bool,
    pub(super) created: Instant,
    pub(super) max_players: usize,
    pub(super) is_public: bool,
    pub(super) is_locked: bool,
    pub(super) password: Option<Sealed>,
    pub(super) metadata: Object,
    pub(super) host_policy: HostPolicy,
    /// Who may join: players of the same game and build, if its creator has told any.
    pub(super) edition: Option<Edition>,
    /// How often everybody had to connect anew.
    pub(super) epoch: u64,
    pub(super) values: BTreeMap<String, Json>,
    pub(super) banned: Vec<Identity>,
}

/// A game and its build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edition {
    pub(super) game: String,
    pub(super) build: String,
}

/// What tells that somebody has been here before. Only an auth token that is checked keeps
/// somebody out who wants to come back.
#[derive(Debug)]
pub(super) struct Identity {
    /// The auth token, if there is one.
    pub(super) token: Option<Sealed>,
    pub(super) user: String,
    pub(super) name: String,
    /// The neighbourhood of its address.
    pub(super) home: String,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) guest: Guest,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) metadata: Object,
    /// In milliseconds.
    pub(super) rtt: Option<u32>,
    /// The epoch that it knows of; what it relays in an earlier one is for others.
    pub(super) epoch: u64,
    pub(super) away: Option<Away>,
}

/// What is known of a member whose return is waited for.
#[derive(Debug)]
pub(super) struct Away {
    pub(super) since: Instant,
    /// How others say that their connections to it are.
    pub(super) reports: BTreeMap<PeerId, LinkState>,
    /// When the first said that it is out of reach, while nobody denies it.
    pub(super) doubted: Option<Instant>,
}

/// Where a member is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guest {
    Plain(ConnId),
    Session(SessionId),
}

/// Banned players of one lobby; the oldest is forgotten for one more.
const MAX_BANNED: usize = 256;

impl Lobby {
    /// A lobby as the plain protocol has them.
    pub(super) fn plain(
        name: Arc<str>,
        topology: Topology,
        host: Member,
        created: Instant,
    ) -> Self {
        Self {
            name,
            roster: Roster::new(PeerId::HOST, host),
            topology,
            sealed: false,
            created,
            max_players: limits::PLAYERS as usize,
            is_public: false,
            is_locked: false,
            password: None,
            metadata: Object::default(),
            host_policy: HostPolicy::Close,
            edition: None,
            epoch: 1,
            values: BTreeMap::new(),
            banned: Vec::new(),
        }
    }

    pub(super) fn host(&self) -> PeerId {
        *self.roster.host()
    }

    /// False while the host's return is waited for.
    pub(super) fn is_host_there(&self) -> bool {
        self.roster.get(&self.host()).is_some_and(|host| host.away.is_none())
    }

    /// The members that hear of those who come and go, in join order: all of them in a mesh; the
    /// host alone otherwise, because a Godot client there refuses any peer but the host.
    pub(super) fn told_of_others(&self) -> impl Iterator<Item = (PeerId, Guest)> {
        let host = self.host();
        self.roster
            .iter()
            .filter(move |(peer, _)| self.topology == Topology::Mesh || **peer == host)
            .map(|(peer, member)| (*peer, member.guest))
    }

    /// Whether two members connect to each other.
    pub(super) fn connects(&self, one: PeerId, other: PeerId) -> bool {
        self.topology == Topology::Mesh || [one, other].contains(&self.host())
    }

    /// All members in join order.
    pub(super) fn guests(&self) -> Vec<(PeerId, Guest)> {
        self.roster.iter().map(|(peer, member)| (*peer, member.guest)).collect()
    }

    /// The members of the extended protocol, in join order.
    pub(super) fn sessions(&self) -> Vec<(PeerId, SessionId)> {
        let session = |(peer, guest)| match guest {
            Guest::Session(session) => Some((peer, session)),
            Guest::Plain(_) => None,
        };
        self.guests().into_iter().filter_map(session).collect()
    }

    /// Who becomes the host when there has to be another: the oldest that is there and can.
    pub(super) fn successor(&self) -> Option<PeerId> {
        let can_host =
            |member: &Member| matches!(member.guest, Guest::Session(_)) && member.away.is_none();
        self.roster.successor(|_, member| can_host(member)).copied()
    }

    /// Whether players of this game and build may join.
    pub(super) fn is_for(&self, edition: &Edition) -> bool {
        self.edition.as_ref().is_none_or(|own| own == edition)
    }

    /// Whether it is in the lists of this game and build.
    pub(super) fn is_public_for(&self, edition: &Edition) -> bool {
        self.is_public && self.is_for(edition)
    }

    pub(super) fn is_full(&self) -> bool {
        self.roster.len() >= self.max_players
    }

    pub(super) fn ban(&mut self, identity: Identity) {
        if self.banned.len() == MAX_BANNED {
            self.banned.remove(0);
        }
        self.banned.push(identity);
    }

    /// How long to wait for a member that is away.
    pub(super) fn patience(&self, peer: PeerId, usual: Duration) -> Duration {
        match self.host_policy {
            HostPolicy::Wait { grace, .. } if peer == self.host() => grace,
            _ => usual,
        }
    }

    /// Whether anybody has a connection to the server.
    pub(super) fn is_attended(&self) -> bool {
        self.roster.iter().any(|(_, member)| member.away.is_none())
    }

    /// Whether a member is in the present epoch: what it says of others is meant for them.
    pub(super) fn is_current(&self, peer: PeerId) -> bool {
        self.roster.get(&peer).is_some_and(|member| member.epoch == self.epoch)
    }

    /// Forgets what a member that has left said of others.
    pub(super) fn forget_reports(&mut self, peer: PeerId) {
        for away in self.roster.iter_mut().filter_map(|(_, member)| member.away.as_mut()) {
            away.reports.remove(&peer);
        }
    }

    pub(super) fn member_view(&self, peer: PeerId) -> Option<MemberView> {
        self.roster.get(&peer).map(|member| MemberView {
            id: peer,
            name: member.name.clone(),
            user: member.user.clone(),
            metadata: member.metadata.clone(),
            rtt: member.rtt,
            is_unstable: member.away.is_some(),
        })
    }

    pub(super) fn entry(&self) -> LobbyEntry {
        let host = self.roster.get(self.roster.host());
        LobbyEntry {
            code: self.name.to_string(),
            topology: self.topology,
            players: self.roster.len(),
            max_players: self.max_players,
            is_public: self.is_public,
            is_locked: self.is_locked,
            is_sealed: self.sealed,
            has_password: self.password.is_some(),
            host_name: host.map(|host| host.name.clone()).unwrap_or_default(),
            metadata: self.metadata.clone(),
        }
    }

    /// What lists and filters go by.
    pub(super) fn traits(&self) -> Traits<'_> {
        let is_locked = self.is_locked || self.sealed;
        Traits {
            code: &self.name,
            players: self.roster.len(),
            is_open: !is_locked && self.password.is_none() && !self.is_full(),
            metadata: &self.metadata,
        }
    }

    pub(super) fn view(&self, me: PeerId) -> LobbyView {
        LobbyView {
            entry: self.entry(),
            me,
            host: self.host(),
            epoch: self.epoch,
            host_policy: self.host_policy,
        }
    }

    pub(super) fn info(&self) -> LobbyInfo {
        LobbyInfo {
            name: self.name.clone(),
            topology: self.topology,
            sealed: self.sealed,
            created: self.created,
            host: self.host(),
            members: self.roster.iter().map(|(peer, _)| *peer).collect(),
            max_players: self.max_players,
            is_public: self.is_public,
            is_locked: self.is_locked,
            has_password: self.password.is_some(),
            metadata: self.metadata.clone(),
        }
    }
}

impl Identity {
    /// Whether it may be the same person. Many can share the address of this machine.
    pub(super) fn resembles(&self, other: &Self) -> bool {
        let has_same_token = self.token.is_some() && self.token == other.token;
        let has_same_user = !self.user.is_empty() && self.user == other.user;
        let is_shared = matches!(&*self.home, "" | "127.0.0.1" | "::");
        let has_same_name = !self.name.is_empty() && self.name == other.name;
        let is_neighbour = self.home == other.home && (!is_shared || has_same_name);
        has_same_token || has_same_user || is_neighbour
    }
}

impl Away {
    pub(super) fn new(since: Instant) -> Self {
        Self { since, reports: BTreeMap::new(), doubted: None }
    }

    /// Forgets what was said of connections that are made anew.
    pub(super) fn forget_reports(&mut self) {
        *self = Self::new(self.since);
    }
}

impl Member {
    /// A member that speaks the plain protocol.
    pub(super) fn plain(conn: ConnId) -> Self {
        Self {
            guest: Guest::Plain(conn),
            name: String::new(),
            user: String::new(),
            metadata: Object::default(),
            rtt: None,
            epoch: 1,
            away: None,
        }
    }
}
