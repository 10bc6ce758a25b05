//! What the other side says of where it is: early, odd, too much.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::opening::connect;
use super::sim::{A, B, Sim, ms};
use crate::candidate::RemoteCandidate;
use crate::peer::{ConnectionState, Event};

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

fn names(sim: &Sim) -> Vec<&str> {
    let names = sim.ends[A].events.iter().filter_map(|event| match event {
        Event::NameReceived { name } => Some(name.as_str()),
        _ => None,
    });
    names.collect()
}

#[test]
fn a_name_is_a_way_once_it_is_known_what_it_stands_for() {
    let mut sim = Sim::new(1);
    sim.relays_candidates = false;
    sim.offer(A);
    for line in ["candidate:1 1 udp 2130706431 Ours.local 5000 typ host", ""] {
        sim.signal_candidate(A, line);
    }
    sim.run_for(ms(10_000));
    assert_eq!(names(&sim), ["ours.local"]);
    assert_eq!(sim.state(A), ConnectionState::Connecting, "more may come than the end told");
    let address = sim.ends[B].sockets[0].ip();
    sim.with(A, |machine, now| machine.add_name(now, "ours.local", &[address]));
    sim.run_until(ms(1000), "connected", |sim| sim.state(A) == ConnectionState::Connected);
}

#[test]
fn who_hides_behind_a_name_is_met_at_once_if_one_side_can_begin() {
    let mut sim = Sim::new(1);
    sim.relays_candidates = false;
    sim.offer(A);
    sim.signal_candidate(A, "candidate:1 1 udp 2130706431 theirs.local 5000 typ host");
    sim.signal_candidate(B, "candidate:1 1 udp 2130706431 10.0.0.1 5000 typ host");
    sim.run_until(ms(1000), "connected", |sim| {
        [A, B].iter().all(|&side| sim.state(side) == ConnectionState::Connected)
    });
}

#[test]
fn names_that_nobody_knows_hold_nothing_back() {
    let mut sim = Sim::new(1);
    sim.relays_candidates = false;
    sim.offer(A);
    for n in 0..40 {
        sim.signal_candidate(A, &format!("candidate:1 1 udp 1 {n}.local 5000 typ host"));
    }
    sim.signal_candidate(A, "candidate:1 1 udp 1 10.9.9.9 5000 typ host");
    sim.signal_candidate(A, "");
    sim.run_for(ms(100));
    let names: Vec<_> = names(&sim).into_iter().map(str::to_owned).collect();
    assert_eq!(names.len(), 8);
    for name in names {
        sim.with(A, |machine, now| machine.add_name(now, &name, &[]));
    }
    sim.run_until(ms(15_000), "failed early", |sim| sim.state(A) == ConnectionState::Failed);
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
