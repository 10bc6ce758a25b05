//! How channels and connections end.

use std::sync::Arc;
use std::time::Duration;

use super::sim::{A, B, Link, Sim, in_band, ms, negotiated};
use crate::channels::{Amount, ChannelError, ChannelKey};
use crate::ice_server::IceServer;
use crate::peer::{ConnectionState, DescriptionError, Event, SignalingState};
use crate::sdp::{Description, SdpKind};
use crate::seeds::for_each_seed;
use crate::signaling_state::WrongState;

/// The events of one channel, in order.
fn life(sim: &Sim, side: usize, key: ChannelKey) -> Vec<Event> {
    let is_its_own = |event: &&Event| match event {
        Event::ChannelOpen { key: k, .. }
        | Event::ChannelClosing { key: k }
        | Event::ChannelClosed { key: k }
        | Event::Message { key: k, .. } => *k == key,
        _ => false,
    };
    sim.ends[side].events.iter().filter(is_its_own).cloned().collect()
}

#[test]
fn a_channel_closes_at_both_ends_after_what_was_sent() {
    for_each_seed(0..20, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        sim.link = Link { delay: ms(10), jitter: ms(10), loss: 0.05, duplication: 0.05 };
        let data = vec![1; 200_000];
        sim.send(A, key, &data, false);
        sim.send(A, key, b"last words", true);
        sim.with(A, |machine, now| machine.close_channel(now, key));
        sim.send(A, key, b"too late", true);
        sim.run_until(ms(30_000), "it is closed at both ends", |sim| {
            sim.is_closed(A, key) && sim.is_closed(B, key)
        });
        assert_eq!(
            life(&sim, B, key),
            [
                Event::ChannelOpen { key, id: 1 },
                Event::Message { key, data, text: false },
                Event::Message { key, data: b"last words".into(), text: true },
                Event::ChannelClosing { key },
                Event::ChannelClosed { key },
            ]
        );
        let ours = [
            Event::ChannelOpen { key, id: 1 },
            Event::ChannelClosing { key },
            Event::ChannelClosed { key },
        ];
        assert_eq!(life(&sim, A, key), ours);
        assert_eq!(sim.ends[A].given_back(key), 200_000 + 10 + 8);
        assert_eq!(sim.state(A), ConnectionState::Connected);
    });
}

#[test]
fn the_other_end_sees_a_channel_close_at_once() {
    let (mut sim, key) = Sim::connected(1);
    sim.with(A, |machine, now| machine.close_channel(now, key));
    let took = sim.run_until(ms(100), "it is closed", |sim| sim.is_closed(B, key));
    assert!(took <= ms(3), "{took:?}");
}

#[test]
fn a_channel_that_both_ends_close_is_closed_once() {
    let (mut sim, key) = Sim::connected(1);
    for side in [A, B] {
        sim.with(side, |machine, now| machine.close_channel(now, key));
        sim.with(side, |machine, now| machine.close_channel(now, key));
    }
    sim.run_for(ms(1000));
    for side in [A, B] {
        let expected = [
            Event::ChannelOpen { key, id: 1 },
            Event::ChannelClosing { key },
            Event::ChannelClosed { key },
        ];
        assert_eq!(life(&sim, side, key), expected);
    }
}

#[test]
fn a_channel_that_never_opened_is_closed_at_once() {
    let mut sim = Sim::new(1);
    let key = sim.create_channel(A, in_band("x"));
    sim.send(A, key, b"never", true);
    sim.with(A, |machine, now| machine.close_channel(now, key));
    let expected = [
        Event::Sent { key, amount: Amount { bytes: 5, messages: 1 } },
        Event::ChannelClosed { key },
    ];
    assert_eq!(sim.ends[A].events, expected);
}

#[test]
fn a_stream_can_be_used_again() {
    for_each_seed(0..10, |seed| {
        let (mut sim, _) = Sim::connected(seed);
        sim.link = Link { delay: ms(5), jitter: ms(10), loss: 0.05, duplication: 0.05 };
        for round in 0..5_u8 {
            let key = sim.create_channel(A, in_band("again"));
            sim.send(A, key, &[round], false);
            sim.run_until(ms(10_000), "it is announced", |sim| {
                sim.ends[B].announced().len() == usize::from(round) + 1
            });
            let (theirs, _, id) = sim.ends[B].announced().pop().unwrap();
            sim.run_until(ms(10_000), "it is used", |sim| sim.messages(B, theirs).len() == 1);
            // 1 is taken by the negotiated channel.
            assert_eq!(id, 3);
            sim.with(B, |machine, now| machine.close_channel(now, theirs));
            sim.run_until(ms(10_000), "it is closed", |sim| {
                sim.is_closed(A, key) && sim.is_closed(B, theirs)
            });
            assert_eq!(sim.messages(B, theirs), [[round]]);
        }
    });
}

