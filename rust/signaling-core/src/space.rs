//! What one game has on a server: its clients, and the lobbies that they are in.
//!
//! What a lobby is, the protocol says; a space holds them by name, and knows which client is in
//! which.

use std::collections::HashMap;
use std::sync::Arc;

use crate::arrivals::Arrivals;
use crate::games::Full;
use crate::ids::ConnId;
use crate::overview::{LobbyKey, LobbyNotice, LobbyView};

/// A lobby, as far as all protocols agree on what it is.
pub trait Lobby {
    /// Who is in it, in the order in which they came.
    fn members(&self) -> impl Iterator<Item = ConnId>;

    /// Takes a member out.
    fn remove(&mut self, member: ConnId);

    /// Which of them are in charge.
    fn hosts(&self) -> impl Iterator<Item = ConnId>;

    /// How many members may be in it; `None`: no limit.
    fn max_members(&self) -> Option<usize> {
        None
    }

    /// Whether nobody may join at the moment.
    fn is_locked(&self) -> bool {
        false
    }

    /// Whether one needs a password to join.
    fn has_password(&self) -> bool {
        false
    }
}

/// What one game has on the server.
#[derive(Debug)]
pub struct Space<C, L> {
    game: Arc<str>,
    max_lobbies: usize,
    clients: Arrivals<ConnId, Client<C>>,
    conns: HashMap<Arc<str>, ConnId>,
    lobbies: Arrivals<Arc<str>, L>,
}

/// One connection in a space.
#[derive(Debug)]
pub struct Client<C> {
    id: Arc<str>,
    lobby: Option<Arc<str>>,
    /// What the protocol knows of it.
    pub data: C,
}

impl<C, L: Lobby> Space<C, L> {
    pub(crate) fn new(game: Arc<str>, max_lobbies: usize) -> Self {
        let (clients, lobbies) = (Arrivals::default(), Arrivals::default());
        Self { game, max_lobbies, clients, conns: HashMap::new(), lobbies }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.game
    }

    /// Lets a client in behind all others.
    ///
    /// # Panics
    /// When connection or id are in already.
    pub(crate) fn enter(&mut self, conn: ConnId, id: Arc<str>, data: C) {
        let taken = self.conns.insert(id.clone(), conn);
        assert!(taken.is_none(), "an id belongs to one client");
        self.clients.add(conn, Client { id, lobby: None, data });
    }

    /// Takes a client out, which is in no lobby.
    pub(crate) fn leave(&mut self, conn: ConnId) {
        if let Some(client) = self.clients.remove(&conn) {
            debug_assert_eq!(client.lobby, None, "whoever goes has left its lobby");
            self.conns.remove(&client.id);
        }
    }

    /// What is known of a connection; `None` if it is not in this space.
    pub fn client(&self, conn: ConnId) -> Option<&Client<C>> {
        self.clients.get(&conn)
    }

    /// What is known of a connection, to change.
    pub(crate) fn client_mut(&mut self, conn: ConnId) -> Option<&mut Client<C>> {
        self.clients.get_mut(&conn)
    }

    /// All clients in order of arrival.
    pub fn clients(&self) -> impl Iterator<Item = (ConnId, &Client<C>)> {
        self.clients.iter().map(|(conn, client)| (*conn, client))
    }

    /// Who has this id.
    pub fn find(&self, id: &str) -> Option<ConnId> {
        self.conns.get(id).copied()
    }

    /// The lobby of this name.
    pub fn lobby(&self, name: &str) -> Option<&L> {
        self.lobbies.get(name)
    }

    /// The lobby of this name, to change.
    pub(crate) fn lobby_mut(&mut self, name: &str) -> Option<&mut L> {
        self.lobbies.get_mut(name)
    }

    /// True when the last client has left.
    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// How many clients there are.
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// All lobbies in order of creation.
    pub fn lobbies(&self) -> impl Iterator<Item = (&Arc<str>, &L)> {
        self.lobbies.iter()
    }

