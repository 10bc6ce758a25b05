//! Games that share a server and know nothing of each other: each has a space of its own, with
//! clients and lobbies.
//!
//! A space comes to be with its first client and is gone with its last. What a lobby is, the
//! protocol says; a space holds them by name, and knows which client is in which.

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;

use crate::arrivals::Arrivals;
use crate::ids::ConnId;
use crate::overview::{LobbyKey, LobbyNotice, LobbyView};

/// How much there may be; what goes beyond is refused with [`Full`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Games that have clients. Default 1024.
    pub games: usize,
    /// Clients of one game, in a lobby or not. Default 4096.
    pub clients: usize,
    /// Lobbies of one game. Default 1024.
    pub lobbies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { games: 1024, clients: 4096, lobbies: 1024 }
    }
}

/// There is no room for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("server limit reached")]
pub struct Full;

/// A lobby, as far as all protocols agree on what it is.
pub trait Lobby {
    /// Who is in it, in the order in which they came.
    fn members(&self) -> impl Iterator<Item = ConnId>;

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

/// The spaces of all games, with clients `C` and lobbies `L`.
#[derive(Debug)]
pub struct Spaces<C, L> {
    limits: Limits,
    spaces: HashMap<Arc<str>, Space<C, L>>,
    /// In which game each connection is.
    games: HashMap<ConnId, Arc<str>>,
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

impl<C, L: Lobby> Spaces<C, L> {
    /// No spaces yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, spaces: HashMap::new(), games: HashMap::new() }
    }

    /// Lets a connection into the space of a game, behind all others. Others know it by `id`.
    ///
    /// # Errors
    /// When there are too many games, or too many clients in this one.
    ///
    /// # Panics
    /// When connection or id are in already: both come from our own generators.
    pub fn enter(&mut self, conn: ConnId, game: &str, id: Arc<str>, data: C) -> Result<(), Full> {
        if !self.spaces.contains_key(game) {
            self.found(game)?;
        }
        let space = self.spaces.get_mut(game).ok_or(Full)?;
        if space.clients.len() >= self.limits.clients {
            return Err(Full);
        }
        space.enter(conn, id, data);
        let elsewhere = self.games.insert(conn, space.game.clone());
        assert!(elsewhere.is_none(), "a connection is in one game");
        Ok(())
    }

    fn found(&mut self, game: &str) -> Result<(), Full> {
        if self.spaces.len() >= self.limits.games || self.limits.clients == 0 {
            return Err(Full);
        }
        let game: Arc<str> = game.into();
        self.spaces.insert(game.clone(), Space::new(game, self.limits.lobbies));
        Ok(())
    }

    /// Takes a connection out, which has left its lobby before; `None` if it is not in.
    pub fn leave(&mut self, conn: ConnId) -> Option<C> {
        let game = self.games.remove(&conn)?;
        let space = self.spaces.get_mut(&game)?;
        let client = space.clients.remove(&conn)?;
        space.conns.remove(&client.id);
        debug_assert_eq!(client.lobby, None, "whoever goes has left its lobby");
        if space.clients.is_empty() {
            self.spaces.remove(&game);
        }
        Some(client.data)
    }

    /// The space that a connection is in.
    pub fn of(&self, conn: ConnId) -> Option<&Space<C, L>> {
        self.spaces.get(self.games.get(&conn)?)
    }

    /// The space that a connection is in, to change.
    pub fn of_mut(&mut self, conn: ConnId) -> Option<&mut Space<C, L>> {
        self.spaces.get_mut(self.games.get(&conn)?)
    }

    /// What is known of a connection.
    pub fn client(&self, conn: ConnId) -> Option<&Client<C>> {
        self.of(conn)?.client(conn)
    }

    /// What is known of a connection, to change.
    pub fn client_mut(&mut self, conn: ConnId) -> Option<&mut Client<C>> {
        self.of_mut(conn)?.client_mut(conn)
    }

    /// All connections, in no particular order.
    pub fn conns(&self) -> impl Iterator<Item = ConnId> {
        self.games.keys().copied()
    }

    /// All lobbies of all games, those of one game in order of creation.
    pub fn views(&self) -> Vec<LobbyView> {
        self.spaces
            .values()
            .flat_map(|space| space.lobbies().filter_map(|(name, _)| space.view(name)))
            .collect()
    }

    /// Panics unless games, clients and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        assert!(self.spaces.len() <= self.limits.games, "too many games");
        let clients: usize = self.spaces.values().map(|space| space.clients.len()).sum();
        assert_eq!(clients, self.games.len(), "a connection is in one game");
        for space in self.spaces.values() {
            assert!(!space.clients.is_empty(), "a space has clients");
            assert!(space.clients.len() <= self.limits.clients, "too many clients");
            space.assert_consistent();
        }
    }
}

impl<C, L: Lobby> Space<C, L> {
    fn new(game: Arc<str>, max_lobbies: usize) -> Self {
        let (clients, lobbies) = (Arrivals::default(), Arrivals::default());
        Self { game, max_lobbies, clients, conns: HashMap::new(), lobbies }
    }

    fn enter(&mut self, conn: ConnId, id: Arc<str>, data: C) {
        let taken = self.conns.insert(id.clone(), conn);
        assert!(taken.is_none(), "an id belongs to one client");
        self.clients.add(conn, Client { id, lobby: None, data });
    }

    /// What is known of a connection; `None` if it is not in this space.
    pub fn client(&self, conn: ConnId) -> Option<&Client<C>> {
        self.clients.get(&conn)
    }

