//! When it arrives: what is lost, what is large and what is not read must not delay the rest.

use std::time::Duration;

use super::net::{Link, Net, RELIABLE, ms};
use crate::channels::Reliability;
use crate::sctp::{Delivery, Inbound};
use crate::seeds::for_each_seed;

const UNREPEATED: Delivery =
    Delivery { ordered: true, reliability: Reliability::MaxRetransmits(0) };

/// How long each message of a stream took, which was sent every so often and tells its number.
fn delays(net: &Net, stream: u16, every: Duration, begin: std::time::Instant) -> Vec<Duration> {
    let messages = net.messages[1].iter().filter(|(_, (of, ..))| *of == stream);
    messages
        .map(|(at, (_, bytes, _))| {
            *at - (begin + every * u32::from(u16::from_be_bytes([bytes[0], bytes[1]])))
        })
        .collect()
}

fn numbered(n: u16) -> Vec<u8> {
    let mut bytes = n.to_be_bytes().to_vec();
    bytes.resize(100, 0);
    bytes
}

#[test]
fn an_unrepeated_message_is_never_late_and_never_delays_another() {
    for_each_seed(0..20, |seed| {
        let mut net = Net::connected(seed, [true; 2]);
        net.our(1).deliver_at_once(1);
        net.link.loss = 0.1;
        let begin = net.now;
        for n in 0..400 {
            net.send(0, 1, UNREPEATED, numbered(n));
            net.run_for(ms(12));
        }
        let delays = delays(&net, 1, ms(12), begin);
        assert!(delays.iter().all(|delay| *delay == net.link.delay), "{delays:?}");
        assert!(delays.len() > 300);
        assert!(net.messages[1].iter().all(|(_, (.., is_late))| !is_late));
    });
}

#[test]
fn a_lost_message_arrives_soon_after_the_loss_shows() {
    for_each_seed(0..20, |seed| {
        let mut net = Net::connected(seed, [true; 2]);
        net.link.loss = 0.05;
        let begin = net.now;
        for n in 0..400 {
            net.send(0, 1, RELIABLE, numbered(n));
            net.run_for(ms(12));
        }
        net.run_for(ms(2000));
        let mut delays = delays(&net, 1, ms(12), begin);
        delays.sort();
        assert_eq!(delays.len(), 400);
        assert!(delays[200] <= ms(20), "{:?}", delays[200]);
        // Its own way, the next message, the news of that one, and the way again.
        assert!(delays[380] <= ms(20 + 12 + 40 + 20), "{:?}", delays[380]);
    });
}

#[test]
fn the_last_message_is_asked_for_when_nothing_follows() {
    let mut net = Net::connected(1, [true; 2]);
    for n in 0..20 {
        net.send(0, 1, RELIABLE, numbered(n));
        net.run_for(ms(100));
    }
    net.link.loss = 1.0;
    net.send(0, 1, RELIABLE, numbered(20));
    net.link.loss = 0.0;
    let took = net.run_until(ms(1000), "it arrives", |net| net.received(1, 1).len() == 21);
    assert!(took <= ms(100), "{took:?}");
}

#[test]
fn a_burst_of_losses_heals_within_a_few_round_trips() {
    for lost in [ms(20), ms(60), ms(200), ms(3000)] {
        let mut net = Net::connected(1, [true, true]);
        net.link = Link { bytes_per_ms: 2000, ..Link::GOOD };
        for _ in 0..16 {
            net.send(0, 1, RELIABLE, vec![0; 250_000]);
        }
        net.run_for(ms(500));
        net.link.loss = 1.0;
        net.run_for(lost);
        net.link.loss = 0.0;
        let before = net.our(0).counters().congestion_window;
        // At 2 MB/s it would take 2 s without the loss.
        let took = net.run_until(ms(10_000), "it arrives", |net| !net.received(1, 1).is_empty());
        assert!(took <= ms(4500), "{took:?} after {lost:?} with a window of {before}");
    }
}

