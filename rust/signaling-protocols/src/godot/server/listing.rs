//! Public lobbies: listed once, or watched as they come, change and go.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::latest::{Change, Unsaid};
use super::lobby::{Edition, Guest, Lobby};
use super::notice::ServerNotice;
use super::requests::{DONE, Outcome};
use super::session::{SEARCHES, Session, SessionId};
use super::{GodotServer, Timer};
use crate::godot::extended::{Filter, Problem, Query, ServerEvent};

/// How long changes are collected before those who watch are told.
const COLLECTING: Duration = Duration::from_millis(250);
/// The work of one step, which takes a few milliseconds: how many lobbies are looked at or told,
/// each as often as the filter of whoever watches weighs.
const SLICE: usize = 8192;
/// How long all others have their turn before the next step.
const PAUSE: Duration = Duration::from_millis(5);
/// Lobbies that one session watches. When one of them is gone another takes its place, at its next
/// change.
const MAX_WATCHED: usize = 200;

/// Who watches, and what has changed.
#[derive(Debug, Default)]
pub(super) struct Watches {
    by_session: BTreeMap<SessionId, Watch>,
    /// What is to be told in the next round.
    changed: Unsaid<Arc<str>>,
    round: Round,
}

/// All who watch are told, in steps.
#[derive(Debug, Default)]
struct Round {
    changed: Vec<Arc<str>>,
    /// Those who were not told yet.
    waiting: Vec<SessionId>,
    frames: Frames,
}

/// What is told of lobbies, made once for all: by name, and whether it is listed.
type Frames = HashMap<(Arc<str>, bool), Arc<str>>;

#[derive(Debug)]
struct Watch {
    edition: Edition,
    filter: Filter,
    /// At most [`MAX_WATCHED`].
    lobbies: BTreeMap<Arc<str>, Knowledge>,
}

/// What a session knows of a lobby that it watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// Nothing yet.
    Nothing,
    /// How it was before its last change.
    Old,
    /// How it is.
    New,
}

impl GodotServer {
    pub(super) fn list(&self, id: SessionId, query: &Query) -> Outcome {
        let edition = &self.reader(id)?.edition;
        let mut lobbies =
            self.newest(|lobby| lobby.is_public_for(edition) && query.fits(&lobby.traits()));
        query.sort(&mut lobbies, Lobby::traits);
        let page = lobbies.iter().skip(query.offset).take(query.limit);
        let page = self.fitting(page.map(|lobby| lobby.entry().to_object().into_value()));
        let answer = [("lobbies", Value::Array(page)), ("total", json!(lobbies.len()))];
        Ok(Some(Map::from_iter(answer.map(|(key, value)| (key.to_owned(), value))).into()))
    }

    pub(super) fn find(&mut self, now: Instant, id: SessionId, code: &str) -> Outcome {
        self.guess(now, id, |server| {
            let session = server.sessions.get(id).ok_or(Problem::Lost)?;
            let lobby = server.lobby_of_code(code).ok_or(Problem::NotFound)?;
            lobby.takes(&session.edition)?;
            Ok(Some(lobby.entry().to_object()))
        })
    }

    /// Begins to watch, in place of what was watched before.
    pub(super) fn watch(&mut self, now: Instant, id: SessionId, filter: Filter) -> Outcome {
        let edition = self.reader(id)?.edition.clone();
        let mut watch = Watch { edition, filter, lobbies: BTreeMap::new() };
        let mut lobbies = self.newest(|lobby| watch.fits(lobby));
        lobbies.truncate(MAX_WATCHED);
        let page = lobbies.iter().map(|lobby| lobby.entry().to_object().into_value());
        let page = self.fitting(page);
        // What has no room in the answer is told like what changes.
        let (told, left_out) = lobbies.split_at(page.len());
        let is_complete = left_out.is_empty();
        for (lobbies, knowledge) in [(told, Knowledge::New), (left_out, Knowledge::Nothing)] {
            watch.lobbies.extend(lobbies.iter().map(|lobby| (lobby.name.clone(), knowledge)));
        }
        self.watches.by_session.insert(id, watch);
        self.watches.changed.note_heard();
        if !is_complete {
            self.collect_changes(now);
        }
        Ok(Some(Map::from_iter([("lobbies".to_owned(), Value::Array(page))]).into()))
    }

    pub(super) fn unwatch(&mut self, id: SessionId) -> Outcome {
        self.watches.end(id);
        DONE()
    }

    /// A session that asks for more than a little.
    pub(super) fn reader(&self, id: SessionId) -> Result<&Session, Problem> {
        let session = self.sessions.get(id).ok_or(Problem::Lost)?;
        if session.has_room() { Ok(session) } else { Err(Problem::RateLimited) }
    }

    /// Lets a session look through all lobbies, which it may only so often.
    pub(super) fn search(&mut self, now: Instant, id: SessionId) -> Result<(), Problem> {
        let session = self.sessions.get_mut(id).ok_or(Problem::Lost)?;
        session.searches.take(now, &SEARCHES).then_some(()).ok_or(Problem::RateLimited)
    }

