//! HELLO, losing the connection, and making it again.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use signaling_core::backoff::Backoff;
use signaling_core::replay::Replay;
use signaling_core::timers::Timers;
use signaling_core::{Cause, Close, Frame};

use super::asks::{Asked, Asker, is_joining};
use super::pulse::Pulse;
use super::{Extended, Identity, Line, Lobby, REPLAY_BYTES, Timer};
use crate::godot::client::event::{Answer, ClientEvent, Refusal};
use crate::godot::client::state::ClientState;
use crate::godot::extended::{
    Hello, HostPolicy, Object, Problem, Request, Resume, ServerEvent, VERSION, Welcome,
};
use crate::godot::wire::{ClientMessage, ServerMessage};
use crate::json::length;

/// How long an answer to HELLO may take. On later connections, where the server is known to speak
/// the extended protocol, at least two intervals of PING.
const HELLO_TIMEOUT: Duration = Duration::from_secs(3);

/// How long it may take when the server has answered with PING, because it has to ask somebody.
const DECISION_TIMEOUT: Duration = Duration::from_secs(60);

/// The least time for which it is tried to make a lost connection again, whatever the server says:
/// even a place that is lost is told by a server best.
const LEAST_PATIENCE: Duration = Duration::from_secs(10);

/// The tries to make a lost connection again: the first at once, then with delays.
#[derive(Debug)]
pub(super) struct Retries {
    attempt: u32,
    backoff: Backoff,
}

impl Default for Retries {
    fn default() -> Self {
        let (first, max) = (Duration::from_millis(250), Duration::from_secs(5));
        Self { attempt: 0, backoff: Backoff::new(first, max) }
    }
}

impl Retries {
    /// Counts a try: which it is, and the delay before it.
    fn next(&mut self, rng: &mut StdRng) -> (u32, Duration) {
        self.attempt = self.attempt.saturating_add(1);
        let delay = if self.attempt == 1 { Duration::ZERO } else { self.backoff.next(rng) };
        (self.attempt, delay)
    }
}

impl Extended {
    /// The connection stands.
    pub(super) fn greet(&mut self, now: Instant) {
        self.line = Line::Greeting;
        let interval = self.identity.as_ref().map(|identity| identity.ping_interval);
        let patience = interval.map_or(HELLO_TIMEOUT, |interval| HELLO_TIMEOUT.max(2 * interval));
        self.timers.set(Timer::Greeting, now + patience);
        if self.identity.is_some() {
            self.recovering = Some(ClientState::Reinitializing);
            self.show_state();
        }
        let hello = Box::new(self.hello());
        self.out.send(ClientMessage::Hello(Ok(hello)).encode());
    }

    fn hello(&self) -> Hello {
        let received = self.replay.received();
        let identity = self.identity.as_ref().filter(|_| self.replay.is_resumable());
        Hello {
            version: VERSION,
            game: self.options.game.clone(),
            build: self.options.build.clone(),
            token: self.options.token.clone(),
            name: self.options.name.clone(),
            resume: identity.map(|identity| Resume { token: identity.token.clone(), received }),
        }
    }

    pub(super) fn receive_greeting(&mut self, now: Instant, frame: Frame<'_>) {
        match ServerMessage::decode(frame) {
            Some(ServerMessage::Extended(ServerEvent::Welcome(welcome))) => {
                self.welcome(now, *welcome);
            }
            // The server has understood, and somebody there has to decide.
            Some(ServerMessage::Extended(ServerEvent::Pong { .. })) => {
                self.is_understood = true;
                self.timers.set(Timer::Greeting, now + DECISION_TIMEOUT);
            }
            Some(ServerMessage::Extended(ServerEvent::Refused {
                request: 0,
                problem,
                message,
                ..
            })) => self.turned_away = Some((problem, message)),
            _ => self.out.tell(ClientEvent::Malformed { bytes: length(frame) }),
        }
    }

