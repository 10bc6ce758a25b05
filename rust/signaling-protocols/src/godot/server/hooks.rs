//! Deciding who comes in: what the embedding program is asked, and what waits for its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use signaling_core::ConnId;
use signaling_core::address::neighbourhood;
use signaling_core::timers::Timers;

use super::entering::{Entry, Way};
use super::notice::ServerNotice;
use super::plain::PlainWay;
use super::requests::{Outcome, Refused};
use super::session::SessionId;
use super::{GodotServer, Place, Timer};
use crate::godot::Topology;
use crate::godot::extended::{
    Hello, LobbyEntry, LobbyOptions, Object, Problem, ServerEvent, limits,
};
use crate::godot::refusal::{Refusal, refused};

/// What the embedding program decides on, and what happens when it does not. Default: nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// Whether it is asked before a session begins; not when one is resumed.
    pub hello: bool,
    /// Whether it is asked before a lobby is created.
    pub create: bool,
    /// Whether it is asked before somebody joins a lobby.
    pub join: bool,
    /// How long a decision may take. Default 5 s.
    pub timeout: Duration,
    /// Whether what nobody decides in time is accepted. Default `false`: it is rejected.
    pub accepts_undecided: bool,
}

/// What somebody wants to do, and waits for the decision on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What the decision goes by; a server uses none twice.
    pub ticket: u64,
    /// What is wanted.
    pub wish: Wish,
    /// Whether the client speaks the plain protocol; it tells nothing of itself then.
    pub is_plain: bool,
    /// Its address, without the port; empty through memory.
    pub address: String,
    /// Its name, as other players see it.
    pub name: String,
    /// Its id for invitations; empty before the session begins.
    pub user: String,
    /// Its auth token.
    pub token: String,
    /// Its game.
    pub game: String,
    /// Its build.
    pub build: String,
    /// What it wants others to see of it in the lobby.
    pub metadata: Object,
}

/// What can be decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// To begin a session; or, of a client of the plain protocol, which has none, to come into a
    /// lobby while that itself is not asked.
    Hello,
    /// To create a lobby: as it would be in lists, still without code and players.
    Create(Box<LobbyEntry>),
    /// To join a lobby: as it is in lists.
    Join(Box<LobbyEntry>),
}

/// What the embedding program says: yes, or why not. Of the words 120 bytes arrive; without any
/// the player is told in the protocol's own.
pub type Verdict = Result<(), String>;

impl Default for Hooks {
    fn default() -> Self {
        Self {
            hello: false,
            create: false,
            join: false,
            timeout: Duration::from_secs(5),
            accepts_undecided: false,
        }
    }
}

/// What waits for decisions: at most one request of each connection and of each session.
#[derive(Debug, Default)]
pub(super) struct ParkedRequests {
    by_ticket: BTreeMap<u64, Parked>,
    next: u64,
}

#[derive(Debug)]
struct Parked {
    asked: Box<Asked>,
    request: Pending,
}

/// A request that goes on, or does not, when it is decided on.
#[derive(Debug)]
enum Pending {
    Hello { conn: ConnId, hello: Box<Hello>, problem: Option<Problem> },
    Entry(Entry),
    Plain { conn: ConnId, way: PlainWay },
}

impl GodotServer {
    /// Begins a session, if nobody has to be asked first.
    pub(super) fn knock(
        &mut self,
        now: Instant,
        conn: ConnId,
        hello: Box<Hello>,
        problem: Option<Problem>,
    ) {
        if !self.settings.hooks.hello {
            return self.begin(now, conn, *hello, problem);
        }
        // A client that hears nothing takes us for a server of the plain protocol.
        self.answer(conn, &ServerEvent::Pong { received: 0, round_trips: Vec::new() });
        let asked = Asked {
            address: self.address(conn),
            name: hello.name.clone(),
            token: hello.token.clone(),
            game: hello.game.clone(),
            build: hello.build.clone(),
            ..Asked::nothing(Wish::Hello)
        };
        self.park_conn(now, conn, Pending::Hello { conn, hello, problem }, asked);
    }

