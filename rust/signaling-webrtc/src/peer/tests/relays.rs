//! Connections through TURN servers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::sim::{A, B, Link, Sim, ms, negotiated};
use crate::channels::ChannelKey;
use crate::config::{IcePolicy, PeerConfig};
use crate::peer::{ConnectionState, Event, GatheringState};
use crate::seeds::for_each_seed;

const SERVER: &str = "192.0.2.50:3478";
const URLS: [&str; 3] = ["turn:relay", "turn:relay?transport=tcp", "turns:relay"];

fn relay_only() -> PeerConfig {
    PeerConfig { ice_policy: IcePolicy::Relay, ..PeerConfig::default() }
}

/// Ends of which A, or both, know the server by this URL and use nothing else.
fn sim(seed: u64, url: &str, both: bool) -> Sim {
    let (relay, any) = (relay_only(), PeerConfig::default());
    let mut sim = Sim::with_configs(seed, [&relay, if both { &relay } else { &any }]);
    sim.turn.start(SERVER);
    for end in &mut sim.ends[..if both { 2 } else { 1 }] {
        end.sockets.clear();
        end.add_server(url, Some(SERVER));
    }
    if !both {
        sim.ends[B].sockets = vec!["10.0.0.2:5000".parse().unwrap()];
    }
    sim
}

fn connect(sim: &mut Sim) -> ChannelKey {
    let key = sim.create_channel(A, negotiated(0));
    sim.create_channel(B, negotiated(0));
    sim.offer(A);
    sim.run_until(ms(20_000), "both are connected", |sim| {
        sim.is_open(A, key) && sim.is_open(B, key)
    });
    key
}

/// Sends a message each way and waits for both.
fn exchange(sim: &mut Sim, key: ChannelKey) {
    let before = [A, B].map(|side| sim.messages(side, key).len());
    let big = vec![7; 100_000];
    sim.send(A, key, &big, false);
    sim.send(B, key, &big, false);
    sim.run_until(ms(5000), "messages arrive", |sim| {
        [A, B].iter().all(|&side| sim.messages(side, key).len() == before[side] + 1)
    });
    assert!([A, B].iter().all(|&side| sim.messages(side, key).last() == Some(&&big[..])));
}

#[test]
fn messages_go_through_a_relay() {
    for url in URLS {
        for both in [false, true] {
            let mut sim = sim(1, url, both);
            let key = connect(&mut sim);
            exchange(&mut sim, key);
            assert_eq!(sim.ends[A].failures(), []);
            assert!(sim.turn.server().short > 0, "they were shortened");
        }
    }
}

#[test]
fn relays_alone_give_no_address_of_ours_away() {
    let mut sim = sim(1, URLS[0], true);
    for (side, end) in sim.ends.iter_mut().enumerate() {
        // The driver binds none; the connection must not rely on that.
        end.sockets = vec![SocketAddr::from(([10, 0, 0, side as u8 + 1], 5000))];
        end.add_server("stun:public", Some("192.0.2.53:3478"));
    }
    sim.stun_server = Some("192.0.2.53:3478".parse().unwrap());
    connect(&mut sim);
    sim.offer(A);
    for end in &sim.ends {
        let [candidate] = end.candidates()[..] else { panic!("{:?}", end.candidates()) };
        assert!(candidate.contains(" 192.0.2.50 "), "{candidate}");
        assert!(candidate.contains("typ relay raddr 0.0.0.0 rport 0"), "{candidate}");
        let (_, sdp) = end.created().unwrap();
        assert!(!sdp.contains("10.0.0."), "{sdp}");
    }
    assert_eq!(sim.sent, [0, 0], "nothing left by a socket of theirs");
}

#[test]
fn relays_alone_answer_nobody_else() {
    let mut sim = sim(1, URLS[0], false);
    sim.ends[A].sockets = vec!["10.0.0.1:5000".parse().unwrap()];
    sim.relays_candidates = false;
    sim.signal_candidate(B, "candidate:1 1 udp 2130706431 10.0.0.1 5000 typ host");
    sim.offer(A);
    sim.run_until(ms(60_000), "it fails", |sim| sim.state(B) == ConnectionState::Failed);
    assert!(sim.sent[B] > 0);
    assert_eq!(sim.sent[A], 0);
}

#[test]
fn what_was_granted_is_kept_for_as_long_as_it_is_needed() {
    for url in URLS {
        let mut sim = sim(1, url, true);
        let key = connect(&mut sim);
        for _ in 0..3 {
            sim.run_for(Duration::from_secs(10 * 60));
            exchange(&mut sim, key);
        }
        for end in &sim.ends {
            assert_eq!(end.history(), [ConnectionState::Connecting, ConnectionState::Connected]);
            assert_eq!(end.failures(), []);
        }
        let asked = sim.turn.server().asked.clone();
        // Half an hour, two ends: every 9, 4 and 9 minutes.
        assert_eq!((asked["refresh"], asked["permit"], asked["bind"]), (6, 16, 8), "{url}");
    }
}

