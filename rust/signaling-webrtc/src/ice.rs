//! Which path leads to the other side, and whether it still does (RFC 8445, RFC 7675).
//!
//! The agent of the `is` crate pairs candidates and checks them. It neither gives up nor notices
//! quickly that nobody answers any more; both are added here.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent, IceAgentEvent, IceConnectionState, IceCreds, Protocol};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::config::PeerConfig;
use crate::stun::Reflexive;

/// The least time between two checks of new pairs.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// How long an unanswered check waits before the next; doubled up to [`KEEPALIVE_INTERVAL`].
const CHECK_RETRY: Duration = Duration::from_millis(100);
/// The time between two checks of a pair that works.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// Unanswered checks after which a pair has failed; it takes about 7 s.
const CHECK_ATTEMPTS: usize = 9;
/// How long we may send without a fresh answer to a check (RFC 7675, section 5.1).
const CONSENT_EXPIRY: Duration = Duration::from_secs(30);

/// Candidates of each side, and addresses that turn up in checks; what comes beyond is ignored.
const MAX_ADDRESSES: usize = 64;

/// The ICE agent of one connection.
pub(crate) struct Ice {
    agent: IceAgent,
    timers: Timers,
    started: Option<Instant>,
    path: Option<Path>,
    last_heard: Instant,
    last_consent: Instant,
    consents: u64,
    failed: bool,
    /// Whether something was learnt that a check may follow from.
    has_news: bool,
    hosts: usize,
    remote_candidates: Vec<Candidate>,
    /// No more candidates will come, from us or from the other side.
    local_ended: bool,
    remote_ended: bool,
    /// Where authentic checks came from, and as what we were seen in answers. The agent
    /// remembers each of them for good, so that their number must be limited.
    sources: Vec<SocketAddr>,
    mapped: Vec<SocketAddr>,
}

struct Timers {
    disconnected_after: Duration,
    failed_after: Duration,
    connect_timeout: Duration,
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
    /// There is none; for good.
    Failed,
}

impl Ice {
    pub(crate) fn new(now: Instant, rng: &mut StdRng, config: &PeerConfig) -> Self {
        let mut agent = IceAgent::new(IceCreds { ufrag: token(rng, 8), pass: token(rng, 24) });
        agent.set_control_tie_breaker(rng.random());
        agent.set_timing_advance(CHECK_INTERVAL);
        agent.set_initial_stun_rto(CHECK_RETRY);
        agent.set_max_stun_rto(KEEPALIVE_INTERVAL);
        agent.set_max_stun_retransmits(CHECK_ATTEMPTS);
        Self {
            agent,
            timers: Timers {
                disconnected_after: config.disconnected_after,
                failed_after: config.failed_after,
                connect_timeout: config.connect_timeout,
            },
            started: None,
            path: None,
            last_heard: now,
            last_consent: now,
            consents: 0,
            failed: false,
            has_news: false,
            hosts: 0,
            remote_candidates: Vec::new(),
            local_ended: false,
            remote_ended: false,
            sources: Vec::new(),
            mapped: Vec::new(),
        }
    }

    pub(crate) fn credentials(&self) -> &IceCreds {
        self.agent.local_credentials()
    }

    /// Adds a bound socket; the candidate line to tell the other side, unless the address is
    /// known already or of no use.
    pub(crate) fn add_host(&mut self, socket: SocketAddr) -> Option<String> {
        if self.hosts == MAX_ADDRESSES {
            return None;
        }
        self.hosts += 1;
        let candidate = Candidate::host(socket, Protocol::Udp).ok()?;
        self.agent.add_local_candidate(candidate).map(Candidate::to_sdp_string)
    }

    /// Adds what a STUN server said, likewise.
    pub(crate) fn add_reflexive(&mut self, found: &Reflexive) -> Option<String> {
        let candidate =
            Candidate::server_reflexive(found.mapped, found.base, Protocol::Udp).ok()?;
        self.agent.add_local_candidate(candidate).map(Candidate::to_sdp_string)
    }

    pub(crate) fn end_of_local_candidates(&mut self) {
        self.local_ended = true;
    }

    /// Adds a candidate of the other side; descriptions repeat those that came before.
    pub(crate) fn add_remote(&mut self, candidate: Candidate) {
        let known = &mut self.remote_candidates;
        if known.len() < MAX_ADDRESSES && !known.contains(&candidate) {
            known.push(candidate.clone());
            self.agent.add_remote_candidate(candidate);
            self.has_news = true;
        }
    }

