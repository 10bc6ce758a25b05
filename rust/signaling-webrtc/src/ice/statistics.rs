//! What there is to tell of candidates and pairs.

use std::net::SocketAddr;
use std::time::Instant;

use is::Candidate;

use super::{Generation, Ice};
use crate::statistics::{CandidateKind, CandidateStatistics, PairStatistics, Statistics};

impl Ice {
    /// Tells of candidates and pairs.
    pub(crate) fn statistics(&self, now: Instant, statistics: &mut Statistics) {
        let latest = self.latest();
        statistics.local_candidates.extend(self.locals.iter().map(|local| told(&local.candidate)));
        statistics.remote_candidates.extend(latest.remote_candidates().iter().map(told));
        for generation in [Some(&self.current), self.next.as_ref()].into_iter().flatten() {
            let pairs = generation.checks().pairs().iter();
            let is_current = std::ptr::eq(generation, &self.current);
            statistics.pairs.extend(pairs.map(|pair| PairStatistics {
                local: self.local_end(pair.path.local),
                remote: remote_end(generation, pair.path.remote),
                is_selected: is_current && self.path() == Some(pair.path),
                state: pair.state(now, self.timers.silent_path()),
                round_trip: pair.round_trip,
                checks_sent: pair.sent,
                checks_answered: pair.answered,
                checks_received: pair.received,
            }));
        }
    }

    fn local_end(&self, address: SocketAddr) -> CandidateStatistics {
        let known = self.locals.iter().find(|local| local.candidate.addr() == address);
        known.map_or_else(|| peer_reflexive(address), |local| told(&local.candidate))
    }
}

fn remote_end(generation: &Generation, address: SocketAddr) -> CandidateStatistics {
    let known = generation.remote_candidates().iter().find(|known| known.addr() == address);
    known.map_or_else(|| peer_reflexive(address), told)
}

fn peer_reflexive(address: SocketAddr) -> CandidateStatistics {
    CandidateStatistics { address, kind: CandidateKind::PeerReflexive }
}

fn told(candidate: &Candidate) -> CandidateStatistics {
    let kind = match candidate.kind() {
        is::CandidateKind::Host => CandidateKind::Host,
        is::CandidateKind::PeerReflexive => CandidateKind::PeerReflexive,
        is::CandidateKind::ServerReflexive => CandidateKind::ServerReflexive,
        is::CandidateKind::Relayed => CandidateKind::Relayed,
    };
    CandidateStatistics { address: candidate.addr(), kind }
}
