//! Which path leads to the other side, and whether it still does (RFC 8445, RFC 7675).
//!
//! The agent of the `is` crate pairs candidates and checks them. It neither gives up, nor notices
//! quickly that nobody answers any more, nor leaves a silent path for one that answers; these are
//! added here. A restart (RFC 8445, section 9) begins a new generation with an agent of its own,
//! beside the old one, whose path is used until the new one has found one.

mod checks;
mod generation;
mod statistics;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::StunMessage;
use is::{Candidate, IceCreds, Protocol};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::candidate::Advertised;
use crate::config::PeerConfig;
use crate::stun::Reflexive;
use generation::Generation;

/// How long we may send without a fresh answer to a check (RFC 7675, section 5.1).
const CONSENT_EXPIRY: Duration = Duration::from_secs(30);

/// Candidates of ours, and addresses that turn up in checks; what comes beyond is ignored.
const MAX_ADDRESSES: usize = 64;

/// The search for a path, and the path.
pub(crate) struct Ice {
    timers: Timers,
    /// Settles who is in control when both want to be (RFC 8445, section 7.3.1.1).
    tie_breaker: u64,
    locals: Vec<Local>,
    /// No more candidates of ours will come.
    local_ended: bool,
    /// The one whose path is taken.
    current: Generation,
    /// The one that a restart began and that has found no path yet.
    next: Option<Generation>,
    /// The one before: it answers, as the other side may switch later than we did.
    previous: Option<Generation>,
    path: Option<Path>,
    /// When there first was a path, counting from the latest beginning.
    connected: Option<Instant>,
    last_heard: Instant,
    /// When the other side's credentials came last: a restart that it agreed to deserves time.
    last_agreement: Instant,
    /// When a check of the path was answered last.
    last_consent: Instant,
    failure: Option<IceFailure>,
}

/// A candidate of ours.
struct Local {
    candidate: Candidate,
    /// The socket behind it.
    base: SocketAddr,
}

struct Timers {
    disconnected_after: Duration,
    failed_after: Duration,
    connect_timeout: Duration,
    /// The time between two checks of a pair that works.
    keepalive: Duration,
}

impl Timers {
    fn new(config: &PeerConfig) -> Self {
        Self {
            disconnected_after: config.disconnected_after,
            failed_after: config.failed_after,
            connect_timeout: config.connect_timeout,
            // The other side may do no more than answer, and some answers are lost.
            keepalive: (config.disconnected_after / 4)
                .clamp(Duration::from_millis(100), Duration::from_secs(1)),
        }
    }

    /// Unanswered checks after which a pair is given up; it takes about 7 s.
    fn check_attempts(&self) -> usize {
        // The first three come quicker.
        usize::try_from(7000 / self.keepalive.as_millis() + 3).unwrap_or(usize::MAX)
    }

    /// After so long without an answer the path is left for one that answers, if there is one.
    fn silent_path(&self) -> Duration {
        self.keepalive * 3
    }
}

/// A way that datagrams take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// How the path is (W3C WebRTC, section 5.6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IceState {
    /// The other side's credentials are unknown.
    New,
    /// Looking for a path.
    Checking,
    /// There is one.
    Connected,
    /// Nothing is heard at the moment.
    Disconnected,
    /// There is none, until a restart.
    Failed,
}

/// Why there is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IceFailure {
    /// The other side named no address that could be tried.
    NoCandidates,
    /// No pair of addresses worked.
    NoPairAnswered,
    /// Nothing was heard for too long.
    Silence,
    /// Our checks were not answered for too long, while something was heard.
    ConsentExpired,
}

impl Ice {
    pub(crate) fn new(now: Instant, rng: &mut StdRng, config: &PeerConfig) -> Self {
        let timers = Timers::new(config);
        let tie_breaker = rng.random();
        Self {
            current: Generation::new(new_credentials(rng), tie_breaker, &timers),
            timers,
            tie_breaker,
            locals: Vec::new(),
            local_ended: false,
            next: None,
            previous: None,
            path: None,
            connected: None,
            last_heard: now,
            last_agreement: now,
            last_consent: now,
            failure: None,
        }
    }