#[test]
fn a_large_transfer_does_not_delay_small_messages() {
    let mut net = Net::connected(1, [true; 2]);
    net.link = Link { bytes_per_ms: 2000, queue: ms(30), ..Link::GOOD };
    for _ in 0..16 {
        net.send(0, 1, RELIABLE, vec![0; 256 * 1024]);
    }
    net.run_for(ms(300));
    let begin = net.now;
    for n in 0..60 {
        net.send(0, 2, RELIABLE, numbered(n));
        net.run_for(ms(16));
    }
    net.run_for(ms(1000));
    let mut delays = delays(&net, 2, ms(16), begin);
    delays.sort();
    assert_eq!(delays.len(), 60);
    // The way, and the queue of the network, which the transfer fills.
    assert!(delays[30] <= ms(20 + 35), "{:?}", delays[30]);
    assert!(delays[56] <= ms(150), "{delays:?}");
}

#[test]
fn many_large_messages_at_a_time_do_not_block_each_other() {
    let mut net = Net::connected(1, [true; 2]);
    for stream in 0..20 {
        net.send(0, stream, RELIABLE, vec![0; 256 * 1024]);
    }
    let took = net.run_until(ms(20_000), "all arrive", |net| net.messages[1].len() == 20);
    assert!(took <= ms(3000), "{took:?}");
}

#[test]
fn the_other_side_goes_on_as_soon_as_there_is_room() {
    let mut net = Net::connected(1, [true; 2]);
    net.reads[1] = false;
    for _ in 0..40 {
        net.send(0, 1, RELIABLE, vec![0; 64 * 1024]);
    }
    net.run_for(ms(20_000));
    let stuck = net.our(1).unread();
    assert!((900_000..1_200_000).contains(&stuck), "{stuck}");
    net.reads[1] = true;
    net.drain(1);
    let took = net.run_until(ms(5000), "it arrives", |net| net.received(1, 1).len() == 40);
    assert!(took <= ms(1000), "{took:?}");
}

#[test]
fn what_is_not_read_is_bounded_and_costs_others_nothing() {
    let mut net = Net::connected(1, [true; 2]);
    net.reads[1] = false;
    let now = net.now;
    let messages = vec![(53, vec![0; 10]); 50_000];
    net.our(0).send(now, 1, RELIABLE, messages);
    net.drain(0);
    net.run_for(ms(30_000));
    let unread = net.our(1).unread();
    assert!(unread <= 1024 * 1024 + 1200, "{unread}");
    // A stream that is paused holds back none that is not.
    net.send(0, 2, RELIABLE, numbered(1));
    net.reads[1] = true;
    net.drain(1);
    net.run_until(ms(60_000), "all arrives", |net| {
        net.received(1, 1).len() == 50_000 && net.received(1, 2).len() == 1
    });
}

#[test]
fn a_paused_stream_holds_back_no_other() {
    let mut net = Net::connected(1, [true; 2]);
    net.reads[1] = false;
    net.send(0, 1, RELIABLE, numbered(1));
    net.send(0, 2, RELIABLE, numbered(2));
    net.run_for(ms(100));
    let now = net.now;
    let mut next = |paused: Option<u16>| match net.our(1).receive(now, |of| Some(of) == paused) {
        Some(Inbound::Message(message)) => Some(message.stream),
        Some(Inbound::Reset(_)) | None => None,
    };
    assert_eq!(next(Some(1)), Some(2));
    assert_eq!(next(Some(1)), None);
    assert_eq!(next(None), Some(1));
}

#[test]
fn an_idle_association_says_nothing() {
    let mut net = Net::connected(1, [true; 2]);
    net.send(0, 1, RELIABLE, numbered(1));
    net.run_for(ms(5000));
    let packets = net.packets;
    net.run_for(Duration::from_secs(600));
    assert_eq!(net.packets, packets);
}