#[test]
fn short_lifetimes_are_kept_up_with() {
    let mut sim = sim(1, URLS[0], true);
    sim.turn.server().lifetime = Duration::from_secs(30);
    let key = connect(&mut sim);
    sim.run_for(Duration::from_secs(120));
    exchange(&mut sim, key);
}

#[test]
fn a_stale_nonce_is_renewed() {
    let mut sim = sim(1, URLS[0], true);
    let key = connect(&mut sim);
    for _ in 0..10 {
        sim.turn.server().expire_nonce();
        sim.run_for(Duration::from_secs(4 * 60));
    }
    exchange(&mut sim, key);
    assert_eq!(sim.ends[A].failures(), []);
}

#[test]
fn links_may_be_lossy() {
    for_each_seed(0..20, |seed| {
        let mut sim = sim(seed, URLS[0], true);
        sim.link = Link { delay: ms(20), jitter: ms(10), loss: 0.1, duplication: 0.1 };
        connect(&mut sim);
        sim.run_for(Duration::from_secs(6 * 60));
        assert_eq!(sim.state(A), ConnectionState::Connected);
        assert_eq!(sim.ends[A].failures(), []);
    });
}

#[test]
fn closing_gives_the_address_back() {
    for url in URLS {
        let mut sim = sim(1, url, true);
        connect(&mut sim);
        assert_eq!(sim.turn.server().load(sim.now), 2);
        sim.with(A, |machine, now| machine.close(now));
        sim.run_for(ms(100));
        assert_eq!(sim.state(B), ConnectionState::Closed, "the goodbye went through the relay");
        let now = sim.now;
        assert_eq!((sim.turn.links(), sim.turn.server().load(now)), (0, 0), "{url}");
    }
}

#[test]
fn a_server_that_refuses_is_reported_and_holds_nobody_up() {
    for (code, reason) in [(403, "forbidden"), (486, "quota"), (508, "capacity")] {
        let mut sim = Sim::new(1);
        sim.turn.start(SERVER).refusal = Some(code);
        // It tells public addresses all the same.
        sim.stun_server = Some(SERVER.parse().unwrap());
        sim.ends[A].add_server("turn:relay", Some(SERVER));
        connect(&mut sim);
        assert_eq!(sim.ends[A].failures(), [("turn:relay", code)], "{reason}");
        assert!(sim.ends[A].events.contains(&Event::GatheringState(GatheringState::Complete)));
        assert_eq!(sim.turn.links(), 0);
    }
}

#[test]
fn a_wrong_password_is_reported() {
    for (username, password) in [("player", "wrong"), ("nobody", "secret"), ("", "")] {
        let mut sim = Sim::with_config(1, &relay_only());
        sim.turn.start(SERVER);
        sim.ends[A].add_server_as("turn:relay", SERVER, username, password);
        sim.offer(A);
        let took = sim.run_until(ms(10_000), "gathering is complete", |sim| {
            sim.ends[A].events.contains(&Event::GatheringState(GatheringState::Complete))
        });
        assert!(took < ms(100), "{took:?}");
        assert_eq!(sim.ends[A].failures(), [("turn:relay", 401)]);
        assert_eq!(sim.ends[A].candidates(), [""; 0]);
    }
}

#[test]
fn silent_and_unresolved_servers_are_reported_in_time() {
    let mut sim = Sim::new(1);
    for url in URLS {
        sim.ends[A].add_server(url, Some("192.0.2.99:1"));
    }
    sim.ends[A].add_server("turn:unknown", None);
    sim.offer(A);
    let took = sim.run_until(ms(60_000), "gathering is complete", |sim| {
        sim.ends[A].events.contains(&Event::GatheringState(GatheringState::Complete))
    });
    assert_eq!(took, ms(10_000));
    let mut failures = sim.ends[A].failures();
    failures.sort_unstable();
    let mut urls = [URLS[0], URLS[1], "turn:unknown", URLS[2]].map(|url| (url, 701));
    urls.sort_unstable();
    assert_eq!(failures, urls);
}

#[test]
fn one_address_of_a_server_suffices() {
    let mut sim = Sim::new(1);
    sim.turn.start(SERVER);
    sim.ends[A].add_server("turn:relay", Some(SERVER));
    sim.ends[A].servers[0].1.push("192.0.2.99:1".parse().unwrap());
    sim.offer(A);
    sim.run_for(ms(15_000));
    assert_eq!(sim.ends[A].failures(), []);
}

