//! Whether a member that has lost its connection to the server can still be reached by the others:
//! if not, its process is gone, and nobody has to wait for it.

use std::time::{Duration, Instant};

use signaling_core::PeerId;

use super::lobby::{Guest, Lobby, Member};
use super::session::{LINKS, SessionId};
use super::{GodotServer, Timer};
use crate::godot::Topology;
use crate::godot::extended::{HostPolicy, LinkState};

/// How long those may take to deny it that have not said anything yet.
const HEARING: Duration = Duration::from_secs(2);

/// What the members who are there say of one who is not.
enum Reach {
    /// Somebody reaches it, or nobody has tried.
    Likely,
    /// Somebody does not reach it, and not everybody has been heard.
    Doubtful,
    /// Nobody reaches it.
    Gone,
}

impl GodotServer {
    /// A member says how its connection to another is. What it has said before, and what it says
    /// too often, changes nothing.
    pub(super) fn report(&mut self, now: Instant, id: SessionId, other: PeerId, state: LinkState) {
        let Ok((name, me)) = self.inside(id) else { return };
        let Some(lobby) = self.lobbies.get_mut(&name).filter(|it| it.is_current(me)) else {
            return;
        };
        let Some(member) = lobby.roster.get_mut(&other) else { return };
        let (Guest::Session(judged), Some(away)) = (member.guest, &mut member.away) else { return };
        if me == other || away.reports.get(&me) == Some(&state) {
            return;
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.links.take(now, &LINKS) {
            away.reports.insert(me, state);
            self.judge(now, &name, other, judged);
        }
    }

    /// Sees to the lobbies in which somebody went, or had time to be heard.
    pub(super) fn hear(&mut self, now: Instant) {
        while let Some(name) = self.doubtful.pop() {
            let Some(lobby) = self.lobbies.get(&name) else { continue };
            for (peer, id) in lobby.sessions() {
                self.judge(now, &name, peer, id);
            }
        }
    }

    fn judge(&mut self, now: Instant, name: &str, peer: PeerId, id: SessionId) {
        let Some(lobby) = self.lobbies.get_mut(name) else { return };
        let reach = lobby.reach(peer);
        let away = lobby.roster.get_mut(&peer).and_then(|member| member.away.as_mut());
        let Some(away) = away else { return };
        match reach {
            Reach::Likely => {
                away.doubted = None;
                self.timers.cancel(&Timer::Doubt(id));
            }
            Reach::Doubtful => {
                let until = *away.doubted.get_or_insert(now) + HEARING;
                if until <= now {
                    return self.give_up(id);
                }
                self.timers.set(Timer::Doubt(id), until);
            }
            Reach::Gone => self.give_up(id),
        }
    }

    /// Everybody has had time to be heard.
    pub(super) fn end_hearing(&mut self, id: SessionId) {
        if let Ok((name, _)) = self.inside(id) {
            self.doubtful.push(name);
        }
    }
}

impl Lobby {
    fn reach(&self, peer: PeerId) -> Reach {
        let is_awaited = peer == self.host() && matches!(self.host_policy, HostPolicy::Wait { .. });
        let away = self.roster.get(&peer).and_then(|member| member.away.as_ref());
        let Some(away) = away.filter(|_| !is_awaited) else { return Reach::Likely };
        let says = |state| {
            let is_said =
                |(by, said): (&PeerId, &LinkState)| *said == state && self.knows(*by, peer);
            away.reports.iter().any(is_said)
        };
        if !says(LinkState::Down) || says(LinkState::Up) {
            return Reach::Likely;
        }
        let mut others = self.roster.iter().map(|(other, _)| *other);
        let is_heard =
            |other: PeerId| away.reports.contains_key(&other) || !self.knows(other, peer);
        if others.all(is_heard) { Reach::Gone } else { Reach::Doubtful }
    }

    /// Whether a member is there, connects to another and can tell of it: it speaks the extended
    /// protocol.
    fn knows(&self, member: PeerId, other: PeerId) -> bool {
        let host = self.host();
        let connects = match self.topology {
            Topology::Mesh => member != other,
            Topology::ClientServer => member != other && (member == host || other == host),
        };
        let is_there = |it: &Member| it.away.is_none() && matches!(it.guest, Guest::Session(_));
        connects && self.roster.get(&member).is_some_and(is_there)
    }
}
