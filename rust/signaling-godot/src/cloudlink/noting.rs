//! What is known of the lobby after an event, and what is to be told of it.

use signaling_core::Cause;
use signaling_protocols::Signal;

use super::CloudLinkClient;
use super::event::{Event, Member};
use super::place::Place;
use super::trouble;
use super::version::State;
use crate::client::failure::{Failure, Trouble};

/// What the game is told of an event, in this order.
pub(super) enum Telling {
    Connected,
    Joined(Member),
    Left(String),
    Host(String),
    Entered,
    Out(Failure),
    Failed(Trouble),
    Disconnected { code: u16, reason: String },
}

impl CloudLinkClient {
    /// Brings what the getters return up to date, before the signals are emitted.
    pub(super) fn note(&mut self, event: &Event) -> Vec<Telling> {
        match event {
            Event::Opened(me) => self.note_opened(me.clone()),
            Event::Entered { lobby, is_host } => self.note_entered(lobby, *is_host),
            Event::HostChanged(host) => self.note_host(host),
            Event::HostGone => self.note_host(&Member::default()),
            Event::MemberJoined(member) | Event::MemberFound(member) => self.note_member(member),
            Event::Connecting { from, .. } => self.note_member(from),
            Event::Told { from, signal: Signal::Offer { .. } } => self.note_offerer(from),
            Event::MemberLeft(id) => self.note_left(id),
            Event::Out(failure) => self.note_out(*failure),
            Event::Ended { code, reason, cause } => self.note_end(*code, reason, *cause),
            _ => Vec::new(),
        }
    }

    fn note_opened(&mut self, mut me: Member) -> Vec<Telling> {
        if me.name.is_empty() {
            me.name = self.user_name.to_string();
        }
        self.me = Some(me);
        vec![Telling::Connected]
    }

    fn note_entered(&mut self, lobby: &str, is_host: bool) -> Vec<Telling> {
        let me = self.me.clone().unwrap_or_default();
        self.place = Some(Place::new(self.spoken, lobby.to_owned(), me, is_host));
        self.state = State::Joined;
        vec![Telling::Entered]
    }

    /// An empty member stands for nobody.
    fn note_host(&mut self, host: &Member) -> Vec<Telling> {
        let Some(place) = &mut self.place else { return Vec::new() };
        let is_new = !host.id.is_empty() && place.add(host);
        let joined = is_new.then(|| Telling::Joined(host.clone()));
        let changed = (place.host() != host.id).then(|| Telling::Host(host.id.clone()));
        place.set_host(&host.id);
        joined.into_iter().chain(changed).collect()
    }

    fn note_member(&mut self, member: &Member) -> Vec<Telling> {
        let is_new = self.place.as_mut().is_some_and(|place| place.add(member));
        is_new.then(|| Telling::Joined(member.clone())).into_iter().collect()
    }

    /// In CloudLink Omega whoever offers first to somebody who is no host is the host.
    fn note_offerer(&mut self, from: &Member) -> Vec<Telling> {
        match &self.place {
            Some(place) if place.is_star() && place.host().is_empty() => self.note_host(from),
            _ => self.note_member(from),
        }
    }

    fn note_left(&mut self, id: &str) -> Vec<Telling> {
        let Some(place) = &mut self.place else { return Vec::new() };
        let left = place.remove(id).then(|| Telling::Left(id.to_owned()));
        // In CloudLink 5 it is told who is the host next.
        let is_without = place.is_star() && place.host() == id && !place.is_host();
        if is_without {
            place.set_host("");
        }
        let host = is_without.then(|| Telling::Host(String::new()));
        left.into_iter().chain(host).collect()
    }

    fn note_out(&mut self, failure: Failure) -> Vec<Telling> {
        if self.place.take().is_none() {
            return Vec::new();
        }
        self.state = State::Left;
        vec![Telling::Out(failure)]
    }

    fn note_end(&mut self, code: u16, reason: &str, cause: Cause) -> Vec<Telling> {
        let was_inside = self.place.take().is_some();
        (self.session, self.me, self.entering) = (None, None, None);
        let trouble = trouble::of_end(code, reason, cause);
        self.cancel(&trouble.clone().unwrap_or_else(|| trouble::of(Failure::NotConnected)));
        self.state = if trouble.is_some() { State::Failed } else { State::Left };
        let failure = trouble.as_ref().map_or(Failure::None, Trouble::failure);
        let out = was_inside.then_some(Telling::Out(failure));
        let failed = trouble.map(Telling::Failed);
        let ended = Telling::Disconnected { code, reason: reason.to_owned() };
        failed.into_iter().chain(out).chain([ended]).collect()
    }
}
