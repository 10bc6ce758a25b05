//! Statistics as a dictionary.

use std::time::Duration;

use godot::prelude::*;
use signaling_webrtc::Statistics;
use signaling_webrtc::statistics::{
    CandidateKind, CandidateStatistics, PairState, PairStatistics, Traffic,
};

/// What `WebRTCNativePeerConnection.get_statistics` returns, as its documentation tells.
pub(super) fn dictionary(statistics: &Statistics) -> VarDictionary {
    let pair = statistics.selected_pair();
    let failure = statistics.failure.map(|failure| failure.to_string()).unwrap_or_default();
    let association = &statistics.association;
    let channels: VarArray = statistics
        .channels
        .iter()
        .map(|channel| {
            vdict! {
                "label" => &GString::from(&channel.label),
                "id" => channel.id.map_or(-1, i64::from),
                "buffered_amount" => count(channel.buffered as u64),
            }
            .to_variant()
        })
        .collect();
    let mut dictionary = vdict! {
        "failure" => &GString::from(&failure),
        "round_trip_time" => milliseconds(pair.and_then(|pair| pair.round_trip)),
        "message_round_trip_time" => milliseconds(association.round_trip),
        "loss" => statistics.loss(),
        "retransmissions" => count(association.chunks_retransmitted),
        "channels" => &channels,
        "selected_pair" => &pair.map(pair_dictionary).unwrap_or_default(),
        "pairs" => &all(&statistics.pairs, pair_dictionary),
        "local_candidates" => &all(&statistics.local_candidates, candidate_dictionary),
        "remote_candidates" => &all(&statistics.remote_candidates, candidate_dictionary),
    };
    for (direction, traffic) in [("sent", &statistics.sent), ("received", &statistics.received)] {
        let Traffic { bytes, packets, messages } = *traffic;
        for (what, amount) in [("bytes", bytes), ("packets", packets), ("messages", messages)] {
            dictionary.set(format!("{what}_{direction}"), count(amount));
        }
    }
    dictionary
}

fn all<T>(list: &[T], dictionary: impl Fn(&T) -> VarDictionary) -> VarArray {
    list.iter().map(|item| dictionary(item).to_variant()).collect()
}

fn pair_dictionary(pair: &PairStatistics) -> VarDictionary {
    let (state, failure) = match pair.state {
        PairState::Waiting => ("waiting", String::new()),
        PairState::Checking => ("checking", String::new()),
        PairState::Succeeded => ("succeeded", String::new()),
        PairState::Failed(failure) => ("failed", failure.to_string()),
    };
    vdict! {
        "local_address" => &address(pair.local),
        "local_type" => kind_name(pair.local.kind),
        "remote_address" => &address(pair.remote),
        "remote_type" => kind_name(pair.remote.kind),
        "protocol" => "udp",
        "relayed" => pair.is_relayed(),
        "state" => state,
        "failure" => &GString::from(&failure),
        "round_trip_time" => milliseconds(pair.round_trip),
        "checks_sent" => count(pair.checks_sent),
        "checks_answered" => count(pair.checks_answered),
        "checks_received" => count(pair.checks_received),
    }
}

fn candidate_dictionary(candidate: &CandidateStatistics) -> VarDictionary {
    vdict! {
        "address" => &address(*candidate),
        "type" => kind_name(candidate.kind),
    }
}

fn address(candidate: CandidateStatistics) -> GString {
    GString::from(&candidate.address.to_string())
}

/// The names that candidate lines have for them.
fn kind_name(kind: CandidateKind) -> &'static str {
    match kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
    }
}

/// -1 for what is not known.
fn milliseconds(time: Option<Duration>) -> f64 {
    time.map_or(-1.0, |time| time.as_secs_f64() * 1000.0)
}

fn count(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
