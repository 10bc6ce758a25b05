//! How connections come about.

use std::net::SocketAddr;

use super::sim::{A, B, End, Link, Sim, in_band, ms, negotiated};
use crate::dtls::Role;
use crate::peer::{
    ConnectionState, DescriptionError, Event, GatheringState, Input, SignalingState,
};
use crate::sdp::{Description, SdpKind};
use crate::seeds::for_each_seed;
use crate::signaling_state::WrongState;

/// Connects with a negotiated channel after `prepare`.
pub(super) fn connect(seed: u64, prepare: impl FnOnce(&mut Sim)) -> Sim {
    let mut sim = Sim::new(seed);
    prepare(&mut sim);
    let key = sim.create_channel(A, negotiated(0));
    sim.create_channel(B, negotiated(0));
    sim.offer(A);
    sim.run_until(ms(20_000), "both are connected", |sim| {
        sim.is_open(A, key) && sim.is_open(B, key)
    });
    sim
}

/// The description that an end created last, changed by `change`.
fn created(end: &End, change: impl FnOnce(String) -> String) -> Description {
    let (kind, sdp) = end.created().unwrap();
    Description::parse(kind, &change(sdp)).unwrap()
}

#[test]
fn both_ends_connect_and_the_channel_opens() {
    let (sim, key) = Sim::connected(1);
    for end in &sim.ends {
        assert_eq!(end.history(), [ConnectionState::Connecting, ConnectionState::Connected]);
        assert_eq!(end.signaling_state(), SignalingState::Stable);
        assert!(end.events.contains(&Event::GatheringState(GatheringState::Complete)));
        assert!(end.events.contains(&Event::ChannelOpen { key, id: 1 }));
    }
}

#[test]
fn opening_takes_few_round_trips() {
    let mut sim = Sim::new(1);
    sim.link.delay = ms(50);
    sim.signaling_delay = ms(0);
    let key = sim.create_channel(A, negotiated(0));
    sim.create_channel(B, negotiated(0));
    sim.offer(A);
    let took = sim.run_until(ms(2000), "the channel opens at both ends", |sim| {
        sim.is_open(A, key) && sim.is_open(B, key)
    });
    // One or two for the path, one or two for DTLS, two for SCTP.
    assert!(took <= ms(600), "{took:?}");
}

#[test]
fn either_end_may_begin_the_handshake() {
    for (setup, answerer) in
        [("actpass", Role::Client), ("active", Role::Server), ("passive", Role::Client)]
    {
        let mut sim = Sim::new(1);
        sim.relays_signaling = false;
        let key = sim.create_channel(B, in_band("from the answerer"));
        sim.offer(A);
        let offer = created(&sim.ends[A], |sdp| sdp);
        sim.with(A, |machine, now| machine.set_local_description(now, offer)).unwrap();
        let offer = created(&sim.ends[A], |sdp| sdp.replace("actpass", setup));
        sim.with(B, |machine, now| machine.set_remote_description(now, offer)).unwrap();
        let answer = created(&sim.ends[B], |sdp| sdp);
        let expected = if answerer == Role::Client { "active" } else { "passive" };
        assert!(answer.to_string().contains(&format!("a=setup:{expected}\r\n")));
        sim.with(B, |machine, now| machine.set_local_description(now, answer.clone())).unwrap();
        sim.with(A, |machine, now| machine.set_remote_description(now, answer)).unwrap();
        sim.run_until(ms(5000), "the channel opens", |sim| sim.is_open(B, key));
        let id = u16::from(answerer == Role::Server);
        assert!(sim.ends[B].events.contains(&Event::ChannelOpen { key, id }), "{setup}");
    }
}

#[test]
fn an_answer_keeps_the_media_id_and_rejects_what_is_not_data() {
    let mut sim = Sim::new(1);
    sim.relays_signaling = false;
    sim.offer(A);
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:voice\r\n";
    let offer = created(&sim.ends[A], |sdp| {
        sdp.replace("m=application", &format!("{audio}m=application"))
            .replace("BUNDLE 0", "BUNDLE voice numbers")
            .replace("a=mid:0", "a=mid:numbers")
    });
    sim.with(B, |machine, now| machine.set_remote_description(now, offer)).unwrap();
    let answer = created(&sim.ends[B], |sdp| sdp);
    let text = answer.to_string();
    assert!(text.contains("a=group:BUNDLE numbers\r\n"), "{text}");
    assert!(text.contains("m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"), "{text}");
    assert!(text.contains("a=mid:voice\r\n") && text.contains("a=mid:numbers\r\n"), "{text}");
    sim.with(B, |machine, now| machine.set_local_description(now, answer)).unwrap();
    let candidates = sim.ends[B].events.iter().filter_map(|event| match event {
        Event::CandidateCreated { mid, index, .. } => Some((mid.as_str(), *index)),
        _ => None,
    });
    assert_eq!(candidates.collect::<Vec<_>>(), [("numbers", 1)]);
}