    fn welcome(&mut self, now: Instant, welcome: Welcome) {
        let Welcome { user, token, resumed, problem, .. } = welcome;
        let Welcome { resume_timeout, ping_interval, ice_servers, .. } = welcome;
        let is_first = self.identity.is_none();
        let could_resume = !is_first && self.replay.is_resumable();
        self.identity = Some(Identity { token, resume_timeout, ping_interval });
        self.pulse = Some(Pulse::new(now, ping_interval));
        self.timers.cancel(&Timer::Greeting);
        self.timers.cancel(&Timer::GiveUp);
        self.line = Line::Talking;
        self.is_understood = true;
        self.recovering = None;
        self.out.tell(ClientEvent::Welcomed { user, ice_servers });
        match resumed.filter(|_| could_resume) {
            _ if is_first => self.begin(),
            Some(received) => self.go_on(received),
            None => self.begin_anew(now, problem.unwrap_or(Problem::Lost)),
        }
    }

    /// The first session.
    fn begin(&mut self) {
        self.settle();
        self.out.tell(ClientEvent::Opened);
        self.send_unconfirmed();
    }

    /// The session goes on.
    fn go_on(&mut self, received: u64) {
        // Of a server that confirms what was never sent nothing better can be expected.
        let _ = self.replay.confirm(received);
        self.show_state();
        self.out.tell(ClientEvent::Resumed);
        self.send_unconfirmed();
    }

    fn send_unconfirmed(&mut self) {
        self.replay.unconfirmed().for_each(|text| self.out.send(text.clone()));
        self.asks.note_sent();
    }

    /// A new session in place of the one that was lost. What was never sent is sent in it, unless
    /// it was meant for a lobby that is lost.
    fn begin_anew(&mut self, now: Instant, problem: Problem) {
        self.replay = Replay::new(REPLAY_BYTES);
        let (over, again) = self.asks.take_for_new_session();
        if self.has_place() && !are_leaving(&over) {
            self.lose_lobby(problem);
        } else {
            self.leave_lobby_quietly(&over);
            self.out.tell(ClientEvent::Resumed);
        }
        self.dismiss(over, &Refusal::by_problem(Problem::NotInLobby));
        for request in self.standing.requests() {
            self.ask(now, Asker::Session, Box::new(request));
        }
        for Asked { asker, request, .. } in again {
            self.ask(now, asker, request);
        }
    }

    /// We are in no lobby any more, which is no loss.
    fn leave_lobby_quietly(&mut self, over: &[Asked]) {
        if self.has_place() {
            self.leave_lobby(ClientState::Left, None, String::new());
        } else if over.iter().any(|asked| is_joining(&asked.request)) {
            self.rest(ClientState::Failed);
        } else {
            self.show_state();
        }
    }

    /// Our place in the lobby is lost.
    fn lose_lobby(&mut self, problem: Problem) {
        self.rest(ClientState::Failed);
        self.out.tell(ClientEvent::ResumeFailed { problem });
        self.leave_lobby(ClientState::Failed, Some(problem), problem.sentence().to_owned());
    }

    /// Answers what will not be answered any more; `unsent` is what became of what was never sent.
    fn dismiss(&mut self, asked: Vec<Asked>, unsent: &Refusal) {
        for Asked { asker, request, is_sent } in asked {
            let result = match *request {
                // Whoever has no session is in no lobby.
                Request::Leave => Ok(Answer::Object(Object::default())),
                _ if is_sent => Err(Refusal::ConnectionLost),
                _ => Err(unsent.clone()),
            };
            self.answer(asker, request, result);
        }
    }

    pub(super) fn handle_closed(&mut self, now: Instant, close: Close, cause: Cause) {
        let is_first = self.identity.is_none();
        match self.line {
            _ if self.is_closing || self.turned_away.is_some() => self.end(&close, cause),
            Line::Greeting if !self.is_understood && cause == Cause::Closed => self.speak_plainly(),
            Line::Talking if is_for_good(&close, cause) => self.end(&close, cause),
            _ if is_first || cause == Cause::Stopped => self.end(&close, cause),
            _ => self.lose(now, close, cause, ClientState::WaitingForNetwork),
        }
    }

    /// HELLO was not answered.
    pub(super) fn greeting_overdue(&mut self, now: Instant) {
        if !self.is_understood && self.turned_away.is_none() {
            self.speak_plainly();
        } else if self.identity.is_some() && self.turned_away.is_none() {
            self.fall_silent(now);
        } else {
            self.give_up();
        }
    }

