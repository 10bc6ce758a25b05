//! Statuses that users publish, and who watches them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::GodotServer;
use super::latest::{Change, Topic};
use super::requests::{DONE, Outcome};
use super::session::{MESSAGES, Session, SessionId};
use crate::godot::extended::{Json, Problem, ServerEvent};

/// Namespaces in which one session may have a status, and that it may watch.
const MAX_NAMESPACES: usize = 8;
/// Users with a status in one namespace, and those who watch it.
const MAX_USERS: usize = 1024;

/// All namespaces in which somebody has a status, or which somebody watches.
#[derive(Debug, Default)]
pub(super) struct Presence {
    namespaces: HashMap<Scope, Namespace>,
    parts: HashMap<SessionId, Parts>,
}

/// Games do not see each other's namespaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Scope {
    game: String,
    namespace: String,
}

/// Whose status something is, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    user: String,
    name: String,
    scope: Scope,
}

#[derive(Debug, Default)]
struct Namespace {
    statuses: BTreeMap<SessionId, Json>,
    watchers: BTreeSet<SessionId>,
}

/// Where a session takes part: at most [`MAX_NAMESPACES`] each.
#[derive(Debug, Default)]
struct Parts {
    published: BTreeSet<Scope>,
    watched: BTreeSet<Scope>,
}

impl GodotServer {
    pub(super) fn set_status(
        &mut self,
        now: Instant,
        id: SessionId,
        namespace: String,
        status: Option<Json>,
    ) -> Outcome {
        let session = self.sessions.get_mut(id).ok_or(Problem::Lost)?;
        if !session.messages.take(now, &MESSAGES) {
            return Err(Problem::RateLimited.into());
        }
        let scope = session.scope(namespace);
        match status {
            Some(status) => {
                let change = self.presence.publish(id, &scope, status.clone())?;
                self.tell_status(id, &scope, change, Some(status));
            }
            None if self.presence.withdraw(id, &scope) => {
                self.tell_status(id, &scope, Change::Gone, None);
            }
            None => {}
        }
        DONE()
    }

    pub(super) fn watch_status(&mut self, id: SessionId, namespace: String) -> Outcome {
        let scope = self.reader(id)?.scope(namespace);
        self.presence.watch(id, &scope)?;
        let statuses = self.presence.namespaces.get(&scope).map(|namespace| &namespace.statuses);
        let users = statuses.into_iter().flatten().filter_map(|(id, status)| {
            let Session { user, name, .. } = self.sessions.get(*id)?;
            Some(json!({"user": user, "name": name, "status": status.value()}))
        });
        let users = Value::Array(self.fitting(users));
        Ok(Some(Map::from_iter([("users".to_owned(), users)]).into()))
    }

    pub(super) fn unwatch_status(&mut self, id: SessionId, namespace: String) -> Outcome {
        let session = self.sessions.get(id).ok_or(Problem::Lost)?;
        self.presence.unwatch(id, &session.scope(namespace));
        DONE()
    }

    /// Takes a session that ends out of all namespaces.
    pub(super) fn end_presence(&mut self, id: SessionId) {
        let Some(parts) = self.presence.parts.remove(&id) else { return };
        for scope in &parts.watched {
            self.presence.change(scope, |namespace| namespace.watchers.remove(&id));
        }
        for scope in &parts.published {
            self.presence.change(scope, |namespace| namespace.statuses.remove(&id));
            self.tell_status(id, scope, Change::Gone, None);
        }
    }

    /// Tells those who watch what a session's status is now.
    fn tell_status(&mut self, id: SessionId, scope: &Scope, change: Change, status: Option<Json>) {
        let Some(session) = self.sessions.get(id) else { return };
        let (user, name) = (session.user.clone(), session.name.clone());
        let subject = Subject { user: user.clone(), name: name.clone(), scope: scope.clone() };
        let topic = Topic::Status(Arc::new(subject));
        let event = ServerEvent::Status { namespace: scope.namespace.clone(), user, name, status };
        let namespace = self.presence.namespaces.get(scope);
        let watchers: Vec<SessionId> = namespace
            .map(|namespace| namespace.watchers.iter().copied().collect())
            .unwrap_or_default();
        let frame = event.encode();
        for watcher in watchers {
            self.tell_latest(watcher, (&topic, change), frame.clone());
        }
    }

