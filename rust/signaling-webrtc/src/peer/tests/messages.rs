//! What goes over channels.

use std::time::Duration;

use super::sim::{A, B, Link, Sim, in_band, ms, negotiated};
use crate::channels::{ChannelError, ChannelInit, ChannelKey, Reliability};
use crate::config::PeerConfig;
use crate::peer::Event;
use crate::sdp::Description;
use crate::seeds::for_each_seed;

fn unreliable(id: u16, ordered: bool, reliability: Reliability) -> ChannelInit {
    ChannelInit { ordered, reliability, ..negotiated(id) }
}

/// Makes this channel at both ends, which are connected.
fn add(sim: &mut Sim, init: &ChannelInit) -> ChannelKey {
    let key = sim.create_channel(A, init.clone());
    assert_eq!(sim.create_channel(B, init.clone()), key);
    key
}

#[test]
fn messages_of_every_kind_and_size_arrive_as_they_were_sent() {
    let (mut sim, key) = Sim::connected(1);
    let sizes = [0, 1, 1200, 64 * 1024, 256 * 1024];
    let sent: Vec<(Vec<u8>, bool)> = sizes
        .into_iter()
        .flat_map(|size| [true, false].map(|text| (vec![b'x'; size], text)))
        .collect();
    for side in [A, B] {
        for (data, text) in &sent {
            sim.send(side, key, data, *text);
        }
    }
    sim.run_until(ms(10_000), "everything arrives", |sim| {
        [A, B].iter().all(|side| sim.messages(*side, key).len() == sent.len())
    });
    for end in &sim.ends {
        assert!(end.messages(key).eq(sent.iter().map(|(data, text)| (&data[..], *text))));
    }
}

#[test]
fn a_message_over_the_limit_is_dropped_and_given_back() {
    let (mut sim, key) = Sim::connected(1);
    assert_eq!(sim.ends[A].machine.max_message_bytes(), 256 * 1024);
    sim.send(A, key, &vec![0; 256 * 1024 + 1], false);
    sim.send(A, key, b"next", false);
    sim.run_until(ms(1000), "the next one arrives", |sim| !sim.messages(B, key).is_empty());
    assert_eq!(sim.messages(B, key), [b"next"]);
    assert_eq!(sim.ends[A].given_back(key), 256 * 1024 + 1 + 4);
}

#[test]
fn the_smaller_limit_of_both_ends_holds() {
    let mut small =
        Sim::with_config(1, &PeerConfig { max_message_bytes: 100, ..Default::default() });
    let big = Sim::new(1);
    small.ends[A] = big.ends.into_iter().next().unwrap();
    let key = add(&mut small, &negotiated(0));
    small.offer(A);
    small.run_until(ms(5000), "the channel opens", |sim| sim.is_open(A, key));
    assert_eq!(small.ends[A].machine.max_message_bytes(), 100);
    assert_eq!(small.ends[B].machine.max_message_bytes(), 100);
}

#[test]
fn a_message_larger_than_we_take_closes_its_channel() {
    let mut sim = Sim::with_config(1, &PeerConfig { max_message_bytes: 100, ..Default::default() });
    sim.ends[A] = Sim::new(2).ends.into_iter().next().unwrap();
    sim.relays_signaling = false;
    let key = add(&mut sim, &negotiated(0));
    sim.offer(B);
    let (kind, offer) = sim.ends[B].created().unwrap();
    let description = Description::parse(kind, &offer).unwrap();
    sim.with(B, |machine, now| machine.set_local_description(now, description)).unwrap();
    // A is made to believe that B takes more than it said.
    sim.relays_signaling = true;
    sim.signal_description(A, kind, &offer.replace("size:100", "size:0"));
    sim.run_until(ms(5000), "the channel opens", |sim| sim.is_open(A, key));
    for size in [100, 101, 1] {
        sim.send(A, key, &vec![0; size], false);
    }
    sim.run_until(ms(5000), "it is closed", |sim| sim.is_closed(A, key) && sim.is_closed(B, key));
    assert_eq!(sim.messages(B, key), [[0; 100]]);
}