    pub(crate) fn end_of_remote_candidates(&mut self) {
        self.remote_ended = true;
    }

    /// Begins to look for a path. The side that made the first offer is the controlling one.
    pub(crate) fn start(&mut self, now: Instant, remote: IceCreds, controlling: bool) {
        // The agent's clock must run before it has checks to catch up on, or it never starts.
        self.agent.handle_timeout(now);
        self.agent.set_controlling(controlling);
        self.agent.set_remote_credentials(remote);
        self.started = Some(now);
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
        let mapped = message.mapped_address().filter(|_| message.is_successful_binding_response());
        let is_countable = has_room(&self.sources, from)
            && mapped.is_none_or(|mapped| has_room(&self.mapped, mapped));
        if self.failed || !is_countable {
            return;
        }
        let packet = StunPacket { proto: Protocol::Udp, source: from, destination: local, message };
        if self.agent.handle_packet(now, packet) {
            self.heard(now);
            self.has_news = true;
            remember(&mut self.sources, from);
            mapped.into_iter().for_each(|mapped| remember(&mut self.mapped, mapped));
        }
    }

    /// Something authentic came from the other side.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// Whether authentic checks came from there.
    pub(crate) fn is_source(&self, address: SocketAddr) -> bool {
        self.sources.contains(&address)
    }

    /// The path to send on. It may change at any time.
    pub(crate) fn path(&self) -> Option<Path> {
        self.path.filter(|_| !self.failed)
    }

    pub(crate) fn state(&self, now: Instant) -> IceState {
        if self.failed {
            IceState::Failed
        } else if self.started.is_none() {
            IceState::New
        } else if self.path.is_none() {
            IceState::Checking
        } else if now >= self.last_heard + self.timers.disconnected_after {
            IceState::Disconnected
        } else {
            IceState::Connected
        }
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant) {
        if self.failed || self.started.is_none() {
            return;
        }
        // While there is no path, news is followed up at once: waiting for one's turn after each
        // would cost several times the round trips themselves.
        if std::mem::take(&mut self.has_news) && self.path.is_none() {
            self.agent.handle_timeout(now);
        }
        // One check a time is due; while checks that came early are caught up, up to a hundred.
        while self.agent.poll_timeout().is_some_and(|due| due <= now) {
            self.agent.handle_timeout(now);
        }
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { source, destination, .. } = event {
                if self.path.is_none() {
                    self.last_consent = now;
                }
                self.path = Some(Path { local: source, remote: destination });
            }
        }
        let consents = self.agent.stats().bind_success_recv;
        if consents != self.consents {
            self.consents = consents;
            self.last_consent = now;
        }
        self.failed = self.no_pair_is_left() || self.failure().is_some_and(|due| due <= now);
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<(Path, Vec<u8>)> {
        let transmit = self.agent.poll_transmit().filter(|_| !self.failed)?;
        let path = Path { local: transmit.source, remote: transmit.destination };
        Some((path, transmit.contents.into()))
    }

    /// When to call [`Ice::advance`], or to look at the state again.
    pub(crate) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        if self.failed || self.started.is_none() {
            return None;
        }
        let silence = self.path.map(|_| self.last_heard + self.timers.disconnected_after);
        let silence = silence.filter(|due| *due > now);
        [self.agent.poll_timeout(), silence, self.failure()].into_iter().flatten().min()
    }

    /// When the connection will have failed if nothing more comes.
    fn failure(&self) -> Option<Instant> {
        if self.path.is_none() {
            return Some(self.started? + self.timers.connect_timeout);
        }
        let silence = self.last_heard + self.timers.failed_after;
        Some(silence.min(self.last_consent + CONSENT_EXPIRY))
    }

    /// Whether every pair there will ever be has been tried in vain.
    fn no_pair_is_left(&self) -> bool {
        self.path.is_none()
            && self.local_ended
            && self.remote_ended
            && self.agent.state() == IceConnectionState::Disconnected
    }
}

fn has_room(list: &[SocketAddr], address: SocketAddr) -> bool {
    list.len() < MAX_ADDRESSES || list.contains(&address)
}

fn remember(list: &mut Vec<SocketAddr>, address: SocketAddr) {
    if !list.contains(&address) {
        list.push(address);
    }
}

/// Random characters that ICE allows in credentials (RFC 8839, section 5.4).
fn token(rng: &mut StdRng, len: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..len).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}
