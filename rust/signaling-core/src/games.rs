//! The games of one server: who plays which, who of those is still alive, and what is to be sent.
//!
//! Games know nothing of each other: each has a [`Space`] of its own, with clients and lobbies. A
//! space comes to be with its first client and is gone with its last.

use std::collections::HashMap;
use std::iter;
use std::sync::Arc;

use thiserror::Error;

use crate::ids::ConnId;
use crate::keepalive::Keepalive;
use crate::machine::Close;
use crate::outputs::Outputs;
use crate::overview::{LobbyNotice, LobbyView};
use crate::space::{Client, Lobby, Space};
use crate::vigil::Vigil;

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

/// All games, with clients `C` and lobbies `L`.
#[derive(Debug)]
pub struct Games<C, L> {
    limits: Limits,
    spaces: HashMap<Arc<str>, Space<C, L>>,
    /// In which game each connection is.
    games: HashMap<ConnId, Arc<str>>,
    /// Who is still alive. Whoever has entered is watched.
    pub vigil: Vigil,
    /// What is to be done. What happens to lobbies is told here without further ado.
    pub out: Outputs<LobbyNotice>,
}

/// What a client has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The name of the lobby. It is gone if this was its last member.
    pub lobby: Arc<str>,
    /// Whether the client was in charge of it.
    pub was_host: bool,
}

