//! Leaving, for whatever reason, and who becomes the host.

use std::sync::Arc;
use std::time::Instant;

use signaling_core::{Close, ConnId, PeerId};

use super::invites::Invites;
use super::listing::Watches;
use super::lobby::{Away, Guest, Lobby};
use super::notice::ServerNotice;
use super::presence::Presence;
use super::requests::{DONE, Outcome};
use super::session::SessionId;
use super::{GodotServer, Place, Timer};
use crate::godot::Topology;
use crate::godot::extended::{HostPolicy, Problem, ServerEvent};
use crate::godot::refusal::{Refusal, seal_complete};
use crate::godot::wire::ServerMessage;

impl GodotServer {
    /// Closes a connection for a fault of its own; nothing of it is kept.
    pub(super) fn expel(&mut self, conn: ConnId, close: Close) {
        match self.conns.get(&conn).map(|conn| conn.place.clone()) {
            Some(Place::Session(id)) => self.end_session(id, Some(Problem::Lost), &close),
            _ => {
                self.close(conn, close);
                self.forget(conn);
            }
        }
    }

    /// A connection has ended, whatever ended it.
    pub(super) fn depart(&mut self, now: Instant, conn: ConnId) {
        match self.conns.get(&conn).map(|conn| conn.place.clone()) {
            Some(Place::Session(id)) => {
                self.conns.remove(&conn);
                self.go_away(now, id);
            }
            _ => self.forget(conn),
        }
    }

    /// Forgets a connection without a session, and takes it out of its lobby.
    fn forget(&mut self, conn: ConnId) {
        self.timers.cancel(&Timer::Join(conn));
        match self.conns.get(&conn).map(|conn| conn.place.clone()) {
            Some(Place::Plain { lobby, peer }) => return self.leave(&lobby, peer, None),
            Some(Place::Waiting { ticket }) => self.drop_ticket(ticket),
            _ => {}
        }
        self.conns.remove(&conn);
    }

    /// Ends a session, whatever ended it, and its connection if it has one.
    pub(super) fn end_session(&mut self, id: SessionId, problem: Option<Problem>, close: &Close) {
        if let Ok((name, peer)) = self.inside(id) {
            self.leave(&name, peer, problem);
        }
        for timer in [Timer::Away(id), Timer::Silence(id), Timer::Doubt(id)] {
            self.timers.cancel(&timer);
        }
        self.watches.end(id);
        self.decline_invites(id);
        self.end_presence(id);
        let Some(session) = self.sessions.close(id) else { return };
        if let Some(ticket) = session.waits_for {
            self.drop_ticket(ticket);
        }
        if let Some(conn) = session.conn.filter(|conn| self.conns.remove(conn).is_some()) {
            self.close(conn, close.clone());
        }
    }

    /// Ends the sessions that are away and not waited for any longer.
    pub(super) fn end_given_up(&mut self) {
        while let Some(id) = self.given_up.pop() {
            self.give_up(id);
        }
    }

    pub(super) fn leave_by_request(&mut self, id: SessionId) -> Outcome {
        if self.withdraw(id) {
            return DONE();
        }
        let (name, peer) = self.inside(id)?;
        self.leave(&name, peer, None);
        DONE()
    }

    /// Takes a member out of its lobby, whatever the cause, and sees to its host.
    pub(super) fn leave(&mut self, name: &Arc<str>, peer: PeerId, problem: Option<Problem>) {
        let Some(lobby) = self.lobbies.get_mut(name) else { return };
        let was_host = lobby.host() == peer;
        let hears_of_it =
            |other: PeerId| lobby.topology == Topology::Mesh || was_host || other == lobby.host();
        let told: Vec<Guest> = lobby
            .guests()
            .into_iter()
            .filter(|(other, _)| *other != peer && hears_of_it(*other))
            .map(|(_, guest)| guest)
            .collect();
        let Some(member) = lobby.roster.leave(&peer) else { return };
        self.unsettle(name, peer, member.guest);
        let Some(lobby) = self.lobbies.get(name) else { return };
        if lobby.roster.is_empty() || (was_host && !lobby.outlives_host()) {
            return self.end_without_host(name);
        }
        self.tell_of_departure(name, (peer, member.guest), &told, problem);
        if was_host {
            self.succeed(name);
        }
        if let Some(lobby) = self.lobbies.get_mut(name) {
            lobby.forget_reports(peer);
        }
        self.doubtful.push(name.clone());
    }