    /// A user's status for who still watches it.
    pub(super) fn latest_status(
        &self,
        watcher: SessionId,
        subject: &Subject,
    ) -> Option<ServerEvent> {
        let Subject { user, name, scope } = subject.clone();
        let namespace = self.presence.namespaces.get(&scope)?;
        namespace.watchers.contains(&watcher).then_some(())?;
        let id = self.sessions.of_user(&user);
        let status = id.and_then(|id| namespace.statuses.get(&id)).cloned();
        Some(ServerEvent::Status { namespace: scope.namespace, user, name, status })
    }
}

impl Presence {
    fn publish(&mut self, id: SessionId, scope: &Scope, status: Json) -> Result<Change, Problem> {
        let statuses = self.namespaces.get(scope).map(|namespace| &namespace.statuses);
        if statuses.is_some_and(|all| all.len() >= MAX_USERS && !all.contains_key(&id)) {
            return Err(Problem::ServerFull);
        }
        join(&mut self.parts.entry(id).or_default().published, scope)?;
        let old = self.change(scope, |namespace| namespace.statuses.insert(id, status));
        Ok(if old.is_some() { Change::Changed } else { Change::New })
    }

    /// False when there was no status.
    fn withdraw(&mut self, id: SessionId, scope: &Scope) -> bool {
        let was_there = self.parts.get_mut(&id).is_some_and(|parts| parts.published.remove(scope));
        if was_there {
            self.change(scope, |namespace| namespace.statuses.remove(&id));
        }
        was_there
    }

    fn watch(&mut self, id: SessionId, scope: &Scope) -> Result<(), Problem> {
        let watchers = self.namespaces.get(scope).map(|namespace| &namespace.watchers);
        if watchers.is_some_and(|all| all.len() >= MAX_USERS && !all.contains(&id)) {
            return Err(Problem::ServerFull);
        }
        join(&mut self.parts.entry(id).or_default().watched, scope)?;
        self.change(scope, |namespace| namespace.watchers.insert(id));
        Ok(())
    }

    fn unwatch(&mut self, id: SessionId, scope: &Scope) {
        if self.parts.get_mut(&id).is_some_and(|parts| parts.watched.remove(scope)) {
            self.change(scope, |namespace| namespace.watchers.remove(&id));
        }
    }

    /// Changes a namespace; one that nobody needs is forgotten.
    fn change<T>(&mut self, scope: &Scope, change: impl FnOnce(&mut Namespace) -> T) -> T {
        let namespace = self.namespaces.entry(scope.clone()).or_default();
        let result = change(namespace);
        if namespace.is_empty() {
            self.namespaces.remove(scope);
        }
        result
    }

    /// Panics unless sessions and namespaces agree.
    pub(super) fn assert_consistent(&self, is_session: impl Fn(SessionId) -> bool) {
        assert!(self.parts.keys().all(|id| is_session(*id)), "who takes part is there");
        let parts = |of: fn(&Parts) -> &BTreeSet<Scope>| -> usize {
            self.parts.values().map(|parts| of(parts).len()).sum()
        };
        let namespaces = || self.namespaces.values();
        let statuses: usize = namespaces().map(|namespace| namespace.statuses.len()).sum();
        let watchers: usize = namespaces().map(|namespace| namespace.watchers.len()).sum();
        assert!(!namespaces().any(Namespace::is_empty), "a namespace is needed");
        assert_eq!(parts(|parts| &parts.published), statuses, "statuses have a session");
        assert_eq!(parts(|parts| &parts.watched), watchers, "watchers have a session");
    }
}

impl Namespace {
    fn is_empty(&self) -> bool {
        self.statuses.is_empty() && self.watchers.is_empty()
    }
}

/// Adds a namespace to those of a session.
fn join(namespaces: &mut BTreeSet<Scope>, scope: &Scope) -> Result<(), Problem> {
    if !namespaces.contains(scope) && namespaces.len() >= MAX_NAMESPACES {
        return Err(Problem::ServerFull);
    }
    namespaces.insert(scope.clone());
    Ok(())
}

impl Session {
    fn scope(&self, namespace: String) -> Scope {
        Scope { game: self.edition.game.clone(), namespace }
    }
}
