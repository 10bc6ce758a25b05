//! What a host does to its lobby. Each request is answered once.

use std::borrow::Cow;
use std::sync::Arc;

use signaling_core::{Close, ConnId};

use super::lobby::Lobby;
use super::{CloudLink5Server, VIOLATION};
use crate::cloudlink5::manage::{Manage, Refusal};
use crate::cloudlink5::wire::{Role, ServerMessage};

/// What is told to whoever is kicked, also as the reason of the close.
const KICKED: &str = "You have been kicked from the lobby.";

impl CloudLink5Server {
    pub(super) fn is_host(&self, conn: ConnId) -> bool {
        let lobby = self.lobby_name(conn).and_then(|name| self.game(conn)?.lobby(&name));
        lobby.is_some_and(|lobby| *lobby.roster.host() == conn)
    }

    pub(super) fn manage(&mut self, host: ConnId, manage: Manage) {
        let Some(name) = self.lobby_name(host) else { return };
        let managed = match manage {
            Manage::Lock => self.change(host, &name, |lobby| lobby.is_locked = true),
            Manage::Unlock => self.change(host, &name, |lobby| lobby.is_locked = false),
            Manage::ChangePassword(password) => {
                let password = self.passwords.lock(&password);
                self.change(host, &name, |lobby| lobby.password = password)
            }
            Manage::ChangeMaxPlayers(number) => self.change_max_players(host, &name, number),
            Manage::CloseLobby => self.close_lobby(host, &name),
            Manage::Kick(id) => return self.kick(host, &name, &id),
            Manage::TransferOwnership(id) => self.transfer(host, &name, &id),
            Manage::Impossible(refusal) => Err(refusal),
        };
        self.acknowledge(host, managed);
    }

    fn acknowledge(&mut self, host: ConnId, managed: Result<(), Refusal>) {
        let text = managed.map_or_else(|refusal| Cow::Owned(refusal.to_string()), |()| "ok".into());
        self.send(host, &ServerMessage::ManageAck(text));
    }

    fn lobby_name(&self, conn: ConnId) -> Option<Arc<str>> {
        self.games.client(conn)?.lobby().cloned()
    }

    fn change(
        &mut self,
        host: ConnId,
        name: &str,
        change: impl FnOnce(&mut Lobby),
    ) -> Result<(), Refusal> {
        self.games.change_lobby(host, name, change);
        Ok(())
    }

    fn change_max_players(&mut self, host: ConnId, name: &str, number: i64) -> Result<(), Refusal> {
        let players = self.game(host).and_then(|game| game.lobby(name)).map_or(0, Lobby::players);
        if number != -1 && number < players as i64 {
            return Err(Refusal::TooManyPeers);
        }
        self.change(host, name, |lobby| lobby.max_players = number)
    }

    fn kick(&mut self, host: ConnId, name: &str, id: &str) {
        let member = match self.member(host, name, id) {
            Ok(member) => member,
            Err(refusal) => return self.acknowledge(host, Err(refusal)),
        };
        self.warn(member, KICKED);
        self.acknowledge(host, Ok(()));
        self.depart(member);
        self.games.out.close(member, Close::new(VIOLATION, KICKED));
    }

    /// The former members, the host last, are the first to hear that the lobby is gone.
    fn close_lobby(&mut self, host: ConnId, name: &Arc<str>) -> Result<(), Refusal> {
        let lobby = self.game(host).and_then(|game| game.lobby(name));
        let mut members = lobby.map(Lobby::members).unwrap_or_default();
        members.retain(|member| *member != host);
        members.push(host);
        self.games.close_lobby(host, name);
        self.send_all(&members, &ServerMessage::Transition(Role::None));
        let mut bystanders = self.bystanders(host);
        bystanders.push(host);
        self.send_all(&bystanders, &ServerMessage::LobbyClosed(name.clone()));
        Ok(())
    }

    fn transfer(&mut self, host: ConnId, name: &str, id: &str) -> Result<(), Refusal> {
        let heir = self.member(host, name, id)?;
        let mut members = Vec::new();
        self.change(host, name, |lobby| {
            lobby.roster.set_host(&heir);
            lobby.roster.leave(&host);
            lobby.roster.join(host, ());
            members = lobby.members();
        })?;
        self.send(host, &ServerMessage::Transition(Role::Peer));
        self.send(heir, &ServerMessage::Transition(Role::Host));
        if let Some(user) = self.user(heir).cloned() {
            self.send_all(&members, &ServerMessage::NewHost(user));
        }
        Ok(())
    }

    /// The member with this `instance_id`; the host itself is none.
    fn member(&self, host: ConnId, name: &str, id: &str) -> Result<ConnId, Refusal> {
        let member = self.game(host).and_then(|game| {
            let conn = game.find(id).filter(|conn| *conn != host)?;
            game.lobby(name)?.roster.contains(&conn).then_some(conn)
        });
        member.ok_or(Refusal::NoPeer)
    }
}
