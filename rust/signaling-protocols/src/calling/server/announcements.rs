//! What others hear of a user, and how much of it one user may cause.
//!
//! A change of a status may be told in many rooms, and in all namespaces that these are announced
//! in, to a thousand subscribers each. Without a limit, a few small requests would fill the outbox
//! of everybody there, and cut them all off.

use std::time::Instant;

use signaling_core::ConnId;

use super::invitation::Open;
use super::user::Place;
use super::{CallingServer, allow};
use crate::calling::wire::problem::Problem;
use crate::calling::wire::request::Request;

/// What may stand around a status in an event: the names of a room and a namespace, and an id.
const EVENT_BYTES: usize = 640;

impl CallingServer {
    /// Takes what a request lets others hear from what its user may have told.
    pub(super) fn charge(
        &mut self,
        now: Instant,
        conn: ConnId,
        request: &Request,
    ) -> Result<(), Problem> {
        let bytes = u32::try_from(self.told_bytes(conn, request)).unwrap_or(u32::MAX);
        let rate = self.settings.announcements;
        let user = self.users.get_mut(&conn);
        allow(user.is_none_or(|user| user.announced.take_many(bytes, now, &rate)))
    }

    /// How much is told at most to one who hears it wherever it is told. What ends something is not
    /// counted: it has begun before.
    fn told_bytes(&self, conn: ConnId, request: &Request) -> usize {
        let own = EVENT_BYTES + self.user_bytes(conn);
        match request {
            Request::Status { status } => self.status_bytes(conn, EVENT_BYTES + status.bytes()),
            Request::RegisterUser { .. } => own,
            Request::RegisterRoom { room, .. } => EVENT_BYTES + self.view_bytes(room),
            Request::Join { room: Some(room), status }
            | Request::SetPeerStatus { room, status }
            | Request::UpdatePeer { room, status: Some(status) } => {
                self.events(room) * (own + status.bytes())
            }
            Request::SetRoomStatus { room, value, .. } => {
                let old = self.rooms.get(&**room).map_or(0, |room| room.status.bytes());
                let new = value.as_ref().map_or(0, |value| value.text().len());
                self.events(room) * (EVENT_BYTES + old + new)
            }
            Request::Invite { room, user, data } => {
                let invitee = self.ids.get(&**user).map_or(0, |invitee| self.user_bytes(*invitee));
                let invitation = own + self.view_bytes(room) + data.text().len();
                self.events(room) * (EVENT_BYTES + invitee) + invitation
            }
            Request::AcceptInvitation { handle, status } => {
                let user = self.users.get(&conn);
                let open = user.and_then(|user| user.invitations.get(handle));
                // That it has accepted, and with which status.
                open.map_or(0, |Open { room, .. }| 2 * self.events(room) * (own + status.bytes()))
            }
            _ => 0,
        }
    }

    /// The same of a user's status, of which `event` tells.
    fn status_bytes(&self, conn: ConnId, event: usize) -> usize {
        let Some(user) = self.users.get(&conn) else { return 0 };
        let told = user.places.iter().map(|place| match place {
            Place::Subscription(_) => 0,
            Place::Registration(_) => 2 * event,
            Place::Room(room) => {
                let peer = self.rooms.get(room).and_then(|room| room.peers.get(&conn));
                self.events(room) * (event + peer.map_or(0, |peer| peer.status.bytes()))
            }
        });
        told.sum()
    }

    /// How much it takes to tell of a room with all who are in it.
    fn view_bytes(&self, room: &str) -> usize {
        let room = self.rooms.get_key_value(room);
        room.map_or(0, |(name, room)| self.entry_bytes(name, room).sum())
    }

    /// In how many events one hears of a peer who is in its room too, and in all namespaces that it
    /// is announced in, under two names each.
    fn events(&self, room: &str) -> usize {
        1 + self.rooms.get(room).map_or(0, |room| 2 * room.namespaces.len())
    }
}
