//! Leaving a room or everything, for whatever reason.

use std::time::Instant;

use signaling_core::overview::LobbyNotice;
use signaling_core::{Close, ConnId};

use super::user::Place;
use super::{CallingServer, Name, key};
use crate::calling::wire::event::{Event, Scope};
use crate::calling::wire::problem::Problem;

impl CallingServer {
    pub(super) fn leave(&mut self, now: Instant, conn: ConnId, room: &str) -> Result<(), Problem> {
        let room = self.room_of(conn, room)?;
        self.leave_room(now, conn, &room);
        Ok(())
    }

    /// The one way out of a room.
    pub(super) fn leave_room(&mut self, now: Instant, conn: ConnId, name: &Name) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let Some(peer) = room.peers.leave(&conn) else { return };
        let is_empty = room.peers.is_empty();
        self.leave_place(conn, &Place::Room(name.clone()));
        let event =
            |scope| Event::PeerRemoved { scope, room: name.to_string(), user: peer.id.to_string() };
        self.tell_peers(name, None, &event(Scope::Room));
        self.tell_watchers(name, event);
        if !peer.pending {
            self.out.notify(LobbyNotice::Left { lobby: key(name), member: peer.id.clone() });
        }
        if is_empty {
            self.empty(now, name);
        }
    }

    /// The last peer of a room has gone.
    fn empty(&mut self, now: Instant, name: &Name) {
        self.remove_room_everywhere(name);
        self.out.notify(LobbyNotice::Closed(key(name)));
        if self.settings.empty_room_time.is_zero() {
            self.rooms.remove(name);
        } else {
            self.empty_rooms.set(name.clone(), now + self.settings.empty_room_time);
        }
    }

    /// A room that was empty for long enough goes. It may have been announced meanwhile.
    pub(super) fn forget_room(&mut self, name: &Name) {
        self.remove_room_everywhere(name);
        self.rooms.remove(name);
    }

    /// Closes a connection.
    pub(super) fn expel(&mut self, now: Instant, conn: ConnId, close: Close) {
        self.out.close(conn, close);
        self.depart(now, conn);
    }

    /// A connection is gone.
    pub(super) fn depart(&mut self, now: Instant, conn: ConnId) {
        let Some(user) = self.users.remove(&conn) else { return };
        self.ids.remove(&user.id);
        self.signs.forget(conn);
        let uninvited = self.end_invitations(user.invitations);
        for place in user.places {
            match place {
                Place::Subscription(name) => self.forget_subscriber(conn, &name),
                Place::Registration(name) => self.remove_user(conn, &user.id, &name),
                Place::Room(name) => self.leave_room(now, conn, &name),
            }
        }
        for (conn, room) in uninvited {
            self.leave_room(now, conn, &room);
        }
    }
}