#[test]
fn messages_on_a_stream_wait_for_its_channel() {
    let (mut sim, key) = Sim::connected(1);
    let unknown = sim.create_channel(A, negotiated(9));
    sim.send(A, unknown, b"anybody?", true);
    sim.send(A, key, b"known", true);
    sim.run_for(ms(100));
    assert_eq!(sim.messages(B, key), [b"known"]);
    assert_eq!(sim.create_channel(B, negotiated(9)), unknown);
    sim.send(A, unknown, b"now", true);
    sim.run_for(ms(100));
    assert_eq!(sim.messages(B, unknown), [&b"anybody?"[..], b"now"]);
}

#[test]
fn messages_on_a_stream_do_not_outlive_it() {
    let (mut sim, _) = Sim::connected(1);
    let first = sim.create_channel(A, negotiated(9));
    sim.send(A, first, b"anybody?", true);
    sim.run_for(ms(100));
    sim.with(A, |machine, now| machine.close_channel(now, first));
    sim.run_for(ms(1000));
    let second = sim.create_channel(B, negotiated(9));
    sim.run_for(ms(100));
    assert!(sim.messages(B, second).is_empty());
}

#[test]
fn an_announced_channel_is_what_its_maker_made() {
    let (mut sim, _) = Sim::connected(1);
    let mut init = in_band("Spieler → Gegner");
    init.protocol = "проtокол".into();
    for (ordered, reliability) in [
        (true, Reliability::Reliable),
        (false, Reliability::MaxRetransmits(3)),
        (true, Reliability::MaxPacketLifeTime(ms(250))),
    ] {
        init.ordered = ordered;
        init.reliability = reliability;
        let key = sim.create_channel(A, init.clone());
        sim.send(A, key, b"hello", true);
        sim.run_for(ms(100));
        let (theirs, announced, id) = sim.ends[B].announced().pop().unwrap();
        assert_eq!(announced, init);
        // The answerer, B, is the DTLS client and has the even ones.
        assert_eq!(id % 2, 1);
        assert!(sim.ends[A].events.contains(&Event::ChannelOpen { key, id }));
        assert_eq!(sim.messages(B, theirs), [b"hello"]);
        sim.send(B, theirs, b"hello yourself", true);
        sim.run_for(ms(100));
        assert_eq!(sim.messages(A, key), [b"hello yourself"]);
    }
}

#[test]
fn channels_of_both_ends_get_streams_of_their_own() {
    let mut sim = Sim::new(1);
    let keys: Vec<_> = (0..6).map(|n| sim.create_channel(n % 2, in_band("x"))).collect();
    // Stream 2 is taken by agreement, so B's next own one is 4.
    sim.create_channel(B, negotiated(2));
    sim.create_channel(A, negotiated(2));
    sim.offer(A);
    sim.run_until(ms(5000), "all are announced", |sim| {
        sim.ends.iter().all(|end| end.announced().len() == 3)
    });
    let ids = |side: usize| sim.ends[side].announced().iter().map(|a| a.2).collect::<Vec<_>>();
    assert_eq!(ids(B), [1, 3, 5]);
    assert_eq!(ids(A), [0, 4, 6]);
    assert!(keys.iter().enumerate().all(|(n, key)| sim.is_open(n % 2, *key)));
}

#[test]
fn what_cannot_be_a_channel_is_refused() {
    let mut sim = Sim::new(1);
    sim.create_channel(A, negotiated(7));
    let long = "x".repeat(65_536);
    let cases = [
        (2, negotiated(7), ChannelError::IdInUse(7)),
        (2, negotiated(65_535), ChannelError::IdOutOfRange),
        (0, negotiated(8), ChannelError::KeyInUse),
        (1, negotiated(8), ChannelError::KeyInUse),
        (2, in_band(&long), ChannelError::TextTooLong),
        (2, ChannelInit { protocol: long.clone(), ..in_band("") }, ChannelError::TextTooLong),
    ];
    for (key, init, expected) in cases {
        let refused =
            sim.with(A, |machine, now| machine.create_channel(now, ChannelKey(key), init));
        assert_eq!(refused, Err(expected));
    }
    sim.create_channel(A, in_band(&long[1..]));
}

#[test]
fn what_is_sent_before_the_channel_opens_waits() {
    let mut sim = Sim::new(1);
    let key = add(&mut sim, &negotiated(0));
    let own = sim.create_channel(A, in_band("own"));
    for key in [key, own] {
        for n in 0..10 {
            sim.send(A, key, &[n], false);
        }
    }
    sim.offer(A);
    sim.run_until(ms(5000), "all arrive", |sim| {
        sim.ends[B].announced().first().is_some_and(|(theirs, ..)| {
            [key, *theirs].iter().all(|key| sim.messages(B, *key).len() == 10)
        })
    });
    let expected: Vec<[u8; 1]> = (0..10).map(|n| [n]).collect();
    assert_eq!(sim.messages(B, key), expected);
    assert_eq!(sim.messages(B, ChannelKey(1)), expected);
}