#[test]
fn ipv6_and_loopback_connect_too() {
    for addresses in [["[2001:db8::1]:5000", "[2001:db8::2]:5000"], ["127.0.0.1:1", "127.0.0.1:2"]]
    {
        let sim = connect(1, |sim| {
            for (end, address) in sim.ends.iter_mut().zip(addresses) {
                end.sockets = vec![address.parse().unwrap()];
            }
        });
        assert_eq!(sim.state(A), ConnectionState::Connected);
    }
}

#[test]
fn two_private_networks_meet_at_their_public_addresses() {
    let sim = connect(1, |sim| {
        let server: SocketAddr = "192.0.2.53:3478".parse().unwrap();
        sim.stun_server = Some(server);
        for side in [A, B] {
            let public = SocketAddr::from(([192, 0, 2, side as u8 + 1], 7000));
            sim.nat.insert(sim.ends[side].sockets[0], public);
            sim.ends[side].add_server("stun:server", Some(&server.to_string()));
        }
    });
    for (side, public) in [(A, "192.0.2.1 7000"), (B, "192.0.2.2 7000")] {
        let is_reflexive = |event: &Event| {
            matches!(event, Event::CandidateCreated { candidate, .. }
                if candidate.contains(public) && candidate.contains("typ srflx"))
        };
        assert!(sim.ends[side].events.iter().any(is_reflexive));
    }
}

#[test]
fn gathering_waits_for_silent_servers_and_no_longer() {
    let mut sim = Sim::new(1);
    sim.ends[A].add_server("stun:silent", Some("192.0.2.99:3478"));
    sim.offer(A);
    let took = sim.run_until(ms(10_000), "gathering is complete", |sim| {
        sim.ends[A].events.contains(&Event::GatheringState(GatheringState::Complete))
    });
    assert_eq!(took, ms(5000));
    assert_eq!(sim.ends[A].failures(), [("stun:silent", 701)]);
}

#[test]
fn a_stranger_with_another_certificate_is_not_let_in() {
    for side in [A, B] {
        let mut sim = Sim::new(1);
        sim.relays_signaling = false;
        sim.offer(A);
        let wrong = |sdp: String| {
            let place = sdp.find("sha-256 ").unwrap() + "sha-256 ".len();
            let digit = if &sdp[place..=place] == "0" { "1" } else { "0" };
            format!("{}{digit}{}", &sdp[..place], &sdp[place + 1..])
        };
        let right = |sdp: String| sdp;
        let offer = created(&sim.ends[A], right);
        sim.with(A, |machine, now| machine.set_local_description(now, offer)).unwrap();
        let offer = created(&sim.ends[A], if side == B { wrong } else { right });
        sim.with(B, |machine, now| machine.set_remote_description(now, offer)).unwrap();
        let answer = created(&sim.ends[B], right);
        sim.with(B, |machine, now| machine.set_local_description(now, answer)).unwrap();
        let answer = created(&sim.ends[B], if side == A { wrong } else { right });
        sim.with(A, |machine, now| machine.set_remote_description(now, answer)).unwrap();
        sim.run_until(ms(5000), "the deceived end fails", |sim| {
            sim.state(side) == ConnectionState::Failed
        });
        assert!(!sim.ends[side].history().contains(&ConnectionState::Connected));
    }
}

/// Each has set an offer of its own and heard nothing of the other's.
fn both_have_offered() -> Sim {
    let mut sim = Sim::new(1);
    sim.relays_signaling = false;
    for side in [A, B] {
        sim.offer(side);
        let offer = created(&sim.ends[side], |sdp| sdp);
        sim.with(side, |machine, now| machine.set_local_description(now, offer)).unwrap();
    }
    sim
}

#[test]
fn offers_from_both_sides_collide_with_an_error() {
    let mut sim = both_have_offered();
    let offer = created(&sim.ends[B], |sdp| sdp);
    let refused = sim.with(A, |machine, now| machine.set_remote_description(now, offer));
    let expected = WrongState(SignalingState::HaveLocalOffer);
    assert_eq!(refused, Err(DescriptionError::WrongState(expected)));
}

#[test]
fn both_in_control_resolve_it() {
    // Each offers and is told that the other accepted: both believe to have the last word.
    let mut sim = both_have_offered();
    for (side, setup) in [(A, "active"), (B, "passive")] {
        let (_, sdp) = sim.ends[1 - side].created().unwrap();
        sim.signal_description(side, SdpKind::Answer, &sdp.replace("actpass", setup));
    }
    sim.run_until(ms(5000), "both are connected", |sim| {
        [A, B].iter().all(|side| sim.state(*side) == ConnectionState::Connected)
    });
}

