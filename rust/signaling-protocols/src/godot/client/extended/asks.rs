//! What was asked and is not answered yet, and what stays asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::godot::client::MAX_UNANSWERED;
use crate::godot::extended::{Filter, Json, Request};

/// Who wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// The game, with its ticket.
    Ask(u64),
    /// The session, which asks again.
    Session,
}

#[derive(Debug)]
pub(super) struct Asked {
    pub(super) asker: Asker,
    pub(super) request: Box<Request>,
    /// False while there is no connection to send it on.
    pub(super) is_sent: bool,
}

/// The requests without an answer, by number. At most [`MAX_UNANSWERED`]; more are refused.
#[derive(Debug, Default)]
pub(super) struct Asks {
    unanswered: BTreeMap<u64, Asked>,
    last: u64,
}

impl Asks {
    pub(super) fn is_full(&self) -> bool {
        self.unanswered.len() >= MAX_UNANSWERED
    }

    /// A number that no request had before.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn insert(&mut self, number: u64, asked: Asked) {
        self.unanswered.insert(number, asked);
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Asked> {
        self.unanswered.remove(&number)
    }

    /// All, in the order in which they were asked.
    pub(super) fn take_all(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.unanswered).into_values().collect()
    }

    /// All, in the order in which they were asked, for a new session: what it makes void, and what
    /// is to be asked in it. What was never sent is void if it was meant for the lobby that is lost.
    pub(super) fn take_for_new_session(&mut self) -> (Vec<Asked>, Vec<Asked>) {
        let mut is_elsewhere = false;
        self.take_all().into_iter().partition(|Asked { request, is_sent, .. }| {
            is_elsewhere |= !is_sent && is_joining(request);
            *is_sent || (!is_elsewhere && is_for_lobby(request))
        })
    }

    pub(super) fn note_sent(&mut self) {
        self.unanswered.values_mut().for_each(|asked| asked.is_sent = true);
    }

    /// Whether one of them leads into a lobby.
    pub(super) fn are_joining(&self) -> bool {
        self.unanswered.values().any(|asked| is_joining(&asked.request))
    }
}

pub(super) fn is_joining(request: &Request) -> bool {
    matches!(request, Request::Create { .. } | Request::Enter { .. } | Request::QuickJoin { .. })
}

/// Whether it makes sense in a lobby alone.
fn is_for_lobby(request: &Request) -> bool {
    matches!(
        request,
        Request::Leave
            | Request::UpdateLobby(_)
            | Request::UpdateMember { .. }
            | Request::Remove { .. }
            | Request::Transfer { .. }
            | Request::CloseLobby { .. }
            | Request::Message { .. }
            | Request::SetValue { .. }
            | Request::Invite { .. }
    )
}

/// What the server was asked for and a new session has to ask for again.
#[derive(Debug, Default)]
pub(super) struct Standing {
    lobbies: Option<Filter>,
    /// By namespace; at most [`MAX_STANDING`].
    statuses: BTreeMap<String, Json>,
    /// Namespaces; at most [`MAX_STANDING`].
    watched: BTreeSet<String>,
}

/// As many as a server allows.
const MAX_STANDING: usize = 8;

impl Standing {
    /// Remembers what was granted.
    pub(super) fn note(&mut self, request: &Request) {
        match request {
            Request::Watch(filter) => self.lobbies = Some(filter.clone()),
            Request::Unwatch => self.lobbies = None,
            Request::SetStatus { namespace, status: Some(status) } => {
                self.statuses.insert(namespace.clone(), status.clone());
                if self.statuses.len() > MAX_STANDING {
                    self.statuses.remove(namespace);
                }
            }
            Request::SetStatus { namespace, status: None } => {
                self.statuses.remove(namespace);
            }
            Request::WatchStatus { namespace } if self.watched.len() < MAX_STANDING => {
                self.watched.insert(namespace.clone());
            }
            Request::UnwatchStatus { namespace } => {
                self.watched.remove(namespace);
            }
            _ => {}
        }
    }

    /// Forgets what was refused when it was asked again.
    pub(super) fn forget(&mut self, request: &Request) {
        match request {
            Request::Watch(_) => self.lobbies = None,
            Request::SetStatus { namespace, .. } => drop(self.statuses.remove(namespace)),
            Request::WatchStatus { namespace } => drop(self.watched.remove(namespace)),
            _ => {}
        }
    }

    /// What to ask again.
    pub(super) fn requests(&self) -> Vec<Request> {
        let lobbies = self.lobbies.iter().cloned().map(Request::Watch);
        let statuses = self.statuses.iter().map(|(namespace, status)| {
            let (namespace, status) = (namespace.clone(), Some(status.clone()));
            Request::SetStatus { namespace, status }
        });
        let watched = self.watched.iter().cloned();
        let watched = watched.map(|namespace| Request::WatchStatus { namespace });
        lobbies.chain(statuses).chain(watched).collect()
    }
}
