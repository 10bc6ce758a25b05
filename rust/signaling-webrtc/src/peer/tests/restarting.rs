//! How a new path is negotiated while the connection lives.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::sim::{A, B, End, Link, Sim, in_band, ms};
use crate::candidate::RemoteCandidate;
use crate::channels::ChannelInit;
use crate::peer::{ConnectionState, DescriptionError, Event, SignalingState};
use crate::sdp::{Description, SdpKind};
use crate::seeds::for_each_seed;
use crate::signaling_state::WrongState;

/// The fragments of the descriptions that an end created, in order.
fn ufrags(end: &End) -> Vec<String> {
    let lines = end.events.iter().filter_map(|event| match event {
        Event::DescriptionCreated { sdp, .. } => {
            sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::to_owned)
        }
        _ => None,
    });
    lines.collect()
}

fn are_stable(sim: &Sim) -> bool {
    sim.ends.iter().all(|end| end.signaling_state() == SignalingState::Stable)
}

fn restart(sim: &mut Sim, side: usize) {
    sim.offer(side);
    sim.run_for(sim.signaling_delay * 2);
    assert!(are_stable(sim), "seed {}", sim.seed);
}

fn created(end: &End, change: impl FnOnce(String) -> String) -> Description {
    let (kind, sdp) = end.created().unwrap();
    Description::parse(kind, &change(sdp)).unwrap()
}

#[test]
fn both_ends_have_new_credentials_and_old_channels() {
    let (mut sim, key) = Sim::connected(1);
    for side in [A, B, B, A] {
        restart(&mut sim, side);
        sim.run_for(ms(500));
        sim.send(side, key, b"still here", true);
        sim.run_for(ms(100));
    }
    for end in &sim.ends {
        assert_eq!(end.history(), [ConnectionState::Connecting, ConnectionState::Connected]);
        let mut seen = ufrags(end);
        assert_eq!(seen.len(), 5);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 5, "all differ");
        let candidates: Vec<_> = end
            .events
            .iter()
            .filter(|event| matches!(event, Event::CandidateCreated { .. }))
            .collect();
        assert_eq!(candidates.len(), 1, "what is in the descriptions is not said again");
    }
    assert_eq!(sim.messages(A, key).len(), 2);
    assert_eq!(sim.messages(B, key).len(), 2);
}

#[test]
fn nothing_is_lost_or_doubled_during_restarts() {
    for_each_seed(0..150, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        sim.link = Link { delay: ms(20), jitter: ms(20), loss: 0.03, duplication: 0.02 };
        sim.signaling_delay = ms(seed % 4 * 40);
        for n in 0..120_u32 {
            for side in [A, B] {
                sim.send(side, key, &[&n.to_be_bytes()[..], &[0; 400]].concat(), false);
            }
            if n % 30 == (seed % 30) as u32 && are_stable(&sim) {
                sim.offer((seed + u64::from(n) / 30) as usize % 2);
            }
            sim.run_for(ms(16));
        }
        sim.run_until(ms(20_000), "all arrives", |sim| {
            [A, B].iter().all(|side| sim.messages(*side, key).len() >= 120)
        });
        for side in [A, B] {
            let got: Vec<[u8; 4]> =
                sim.messages(side, key).iter().map(|m| m[..4].try_into().unwrap()).collect();
            let sent: Vec<_> = (0..120_u32).map(u32::to_be_bytes).collect();
            assert_eq!(got, sent);
            let history = sim.ends[side].history();
            assert_eq!(history, [ConnectionState::Connecting, ConnectionState::Connected]);
        }
    });
}

#[test]
fn unreliable_messages_go_on_during_a_restart() {
    for side in [A, B] {
        let (mut sim, _) = Sim::connected(1);
        let key = sim.announced_channel(A, unreliable());
        sim.link.delay = ms(20);
        for n in 0..200_u32 {
            sim.send(A, key, &n.to_be_bytes(), false);
            if n == 50 {
                sim.offer(side);
            }
            sim.run_for(ms(5));
        }
        sim.run_for(ms(100));
        let (theirs, ..) = sim.ends[B].announced().pop().unwrap();
        assert_eq!(
            sim.messages(B, theirs).len(),
            200,
            "the old path is used until there is another"
        );
    }
}

fn unreliable() -> ChannelInit {
    let reliability = crate::channels::Reliability::MaxRetransmits(0);
    ChannelInit { ordered: false, reliability, ..in_band("unreliable") }
}

