//! Namespaces: who hears of whom.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use signaling_core::ConnId;

use super::room::Room;
use super::user::Place;
use super::{CallingServer, Name, allow};
use crate::calling::value::json_bytes;
use crate::calling::wire::event::{Event, Scope};
use crate::calling::wire::problem::Problem;
use crate::calling::wire::reply::Reply;

/// Who hears, and what is announced; all in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    pub(super) subscribers: Vec<ConnId>,
    pub(super) users: Vec<ConnId>,
    pub(super) rooms: Vec<Name>,
}

/// The brackets and names of fields around one entry in a list.
const ENTRY_BYTES: usize = 32;

impl Namespace {
    fn is_unused(&self) -> bool {
        self.subscribers.is_empty() && self.users.is_empty() && self.rooms.is_empty()
    }
}

impl CallingServer {
    pub(super) fn subscribe(&mut self, conn: ConnId, name: &str) -> Result<Reply, Problem> {
        let subscribers = self.namespaces.get(name).map_or(&[][..], |it| &it.subscribers);
        if subscribers.contains(&conn) {
            return Err(Problem::AlreadySubscribed);
        }
        self.check_entry(name, subscribers.len())?;
        self.check_places(conn)?;
        allow(self.fits_in_list(name))?;
        let listed = self.list(name);
        let name = self.namespace(name);
        self.namespaces.entry(name.clone()).or_default().subscribers.push(conn);
        self.enter_place(conn, Place::Subscription(name));
        Ok(listed)
    }

    pub(super) fn unsubscribe(&mut self, conn: ConnId, name: &str) -> Result<(), Problem> {
        let (name, namespace) =
            self.namespaces.get_key_value(name).ok_or(Problem::NoSuchNamespace)?;
        if !namespace.subscribers.contains(&conn) {
            return Err(Problem::NotSubscribed);
        }
        let name = name.clone();
        self.forget_subscriber(conn, &name);
        self.leave_place(conn, &Place::Subscription(name));
        Ok(())
    }

    pub(super) fn forget_subscriber(&mut self, conn: ConnId, name: &Name) {
        self.change_namespace(name, |namespace| namespace.subscribers.retain(|it| *it != conn));
    }

    pub(super) fn register_user(&mut self, conn: ConnId, name: &str) -> Result<(), Problem> {
        let users = self.namespaces.get(name).map_or(&[][..], |it| &it.users);
        if users.contains(&conn) {
            return Err(Problem::UserAlreadyRegistered);
        }
        self.check_entry(name, users.len())?;
        self.check_places(conn)?;
        let Some(user) = self.users.get(&conn) else { return Ok(()) };
        let (id, status) = (user.id.to_string(), user.status.clone());
        let name = self.namespace(name);
        self.namespaces.entry(name.clone()).or_default().users.push(conn);
        self.enter_place(conn, Place::Registration(name.clone()));
        let event = Event::UserAdded { namespace: name.to_string(), user: id, status };
        self.tell_subscribers(&name, &event);
        Ok(())
    }

    pub(super) fn unregister_user(&mut self, conn: ConnId, name: &str) -> Result<(), Problem> {
        let (name, namespace) =
            self.namespaces.get_key_value(name).ok_or(Problem::NoSuchNamespace)?;
        if !namespace.users.contains(&conn) {
            return Err(Problem::UserNotRegistered);
        }
        let (name, user) = (name.clone(), self.id_of(conn));
        self.remove_user(conn, &user, &name);
        self.leave_place(conn, &Place::Registration(name));
        Ok(())
    }

    /// A user is announced there no longer.
    pub(super) fn remove_user(&mut self, conn: ConnId, user: &str, name: &Name) {
        let event = Event::UserRemoved { namespace: name.to_string(), user: user.to_owned() };
        self.tell_subscribers(name, &event);
        self.change_namespace(name, |namespace| namespace.users.retain(|it| *it != conn));
    }

    pub(super) fn register_room(&mut self, name: &str, room: &str) -> Result<(), Problem> {
        let announced = &self.rooms.get(room).ok_or(Problem::NoSuchRoom)?.namespaces;
        if announced.iter().any(|it| &**it == name) {
            return Err(Problem::RoomAlreadyRegistered);
        }
        allow(announced.len() < self.settings.max_room_namespaces)?;
        self.check_entry(name, self.namespaces.get(name).map_or(0, |it| it.rooms.len()))?;
        let name = self.namespace(name);
        let Some((room, kept)) = self.rooms.get_key_value(room) else { return Ok(()) };
        let (room, view) = (room.clone(), self.view(kept, None));
        self.namespaces.entry(name.clone()).or_default().rooms.push(room.clone());
        self.rooms.entry(room.clone()).and_modify(|room| room.namespaces.push(name.clone()));
        let (namespace, room) = (name.to_string(), room.to_string());
        self.tell_subscribers(&name, &Event::RoomAdded { namespace, room, view });
        Ok(())
    }

    pub(super) fn unregister_room(&mut self, name: &str, room: &str) -> Result<(), Problem> {
        let room = self.rooms.get_key_value(room).ok_or(Problem::NoSuchRoom)?.0.clone();
        let (name, namespace) =
            self.namespaces.get_key_value(name).ok_or(Problem::NoSuchNamespace)?;
        if !namespace.rooms.contains(&room) {
            return Err(Problem::RoomNotRegistered);
        }
        let name = name.clone();
        self.rooms.entry(room.clone()).and_modify(|it| it.namespaces.retain(|it| *it != name));
        self.remove_room(&room, &name);
        Ok(())
    }