    /// Notes that a guest is in no lobby any more.
    fn unsettle(&mut self, name: &Arc<str>, peer: PeerId, guest: Guest) {
        match guest {
            Guest::Plain(conn) => drop(self.conns.remove(&conn)),
            Guest::Session(id) => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.place = None;
                    session.unsaid.forget_lobby();
                }
                self.revoke_invites(id);
            }
        }
        self.notify(ServerNotice::PeerLeft { lobby: name.clone(), peer });
    }

    /// Gives a lobby whose host has gone another one, or ends it.
    fn succeed(&mut self, name: &Arc<str>) {
        match self.lobbies.get(name).and_then(Lobby::successor) {
            Some(next) => self.make_host(name, next),
            None => self.end_without_host(name),
        }
    }

    fn end_without_host(&mut self, name: &str) {
        let problem = Problem::HostLeft;
        self.dissolve(name, &Refusal::HostGone.into(), problem, problem.sentence());
    }

    pub(super) fn end_sealed(&mut self, name: &str) {
        let problem = Problem::Sealed;
        self.dissolve(name, &seal_complete(), problem, problem.sentence());
    }

    /// Ends a lobby: closes plain members, and lets the others go.
    pub(super) fn dissolve(&mut self, name: &str, close: &Close, problem: Problem, message: &str) {
        for guest in self.empty_out(name) {
            match guest {
                Guest::Plain(conn) => self.close(conn, close.clone()),
                Guest::Session(id) => {
                    let message = message.to_owned();
                    self.tell(id, &ServerEvent::Left { problem, message });
                }
            }
        }
    }

    /// Takes a lobby away, and its members out of it.
    fn empty_out(&mut self, name: &str) -> Vec<Guest> {
        let Some((name, lobby)) = self.lobbies.remove_entry(name) else { return Vec::new() };
        self.timers.cancel(&Timer::Seal(name.clone()));
        let guests = lobby.guests();
        for (peer, guest) in &guests {
            self.unsettle(&name, *peer, *guest);
        }
        self.notify(ServerNotice::LobbyClosed { lobby: name });
        guests.into_iter().map(|(_, guest)| guest).collect()
    }

    pub(super) fn shut_down(&mut self) {
        // Nobody needs to be told what all others were.
        self.watches = Watches::default();
        self.presence = Presence::default();
        self.invites = Invites::default();
        let names: Vec<Arc<str>> = self.lobbies.keys().cloned().collect();
        let guests = names.iter().flat_map(|name| self.empty_out(name)).collect::<Vec<_>>();
        for guest in guests {
            if let Guest::Plain(conn) = guest {
                self.close(conn, Close::shutting_down());
            }
        }
        let sessions: Vec<SessionId> = self.sessions.iter().map(|(id, _)| id).collect();
        for id in sessions {
            self.end_session(id, None, &Close::shutting_down());
        }
        let fresh: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in fresh {
            self.expel(conn, Close::shutting_down());
        }
        // Nobody is left to be told of it.
        self.timers.cancel(&Timer::Lists);
    }

    /// Makes a member the host of a client-server lobby. It has to be peer 1, so everybody connects
    /// anew.
    pub(super) fn begin_epoch(&mut self, name: &str, next: PeerId) {
        self.close_plain_members(name);
        let Some(lobby) = self.lobbies.get_mut(name) else { return };
        let mut renamed = Vec::new();
        if lobby.roster.contains(&PeerId::HOST) {
            let fresh = PeerId::draw(&mut self.rng, |id| lobby.roster.contains(&id));
            lobby.roster.rename(&PeerId::HOST, fresh);
            renamed.push((PeerId::HOST, fresh));
        }
        lobby.roster.rename(&next, PeerId::HOST);
        lobby.roster.set_host(&PeerId::HOST);
        renamed.push((next, PeerId::HOST));
        lobby.epoch += 1;
        for (_, member) in lobby.roster.iter_mut() {
            // What was said of connections was said of others.
            member.away.iter_mut().for_each(Away::forget_reports);
        }
        self.move_in(name);
        self.announce_epoch(name, &renamed);
        self.notify_changed(name);
    }

    /// Tells the sessions of a lobby what their ids are.
    fn move_in(&mut self, name: &str) {
        let Some(lobby) = self.lobbies.get(name) else { return };
        for (peer, id) in lobby.sessions() {
            if let Some(session) = self.sessions.get_mut(id) {
                session.place = Some((lobby.name.clone(), peer));
            }
        }
    }

    fn announce_epoch(&mut self, name: &str, renamed: &[(PeerId, PeerId)]) {
        let Some(lobby) = self.lobbies.get(name) else { return };
        let sessions = lobby.sessions();
        let views: Vec<_> = sessions.iter().map(|(peer, id)| (*id, lobby.view(*peer))).collect();
        for (id, view) in views {
            self.tell(id, &ServerEvent::Epoch { view, renamed: renamed.to_vec() });
        }
        let host = sessions.iter().find(|(peer, _)| *peer == PeerId::HOST).map(|(_, id)| *id);
        for (peer, id) in sessions.iter().filter(|(peer, _)| *peer != PeerId::HOST) {
            self.send(Guest::Session(*id), &ServerMessage::PeerConnected(PeerId::HOST));
            if let Some(host) = host {
                self.send(Guest::Session(host), &ServerMessage::PeerConnected(*peer));
            }
        }
    }

    /// Plain members cannot follow into another epoch.
    fn close_plain_members(&mut self, name: &str) {
        let Some(lobby) = self.lobbies.get_mut(name) else { return };
        let name = lobby.name.clone();
        let plain: Vec<(PeerId, Guest)> = lobby
            .guests()
            .into_iter()
            .filter(|(_, guest)| matches!(guest, Guest::Plain(_)))
            .collect();
        for (peer, _) in &plain {
            lobby.roster.leave(peer);
        }
        let host = lobby.roster.get(lobby.roster.host()).map(|member| member.guest);
        for (peer, guest) in plain {
            self.unsettle(&name, peer, guest);
            if let Guest::Plain(conn) = guest {
                self.close(conn, Refusal::HostGone.into());
            }
            self.tell_of_departure(&name, (peer, guest), host.as_slice(), None);
        }
    }
}

impl Lobby {
    /// Whether another becomes the host when it goes.
    fn outlives_host(&self) -> bool {
        match self.host_policy {
            HostPolicy::Close => false,
            HostPolicy::Migrate => true,
            HostPolicy::Wait { then_migrate, .. } => then_migrate,
        }
    }
}
