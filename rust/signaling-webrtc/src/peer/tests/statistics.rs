//! What a connection tells of itself.

use super::sim::{A, B, Link, Sim, ms, negotiated};
use crate::peer::{ConnectionState, Failure};
use crate::sdp::{Description, SdpKind};
use crate::statistics::{CandidateKind, PairFailure, PairState, Statistics};

fn statistics(sim: &Sim, side: usize) -> Statistics {
    sim.ends[side].machine.statistics()
}

#[test]
fn a_path_and_what_took_it_are_told() {
    let (mut sim, key) = Sim::connected(1);
    sim.link.delay = ms(15);
    for _ in 0..20 {
        sim.send(A, key, &[1; 500], false);
        sim.run_for(ms(100));
    }
    let [a, b] = [A, B].map(|side| statistics(&sim, side));
    let path = a.selected_pair().unwrap();
    assert_eq!(path.local.address, sim.ends[A].sockets[0]);
    assert_eq!(path.remote.address, sim.ends[B].sockets[0]);
    assert_eq!((path.local.kind, path.remote.kind), (CandidateKind::Host, CandidateKind::Host));
    assert!(!path.is_relayed());
    assert_eq!((path.state, path.round_trip), (PairState::Succeeded, Some(ms(30))));
    assert!(path.checks_sent > 3 && path.checks_answered > 3 && path.checks_received > 3);
    let round_trip = a.association.round_trip.unwrap();
    assert!((ms(10)..ms(150)).contains(&round_trip), "{round_trip:?}");
    assert_eq!((a.sent.messages, b.received.messages), (20, 20));
    assert_eq!(a.sent.packets, sim.sent[A] as u64);
    assert!(a.sent.bytes > 10_000 && b.received.bytes == a.sent.bytes, "{a:?}");
    assert_eq!((a.loss(), a.failure), (0.0, None));
}

#[test]
fn loss_is_estimated() {
    let (mut sim, key) = Sim::connected(1);
    sim.link = Link { delay: ms(20), loss: 0.1, ..Link::GOOD };
    for _ in 0..1000 {
        sim.send(A, key, &[1; 500], false);
        sim.run_for(ms(20));
    }
    let estimate = statistics(&sim, A).loss();
    assert!((0.04..0.25).contains(&estimate), "{estimate}");
    assert!(statistics(&sim, A).association.chunks_retransmitted > 50);
}

#[test]
fn public_addresses_are_told_apart() {
    let mut sim = Sim::new(1);
    let public = ([192, 0, 2, 1], 4000).into();
    sim.nat.insert(sim.ends[A].sockets[0], public);
    sim.connect(negotiated(1));
    let seen = statistics(&sim, B);
    let path = seen.selected_pair().unwrap();
    assert_eq!((path.remote.address, path.remote.kind), (public, CandidateKind::PeerReflexive));
    let told = statistics(&sim, A).local_candidates;
    assert_eq!((told[0].address, told[0].kind), (sim.ends[A].sockets[0], CandidateKind::Host));
}

/// Lets A fail, and takes what it has to say.
fn failed(sim: &mut Sim) -> Statistics {
    sim.run_until(ms(60_000), "it fails", |sim| sim.state(A) == ConnectionState::Failed);
    statistics(sim, A)
}

#[test]
fn who_gets_no_answer_is_told_so() {
    let mut sim = Sim::new(1);
    sim.filter = Some(Box::new(|_| false));
    sim.create_channel(A, negotiated(1));
    sim.offer(A);
    let told = failed(&mut sim);
    assert_eq!(told.failure, Some(Failure::NoPairAnswered));
    let pair = told.pairs[0];
    assert_eq!(pair.state, PairState::Failed(PairFailure::NoAnswer));
    assert_eq!((pair.checks_answered, pair.checks_received, pair.is_selected), (0, 0, false));
    assert!(pair.checks_sent > 3);
}

#[test]
fn who_is_told_no_address_is_told_so() {
    let mut sim = Sim::new(1);
    sim.relays_candidates = false;
    sim.filter = Some(Box::new(|_| false));
    sim.create_channel(A, negotiated(1));
    sim.offer(A);
    let told = failed(&mut sim);
    assert_eq!(told.failure, Some(Failure::NoCandidates));
    assert!(told.pairs.is_empty() && told.remote_candidates.is_empty());
}

#[test]
fn a_stranger_is_told_from_a_broken_line() {
    let mut sim = Sim::new(1);
    sim.create_channel(A, negotiated(1));
    sim.relays_signaling = false;
    sim.offer(A);
    let (_, offer) = sim.ends[A].created().unwrap();
    let ours = Description::parse(SdpKind::Offer, &offer).unwrap();
    sim.with(A, |machine, now| machine.set_local_description(now, ours)).unwrap();
    sim.signal_description(B, SdpKind::Offer, &offer);
    sim.run_until(ms(1000), "answered", |sim| sim.ends[B].created().is_some());
    let (_, answer) = sim.ends[B].created().unwrap();
    let theirs = Description::parse(SdpKind::Answer, &answer).unwrap();
    sim.with(B, |machine, now| machine.set_local_description(now, theirs)).unwrap();
    let (begin, rest) = answer.split_once("sha-256 ").unwrap();
    let changed = if rest.starts_with("00") { "01" } else { "00" };
    sim.signal_description(A, SdpKind::Answer, &format!("{begin}sha-256 {changed}{}", &rest[2..]));
    assert_eq!(failed(&mut sim).failure, Some(Failure::WrongCertificate));
}

#[test]
fn a_restart_forgets_the_reason_and_keeps_the_counts() {
    let (mut sim, key) = Sim::connected(1);
    sim.send(A, key, b"before", true);
    sim.run_for(ms(100));
    sim.filter = Some(Box::new(|_| false));
    let before = failed(&mut sim);
    assert_eq!(before.failure, Some(Failure::Silence));
    sim.run_for(ms(1000));
    sim.filter = None;
    sim.offer(A);
    sim.run_until(ms(5000), "back", |sim| sim.state(A) == ConnectionState::Connected);
    let after = statistics(&sim, A);
    assert_eq!(after.failure, None);
    assert_eq!(after.sent.messages, 1);
    assert!(after.sent.bytes > before.sent.bytes);
}
