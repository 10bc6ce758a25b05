//! Which sockets a connection uses, and what it tells of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;

use super::{End, Pair, loopback, reliable};
use crate::driver::{PeerOptions, Ports, SocketOptions, Transport};
use crate::peer::ConnectionState;

#[test]
fn ipv6_works_too() {
    fn localhost6() -> Vec<IpAddr> {
        vec![IpAddr::V6(Ipv6Addr::LOCALHOST)]
    }
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // Not on this machine.
    }
    let transport = Arc::new(Transport::with_local_addresses(localhost6));
    Pair::new(&transport, &[reliable(1)]).until_open();
}

#[test]
fn addresses_that_are_gone_are_no_trouble() {
    fn addresses() -> Vec<IpAddr> {
        // Only the last is ours.
        ["2001:db8::1", "203.0.113.9", "127.0.0.1"].map(|text| text.parse().expect("valid")).into()
    }
    let transport = Arc::new(Transport::with_local_addresses(addresses));
    let mut pair = Pair::new(&transport, &[reliable(1)]);
    pair.until_open();
    assert_eq!(pair.a.failed_addresses, []);
}

#[test]
fn ports_come_from_the_range() {
    let first = free_port();
    let sockets = SocketOptions { ports: Ports::Range(first, first), ..SocketOptions::default() };
    let mut pair = open_with(sockets.clone());
    assert_eq!(ports(&pair.a), [first]);
    // The port is taken now.
    let transport = Arc::clone(&pair.transport);
    let mut late = Pair::with_options(&transport, &[reliable(1)], [with(sockets), with_defaults()]);
    late.until("failed", |late| late.a.peer.connection_state() == ConnectionState::Failed);
    assert_eq!(late.a.candidates, [""; 0]);
    let reason = format!("no free port from {first} to {first}");
    assert_eq!(late.a.failed_addresses, [(Ipv4Addr::LOCALHOST.into(), reason)]);
    pair.until("still open", |pair| pair.a.peer.connection_state() == ConnectionState::Connected);
}

#[test]
fn every_port_of_the_range_can_be_had() {
    let first = free_port();
    let ports = Ports::Range(first, first.saturating_add(200));
    let transport = loopback();
    let ends: Vec<_> = (0..20)
        .map(|_| {
            let sockets = SocketOptions { ports, ..SocketOptions::default() };
            Pair::with_options(&transport, &[reliable(1)], [with(sockets), with_defaults()])
        })
        .collect();
    let mut taken = Vec::new();
    for mut pair in ends {
        pair.until("a candidate", |pair| !pair.a.candidates.is_empty());
        taken.extend(self::ports(&pair.a));
    }
    assert!(taken.iter().all(|port| (first..=first.saturating_add(200)).contains(port)));
}

#[cfg(target_os = "linux")] // Others have a single loopback address.
#[test]
fn only_the_chosen_address_is_bound() {
    let chosen = Ipv4Addr::new(127, 0, 0, 2).into();
    let bound = SocketOptions { bind_addresses: vec![chosen], ..SocketOptions::default() };
    let pair = open_with(bound);
    assert_eq!(addresses(&pair.a), ["127.0.0.2"]);
    assert_eq!(addresses(&pair.b), ["127.0.0.1"]);
}

#[test]
fn an_address_that_is_not_ours_fails_at_once() {
    let foreign = SocketOptions {
        bind_addresses: vec!["203.0.113.9".parse().expect("an address")],
        ..SocketOptions::default()
    };
    let mut pair =
        Pair::with_options(&loopback(), &[reliable(1)], [with(foreign), with_defaults()]);
    pair.until("failed", |pair| pair.a.peer.connection_state() == ConnectionState::Failed);
    assert_eq!(pair.a.failed_addresses.len(), 1);
}

#[test]
fn the_public_address_is_told_in_place_of_our_own() {
    let sockets = SocketOptions {
        // Where our own address is out of reach, as behind a one-to-one NAT.
        bind_addresses: vec![Ipv4Addr::LOCALHOST.into()],
        public_addresses: vec![
            "203.0.113.7".parse().expect("an address"),
            "2001:db8::7".parse().expect("an address"),
        ],
        ..SocketOptions::default()
    };
    let pair = open_with(sockets);
    assert_eq!(addresses(&pair.a), ["203.0.113.7"]);
    assert!(pair.a.candidates[0].contains("typ srflx"), "{:?}", pair.a.candidates);
    assert!(!pair.a.candidates[0].contains("127.0.0.1"), "{:?}", pair.a.candidates);
}

/// A pair whose first end has these sockets.
fn open_with(sockets: SocketOptions) -> Pair {
    let options = [with(sockets), with_defaults()];
    let mut pair = Pair::with_options(&loopback(), &[reliable(1)], options);
    pair.until_open();
    pair
}

fn with(sockets: SocketOptions) -> PeerOptions {
    PeerOptions { sockets, ..PeerOptions::default() }
}

fn with_defaults() -> PeerOptions {
    PeerOptions::default()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.local_addr().expect("bound").port()
}

fn addresses(end: &End) -> Vec<&str> {
    end.candidates.iter().map(|line| field(line, 4)).collect()
}

fn ports(end: &End) -> Vec<u16> {
    end.candidates.iter().map(|line| field(line, 5).parse().expect("a port")).collect()
}

fn field(line: &str, place: usize) -> &str {
    line.split(' ').nth(place).expect("a candidate line")
}
