//! Creating and joining lobbies.

use std::sync::Arc;
use std::time::Instant;

use signaling_core::PeerId;
use signaling_core::code;
use signaling_core::password::Sealed;

use super::lobby::{Edition, Guest, Identity, Lobby, Member};
use super::notice::{LobbyInfo, ServerNotice};
use super::requests::{Outcome, Refused};
use super::session::SessionId;
use super::{GodotServer, Place, Timer};
use crate::godot::extended::{Filter, LobbyEntry, LobbyOptions, Object, Problem, ServerEvent};
use crate::godot::wire::ServerMessage;

/// A request to come into a lobby. It may wait for a decision, so nothing secret can be read in it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: SessionId,
    /// The client's number of the request.
    pub(super) number: u64,
    pub(super) way: Way,
    /// What the others shall see of the session.
    pub(super) me: Object,
}

/// How to come into a lobby.
#[derive(Debug)]
pub(super) enum Way {
    Create(Draft),
    Join {
        lobby: Arc<str>,
        password: Sealed,
    },
    Invited {
        lobby: Arc<str>,
        invite: u64,
    },
    /// What QUICK_JOIN has found, and what it was looking for.
    Quick {
        lobby: Arc<str>,
        filter: Filter,
        otherwise: Draft,
    },
}

/// A lobby that shall be created. The password is not in the options.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) options: LobbyOptions,
    password: Option<Sealed>,
}

impl Draft {
    /// What lists will tell of it.
    pub(super) fn entry(&self, host_name: String) -> LobbyEntry {
        LobbyEntry { has_password: self.password.is_some(), ..self.options.entry(host_name) }
    }
}

impl GodotServer {
    /// A lobby as a client wants it.
    pub(super) fn draft(&self, mut options: LobbyOptions) -> Result<Draft, Refused> {
        self.check_metadata(&options.metadata)?;
        let password = std::mem::take(&mut options.password);
        let password = self.passwords.lock(&password);
        Ok(Draft { options, password })
    }

    /// Checks the metadata of a lobby.
    pub(super) fn check_metadata(&self, metadata: &Object) -> Result<(), Refused> {
        let max = self.settings.max_metadata_bytes;
        if metadata.to_string().len() <= max {
            return Ok(());
        }
        let why = format!("`metadata` must be JSON of at most {max} bytes and 16 levels");
        Err(Refused::invalid(why))
    }

    pub(super) fn enter(
        &mut self,
        now: Instant,
        (session, number): (SessionId, u64),
        code: &str,
        password: &str,
        me: Object,
    ) -> Outcome {
        self.outside(session)?;
        self.guess(now, session, |server| {
            let lobby = server.lobby_of_code(code).ok_or(Problem::NotFound)?.name.clone();
            let way = Way::Join { lobby, password: server.passwords.seal(password) };
            server.come_in(now, Entry { session, number, way, me })
        })
    }

    pub(super) fn accept_invite(
        &mut self,
        now: Instant,
        (session, number): (SessionId, u64),
        invite: u64,
        me: Object,
    ) -> Outcome {
        self.outside(session)?;
        let way = Way::Invited { lobby: self.lobby_of_invite(invite, session)?, invite };
        self.come_in(now, Entry { session, number, way, me })
    }

