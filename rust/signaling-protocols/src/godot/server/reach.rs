//! Whether a member that has lost its connection to the server can still be reached by the others:
//! if not, its process is gone, and nobody has to wait for it.

use std::time::{Duration, Instant};

use signaling_core::PeerId;

use super::lobby::{Guest, Lobby};
use super::session::SessionId;
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
    /// A member says how its connection to another is.
    pub(super) fn report(&mut self, id: SessionId, other: PeerId, state: LinkState) {
        let Ok((name, me)) = self.inside(id) else { return };
        let Some(lobby) = self.lobbies.get_mut(&name) else { return };
        if me == other || !lobby.is_current(me) {
            return;
        }
        let away = lobby.roster.get_mut(&other).and_then(|member| member.away.as_mut());
        if let Some(away) = away {
            away.reports.insert(me, state);
            self.doubtful.push(name);
        }
    }

    /// Sees to the lobbies in which something was said or somebody went.
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
        let (mut is_down, mut is_silent) = (false, false);
        for other in self.witnesses(peer) {
            match away.reports.get(&other) {
                Some(LinkState::Up) => return Reach::Likely,
                Some(LinkState::Down) => is_down = true,
                Some(LinkState::None) => {}
                None => is_silent = true,
            }
        }
        match (is_down, is_silent) {
            (false, _) => Reach::Likely,
            (true, true) => Reach::Doubtful,
            (true, false) => Reach::Gone,
        }
    }

    /// The members of the extended protocol that are there and connect to this one.
    fn witnesses(&self, peer: PeerId) -> impl Iterator<Item = PeerId> {
        let host = self.host();
        let connects = move |other: PeerId| match self.topology {
            Topology::Mesh => other != peer,
            Topology::ClientServer => other != peer && (other == host || peer == host),
        };
        self.roster
            .iter()
            .filter(|(_, member)| {
                member.away.is_none() && matches!(member.guest, Guest::Session(_))
            })
            .map(|(other, _)| *other)
            .filter(move |other| connects(*other))
    }
}