impl<C, L: Lobby> Games<C, L> {
    /// No games yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            spaces: HashMap::new(),
            games: HashMap::new(),
            vigil: Vigil::default(),
            out: Outputs::default(),
        }
    }

    /// Lets a connection into a game, behind all others, and watches it from now on. Others know it
    /// by `id`.
    ///
    /// # Errors
    /// When there are too many games, or too many clients in this one.
    ///
    /// # Panics
    /// When connection or id are in already: both come from our own generators.
    pub fn enter(
        &mut self,
        conn: ConnId,
        game: &str,
        id: Arc<str>,
        data: C,
        keepalive: Keepalive,
    ) -> Result<(), Full> {
        if !self.has_room(game) {
            return Err(Full);
        }
        let space = self.space(game);
        space.enter(conn, id, data);
        let game = space.name().clone();
        let elsewhere = self.games.insert(conn, game);
        assert!(elsewhere.is_none(), "a connection is in one game");
        self.vigil.watch(conn, keepalive);
        Ok(())
    }

    /// Whether [`Games::enter`] would let one more into this game.
    pub fn has_room(&self, game: &str) -> bool {
        match self.spaces.get(game) {
            Some(space) => space.len() < self.limits.clients,
            None => self.spaces.len() < self.limits.games && self.limits.clients > 0,
        }
    }

    /// The space of a game, a new one if need be.
    fn space(&mut self, game: &str) -> &mut Space<C, L> {
        let game: Arc<str> = game.into();
        let found = || Space::new(game.clone(), self.limits.lobbies);
        self.spaces.entry(game.clone()).or_insert_with(found)
    }

    /// Forgets a connection, which leaves its lobby if it is still in one.
    pub fn leave(&mut self, conn: ConnId) {
        self.leave_lobby(conn);
        self.vigil.forget(conn);
        let Some(game) = self.games.remove(&conn) else { return };
        let Some(space) = self.spaces.get_mut(&game) else { return };
        space.leave(conn);
        if space.is_empty() {
            self.spaces.remove(&game);
        }
    }

    /// Closes everybody, because the server ends.
    pub fn shut_down(&mut self) {
        let mut conns: Vec<ConnId> = self.conns().collect();
        conns.sort_unstable();
        for conn in conns {
            self.leave(conn);
            self.out.close(conn, Close::shutting_down());
        }
    }

    /// The game that a connection is in.
    pub fn of(&self, conn: ConnId) -> Option<&Space<C, L>> {
        self.spaces.get(self.games.get(&conn)?)
    }

    fn of_mut(&mut self, conn: ConnId) -> Option<&mut Space<C, L>> {
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

    /// What others know a connection by; empty if it is not in.
    pub fn id(&self, conn: ConnId) -> Arc<str> {
        self.client(conn).map_or_else(Arc::default, |client| client.id().clone())
    }

    /// The lobby that a connection is in.
    pub fn lobby_of(&self, conn: ConnId) -> Option<&L> {
        let space = self.of(conn)?;
        space.lobby(space.client(conn)?.lobby()?)
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

    /// Adds a lobby to the game of a client, which is in it already and in no other.
    ///
    /// # Errors
    /// When there are too many.
    ///
    /// # Panics
    /// When there is one of this name.
    pub fn open_lobby(&mut self, conn: ConnId, name: &Arc<str>, lobby: L) -> Result<(), Full> {
        let Some(space) = self.of_mut(conn) else { return Ok(()) };
        let opened = space.open_lobby(name.clone(), lobby)?;
        let joined = space.place(conn, name.clone());
        let changed = space.changed(name);
        self.tell([opened, joined].into_iter().chain(changed));
        Ok(())
    }

    /// Lets a client, which is in no lobby, into one of its game by `add`ing it. Does nothing where
    /// there is none of this name.
    pub fn join_lobby(&mut self, conn: ConnId, name: &Arc<str>, add: impl FnOnce(&mut L)) {
        let Some(space) = self.of_mut(conn) else { return };
        let Some(lobby) = space.lobby_mut(name) else { return };
        add(lobby);
        let is_host = lobby.hosts().any(|host| host == conn);
        let joined = space.place(conn, name.clone());
        let changed = space.changed(name).filter(|_| is_host);
        self.tell(iter::once(joined).chain(changed));
    }

    /// Takes a client out of its lobby, which is dropped when nobody is left; `None` if it is in
    /// none.
    pub fn leave_lobby(&mut self, conn: ConnId) -> Option<Departure> {
        let space = self.of_mut(conn)?;
        let name = space.client(conn)?.lobby()?.clone();
        let lobby = space.lobby_mut(&name)?;
        let was_host = lobby.hosts().any(|host| host == conn);
        lobby.remove(conn);
        let is_empty = lobby.members().next().is_none();
        let left = space.displace(conn);
        let closed = if is_empty { space.close_lobby(&name) } else { None };
        self.tell(left.into_iter().chain(closed));
        Some(Departure { lobby: name, was_host })
    }

    /// Changes a lobby of a client's game, but for who is in it.
    pub fn change_lobby(&mut self, conn: ConnId, name: &str, change: impl FnOnce(&mut L)) {
        let Some(space) = self.of_mut(conn) else { return };
        let Some(lobby) = space.lobby_mut(name) else { return };
        change(lobby);
        let changed = space.changed(name);
        self.tell(changed);
    }

    /// Puts everybody out of a lobby of a client's game, and drops it.
    pub fn close_lobby(&mut self, conn: ConnId, name: &str) {
        let Some(space) = self.of_mut(conn) else { return };
        let Some(lobby) = space.lobby(name) else { return };
        let members: Vec<ConnId> = lobby.members().collect();
        let left: Vec<_> = members.iter().filter_map(|member| space.displace(*member)).collect();
        let closed = space.close_lobby(name);
        self.tell(left.into_iter().chain(closed));
    }

    fn tell(&mut self, notices: impl IntoIterator<Item = LobbyNotice>) {
        notices.into_iter().for_each(|notice| self.out.notify(notice));
    }

    /// Panics unless games, clients and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        assert!(self.spaces.len() <= self.limits.games, "too many games");
        let clients: usize = self.spaces.values().map(Space::len).sum();
        assert_eq!(clients, self.games.len(), "a connection is in one game");
        assert_eq!(clients, self.vigil.count(), "everybody is watched");
        for space in self.spaces.values() {
            assert!(space.len() <= self.limits.clients, "too many clients");
            space.assert_consistent();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::machine::Output;
    use crate::overview::LobbyKey;

    #[derive(Debug)]
    struct Crowd(Vec<ConnId>);

    impl Lobby for Crowd {
        fn members(&self) -> impl Iterator<Item = ConnId> {
            self.0.iter().copied()
        }

        fn remove(&mut self, member: ConnId) {
            self.0.retain(|other| *other != member);
        }

        fn hosts(&self) -> impl Iterator<Item = ConnId> {
            self.members().take(1)
        }
    }

    type Crowds = Games<(), Crowd>;

    fn games(games: usize, clients: usize, lobbies: usize) -> Crowds {
        Games::new(Limits { games, clients, lobbies })
    }

    fn enter(games: &mut Crowds, conn: ConnId, game: &str, id: &str) -> Result<(), Full> {
        games.enter(conn, game, id.into(), (), Keepalive::new(Instant::now(), None, None))
    }

    /// What was told since the last call, shortly.
    fn told(games: &mut Crowds) -> Vec<String> {
        let outputs = iter::from_fn(|| games.out.pop());
        outputs
            .map(|output| match output {
                Output::Notice(LobbyNotice::Opened(lobby)) => format!("{} opened", lobby.name),
                Output::Notice(LobbyNotice::Joined { member, .. }) => format!("{member} joined"),
                Output::Notice(LobbyNotice::Changed(view)) => format!("hosts {:?}", view.hosts),
                Output::Notice(LobbyNotice::Left { member, .. }) => format!("{member} left"),
                Output::Notice(LobbyNotice::Closed(lobby)) => format!("{} closed", lobby.name),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn games_know_nothing_of_each_other() {
        let mut games = games(2, 2, 2);
        for (conn, game, id) in [(1, "chess", "a"), (2, "go", "a"), (3, "chess", "b")] {
            enter(&mut games, ConnId(conn), game, id).unwrap();
        }
        let chess = games.of(ConnId(3)).unwrap();
        assert_eq!(chess.find("a"), Some(ConnId(1)));
        assert_eq!(chess.clients().map(|(conn, _)| conn.0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(games.of(ConnId(2)).unwrap().find("b"), None);
        games.assert_consistent();
    }

    #[test]
    fn what_happens_to_a_lobby_is_told() {
        let (mut games, [ann, bob]) = (games(1, 2, 1), [1, 2].map(ConnId));
        for (conn, id) in [(ann, "ann"), (bob, "bob")] {
            enter(&mut games, conn, "chess", id).unwrap();
        }
        let club: Arc<str> = "club".into();
        games.open_lobby(ann, &club, Crowd(vec![ann])).unwrap();
        assert_eq!(told(&mut games), ["club opened", "ann joined", r#"hosts ["ann"]"#]);
        games.join_lobby(bob, &club, |lobby| lobby.0.push(bob));
        assert_eq!(told(&mut games), ["bob joined"]);
        assert_eq!(games.lobby_of(bob).unwrap().0, [ann, bob]);
        games.change_lobby(ann, "club", |lobby| lobby.0.reverse());
        assert_eq!(told(&mut games), [r#"hosts ["bob"]"#]);
        let key = LobbyKey { game: "chess".into(), name: club.clone() };
        assert_eq!(games.views()[0].key, key);
        games.assert_consistent();

        let departure = Departure { lobby: club, was_host: true };
        assert_eq!(games.leave_lobby(bob), Some(departure));
        assert_eq!(told(&mut games), ["bob left"]);
        assert_eq!(games.leave_lobby(bob), None);
        games.leave(ann);
        assert_eq!(told(&mut games), ["ann left", "club closed"]);
        assert!(games.of(ann).is_none() && games.views().is_empty());
        games.assert_consistent();
    }

    #[test]
    fn a_lobby_is_closed_with_everybody_in_it() {
        let (mut games, [ann, bob]) = (games(1, 2, 1), [1, 2].map(ConnId));
        for (conn, id) in [(ann, "ann"), (bob, "bob")] {
            enter(&mut games, conn, "chess", id).unwrap();
        }
        games.open_lobby(ann, &"club".into(), Crowd(vec![ann])).unwrap();
        told(&mut games);
        games.close_lobby(bob, "elsewhere");
        games.close_lobby(bob, "club");
        assert_eq!(told(&mut games), ["ann left", "club closed"]);
        assert_eq!(games.client(ann).unwrap().lobby(), None);
        games.assert_consistent();
    }

    #[test]
    fn there_is_only_so_much_room() {
        let mut games = games(1, 1, 1);
        assert_eq!(enter(&mut games, ConnId(1), "chess", "a"), Ok(()));
        assert_eq!(enter(&mut games, ConnId(2), "chess", "b"), Err(Full));
        assert_eq!(enter(&mut games, ConnId(3), "go", "a"), Err(Full));
        let conn = ConnId(1);
        games.open_lobby(conn, &"one".into(), Crowd(vec![conn])).unwrap();
        assert_eq!(games.open_lobby(conn, &"two".into(), Crowd(vec![conn])), Err(Full));
        games.leave(conn);
        games.assert_consistent();
        assert_eq!(enter(&mut games, ConnId(4), "go", "a"), Ok(()));
    }

    #[test]
    fn everybody_is_closed_at_the_end_and_nothing_is_left() {
        let mut games = games(1, 2, 1);
        for (conn, id) in [(1, "a"), (2, "b")] {
            enter(&mut games, ConnId(conn), "chess", id).unwrap();
        }
        games.open_lobby(ConnId(2), &"club".into(), Crowd(vec![ConnId(2)])).unwrap();
        games.shut_down();
        let closes = iter::from_fn(|| games.out.pop()).filter_map(|output| match output {
            Output::Close { conn, close } => Some((conn.0, close)),
            _ => None,
        });
        let end = Close::shutting_down();
        assert_eq!(closes.collect::<Vec<_>>(), [(1, end.clone()), (2, end)]);
        assert_eq!((games.conns().count(), games.vigil.count()), (0, 0));
        games.assert_consistent();
    }
}