    /// Ours, as the latest generation has them.
    pub(crate) fn credentials(&self) -> &IceCreds {
        self.latest().credentials()
    }

    /// Ours, of every generation that still answers.
    pub(crate) fn username_fragments(&self) -> impl Iterator<Item = &str> {
        self.generations().map(|generation| generation.credentials().ufrag.as_str())
    }

    /// The other side's, as far as the latest generation knows them.
    pub(crate) fn remote_credentials(&self) -> Option<&IceCreds> {
        self.latest().remote()
    }

    fn latest(&self) -> &Generation {
        self.next.as_ref().unwrap_or(&self.current)
    }

    fn latest_mut(&mut self) -> &mut Generation {
        self.next.as_mut().unwrap_or(&mut self.current)
    }

    fn generations(&self) -> impl Iterator<Item = &Generation> {
        [self.next.as_ref(), Some(&self.current), self.previous.as_ref()].into_iter().flatten()
    }

    fn generations_mut(&mut self) -> impl Iterator<Item = &mut Generation> {
        let rest = [self.next.as_mut(), Some(&mut self.current), self.previous.as_mut()];
        rest.into_iter().flatten()
    }

    /// Adds a bound socket; the candidate lines to tell the other side (see [`with_ufrag`]), none
    /// when the address is known already or of no use.
    pub(crate) fn add_host(&mut self, socket: SocketAddr, advertised: &Advertised) -> Vec<String> {
        let host = Candidate::host(socket, Protocol::Udp).ok();
        let line = host.and_then(|host| self.add_local(host, socket));
        match advertised {
            Advertised::Publicly(addresses) if line.is_some() => {
                let mapped = |&ip| SocketAddr::new(ip, socket.port());
                let found = |mapped| Reflexive { base: socket, mapped };
                let found = addresses.iter().map(mapped).map(found);
                found.filter_map(|found| self.add_reflexive(&found)).collect()
            }
            Advertised::Itself | Advertised::Publicly(_) => line.into_iter().collect(),
            Advertised::Name(name) => line.map(|line| with_name(&line, name)).into_iter().collect(),
        }
    }

    /// Adds what a STUN server said, likewise.
    pub(crate) fn add_reflexive(&mut self, found: &Reflexive) -> Option<String> {
        let candidate =
            Candidate::server_reflexive(found.mapped, found.base, Protocol::Udp).ok()?;
        self.add_local(candidate, found.base)
    }

    /// Adds an address that a TURN server granted, likewise. How that is reached is nobody's
    /// business: it stands for a socket of its own.
    pub(crate) fn add_relayed(&mut self, relayed: SocketAddr) -> Option<String> {
        let candidate = Candidate::relayed(relayed, relayed, Protocol::Udp).ok()?;
        self.add_local(candidate, relayed)
    }

    fn add_local(&mut self, candidate: Candidate, base: SocketAddr) -> Option<String> {
        let is_same =
            |known: &Local| known.base == base && known.candidate.addr() == candidate.addr();
        if self.locals.len() == MAX_ADDRESSES || self.locals.iter().any(is_same) {
            return None;
        }
        let line = self.latest_mut().add_local(candidate.clone()).map(Candidate::to_sdp_string)?;
        if self.next.is_some() {
            self.current.add_local(candidate.clone());
        }
        self.locals.push(Local { candidate, base });
        Some(with_foundation(&without_ufrag(&line), self.locals.len()))
    }

    /// A socket is gone, and every candidate with it.
    pub(crate) fn remove_socket(&mut self, socket: SocketAddr) {
        let (gone, kept) = std::mem::take(&mut self.locals)
            .into_iter()
            .partition::<Vec<_>, _>(|local| local.base == socket);
        self.locals = kept;
        for generation in self.generations_mut() {
            for local in &gone {
                generation.remove_local(&local.candidate, socket);
            }
        }
        self.path.take_if(|path| path.local == socket);
    }

