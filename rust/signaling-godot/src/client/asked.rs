//! What was asked of the session, and what the answers mean to the game.

use std::collections::HashMap;

use godot::prelude::*;
use signaling_protocols::godot::extended::{LobbyEntry, Object, Request};
use signaling_protocols::godot::{Answer, Refusal};

use super::failure::{Failure, Trouble, conflicting};
use super::request::{Outcome, SignalingRequest};
use crate::json;

/// Filled by the verbs, emptied by the answers. The session answers everything, and refuses what is
/// too much.
#[derive(Default)]
pub(super) struct Asked(HashMap<u64, Question>);

/// Something that waits for its answer.
pub(super) struct Question {
    pub(super) what: Request,
    /// `None`: the node itself has asked, to begin with.
    asked: Option<Gd<SignalingRequest>>,
}

impl Asked {
    pub(super) fn add(&mut self, ticket: u64, question: Question) {
        self.0.insert(ticket, question);
    }

    pub(super) fn take(&mut self, ticket: u64) -> Option<Question> {
        self.0.remove(&ticket)
    }

    /// Whether an answer may lead into a lobby.
    pub(super) fn is_entering(&self) -> bool {
        self.0.values().any(|question| {
            let Question { what, .. } = question;
            matches!(
                what,
                Request::Create { .. } | Request::Enter { .. } | Request::QuickJoin { .. }
            )
        })
    }

    /// Whether an answer tells that the lobby is closed.
    pub(super) fn is_closing(&self) -> bool {
        self.0.values().any(|question| matches!(question.what, Request::CloseLobby { .. }))
    }

    /// Nobody will answer any more.
    pub(super) fn cancel(&mut self, trouble: &Trouble) {
        for request in self.0.drain().filter_map(|(_, question)| question.asked) {
            SignalingRequest::complete_later(&request, Outcome::failed(trouble.clone()));
        }
    }
}

impl Question {
    pub(super) fn new(what: Request, asked: Option<Gd<SignalingRequest>>) -> Self {
        Self { what, asked }
    }

    /// Tells the game. Returns what the node has to tell where no request of the game does.
    pub(super) fn answer(self, result: Result<Answer, Refusal>) -> Option<Trouble> {
        match (self.asked, result) {
            (Some(request), result) => {
                SignalingRequest::complete(&request, outcome(self.what, result));
                None
            }
            // That the connection ended is told by its end.
            (None, Ok(_) | Err(Refusal::NotConnected | Refusal::ConnectionLost)) => None,
            (None, Err(refusal)) => Some(Trouble::from(&refusal)),
        }
    }
}

fn outcome(what: Request, result: Result<Answer, Refusal>) -> Outcome {
    match result {
        Ok(Answer::Lobby(view)) => Outcome::done(view.entry.code.to_variant(), json::view(&view)),
        Ok(Answer::Object(answer)) => {
            let nonsense = || Outcome::failed(Trouble::new(Failure::Invalid));
            done(what, answer).unwrap_or_else(nonsense)
        }
        Err(refusal) => {
            let found = conflicting(&refusal);
            let outcome = Outcome::failed(Trouble::from(&refusal));
            outcome.with_value(json::optional_to_variant(found.as_ref()))
        }
    }
}

/// `None` when the answer makes no sense.
fn done(what: Request, answer: Object) -> Option<Outcome> {
    let mut details = VarDictionary::new();
    let value = match what {
        Request::List(_) | Request::Watch(_) => {
            if let Some(total) = number(&answer, "total") {
                details.set("total", total);
            }
            json::entries(&LobbyEntry::list(answer).ok()?).to_variant()
        }
        Request::Find { .. } => json::entry(&LobbyEntry::from_object(answer).ok()?).to_variant(),
        Request::WatchStatus { .. } => json::to_variant(&answer.get("users")?),
        Request::Invite { .. } => number(&answer, "invite")?.to_variant(),
        Request::SetValue { value, .. } => json::optional_to_variant(value.as_ref()),
        _ => Variant::nil(),
    };
    Some(Outcome::done(value, details))
}

fn number(answer: &Object, key: &str) -> Option<i64> {
    answer.get(key)?.to_string().parse().ok()
}