    /// What is known of a connection, to change.
    pub fn client_mut(&mut self, conn: ConnId) -> Option<&mut Client<C>> {
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

    /// The lobby of this name, to change. Who is in it is told by [`Space::place`] as well.
    pub fn lobby_mut(&mut self, name: &str) -> Option<&mut L> {
        self.lobbies.get_mut(name)
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
    pub fn open_lobby(&mut self, name: Arc<str>, lobby: L) -> Result<LobbyNotice, Full> {
        if self.lobbies.len() >= self.max_lobbies {
            return Err(Full);
        }
        let notice = LobbyNotice::Opened(self.key(&name));
        self.lobbies.add(name, lobby);
        Ok(notice)
    }

    /// Drops a lobby that everybody has left; `None` when there is none of this name.
    pub fn close_lobby(&mut self, name: &str) -> Option<LobbyNotice> {
        self.lobbies.remove(name).map(|_| LobbyNotice::Closed(self.key(name)))
    }

    /// Notes that a client is in a lobby now, beside whatever the lobby itself notes.
    ///
    /// # Panics
    /// When there is no such client.
    pub fn place(&mut self, conn: ConnId, lobby: Arc<str>) -> LobbyNotice {
        let key = self.key(&lobby);
        let client = self.clients.get_mut(&conn).expect("a member is a client");
        debug_assert_eq!(client.lobby, None, "a client is in one lobby");
        client.lobby = Some(lobby);
        LobbyNotice::Joined { lobby: key, member: client.id.clone() }
    }

    /// Notes that a client is in no lobby any more; `None` if it was in none.
    pub fn displace(&mut self, conn: ConnId) -> Option<LobbyNotice> {
        let client = self.clients.get_mut(&conn)?;
        let (lobby, member) = (client.lobby.take()?, client.id.clone());
        Some(LobbyNotice::Left { lobby: self.key(&lobby), member })
    }

    /// That a lobby has changed; `None` when there is none of this name.
    pub fn changed(&self, name: &str) -> Option<LobbyNotice> {
        self.view(name).map(|view| LobbyNotice::Changed(Box::new(view)))
    }

    fn key(&self, name: &str) -> LobbyKey {
        LobbyKey { game: self.game.clone(), name: name.into() }
    }

    fn view(&self, name: &str) -> Option<LobbyView> {
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

    fn assert_consistent(&self) {
        self.clients.assert_consistent();
        self.lobbies.assert_consistent();
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Crowd(Vec<ConnId>);

    impl Lobby for Crowd {
        fn members(&self) -> impl Iterator<Item = ConnId> {
            self.0.iter().copied()
        }

        fn hosts(&self) -> impl Iterator<Item = ConnId> {
            self.members().take(1)
        }
    }

    fn spaces(games: usize, clients: usize, lobbies: usize) -> Spaces<(), Crowd> {
        Spaces::new(Limits { games, clients, lobbies })
    }

    #[test]
    fn games_know_nothing_of_each_other() {
        let mut spaces = spaces(2, 2, 2);
        for (conn, game, id) in [(1, "chess", "a"), (2, "go", "a"), (3, "chess", "b")] {
            spaces.enter(ConnId(conn), game, id.into(), ()).unwrap();
        }
        let chess = spaces.of(ConnId(3)).unwrap();
        assert_eq!(chess.find("a"), Some(ConnId(1)));
        assert_eq!(chess.clients().map(|(conn, _)| conn.0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(spaces.of(ConnId(2)).unwrap().find("b"), None);
        spaces.assert_consistent();
    }

    #[test]
    fn a_lobby_is_shown_with_those_who_are_in_it() {
        let (mut spaces, conn) = (spaces(1, 1, 1), ConnId(1));
        spaces.enter(conn, "chess", "a".into(), ()).unwrap();
        let space = spaces.of_mut(conn).unwrap();
        let key = LobbyKey { game: "chess".into(), name: "club".into() };
        let opened = space.open_lobby("club".into(), Crowd(vec![conn])).unwrap();
        assert_eq!(opened, LobbyNotice::Opened(key.clone()));
        let member: Arc<str> = "a".into();
        let joined = LobbyNotice::Joined { lobby: key.clone(), member: member.clone() };
        assert_eq!(space.place(conn, "club".into()), joined);
        assert_eq!(space.client(conn).unwrap().lobby(), Some(&"club".into()));
        spaces.assert_consistent();

        let views = spaces.views();
        assert_eq!((&views[0].members, &views[0].hosts), (&vec![member.clone()], &vec![member]));
        let space = spaces.of_mut(conn).unwrap();
        assert!(matches!(space.displace(conn), Some(LobbyNotice::Left { .. })));
        assert_eq!(space.close_lobby("club"), Some(LobbyNotice::Closed(key)));
        assert_eq!(spaces.leave(conn), Some(()));
        assert!(spaces.of(conn).is_none() && spaces.views().is_empty());
    }

    #[test]
    fn there_is_only_so_much_room() {
        let mut spaces = spaces(1, 1, 1);
        let mut enter = |conn, game| spaces.enter(ConnId(conn), game, "a".into(), ());
        assert_eq!(enter(1, "chess"), Ok(()));
        assert_eq!(enter(2, "chess"), Err(Full));
        assert_eq!(enter(3, "go"), Err(Full));
        let space = spaces.of_mut(ConnId(1)).unwrap();
        assert!(space.open_lobby("one".into(), Crowd(vec![])).is_ok());
        assert_eq!(space.open_lobby("two".into(), Crowd(vec![])), Err(Full));
        space.close_lobby("one");
        spaces.leave(ConnId(1));
        spaces.assert_consistent();
        assert_eq!(spaces.enter(ConnId(4), "go", "a".into(), ()), Ok(()));
    }
}
