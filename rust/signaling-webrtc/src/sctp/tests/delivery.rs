//! What arrives, however bad the network.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::net::{Link, Net, RELIABLE, ms};
use crate::channels::Reliability;
use crate::sctp::Delivery;
use crate::seeds::for_each_seed;

/// Who wrote each end.
const PAIRS: [[bool; 2]; 3] = [[true, true], [true, false], [false, true]];

const UNORDERED: Delivery = Delivery { ordered: false, reliability: Reliability::Reliable };
const UNREPEATED: Delivery =
    Delivery { ordered: false, reliability: Reliability::MaxRetransmits(0) };
const ONCE_REPEATED: Delivery =
    Delivery { ordered: true, reliability: Reliability::MaxRetransmits(1) };

/// How each stream delivers.
const STREAMS: [Delivery; 4] = [RELIABLE, UNORDERED, UNREPEATED, ONCE_REPEATED];

fn bad_link(rng: &mut StdRng) -> Link {
    Link {
        delay: ms(rng.random_range(0..60)),
        jitter: ms(if rng.random() { rng.random_range(0..40) } else { 0 }),
        loss: rng.random_range(0.0..0.25),
        duplication: rng.random_range(0.0..0.1),
        bytes_per_ms: if rng.random() { 0 } else { rng.random_range(100..2000) },
        queue: ms(rng.random_range(20..200)),
    }
}

/// A message that tells its number, and in every byte that follows.
fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(len.max(4), number as u8);
    bytes
}

fn number(message: &[u8]) -> u32 {
    let number = u32::from_be_bytes(message[..4].try_into().unwrap());
    assert!(message[4..].iter().all(|byte| *byte == number as u8), "{number} is damaged");
    number
}

#[test]
fn everything_arrives_as_it_should_over_bad_networks() {
    for_each_seed(0..240, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut net = Net::connected(seed, PAIRS[seed as usize % 3]);
        net.link = bad_link(&mut rng);
        let count = rng.random_range(1..60);
        for n in 0..count {
            for side in [0, 1] {
                for (stream, delivery) in (1..).zip(STREAMS) {
                    let len = match rng.random_range(0..20) {
                        0 => rng.random_range(0..100_000),
                        1..5 => rng.random_range(0..5000),
                        _ => rng.random_range(0..200),
                    };
                    net.send(side, stream, delivery, numbered(n, len));
                }
            }
            net.run_for(ms(rng.random_range(0..50)));
        }
        let count = count as usize;
        net.run_until(ms(300_000), "all reliable messages arrive", |net| {
            [0, 1]
                .iter()
                .all(|side| [1, 2].iter().all(|stream| net.received(*side, *stream).len() >= count))
        });
        net.run_for(ms(5000));
        net.run_until(ms(120_000), "what was given up is forgotten", |net| {
            net.is_all_read(0) && net.is_all_read(1)
        });
        for side in [0, 1] {
            let [first, second, third, fourth] = [1, 2, 3, 4].map(|stream| -> Vec<u32> {
                net.received(side, stream).into_iter().map(number).collect()
            });
            let all: Vec<u32> = (0..count as u32).collect();
            assert_eq!(first, all, "reliable, in order");
            assert_eq!(sorted(second), all, "reliable, in any order");
            assert!(sorted(third).is_sorted_by(|a, b| a < b), "at most once");
            assert!(fourth.is_sorted_by(|a, b| a < b), "at most once, in order");
        }
    });
}

fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers
}

#[test]
fn nothing_is_lost_where_nothing_gets_lost() {
    for pair in PAIRS {
        let mut net = Net::connected(1, pair);
        for n in 0..50 {
            for (stream, delivery) in (1..).zip(STREAMS) {
                net.send(0, stream, delivery, numbered(n, 3000));
            }
        }
        net.run_for(ms(5000));
        for stream in [1, 2, 3, 4] {
            assert_eq!(net.received(1, stream).len(), 50, "stream {stream}");
        }
    }
}

#[test]
fn a_stream_that_ended_begins_anew() {
    for_each_seed(0..90, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut net = Net::connected(seed, PAIRS[seed as usize % 3]);
        net.link = Link { bytes_per_ms: 0, ..bad_link(&mut rng) };
        for round in 1..4 {
            for n in 0..5 {
                net.send(0, 7, RELIABLE, numbered(n, 2000));
                net.send(0, 8, ONCE_REPEATED, numbered(n, 2000));
            }
            let has_left = |net: &Net| match &net.ends[0] {
                super::net::End::Ours(ours) => ours.buffered(7) + ours.buffered(8) == 0,
                super::net::End::Theirs(_) => net.received(1, 7).len() == 5 * round,
            };
            net.run_until(ms(60_000), "everything leaves", has_left);
            net.reset(0, 7);
            net.reset(0, 8);
            net.run_until(ms(60_000), "both ends know", |net| {
                net.ended[1].len() >= 2 * round && net.own_ended[0].len() == 2 * round
            });
            let expected: Vec<u32> = (0..5).cycle().take(5 * round).collect();
            let received: Vec<u32> = net.received(1, 7).into_iter().map(number).collect();
            assert_eq!(received, expected);
        }
    });
}

#[test]
fn an_association_opens_over_bad_networks() {
    for_each_seed(0..300, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut net = Net::new(seed, PAIRS[seed as usize % 3]);
        net.link = bad_link(&mut rng);
        net.drain(0);
        net.drain(1);
        net.run_until(ms(60_000), "connected", |net| net.is_connected == [true; 2]);
        net.send(0, 1, RELIABLE, vec![1]);
        net.send(1, 1, RELIABLE, vec![2]);
        net.run_until(ms(60_000), "both can talk", |net| {
            net.received(0, 1).len() == 1 && net.received(1, 1).len() == 1
        });
    });
}
