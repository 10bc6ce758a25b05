//! Invitations into lobbies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, json};
use signaling_core::address::neighbourhood;
use signaling_core::rate::{Buckets, Rate};

use super::GodotServer;
use super::lobby::Lobby;
use super::requests::{DONE, Outcome};
use super::session::{MESSAGES, Session, SessionId};
use crate::godot::extended::{Json, Problem, ServerEvent};

/// Invitations that one session may have made, and that may wait for one session.
const MAX_OPEN: usize = 16;
/// How many of those that wait for one session may come from one address.
const MAX_OF_ADDRESS: usize = 4;
/// How often somebody may be denied by the same user and still invite it again.
const DENIED: Rate = Rate { interval: Duration::from_secs(60), burst: 3 };
/// Pairs of inviters and invited that are remembered for it.
const MAX_DENIED: usize = 4096;

/// All invitations that are not answered yet.
#[derive(Debug)]
pub(super) struct Invites {
    open: BTreeMap<u64, Invite>,
    by_inviter: BTreeSet<(SessionId, u64)>,
    by_invitee: BTreeSet<(SessionId, u64)>,
    /// By inviter and invited.
    denied: Buckets<(SessionId, SessionId)>,
    last: u64,
}

impl Default for Invites {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            by_inviter: BTreeSet::new(),
            by_invitee: BTreeSet::new(),
            denied: Buckets::new(MAX_DENIED),
            last: 0,
        }
    }
}

/// An invitation into the lobby that the inviter is in: it ends when the inviter leaves.
#[derive(Debug, Clone, Copy)]
struct Invite {
    from: SessionId,
    to: SessionId,
}

impl GodotServer {
    pub(super) fn invite(
        &mut self,
        now: Instant,
        id: SessionId,
        user: &str,
        data: Option<Json>,
    ) -> Outcome {
        let (lobby, _) = self.inside(id)?;
        let to = self.invitee(id, user)?;
        if !self.sessions.get(to).is_some_and(Session::keeps_up) {
            return Err(Problem::ServerFull.into());
        }
        self.check_invite(now, Invite { from: id, to })?;
        let session = self.sessions.get_mut(id).ok_or(Problem::Lost)?;
        if !session.messages.take(now, &MESSAGES) {
            return Err(Problem::RateLimited.into());
        }
        let (user, name) = (session.user.clone(), session.name.clone());
        let lobby = self.lobbies.get(&lobby).map(Lobby::entry).ok_or(Problem::NotInLobby)?;
        let invite = self.invites.open(Invite { from: id, to })?;
        self.tell(to, &ServerEvent::Invited { invite, user, name, lobby, data });
        Ok(Some(Map::from_iter([("invite".to_owned(), json!(invite))]).into()))
    }

    /// Nobody invites the same user twice at once, or again and again when it denies, and no address
    /// takes all the places that others need.
    fn check_invite(&self, now: Instant, Invite { from, to }: Invite) -> Result<(), Problem> {
        let inviters = || {
            let waiting = of(&self.invites.by_invitee, to).into_iter();
            waiting.filter_map(|number| self.invites.open.get(&number)).map(|invite| invite.from)
        };
        let may_ask = self.invites.denied.has_token(&(from, to), now, &DENIED);
        if !may_ask || inviters().any(|other| other == from) {
            return Err(Problem::RateLimited);
        }
        let home = |id| self.sessions.get(id).map(|session| neighbourhood(&session.address));
        let neighbours = inviters().filter(|other| home(*other) == home(from)).count();
        if neighbours < MAX_OF_ADDRESS { Ok(()) } else { Err(Problem::ServerFull) }
    }

    /// Another session of the same game.
    fn invitee(&self, id: SessionId, user: &str) -> Result<SessionId, Problem> {
        let game = |id| self.sessions.get(id).map(|session| &session.edition.game);
        let other = self.sessions.of_user(user).filter(|other| *other != id);
        other.filter(|other| game(*other) == game(id)).ok_or(Problem::NoSuchUser)
    }

