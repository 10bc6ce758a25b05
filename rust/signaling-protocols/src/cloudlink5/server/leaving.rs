//! Leaving, for whatever reason, and who becomes the host.

use signaling_core::ConnId;
use signaling_core::games::Departure;

use super::CloudLink5Server;
use super::lobby::Lobby;
use crate::cloudlink5::wire::{Role, ServerMessage};

impl CloudLink5Server {
    /// Forgets a connection, whatever its end.
    pub(super) fn depart(&mut self, conn: ConnId) {
        self.leave_lobby(conn);
        self.games.leave(conn);
    }

    /// Takes a client out of its lobby, if it is in one; it is told nothing itself.
    pub(super) fn leave_lobby(&mut self, conn: ConnId) {
        let id = self.games.id(conn);
        let Some(Departure { lobby: name, was_host }) = self.games.leave_lobby(conn) else {
            return;
        };
        let lobby = self.game(conn).and_then(|game| game.lobby(&name));
        let rest = lobby.map(Lobby::members).unwrap_or_default();
        match rest.first() {
            None => {
                let bystanders = self.bystanders(conn);
                self.send_all(&bystanders, &ServerMessage::LobbyClosed(name));
            }
            Some(&oldest) if was_host => self.crown(oldest, &name, &rest),
            Some(_) => {}
        }
        self.send_all(&rest, &ServerMessage::PeerLeft(id));
    }

    /// Makes a member the host whose host has gone.
    fn crown(&mut self, heir: ConnId, name: &str, members: &[ConnId]) {
        self.games.change_lobby(heir, name, |lobby| lobby.roster.set_host(&heir));
        self.send(heir, &ServerMessage::Transition(Role::Host));
        if let Some(user) = self.user(heir).cloned() {
            self.send_all(members, &ServerMessage::NewHost(user));
        }
    }
}
