//! How users are invited into rooms, and how that ends.

use std::collections::BTreeMap;

use signaling_core::ConnId;
use signaling_core::overview::LobbyNotice;

use super::room::Peer;
use super::{Aftermath, CallingServer, Done, Name, allow, key};
use crate::calling::value::{Payload, Status};
use crate::calling::wire::event::{Event, Invitation, PeerChange, Scope};
use crate::calling::wire::problem::Problem;
use crate::calling::wire::reply::Reply;

/// An invitation that has no answer yet, as one of its two sides keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) side: Side,
    /// The other side.
    pub(super) other: ConnId,
    /// The other side's number of it.
    pub(super) other_handle: u64,
    pub(super) room: Name,
}

/// Which side of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Sent,
    Received,
}

impl CallingServer {
    pub(super) fn invite(
        &mut self,
        conn: ConnId,
        room: &str,
        user: &str,
        data: Payload,
    ) -> Result<Reply, Problem> {
        let invitee = *self.ids.get(user).ok_or(Problem::UnknownRecipient)?;
        let room = self.rooms.get_key_value(room).map_or_else(|| room.into(), |it| it.0.clone());
        self.check_entrance(invitee, &room)?;
        allow(data.text().len() <= self.settings.max_invitation_bytes)?;
        self.check_invitations(conn, Side::Sent)?;
        self.check_invitations(invitee, Side::Received)?;
        let user_status = self.effective_status(conn, &room);
        self.enter(invitee, &room, Status::default(), true);
        let (sent, received) = self.note_both(conn, invitee, &room);
        let kept = self.rooms.get(&room);
        let view = kept.map(|kept| self.view(kept, Some(invitee))).unwrap_or_default();
        let (user, room) = (self.id_of(conn).to_string(), room.to_string());
        let invitation = Invitation { handle: received, user, user_status, room, view, data };
        self.tell(invitee, &Event::Invited(invitation.into()));
        Ok(Reply::Handle(sent))
    }

    /// Whether the user can have one more invitation on this side of it. What others send does not
    /// keep anybody from sending.
    fn check_invitations(&self, conn: ConnId, side: Side) -> Result<(), Problem> {
        let open = self.users.get(&conn).map_or(0, |user| user.open_invitations(side));
        allow(open < self.settings.max_user_invitations)
    }

    /// Notes an invitation with both sides; their numbers of it.
    fn note_both(&mut self, inviter: ConnId, invitee: ConnId, room: &Name) -> (u64, u64) {
        let open = |side, other| Open { side, other, other_handle: 0, room: room.clone() };
        let mut note = |conn, open| self.users.get_mut(&conn).map_or(0, |user| user.note(open));
        let sent = note(inviter, open(Side::Sent, invitee));
        let received = note(invitee, open(Side::Received, inviter));
        for (conn, handle, other_handle) in [(inviter, sent, received), (invitee, received, sent)] {
            let user = self.users.get_mut(&conn);
            if let Some(open) = user.and_then(|user| user.invitations.get_mut(&handle)) {
                open.other_handle = other_handle;
            }
        }
        (sent, received)
    }

    pub(super) fn cancel_invitation(&mut self, conn: ConnId, handle: u64) -> Result<Done, Problem> {
        let Open { other, other_handle, room, .. } = self.take(conn, handle, Side::Sent)?;
        self.tell(other, &Event::Cancelled { handle: other_handle });
        Ok(Aftermath::Uninvited(other, room).into())
    }

    pub(super) fn deny_invitation(&mut self, conn: ConnId, handle: u64) -> Result<Done, Problem> {
        let Open { other, other_handle, room, .. } = self.take(conn, handle, Side::Received)?;
        self.tell(other, &Event::Responded { handle: other_handle, accepted: false });
        Ok(Aftermath::Uninvited(conn, room).into())
    }

    pub(super) fn accept_invitation(
        &mut self,
        conn: ConnId,
        handle: u64,
        status: Status,
    ) -> Result<Done, Problem> {
        self.check_status(&status)?;
        self.check_places(conn)?;
        let Open { other, other_handle, room, .. } = self.take(conn, handle, Side::Received)?;
        if let Some(kept) = self.rooms.get_mut(&room)
            && let Some(peer) = kept.peers.leave(&conn)
        {
            // It has come only now, behind those who came meanwhile.
            kept.peers.join(conn, Peer { status, pending: false, ..peer });
        }
        self.out.notify(LobbyNotice::Joined { lobby: key(&room), member: self.id_of(conn) });
        self.tell(other, &Event::Responded { handle: other_handle, accepted: true });
        Ok(Aftermath::Accepted(conn, room).into())
    }

    pub(super) fn tell_of_acceptance(&mut self, conn: ConnId, room: &Name) {
        let accepted = self.changed(conn, room, &PeerChange::Accepted);
        let status = PeerChange::Status(self.effective_status(conn, room));
        self.tell_peers(room, Some(conn), &accepted(Scope::Room));
        self.tell_of_change(conn, room, &status);
        self.tell_watchers(room, accepted);
    }

    /// Takes an invitation off both sides.
    fn take(&mut self, conn: ConnId, handle: u64, side: Side) -> Result<Open, Problem> {
        let invitations = self.users.get_mut(&conn).map(|user| &mut user.invitations);
        let invitations = invitations.ok_or(Problem::InvalidHandle)?;
        if invitations.get(&handle).is_none_or(|open| open.side != side) {
            return Err(Problem::InvalidHandle);
        }
        let open = invitations.remove(&handle).ok_or(Problem::InvalidHandle)?;
        if let Some(other) = self.users.get_mut(&open.other) {
            other.invitations.remove(&open.other_handle);
        }
        Ok(open)
    }

    /// Ends the invitations of a user that is gone: those it sent are cancelled, those it received
    /// denied. Who is no longer invited has still to leave, and where.
    pub(super) fn end_invitations(
        &mut self,
        invitations: BTreeMap<u64, Open>,
    ) -> Vec<(ConnId, Name)> {
        let mut invitations: Vec<Open> = invitations.into_values().collect();
        invitations.sort_by_key(|open| open.side);
        let mut uninvited = Vec::new();
        for Open { side, other, other_handle, room } in invitations {
            let Some(user) = self.users.get_mut(&other) else { continue };
            user.invitations.remove(&other_handle);
            let handle = other_handle;
            if side == Side::Sent {
                uninvited.push((other, room));
                self.tell(other, &Event::Cancelled { handle });
            } else {
                self.tell(other, &Event::Responded { handle, accepted: false });
            }
        }
        uninvited
    }
}