#[test]
fn a_restart_finds_another_path() {
    for_each_seed(0..60, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        let side = (seed % 2) as usize;
        sim.run_for(ms(500 + seed * 7));
        // It is somewhere else all of a sudden, and notices later.
        let new = "10.9.0.1:7000".parse().unwrap();
        let old = std::mem::replace(&mut sim.ends[side].sockets, vec![new])[0];
        sim.send(A, key, &[1; 30_000], false);
        sim.send(B, key, &[2; 30_000], false);
        sim.run_for(ms(2500));
        assert_eq!(sim.state(B), ConnectionState::Disconnected);
        sim.with(side, |machine, now| {
            machine.remove_host_candidate(now, old);
            machine.add_host_candidate(now, new);
        });
        restart(&mut sim, (seed / 2 % 2) as usize);
        sim.run_until(ms(3000), "all is well", |sim| {
            [A, B].iter().all(|side| {
                sim.state(*side) == ConnectionState::Connected
                    && sim.messages(*side, key).len() == 1
            })
        });
    });
}

#[test]
fn a_restart_that_is_agreed_to_buys_time() {
    let (mut sim, key) = Sim::connected(1);
    sim.filter = Some(Box::new(|_| false));
    sim.run_for(ms(5500));
    for side in [A, B, A] {
        restart(&mut sim, side);
        sim.run_for(ms(5000));
        assert_eq!(sim.state(A), ConnectionState::Disconnected);
    }
    // One that is not agreed to changes nothing about that.
    sim.relays_signaling = false;
    sim.offer(B);
    let offer = created(&sim.ends[B], |sdp| sdp);
    sim.with(B, |machine, now| machine.set_local_description(now, offer)).unwrap();
    sim.run_for(ms(500));
    assert_eq!(sim.state(B), ConnectionState::Disconnected);
    sim.filter = None;
    sim.send(A, key, b"back", true);
    sim.run_until(ms(3000), "it heals", |sim| !sim.messages(B, key).is_empty());
    assert!(!sim.ends[A].history().contains(&ConnectionState::Failed));
}

#[test]
fn half_a_minute_without_the_other_side_is_healed_by_a_restart() {
    for_each_seed(0..40, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        let data = vec![3; 100_000];
        sim.filter = Some(Box::new(|_| false));
        sim.send(A, key, &data, false);
        sim.run_for(Duration::from_secs(30));
        assert_eq!(sim.state(A), ConnectionState::Failed);
        assert_eq!(sim.state(B), ConnectionState::Failed);
        sim.filter = None;
        restart(&mut sim, (seed % 2) as usize);
        sim.run_until(ms(8000), "it is as if nothing had been", |sim| {
            sim.messages(B, key) == [&data]
        });
        let history = &sim.ends[A].history()[2..];
        let expected = [
            ConnectionState::Disconnected,
            ConnectionState::Failed,
            ConnectionState::Connecting,
            ConnectionState::Connected,
        ];
        assert_eq!(history, expected);
    });
}

#[test]
fn an_offer_that_nobody_answers_harms_nobody() {
    let (mut sim, key) = Sim::connected(1);
    sim.relays_signaling = false;
    sim.offer(A);
    let offer = created(&sim.ends[A], |sdp| sdp);
    sim.with(A, |machine, now| machine.set_local_description(now, offer)).unwrap();
    sim.run_for(Duration::from_secs(60));
    sim.send(A, key, b"hello", true);
    sim.run_for(ms(100));
    assert_eq!(sim.messages(B, key), [b"hello"]);
    // It is offered again, the same, and this time answered.
    sim.relays_signaling = true;
    restart(&mut sim, A);
    sim.run_for(ms(500));
    let seen = ufrags(&sim.ends[A]);
    assert_eq!(seen[1], seen[2]);
    sim.send(B, key, b"hello", true);
    sim.run_for(ms(100));
    assert_eq!(sim.messages(A, key), [b"hello"]);
}

#[test]
fn an_offer_without_new_credentials_restarts_nothing() {
    let (mut sim, key) = Sim::connected(1);
    let before = ufrags(&sim.ends[A]);
    let (_, offer) = sim.ends[A].created().unwrap();
    sim.signal_description(B, SdpKind::Offer, &offer);
    sim.relays_signaling = false;
    sim.run_for(ms(100));
    let answers = ufrags(&sim.ends[B]);
    assert_eq!(answers[0], answers[1]);
    let answer = created(&sim.ends[B], |sdp| sdp);
    sim.with(B, |machine, now| machine.set_local_description(now, answer)).unwrap();
    sim.run_for(ms(1000));
    sim.send(B, key, b"hello", true);
    sim.run_for(ms(100));
    assert_eq!(sim.messages(A, key), [b"hello"]);
    assert_eq!(ufrags(&sim.ends[A]), before);
}

