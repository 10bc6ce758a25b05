//! Leaving, for whatever reason, and who becomes the host.

use std::sync::Arc;

use signaling_core::ConnId;

use super::CloudLink5Server;
use crate::cloudlink5::wire::{Role, ServerMessage};

impl CloudLink5Server {
    /// Forgets a connection, whatever its end.
    pub(super) fn depart(&mut self, conn: ConnId) {
        self.leave_lobby(conn);
        self.spaces.leave(conn);
        self.vigil.forget(conn);
    }

    /// Takes a client out of its lobby, if it is in one; it is told nothing itself.
    pub(super) fn leave_lobby(&mut self, conn: ConnId) {
        let Some(game) = self.spaces.of_mut(conn) else { return };
        let Some(client) = game.client(conn) else { return };
        let Some(name) = client.lobby().cloned() else { return };
        let id = client.id().clone();
        let left = game.displace(conn);
        let Some(lobby) = game.lobby_mut(&name) else { return };
        lobby.roster.leave(&conn);
        let was_host = *lobby.roster.host() == conn;
        let (rest, heir) = (lobby.members(), lobby.roster.oldest().copied());
        self.notify(left);
        match heir {
            None => self.close_deserted(conn, &name),
            Some(heir) if was_host => self.crown(heir, &name, &rest),
            Some(_) => {}
        }
        self.send_all(&rest, &ServerMessage::PeerLeft(id));
    }

    /// Drops a lobby that its last member, this one, has left.
    fn close_deserted(&mut self, last: ConnId, name: &Arc<str>) {
        let closed = self.spaces.of_mut(last).and_then(|game| game.close_lobby(name));
        self.notify(closed);
        let bystanders = self.bystanders(last);
        self.send_all(&bystanders, &ServerMessage::LobbyClosed(name.clone()));
    }

    /// Makes a member the host whose host has gone.
    fn crown(&mut self, heir: ConnId, name: &str, members: &[ConnId]) {
        let Some(game) = self.spaces.of_mut(heir) else { return };
        let Some(lobby) = game.lobby_mut(name) else { return };
        lobby.roster.set_host(&heir);
        let changed = game.changed(name);
        self.notify(changed);
        self.send(heir, &ServerMessage::Transition(Role::Host));
        if let Some(user) = self.user(heir).cloned() {
            self.send_all(members, &ServerMessage::NewHost(user));
        }
    }
}
