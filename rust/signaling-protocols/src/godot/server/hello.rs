//! How sessions begin, are kept alive, get lost and are resumed.

use std::time::{Duration, Instant};

use signaling_core::{Close, ConnId, Output};

use super::lobby::Away;
use super::session::{REQUESTS, SessionId};
use super::{GodotServer, Place, Timer};
use crate::godot::extended::{Hello, Invalid, Problem, Resume, ServerEvent, VERSION, Welcome};
use crate::godot::refusal::refused;

/// Signs of life that may be missing before a connection is given up.
const PINGS_MISSED: u32 = 3;

impl GodotServer {
    /// The first message of a connection that speaks the extended protocol.
    pub(super) fn hello(&mut self, now: Instant, conn: ConnId, hello: Result<Box<Hello>, Invalid>) {
        match hello {
            Err(invalid) => self.refuse_hello(conn, Problem::Invalid, &invalid.to_string()),
            Ok(hello) if !self.takes(&hello) => {
                self.refuse_hello(conn, Problem::WrongVersion, Problem::WrongVersion.sentence());
            }
            Ok(mut hello) => {
                let resume = hello.resume.take();
                match resume.map(|resume| self.resume(now, conn, &resume)) {
                    Some(Ok(())) => {}
                    Some(Err(problem)) => self.knock(now, conn, hello, Some(problem)),
                    None => self.knock(now, conn, hello, None),
                }
            }
        }
    }

    /// Whether game and build are those that this server is for.
    fn takes(&self, hello: &Hello) -> bool {
        let fits = |wanted: &str, told: &str| wanted.is_empty() || wanted == told;
        hello.version >= VERSION
            && fits(&self.settings.game, &hello.game)
            && fits(&self.settings.build, &hello.build)
    }

    pub(super) fn refuse_hello(&mut self, conn: ConnId, problem: Problem, message: &str) {
        let event = ServerEvent::Refused {
            request: 0,
            problem,
            message: message.to_owned(),
            details: Default::default(),
        };
        self.outputs.push_back(Output::Send { conn, text: event.encode() });
        self.expel(conn, refused(message));
    }