#[test]
fn only_the_description_created_last_can_be_set() {
    let mut sim = Sim::new(1);
    sim.relays_signaling = false;
    sim.offer(A);
    let first = created(&sim.ends[A], |sdp| sdp);
    let changed = created(&sim.ends[A], |sdp| sdp.replace("5000", "5001"));
    sim.offer(A);
    for description in [first, changed] {
        let refused = sim.with(A, |machine, now| machine.set_local_description(now, description));
        assert_eq!(refused, Err(DescriptionError::NotCreatedHere));
    }
    assert_eq!(sim.ends[A].signaling_state(), SignalingState::Stable);
    let last = created(&sim.ends[A], |sdp| sdp.replace("\r\n", "\n"));
    sim.with(A, |machine, now| machine.set_local_description(now, last)).unwrap();
}

#[test]
fn a_second_exchange_may_not_contradict_the_first() {
    let (mut sim, _) = Sim::connected(1);
    sim.relays_signaling = false;
    sim.offer(A);
    for (from, to) in [("mid:0", "mid:1"), ("5000", "1")] {
        let (kind, sdp) = sim.ends[A].created().unwrap();
        let changed = sdp.replace(from, to);
        let Ok(offer) = Description::parse(kind, &changed) else { panic!("{changed}") };
        let refused = sim.with(B, |machine, now| machine.set_remote_description(now, offer));
        assert_eq!(refused, Err(DescriptionError::Contradiction), "{from}");
    }
    assert_eq!(sim.ends[B].signaling_state(), SignalingState::Stable);
}

#[test]
fn it_connects_whatever_single_datagram_is_lost() {
    // Neither end sends more than this until the channel is open.
    for (side, lost) in [A, B].into_iter().flat_map(|side| (0..30).map(move |nth| (side, nth))) {
        let mut sim = Sim::new(lost as u64);
        let mut sent = 0;
        sim.filter = Some(Box::new(move |datagram| {
            sent += usize::from(datagram.side == side);
            datagram.side != side || sent != lost + 1
        }));
        let key = sim.create_channel(A, negotiated(0));
        sim.create_channel(B, negotiated(0));
        sim.offer(A);
        let took = sim.run_until(ms(5000), "the channel opens", |sim| {
            sim.is_open(A, key) && sim.is_open(B, key)
        });
        assert!(took < ms(1000), "{took:?} after {side} lost datagram {lost}");
    }
}

#[test]
fn it_connects_over_bad_links() {
    for_each_seed(0..100, |seed| {
        let sim = connect(seed, |sim| {
            sim.link = Link { delay: ms(20), jitter: ms(30), loss: 0.1, duplication: 0.1 };
            sim.signaling_delay = ms(seed % 7 * 50);
        });
        assert!(!sim.ends[A].history().contains(&ConnectionState::Failed));
    });
}

#[test]
fn nobody_there_fails_in_time() {
    let mut sim = Sim::new(1);
    sim.filter = Some(Box::new(|_| false));
    sim.offer(A);
    let took = sim.run_until(ms(60_000), "it fails", |sim| {
        sim.state(A) == ConnectionState::Failed && sim.state(B) == ConnectionState::Failed
    });
    assert!((ms(14_000)..ms(31_000)).contains(&took), "{took:?}");
    assert_eq!(sim.ends[A].history(), [ConnectionState::Connecting, ConnectionState::Failed]);
}

#[test]
fn it_fails_early_when_all_candidates_are_known_and_tried() {
    let mut sim = Sim::new(1);
    sim.filter = Some(Box::new(|_| false));
    sim.offer(A);
    sim.signal_candidate(A, "");
    sim.signal_candidate(B, "");
    let took = sim.run_until(ms(60_000), "it fails", |sim| {
        sim.state(A) == ConnectionState::Failed && sim.state(B) == ConnectionState::Failed
    });
    assert!(took < ms(9000), "{took:?}");
}

#[test]
fn stray_datagrams_before_the_exchange_do_no_harm() {
    let mut sim = Sim::new(1);
    let stranger = "10.6.6.6:6".parse().unwrap();
    for first in 0..=255 {
        sim.inject(A, stranger, &[first; 40]);
        sim.inject(A, stranger, &[first]);
    }
    sim.inject(A, stranger, &[]);
    sim.with(A, |machine, now| machine.handle_input(now, Input::Timeout));
    assert_eq!(sim.sent, [0, 0]);
    assert!(sim.ends[A].events.is_empty());
}
