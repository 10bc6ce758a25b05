//! What is known of the room while we are in it.

use godot::prelude::*;
use signaling_protocols::rooms::{Participant, Publisher, Role};

use crate::json;

/// Our place in a room.
pub(super) struct Place {
    role: Role,
    publishers: Vec<Publisher>,
}

impl Place {
    pub(super) fn new(role: Role, publishers: Vec<Publisher>) -> Self {
        Self { role, publishers }
    }

    /// Takes in a new list, which tells our own role if we publish.
    pub(super) fn note(&mut self, me: &Participant, publishers: &[Publisher]) {
        let ours = publishers.iter().find(|publisher| publisher.participant == *me);
        self.role = ours.map_or(Role::Viewer, |publisher| publisher.role);
        self.publishers = publishers.to_vec();
    }

    pub(super) fn role(&self) -> GString {
        GString::from(self.role.name())
    }

    /// Those who publish, as games are told.
    pub(super) fn publishers(&self, me: &Participant) -> Array<VarDictionary> {
        self.publishers.iter().map(|publisher| describe(publisher, me)).collect()
    }
}

/// A session, as games are told.
pub(super) fn participant(who: &Participant) -> VarDictionary {
    vdict! {
        "user_id" => &*who.user,
        "session_id" => &*who.session,
        "id" => json::id(who.peer_id()),
    }
}

fn describe(publisher: &Publisher, me: &Participant) -> VarDictionary {
    let Publisher { participant: who, role, media, profile } = publisher;
    let mut dictionary = participant(who);
    dictionary.set("role", role.name());
    dictionary.set("video", media.video);
    dictionary.set("audio", media.audio);
    let device = [("host", &profile.host), ("category", &profile.category)];
    for (key, value) in device.into_iter().chain([("device_id", &profile.device)]) {
        dictionary.set(key, value.as_deref().unwrap_or_default());
    }
    dictionary.set("is_me", who == me);
    dictionary
}