    /// Whether this is the address of a socket of ours.
    pub(crate) fn has_host(&self, address: SocketAddr) -> bool {
        let is_host = |local: &Local| local.candidate.kind() == is::CandidateKind::Host;
        self.locals.iter().any(|local| local.base == address && is_host(local))
    }

    pub(crate) fn end_of_local_candidates(&mut self) {
        self.local_ended = true;
    }

    /// Adds a candidate of the other side, to the generation that it names or to the latest.
    pub(crate) fn add_remote(&mut self, candidate: Candidate) {
        let is_current = candidate
            .ufrag()
            .is_some_and(|ufrag| self.current.remote().is_some_and(|remote| remote.ufrag == ufrag));
        let generation = if is_current { &mut self.current } else { self.latest_mut() };
        generation.add_remote(candidate);
    }

    pub(crate) fn end_of_remote_candidates(&mut self) {
        self.latest_mut().end_of_remote_candidates();
    }

    /// Has a new generation ready, in place of one that found no path. It begins with
    /// [`Ice::start`]; `remote` is known already when the other side restarts.
    pub(crate) fn restart(&mut self, credentials: IceCreds, remote: Option<IceCreds>) {
        let mut next = Generation::new(credentials, self.tie_breaker, &self.timers);
        for local in &self.locals {
            next.add_local(local.candidate.clone());
        }
        remote.into_iter().for_each(|remote| next.expect(remote));
        self.next = Some(next);
    }

    /// Takes a restart back that we asked for and the other side has not agreed to.
    pub(crate) fn take_back_restart(&mut self) {
        self.next.take_if(|next| next.remote().is_none());
    }

    /// Whether a generation waits for the other side's credentials.
    pub(crate) fn is_waiting(&self) -> bool {
        self.latest().started().is_none()
    }

    /// Begins to look for a path. At first, the side that made the offer is the controlling one;
    /// a restart changes nothing about that.
    pub(crate) fn start(&mut self, now: Instant, remote: IceCreds, is_offerer: bool) {
        let is_first = self.current.started().is_none();
        let controlling = if is_first { is_offerer } else { self.current.is_controlling() };
        self.latest_mut().start(now, remote, controlling);
        self.last_agreement = now;
        if self.connected.is_none() || self.failure.is_some() {
            self.switch();
            self.path = None;
            self.connected = None;
            self.failure = None;
        }
    }

    /// The next generation becomes the current one.
    fn switch(&mut self) {
        if let Some(next) = self.next.take() {
            self.previous = Some(std::mem::replace(&mut self.current, next));
        }
    }

