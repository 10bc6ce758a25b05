//! How a connection is doing: numbers and addresses for whoever wonders why it is slow, or why it
//! failed.

use std::net::SocketAddr;
use std::time::Duration;

use crate::peer::Failure;

/// A snapshot of a connection. Counts begin with the connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Why it has failed, as long as it is failed.
    pub failure: Option<Failure>,
    /// Every pair of addresses that was tried since the last restart of ICE.
    pub pairs: Vec<PairStatistics>,
    /// Our candidates that live.
    pub local_candidates: Vec<CandidateStatistics>,
    /// The other side's candidates since the last restart of ICE.
    pub remote_candidates: Vec<CandidateStatistics>,
    /// What was sent.
    pub sent: Traffic,
    /// What arrived.
    pub received: Traffic,
    /// The association on top; all zero before it begins.
    pub association: Counters,
    /// The channels that are not closed.
    pub channels: Vec<ChannelStatistics>,
}

impl Statistics {
    /// The pair in use.
    pub fn selected_pair(&self) -> Option<&PairStatistics> {
        self.pairs.iter().find(|pair| pair.is_selected)
    }

    /// The share of what we sent that was lost, from 0 to 1, judged by parts of messages that were
    /// not acknowledged and by checks of the path that nobody answered.
    pub fn loss(&self) -> f64 {
        let pair = self.selected_pair();
        // The latest check may still be answered.
        let checks = pair.map_or(0, |pair| pair.checks_sent.saturating_sub(1));
        let unanswered = checks.saturating_sub(pair.map_or(0, |pair| pair.checks_answered));
        let Counters { chunks_sent, chunks_retransmitted, chunks_lost, .. } = self.association;
        let sent = chunks_sent + chunks_retransmitted + checks;
        if sent == 0 {
            return 0.0;
        }
        ((chunks_lost + unanswered) as f64 / sent as f64).min(1.0)
    }
}

/// Amounts in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes of datagrams, without the headers of UDP and IP.
    pub bytes: u64,
    /// Datagrams, whatever is in them.
    pub packets: u64,
    /// Messages of channels.
    pub messages: u64,
}

impl Traffic {
    pub(crate) fn count(&mut self, datagram: &[u8]) {
        self.bytes += datagram.len() as u64;
        self.packets += 1;
    }
}

/// What the association tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// SCTP packets sent.
    pub packets_sent: u64,
    /// SCTP packets received.
    pub packets_received: u64,
    /// Parts of messages that were sent, each counted once. A message that fits a packet is one.
    pub chunks_sent: u64,
    /// Parts of messages that were sent once more.
    pub chunks_retransmitted: u64,
    /// Parts of messages that seemed lost; only some of them are worth sending again.
    pub chunks_lost: u64,
    /// The smoothed round trip; `None` before it was measured.
    pub round_trip: Option<Duration>,
    /// What may be on its way at a time, in bytes: how much the network seems to carry.
    pub congestion_window: usize,
    /// What is on its way and not acknowledged, in bytes.
    pub in_flight: usize,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelStatistics {
    /// What it is called.
    pub label: String,
    /// Its stream id, once known.
    pub id: Option<u16>,
    /// Bytes that wait to be sent.
    pub buffered: usize,
}

/// One address where somebody may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidateStatistics {
    /// The address.
    pub address: SocketAddr,
    /// How it came to be known.
    pub kind: CandidateKind,
}

/// How an address came to be known (RFC 8445, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateKind {
    /// It is an interface's.
    Host,
    /// A STUN server saw it.
    ServerReflexive,
    /// The other side saw it.
    PeerReflexive,
    /// A TURN server relays.
    Relayed,
}

/// An address of ours with one of the other side's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairStatistics {
    /// Ours: the socket's, or the relay's.
    pub local: CandidateStatistics,
    /// The other side's.
    pub remote: CandidateStatistics,
    /// Whether it is the one in use.
    pub is_selected: bool,
    /// What came of trying it.
    pub state: PairState,
    /// The latest check's, `None` when none was answered.
    pub round_trip: Option<Duration>,
    /// Checks that we sent.
    pub checks_sent: u64,
    /// Checks of ours that were answered.
    pub checks_answered: u64,
    /// Checks that the other side sent and we answered.
    pub checks_received: u64,
}

impl PairStatistics {
    /// Whether what takes this pair goes through a TURN server.
    pub fn is_relayed(&self) -> bool {
        [self.local, self.remote].iter().any(|end| end.kind == CandidateKind::Relayed)
    }
}

/// What came of trying a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairState {
    /// Not tried by us yet.
    Waiting,
    /// Tried, and still hoping for an answer.
    Checking,
    /// It works.
    Succeeded,
    /// It does not.
    Failed(PairFailure),
}

/// Why a pair does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairFailure {
    /// Nothing came back: a firewall or a NAT is in the way, or nobody is there.
    #[error("no answer")]
    NoAnswer,
    /// Both sides insist on deciding.
    #[error("role conflict")]
    RoleConflict,
    /// The other side answered with this error code (RFC 8489, section 14.8).
    #[error("refused with code {0}")]
    Refused(u16),
}