    fn speak_plainly(&mut self) {
        self.timers = Timers::default();
        self.line = Line::Plain;
        self.out.connect();
    }

    /// Nothing is heard on a connection that seems to stand.
    pub(super) fn fall_silent(&mut self, now: Instant) {
        let close = Close::abnormal("The server does not answer");
        self.lose(now, close, Cause::Lost, ClientState::Reinitializing);
    }

    fn lose(&mut self, now: Instant, close: Close, cause: Cause, state: ClientState) {
        self.pulse = None;
        self.timers.cancel(&Timer::Greeting);
        if self.timers.get(&Timer::GiveUp).is_none() {
            self.timers.set(Timer::GiveUp, now + self.patience());
        }
        self.lost = Some((close, cause));
        self.recovering = Some(state);
        self.show_state();
        self.retry(now);
    }

    /// How long our place is kept, at most.
    fn patience(&self) -> Duration {
        let grace = match self.lobby {
            Some(Lobby { me, host, host_policy: HostPolicy::Wait { grace, .. } }) if me == host => {
                grace
            }
            _ => Duration::ZERO,
        };
        let timeout = self.identity.as_ref().map(|identity| identity.resume_timeout);
        timeout.unwrap_or_default().max(grace).max(LEAST_PATIENCE)
    }

    fn retry(&mut self, now: Instant) {
        let (attempt, delay) = self.retries.next(&mut self.rng);
        self.out.tell(ClientEvent::Reconnecting { attempt, delay });
        if delay.is_zero() {
            self.dial();
        } else {
            self.line = Line::Waiting;
            self.timers.set(Timer::Retry, now + delay);
        }
    }

    pub(super) fn dial(&mut self) {
        self.line = Line::Dialling;
        self.out.connect();
    }

    /// Nobody waits for us any more.
    pub(super) fn give_up(&mut self) {
        let unanswered = || (Close::abnormal("The server does not answer"), Cause::Lost);
        let (close, cause) = self.lost.take().unwrap_or_else(unanswered);
        self.out.close();
        self.end(&close, cause);
    }

    /// The game closes the connection: whoever is left behind hears of it at once.
    pub(super) fn close(&mut self) {
        self.is_closing = true;
        self.timers = Timers::default();
        self.pulse = None;
        if self.line == Line::Talking && self.has_place() {
            let (number, request) = (self.asks.next_number(), Ok(Box::new(Request::Leave)));
            self.out.send(ClientMessage::Request { number, request }.encode());
        }
        self.out.close();
        if self.line == Line::Waiting {
            self.end(&Close::normal(), Cause::Closed);
        }
    }

    /// The connection has ended for good.
    fn end(&mut self, close: &Close, cause: Cause) {
        self.line = Line::Over;
        self.timers = Timers::default();
        self.pulse = None;
        let was_recovering = self.recovering.take().is_some();
        let turned_away = self.turned_away.take();
        let problem = turned_away.as_ref().map(|(problem, _)| *problem);
        let (code, reason) = (close.code, close.reason.to_string());
        let asked = self.asks.take_all();
        if self.has_place() {
            if self.is_closing || are_leaving(&asked) {
                self.leave_lobby(ClientState::Left, None, String::new());
            } else if was_recovering {
                self.lose_lobby(problem.unwrap_or(Problem::Lost));
            } else {
                self.leave_lobby(ClientState::Failed, Some(Problem::Closed), reason.clone());
            }
        } else if self.is_closing && self.resting != ClientState::Initializing {
            self.show_state();
        } else {
            self.rest(ClientState::Failed);
        }
        self.dismiss(asked, &Refusal::NotConnected);
        let reason = turned_away.map_or(reason, |(_, message)| message);
        self.out.tell(ClientEvent::Disconnected { code, reason, cause, problem });
    }
}

fn are_leaving(asked: &[Asked]) -> bool {
    asked.iter().any(|asked| *asked.request == Request::Leave)
}

/// Whether a close means that there is nothing to come back for: all that was done on purpose, or
/// to whoever violated the protocol. A server that goes away may come back.
fn is_for_good(close: &Close, cause: Cause) -> bool {
    cause == Cause::Closed && matches!(close.code, 1000 | 1002 | 1003 | 1007..=1010 | 3000..)
}
