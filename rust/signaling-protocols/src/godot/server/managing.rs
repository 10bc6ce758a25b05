//! What members and hosts do to a lobby.

use std::sync::Arc;
use std::time::Instant;

use signaling_core::PeerId;
use signaling_core::address::neighbourhood;

use super::GodotServer;
use super::latest::{Change, Topic};
use super::lobby::{Guest, Identity};
use super::requests::{DONE, Outcome, Refused};
use super::session::{MESSAGES, Session, SessionId};
use crate::godot::Topology;
use crate::godot::extended::{Json, LobbyChanges, Object, Problem, ServerEvent, limits};
use crate::godot::refusal::refused;

impl GodotServer {
    pub(super) fn update_lobby(&mut self, id: SessionId, changes: LobbyChanges) -> Outcome {
        let name = self.hosted(id)?;
        changes.metadata.as_ref().map_or(Ok(()), |metadata| self.check_metadata(metadata))?;
        let Some(lobby) = self.lobbies.get_mut(&name) else { return Err(Problem::NotHost.into()) };
        lobby.max_players = changes.max_players.unwrap_or(lobby.max_players);
        lobby.is_public = changes.is_public.unwrap_or(lobby.is_public);
        lobby.is_locked = changes.is_locked.unwrap_or(lobby.is_locked);
        if let Some(password) = changes.password {
            lobby.password = self.passwords.lock(&password);
        }
        lobby.metadata = changes.metadata.unwrap_or_else(|| std::mem::take(&mut lobby.metadata));
        let entry = lobby.entry();
        self.tell_lobby_latest(&name, (&Topic::Lobby, Change::Changed), &ServerEvent::Lobby(entry));
        self.notify_changed(&name);
        DONE()
    }

    pub(super) fn update_member(&mut self, id: SessionId, metadata: Object) -> Outcome {
        let (name, me) = self.inside(id)?;
        let lobby = self.lobbies.get_mut(&name).ok_or(Problem::NotInLobby)?;
        if let Some(member) = lobby.roster.get_mut(&me) {
            member.metadata = metadata;
        }
        if let Some(view) = lobby.member_view(me) {
            let news = (&Topic::Member(Guest::Session(id)), Change::Changed);
            self.tell_lobby_latest(&name, news, &ServerEvent::Member(view));
        }
        DONE()
    }

    pub(super) fn remove(
        &mut self,
        id: SessionId,
        peer: PeerId,
        reason: &str,
        is_ban: bool,
    ) -> Outcome {
        let name = self.hosted(id)?;
        let lobby = self.lobbies.get_mut(&name).ok_or(Problem::NotHost)?;
        if peer == lobby.host() {
            return Err(Refused::invalid("You cannot remove yourself, but leave the lobby."));
        }
        let guest = lobby.roster.get(&peer).map(|member| member.guest);
        let guest = guest.ok_or(Problem::NoSuchMember)?;
        let problem = if is_ban { Problem::Banned } else { Problem::Kicked };
        if is_ban && let Some(identity) = self.identity(guest) {
            self.lobbies.entry(name.clone()).and_modify(|lobby| lobby.ban(identity));
        }
        let message = if reason.is_empty() { problem.sentence() } else { reason };
        self.leave(&name, peer, Some(problem));
        match guest {
            Guest::Plain(conn) => self.close(conn, refused(message)),
            Guest::Session(session) => {
                let message = message.to_owned();
                self.tell(session, &ServerEvent::Left { problem, message });
            }
        }
        DONE()
    }

    /// What tells a guest from others.
    pub(super) fn identity(&self, guest: Guest) -> Option<Identity> {
        match guest {
            Guest::Session(id) => self.sessions.get(id).map(|session| Identity {
                token: self.passwords.lock(&session.auth),
                user: session.user.clone(),
                name: session.name.clone(),
                home: neighbourhood(&session.address),
            }),
            Guest::Plain(conn) => self.conns.get(&conn).map(|conn| Identity {
                token: None,
                user: String::new(),
                name: String::new(),
                home: neighbourhood(&conn.address),
            }),
        }
    }

