//! Rooms: who is in them, their status, and what their peers say to each other.

use std::sync::Arc;

use signaling_core::ConnId;
use signaling_core::overview::{LobbyKey, LobbyNotice, LobbyView};
use signaling_core::roster::Roster;

use super::user::Place;
use super::{CallingServer, Name, allow, key};
use crate::calling::settings::Settings;
use crate::calling::value::{Payload, Status};
use crate::calling::wire::event::{Event, PeerChange, Scope};
use crate::calling::wire::problem::Problem;
use crate::calling::wire::reply::{PeerView, Reply, RoomView};
use crate::calling::wire::request::Expected;

/// One room. It stays for a while when its last peer has gone.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) status: Status,
    /// There is no host.
    pub(super) peers: Roster<ConnId, Peer>,
    /// Where it is announced.
    pub(super) namespaces: Vec<Name>,
}

/// A user in a room.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: Arc<str>,
    /// What hides the user's global status, key by key.
    pub(super) status: Status,
    /// Invited, and has not accepted yet.
    pub(super) pending: bool,
}

impl Room {
    pub(super) fn overview(&self, key: LobbyKey, settings: &Settings) -> LobbyView {
        LobbyView { members: self.members().collect(), ..overview(key, settings) }
    }

    /// What is told when it is closed with all its peers.
    pub(super) fn farewell(&self, key: &LobbyKey) -> Vec<LobbyNotice> {
        let left = |member| LobbyNotice::Left { lobby: key.clone(), member };
        let closed = (!self.peers.is_empty()).then(|| LobbyNotice::Closed(key.clone()));
        self.members().map(left).chain(closed).collect()
    }

    fn members(&self) -> impl Iterator<Item = Arc<str>> {
        self.peers.iter().filter(|(_, peer)| !peer.pending).map(|(_, peer)| peer.id.clone())
    }

    pub(super) fn assert_consistent(&self) {
        self.peers.assert_consistent();
    }
}

/// A room without members.
fn overview(key: LobbyKey, settings: &Settings) -> LobbyView {
    LobbyView { max_members: Some(settings.max_room_peers), ..LobbyView::new(key) }
}

impl CallingServer {
    pub(super) fn join(
        &mut self,
        conn: ConnId,
        room: Option<String>,
        status: Status,
    ) -> Result<Reply, Problem> {
        let room: Name = room.unwrap_or_else(|| self.draw_uuid()).into();
        self.check_entrance(conn, &room)?;
        self.check_places(conn)?;
        self.check_status(&status)?;
        self.enter(conn, &room, status, false);
        self.out.notify(LobbyNotice::Joined { lobby: key(&room), member: self.id_of(conn) });
        let view = self.rooms.get(&room).map(|it| self.view(it, Some(conn))).unwrap_or_default();
        Ok(Reply::Room { room: room.to_string(), view })
    }

    /// Whether the room has space for the user.
    pub(super) fn check_entrance(&mut self, conn: ConnId, room: &Name) -> Result<(), Problem> {
        self.check_name(room)?;
        let peers = self.rooms.get(room).map(|room| &room.peers);
        if peers.is_some_and(|peers| peers.contains(&conn)) {
            return Err(Problem::AlreadyInRoom);
        }
        allow(peers.map_or(0, Roster::len) < self.settings.max_room_peers)?;
        let has_space = self.rooms.contains_key(room) || self.rooms.len() < self.settings.max_rooms;
        allow(has_space || self.empty_rooms.earliest().is_some())
    }

    /// Makes the user a peer of the room, which is created if need be, and tells of it.
    pub(super) fn enter(&mut self, conn: ConnId, name: &Name, status: Status, pending: bool) {
        let peer = Peer { id: self.id_of(conn), status, pending };
        if self.rooms.get(name).is_none_or(|room| room.peers.is_empty()) {
            self.out.notify(LobbyNotice::Opened(key(name)));
            let view = overview(key(name), &self.settings);
            self.out.notify(LobbyNotice::Changed(view.into()));
        }
        if let Some(room) = self.rooms.get_mut(name) {
            room.peers.join(conn, peer);
            self.empty_rooms.cancel(name);
        } else {
            self.make_space();
            let (status, peers) = (Status::default(), Roster::new(conn, peer));
            self.rooms.insert(name.clone(), Room { status, peers, namespaces: Vec::new() });
        }
        self.enter_place(conn, Place::Room(name.clone()));
        let (user, status) = (self.id_of(conn).to_string(), self.effective_status(conn, name));
        let (room, peer) = (name.to_string(), PeerView { status, pending });
        let event = |scope| Event::PeerAdded {
            scope,
            room: room.clone(),
            user: user.clone(),
            peer: peer.clone(),
        };
        self.tell_peers(name, Some(conn), &event(Scope::Room));
        self.tell_watchers(name, event);
    }

    /// Lets the empty room that would live the shortest go if there are too many.
    fn make_space(&mut self) {
        let Some(first) = self.empty_rooms.earliest() else { return };
        if self.rooms.len() >= self.settings.max_rooms
            && let Some(room) = self.empty_rooms.pop_due(first)
        {
            self.forget_room(&room);
        }
    }

