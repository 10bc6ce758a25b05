//! What the other side may send to harm us.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::net::{Net, RELIABLE, ms};
use crate::channels::Reliability;
use crate::sctp::{Delivery, SctpEvent};
use crate::seeds::for_each_seed;

const UNREPEATED: Delivery =
    Delivery { ordered: true, reliability: Reliability::MaxRetransmits(0) };

fn garbled(rng: &mut StdRng, mut packet: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.random_range(1..4) {
        // The header with its tag stays whole, so that the chunks are looked at.
        let place = rng.random_range(12..=packet.len().max(12));
        match rng.random_range(0..5) {
            0 => packet.truncate(place),
            1 => packet.insert(place.min(packet.len()), rng.random()),
            _ => packet.iter_mut().skip(place).take(1).for_each(|byte| {
                *byte = if rng.random() { rng.random() } else { *byte ^ 1 };
            }),
        }
    }
    packet
}

#[test]
fn no_packet_of_the_other_side_panics() {
    for_each_seed(0..300, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut net = Net::ours(seed);
        let mut ends = [net.drain_packets(0), net.drain_packets(1)];
        for round in 0..60 {
            for side in [0, 1] {
                for packet in std::mem::take(&mut ends[1 - side]) {
                    net.our_handle(side, &packet);
                    if (seed % 3 != 0 || round > 20) && rng.random_bool(0.3) {
                        let mut copy = garbled(&mut rng, packet);
                        // No checksum is as good as a right one.
                        copy.iter_mut().skip(8).take(4).for_each(|byte| *byte = 0);
                        net.our_handle(side, &copy);
                    }
                }
                let now = net.now;
                let end = net.our(side);
                for (stream, delivery) in [(1, RELIABLE), (5, UNREPEATED)] {
                    end.send(now, stream, delivery, vec![(53, vec![1; 300]), (51, vec![2; 3000])]);
                }
                if round % 7 == 0 {
                    end.reset(5);
                }
                end.advance(now);
                ends[side] = net.drain_packets(side);
                // What a garbled copy provokes may provoke as much again.
                ends[side].truncate(50);
            }
            net.now += ms(10);
        }
        for side in [0, 1] {
            assert!(net.our(side).unread() <= 3 * 1024 * 1024);
        }
    });
}

#[test]
fn a_goodbye_counts_only_with_the_right_tag() {
    let mut net = Net::connected(1, [true; 2]);
    net.our(0).close();
    let goodbye = net.drain_packets(0).remove(0);
    let mut forged = goodbye.clone();
    forged[4] ^= 1;
    forged[8..12].fill(0);
    net.our_handle(1, &forged);
    assert!(net.is_connected[1]);
    let now = net.now;
    net.our(1).handle(now, &goodbye);
    assert_eq!(net.our(1).poll(now), Some(SctpEvent::Closed));
    assert_eq!(net.our(1).poll_timeout(), None);
}