    pub(super) fn deny_invite(&mut self, now: Instant, id: SessionId, invite: u64) -> Outcome {
        let Invite { from, to } = self.invites.received(invite, id)?;
        self.invites.denied.take(&(from, to), now, &DENIED);
        self.answer_invite(invite, false);
        DONE()
    }

    pub(super) fn cancel_invite(&mut self, id: SessionId, invite: u64) -> Outcome {
        self.invites.sent(invite, id)?;
        self.revoke_invite(invite);
        DONE()
    }

    /// The lobby that a session was invited into.
    pub(super) fn lobby_of_invite(&self, invite: u64, to: SessionId) -> Result<Arc<str>, Problem> {
        let Invite { from, .. } = self.invites.received(invite, to)?;
        self.inside(from).map(|(lobby, _)| lobby).map_err(|_| Problem::NoSuchInvite)
    }

    /// Ends an invitation, and tells the inviter how.
    pub(super) fn answer_invite(&mut self, invite: u64, is_accepted: bool) {
        if let Some(Invite { from, .. }) = self.invites.close(invite) {
            self.tell(from, &ServerEvent::InviteAnswered { invite, is_accepted });
        }
    }

    fn revoke_invite(&mut self, invite: u64) {
        if let Some(Invite { to, .. }) = self.invites.close(invite) {
            self.tell(to, &ServerEvent::InviteCancelled { invite });
        }
    }

    /// Takes back all invitations of a session that leaves its lobby.
    pub(super) fn revoke_invites(&mut self, from: SessionId) {
        for invite in of(&self.invites.by_inviter, from) {
            self.revoke_invite(invite);
        }
    }

    /// Declines all invitations of a session that ends.
    pub(super) fn decline_invites(&mut self, to: SessionId) {
        for invite in of(&self.invites.by_invitee, to) {
            self.answer_invite(invite, false);
        }
    }
}

impl Invites {
    fn open(&mut self, invite: Invite) -> Result<u64, Problem> {
        let Invite { from, to } = invite;
        let (sent, waiting) = (of(&self.by_inviter, from), of(&self.by_invitee, to));
        if sent.len() >= MAX_OPEN || waiting.len() >= MAX_OPEN {
            return Err(Problem::ServerFull);
        }
        self.last += 1;
        self.open.insert(self.last, invite);
        self.by_inviter.insert((from, self.last));
        self.by_invitee.insert((to, self.last));
        Ok(self.last)
    }

    fn close(&mut self, number: u64) -> Option<Invite> {
        let invite = self.open.remove(&number)?;
        self.by_inviter.remove(&(invite.from, number));
        self.by_invitee.remove(&(invite.to, number));
        Some(invite)
    }

    /// An invitation that waits for this session's answer.
    fn received(&self, number: u64, to: SessionId) -> Result<Invite, Problem> {
        let invite = self.open.get(&number).filter(|invite| invite.to == to);
        invite.copied().ok_or(Problem::NoSuchInvite)
    }

    /// An invitation that this session has made.
    fn sent(&self, number: u64, from: SessionId) -> Result<Invite, Problem> {
        let invite = self.open.get(&number).filter(|invite| invite.from == from);
        invite.copied().ok_or(Problem::NoSuchInvite)
    }

    /// Panics unless everybody who invites is in a lobby, and everybody who is invited is there.
    pub(super) fn assert_consistent(
        &self,
        is_inside: impl Fn(SessionId) -> bool,
        is_session: impl Fn(SessionId) -> bool,
    ) {
        assert_eq!(self.open.len(), self.by_inviter.len(), "each invitation has an inviter");
        assert_eq!(self.open.len(), self.by_invitee.len(), "each invitation has an invitee");
        assert!(self.open.values().all(|invite| is_inside(invite.from)), "who invites is inside");
        assert!(self.open.values().all(|invite| is_session(invite.to)), "who is invited is there");
    }
}

/// The numbers of a session's invitations.
fn of(index: &BTreeSet<(SessionId, u64)>, id: SessionId) -> Vec<u64> {
    index.range((id, 0)..=(id, u64::MAX)).map(|(_, number)| *number).collect()
}
