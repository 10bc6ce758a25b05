//! What is known of the rooms that we are in, or invited to.

use std::collections::BTreeMap;

use signaling_protocols::calling::wire::reply::Peers;
use signaling_protocols::calling::{
    Event, Invitation, PeerChange, PeerView, Reply, Request, RoomView, Scope,
};

/// Rooms that are remembered: a server that lets us into more, or invites us to more, is told of by
/// signals alone.
const MAX_ROOMS: usize = 1024;

/// Members of a room that are remembered; of more, only signals tell.
const MAX_MEMBERS: usize = 4096;

/// Our rooms, by their ids.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, Place>);

#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// Who else is there.
    view: RoomView,
    /// The invitation that we have not accepted yet; without one we are in the room.
    invitation: Option<u64>,
}

/// What has become of our own place in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Entered(String),
    Left(String),
}

impl Places {
    /// The rooms that we are in.
    pub(super) fn entered(&self) -> impl Iterator<Item = &str> {
        let entered = self.0.iter().filter(|(_, place)| place.invitation.is_none());
        entered.map(|(room, _)| room.as_str())
    }

    pub(super) fn view(&self, room: &str) -> Option<&RoomView> {
        self.0.get(room).map(|place| &place.view)
    }

    /// Takes in what the server told.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Invited(invitation) => self.note_invitation(invitation),
            Event::Cancelled { handle } => self.forget(*handle),
            Event::RoomUpdated { scope: Scope::Room, room, status } => {
                if let Some(place) = self.0.get_mut(room) {
                    place.view.status = status.clone();
                }
            }
            Event::PeerAdded { scope: Scope::Room, room, user, peer } => {
                self.note_peer(room, user, peer);
            }
            Event::PeerRemoved { scope: Scope::Room, room, user } => {
                if let Some(peers) = self.peers(room) {
                    peers.remove(user);
                }
            }
            Event::PeerUpdated { scope: Scope::Room, room, user, change } => {
                if let Some(peer) = self.peers(room).and_then(|peers| peers.get_mut(user)) {
                    apply(peer, change);
                }
            }
            _ => {}
        }
    }

    /// Takes in that something was done that we asked for.
    pub(super) fn note_reply(&mut self, request: &Request, reply: &Reply) -> Option<Change> {
        match (request, reply) {
            (_, Reply::Room { room, view }) => {
                self.remember(room, Place { view: view.clone(), invitation: None });
                Some(Change::Entered(room.clone()))
            }
            (Request::Leave { room }, _) => {
                self.0.remove(room);
                Some(Change::Left(room.clone()))
            }
            (Request::AcceptInvitation { handle, .. }, _) => {
                let (room, place) = self.invited_by(*handle)?;
                place.invitation = None;
                Some(Change::Entered(room.clone()))
            }
            (Request::DenyInvitation { handle }, _) => {
                self.forget(*handle);
                None
            }
            (Request::SetRoomStatus { room, key, value, .. }, _) => {
                let place = self.0.get_mut(room)?;
                place.view.status.set(key, value.clone());
                None
            }
            _ => None,
        }
    }

    fn note_invitation(&mut self, invitation: &Invitation) {
        let Invitation { handle, room, view, .. } = invitation;
        if !self.0.contains_key(room) {
            self.remember(room, Place { view: view.clone(), invitation: Some(*handle) });
        }
    }

    fn note_peer(&mut self, room: &str, user: &str, peer: &PeerView) {
        if let Some(peers) = self.peers(room)
            && (peers.len() < MAX_MEMBERS || peers.contains_key(user))
        {
            peers.insert(user.to_owned(), peer.clone());
        }
    }

    fn remember(&mut self, room: &str, place: Place) {
        if self.0.len() < MAX_ROOMS || self.0.contains_key(room) {
            self.0.insert(room.to_owned(), place);
        }
    }

    fn forget(&mut self, handle: u64) {
        self.0.retain(|_, place| place.invitation != Some(handle));
    }

    fn invited_by(&mut self, handle: u64) -> Option<(&String, &mut Place)> {
        self.0.iter_mut().find(|(_, place)| place.invitation == Some(handle))
    }

    fn peers(&mut self, room: &str) -> Option<&mut Peers> {
        self.0.get_mut(room).map(|place| &mut place.view.peers)
    }
}

fn apply(peer: &mut PeerView, change: &PeerChange) {
    match change {
        PeerChange::Status(status) => peer.status = status.clone(),
        PeerChange::Accepted => peer.pending = false,
    }
}

#[cfg(test)]
mod tests {
    use signaling_protocols::calling::{Payload, Status};

    use super::*;

    const ROOM: &str = "lounge";

    fn invitation() -> Event {
        Event::Invited(Box::new(Invitation {
            handle: 7,
            user: "ann".into(),
            user_status: Status::default(),
            room: ROOM.into(),
            view: RoomView::default(),
            data: Payload::null(),
        }))
    }

    fn added(pending: bool) -> Event {
        let peer = PeerView { pending, ..PeerView::default() };
        Event::PeerAdded { scope: Scope::Room, room: ROOM.into(), user: "bob".into(), peer }
    }

    fn accept() -> Request {
        Request::AcceptInvitation { handle: 7, status: Status::default() }
    }

    fn pending(places: &Places) -> Vec<bool> {
        let view = places.view(ROOM);
        view.into_iter().flat_map(|view| view.peers.values()).map(|peer| peer.pending).collect()
    }

    #[test]
    fn who_is_invited_hears_of_the_room_and_enters_it_by_accepting() {
        let mut places = Places::default();
        for event in [invitation(), added(true)] {
            places.note(&event);
        }
        assert_eq!(places.entered().count(), 0);
        assert_eq!(pending(&places), [true]);
        let entered = Some(Change::Entered(ROOM.into()));
        assert_eq!(places.note_reply(&accept(), &Reply::Done), entered);
        assert_eq!(places.entered().collect::<Vec<_>>(), [ROOM]);
        let (scope, change) = (Scope::Room, PeerChange::Accepted);
        places.note(&Event::PeerUpdated { scope, room: ROOM.into(), user: "bob".into(), change });
        assert_eq!(pending(&places), [false]);
        let leave = Request::Leave { room: ROOM.into() };
        assert_eq!(places.note_reply(&leave, &Reply::Done), Some(Change::Left(ROOM.into())));
        assert_eq!(places.view(ROOM), None);
    }

    #[test]
    fn an_invitation_that_is_over_leaves_nothing() {
        let mut places = Places::default();
        places.note(&invitation());
        places.note(&Event::Cancelled { handle: 7 });
        assert_eq!(places.view(ROOM), None);
        assert_eq!(places.note_reply(&accept(), &Reply::Done), None);
        places.note(&invitation());
        places.note_reply(&Request::DenyInvitation { handle: 7 }, &Reply::Done);
        assert_eq!(places.view(ROOM), None);
    }

    #[test]
    fn what_is_told_of_other_rooms_is_not_remembered() {
        let mut places = Places::default();
        places.note(&added(false));
        assert_eq!(places.view(ROOM), None);
    }
}
