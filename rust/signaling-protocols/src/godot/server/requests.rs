//! What a session may say, and the answers.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use signaling_core::PeerId;

use super::GodotServer;
use super::entering::{Entry, Way};
use super::session::{REQUESTS, SessionId};
use crate::godot::extended::{Invalid, Json, Object, Problem, Request, ServerEvent};
use crate::godot::refusal::Refusal;
use crate::godot::wire::{self, ClientMessage, RelayKind};

/// What answers a request; `None` when it is answered later.
pub(super) type Outcome = Result<Option<Object>, Refused>;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) problem: Problem,
    message: Option<String>,
    pub(super) details: Object,
}

/// A request that asked for nothing but that it be done.
pub(super) const DONE: fn() -> Outcome = || Ok(Some(Object::default()));

/// What a frame with a list has besides it, in bytes.
const MAX_ENVELOPE: usize = 128;

impl GodotServer {
    pub(super) fn handle_session(
        &mut self,
        now: Instant,
        id: SessionId,
        message: ClientMessage<'_>,
    ) {
        if let ClientMessage::Ping { received, rtt } = message {
            return self.ping(now, id, received, rtt);
        }
        if let ClientMessage::Hello(_) = message {
            return self.misunderstand(id, 0);
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.replay.note_received();
        self.heard_lately(now, id);
        match message {
            ClientMessage::Request { number, request } => self.request(now, id, number, request),
            ClientMessage::Relay { kind, to, data } => self.relay_of(now, id, (kind, to), data),
            ClientMessage::Seal => self.seal_of(now, id),
            ClientMessage::Link { peer: Some(peer), state } => self.report(now, id, peer, state),
            ClientMessage::Link { peer: None, .. } => {}
            ClientMessage::Ready { epoch } => self.ready(id, epoch),
            ClientMessage::Unknown { number, .. } => self.misunderstand(id, number),
            _ => self.misunderstand(id, 0),
        }
    }

    fn request(
        &mut self,
        now: Instant,
        id: SessionId,
        number: u64,
        request: Result<Box<Request>, Invalid>,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let outcome = if session.requests.take(now, &REQUESTS) {
            request
                .map_err(Refused::from)
                .and_then(|request| self.perform(now, id, number, *request))
        } else {
            Err(Problem::RateLimited.into())
        };
        self.conclude(id, number, outcome);
    }

    /// Answers a request.
    pub(super) fn conclude(&mut self, id: SessionId, number: u64, outcome: Outcome) {
        let event = match outcome {
            Ok(Some(result)) => ServerEvent::Done { request: number, result },
            Ok(None) => return,
            Err(refused) => refused.event(number),
        };
        self.tell(id, &event);
    }

    fn perform(&mut self, now: Instant, id: SessionId, number: u64, request: Request) -> Outcome {
        if let Request::List(_) | Request::Watch(_) | Request::QuickJoin { .. } = request {
            self.search(now, id)?;
        }
        match request {
            Request::Create { options, me } => {
                let way = Way::Create(self.draft(options)?);
                self.come_in(now, Entry { session: id, number, way, me })
            }
            Request::Enter { invite: Some(invite), me, .. } => {
                self.accept_invite(now, (id, number), invite, me)
            }
            Request::Enter { code, password, invite: None, me } => {
                self.enter(now, (id, number), &code, &password, me)
            }
            Request::QuickJoin { filter, mut options, me } => {
                // The next who looks for the same shall find it.
                options.metadata = filter.complete(options.metadata);
                let otherwise = self.draft(options)?;
                self.quick_join(now, (id, number), filter, otherwise, me)
            }
            Request::Leave => self.leave_by_request(id),
            Request::UpdateLobby(changes) => self.update_lobby(id, changes),
            Request::UpdateMember { metadata } => self.update_member(id, metadata),
            Request::Remove { peer, reason, is_ban } => self.remove(id, peer, &reason, is_ban),
            Request::Transfer { peer } => self.transfer(id, peer),
            Request::CloseLobby { reason } => self.close_by_request(id, &reason),
            Request::Message { to, data } => self.pass_message(now, id, to, data),
            Request::SetValue { key, value, expected } => {
                self.set_value(id, key, value, expected.as_ref())
            }
            Request::List(query) => self.list(id, &query),
            Request::Watch(filter) => self.watch(now, id, filter),
            Request::Unwatch => self.unwatch(id),
            Request::Find { code } => self.find(now, id, &code),
            Request::SetStatus { namespace, status } => self.set_status(now, id, namespace, status),
            Request::WatchStatus { namespace } => self.watch_status(id, namespace),
            Request::UnwatchStatus { namespace } => self.unwatch_status(id, namespace),
            Request::Invite { user, data } => self.invite(now, id, &user, data),
            Request::DenyInvite { invite } => self.deny_invite(now, id, invite),
            Request::CancelInvite { invite } => self.cancel_invite(id, invite),
        }
    }

    /// As many of the values, from the first on, as the answer to a request has room for.
    pub(super) fn fitting(&self, values: impl Iterator<Item = Value>) -> Vec<Value> {
        let mut room = self.settings.max_message_bytes.saturating_sub(MAX_ENVELOPE);
        let has_room = |value: &Value| {
            let left = room.checked_sub(wire::escape(&value.to_string()).len());
            room = left.unwrap_or(room);
            left.is_some()
        };
        values.take_while(has_room).collect()
    }

    fn misunderstand(&mut self, id: SessionId, number: u64) {
        let why = "no message of this type is understood here";
        self.conclude(id, number, Err(Refused::invalid(why)));
    }

    /// Relays between members of one epoch. An addressee that has just left is no error.
    fn relay_of(
        &mut self,
        now: Instant,
        id: SessionId,
        (kind, to): (RelayKind, Option<PeerId>),
        data: &str,
    ) {
        let Ok((name, me)) = self.inside(id) else { return };
        let Some(lobby) = self.lobbies.get(&name) else { return };
        if !lobby.is_current(me) {
            return;
        }
        if let Err(Refusal::MessageTooLarge) = self.relay(now, &name, me, kind, to, data) {
            self.conclude(id, 0, Err(Refused::invalid(Refusal::MessageTooLarge.to_string())));
        }
    }

    fn seal_of(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if !session.requests.take(now, &REQUESTS) {
            return self.conclude(id, 0, Err(Problem::RateLimited.into()));
        }
        let sealed = self
            .inside(id)
            .and_then(|(name, me)| self.seal(now, &name, me).map_err(|_| Problem::NotHost));
        if let Err(problem) = sealed {
            self.conclude(id, 0, Err(problem.into()));
        }
    }

    /// A member knows of an epoch.
    fn ready(&mut self, id: SessionId, epoch: u64) {
        let Ok((name, me)) = self.inside(id) else { return };
        let Some(lobby) = self.lobbies.get_mut(&name) else { return };
        let present = lobby.epoch;
        if let Some(member) = lobby.roster.get_mut(&me) {
            member.epoch = epoch.clamp(member.epoch, present);
        }
    }

    /// Where a session is.
    pub(super) fn inside(&self, id: SessionId) -> Result<(Arc<str>, PeerId), Problem> {
        let place = self.sessions.get(id).and_then(|session| session.place.clone());
        place.ok_or(Problem::NotInLobby)
    }

    /// The lobby of which a session is the host.
    pub(super) fn hosted(&self, id: SessionId) -> Result<Arc<str>, Problem> {
        let (name, me) = self.inside(id)?;
        let is_host = self.lobbies.get(&name).is_some_and(|lobby| lobby.host() == me);
        if is_host { Ok(name) } else { Err(Problem::NotHost) }
    }
}

impl Refused {
    pub(super) fn invalid(why: impl Into<String>) -> Self {
        let message = Some(why.into());
        Self { problem: Problem::Invalid, message, details: Object::default() }
    }

    /// Whoever decides said no, with these words or none.
    pub(super) fn rejected(words: String) -> Self {
        let message = Some(words).filter(|words| !words.is_empty());
        Self { message, ..Problem::Rejected.into() }
    }

    /// The value is not the one that was expected.
    pub(super) fn conflict(present: Option<&Json>) -> Self {
        let value = present.map(|present| ("value".to_owned(), present.value()));
        let details = value.into_iter().collect::<serde_json::Map<_, _>>().into();
        Self { details, ..Problem::Conflict.into() }
    }

    fn event(self, request: u64) -> ServerEvent {
        let Self { problem, message, details } = self;
        let message = message.unwrap_or_else(|| problem.sentence().to_owned());
        ServerEvent::Refused { request, problem, message, details }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, message: None, details: Object::default() }
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self::invalid(invalid.to_string())
    }
}
