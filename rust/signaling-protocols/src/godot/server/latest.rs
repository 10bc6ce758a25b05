//! What matters only as it is now. A session that is away, or has much left to confirm, is told of
//! it later, once, however often it has changed: so nobody loses its place by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::GodotServer;
use super::lobby::Guest;
use super::presence::Subject;
use super::session::SessionId;
use crate::godot::extended::ServerEvent;

/// So much may wait for a session before statuses of yet other users are left out.
const MAX_UNSAID: usize = 512;

/// What a session can be told later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// What its lobby is like.
    Lobby,
    /// What a member of its lobby is like, whose id may change meanwhile; a new one is connected to.
    Member(Guest),
    /// Whether a member is away.
    Absence(SessionId),
    /// A value of its lobby.
    Value(String),
    /// The status of a user, who may be gone by then. At most [`MAX_UNSAID`].
    Status(Arc<Subject>),
}

/// What has become of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It was not there before.
    New,
    Changed,
    Gone,
}

/// What somebody is still to be told of, and whether it may have been told of it before. Of what
/// came and went meanwhile nothing is kept: there is no more than what there is, and was when it
/// was told last.
#[derive(Debug)]
pub(super) struct Unsaid<T>(BTreeMap<T, bool>);

impl<T> Default for Unsaid<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl GodotServer {
    /// Tells a session what has become of something: at once, or later.
    pub(super) fn tell_latest(
        &mut self,
        id: SessionId,
        (topic, change): (&Topic, Change),
        text: Arc<str>,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.has_room() {
            session.unsaid.forget(topic);
            self.send_text(Guest::Session(id), text);
        } else if session.unsaid.takes(topic) {
            session.unsaid.note(topic.clone(), change);
        }
    }

    /// Tells all sessions in a lobby what has become of something.
    pub(super) fn tell_lobby_latest(
        &mut self,
        lobby: &str,
        news: (&Topic, Change),
        event: &ServerEvent,
    ) {
        let Some(lobby) = self.lobbies.get(lobby) else { return };
        let text = event.encode();
        for (_, session) in lobby.sessions() {
            self.tell_latest(session, news, text.clone());
        }
    }

    /// Tells a session what there was no room for before, while there is.
    pub(super) fn tell_unsaid(&mut self, id: SessionId) {
        loop {
            let session = self.sessions.get_mut(id).filter(|session| session.has_room());
            match session.and_then(|session| session.unsaid.pop()) {
                Some((Topic::Member(guest), false)) => self.introduce(id, guest),
                Some((topic, _)) => {
                    self.latest(id, topic).iter().for_each(|event| self.tell(id, event));
                }
                None => return,
            }
        }
    }

    /// How something is for a session; `None` when that is nothing to it any more.
    fn latest(&self, id: SessionId, topic: Topic) -> Option<ServerEvent> {
        let lobby = || self.lobbies.get(&self.inside(id).ok()?.0);
        match topic {
            Topic::Lobby => Some(ServerEvent::Lobby(lobby()?.entry())),
            Topic::Member(guest) => {
                let (lobby, _, peer) = self.shared_lobby(id, guest)?;
                lobby.member_view(peer).map(ServerEvent::Member)
            }
            Topic::Absence(other) => {
                let (lobby, _, peer) = self.shared_lobby(id, Guest::Session(other))?;
                let is_away = lobby.roster.get(&peer)?.away.is_some();
                Some(if is_away {
                    ServerEvent::Unstable { peer }
                } else {
                    ServerEvent::Stable { peer }
                })
            }
            Topic::Value(key) => {
                let value = lobby()?.values.get(&key).cloned();
                Some(ServerEvent::Value { key, value, by: None })
            }
            Topic::Status(subject) => self.latest_status(id, &subject),
        }
    }
}

impl<T: Ord> Unsaid<T> {
    pub(super) fn note(&mut self, topic: T, change: Change) {
        if change == Change::Gone && self.0.get(&topic) == Some(&false) {
            self.0.remove(&topic);
        } else {
            self.0.entry(topic).or_insert(change != Change::New);
        }
    }

    pub(super) fn forget(&mut self, topic: &T) {
        self.0.remove(topic);
    }

    /// Forgets what nobody was told of before; false when it is nothing of that kind.
    pub(super) fn forget_new(&mut self, topic: &T) -> bool {
        let is_new = self.0.get(topic) == Some(&false);
        is_new && self.0.remove(topic).is_some()
    }

    fn pop(&mut self) -> Option<(T, bool)> {
        self.0.pop_first()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Somebody has heard of all that there is.
    pub(super) fn note_heard(&mut self) {
        self.0.values_mut().for_each(|is_known| *is_known = true);
    }

    pub(super) fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.0).into_keys().collect()
    }
}

impl Unsaid<Topic> {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn takes(&self, topic: &Topic) -> bool {
        let is_status = matches!(topic, Topic::Status(_));
        !is_status || self.0.len() < MAX_UNSAID || self.0.contains_key(topic)
    }

    /// The session is in no lobby any more, or in another.
    pub(super) fn forget_lobby(&mut self) {
        self.0.retain(|topic, _| matches!(topic, Topic::Status(_)));
    }
}
