//! Listing, finding, creating and joining.

use std::sync::Arc;
use std::time::Instant;

use signaling_core::ConnId;
use signaling_core::games::Full;

use super::lobby::Lobby;
use super::{CloudLink5Server, Game};
use crate::cloudlink5::wire::{
    CreateLobby, CreateReply, JoinLobby, JoinReply, LobbyInfo, Role, ServerMessage, User,
};

impl CloudLink5Server {
    pub(super) fn list(&mut self, conn: ConnId) {
        let lobbies = self.game(conn).into_iter().flat_map(Game::lobbies);
        let names = lobbies.map(|(name, _)| name.clone()).collect();
        self.send(conn, &ServerMessage::ListAck(names));
    }

    pub(super) fn find(&mut self, conn: ConnId, name: Option<&str>) {
        let info = name.and_then(|name| self.info(conn, name)).map(Box::new);
        self.send(conn, &ServerMessage::FindAck(info));
    }

    fn info(&self, conn: ConnId, name: &str) -> Option<LobbyInfo> {
        let lobby = self.game(conn)?.lobby(name)?;
        Some(LobbyInfo {
            host: self.user(*lobby.roster.host())?.clone(),
            max_players: lobby.max_players,
            current_players: lobby.players(),
            currently_locked: lobby.is_locked,
            password_required: lobby.password.is_some(),
            relay_enabled: false,
        })
    }

    pub(super) fn create(&mut self, now: Instant, conn: ConnId, options: &CreateLobby) {
        let Some(game) = self.game(conn) else { return };
        if game.lobby(&options.name).is_some() {
            return self.send(conn, &ServerMessage::CreateAck(CreateReply::Exists));
        }
        if !self.settings.takes(&options.name) || !self.may_create(now, conn) {
            return self.expel_for(conn, Full);
        }
        let name: Arc<str> = options.name.as_str().into();
        let lobby = Lobby::new(conn, options, &self.passwords);
        self.leave_lobby(conn);
        if let Err(full) = self.games.open_lobby(conn, &name, lobby) {
            return self.expel_for(conn, full);
        }
        self.send(conn, &ServerMessage::Transition(Role::Host));
        self.send(conn, &ServerMessage::CreateAck(CreateReply::Created));
        if let Some(user) = self.user(conn).cloned() {
            self.send(conn, &ServerMessage::NewHost(user));
        }
        let bystanders = self.bystanders(conn);
        self.send_all(&bystanders, &ServerMessage::NewLobby(name));
        if options.enable_relay {
            self.warn(conn, "Relays coming soon...");
        }
    }

    fn may_create(&mut self, now: Instant, conn: ConnId) -> bool {
        let from = self.games.client(conn).map_or("", |client| &client.data.from);
        self.creates.take(now, from, &self.settings.create_rate)
    }

    pub(super) fn join(&mut self, now: Instant, conn: ConnId, join: &JoinLobby) {
        let name = &*join.name;
        let Some(game) = self.game(conn) else { return };
        let own = game.client(conn).and_then(|client| client.lobby());
        if own.is_some_and(|own| **own == *name) {
            return self.warn(conn, "already in lobby");
        }
        let reply = self.admit(now, conn, join);
        if reply == JoinReply::Joined {
            self.leave_lobby(conn);
            self.add_member(conn, name);
        } else {
            self.send(conn, &ServerMessage::JoinAck(reply));
        }
    }

    /// Whether a client may join. Whoever has guessed too often does not know the password either.
    fn admit(&mut self, now: Instant, conn: ConnId, join: &JoinLobby) -> JoinReply {
        let Some(game) = self.game(conn) else { return JoinReply::NotFound };
        let Some(lobby) = game.lobby(&join.name) else { return JoinReply::NotFound };
        let from = game.client(conn).map_or("", |client| &client.data.from);
        let reply = lobby.admit(&join.password, &self.passwords);
        match reply {
            JoinReply::Joined if lobby.password.is_none() => reply,
            JoinReply::Joined if !self.guesses.may_guess(now, from) => JoinReply::WrongPassword,
            JoinReply::WrongPassword if !join.password.is_empty() => {
                let from = from.to_owned();
                self.guesses.count(now, &from);
                reply
            }
            _ => reply,
        }
    }

    /// Whoever is there already connects to the newcomer, which is told of the host alone.
    fn add_member(&mut self, conn: ConnId, name: &str) {
        let Some(user) = self.user(conn).cloned() else { return };
        let Some(lobby) = self.game(conn).and_then(|game| game.lobby(name)) else { return };
        let (host, before) = (*lobby.roster.host(), lobby.members());
        self.games.join_lobby(conn, &name.into(), |lobby| lobby.roster.join(conn, ()));
        self.send(conn, &ServerMessage::Transition(Role::Peer));
        self.send(conn, &ServerMessage::JoinAck(JoinReply::Joined));
        if let Some(host) = self.user(host).cloned() {
            self.send(conn, &ServerMessage::NewHost(host));
        }
        self.announce(user, host, &before);
    }

    fn announce(&mut self, newcomer: User, host: ConnId, members: &[ConnId]) {
        self.send(host, &ServerMessage::NewPeer(newcomer.clone()));
        let others: Vec<_> = members.iter().copied().filter(|conn| *conn != host).collect();
        self.send_all(&others, &ServerMessage::PeerJoin(newcomer));
    }
}
