//! One search for a path, from credentials to a nominated pair. A restart begins another one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{
    Candidate, CandidateKind, IceAgent, IceAgentEvent, IceConnectionState, IceCreds, Protocol,
};

use super::checks::Checks;
use super::{MAX_ADDRESSES, Path, Timers};

/// The least time between two checks of new pairs.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// How long an unanswered check waits before the next; doubled up to [`Timers::keepalive`].
const CHECK_RETRY: Duration = Duration::from_millis(100);

/// Candidates of the other side that are its own addresses, and as many that are not; what comes
/// beyond is ignored. Nobody shall have us check the addresses of others often.
const MAX_REMOTES: usize = 12;
/// Of these, how many may have the same IP address.
const MAX_REMOTES_OF_ADDRESS: usize = 4;

/// An agent of the `is` crate, and what there is to know of it.
pub(crate) struct Generation {
    agent: IceAgent,
    remote: Option<IceCreds>,
    /// When it began to check.
    started: Option<Instant>,
    nominated: Option<Path>,
    /// Whether something was learnt that a check may follow from.
    has_news: bool,
    remote_candidates: Vec<Candidate>,
    /// No more candidates of the other side will come.
    remote_ended: bool,
    /// Where authentic checks came from, and as what we were seen in answers. The agent
    /// remembers each of them for good, so that their number must be limited.
    sources: Vec<SocketAddr>,
    mapped: Vec<SocketAddr>,
    checks: Checks,
}

impl Generation {
    pub(super) fn new(credentials: IceCreds, tie_breaker: u64, timers: &Timers) -> Self {
        let mut agent = IceAgent::new(credentials);
        agent.set_control_tie_breaker(tie_breaker);
        agent.set_timing_advance(CHECK_INTERVAL);
        agent.set_initial_stun_rto(CHECK_RETRY);
        agent.set_max_stun_rto(timers.keepalive);
        agent.set_max_stun_retransmits(timers.check_attempts());
        Self {
            agent,
            remote: None,
            started: None,
            nominated: None,
            has_news: false,
            remote_candidates: Vec::new(),
            remote_ended: false,
            sources: Vec::new(),
            mapped: Vec::new(),
            checks: Checks::default(),
        }
    }

    pub(super) fn credentials(&self) -> &IceCreds {
        self.agent.local_credentials()
    }

    /// What the other side's checks are known by, as far as it has told.
    pub(super) fn remote(&self) -> Option<&IceCreds> {
        self.remote.as_ref()
    }

    pub(super) fn expect(&mut self, remote: IceCreds) {
        self.remote = Some(remote);
    }

    pub(super) fn started(&self) -> Option<Instant> {
        self.started
    }

    pub(super) fn nominated(&self) -> Option<Path> {
        self.nominated
    }

    pub(super) fn is_controlling(&self) -> bool {
        self.agent.controlling()
    }

    pub(crate) fn checks(&self) -> &Checks {
        &self.checks
    }

    pub(crate) fn remote_candidates(&self) -> &[Candidate] {
        &self.remote_candidates
    }

    /// Adds a candidate of ours; false when it is of no use.
    pub(super) fn add_local(&mut self, candidate: Candidate) -> Option<&Candidate> {
        self.has_news = true;
        self.agent.add_local_candidate(candidate)
    }

    /// This candidate of ours is no more.
    pub(super) fn remove_local(&mut self, candidate: &Candidate, base: SocketAddr) {
        self.agent.invalidate_candidate(candidate);
        self.checks.forget(base);
        self.nominated.take_if(|path| path.local == base);
        self.has_news = true;
    }

    /// Adds a candidate of the other side; descriptions repeat those that came before.
    pub(super) fn add_remote(&mut self, candidate: Candidate) {
        let known = &mut self.remote_candidates;
        let is_host = |candidate: &Candidate| candidate.kind() == CandidateKind::Host;
        let alike = known.iter().filter(|other| is_host(other) == is_host(&candidate));
        let nearby = known.iter().filter(|other| other.addr().ip() == candidate.addr().ip());
        let has_room = alike.count() < MAX_REMOTES && nearby.count() < MAX_REMOTES_OF_ADDRESS;
        if has_room && !known.contains(&candidate) {
            known.push(candidate.clone());
            self.agent.add_remote_candidate(candidate);
            self.has_news = true;
        }
    }

    pub(super) fn end_of_remote_candidates(&mut self) {
        self.remote_ended = true;
    }

    /// Begins to look for a path.
    pub(super) fn start(&mut self, now: Instant, remote: IceCreds, controlling: bool) {
        // The agent's clock must run before it has checks to catch up on, or it never starts.
        self.agent.handle_timeout(now);
        self.agent.set_controlling(controlling);
        self.agent.set_remote_credentials(remote.clone());
        self.remote = Some(remote);
        self.started = Some(now);
        self.has_news = true;
    }

    /// Takes a STUN message if it is authentic.
    pub(super) fn handle(&mut self, now: Instant, path: Path, message: &StunMessage<'_>) -> bool {
        let Path { local, remote } = path;
        let mapped = message.mapped_address().filter(|_| message.is_successful_binding_response());
        let is_countable = has_room(&self.sources, remote)
            && mapped.is_none_or(|mapped| has_room(&self.mapped, mapped));
        let packet = StunPacket {
            proto: Protocol::Udp,
            source: remote,
            destination: local,
            message: *message,
        };
        if !is_countable || !self.agent.handle_packet(now, packet) {
            return false;
        }
        if message.is_binding_request() {
            self.checks.received(path);
        } else {
            let error = message.error_code().map(|(code, _)| code);
            self.checks.answered(now, message.trans_id(), error);
        }
        self.has_news = true;
        remember(&mut self.sources, remote);
        mapped.into_iter().for_each(|mapped| remember(&mut self.mapped, mapped));
        true
    }

    /// Whether authentic checks came from there.
    pub(super) fn is_source(&self, address: SocketAddr) -> bool {
        self.sources.contains(&address)
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Instant) {
        if self.started.is_none() {
            return;
        }
        // While there is no path, news is followed up at once: waiting for one's turn after each
        // would cost several times the round trips themselves.
        if std::mem::take(&mut self.has_news) && self.nominated.is_none() {
            self.agent.handle_timeout(now);
        }
        // One check a time is due; while checks that came early are caught up, up to a hundred.
        while self.agent.poll_timeout().is_some_and(|due| due <= now) {
            self.agent.handle_timeout(now);
        }
        // Whether the connection has failed is not the agent's affair: it goes on trying.
        if self.nominated.is_some() && self.has_no_pair() {
            self.agent.recreate_candidate_pairs();
        }
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { source, destination, .. } = event {
                self.nominated = Some(Path { local: source, remote: destination });
            }
        }
    }

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<(Path, Vec<u8>)> {
        let transmit = self.agent.poll_transmit()?;
        let path = Path { local: transmit.source, remote: transmit.destination };
        let bytes: Vec<u8> = transmit.contents.into();
        if let Ok(message) = StunMessage::parse(&bytes)
            && message.is_binding_request()
        {
            self.checks.sent(now, path, message.trans_id());
        }
        Some((path, bytes))
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.started.and_then(|_| self.agent.poll_timeout())
    }

    /// Whether every pair there will ever be has been tried in vain.
    pub(super) fn no_pair_is_left(&self) -> bool {
        self.remote_ended && self.has_no_pair()
    }

    fn has_no_pair(&self) -> bool {
        self.agent.state() == IceConnectionState::Disconnected
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
