//! What is watched, so that a change can be told when it had to be asked for anew.

use std::collections::BTreeMap;

use godot::prelude::*;
use signaling_protocols::godot::extended::{Json, LobbyEntry, Object, Request};
use signaling_protocols::godot::{Answer, ClientEvent};

use crate::json;

/// Lobbies and statuses that are remembered, each. Filled by the server; what is more is told, but
/// not that it is gone when the server had to be asked anew.
const MAX_REMEMBERED: usize = 4096;

/// What the game was told of.
#[derive(Default)]
pub(super) struct Watched {
    lobbies: BTreeMap<String, LobbyEntry>,
    /// By namespace and user, each with its name.
    users: BTreeMap<(String, String), String>,
}

impl Watched {
    /// Takes in what was told.
    pub(super) fn apply(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::LobbyListed(entry) => {
                remember(&mut self.lobbies, entry.code.clone(), LobbyEntry::clone(entry));
            }
            ClientEvent::LobbyUnlisted { code } => {
                self.lobbies.remove(code);
            }
            ClientEvent::StatusChanged { namespace, user, name, status: Some(_) } => {
                remember(&mut self.users, (namespace.clone(), user.clone()), name.clone());
            }
            ClientEvent::StatusChanged { namespace, user, status: None, .. } => {
                self.users.remove(&(namespace.clone(), user.clone()));
            }
            _ => {}
        }
    }

    /// Takes in what the game was given with the answer to its own request.
    pub(super) fn begin(&mut self, request: &Request, answer: &Answer) {
        if matches!(request, Request::Watch(_)) {
            self.lobbies.clear();
        }
        for event in self.differences(request, answer) {
            self.apply(&event);
        }
    }

    /// What has changed, now that the session had to ask for it anew.
    pub(super) fn differences(&self, request: &Request, answer: &Answer) -> Vec<ClientEvent> {
        let Answer::Object(answer) = answer else { return Vec::new() };
        match request {
            Request::Watch(_) => LobbyEntry::list(answer.clone())
                .map(|lobbies| self.different_lobbies(lobbies))
                .unwrap_or_default(),
            Request::WatchStatus { namespace } => self.different_users(namespace, answer),
            _ => Vec::new(),
        }
    }

    fn different_lobbies(&self, lobbies: Vec<LobbyEntry>) -> Vec<ClientEvent> {
        let is_gone = |code: &&String| lobbies.iter().all(|lobby| lobby.code != **code);
        let gone = self.lobbies.keys().filter(is_gone).cloned();
        let mut events: Vec<_> = gone.map(|code| ClientEvent::LobbyUnlisted { code }).collect();
        let changed =
            lobbies.into_iter().filter(|lobby| self.lobbies.get(&lobby.code) != Some(lobby));
        events.extend(changed.map(|lobby| ClientEvent::LobbyListed(Box::new(lobby))));
        events
    }

    fn different_users(&self, namespace: &str, answer: &Object) -> Vec<ClientEvent> {
        let users = users(answer);
        let known = self.users.iter().filter(|((known, _), _)| known == namespace);
        let is_gone = |user: &str| users.iter().all(|(there, ..)| there != user);
        let status = |user: String, name: String, status: Option<Json>| {
            ClientEvent::StatusChanged { namespace: namespace.to_owned(), user, name, status }
        };
        let gone = known.filter(|((_, user), _)| is_gone(user));
        let mut events: Vec<_> =
            gone.map(|((_, user), name)| status(user.clone(), name.clone(), None)).collect();
        events.extend(users.into_iter().map(|(user, name, is)| status(user, name, Some(is))));
        events
    }
}

fn remember<K: Ord, V>(known: &mut BTreeMap<K, V>, key: K, value: V) {
    if known.len() < MAX_REMEMBERED || known.contains_key(&key) {
        known.insert(key, value);
    }
}

/// Who is there, each with its name and status.
fn users(answer: &Object) -> Vec<(String, String, Json)> {
    let users = answer.get("users").map(|users| json::to_variant(&users)).unwrap_or_default();
    let read = |user: Variant| -> Option<_> {
        let user: VarDictionary = user.try_to().ok()?;
        let text = |key: &str| user.get(key).map(|text| text.to_string());
        Some((text("user")?, text("name")?, json::from_variant(&user.get("status")?)?))
    };
    let users = users.try_to::<VarArray>().unwrap_or_default();
    users.iter_shared().filter_map(read).collect()
}