#[test]
fn every_byte_is_given_back_once() {
    for_each_seed(0..20, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        let flaky = add(&mut sim, &unreliable(9, false, Reliability::MaxRetransmits(1)));
        let hasty = add(&mut sim, &unreliable(8, true, Reliability::MaxPacketLifeTime(ms(30))));
        sim.link = Link { delay: ms(10), jitter: ms(5), loss: 0.1, duplication: 0.0 };
        let sizes = [0, 1, 100, 5000, 0, 70_000, 3];
        for key in [key, flaky, hasty] {
            for size in sizes {
                sim.send(A, key, &vec![7; size], false);
            }
        }
        sim.run_for(Duration::from_secs(20));
        for key in [key, flaky, hasty] {
            assert_eq!(sim.ends[A].given_back(key), sizes.iter().sum::<usize>());
        }
        assert_eq!(sim.messages(B, key).len(), sizes.len());
    });
}

#[test]
fn the_buffered_amount_falls_while_a_large_message_leaves() {
    let (mut sim, key) = Sim::connected(1);
    sim.link.delay = ms(20);
    sim.send(A, key, &vec![0; 256 * 1024], false);
    let at_once = sim.ends[A].given_back(key);
    sim.run_for(ms(45));
    let after_a_round_trip = sim.ends[A].given_back(key);
    assert!(0 < at_once && at_once < after_a_round_trip && after_a_round_trip < 256 * 1024);
}

#[test]
fn reliable_messages_arrive_in_order_over_any_link() {
    for_each_seed(0..60, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        sim.link = Link {
            delay: ms(seed % 5 * 10),
            jitter: ms(seed % 3 * 20),
            loss: (seed % 4) as f64 * 0.07,
            duplication: 0.05,
        };
        let sent: Vec<Vec<u8>> = (0..100_u8).map(|n| vec![n; usize::from(n) * 23]).collect();
        for data in &sent {
            sim.send(A, key, data, false);
            sim.send(B, key, data, false);
            sim.run_for(ms(5));
        }
        sim.run_until(ms(60_000), "all arrive", |sim| {
            [A, B].iter().all(|side| sim.messages(*side, key).len() == sent.len())
        });
        assert_eq!(sim.messages(A, key), sent);
        assert_eq!(sim.messages(B, key), sent);
    });
}

#[test]
fn an_unreliable_message_is_never_sent_again() {
    for_each_seed(0..20, |seed| {
        let (mut sim, _) = Sim::connected(seed);
        let key = add(&mut sim, &unreliable(9, seed % 2 == 0, Reliability::MaxRetransmits(0)));
        sim.link = Link { delay: ms(20), ..Link::GOOD };
        sim.run_for(ms(2000));
        // Both directions are cut for the time that the message takes.
        sim.filter = Some(Box::new(|datagram| datagram.bytes[0] <= 3));
        sim.send(A, key, &[1; 1000], false);
        sim.run_for(ms(10));
        sim.filter = None;
        let sent = sim.sent;
        sim.run_for(ms(1500));
        assert!(sim.messages(B, key).is_empty());
        assert!(sim.sent[A] - sent[A] < 12, "checks, and one word that it is given up");
        sim.send(A, key, &[2], false);
        let took = sim.run_until(ms(1000), "the next", |sim| !sim.messages(B, key).is_empty());
        assert!(took <= ms(21), "a lost one must not hold it back: {took:?}");
        assert_eq!(sim.messages(B, key), [[2]]);
    });
}

#[test]
fn retransmissions_end_at_their_limit() {
    let delivered = |limit: u16| {
        let (mut sim, _) = Sim::connected(1);
        let key = add(&mut sim, &unreliable(9, true, Reliability::MaxRetransmits(limit)));
        sim.run_for(ms(2000));
        let mut data = 0;
        // Everything large enough to carry the message is lost, three times.
        sim.filter = Some(Box::new(move |datagram| {
            data += usize::from(datagram.side == A && datagram.bytes.len() > 500);
            datagram.side != A || datagram.bytes.len() <= 500 || data > 3
        }));
        sim.send(A, key, &[1; 1000], false);
        sim.run_for(Duration::from_secs(20));
        sim.messages(B, key).len()
    };
    assert_eq!(delivered(2), 0);
    assert_eq!(delivered(3), 1);
}

