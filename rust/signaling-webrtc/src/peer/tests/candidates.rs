//! What the other side says of where it is: early, odd, too much.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::opening::connect;
use super::sim::{A, B, Sim, ms};
use crate::candidate::RemoteCandidate;
use crate::peer::ConnectionState;

#[test]
fn candidates_may_come_before_the_description() {
    connect(1, |sim| {
        sim.relays_candidates = false;
        for (to, line) in [
            (A, "candidate:1 1 udp 2130706431 10.0.0.2 5000 typ host"),
            (B, "candidate:1 1 udp 2130706431 10.0.0.1 5000 typ host"),
        ] {
            let candidate = RemoteCandidate::parse("0", 0, line).unwrap();
            sim.with(to, |machine, now| machine.add_remote_candidate(now, candidate));
        }
    });
}

#[test]
fn one_side_may_know_no_candidates_at_all() {
    let sim = connect(1, |sim| {
        sim.relays_candidates = false;
        sim.signal_candidate(A, "candidate:1 1 udp 1 10.0.0.2 5000 typ host");
    });
    assert_eq!(sim.state(B), ConnectionState::Connected, "it met the other as peer-reflexive");
}

#[test]
fn candidates_that_cannot_be_used_do_no_harm() {
    connect(1, |sim| {
        for to in [A, B] {
            for line in [
                "",
                "candidate:1 1 tcp 1518280447 10.0.0.9 9 typ host tcptype active",
                "candidate:1 1 udp 1 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 5000 typ host",
                "candidate:1 1 udp 2130706431 10.9.9.9 5000 typ host",
                "candidate:1 1 udp 4294967295 ::1 5000 typ host",
            ] {
                sim.signal_candidate(to, line);
                for n in 0..8 {
                    sim.signal_candidate(to, &format!("candidate:1 1 udp 1 10.8.0.{n} 1 typ host"));
                }
            }
        }
    });
}

/// How often each address is sent something while A looks for a way to B, who never answers.
fn checks(lines: impl Iterator<Item = String>) -> HashMap<IpAddr, usize> {
    let mut sim = Sim::new(1);
    let counts = Rc::new(RefCell::new(HashMap::new()));
    let counter = Rc::clone(&counts);
    sim.filter = Some(Box::new(move |datagram| {
        if datagram.side == A {
            *counter.borrow_mut().entry(datagram.to.ip()).or_default() += 1;
        }
        false
    }));
    sim.relays_candidates = false;
    sim.offer(A);
    lines.for_each(|line| sim.signal_candidate(A, &line));
    sim.run_for(ms(40_000));
    assert_eq!(sim.state(A), ConnectionState::Failed);
    counts.take()
}

#[test]
fn nobody_has_us_flood_an_address() {
    let counts = checks(
        (1..=1000).map(|port| format!("candidate:1 1 udp {port} 192.0.2.9 {port} typ host")),
    );
    let victim = counts[&IpAddr::from([192, 0, 2, 9])];
    assert!(victim <= 4 * 18, "{victim}");
}

#[test]
fn nobody_has_us_flood_many_addresses() {
    let counts = checks((1..=250).map(|n| {
        let kind = ["host", "srflx", "prflx", "relay"][n % 4];
        format!("candidate:{n} 1 udp {n} 198.51.100.{n} 5000 typ {kind}")
    }));
    let total: usize = counts.values().sum();
    assert!(counts.len() <= 24 && total <= 24 * 18, "{} addresses, {total}", counts.len());
}
