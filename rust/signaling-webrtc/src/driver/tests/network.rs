//! What becomes of connections when the network changes.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::{End, Pair, loopback, next, reliable};
use crate::driver::{PeerEvent, PeerOptions, Transport};
use crate::peer::ConnectionState;
use crate::statistics::PairStatistics;

/// The addresses of 127.0.0.0/8, which only some systems have all of.
fn numbered(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number).into()
}

fn has_many_addresses() -> bool {
    UdpSocket::bind((numbered(2), 0)).is_ok()
}

fn path(end: &End) -> Option<PairStatistics> {
    end.peer.statistics().selected_pair().copied()
}

/// Connects two ends, of which the first is where `addresses` says, the other by this transport.
fn connect(addresses: fn() -> Vec<IpAddr>, other: &Transport) -> Pair {
    let transport = Arc::new(Transport::with_local_addresses(addresses));
    let end = |transport| End::new(transport, &[reliable(1)], PeerOptions::default());
    let mut pair = Pair { a: end(&transport), b: end(other), transport };
    pair.a.peer.create_offer().expect("stable");
    pair.until_open();
    pair
}

#[test]
fn an_address_that_is_replaced_is_left_without_any_signaling() {
    static NUMBER: AtomicU8 = AtomicU8::new(1);
    if !has_many_addresses() {
        return;
    }
    let other = loopback();
    let mut pair = connect(|| vec![numbered(NUMBER.load(Ordering::Relaxed))], &other);
    NUMBER.store(2, Ordering::Relaxed);
    super::until("the other address is used", || {
        path(&pair.a).is_some_and(|path| path.local.address.ip() == numbered(2))
    });
    for (from, to) in [(&pair.a, &pair.b), (&pair.b, &pair.a)] {
        from.channels[0].put(b"still here", true).expect("room");
        assert_eq!(next(&to.channels[0]).data, b"still here");
    }
    let told = pair.a.peer.take_events();
    let is_candidate = |event: &PeerEvent| matches!(event, PeerEvent::CandidateCreated { .. });
    assert_eq!(told.iter().filter(|event| is_candidate(event)).count(), 1, "{told:?}");
    pair.until("healed", |pair| pair.a.peer.connection_state() == ConnectionState::Connected);
}

#[test]
fn an_address_that_is_gone_is_told_at_once_and_a_restart_uses_the_next() {
    static NUMBERS: AtomicU8 = AtomicU8::new(1);
    fn addresses() -> Vec<IpAddr> {
        Some(NUMBERS.load(Ordering::Relaxed)).filter(|n| *n > 0).map(numbered).into_iter().collect()
    }
    if !has_many_addresses() {
        return;
    }
    let other = loopback();
    let mut pair = connect(addresses, &other);
    NUMBERS.store(0, Ordering::Relaxed);
    let mut told = Vec::new();
    super::until("it is told", || {
        told.extend(pair.a.peer.take_events());
        told.iter().any(|event| matches!(event, PeerEvent::LinkUnstable))
    });
    pair.a.channels[0].put(b"patience", true).expect("room");
    pair.a.peer.create_offer().expect("stable");
    NUMBERS.store(3, Ordering::Relaxed);
    pair.until("healed", |pair| {
        path(&pair.a).is_some_and(|path| path.local.address.ip() == numbered(3))
            && pair.a.peer.connection_state() == ConnectionState::Connected
    });
    assert_eq!(next(&pair.b.channels[0]).data, b"patience");
}

#[test]
fn an_address_that_is_missing_for_a_moment_stays() {
    static LOOKS: AtomicU8 = AtomicU8::new(0);
    if !has_many_addresses() {
        return;
    }
    // The third look finds nothing.
    fn addresses() -> Vec<IpAddr> {
        match LOOKS.fetch_add(1, Ordering::Relaxed) {
            2 => Vec::new(),
            _ => vec![numbered(1)],
        }
    }
    let other = loopback();
    let pair = connect(addresses, &other);
    let before = path(&pair.a);
    super::until("it has been looked", || LOOKS.load(Ordering::Relaxed) > 4);
    let local = |path: Option<PairStatistics>| path.map(|path| path.local.address);
    assert!(before.is_none() || local(path(&pair.a)) == local(before));
    assert_eq!(pair.a.peer.connection_state(), ConnectionState::Connected);
    let told = pair.a.peer.take_events();
    assert!(!told.iter().any(|event| matches!(event, PeerEvent::LinkUnstable)), "{told:?}");
}
