//! What became of the checks of each pair of addresses. The agent keeps that to itself, and it is
//! needed to leave a path that fell silent, and to tell why no path was found.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::TransId;

use super::Path;
use crate::statistics::{PairFailure, PairState};

/// Pairs that are remembered; the agent makes about as many. What comes beyond is only not told.
const MAX_PAIRS: usize = 128;

/// Checks of one pair whose answer may still come; the oldest is forgotten.
const MAX_PENDING: usize = 16;

/// The error code of who wants to keep the role that we claim (RFC 8445, section 7.3.1.1).
const ROLE_CONFLICT: u16 = 487;

/// Every pair that a check was sent to or came from.
#[derive(Default)]
pub(crate) struct Checks {
    pairs: Vec<PairChecks>,
}

/// The checks of one pair.
#[derive(Debug, Clone)]
pub(crate) struct PairChecks {
    pub(crate) path: Path,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) received: u64,
    /// The error code of the latest answer, if it was an error (RFC 8489, section 14.8).
    error: Option<u16>,
    pub(crate) round_trip: Option<Duration>,
    last_answer: Option<Instant>,
    /// When the first of the checks was sent that nobody has answered since.
    unanswered_since: Option<Instant>,
    pending: VecDeque<(TransId, Instant)>,
}

impl Checks {
    pub(crate) fn pairs(&self) -> &[PairChecks] {
        &self.pairs
    }

    /// We check the pair.
    pub(crate) fn sent(&mut self, now: Instant, path: Path, id: TransId) {
        if let Some(pair) = self.pair(path) {
            pair.sent += 1;
            pair.unanswered_since.get_or_insert(now);
            pair.pending.truncate(MAX_PENDING - 1);
            pair.pending.push_front((id, now));
        }
    }

    /// The other side checks the pair.
    pub(crate) fn received(&mut self, path: Path) {
        if let Some(pair) = self.pair(path) {
            pair.received += 1;
        }
    }

    /// An authentic answer to a check of ours, with the error that it tells, if any.
    pub(crate) fn answered(&mut self, now: Instant, id: TransId, error: Option<u16>) {
        let is_asked = |pair: &&mut PairChecks| pair.pending.iter().any(|(sent, _)| *sent == id);
        let Some(pair) = self.pairs.iter_mut().find(is_asked) else { return };
        pair.error = error;
        if error.is_none() {
            let sent = pair.pending.iter().find(|(sent, _)| *sent == id).map(|(_, at)| *at);
            pair.round_trip = sent.map(|sent| now - sent);
            pair.answered += 1;
            pair.last_answer = Some(now);
            pair.unanswered_since = None;
        }
        pair.pending.retain(|(sent, _)| *sent != id);
    }

    /// The pairs of this address of ours are no more.
    pub(crate) fn forget(&mut self, local: SocketAddr) {
        self.pairs.retain(|pair| pair.path.local != local);
    }

    /// When a check of this path was answered last.
    pub(crate) fn last_answer(&self, path: Path) -> Option<Instant> {
        self.find(path)?.last_answer
    }

    /// Whether nobody has answered on this path for so long.
    pub(crate) fn is_silent(&self, path: Path, now: Instant, limit: Duration) -> bool {
        self.find(path).is_some_and(|pair| pair.is_silent(now, limit))
    }

    /// The path that answers quickest, among those that do.
    pub(crate) fn quickest(&self, now: Instant, limit: Duration) -> Option<Path> {
        let answering = self.pairs.iter().filter(|pair| {
            pair.last_answer.is_some_and(|at| at + limit > now) && !pair.is_silent(now, limit)
        });
        answering.min_by_key(|pair| pair.round_trip).map(|pair| pair.path)
    }

    fn find(&self, path: Path) -> Option<&PairChecks> {
        self.pairs.iter().find(|pair| pair.path == path)
    }

    fn pair(&mut self, path: Path) -> Option<&mut PairChecks> {
        let known = self.pairs.iter().position(|pair| pair.path == path);
        if known.is_none() {
            if self.pairs.len() == MAX_PAIRS {
                return None;
            }
            self.pairs.push(PairChecks::new(path));
        }
        let place = known.unwrap_or(self.pairs.len() - 1);
        self.pairs.get_mut(place)
    }
}

impl PairChecks {
    fn new(path: Path) -> Self {
        Self {
            path,
            sent: 0,
            answered: 0,
            received: 0,
            error: None,
            round_trip: None,
            last_answer: None,
            unanswered_since: None,
            pending: VecDeque::new(),
        }
    }

    fn is_silent(&self, now: Instant, limit: Duration) -> bool {
        self.unanswered_since.is_some_and(|since| since + limit <= now)
    }

    /// What came of it, when so long a time without an answer means that there will be none.
    pub(crate) fn state(&self, now: Instant, limit: Duration) -> PairState {
        match self.error {
            _ if self.sent == 0 => PairState::Waiting,
            Some(ROLE_CONFLICT) => PairState::Failed(PairFailure::RoleConflict),
            Some(code) => PairState::Failed(PairFailure::Refused(code)),
            None if self.is_silent(now, limit) => PairState::Failed(PairFailure::NoAnswer),
            None if self.last_answer.is_some() => PairState::Succeeded,
            None => PairState::Checking,
        }
    }
}