    /// Does what depends on something that was typed, which one address may get wrong only so often.
    pub(super) fn guess(
        &mut self,
        now: Instant,
        id: SessionId,
        attempt: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome {
        let address = self.sessions.get(id).ok_or(Problem::Lost)?.address.clone();
        if !self.guesses.may_guess(now, &address) {
            return Err(Problem::RateLimited.into());
        }
        let outcome = attempt(self);
        if let Err(Refused { problem: Problem::NotFound | Problem::WrongPassword, .. }) = outcome {
            self.guesses.count(now, &address);
        }
        outcome
    }

    pub(super) fn quick_join(
        &mut self,
        now: Instant,
        (session, number): (SessionId, u64),
        filter: Filter,
        otherwise: Draft,
        me: Object,
    ) -> Outcome {
        self.outside(session)?;
        let way = match self.best_lobby(session, &filter) {
            Some(lobby) => Way::Quick { lobby, filter, otherwise },
            None => Way::Create(otherwise),
        };
        self.come_in(now, Entry { session, number, way, me })
    }

    /// Whether a request to come into a lobby can be granted as things are.
    pub(super) fn check_entry(&self, entry: &Entry) -> Result<(), Problem> {
        let id = entry.session;
        self.outside(id)?;
        match &entry.way {
            Way::Create(_) if self.lobbies.len() >= self.settings.max_lobbies => {
                Err(Problem::ServerFull)
            }
            Way::Create(_) => Ok(()),
            Way::Join { lobby, password } => self.check_join(id, lobby, Some(password)),
            Way::Quick { lobby, .. } => self.check_join(id, lobby, None),
            Way::Invited { invite, .. } => {
                self.check_place(id, &self.lobby_of_invite(*invite, id)?).map(drop)
            }
        }
    }

    /// Whether a session may join a lobby uninvited.
    fn check_join(
        &self,
        id: SessionId,
        name: &str,
        password: Option<&Sealed>,
    ) -> Result<(), Problem> {
        self.check_place(id, name)?.check_door(password)
    }

    /// The lobby with this name, if there is a place for a session in it.
    fn check_place(&self, id: SessionId, name: &str) -> Result<&Lobby, Problem> {
        let session = self.sessions.get(id).ok_or(Problem::Lost)?;
        let lobby = self.lobbies.get(name).ok_or(Problem::NotFound)?;
        let identity = self.identity(Guest::Session(id));
        lobby.check_place(&session.edition, identity.as_ref())?;
        Ok(lobby)
    }

    /// Grants a request that was checked.
    pub(super) fn grant(&mut self, now: Instant, entry: Entry) -> Outcome {
        let Entry { session: id, way, me, .. } = entry;
        let session = self.sessions.get(id).ok_or(Problem::Lost)?;
        let member = session.member(id, me);
        match way {
            Way::Create(draft) => {
                let edition = session.edition.clone();
                self.create(now, draft, edition, member);
            }
            Way::Join { lobby, .. } | Way::Quick { lobby, .. } => self.admit(&lobby, member),
            Way::Invited { lobby, invite } => {
                self.admit(&lobby, member);
                self.answer_invite(invite, true);
            }
        }
        self.view_of(id)
    }

    fn create(&mut self, now: Instant, draft: Draft, edition: Edition, host: Member) {
        let Draft { options, password } = draft;
        let taken = |name: &str| self.lobbies.contains_key(name);
        let name: Arc<str> = code::draw(&mut self.rng, options.code_length, taken).into();
        self.found(Lobby {
            max_players: options.max_players,
            is_public: options.is_public,
            password,
            metadata: options.metadata,
            host_policy: options.host_policy,
            edition: Some(edition),
            ..Lobby::plain(name, options.topology, host, now)
        });
    }

    /// The public lobby with the most players that can be joined at once; of several the oldest.
    fn best_lobby(&self, id: SessionId, filter: &Filter) -> Option<Arc<str>> {
        let edition = &self.sessions.get(id)?.edition;
        let identity = self.identity(Guest::Session(id));
        let fits = |lobby: &&Lobby| {
            lobby.is_public
                && lobby.is_host_there()
                && lobby.check_place(edition, identity.as_ref()).is_ok()
                && lobby.check_door(None).is_ok()
                && filter.fits(&lobby.metadata)
        };
        let lobbies = self.lobbies.values().filter(fits);
        let best = lobbies.max_by_key(|lobby| {
            (lobby.roster.len(), std::cmp::Reverse((lobby.created, lobby.name.clone())))
        });
        best.map(|lobby| lobby.name.clone())
    }

    /// The lobby with this name, or with this code as somebody typed it.
    pub(super) fn lobby_of_code(&self, code: &str) -> Option<&Lobby> {
        let typed = || self.lobbies.get(&*code::normalize(code)?);
        self.lobbies.get(code).or_else(typed)
    }

    /// Opens a lobby with its host in it.
    pub(super) fn found(&mut self, lobby: Lobby) {
        let name = lobby.name.clone();
        let info = Box::new(LobbyInfo { members: Vec::new(), ..lobby.info() });
        self.notify(ServerNotice::LobbyCreated { info });
        let guest = lobby.roster.get(&PeerId::HOST).map(|host| host.guest);
        self.lobbies.insert(name.clone(), lobby);
        if let Some(guest) = guest {
            self.settle(guest, &name, PeerId::HOST);
            self.greet(guest, &name, PeerId::HOST, &[]);
        }
    }

    /// Lets a member in, and tells everybody who has to know.
    pub(super) fn admit(&mut self, name: &Arc<str>, mut member: Member) {
        let Some(lobby) = self.lobbies.get_mut(name) else { return };
        let peer = PeerId::draw(&mut self.rng, |id| lobby.roster.contains(&id));
        let known: Vec<(PeerId, Guest)> = lobby.told_of_others().collect();
        let guest = member.guest;
        member.epoch = lobby.epoch;
        lobby.roster.join(peer, member);

        self.settle(guest, name, peer);
        self.greet(guest, name, peer, &known);
        self.announce(name, (peer, guest));
    }

    /// What somebody is told who is in a lobby now, `known` being whom it connects to.
    fn greet(&mut self, guest: Guest, name: &str, me: PeerId, known: &[(PeerId, Guest)]) {
        let Some(lobby) = self.lobbies.get(name) else { return };
        let mut messages = vec![ServerMessage::Identified { id: me, topology: lobby.topology }];
        let is_extended = matches!(guest, Guest::Session(_));
        if is_extended {
            let members = lobby.roster.iter().filter_map(|(peer, _)| lobby.member_view(*peer));
            messages.extend(members.map(|view| ServerMessage::Extended(ServerEvent::Member(view))));
        }
        messages.extend(known.iter().map(|(peer, _)| ServerMessage::PeerConnected(*peer)));
        if is_extended {
            let values = lobby.values.iter().map(|(key, value)| ServerEvent::Value {
                key: key.clone(),
                value: Some(value.clone()),
                by: None,
            });
            messages.extend(values.map(ServerMessage::Extended));
        }
        messages.push(ServerMessage::Joined { lobby: name.to_owned().into() });
        for message in messages {
            self.send(guest, &message);
        }
    }

    /// Notes that a guest is in a lobby now.
    fn settle(&mut self, guest: Guest, lobby: &Arc<str>, peer: PeerId) {
        match guest {
            Guest::Plain(conn) => {
                self.timers.cancel(&Timer::Join(conn));
                if let Some(conn) = self.conns.get_mut(&conn) {
                    conn.place = Place::Plain { lobby: lobby.clone(), peer };
                }
            }
            Guest::Session(id) => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.place = Some((lobby.clone(), peer));
                }
            }
        }
        self.notify(ServerNotice::PeerJoined { lobby: lobby.clone(), peer });
    }

    /// Checks that a session is in no lobby.
    fn outside(&self, id: SessionId) -> Result<(), Problem> {
        let is_inside = self.sessions.get(id).is_some_and(|session| session.place.is_some());
        if is_inside { Err(Problem::InLobby) } else { Ok(()) }
    }

    /// The answer to whoever has just entered a lobby.
    fn view_of(&self, id: SessionId) -> Outcome {
        let (name, peer) = self.inside(id)?;
        let lobby = self.lobbies.get(&name).ok_or(Problem::NotInLobby)?;
        Ok(Some(lobby.view(peer).to_object()))
    }
}