    /// Begins a new session; `problem` is why it is not the one that was to go on.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        conn: ConnId,
        hello: Hello,
        problem: Option<Problem>,
    ) {
        let address = self.address(conn);
        let id = self.sessions.open(now, &mut self.rng, conn, &address, hello);
        self.attach(now, conn, id);
        self.welcome(now, conn, id, false, problem);
    }

    /// Goes on with a session on another connection.
    fn resume(&mut self, now: Instant, conn: ConnId, resume: &Resume) -> Result<(), Problem> {
        let id = self.sessions.of_token(&resume.token).ok_or(Problem::Lost)?;
        let Some(session) = self.sessions.get_mut(id) else { return Err(Problem::Lost) };
        let is_known = session.replay.confirm(resume.received).is_ok();
        if !is_known || !session.replay.is_resumable() {
            self.end_session(id, Some(Problem::Lost), &Close::new(1001, ELSEWHERE));
            return Err(Problem::Lost);
        }
        if let Some(old) = self.sessions.connect(id, Some(conn)) {
            self.conns.remove(&old);
            self.close(old, Close::new(1001, ELSEWHERE));
        }
        self.attach(now, conn, id);
        self.welcome(now, conn, id, true, None);
        self.send_again(conn, id);
        self.come_back(id);
        self.catch_up(id);
        Ok(())
    }

    fn attach(&mut self, now: Instant, conn: ConnId, id: SessionId) {
        self.timers.cancel(&Timer::Join(conn));
        self.timers.cancel(&Timer::Away(id));
        self.timers.cancel(&Timer::Doubt(id));
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.place = Place::Session(id);
        }
        self.heard(now, id);
    }

    fn welcome(
        &mut self,
        now: Instant,
        conn: ConnId,
        id: SessionId,
        is_resumed: bool,
        problem: Option<Problem>,
    ) {
        let Some(session) = self.sessions.get(id) else { return };
        let welcome = Welcome {
            version: VERSION,
            user: session.user.clone(),
            token: session.token.clone(),
            resumed: is_resumed.then(|| session.replay.received()),
            problem,
            resume_timeout: self.settings.resume_timeout,
            ping_interval: self.settings.ping_interval,
            ice_servers: self.settings.ice_servers(now, &session.user),
        };
        self.answer(conn, &ServerEvent::Welcome(Box::new(welcome)));
    }

    /// Sends what is not counted as a message of the session.
    pub(super) fn answer(&mut self, conn: ConnId, event: &ServerEvent) {
        self.outputs.push_back(Output::Send { conn, text: event.encode() });
    }

    fn send_again(&mut self, conn: ConnId, id: SessionId) {
        let Some(session) = self.sessions.get(id) else { return };
        let missed: Vec<_> = session.replay.unconfirmed().cloned().collect();
        self.outputs.extend(missed.into_iter().map(|text| Output::Send { conn, text }));
    }

    /// Tells the others that a member is back.
    fn come_back(&mut self, id: SessionId) {
        let Some((name, peer)) = self.sessions.get(id).and_then(|session| session.place.clone())
        else {
            return;
        };
        let member = self.lobbies.get_mut(&name).and_then(|lobby| lobby.roster.get_mut(&peer));
        if member.is_some_and(|member| member.away.take().is_some()) {
            self.tell_of_absence(id, false);
        }
    }

    /// A sign of life, which confirms what has arrived.
    pub(super) fn ping(&mut self, now: Instant, id: SessionId, received: u64, rtt: Option<u32>) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.replay.confirm(received).is_err() {
            let close = refused("More was confirmed than was sent");
            return self.end_session(id, Some(Problem::Lost), &close);
        }
        session.rtt = rtt.or(session.rtt);
        let may_be_told = session.requests.take(now, &REQUESTS);
        let (received, rtt, conn) = (session.replay.received(), session.rtt, session.conn);
        let place = session.place.clone();
        self.heard(now, id);
        let lobby = place.and_then(|(name, peer)| {
            let lobby = self.lobbies.get_mut(&name)?;
            lobby.roster.get_mut(&peer)?.rtt = rtt;
            Some(&*lobby)
        });
        let round_trips = lobby.filter(|_| may_be_told).map(|lobby| {
            let known = lobby.roster.iter().filter_map(|(peer, member)| Some((*peer, member.rtt?)));
            known.take(MAX_ROUND_TRIPS).collect()
        });
        if let Some(conn) = conn {
            let round_trips = round_trips.unwrap_or_default();
            self.answer(conn, &ServerEvent::Pong { received, round_trips });
        }
        self.catch_up(id);
    }

    /// Puts the end off that comes when nothing is heard.
    pub(super) fn heard(&mut self, now: Instant, id: SessionId) {
        let limit = self.settings.ping_interval.saturating_mul(PINGS_MISSED);
        self.timers.set(Timer::Silence(id), now + limit);
    }

    /// As [`Self::heard`], for messages that come in numbers.
    pub(super) fn heard_lately(&mut self, now: Instant, id: SessionId) {
        let limit = self.settings.ping_interval.saturating_mul(PINGS_MISSED - 1);
        if self.timers.get(&Timer::Silence(id)).is_some_and(|at| at < now + limit) {
            self.heard(now, id);
        }
    }

    /// Nothing was heard of a session for too long.
    pub(super) fn fall_silent(&mut self, now: Instant, id: SessionId) {
        if let Some(conn) = self.sessions.get(id).and_then(|session| session.conn) {
            self.close(conn, Close::silent());
            self.depart(now, conn);
        }
    }

    /// A session has lost its connection.
    pub(super) fn go_away(&mut self, now: Instant, id: SessionId) {
        self.timers.cancel(&Timer::Silence(id));
        self.sessions.connect(id, None);
        let Some(session) = self.sessions.get(id) else { return };
        let may_return = self.settings.resume_timeout > Duration::ZERO
            && session.replay.is_resumable()
            && self.sessions.away() <= self.settings.max_peers;
        let place = session.place.clone();
        let Some((name, peer)) = place.filter(|_| may_return) else {
            return self.end_session(id, Some(Problem::Lost), &Close::silent());
        };
        if let Some(lobby) = self.lobbies.get_mut(&name) {
            let usual = self.settings.resume_timeout;
            self.timers.set(Timer::Away(id), now + lobby.patience(peer, usual).min(usual));
            if let Some(member) = lobby.roster.get_mut(&peer) {
                member.away = Some(Away::new(now));
            }
        }
        self.doubtful.push(name);
        self.tell_of_absence(id, true);
    }

    /// Gives up a member that is away if its time is up, or nobody is left whom it could meet.
    pub(super) fn wait_on(&mut self, now: Instant, id: SessionId) {
        let usual = self.settings.resume_timeout;
        let deadline = self.inside(id).ok().and_then(|(name, peer)| {
            let lobby = self.lobbies.get(&name).filter(|lobby| lobby.is_attended())?;
            let since = lobby.roster.get(&peer)?.away.as_ref()?.since;
            Some(since + lobby.patience(peer, usual))
        });
        match deadline.filter(|deadline| *deadline > now) {
            Some(deadline) => self.timers.set(Timer::Away(id), deadline.min(now + usual)),
            None => self.give_up(id),
        }
    }

    /// A member's return is not waited for any longer.
    pub(super) fn give_up(&mut self, id: SessionId) {
        self.end_session(id, Some(Problem::Lost), &Close::silent());
    }
}

const ELSEWHERE: &str = "Session resumed elsewhere";
/// Members of a lobby that this is told of.
const MAX_ROUND_TRIPS: usize = 64;