    /// A room is announced in none of its namespaces any longer.
    pub(super) fn remove_room_everywhere(&mut self, room: &Name) {
        let Some(kept) = self.rooms.get_mut(room) else { return };
        for name in std::mem::take(&mut kept.namespaces) {
            self.remove_room(room, &name);
        }
    }

    fn remove_room(&mut self, room: &Name, name: &Name) {
        let event = Event::RoomRemoved { namespace: name.to_string(), room: room.to_string() };
        self.tell_subscribers(name, &event);
        self.change_namespace(name, |namespace| namespace.rooms.retain(|it| it != room));
    }

    pub(super) fn tell_subscribers(&mut self, name: &Name, event: &Event) {
        let subscribers = self.namespaces.get(name).map(|namespace| namespace.subscribers.clone());
        self.tell_each(&subscribers.unwrap_or_default(), event);
    }

    /// Tells the subscribers of each namespace that a room is announced in.
    pub(super) fn tell_watchers(&mut self, room: &Name, event: impl Fn(Scope) -> Event) {
        let namespaces = self.rooms.get(room).map(|room| room.namespaces.clone());
        for name in namespaces.unwrap_or_default() {
            self.tell_subscribers(&name, &event(Scope::Namespace(name.to_string())));
        }
    }

    /// What is announced, for a new subscriber.
    fn list(&self, name: &str) -> Reply {
        let Some(Namespace { users, rooms, .. }) = self.namespaces.get(name) else {
            return Reply::Namespace { users: BTreeMap::new(), rooms: BTreeMap::new() };
        };
        let users = users.iter().filter_map(|conn| self.users.get(conn));
        let rooms = rooms.iter().filter_map(|room| self.rooms.get_key_value(room));
        Reply::Namespace {
            users: users.map(|user| (user.id.to_string(), user.status.clone())).collect(),
            rooms: rooms.map(|(name, room)| (name.to_string(), self.view(room, None))).collect(),
        }
    }

    /// Whether that list is short enough. Counts no further than it must: strangers make it long.
    fn fits_in_list(&self, name: &str) -> bool {
        let Some(Namespace { users, rooms, .. }) = self.namespaces.get(name) else { return true };
        let users = users.iter().map(|conn| self.user_bytes(*conn));
        let rooms = rooms.iter().filter_map(|room| self.rooms.get_key_value(room));
        let rooms = rooms.flat_map(|(name, room)| self.entry_bytes(name, room));
        let count = |rest: usize, bytes| rest.checked_sub(bytes);
        users.chain(rooms).try_fold(self.settings.max_list_bytes, count).is_some()
    }

    /// How long a room's entry in a list is at most, in parts.
    pub(super) fn entry_bytes(&self, name: &Name, room: &Room) -> impl Iterator<Item = usize> {
        let own = json_bytes(&**name) + room.status.bytes() + ENTRY_BYTES;
        let peers = room.peers.iter();
        let peers = peers.map(|(conn, peer)| self.user_bytes(*conn) + peer.status.bytes());
        iter::once(own).chain(peers)
    }

    pub(super) fn user_bytes(&self, conn: ConnId) -> usize {
        self.users.get(&conn).map_or(0, |user| user.status.bytes() + user.id.len() + ENTRY_BYTES)
    }

    /// Whether there may be one more of something that a namespace has so many of.
    fn check_entry(&self, name: &str, count: usize) -> Result<(), Problem> {
        self.check_name(name)?;
        let is_possible = self.namespaces.contains_key(name)
            || self.namespaces.len() < self.settings.max_namespaces;
        allow(is_possible && count < self.settings.max_namespace_entries)
    }

    /// Its name, shared with those who know it already.
    fn namespace(&self, name: &str) -> Name {
        self.namespaces
            .get_key_value(name)
            .map_or_else(|| Arc::from(name), |(name, _)| name.clone())
    }

    /// Changes a namespace, which vanishes when nothing is left in it.
    fn change_namespace(&mut self, name: &Name, change: impl FnOnce(&mut Namespace)) {
        let Some(namespace) = self.namespaces.get_mut(name) else { return };
        change(namespace);
        if namespace.is_unused() {
            self.namespaces.remove(name);
        }
    }

    /// What users and rooms know of namespaces, namespaces know of them, and the other way round.
    pub(super) fn assert_places_mutual(&self) {
        for (name, namespace) in &self.namespaces {
            assert!(!namespace.is_unused(), "{name} has a reason to be there");
            for conn in &namespace.subscribers {
                assert!(self.users[conn].places.contains(&Place::Subscription(name.clone())));
            }
            for conn in &namespace.users {
                assert!(self.users[conn].places.contains(&Place::Registration(name.clone())));
            }
            for room in &namespace.rooms {
                assert!(self.rooms[room].namespaces.contains(name), "{room} is announced there");
            }
        }
        let places = self.users.values().map(|user| user.places.len()).sum::<usize>();
        let in_namespaces = |it: &Namespace| it.subscribers.len() + it.users.len();
        let peers = self.rooms.values().map(|room| room.peers.len()).sum::<usize>();
        let known = self.namespaces.values().map(in_namespaces).sum::<usize>() + peers;
        assert_eq!(places, known, "nobody is where nobody knows of it");
        for (name, room) in &self.rooms {
            for (conn, _) in room.peers.iter() {
                assert!(self.users[conn].places.contains(&Place::Room(name.clone())));
            }
            for namespace in &room.namespaces {
                assert!(self.namespaces[namespace].rooms.contains(name), "it lists the room");
            }
        }
    }
}