    pub(super) fn set_room_status(
        &mut self,
        conn: ConnId,
        room: &str,
        key: &str,
        value: Option<Payload>,
        expected: &Expected,
    ) -> Result<(), Problem> {
        let name = self.room_of(conn, room)?;
        let Some(room) = self.rooms.get(&name) else { return Ok(()) };
        let is_expected = match expected {
            Expected::Anything => true,
            Expected::Absent => room.status.get(key).is_none(),
            Expected::Value(value) => room.status.get(key) == Some(value),
        };
        if !is_expected {
            return Err(Problem::OtherStatus);
        }
        let mut status = room.status.clone();
        status.set(key, value);
        self.check_status(&status)?;
        self.rooms.entry(name.clone()).and_modify(|room| room.status = status.clone());
        let event =
            |scope| Event::RoomUpdated { scope, room: name.to_string(), status: status.clone() };
        self.tell_peers(&name, Some(conn), &event(Scope::Room));
        self.tell_watchers(&name, event);
        Ok(())
    }

    pub(super) fn set_peer_status(
        &mut self,
        conn: ConnId,
        room: &str,
        status: Option<Status>,
    ) -> Result<(), Problem> {
        let name = self.room_of(conn, room)?;
        let Some(status) = status else { return Ok(()) };
        self.check_status(&status)?;
        if let Some(peer) = self.peer_mut(conn, &name) {
            peer.status = status;
        }
        let change = PeerChange::Status(self.effective_status(conn, &name));
        self.tell_of_change(conn, &name, &change);
        Ok(())
    }

    pub(super) fn pass_on(
        &mut self,
        conn: ConnId,
        room: String,
        user: &str,
        event: String,
        data: Payload,
    ) -> Result<(), Problem> {
        let name = self.room_of(conn, &room)?;
        let to = *self.ids.get(user).ok_or(Problem::UnknownRecipient)?;
        let peer = self.rooms.get(&name).and_then(|room| room.peers.get(&to));
        if peer.ok_or(Problem::UnknownRecipient)?.pending {
            return Err(Problem::RecipientPending);
        }
        let user = self.id_of(conn).to_string();
        self.tell(to, &Event::Received { room, user, event, data });
        Ok(())
    }

    /// The room, if the user is a full peer of it.
    pub(super) fn room_of(&self, conn: ConnId, room: &str) -> Result<Name, Problem> {
        let (name, room) = self.rooms.get_key_value(room).ok_or(Problem::NoSuchRoom)?;
        match room.peers.get(&conn) {
            None => Err(Problem::NotInRoom),
            Some(Peer { pending: true, .. }) => Err(Problem::OnlyInvited),
            Some(_) => Ok(name.clone()),
        }
    }

    pub(super) fn peer_mut(&mut self, conn: ConnId, room: &Name) -> Option<&mut Peer> {
        self.rooms.get_mut(room)?.peers.get_mut(&conn)
    }

    /// The room as others see it, or as one of its peers is told when it comes.
    pub(super) fn view(&self, room: &Room, but: Option<ConnId>) -> RoomView {
        let others = room.peers.iter().filter(|(conn, _)| but != Some(**conn));
        let view = |(conn, peer): (&ConnId, &Peer)| {
            let status = self.overlaid(*conn, peer);
            (peer.id.to_string(), PeerView { status, pending: peer.pending })
        };
        RoomView { status: room.status.clone(), peers: others.map(view).collect() }
    }

    /// A user's status in a room; the global one where it is no peer.
    pub(super) fn effective_status(&self, conn: ConnId, room: &Name) -> Status {
        match self.rooms.get(room).and_then(|room| room.peers.get(&conn)) {
            Some(peer) => self.overlaid(conn, peer),
            None => self.users.get(&conn).map(|user| user.status.clone()).unwrap_or_default(),
        }
    }

    fn overlaid(&self, conn: ConnId, peer: &Peer) -> Status {
        self.users.get(&conn).map(|user| user.status.overlaid(&peer.status)).unwrap_or_default()
    }

    /// Tells everybody who is to know what is new about a peer.
    pub(super) fn tell_of_change(&mut self, conn: ConnId, room: &Name, change: &PeerChange) {
        let event = self.changed(conn, room, change);
        self.tell_peers(room, Some(conn), &event(Scope::Room));
        self.tell_watchers(room, event);
    }

    /// The event that tells what is new about a peer.
    pub(super) fn changed(
        &self,
        conn: ConnId,
        room: &Name,
        change: &PeerChange,
    ) -> impl Fn(Scope) -> Event + use<> {
        let (room, user, change) = (room.to_string(), self.id_of(conn).to_string(), change.clone());
        move |scope| Event::PeerUpdated {
            scope,
            room: room.clone(),
            user: user.clone(),
            change: change.clone(),
        }
    }

    /// Tells all peers of a room, those who are pending too, or all but one.
    pub(super) fn tell_peers(&mut self, room: &Name, but: Option<ConnId>, event: &Event) {
        let Some(room) = self.rooms.get(room) else { return };
        let peers = room.peers.iter().map(|(conn, _)| *conn).filter(|conn| but != Some(*conn));
        let peers: Vec<ConnId> = peers.collect();
        self.tell_each(&peers, event);
    }

    /// A user's id.
    pub(super) fn id_of(&self, conn: ConnId) -> Arc<str> {
        self.users.get(&conn).map_or_else(|| Arc::from(""), |user| user.id.clone())
    }
}
