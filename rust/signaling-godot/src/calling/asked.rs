//! What was asked of the session, and what the answers mean to the game.

use std::collections::HashMap;

use godot::prelude::*;
use signaling_protocols::calling::{Refusal, Reply, Request};

use super::{trouble, value};
use crate::client::failure::Trouble;
use crate::client::request::{Outcome, SignalingRequest};

/// The ticket of what nobody waits for.
pub(super) const UNASKED: u64 = 0;

/// Filled by the verbs, emptied by the answers. The session answers everything, and refuses what is
/// too much.
#[derive(Default)]
pub(super) struct Asked {
    tickets: u64,
    questions: HashMap<u64, Question>,
}

/// Something that waits for its answer.
pub(super) struct Question {
    pub(super) what: Request,
    asked: Gd<SignalingRequest>,
}

impl Asked {
    /// The ticket for what is asked next.
    pub(super) fn next_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Notes what was asked with a ticket; what is returned hears the answer.
    pub(super) fn add(&mut self, ticket: u64, what: Request) -> Gd<SignalingRequest> {
        let asked = SignalingRequest::begin();
        self.questions.insert(ticket, Question { what, asked: asked.clone() });
        asked
    }

    pub(super) fn take(&mut self, ticket: u64) -> Option<Question> {
        self.questions.remove(&ticket)
    }

    /// Nobody will answer any more.
    pub(super) fn cancel(&mut self, trouble: &Trouble) {
        for (_, question) in self.questions.drain() {
            let outcome = Outcome::failed(trouble.clone());
            SignalingRequest::complete_later(&question.asked, outcome);
        }
    }
}

impl Question {
    /// Tells the game.
    pub(super) fn answer(self, result: &Result<Reply, Refusal>) {
        let outcome = match result {
            Ok(reply) => Outcome::done(answer(reply), VarDictionary::new()),
            Err(refusal) => Outcome::failed(trouble::of_refusal(refusal)),
        };
        SignalingRequest::complete(&self.asked, outcome);
    }
}

fn answer(reply: &Reply) -> Variant {
    match reply {
        Reply::Done => Variant::nil(),
        Reply::Namespace { users, rooms } => value::namespace(users, rooms).to_variant(),
        Reply::Room { room, .. } => room.to_variant(),
        Reply::Handle(handle) => value::number(*handle).to_variant(),
    }
}