    /// Adds a lobby.
    ///
    /// # Errors
    /// When there are too many.
    ///
    /// # Panics
    /// When there is one of this name.
    pub(crate) fn open_lobby(&mut self, name: Arc<str>, lobby: L) -> Result<LobbyNotice, Full> {
        if self.lobbies.len() >= self.max_lobbies {
            return Err(Full);
        }
        let notice = LobbyNotice::Opened(self.key(&name));
        self.lobbies.add(name, lobby);
        Ok(notice)
    }

    /// Drops a lobby that everybody has left; `None` when there is none of this name.
    pub(crate) fn close_lobby(&mut self, name: &str) -> Option<LobbyNotice> {
        self.lobbies.remove(name).map(|_| LobbyNotice::Closed(self.key(name)))
    }

    /// Notes that a client is in a lobby now, beside whatever the lobby itself notes.
    ///
    /// # Panics
    /// When there is no such client.
    pub(crate) fn place(&mut self, conn: ConnId, lobby: Arc<str>) -> LobbyNotice {
        let key = self.key(&lobby);
        let client = self.clients.get_mut(&conn).expect("a member is a client");
        debug_assert_eq!(client.lobby, None, "a client is in one lobby");
        client.lobby = Some(lobby);
        LobbyNotice::Joined { lobby: key, member: client.id.clone() }
    }

    /// Notes that a client is in no lobby any more; `None` if it was in none.
    pub(crate) fn displace(&mut self, conn: ConnId) -> Option<LobbyNotice> {
        let client = self.clients.get_mut(&conn)?;
        let (lobby, member) = (client.lobby.take()?, client.id.clone());
        Some(LobbyNotice::Left { lobby: self.key(&lobby), member })
    }

    /// That a lobby has changed; `None` when there is none of this name.
    pub(crate) fn changed(&self, name: &str) -> Option<LobbyNotice> {
        self.view(name).map(|view| LobbyNotice::Changed(Box::new(view)))
    }

    fn key(&self, name: &str) -> LobbyKey {
        LobbyKey { game: self.game.clone(), name: name.into() }
    }

    pub(crate) fn view(&self, name: &str) -> Option<LobbyView> {
        let lobby = self.lobbies.get(name)?;
        let id = |conn: ConnId| self.clients.get(&conn).map(|client| client.id.clone());
        Some(LobbyView {
            key: self.key(name),
            members: lobby.members().filter_map(id).collect(),
            hosts: lobby.hosts().filter_map(id).collect(),
            max_members: lobby.max_members(),
            locked: lobby.is_locked(),
            has_password: lobby.has_password(),
        })
    }

    pub(crate) fn assert_consistent(&self) {
        self.clients.assert_consistent();
        self.lobbies.assert_consistent();
        assert!(!self.clients.is_empty(), "a space has clients");
        assert!(self.lobbies.len() <= self.max_lobbies, "too many lobbies");
        assert_eq!(self.conns.len(), self.clients.len(), "a client has one id");
        let mut placed = 0;
        for (name, lobby) in self.lobbies() {
            assert!(lobby.members().next().is_some(), "a lobby has members");
            for conn in lobby.members() {
                let client = self.client(conn).expect("a member is a client");
                assert_eq!(client.lobby.as_ref(), Some(name), "a member is where its place says");
                placed += 1;
            }
            let is_member = |host| lobby.members().any(|member| member == host);
            assert!(lobby.hosts().all(is_member), "hosts are members");
        }
        let in_lobbies = self.clients.iter().filter(|(_, client)| client.lobby.is_some()).count();
        assert_eq!(placed, in_lobbies, "a client is a member where it is placed");
    }
}

impl<C> Client<C> {
    /// What others know it by.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The lobby that it is in.
    pub fn lobby(&self) -> Option<&Arc<str>> {
        self.lobby.as_ref()
    }
}