    /// Lobbies from the newest down.
    fn newest(&self, is_meant: impl Fn(&Lobby) -> bool) -> Vec<&Lobby> {
        let mut lobbies: Vec<&Lobby> =
            self.lobbies.values().filter(|lobby| is_meant(lobby)).collect();
        lobbies.sort_by(|a, b| (b.created, &b.name).cmp(&(a.created, &a.name)));
        lobbies
    }

    /// Sees to it that those who watch are told, soon but not for each change.
    pub(super) fn collect_changes(&mut self, now: Instant) {
        if self.timers.get(&Timer::Lists).is_none() {
            self.timers.set(Timer::Lists, now + COLLECTING);
        }
    }

    /// Tells those who watch what has changed: as many as one step allows.
    pub(super) fn tell_changes(&mut self, now: Instant) {
        let mut round = self.watches.take_round();
        let mut cost = 0;
        while let Some(id) = round.waiting.pop_if(|_| cost < SLICE) {
            if let Some(watch) = self.watches.by_session.get_mut(&id) {
                cost += (round.changed.len() + MAX_WATCHED) * watch.filter.weight();
                round.changed.iter().for_each(|name| watch.note(name, self.lobbies.get(name)));
            }
            self.tell_news(id, &mut round.frames);
        }
        if !round.waiting.is_empty() {
            self.watches.round = round;
            self.timers.set(Timer::Lists, now + PAUSE);
        }
    }

    /// Tells a session what there was no room for before.
    pub(super) fn catch_up(&mut self, id: SessionId) {
        self.tell_unsaid(id);
        self.tell_news(id, &mut Frames::new());
    }

    /// Tells a session what it does not know yet of the lobbies that it watches, while there is
    /// room: whoever reads slowly, or is away, is told less often, and never falls behind.
    fn tell_news(&mut self, id: SessionId, frames: &mut Frames) {
        let Some(watch) = self.watches.by_session.get(&id) else { return };
        for name in watch.news() {
            if !self.sessions.get(id).is_some_and(|session| session.has_room()) {
                return;
            }
            let Some(watch) = self.watches.by_session.get_mut(&id) else { return };
            let lobby = self.lobbies.get(&name).filter(|lobby| watch.fits(lobby));
            if watch.learn(&name, lobby.is_some()) {
                let frame = frames
                    .entry((name.clone(), lobby.is_some()))
                    .or_insert_with(|| frame(&name, lobby))
                    .clone();
                self.send_text(Guest::Session(id), frame);
            }
        }
    }
}

fn frame(name: &str, lobby: Option<&Lobby>) -> Arc<str> {
    let event = match lobby {
        Some(lobby) => ServerEvent::Listed(lobby.entry()),
        None => ServerEvent::Unlisted { code: name.to_owned() },
    };
    event.encode()
}

impl Watches {
    /// Whether nobody was told of the last changes yet.
    pub(super) fn have_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Notes that a lobby is not what it was.
    pub(super) fn note(&mut self, notice: &ServerNotice) {
        if self.by_session.is_empty() {
            return;
        }
        let Some(name) = notice.changed_lobby() else { return };
        for is_listed in [true, false] {
            self.round.frames.remove(&(name.clone(), is_listed));
        }
        let change = match notice {
            ServerNotice::LobbyCreated { .. } => Change::New,
            ServerNotice::LobbyClosed { .. } => Change::Gone,
            _ => Change::Changed,
        };
        self.changed.note(name.clone(), change);
    }

    /// What is left of the present round, or the next one.
    fn take_round(&mut self) -> Round {
        let round = std::mem::take(&mut self.round);
        if !round.waiting.is_empty() {
            return round;
        }
        let waiting = self.by_session.keys().rev().copied().collect();
        Round { changed: self.changed.take(), waiting, frames: Frames::new() }
    }

    pub(super) fn end(&mut self, id: SessionId) {
        self.by_session.remove(&id);
        if self.by_session.is_empty() {
            *self = Self::default();
        }
    }

    /// Whose watches there are.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.by_session.keys().copied()
    }
}

impl Watch {
    fn fits(&self, lobby: &Lobby) -> bool {
        lobby.is_public_for(&self.edition) && self.filter.fits(&lobby.metadata)
    }

    /// Notes that a lobby has changed, or is gone.
    fn note(&mut self, name: &Arc<str>, lobby: Option<&Lobby>) {
        if let Some(knowledge) = self.lobbies.get_mut(name) {
            if *knowledge == Knowledge::New {
                *knowledge = Knowledge::Old;
            }
        } else if self.lobbies.len() < MAX_WATCHED && lobby.is_some_and(|lobby| self.fits(lobby)) {
            self.lobbies.insert(name.clone(), Knowledge::Nothing);
        }
    }

    /// The lobbies of which the session does not know how they are.
    fn news(&self) -> Vec<Arc<str>> {
        let is_new = |(_, knowledge): &(&Arc<str>, &Knowledge)| **knowledge != Knowledge::New;
        self.lobbies.iter().filter(is_new).map(|(name, _)| name.clone()).collect()
    }

    /// Notes that the session is told how a lobby is. False when there is nothing to tell: it is
    /// gone before anything was told of it.
    fn learn(&mut self, name: &Arc<str>, fits: bool) -> bool {
        if fits {
            self.lobbies.insert(name.clone(), Knowledge::New);
            return true;
        }
        self.lobbies.remove(name) == Some(Knowledge::Old)
    }
}