    /// Lets a plain connection into a lobby, if it can come in and nobody has to be asked first.
    pub(super) fn come_in_plain(
        &mut self,
        now: Instant,
        conn: ConnId,
        way: PlainWay,
    ) -> Result<(), Refusal> {
        self.check_plain(conn, &way)?;
        let wish = match &way {
            PlainWay::Create(topology) => Wish::Create(Box::new(plain_entry(*topology))),
            PlainWay::Join(lobby) => self.wish_to_join(lobby)?,
        };
        // Nobody comes in unasked for not saying HELLO.
        let is_unasked = self.settings.hooks.hello && !self.settings.hooks.asks_about(&wish);
        let wish = if is_unasked { Wish::Hello } else { wish };
        if self.settings.hooks.asks_about(&wish) {
            let address = self.address(conn);
            let asked = Asked { is_plain: true, address, ..Asked::nothing(wish) };
            self.park_conn(now, conn, Pending::Plain { conn, way }, asked);
        } else {
            self.grant_plain(now, conn, &way);
        }
        Ok(())
    }

    /// Lets a session into a lobby, if it can come in and nobody has to be asked first.
    pub(super) fn come_in(&mut self, now: Instant, entry: Entry) -> Outcome {
        self.check_entry(&entry)?;
        let session = self.sessions.get(entry.session).ok_or(Problem::Lost)?;
        if session.waits_for.is_some() {
            return Err(Problem::RateLimited.into());
        }
        let host_name = session.name.clone();
        let wish = match &entry.way {
            Way::Create(draft) => Wish::Create(Box::new(draft.entry(host_name))),
            Way::Join { lobby, .. } | Way::Quick { lobby, .. } | Way::Invited { lobby, .. } => {
                self.wish_to_join(lobby).map_err(|_| Problem::NotFound)?
            }
        };
        if !self.settings.hooks.asks_about(&wish) {
            return self.grant(now, entry);
        }
        let id = entry.session;
        let session = self.sessions.get(id).ok_or(Problem::Lost)?;
        let asked = Asked {
            address: session.address.clone(),
            name: session.name.clone(),
            user: session.user.clone(),
            token: session.auth.clone(),
            game: session.edition.game.clone(),
            build: session.edition.build.clone(),
            metadata: entry.me.clone(),
            ..Asked::nothing(wish)
        };
        let ticket = self.park(now, Pending::Entry(entry), asked);
        if let Some(session) = self.sessions.get_mut(id) {
            session.waits_for = Some(ticket);
        }
        Ok(None)
    }

    fn wish_to_join(&self, lobby: &str) -> Result<Wish, Refusal> {
        let lobby = self.lobbies.get(lobby).ok_or(Refusal::NoSuchLobby)?;
        Ok(Wish::Join(Box::new(lobby.entry())))
    }

    /// What waits for a decision, from this ticket on, in the order in which it was asked: for an
    /// embedding program that has lost notices.
    pub fn asked_from(&self, ticket: u64) -> impl Iterator<Item = &Asked> {
        self.parked.by_ticket.range(ticket..).map(|(_, parked)| &*parked.asked)
    }

    /// Whether somebody still waits for the decision with this ticket.
    pub fn is_waiting(&self, ticket: u64) -> bool {
        self.parked.by_ticket.contains_key(&ticket)
    }

    /// Asks from now on as it is told. What waits and would not be asked any more goes on.
    pub(super) fn set_hooks(&mut self, now: Instant, hooks: Hooks) {
        let is_unasked = |asked: &&Asked| !hooks.asks_about(&asked.wish);
        let unasked: Vec<u64> =
            self.asked_from(0).filter(is_unasked).map(|asked| asked.ticket).collect();
        self.settings.hooks = hooks;
        for ticket in unasked {
            self.decide(now, ticket, Ok(()));
        }
    }