/// webrtc-rs answers that it is active whatever it has been.
#[test]
fn an_answer_with_the_wrong_role_restarts_all_the_same() {
    let (mut sim, key) = Sim::connected(1);
    sim.relays_signaling = false;
    sim.offer(B);
    let offer = created(&sim.ends[B], |sdp| sdp);
    sim.with(B, |machine, now| machine.set_local_description(now, offer.clone())).unwrap();
    sim.with(A, |machine, now| machine.set_remote_description(now, offer)).unwrap();
    let answer = created(&sim.ends[A], |sdp| sdp);
    sim.with(A, |machine, now| machine.set_local_description(now, answer)).unwrap();
    let wrong = created(&sim.ends[A], |sdp| sdp.replace("setup:passive", "setup:active"));
    sim.with(B, |machine, now| machine.set_remote_description(now, wrong)).unwrap();
    sim.run_for(ms(5000));
    for (from, to) in [(A, B), (B, A)] {
        sim.send(from, key, b"hello", true);
        sim.run_for(ms(100));
        assert_eq!(sim.messages(to, key), [b"hello"]);
    }
}

/// Both offer at once, each before it hears of the other's.
fn collide(sim: &mut Sim) -> [Result<(), DescriptionError>; 2] {
    sim.relays_signaling = false;
    for side in [A, B] {
        sim.offer(side);
        let offer = created(&sim.ends[side], |sdp| sdp);
        sim.with(side, |machine, now| machine.set_local_description(now, offer)).unwrap();
    }
    let offers = [A, B].map(|side| created(&sim.ends[side], |sdp| sdp));
    sim.relays_signaling = true;
    [A, B].map(|side| {
        let offer = offers[1 - side].clone();
        sim.with(side, |machine, now| machine.set_remote_description(now, offer))
    })
}

#[test]
fn when_both_offer_the_first_answerer_gives_in() {
    for_each_seed(0..20, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        let [a, b] = collide(&mut sim);
        let expected = WrongState(SignalingState::HaveLocalOffer);
        assert_eq!(a, Err(DescriptionError::WrongState(expected)));
        assert_eq!(b, Ok(()));
        sim.run_for(ms(1000));
        assert!(are_stable(&sim));
        for (from, to) in [(A, B), (B, A)] {
            sim.send(from, key, b"hello", true);
            sim.run_for(ms(100));
            assert_eq!(sim.messages(to, key), [b"hello"]);
        }
        let history = sim.ends[A].history();
        assert_eq!(history, [ConnectionState::Connecting, ConnectionState::Connected]);
    });
}

#[test]
fn candidates_of_a_restart_may_come_late_and_are_told_apart() {
    let (mut sim, key) = Sim::connected(1);
    sim.ends[B].sockets = vec!["10.9.0.2:7000".parse().unwrap()];
    sim.run_for(ms(2500));
    sim.relays_candidates = false;
    let (old, new) = ("10.0.0.2:5000".parse().unwrap(), sim.ends[B].sockets[0]);
    sim.offer(A);
    sim.run_for(ms(100));
    assert_eq!(sim.state(A), ConnectionState::Disconnected);
    // Nothing from B gets through before it is checked.
    sim.filter = Some(Box::new(move |datagram| datagram.side == A || is_answer(&datagram.bytes)));
    sim.with(B, |machine, now| {
        machine.remove_host_candidate(now, old);
        machine.add_host_candidate(now, new);
    });
    sim.run_for(ms(1000));
    assert_eq!(sim.state(A), ConnectionState::Disconnected);
    let line = sim.ends[B].events.iter().rev().find_map(|event| match event {
        Event::CandidateCreated { candidate, .. } => Some(candidate.clone()),
        _ => None,
    });
    let line = line.unwrap();
    assert!(line.contains(&ufrags(&sim.ends[B])[1]), "{line}");
    let stale = line.replace(&ufrags(&sim.ends[B])[1], "stale");
    for (line, expected) in
        [(stale, ConnectionState::Disconnected), (line, ConnectionState::Connected)]
    {
        let candidate = RemoteCandidate::parse("0", 0, &line).unwrap();
        sim.with(A, |machine, now| machine.add_remote_candidate(now, candidate));
        sim.run_for(ms(500));
        assert_eq!(sim.state(A), expected);
    }
    sim.filter = None;
    sim.send(A, key, b"there you are", true);
    sim.run_until(ms(3000), "it arrives", |sim| !sim.messages(B, key).is_empty());
}

fn is_answer(bytes: &[u8]) -> bool {
    bytes.first_chunk() == Some(&[0x01, 0x01])
}

