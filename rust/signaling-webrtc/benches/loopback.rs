//! What two connections of one process do over loopback: opening, a round trip, and bulk.
#![allow(missing_docs, reason = "the macros of criterion generate public functions")]

use std::hint;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use signaling_webrtc::{
    ChannelHandle, ChannelInit, ChannelState, Message, PeerEvent, PeerHandle, PeerOptions,
    PutError, Reliability, Transport,
};

struct Pair {
    a: (PeerHandle, ChannelHandle),
    b: (PeerHandle, ChannelHandle),
}

impl Pair {
    /// From nothing to a channel that is open on both sides.
    fn open(transport: &Transport, reliability: Reliability) -> Self {
        let end = || {
            let peer = transport.peer(PeerOptions::default()).expect("a thread");
            let channel = peer.create_channel(channel(reliability)).expect("a valid channel");
            (peer, channel)
        };
        let pair = Self { a: end(), b: end() };
        pair.a.0.create_offer().expect("nothing stands against it");
        while [&pair.a.1, &pair.b.1].iter().any(|c| c.state() != ChannelState::Open) {
            pass_on(&pair.a.0, &pair.b.0);
            pass_on(&pair.b.0, &pair.a.0);
            std::thread::yield_now();
        }
        pair
    }
}

fn channel(reliability: Reliability) -> ChannelInit {
    ChannelInit {
        label: "bench".to_owned(),
        protocol: String::new(),
        ordered: true,
        reliability,
        negotiated: Some(1),
    }
}

fn pass_on(from: &PeerHandle, to: &PeerHandle) {
    for event in from.take_events() {
        match event {
            PeerEvent::DescriptionCreated { kind, sdp } => {
                from.set_local_description(kind, &sdp).expect("just created");
                to.set_remote_description(kind, &sdp).expect("in turn");
            }
            PeerEvent::CandidateCreated { mid, index, candidate } => {
                to.add_candidate(&mid, index, &candidate).expect("readable");
            }
            _ => {}
        }
    }
}

fn localhost() -> Vec<IpAddr> {
    vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
}

fn take(channel: &ChannelHandle) -> Message {
    loop {
        match channel.take() {
            Some(message) => return message,
            None => hint::spin_loop(),
        }
    }
}

fn open(criterion: &mut Criterion) {
    let transport = Transport::with_local_addresses(localhost);
    criterion.bench_function("open", |bencher| {
        bencher.iter(|| Pair::open(&transport, Reliability::Reliable));
    });
}

fn round_trip(criterion: &mut Criterion) {
    let transport = Transport::with_local_addresses(localhost);
    let pair = Pair::open(&transport, Reliability::Reliable);
    criterion.bench_function("round trip of 64 bytes", |bencher| {
        bencher.iter(|| {
            pair.a.1.put(&[0; 64], false).expect("room");
            let message = take(&pair.b.1);
            pair.b.1.put(&message.data, false).expect("room");
            take(&pair.a.1)
        });
    });
}

fn bulk(criterion: &mut Criterion) {
    const TOTAL: usize = 4 * 1024 * 1024;
    let transport = Transport::with_local_addresses(localhost);
    let pair = Pair::open(&transport, Reliability::Reliable);
    let mut group = criterion.benchmark_group("bulk");
    group.throughput(Throughput::Bytes(TOTAL as u64)).sample_size(10);
    for size in [1024, 16 * 1024, 64 * 1024] {
        let message = vec![0; size];
        group.bench_function(format!("{size} bytes each"), |bencher| {
            bencher.iter(|| send_all(&pair, &message, TOTAL / size));
        });
    }
}

/// Keeps the sender's queue filled and the receiver's empty.
fn send_all(pair: &Pair, message: &[u8], count: usize) {
    let (mut sent, mut received) = (0, 0);
    while received < count {
        while sent < count && pair.a.1.put(message, false) != Err(PutError::Full) {
            sent += 1;
        }
        while pair.b.1.take().is_some() {
            received += 1;
        }
        // As a game would between two frames, only shorter: the cores belong to the I/O thread.
        std::thread::sleep(Duration::from_micros(100));
    }
}

criterion_group!(benches, open, round_trip, bulk);
criterion_main!(benches);