    pub(super) fn transfer(&mut self, id: SessionId, peer: PeerId) -> Outcome {
        let name = self.hosted(id)?;
        let lobby = self.lobbies.get_mut(&name).ok_or(Problem::NotHost)?;
        let can_host = lobby.roster.get(&peer).is_some_and(|member| {
            matches!(member.guest, Guest::Session(_)) && member.away.is_none()
        });
        if !can_host {
            return Err(Problem::NoSuchMember.into());
        }
        if peer != lobby.host() {
            self.make_host(&name, peer);
        }
        DONE()
    }

    pub(super) fn close_by_request(&mut self, id: SessionId, reason: &str) -> Outcome {
        let name = self.hosted(id)?;
        self.close_lobby(&name, reason);
        DONE()
    }

    pub(super) fn pass_message(
        &mut self,
        now: Instant,
        id: SessionId,
        to: Option<PeerId>,
        data: Json,
    ) -> Outcome {
        let (name, from) = self.inside(id)?;
        let Some(session) = self.sessions.get_mut(id) else { return Err(Problem::Lost.into()) };
        if !session.messages.take(now, &MESSAGES) {
            return Err(Problem::RateLimited.into());
        }
        let event = ServerEvent::Message { from, is_for_all: to.is_none(), data };
        let Some(to) = to else {
            self.say_to_all(&name, from, &event);
            return DONE();
        };
        let lobby = self.lobbies.get(&name).filter(|lobby| lobby.is_current(from));
        let lobby = lobby.ok_or(Problem::NoSuchMember)?;
        match lobby.roster.get(&to).map(|member| member.guest) {
            Some(Guest::Session(session)) => self.say(session, event.encode()),
            Some(Guest::Plain(_)) | None => return Err(Problem::NoSuchMember.into()),
        }
        DONE()
    }

    fn say_to_all(&mut self, name: &str, from: PeerId, event: &ServerEvent) {
        let Some(lobby) = self.lobbies.get(name) else { return };
        let text = event.encode();
        for (_, session) in lobby.sessions().into_iter().filter(|(peer, _)| *peer != from) {
            self.say(session, text.clone());
        }
    }

    /// Tells a session what is lost for whoever does not keep up.
    fn say(&mut self, to: SessionId, text: Arc<str>) {
        if self.sessions.get(to).is_some_and(Session::keeps_up) {
            self.send_text(Guest::Session(to), text);
        }
    }

    pub(super) fn set_value(
        &mut self,
        id: SessionId,
        key: String,
        value: Option<Json>,
        expected: Option<&Json>,
    ) -> Outcome {
        let (name, me) = self.inside(id)?;
        let lobby = self.lobbies.get_mut(&name).ok_or(Problem::NotInLobby)?;
        let present = lobby.values.get(&key);
        if present != expected {
            return Err(Refused::conflict(present));
        }
        let change = match (present, &value) {
            (None, _) => Change::New,
            (_, None) => Change::Gone,
            _ => Change::Changed,
        };
        let is_added = present.is_none() && value.is_some();
        if is_added && lobby.values.len() >= limits::VALUES {
            let why = format!("a lobby has at most {} values", limits::VALUES);
            return Err(Refused::invalid(why));
        }
        match value.clone() {
            Some(value) => drop(lobby.values.insert(key.clone(), value)),
            None => drop(lobby.values.remove(&key)),
        }
        let topic = Topic::Value(key.clone());
        let event = ServerEvent::Value { key, value, by: Some(me) };
        self.tell_lobby_latest(&name, (&topic, change), &event);
        DONE()
    }

    /// Ends a lobby on behalf of its host or of the embedding program.
    pub(super) fn close_lobby(&mut self, name: &str, reason: &str) {
        let problem = Problem::Closed;
        let message = if reason.is_empty() { problem.sentence() } else { reason };
        self.dissolve(name, &refused(message), problem, message);
    }

    /// Another member is the host from now on.
    pub(super) fn make_host(&mut self, name: &str, peer: PeerId) {
        self.introduce_host(name, peer);
        let Some(lobby) = self.lobbies.get_mut(name) else { return };
        match lobby.topology {
            Topology::Mesh => {
                lobby.roster.set_host(&peer);
                self.tell_lobby(name, None, &ServerEvent::Host { peer });
                self.notify_changed(name);
            }
            Topology::ClientServer => self.begin_epoch(name, peer),
        }
    }
}