#[test]
fn many_restarts_leave_nothing_behind() {
    let (mut sim, key) = Sim::connected(1);
    for round in 0..200 {
        restart(&mut sim, round % 2);
        sim.run_for(ms(300));
    }
    sim.run_for(ms(5000));
    let sent = sim.sent;
    sim.run_for(Duration::from_secs(60));
    let per_minute = sim.sent[A] - sent[A];
    assert!((200..=280).contains(&per_minute), "{per_minute} datagrams a minute");
    sim.send(A, key, b"hello", true);
    sim.run_for(ms(100));
    assert_eq!(sim.messages(B, key), [b"hello"]);
}

#[test]
fn public_addresses_are_asked_for_again() {
    let mut sim = Sim::new(1);
    let private = sim.ends[A].sockets[0];
    let public = |port: u16| ([192, 0, 2, 1], port).into();
    let server = "192.0.2.9:3478";
    sim.stun_server = Some(server.parse().unwrap());
    sim.ends[A].add_server("stun:server", Some(server));
    sim.nat.insert(private, public(4000));
    let key = sim.connect(super::sim::negotiated(1));
    sim.run_for(ms(1000));
    sim.nat.insert(private, public(4001));
    restart(&mut sim, A);
    sim.run_for(ms(1000));
    let told = |end: &End, what: &str| {
        end.events.iter().any(|event| match event {
            Event::CandidateCreated { candidate, .. } => candidate.contains(what),
            _ => false,
        })
    };
    for port in ["4000", "4001"] {
        assert!(told(&sim.ends[A], &format!("192.0.2.1 {port} typ srflx")), "{port}");
    }
    sim.send(B, key, b"there", true);
    sim.run_until(ms(3000), "it arrives", |sim| !sim.messages(A, key).is_empty());
}

#[test]
fn what_is_gone_is_not_told_again() {
    let (mut sim, _) = Sim::connected(1);
    let (old, new) = (sim.ends[A].sockets[0], "10.9.0.1:7000".parse().unwrap());
    sim.ends[A].sockets = vec![new];
    sim.with(A, |machine, now| {
        machine.remove_host_candidate(now, old);
        machine.add_host_candidate(now, new);
    });
    sim.offer(A);
    let (_, sdp) = sim.ends[A].created().unwrap();
    assert!(sdp.contains("10.9.0.1 7000") && !sdp.contains("10.0.0.1 5000"), "{sdp}");
}

/// What can happen to a connection in a while, chosen by `choice`.
fn happen(sim: &mut Sim, choice: u64) {
    let side = (choice % 2) as usize;
    match choice / 2 % 6 {
        // Who does not see the other's offer in time offers too; one of them gives in.
        0 | 1 if sim.ends[side].signaling_state() != SignalingState::HaveRemoteOffer => {
            sim.offer(side);
        }
        2 => {
            let until = sim.now + ms(choice % 5000);
            sim.filter = Some(Box::new(move |_| false));
            sim.run_for(until - sim.now);
            sim.filter = None;
        }
        3 => {
            let new = ([10, 9, side as u8, 1], 1024 + (choice % 60_000) as u16).into();
            let old = std::mem::replace(&mut sim.ends[side].sockets, vec![new])[0];
            sim.with(side, |machine, now| machine.remove_host_candidate(now, old));
            sim.run_for(ms(choice % 1000));
            sim.with(side, |machine, now| machine.add_host_candidate(now, new));
        }
        _ => sim.run_for(ms(choice % 700)),
    }
}

#[test]
fn whatever_happens_every_message_arrives_once_and_in_order() {
    for_each_seed(0..50, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut sim, key) = Sim::connected(seed);
        sim.link = Link { delay: ms(10), jitter: ms(10), loss: 0.02, duplication: 0.02 };
        sim.bears_collisions = true;
        let mut sent = 0_u32;
        for _ in 0..25 {
            for _ in 0..10 {
                for side in [A, B] {
                    sim.send(side, key, &[&sent.to_be_bytes()[..], &[7; 300]].concat(), false);
                }
                sent += 1;
                sim.run_for(ms(20));
            }
            happen(&mut sim, rng.random());
        }
        for _ in 0..5 {
            sim.run_for(ms(3000));
            if [A, B].iter().any(|side| sim.state(*side) != ConnectionState::Connected) {
                sim.offer(A);
            }
        }
        sim.run_until(ms(30_000), "all arrives", |sim| {
            [A, B].iter().all(|side| sim.messages(*side, key).len() >= sent as usize)
        });
        for side in [A, B] {
            let got: Vec<[u8; 4]> =
                sim.messages(side, key).iter().map(|m| m[..4].try_into().unwrap()).collect();
            assert_eq!(got, (0..sent).map(u32::to_be_bytes).collect::<Vec<_>>());
        }
    });
}
