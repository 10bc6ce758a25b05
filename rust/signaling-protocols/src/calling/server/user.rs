//! What is kept of a user.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use signaling_core::ConnId;
use signaling_core::rate::Bucket;

use super::invitation::{Open, Side};
use super::{CallingServer, Name, allow};
use crate::calling::value::Status;
use crate::calling::wire::event::{Event, Naming, PeerChange};
use crate::calling::wire::problem::Problem;

/// A connection.
#[derive(Debug)]
pub(super) struct User {
    pub(super) id: Arc<str>,
    pub(super) naming: Naming,
    /// The global one.
    pub(super) status: Status,
    /// In the order in which the user came there.
    pub(super) places: Vec<Place>,
    /// Those that have no answer yet, by the user's number of them.
    pub(super) invitations: BTreeMap<u64, Open>,
    pub(super) next_handle: u64,
    /// How much of what it does is told, in bytes.
    pub(super) announced: Bucket,
}

/// Where a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// It hears of this namespace.
    Subscription(Name),
    /// It is announced there.
    Registration(Name),
    /// It is a peer of this room, if only a pending one.
    Room(Name),
}

impl User {
    pub(super) fn new(now: Instant, id: Arc<str>, naming: Naming) -> Self {
        Self {
            id,
            naming,
            status: Status::default(),
            places: Vec::new(),
            invitations: BTreeMap::new(),
            next_handle: 0,
            announced: Bucket::new(now),
        }
    }

    /// Adds an invitation; the user's number of it.
    pub(super) fn note(&mut self, invitation: Open) -> u64 {
        let handle = self.next_handle;
        self.next_handle += 1;
        self.invitations.insert(handle, invitation);
        handle
    }

    /// How many invitations on this side of them have no answer.
    pub(super) fn open_invitations(&self, side: Side) -> usize {
        self.invitations.values().filter(|open| open.side == side).count()
    }

    /// How many places there are besides the rooms that others invite the user into: those are not
    /// its choice.
    fn chosen_places(&self) -> usize {
        self.places.len() - self.open_invitations(Side::Received)
    }

    fn registrations(&self) -> impl Iterator<Item = &Name> {
        self.places.iter().filter_map(|place| match place {
            Place::Registration(namespace) => Some(namespace),
            Place::Subscription(_) | Place::Room(_) => None,
        })
    }

    fn rooms(&self) -> impl Iterator<Item = &Name> {
        self.places.iter().filter_map(|place| match place {
            Place::Room(room) => Some(room),
            Place::Subscription(_) | Place::Registration(_) => None,
        })
    }
}

impl CallingServer {
    pub(super) fn set_status(&mut self, conn: ConnId, status: &Status) -> Result<(), Problem> {
        self.check_status(status)?;
        let Some(user) = self.users.get_mut(&conn) else { return Ok(()) };
        user.status = status.clone();
        let id = user.id.to_string();
        let namespaces: Vec<Name> = user.registrations().cloned().collect();
        let rooms: Vec<Name> = user.rooms().cloned().collect();
        for namespace in namespaces {
            let (user, status) = (id.clone(), status.clone());
            let event = Event::UserUpdated { namespace: namespace.to_string(), user, status };
            self.tell_subscribers(&namespace, &event);
        }
        for room in rooms {
            let change = PeerChange::Status(self.effective_status(conn, &room));
            self.tell_of_change(conn, &room, &change);
        }
        Ok(())
    }

    /// Whether the user may go to one more place.
    pub(super) fn check_places(&self, conn: ConnId) -> Result<(), Problem> {
        let places = self.users.get(&conn).map_or(0, User::chosen_places);
        allow(places < self.settings.max_user_places)
    }

    pub(super) fn enter_place(&mut self, conn: ConnId, place: Place) {
        if let Some(user) = self.users.get_mut(&conn) {
            user.places.push(place);
        }
    }

    pub(super) fn leave_place(&mut self, conn: ConnId, place: &Place) {
        if let Some(user) = self.users.get_mut(&conn) {
            user.places.retain(|other| other != place);
        }
    }

    pub(super) fn assert_user_consistent(&self, conn: ConnId, user: &User) {
        assert!(user.chosen_places() <= self.settings.max_user_places, "too many places");
        let invitations = &user.invitations;
        for side in [Side::Sent, Side::Received] {
            let open = user.open_invitations(side);
            assert!(open <= self.settings.max_user_invitations, "too many invitations");
        }
        for (handle, open) in invitations {
            assert!(*handle < user.next_handle, "handles count up");
            let other = self.users.get(&open.other).expect("who is gone has no invitations");
            let counterpart = other.invitations.get(&open.other_handle).expect("both know of it");
            assert_eq!((counterpart.other, counterpart.other_handle), (conn, *handle), "the same");
            assert_ne!(counterpart.side, open.side, "one sent it, one received it");
            let invitee = if open.side == Side::Sent { open.other } else { conn };
            let peer = self.rooms.get(&open.room).and_then(|room| room.peers.get(&invitee));
            assert!(peer.is_some_and(|peer| peer.pending), "who is invited is pending");
        }
    }
}
