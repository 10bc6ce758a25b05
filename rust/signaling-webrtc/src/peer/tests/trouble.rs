//! What happens while the other side is not heard.

use std::time::Duration;

use super::sim::{A, B, Datagram, Link, Sim, ms, negotiated};
use crate::config::PeerConfig;
use crate::peer::{ConnectionState, Event, Failure, Input};
use crate::seeds::for_each_seed;

const ANSWER: [u8; 2] = [0x01, 0x01];

fn is_answer(datagram: &Datagram) -> bool {
    datagram.bytes.first_chunk() == Some(&ANSWER)
}

fn failures(sim: &Sim, side: usize) -> Vec<Failure> {
    let failures = sim.ends[side].events.iter().filter_map(|event| match event {
        Event::Failed(failure) => Some(*failure),
        _ => None,
    });
    failures.collect()
}

#[test]
fn a_killed_peer_is_missed_soon() {
    for_each_seed(0..50, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        sim.run_for(ms(20_000 + seed * 13));
        sim.ends[A].is_alive = false;
        let is = |state| move |sim: &Sim| sim.state(B) == state;
        let missed = sim.run_until(ms(10_000), "missed", is(ConnectionState::Disconnected));
        assert!((ms(1200)..=ms(1800)).contains(&missed), "{missed:?}");
        let rest = sim.run_until(ms(10_000), "given up", is(ConnectionState::Failed));
        assert!((ms(5000)..=ms(6000)).contains(&(missed + rest)), "{rest:?}");
        assert_eq!(failures(&sim, B), [Failure::Silence]);
        let sent = sim.sent[B];
        sim.send(B, key, b"anybody?", true);
        sim.run_for(Duration::from_secs(60));
        assert_eq!(sim.sent[B], sent, "nothing is sent to whom we do not hear");
    });
}

#[test]
fn how_soon_is_configurable() {
    let (disconnected_after, failed_after) = (ms(400), ms(20_000));
    let config = PeerConfig { disconnected_after, failed_after, ..PeerConfig::default() };
    let (mut sim, key) = Sim::connected_with(1, &config);
    sim.run_for(ms(5000));
    sim.filter = Some(Box::new(|_| false));
    let missed =
        sim.run_until(ms(5000), "missed", |sim| sim.state(B) == ConnectionState::Disconnected);
    assert!(missed <= ms(400), "{missed:?}");
    sim.send(A, key, b"late", true);
    sim.run_for(ms(19_000));
    sim.filter = None;
    sim.run_until(ms(5000), "it heals", |sim| {
        sim.state(B) == ConnectionState::Connected && !sim.messages(B, key).is_empty()
    });
}

#[test]
fn a_blip_heals() {
    for_each_seed(0..100, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        sim.run_for(ms(seed * 37));
        sim.filter = Some(Box::new(|_| false));
        for n in 0..40 {
            sim.send(A, key, &[n; 100], false);
            sim.run_for(ms(seed % 30 + 70));
        }
        assert_eq!(sim.state(A), ConnectionState::Disconnected);
        sim.filter = None;
        sim.run_until(ms(4000), "all is well", |sim| {
            sim.state(A) == ConnectionState::Connected
                && sim.state(B) == ConnectionState::Connected
                && sim.messages(B, key).len() == 40
        });
        let history = &sim.ends[A].history()[1..];
        let expected =
            [ConnectionState::Connected, ConnectionState::Disconnected, ConnectionState::Connected];
        assert_eq!(history, expected);
    });
}

#[test]
fn a_connection_where_nothing_happens_stays_and_is_quiet() {
    let (mut sim, key) = Sim::connected(1);
    sim.run_for(Duration::from_secs(60));
    let sent = sim.sent;
    sim.run_for(Duration::from_secs(600));
    let expected = [ConnectionState::Connecting, ConnectionState::Connected];
    assert_eq!(sim.ends[A].history(), expected);
    // A check and the answer to the other's, every 450 ms.
    let per_minute = (sim.sent[A] - sent[A]) / 10;
    assert!((200..=280).contains(&per_minute), "{per_minute} datagrams a minute");
    sim.send(A, key, b"still here", true);
    let took = sim.run_until(ms(100), "it arrives", |sim| !sim.messages(B, key).is_empty());
    assert_eq!(took, ms(1));
    sim.with(A, |machine, now| machine.handle_input(now, Input::Timeout));
}

