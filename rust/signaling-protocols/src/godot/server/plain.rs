//! What a plain connection may say.

use std::sync::Arc;
use std::time::Instant;

use signaling_core::code;
use signaling_core::ids::alphanumeric;
use signaling_core::{ConnId, PeerId};

use super::lobby::{Guest, Lobby, Member};
use super::notice::ServerNotice;
use super::session::Session;
use super::{GodotServer, Timer};
use crate::godot::Topology;
use crate::godot::extended::Problem;
use crate::godot::refusal::Refusal;
use crate::godot::wire::{self, ClientMessage, RelayKind, ServerMessage};

const LOBBY_NAME_LENGTH: usize = 16;

/// How a plain connection comes into a lobby.
#[derive(Debug)]
pub(super) enum PlainWay {
    Create(Topology),
    Join(Arc<str>),
}

impl GodotServer {
    /// The first message of a connection that does not say HELLO.
    pub(super) fn handle_fresh(
        &mut self,
        now: Instant,
        conn: ConnId,
        message: ClientMessage<'_>,
    ) -> Result<(), Refusal> {
        if !self.takes_plain() {
            return Err(Refusal::Problem(Problem::WrongVersion));
        }
        match message {
            ClientMessage::Create { topology } => {
                self.come_in_plain(now, conn, PlainWay::Create(topology))
            }
            ClientMessage::Join { lobby } => self.join_plain(now, conn, &lobby),
            _ => Err(Refusal::NotInLobby),
        }
    }

    /// Whether plain clients are served, who cannot say which game they are.
    fn takes_plain(&self) -> bool {
        self.settings.game.is_empty() && self.settings.build.is_empty()
    }

    pub(super) fn handle_plain(
        &mut self,
        now: Instant,
        lobby: &Arc<str>,
        peer: PeerId,
        message: &ClientMessage<'_>,
    ) -> Result<(), Refusal> {
        match message {
            ClientMessage::Create { .. } | ClientMessage::Join { .. } => {
                Err(Refusal::AlreadyInLobby)
            }
            ClientMessage::Seal => self.seal(now, lobby, peer),
            ClientMessage::Relay { kind, to, data } => {
                self.relay(now, lobby, peer, *kind, *to, data)
            }
            _ => Err(Refusal::InvalidCommand),
        }
    }

    fn join_plain(&mut self, now: Instant, conn: ConnId, name: &str) -> Result<(), Refusal> {
        let address = self.address(conn);
        if !self.guesses.may_guess(now, &address) {
            return Err(Refusal::Problem(Problem::RateLimited));
        }
        let Some(lobby) = self.lobby_of_code(name) else {
            // The names of the plain protocol are too long to be guessed.
            if code::normalize(name).is_some() {
                self.guesses.count(now, &address);
            }
            return Err(Refusal::NoSuchLobby);
        };
        let way = PlainWay::Join(lobby.name.clone());
        self.come_in_plain(now, conn, way)
    }

    /// Whether a plain connection can come into a lobby as things are.
    pub(super) fn check_plain(&self, conn: ConnId, way: &PlainWay) -> Result<(), Refusal> {
        let name = match way {
            PlainWay::Create(_) if self.lobbies.len() >= self.settings.max_lobbies => {
                return Err(Refusal::TooManyLobbies);
            }
            PlainWay::Create(_) => return Ok(()),
            PlainWay::Join(name) => name,
        };
        let lobby = self.lobbies.get(name).ok_or(Refusal::NoSuchLobby)?;
        if lobby.sealed {
            return Err(Refusal::LobbySealed);
        }
        let identity = self.identity(Guest::Plain(conn));
        lobby.admits(identity.as_ref()).map_err(Refusal::Problem)?;
        if lobby.is_locked {
            return Err(Refusal::Problem(Problem::Locked));
        }
        if lobby.password.is_some() {
            return Err(Refusal::Problem(Problem::WrongPassword));
        }
        Ok(())
    }

    /// Lets a plain connection in that was checked.
    pub(super) fn grant_plain(&mut self, now: Instant, conn: ConnId, way: &PlainWay) {
        let member = Member::plain(conn);
        match way {
            PlainWay::Create(topology) => {
                let name = self.draw_name();
                self.found(Lobby::plain(name, *topology, member, now));
            }
            PlainWay::Join(name) => self.admit(name, member),
        }
    }

    /// What a plain connection may say that waits for a decision: nothing.
    pub(super) fn interrupt(message: &ClientMessage<'_>) -> Refusal {
        match message {
            ClientMessage::Create { .. } | ClientMessage::Join { .. } => Refusal::AlreadyInLobby,
            _ => Refusal::NotInLobby,
        }
    }

    /// Seals a lobby, for members of either protocol.
    pub(super) fn seal(
        &mut self,
        now: Instant,
        name: &Arc<str>,
        peer: PeerId,
    ) -> Result<(), Refusal> {
        let Some(lobby) = self.lobbies.get_mut(name) else { return Ok(()) };
        if peer != lobby.host() {
            return Err(Refusal::NotHost);
        }
        let members = lobby.guests();
        if !std::mem::replace(&mut lobby.sealed, true) {
            self.timers.set(Timer::Seal(name.clone()), now + self.settings.seal_timeout);
            self.notify(ServerNotice::LobbySealed { lobby: name.clone() });
        }
        let sealed = ServerMessage::Sealed.encode();
        for (_, guest) in members {
            self.send_text(guest, sealed.clone());
        }
        Ok(())
    }

    /// Passes something on, for members of either protocol. What is too much, for the server or
    /// for the addressee, is dropped.
    pub(super) fn relay(
        &mut self,
        now: Instant,
        lobby: &str,
        from: PeerId,
        kind: RelayKind,
        to: Option<PeerId>,
        data: &str,
    ) -> Result<(), Refusal> {
        let lobby = self.lobbies.get(lobby);
        let guest = |peer| lobby?.roster.get(&peer).map(|member| member.guest);
        let sender = guest(from).ok_or(Refusal::NotInLobby)?;
        let guest = to.and_then(guest).ok_or(Refusal::InvalidDestination)?;
        let text = wire::relay(kind, from, data);
        if text.len() > self.settings.max_message_bytes {
            return Err(Refusal::MessageTooLarge);
        }
        if self.may_relay(now, sender, text.len()) && self.keeps_up(guest) {
            self.send_text(guest, text);
        }
        Ok(())
    }

    /// Whether somebody may have so many bytes more relayed now; they count.
    fn may_relay(&mut self, now: Instant, guest: Guest, bytes: usize) -> bool {
        let bucket = match guest {
            Guest::Plain(conn) => self.conns.get_mut(&conn).map(|conn| &mut conn.relays),
            Guest::Session(id) => self.sessions.get_mut(id).map(|session| &mut session.relays),
        };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        bucket.is_some_and(|bucket| bucket.take_many(bytes, now, &self.settings.relays))
    }

    /// Whether there is room for what another member sends: nobody loses its place by it.
    fn keeps_up(&self, guest: Guest) -> bool {
        match guest {
            Guest::Plain(_) => true,
            Guest::Session(id) => self.sessions.get(id).is_some_and(Session::keeps_up),
        }
    }

    fn draw_name(&mut self) -> Arc<str> {
        loop {
            let name = alphanumeric(&mut self.rng, LOBBY_NAME_LENGTH);
            if !self.lobbies.contains_key(&*name) {
                return name.into();
            }
        }
    }
}