#[test]
fn a_message_is_given_up_after_its_life_time() {
    let (mut sim, _) = Sim::connected(1);
    let key = add(&mut sim, &unreliable(9, true, Reliability::MaxPacketLifeTime(ms(1000))));
    sim.run_for(ms(100));
    for (outage, delivered) in [(ms(200), 1), (ms(3000), 1), (ms(200), 2)] {
        sim.filter = Some(Box::new(|datagram| datagram.bytes[0] <= 3));
        sim.send(A, key, b"urgent", false);
        sim.run_for(outage);
        sim.filter = None;
        sim.run_for(ms(3000));
        assert_eq!(sim.messages(B, key).len(), delivered, "after {outage:?}");
    }
}

#[test]
fn a_full_reader_holds_back_the_other_end_and_loses_nothing() {
    let (mut sim, key) = Sim::connected(1);
    sim.ends[B].machine.pause_reading(key);
    let sent: Vec<Vec<u8>> = (0..200_u8).map(|n| vec![n; 20_000]).collect();
    for data in &sent {
        sim.send(A, key, data, false);
    }
    sim.run_for(Duration::from_secs(10));
    assert!(sim.messages(B, key).is_empty());
    let left = sim.ends[A].given_back(key);
    assert!(left < 2_000_000, "{left} bytes left although nobody reads");
    sim.with(B, |machine, now| machine.resume_reading(now, key));
    sim.run_until(ms(30_000), "all arrive", |sim| sim.messages(B, key).len() == sent.len());
    assert_eq!(sim.messages(B, key), sent);
}

#[test]
fn a_flood_of_tiny_messages_is_bounded_while_nobody_reads() {
    let (mut sim, key) = Sim::connected(1);
    sim.ends[B].machine.pause_reading(key);
    for n in 0..5000_u16 {
        sim.send(A, key, &n.to_be_bytes(), false);
    }
    sim.run_for(Duration::from_secs(2));
    sim.with(B, |machine, now| machine.resume_reading(now, key));
    sim.run_until(ms(30_000), "all arrive", |sim| sim.messages(B, key).len() == 5000);
    let expected: Vec<_> = (0..5000_u16).map(u16::to_be_bytes).collect();
    assert_eq!(sim.messages(B, key), expected);
}

#[test]
fn a_burst_of_losses_does_not_stall_a_bulk_transfer() {
    let (mut sim, key) = Sim::connected(1);
    sim.link.delay = ms(20);
    for _ in 0..300 {
        sim.send(A, key, &[0; 30_000], false);
    }
    sim.run_until(ms(5000), "the transfer is under way", |sim| sim.messages(B, key).len() > 60);
    // Every other packet of a while is lost: more gaps than one acknowledgement can tell of.
    let mut packets = 0;
    sim.filter = Some(Box::new(move |datagram| {
        packets += usize::from(datagram.side == A && datagram.bytes.len() > 300);
        packets > 200 || packets % 2 == 0
    }));
    let mut arrived = 0;
    while arrived < 300 {
        sim.run_until(ms(1000), "another message", |sim| sim.messages(B, key).len() > arrived);
        arrived = sim.messages(B, key).len();
    }
}

#[test]
fn closing_channels_does_not_let_messages_pile_up_while_nobody_reads() {
    let (mut sim, key) = Sim::connected(1);
    sim.ends[B].machine.pause_reading(key);
    sim.send(A, key, b"holds the others back", true);
    for _ in 0..100 {
        let key = sim.create_channel(A, in_band("short-lived"));
        sim.send(A, key, &[0; 200_000], false);
        sim.with(A, |machine, now| machine.close_channel(now, key));
        sim.run_for(ms(200));
    }
    let waiting = sim.ends[B].machine.waiting_bytes();
    assert!(waiting < 4_000_000, "{waiting} bytes wait");
    sim.with(B, |machine, now| machine.resume_reading(now, key));
    sim.run_until(ms(60_000), "all arrive", |sim| {
        let short_lived = sim.ends[B].announced();
        short_lived.len() == 100 && short_lived.iter().all(|(key, ..)| sim.is_closed(B, *key))
    });
}