#[test]
fn a_peer_that_does_no_more_than_answer_is_not_missed() {
    for_each_seed(0..20, |seed| {
        let (mut sim, _) = Sim::connected(seed);
        sim.link = Link { delay: ms(50), jitter: ms(30), loss: 0.02, duplication: 0.0 };
        // B's own checks are as rare as a browser's may be.
        let mut checks = 0;
        sim.filter = Some(Box::new(move |datagram| {
            checks += u32::from(datagram.side == B && !is_answer(datagram));
            datagram.side == A || is_answer(datagram) || checks % 10 == 0
        }));
        sim.run_for(Duration::from_secs(300));
        let history = sim.ends[A].history();
        assert_eq!(history, [ConnectionState::Connecting, ConnectionState::Connected]);
    });
}

#[test]
fn consent_that_is_not_renewed_expires() {
    let (mut sim, _) = Sim::connected(1);
    sim.run_for(Duration::from_secs(5));
    // B hears A, whose answers never arrive: the checks' answers are lost, the checks are not.
    sim.filter = Some(Box::new(|datagram| datagram.side != A || !is_answer(datagram)));
    let took =
        sim.run_until(ms(60_000), "consent expires", |sim| sim.state(B) == ConnectionState::Failed);
    assert!((ms(29_000)..=ms(30_000)).contains(&took), "{took:?}");
    assert_eq!(failures(&sim, B), [Failure::ConsentExpired]);
}

#[test]
fn a_path_that_falls_silent_is_left_for_one_that_answers() {
    for_each_seed(0..50, |seed| {
        let mut sim = Sim::new(seed);
        let hosts = ["10.0.0.1:5000", "10.1.0.1:5000"].map(|address| address.parse().unwrap());
        sim.ends[A].sockets = hosts.to_vec();
        let key = sim.connect(negotiated(1));
        sim.run_for(ms(3000 + seed * 17));
        // Whichever path is taken goes dead, both ways.
        let taken = if sim.ends[A].machine.takes(hosts[0]) { hosts[0] } else { hosts[1] };
        sim.filter = Some(Box::new(move |datagram| datagram.from != taken && datagram.to != taken));
        let took = sim.run_until(ms(3000), "both take another", |sim| {
            [A, B].iter().all(|side| !sim.ends[*side].machine.takes(taken))
        });
        assert!(took <= ms(2000), "{took:?}");
        for (from, to) in [(A, B), (B, A)] {
            sim.send(from, key, b"by another way", true);
            sim.run_until(ms(10), "it arrives", |sim| sim.messages(to, key).len() == 1);
        }
        // It comes back, and the other one goes.
        sim.filter = None;
        sim.run_for(ms(3000));
        sim.filter = Some(Box::new(move |datagram| datagram.from == taken || datagram.to == taken));
        sim.send(A, key, b"and back", true);
        sim.run_until(ms(3000), "it arrives", |sim| sim.messages(B, key).len() == 2);
        for side in [A, B] {
            assert!(!sim.ends[side].history().contains(&ConnectionState::Disconnected));
        }
    });
}

#[test]
fn a_socket_that_is_gone_is_replaced() {
    for_each_seed(0..50, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        sim.run_for(ms(1000 + seed * 13));
        let (old, new) = (sim.ends[A].sockets[0], "10.9.0.1:7000".parse().unwrap());
        sim.send(A, key, &[1; 50_000], false);
        sim.ends[A].sockets = vec![new];
        sim.with(A, |machine, now| machine.remove_host_candidate(now, old));
        assert_eq!(sim.state(A), ConnectionState::Disconnected, "at once");
        sim.run_for(ms(300));
        sim.with(A, |machine, now| machine.add_host_candidate(now, new));
        sim.run_until(ms(5000), "all has arrived", |sim| sim.messages(B, key).len() == 1);
        sim.send(B, key, b"seen", true);
        sim.run_until(ms(2000), "both ways", |sim| sim.messages(A, key).len() == 1);
        assert_eq!(sim.state(A), ConnectionState::Connected);
    });
}

#[test]
fn a_nat_that_forgets_is_survived() {
    for_each_seed(0..30, |seed| {
        let mut sim = Sim::new(seed);
        let private = sim.ends[A].sockets[0];
        let public = |port: u16| ([192, 0, 2, 1], port).into();
        sim.nat.insert(private, public(4000));
        let key = sim.connect(negotiated(1));
        sim.run_for(ms(1000 + seed * 31));
        sim.nat.insert(private, public(4001));
        for (from, to) in [(A, B), (B, A)] {
            sim.send(from, key, b"from elsewhere", true);
            sim.run_until(ms(4000), "it arrives", |sim| sim.messages(to, key).len() == 1);
        }
        assert!(!sim.ends[A].history().contains(&ConnectionState::Failed));
    });
}