impl Lobby {
    /// Whether it is for players of this game and build. Lobbies of other games are out of reach.
    pub(super) fn takes(&self, edition: &Edition) -> Result<(), Problem> {
        match &self.edition {
            Some(own) if own.game != edition.game => Err(Problem::NotFound),
            Some(own) if own.build != edition.build => Err(Problem::WrongVersion),
            _ => Ok(()),
        }
    }

    /// Whether there is a place in it for a session of this edition.
    fn check_place(&self, edition: &Edition, identity: Option<&Identity>) -> Result<(), Problem> {
        if self.sealed {
            return Err(Problem::Sealed);
        }
        self.takes(edition)?;
        self.admits(identity)
    }

    /// Whether lock and password let somebody in.
    fn check_door(&self, password: Option<&Sealed>) -> Result<(), Problem> {
        if self.is_locked {
            return Err(Problem::Locked);
        }
        let is_open = self.password.is_none() || self.password.as_ref() == password;
        if is_open { Ok(()) } else { Err(Problem::WrongPassword) }
    }

    /// Whether somebody may be in it at all, password and lock aside.
    pub(super) fn admits(&self, identity: Option<&Identity>) -> Result<(), Problem> {
        let is_banned =
            |person: &Identity| self.banned.iter().any(|banned| banned.resembles(person));
        if identity.is_some_and(is_banned) {
            Err(Problem::Banned)
        } else if self.is_full() {
            Err(Problem::Full)
        } else {
            Ok(())
        }
    }
}