    fn park_conn(&mut self, now: Instant, conn: ConnId, request: Pending, asked: Asked) {
        self.timers.cancel(&Timer::Join(conn));
        let ticket = self.park(now, request, asked);
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.place = Place::Waiting { ticket };
        }
    }

    fn park(&mut self, now: Instant, request: Pending, asked: Asked) -> u64 {
        let ticket = self.parked.next;
        self.parked.next += 1;
        let asked = Box::new(Asked { ticket, ..asked });
        self.parked.by_ticket.insert(ticket, Parked { asked: asked.clone(), request });
        self.timers.set(Timer::Decision(ticket), now + self.settings.hooks.timeout);
        self.notify(ServerNotice::Asked(asked));
        ticket
    }

    /// Whoever waited with this ticket is gone.
    pub(super) fn drop_ticket(&mut self, ticket: u64) {
        self.take_parked(ticket);
    }

    fn take_parked(&mut self, ticket: u64) -> Option<Pending> {
        self.timers.cancel(&Timer::Decision(ticket));
        self.parked.by_ticket.remove(&ticket).map(|parked| parked.request)
    }

    /// Ends the wait of a session that does not want to come into a lobby any more; whether it did
    /// wait.
    pub(super) fn withdraw(&mut self, id: SessionId) -> bool {
        let ticket = self.sessions.get_mut(id).and_then(|session| session.waits_for.take());
        let Some(Pending::Entry(entry)) = ticket.and_then(|ticket| self.take_parked(ticket)) else {
            return false;
        };
        self.conclude(id, entry.number, Err(Problem::NotInLobby.into()));
        true
    }

    /// Nobody has decided in time.
    pub(super) fn go_undecided(&mut self, now: Instant, ticket: u64) {
        self.notify(ServerNotice::Undecided { ticket });
        let is_accepted = self.settings.hooks.accepts_undecided;
        self.decide(now, ticket, if is_accepted { Ok(()) } else { Err(String::new()) });
    }

    /// Goes on with what waited, or turns it away.
    pub(super) fn decide(&mut self, now: Instant, ticket: u64, verdict: Verdict) {
        let Some(request) = self.take_parked(ticket) else { return };
        match (request, verdict.map_err(cut)) {
            (Pending::Hello { conn, hello, problem }, Ok(())) => {
                self.begin(now, conn, *hello, problem);
            }
            (Pending::Hello { conn, .. }, Err(words)) => {
                let problem = Problem::Unauthorised;
                self.refuse_hello(conn, problem, or_sentence(&words, problem));
            }
            (Pending::Entry(entry), verdict) => self.decide_entry(now, entry, verdict),
            (Pending::Plain { conn, way }, Ok(())) => match self.check_plain(conn, &way) {
                Ok(()) => self.grant_plain(now, conn, &way),
                Err(refusal) => self.expel(conn, refusal.into()),
            },
            (Pending::Plain { conn, .. }, Err(words)) => {
                self.expel(conn, refused(or_sentence(&words, Problem::Rejected)));
            }
        }
    }

    fn decide_entry(&mut self, now: Instant, entry: Entry, verdict: Verdict) {
        let (id, number) = (entry.session, entry.number);
        if let Some(session) = self.sessions.get_mut(id) {
            session.waits_for = None;
        }
        let outcome = match verdict {
            Ok(()) => self.go_on(now, entry),
            Err(words) => Err(Refused::rejected(words)),
        };
        self.conclude(id, number, outcome);
    }

    /// Grants what was accepted, if it still can be. Whoever wanted any lobby looks for another.
    fn go_on(&mut self, now: Instant, entry: Entry) -> Outcome {
        match (self.check_entry(&entry), entry.way) {
            (Err(_), Way::Quick { filter, otherwise, .. }) => {
                self.quick_join(now, (entry.session, entry.number), filter, otherwise, entry.me)
            }
            (Err(problem), _) => Err(problem.into()),
            (Ok(()), way) => self.grant(now, Entry { way, ..entry }),
        }
    }
}

impl Hooks {
    fn asks_about(&self, wish: &Wish) -> bool {
        match wish {
            Wish::Hello => self.hello,
            Wish::Create(_) => self.create,
            Wish::Join(_) => self.join,
        }
    }
}

impl Asked {
    /// Where it comes from, as far as limits go: its address; of IPv6 the whole /64.
    pub fn neighbourhood(&self) -> String {
        neighbourhood(&self.address)
    }

    /// Asked by somebody of whom nothing is known yet.
    fn nothing(wish: Wish) -> Self {
        Self {
            ticket: 0,
            wish,
            is_plain: false,
            address: String::new(),
            name: String::new(),
            user: String::new(),
            token: String::new(),
            game: String::new(),
            build: String::new(),
            metadata: Object::default(),
        }
    }
}

impl ParkedRequests {
    /// Panics unless exactly these tickets wait, each until its time is up.
    pub(super) fn assert_consistent(
        &self,
        tickets: impl Iterator<Item = u64>,
        timers: &Timers<Timer>,
    ) {
        let tickets: BTreeSet<u64> = tickets.collect();
        assert_eq!(tickets, self.by_ticket.keys().copied().collect(), "who waits has a ticket");
        for ticket in tickets {
            assert!(timers.get(&Timer::Decision(ticket)).is_some(), "its time will be up");
        }
    }
}

/// A lobby that a client of the plain protocol creates.
fn plain_entry(topology: Topology) -> LobbyEntry {
    LobbyOptions { topology, ..LobbyOptions::default() }.entry(String::new())
}

/// As many words as arrive.
fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(limits::REASON));
    words
}

fn or_sentence(words: &str, problem: Problem) -> &str {
    if words.is_empty() { problem.sentence() } else { words }
}

#[cfg(test)]
mod tests;
