//! Who comes, goes, and is away, as the others are told.
//!
//! Those who do not keep up are told of newcomers later, and of those who left meanwhile never. So
//! strangers take nobody's place by coming and going: whom somebody knows goes only once.

use signaling_core::PeerId;

use super::latest::{Change, Topic};
use super::lobby::{Guest, Lobby};
use super::session::{Session, SessionId};
use super::{GodotServer, Place};
use crate::godot::extended::{Problem, ServerEvent};
use crate::godot::wire::ServerMessage;

impl GodotServer {
    /// Tells all others in a lobby of a newcomer.
    pub(super) fn announce(&mut self, name: &str, (peer, newcomer): (PeerId, Guest)) {
        let Some(lobby) = self.lobbies.get(name) else { return };
        let Some(view) = lobby.member_view(peer) else { return };
        let others = lobby.guests().into_iter().filter(|(other, _)| *other != peer);
        let others: Vec<_> =
            others.map(|(other, guest)| (guest, lobby.connects(other, peer))).collect();
        let member = ServerEvent::Member(view).encode();
        let connection = ServerMessage::PeerConnected(peer).encode();
        for (other, connects) in others {
            if self.postpone(other, newcomer) {
                continue;
            }
            if matches!(other, Guest::Session(_)) {
                self.send_text(other, member.clone());
            }
            if connects {
                self.send_text(other, connection.clone());
            }
        }
    }

    /// Whether somebody is told of a newcomer later.
    fn postpone(&mut self, to: Guest, newcomer: Guest) -> bool {
        let Guest::Session(id) = to else { return false };
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let is_behind = !session.keeps_up();
        if is_behind {
            session.unsaid.note(Topic::Member(newcomer), Change::New);
        }
        is_behind
    }

    /// Tells a session of a member that it was not told of yet.
    pub(super) fn introduce(&mut self, id: SessionId, guest: Guest) {
        let Some((lobby, me, peer)) = self.shared_lobby(id, guest) else { return };
        let (view, connects) = (lobby.member_view(peer), lobby.connects(me, peer));
        view.into_iter().for_each(|view| self.tell(id, &ServerEvent::Member(view)));
        if connects {
            self.send(Guest::Session(id), &ServerMessage::PeerConnected(peer));
        }
    }

    /// Before a member becomes the host: everybody knows it then, and it knows everybody.
    pub(super) fn introduce_host(&mut self, name: &str, next: PeerId) {
        let Some(lobby) = self.lobbies.get(name) else { return };
        let Some(host) = lobby.roster.get(&next).map(|member| member.guest) else { return };
        for (_, other) in lobby.guests() {
            for (to, newcomer) in [(other, host), (host, other)] {
                if let Guest::Session(id) = to
                    && self.forget_newcomer(id, newcomer)
                {
                    self.introduce(id, newcomer);
                }
            }
        }
    }

    /// Tells a lobby of a member that is gone; `told` are those who were to connect to it.
    pub(super) fn tell_of_departure(
        &mut self,
        name: &str,
        (peer, guest): (PeerId, Guest),
        told: &[Guest],
        problem: Option<Problem>,
    ) {
        let sessions = self.lobbies.get(name).map(Lobby::sessions).unwrap_or_default();
        let (unaware, aware): (Vec<_>, Vec<_>) =
            sessions.into_iter().map(|(_, id)| id).partition(|id| self.forget_member(*id, guest));
        let is_unaware = |to: &Guest| matches!(to, Guest::Session(id) if unaware.contains(id));
        let text = ServerMessage::PeerDisconnected(peer).encode();
        for to in told.iter().filter(|to| !is_unaware(to)) {
            self.send_text(*to, text.clone());
        }
        let text = ServerEvent::MemberGone { peer, problem }.encode();
        for id in aware {
            self.send_text(Guest::Session(id), text.clone());
        }
    }

    /// Tells all others in a lobby whether a member is away.
    pub(super) fn tell_of_absence(&mut self, id: SessionId, is_away: bool) {
        let Ok((name, peer)) = self.inside(id) else { return };
        let sessions = self.lobbies.get(&name).map(Lobby::sessions).unwrap_or_default();
        let (change, event) = match is_away {
            true => (Change::New, ServerEvent::Unstable { peer }),
            false => (Change::Gone, ServerEvent::Stable { peer }),
        };
        let text = event.encode();
        for (_, other) in sessions.into_iter().filter(|(_, other)| *other != id) {
            self.tell_latest(other, (&Topic::Absence(id), change), text.clone());
        }
    }

    /// A member is gone: a session that was not told of it is not told of it at all.
    fn forget_member(&mut self, id: SessionId, gone: Guest) -> bool {
        let is_unaware = self.forget_newcomer(id, gone);
        if let Some(Session { unsaid, .. }) = self.sessions.get_mut(id) {
            unsaid.forget(&Topic::Member(gone));
            if let Guest::Session(gone) = gone {
                unsaid.forget(&Topic::Absence(gone));
            }
        }
        is_unaware
    }

    /// Whether a session was not told of a member yet; it need not be any more.
    fn forget_newcomer(&mut self, id: SessionId, guest: Guest) -> bool {
        let session = self.sessions.get_mut(id);
        session.is_some_and(|session| session.unsaid.forget_new(&Topic::Member(guest)))
    }

    /// The lobby of a session and another member, and their ids there.
    pub(super) fn shared_lobby(
        &self,
        id: SessionId,
        guest: Guest,
    ) -> Option<(&Lobby, PeerId, PeerId)> {
        let (name, me) = self.inside(id).ok()?;
        let (other, peer) = match guest {
            Guest::Session(id) => self.inside(id).ok()?,
            Guest::Plain(conn) => match &self.conns.get(&conn)?.place {
                Place::Plain { lobby, peer } => (lobby.clone(), *peer),
                _ => return None,
            },
        };
        (name == other).then_some((self.lobbies.get(&name)?, me, peer))
    }
}