#[test]
fn what_waits_when_the_other_end_closes_a_channel_never_reaches_the_next() {
    for_each_seed(0..20, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        sim.link = Link { delay: ms(10), loss: 0.05, ..Link::GOOD };
        for _ in 0..10 {
            sim.send(A, key, &[1; 100_000], false);
        }
        sim.run_for(ms(seed * 7));
        sim.with(B, |machine, now| machine.close_channel(now, key));
        sim.run_until(ms(30_000), "it is closed at both ends", |sim| {
            sim.is_closed(A, key) && sim.is_closed(B, key)
        });
        let next = sim.create_channel(A, negotiated(1));
        assert_eq!(sim.create_channel(B, negotiated(1)), next);
        sim.send(A, next, b"anew", true);
        sim.run_until(ms(30_000), "it arrives", |sim| !sim.messages(B, next).is_empty());
        sim.run_for(ms(3000));
        assert_eq!(sim.messages(B, next), [b"anew"]);
        assert_eq!(sim.ends[B].machine.waiting_bytes(), 0);
    });
}

#[test]
fn the_other_end_sees_the_connection_close_at_once() {
    for lost in [None, Some(0), Some(1)] {
        let (mut sim, key) = Sim::connected(1);
        sim.send(A, key, b"goodbye", true);
        sim.run_for(ms(50));
        let mut sent = 0;
        sim.filter = Some(Box::new(move |_| {
            sent += 1;
            Some(sent - 1) != lost
        }));
        sim.with(A, |machine, now| machine.close(now));
        let took =
            sim.run_until(ms(100), "it is closed", |sim| sim.state(B) == ConnectionState::Closed);
        assert!(took <= ms(1), "{took:?} without datagram {lost:?}");
        for side in [A, B] {
            assert!(sim.is_closed(side, key));
            assert_eq!(sim.ends[side].signaling_state(), SignalingState::Closed);
            assert_eq!(sim.ends[side].machine.poll_timeout(), None);
        }
        assert_eq!(sim.messages(B, key), [b"goodbye"]);
    }
}

#[test]
fn nothing_happens_after_the_end() {
    let (mut sim, key) = Sim::connected(1);
    sim.with(A, |machine, now| machine.close(now));
    let events = sim.ends[A].events.len();
    let sent = sim.sent[A];
    let closed = WrongState(SignalingState::Closed);
    let (_, sdp) = sim.ends[A].created().unwrap();
    let offer = Description::parse(SdpKind::Offer, &sdp).unwrap();
    sim.with(A, |machine, now| {
        assert_eq!(machine.create_offer(now), Err(closed));
        let refused = Err(DescriptionError::WrongState(closed));
        assert_eq!(machine.set_local_description(now, offer.clone()), refused);
        assert_eq!(machine.set_remote_description(now, offer), refused);
        let refused = machine.create_channel(now, ChannelKey(100), in_band("x"));
        assert_eq!(refused, Err(ChannelError::Closed));
        machine.close_channel(now, key);
        machine.resume_reading(now, key);
        machine.add_host_candidate(now, "10.0.0.9:1".parse().unwrap());
        let server = Arc::new(IceServer::parse("turn:relay").unwrap());
        machine.add_server(now, &server, &["10.0.0.9:2".parse().unwrap()]);
        machine.add_server(now, &server, &[]);
        machine.end_of_local_candidates(now);
        machine.close(now);
    });
    sim.inject(A, "10.0.0.2:5000".parse().unwrap(), &[22; 100]);
    sim.run_for(ms(5000));
    assert_eq!((sim.ends[A].events.len(), sim.sent[A]), (events, sent));
    sim.send(A, key, b"lost", true);
    assert_eq!(
        sim.ends[A].events.last(),
        Some(&Event::Sent { key, amount: Amount { bytes: 4, messages: 1 } })
    );
}

#[test]
fn closing_is_possible_in_every_state() {
    for_each_seed(0..120, |seed| {
        let mut sim = Sim::new(seed);
        sim.link = Link { delay: ms(7), jitter: ms(7), loss: 0.1, duplication: 0.1 };
        let key = sim.create_channel(A, negotiated(0));
        sim.create_channel(B, negotiated(0));
        sim.send(A, key, &[1; 3000], false);
        sim.offer(A);
        sim.run_for(ms(seed * 3));
        let side = (seed % 2) as usize;
        sim.with(side, |machine, now| machine.close(now));
        assert_eq!(sim.state(side), ConnectionState::Closed);
        assert!(sim.is_closed(side, key));
        sim.run_for(Duration::from_secs(40));
        assert!(matches!(
            sim.state(1 - side),
            ConnectionState::New | ConnectionState::Closed | ConnectionState::Failed
        ));
    });
}
