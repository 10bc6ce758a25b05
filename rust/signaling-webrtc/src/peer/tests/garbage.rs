//! What comes from the wire may be anything.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::sim::{A, B, Datagram, Sim, ms, negotiated};
use crate::candidate::RemoteCandidate;
use crate::peer::ConnectionState;
use crate::sdp::{Description, SdpKind};
use crate::seeds::for_each_seed;

/// A copy with something wrong in it.
fn garbled(bytes: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let place = rng.random_range(0..=bytes.len());
        match rng.random_range(0..4) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, rng.random()),
            _ => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte = rng.random()),
        }
    }
    bytes
}

/// Lets each datagram travel with a garbled copy of itself, before or after it.
fn accompany(sim: &mut Sim, seed: u64, copy_first: bool) {
    let mut rng = StdRng::seed_from_u64(seed);
    sim.train = Some(Box::new(move |datagram| {
        let bytes = garbled(&datagram.bytes, &mut rng);
        let copy = Datagram { bytes, ..datagram.clone() };
        if copy_first { vec![copy, datagram] } else { vec![datagram, copy] }
    }));
}

#[test]
fn garbled_copies_do_not_disturb_a_connection() {
    for_each_seed(0..50, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        accompany(&mut sim, seed, seed % 2 == 0);
        let sent: Vec<Vec<u8>> = (0..50).map(|n| vec![n; usize::from(n) * 50]).collect();
        for data in &sent {
            sim.send(A, key, data, false);
            sim.send(B, key, data, false);
            sim.run_for(ms(50));
        }
        sim.run_for(ms(3000));
        assert_eq!(sim.messages(A, key), sent);
        assert_eq!(sim.messages(B, key), sent);
        sim.with(A, |machine, now| machine.close(now));
        sim.run_for(ms(10));
        assert_eq!(sim.state(B), ConnectionState::Closed);
    });
}

#[test]
fn a_handshake_survives_garbled_copies() {
    for_each_seed(0..100, |seed| {
        let mut sim = Sim::new(seed);
        accompany(&mut sim, seed, false);
        let key = sim.create_channel(A, negotiated(0));
        sim.create_channel(B, negotiated(0));
        sim.offer(A);
        sim.run_until(ms(35_000), "it opens", |sim| sim.is_open(A, key) && sim.is_open(B, key));
    });
}

#[test]
fn a_handshake_where_forgeries_come_first_ends_somehow() {
    // Nothing can be done: they come from the right address before anything is protected.
    for_each_seed(0..100, |seed| {
        let mut sim = Sim::new(seed);
        accompany(&mut sim, seed, true);
        sim.offer(A);
        sim.run_until(ms(65_000), "it ends", |sim| {
            [A, B].iter().all(|side| {
                matches!(sim.state(*side), ConnectionState::Connected | ConnectionState::Failed)
            })
        });
    });
}

#[test]
fn random_datagrams_do_not_disturb_a_connection() {
    for_each_seed(0..20, |seed| {
        let (mut sim, key) = Sim::connected(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..500 {
            let mut bytes = vec![0; rng.random_range(0..200)];
            rng.fill(&mut bytes[..]);
            // First bytes that mean STUN, DTLS handshake and data, and nothing.
            let first = [0, 1, 20, 21, 22, 23, 25, 0x2C, 0x3F, 64, 128, 255];
            bytes.first_mut().into_iter().for_each(|byte| *byte = first[rng.random_range(0..12)]);
            for from in [sim.ends[A].sockets[0], "10.6.6.6:6".parse().unwrap()] {
                sim.inject(B, from, &bytes);
            }
        }
        sim.send(A, key, b"undisturbed", true);
        sim.run_for(ms(100));
        assert_eq!(sim.messages(B, key), [b"undisturbed"]);
    });
}

#[test]
fn garbled_signaling_is_refused_or_harmless() {
    let (sim, _) = Sim::connected(1);
    let (_, sdp) = sim.ends[A].created().unwrap();
    let line = "candidate:1 1 udp 2122252543 192.0.2.1 5000 typ srflx raddr 10.0.0.1 rport 5000";
    for_each_seed(0..500, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let candidate = String::from_utf8_lossy(&garbled(line.as_bytes(), &mut rng)).into_owned();
        let sdp = String::from_utf8_lossy(&garbled(sdp.as_bytes(), &mut rng)).into_owned();
        let mut sim = Sim::new(seed);
        sim.relays_signaling = false;
        if let Ok(candidate) = RemoteCandidate::parse("0", 0, &candidate) {
            sim.with(B, |machine, now| machine.add_remote_candidate(now, candidate));
        }
        let Ok(offer) = Description::parse(SdpKind::Offer, &sdp) else { return };
        sim.with(B, |machine, now| machine.set_remote_description(now, offer)).unwrap();
        let (kind, answer) = sim.ends[B].created().unwrap();
        let answer = Description::parse(kind, &answer).unwrap();
        sim.with(B, |machine, now| machine.set_local_description(now, answer)).unwrap();
        sim.run_for(ms(2000));
    });
}
