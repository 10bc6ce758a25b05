//! Sessions of the extended protocol: what outlives a connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::CryptoRng;
use signaling_core::ids::alphanumeric;
use signaling_core::rate::{Bucket, Rate};
use signaling_core::replay::Replay;
use signaling_core::{ConnId, PeerId};

use super::latest::{Topic, Unsaid};
use super::lobby::{Edition, Guest, Member};
use crate::godot::extended::{Hello, Object};

/// One session of this server. Numbers are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionId(u64);

/// What a client of the extended protocol is, with or without a connection.
#[derive(Debug)]
pub(super) struct Session {
    /// `None` while its return is waited for. Changed by [`Sessions`] alone.
    pub(super) conn: Option<ConnId>,
    /// What resumes it.
    pub(super) token: String,
    pub(super) user: String,
    pub(super) name: String,
    pub(super) edition: Edition,
    pub(super) auth: String,
    /// Without the port.
    pub(super) address: String,
    pub(super) replay: Replay,
    /// What waits until there is room in the replay.
    pub(super) unsaid: Unsaid<Topic>,
    pub(super) place: Option<(Arc<str>, PeerId)>,
    /// The ticket of its request that waits for a decision.
    pub(super) waits_for: Option<u64>,
    pub(super) rtt: Option<u32>,
    pub(super) requests: Bucket,
    pub(super) messages: Bucket,
    pub(super) relays: Bucket,
    pub(super) searches: Bucket,
    pub(super) links: Bucket,
}

/// How much a client may ask for.
pub(super) const REQUESTS: Rate = Rate { interval: Duration::from_millis(50), burst: 40 };
/// How many messages it may send to its lobby, statuses and invitations to others.
pub(super) const MESSAGES: Rate = Rate { interval: Duration::from_millis(200), burst: 10 };
/// How often it may look through all lobbies.
pub(super) const SEARCHES: Rate = Rate { interval: Duration::from_millis(500), burst: 10 };
/// How often it may tell anything new of its connections to members who are away.
pub(super) const LINKS: Rate = Rate { interval: Duration::from_millis(20), burst: 200 };

/// What may wait for the return of a client, in bytes.
const MAX_REPLAY: usize = 256 << 10;
const TOKEN_LENGTH: usize = 32;
const USER_LENGTH: usize = 12;

/// All sessions, by all they are found by.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_id: HashMap<SessionId, Session>,
    by_token: HashMap<String, SessionId>,
    by_user: HashMap<String, SessionId>,
    /// How many have no connection.
    away: usize,
    next: u64,
}

impl Sessions {
    pub(super) fn open(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        conn: ConnId,
        address: &str,
        hello: Hello,
    ) -> SessionId {
        let id = SessionId(self.next);
        self.next += 1;
        let session = Session {
            conn: Some(conn),
            token: alphanumeric(rng, TOKEN_LENGTH),
            user: alphanumeric(rng, USER_LENGTH),
            name: hello.name,
            edition: Edition { game: hello.game, build: hello.build },
            auth: hello.token,
            address: address.to_owned(),
            replay: Replay::new(MAX_REPLAY),
            unsaid: Unsaid::default(),
            place: None,
            waits_for: None,
            rtt: None,
            requests: Bucket::new(now),
            messages: Bucket::new(now),
            relays: Bucket::new(now),
            searches: Bucket::new(now),
            links: Bucket::new(now),
        };
        self.by_token.insert(session.token.clone(), id);
        self.by_user.insert(session.user.clone(), id);
        self.by_id.insert(id, session);
        id
    }

    pub(super) fn close(&mut self, id: SessionId) -> Option<Session> {
        let session = self.by_id.remove(&id)?;
        self.by_token.remove(&session.token);
        self.by_user.remove(&session.user);
        self.away -= usize::from(session.conn.is_none());
        Some(session)
    }

    /// Puts a session on another connection, or on none; the one that it had.
    pub(super) fn connect(&mut self, id: SessionId, conn: Option<ConnId>) -> Option<ConnId> {
        let session = self.by_id.get_mut(&id)?;
        let old = std::mem::replace(&mut session.conn, conn);
        self.away += usize::from(conn.is_none());
        self.away -= usize::from(old.is_none());
        old
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn of_token(&self, token: &str) -> Option<SessionId> {
        self.by_token.get(token).copied()
    }

    pub(super) fn of_user(&self, user: &str) -> Option<SessionId> {
        self.by_user.get(user).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.by_id.iter().map(|(id, session)| (*id, session))
    }

    /// How many have no connection.
    pub(super) fn away(&self) -> usize {
        self.away
    }

    /// Panics unless those who are away are counted.
    pub(super) fn assert_consistent(&self) {
        let away = self.by_id.values().filter(|session| session.conn.is_none()).count();
        assert_eq!(self.away, away, "who is away is counted");
    }
}

impl Session {
    /// As a member of a lobby.
    pub(super) fn member(&self, id: SessionId, metadata: Object) -> Member {
        Member {
            guest: Guest::Session(id),
            name: self.name.clone(),
            user: self.user.clone(),
            metadata,
            rtt: self.rtt,
            epoch: 1,
            away: None,
        }
    }

    /// Whether it may be sent what can as well be told later: it is there, and keeps up.
    pub(super) fn has_room(&self) -> bool {
        self.conn.is_some() && self.keeps_up()
    }

    /// Whether half of what may wait for it is free, and nothing is lost. The other half is kept
    /// for what nobody can do without: who goes, and who is the host.
    pub(super) fn keeps_up(&self) -> bool {
        self.replay.is_resumable() && self.replay.bytes() <= MAX_REPLAY / 2
    }
}