#[test]
fn there_is_an_end_to_how_many_servers_are_asked() {
    let mut sim = Sim::new(1);
    sim.turn.start(SERVER);
    for n in 0..20 {
        sim.ends[A].add_server(&format!("turn:relay{n}"), Some(SERVER));
    }
    sim.offer(A);
    sim.run_for(ms(100));
    assert_eq!(sim.turn.links(), 8);
    assert_eq!(sim.ends[A].failures().len(), 12);
}

#[test]
fn an_address_that_is_lost_is_reported_and_asked_for_anew() {
    let mut sim = sim(1, URLS[0], false);
    let key = connect(&mut sim);
    sim.turn.server().restart();
    sim.run_until(ms(60_000), "A is cut off", |sim| sim.state(A) == ConnectionState::Failed);
    sim.run_until(ms(600_000), "it is reported", |sim| !sim.ends[A].failures().is_empty());
    assert_eq!(sim.ends[A].failures(), [("turn:relay", 437)]);
    sim.run_for(ms(100));
    let now = sim.now;
    assert_eq!((sim.turn.links(), sim.turn.server().load(now)), (1, 1));
    assert!(!sim.is_closed(A, key), "a restart of ICE may still find a way");
}

#[test]
fn a_link_that_breaks_is_replaced() {
    let mut sim = sim(1, URLS[1], true);
    let key = connect(&mut sim);
    sim.run_for(ms(15_000));
    sim.break_links(A);
    assert_eq!(sim.ends[A].failures(), [(URLS[1], 701)]);
    exchange(&mut sim, key);
    assert!(!sim.ends[A].history().contains(&ConnectionState::Failed));
    assert_eq!(sim.ends[A].candidates().len(), 2);
}

#[test]
fn a_link_that_breaks_at_once_is_not_replaced_for_ever() {
    let mut sim = sim(1, URLS[1], true);
    connect(&mut sim);
    sim.break_links(A);
    sim.run_until(ms(10_000), "A is cut off", |sim| sim.state(A) == ConnectionState::Failed);
    assert_eq!(sim.ends[A].candidates().len(), 1);
}

#[test]
fn a_restart_finds_out_that_the_way_to_the_server_has_changed() {
    for url in URLS {
        let mut sim = sim(1, url, true);
        let key = connect(&mut sim);
        sim.run_for(ms(15_000));
        sim.turn.cut_links(A);
        sim.offer(A);
        exchange(&mut sim, key);
        assert!(!sim.ends[A].history().contains(&ConnectionState::Failed), "{url}");
        assert_eq!(sim.ends[A].failures(), [(url, 701)]);
    }
}

#[test]
fn a_direct_path_is_preferred() {
    let mut sim = Sim::new(1);
    sim.turn.start(SERVER);
    for end in &mut sim.ends {
        end.add_server(URLS[0], Some(SERVER));
    }
    let key = connect(&mut sim);
    sim.run_for(ms(1000));
    sim.turn.is_silent = true;
    exchange(&mut sim, key);
    sim.run_for(ms(20_000));
    assert_eq!(sim.state(A), ConnectionState::Connected);
}

#[test]
fn the_relay_takes_over_where_the_direct_path_ends() {
    let mut sim = Sim::new(1);
    sim.turn.start(SERVER);
    for end in &mut sim.ends {
        end.add_server(URLS[0], Some(SERVER));
    }
    let key = connect(&mut sim);
    sim.run_for(ms(5000));
    let is_private = |address: SocketAddr| address.ip().to_string().starts_with("10.");
    sim.filter = Some(Box::new(move |it| !is_private(it.from) || !is_private(it.to)));
    sim.run_for(ms(20_000));
    exchange(&mut sim, key);
    assert!(!sim.ends[A].history().contains(&ConnectionState::Failed));
}

#[test]
fn a_peer_that_the_server_will_not_reach_does_no_harm() {
    let mut sim = sim(1, URLS[0], false);
    let forbidden: IpAddr = "10.9.9.9".parse().unwrap();
    sim.turn.server().forbidden = vec![forbidden];
    sim.signal_candidate(A, "candidate:1 1 udp 2130706431 10.9.9.9 5000 typ host");
    for n in 0..30 {
        sim.signal_candidate(A, &format!("candidate:1 1 udp 1 10.8.0.{n} 1 typ host"));
    }
    let key = connect(&mut sim);
    exchange(&mut sim, key);
    assert_eq!(sim.ends[A].failures(), []);
}

#[test]
fn garbage_on_a_link_does_no_harm() {
    for_each_seed(0..30, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        for url in URLS {
            let mut sim = sim(seed, url, true);
            let key = connect(&mut sim);
            for _ in 0..100 {
                let mut bytes = vec![0; rng.random_range(0..100)];
                rng.fill(&mut bytes[..]);
                sim.receive_on_links(A, &bytes);
            }
            // A stream is of no use after that.
            if url == URLS[0] {
                exchange(&mut sim, key);
            }
        }
    });
}