    /// Takes a STUN message.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        let Ok(message) = StunMessage::parse(bytes) else { return };
        let path = Path { local, remote: from };
        if self.generations_mut().any(|generation| generation.handle(now, path, &message)) {
            self.heard(now);
        }
    }

    /// Something authentic came from the other side.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// Whether authentic checks came from there.
    pub(crate) fn is_source(&self, address: SocketAddr) -> bool {
        self.generations().any(|generation| generation.is_source(address))
    }

    /// The path to send on. It may change at any time.
    pub(crate) fn path(&self) -> Option<Path> {
        self.path.filter(|_| self.failure.is_none())
    }

    pub(crate) fn state(&self, now: Instant) -> IceState {
        if self.failure.is_some() {
            IceState::Failed
        } else if self.current.started().is_none() {
            IceState::New
        } else if self.connected.is_none() {
            IceState::Checking
        } else if self.path.is_none() || now >= self.last_heard + self.timers.disconnected_after {
            IceState::Disconnected
        } else {
            IceState::Connected
        }
    }

    /// Why there is no path, once that is certain.
    pub(crate) fn failure(&self) -> Option<IceFailure> {
        self.failure
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant) {
        if self.failure.is_some() || self.current.started().is_none() {
            return;
        }
        self.current.advance(now);
        self.next.iter_mut().for_each(|next| next.advance(now));
        if self.next.as_ref().is_some_and(|next| next.nominated().is_some()) {
            self.switch();
        }
        self.path = self.choose_path(now);
        if let Some(path) = self.path {
            self.connected.get_or_insert(now);
            self.last_consent = self.current.checks().last_answer(path).unwrap_or(now);
        }
        self.failure = self.find_failure(now);
    }

    /// The nominated path, unless it is silent and another one is not.
    fn choose_path(&self, now: Instant) -> Option<Path> {
        let limit = self.timers.silent_path();
        let checks = self.current.checks();
        let is_fine = |path: &Path| !checks.is_silent(*path, now, limit);
        let nominated = self.current.nominated();
        // Nothing is taken before the first nomination: the other side would not expect it.
        if nominated.is_some_and(|path| is_fine(&path)) || self.connected.is_none() {
            return nominated;
        }
        let other = self.path.filter(is_fine).or_else(|| checks.quickest(now, limit));
        other.or(nominated)
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<(Path, Vec<u8>)> {
        if self.failure.is_some() {
            return None;
        }
        self.generations_mut().find_map(|generation| generation.poll_transmit(now))
    }

    /// When to call [`Ice::advance`], or to look at the state again.
    pub(crate) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        if self.failure.is_some() || self.current.started().is_none() {
            return None;
        }
        let silence = self.connected.map(|_| self.last_heard + self.timers.disconnected_after);
        let silence = silence.filter(|due| *due > now);
        let next = self.next.as_mut().and_then(Generation::poll_timeout);
        [self.current.poll_timeout(), next, silence, self.deadline().map(|(due, _)| due)]
            .into_iter()
            .flatten()
            .min()
    }

    fn find_failure(&self, now: Instant) -> Option<IceFailure> {
        let due = self.deadline().filter(|(due, _)| *due <= now);
        let is_hopeless =
            self.connected.is_none() && self.local_ended && self.current.no_pair_is_left();
        due.map(|(_, failure)| failure).or_else(|| is_hopeless.then(|| self.no_path()))
    }

    /// When the connection will have failed if nothing more comes, and why.
    fn deadline(&self) -> Option<(Instant, IceFailure)> {
        if self.connected.is_none() {
            let started = self.current.started()?;
            return Some((started + self.timers.connect_timeout, self.no_path()));
        }
        let silence = self.last_agreement.max(self.last_heard) + self.timers.failed_after;
        let consent = self.path.map(|_| self.last_consent + CONSENT_EXPIRY);
        Some(match consent.filter(|consent| *consent < silence) {
            Some(consent) => (consent, IceFailure::ConsentExpired),
            None => (silence, IceFailure::Silence),
        })
    }

    fn no_path(&self) -> IceFailure {
        if self.current.checks().pairs().is_empty() && self.current.remote_candidates().is_empty() {
            IceFailure::NoCandidates
        } else {
            IceFailure::NoPairAnswered
        }
    }
}

/// Random credentials (RFC 8839, section 5.4).
pub(crate) fn new_credentials(rng: &mut StdRng) -> IceCreds {
    IceCreds { ufrag: token(rng, 8), pass: token(rng, 24) }
}

/// Random characters that ICE allows in credentials.
fn token(rng: &mut StdRng, len: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..len).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// A candidate line as the other side is told it: it says to which generation it belongs.
pub(crate) fn with_ufrag(line: &str, credentials: &IceCreds) -> String {
    format!("{line} ufrag {}", credentials.ufrag)
}

/// The line with another foundation: the agent's would tell the address to whoever tries them all.
fn with_foundation(line: &str, foundation: usize) -> String {
    let rest = line.split_once(' ').map_or("", |(_, rest)| rest);
    format!("candidate:{foundation} {rest}")
}

/// The line with this name in place of the address.
fn with_name(line: &str, name: &str) -> String {
    const ADDRESS: usize = 4;
    let fields = line.split(' ').enumerate();
    let fields = fields.map(|(place, field)| if place == ADDRESS { name } else { field });
    fields.collect::<Vec<_>>().join(" ")
}

fn without_ufrag(line: &str) -> String {
    line.rsplit_once(" ufrag ").map_or(line, |(line, _)| line).to_owned()
}
