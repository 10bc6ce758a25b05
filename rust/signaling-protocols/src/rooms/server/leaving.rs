//! Leaving, for whatever reason, and who becomes the owner.

use std::sync::Arc;
use std::time::Instant;

use signaling_core::ConnId;
use signaling_core::overview::LobbyNotice;

use super::room::{Room, member_id};
use super::{Conn, RoomServer, SessionKey, lobby_key};
use crate::rooms::model::Participant;

/// What the departure of some means to the others.
enum Aftermath {
    /// Nothing.
    Unnoticed,
    /// Somebody who published is gone.
    ListChanged,
    /// Nobody is left.
    Empty,
    /// Nobody is left who could make others publishers.
    Leaderless,
}

impl RoomServer {
    /// Takes sessions out of their room, whatever the cause, and tells the others.
    pub(super) fn end_sessions(&mut self, now: Instant, room: &Arc<str>, leavers: &[Participant]) {
        let Some(before) = self.rooms.get(room).map(Room::publisher_count) else { return };
        for leaver in leavers {
            self.take_out(room, leaver);
        }
        match self.aftermath(now, room, leavers, before) {
            Aftermath::Unnoticed => {}
            Aftermath::ListChanged => self.announce(now, room, None),
            Aftermath::Empty => self.forget_room(room),
            Aftermath::Leaderless => {
                self.announce_list(now, room, &[], None);
                self.forget_room(room);
            }
        }
    }

    fn aftermath(
        &mut self,
        now: Instant,
        room: &str,
        leavers: &[Participant],
        publishers_before: usize,
    ) -> Aftermath {
        let memory = self.settings.departed_memory;
        let Some(room) = self.rooms.get_mut(room) else { return Aftermath::Unnoticed };
        for leaver in leavers {
            room.remember_departed(now, memory, leaver.clone());
        }
        if room.roster.is_empty() {
            return Aftermath::Empty;
        }
        if !room.roster.contains(room.roster.host()) {
            let successor = room.roster.successor(|_, member| member.publishes).cloned();
            let Some(successor) = successor else { return Aftermath::Leaderless };
            room.roster.set_host(&successor);
            let view = Box::new(room.view(lobby_key(&room.name)));
            self.out.notify(LobbyNotice::Changed(view));
        }
        match room.publisher_count() == publishers_before {
            true => Aftermath::Unnoticed,
            false => Aftermath::ListChanged,
        }
    }

    /// Takes one session out of its room and its connection.
    fn take_out(&mut self, room: &Arc<str>, leaver: &Participant) {
        let key = SessionKey { room: Arc::clone(room), participant: leaver.clone() };
        self.unbind(&key);
        self.presence.forget(&key);
        let left = self.rooms.get_mut(room).and_then(|room| room.roster.leave(leaver));
        if left.is_some() {
            let (lobby, member) = (lobby_key(room), member_id(leaver));
            self.out.notify(LobbyNotice::Left { lobby, member });
        }
    }

    /// Ends a room and whatever sessions are left in it.
    pub(super) fn forget_room(&mut self, name: &Arc<str>) {
        let Some(room) = self.rooms.get(name) else { return };
        let rest: Vec<Participant> = room.roster.iter().map(|(it, _)| it.clone()).collect();
        for participant in &rest {
            self.take_out(name, participant);
        }
        self.rooms.remove(name);
        self.out.notify(LobbyNotice::Closed(lobby_key(name)));
    }

    /// A connection is gone. Its sessions wait for another.
    pub(super) fn detach(&mut self, conn: ConnId) {
        self.traffic.forget(conn);
        self.lifetimes.cancel(&conn);
        let Some(Conn { sessions, .. }) = self.conns.remove(&conn) else { return };
        for SessionKey { room, participant } in sessions {
            let room = self.rooms.get_mut(&room);
            if let Some(member) = room.and_then(|room| room.roster.get_mut(&participant)) {
                member.conn = None;
            }
        }
    }

    /// Parts a session from its connection, if it has one.
    pub(super) fn unbind(&mut self, key: &SessionKey) {
        let room = self.rooms.get_mut(&key.room);
        let member = room.and_then(|room| room.roster.get_mut(&key.participant));
        let Some(conn) = member.and_then(|member| member.conn.take()) else { return };
        if let Some(holder) = self.conns.get_mut(&conn) {
            holder.sessions.remove(key);
        }
    }
}
