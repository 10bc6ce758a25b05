//! Which sockets a connection uses, and what it tells of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::super::io_thread::World;
use super::{End, Pair, localhost, loopback, next, reliable, until};
use crate::config::PeerConfig;
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
    let last = first + 200;
    let transport = loopback();
    let ends: Vec<_> = (0..20)
        .map(|_| {
            let ports = Ports::Range(first, last);
            let sockets = SocketOptions { ports, ..SocketOptions::default() };
            Pair::with_options(&transport, &[reliable(1)], [with(sockets), with_defaults()])
        })
        .collect();
    let mut taken = Vec::new();
    for mut pair in ends {
        pair.until("a candidate", |pair| !pair.a.candidates.is_empty());
        taken.extend(ports(&pair.a));
    }
    assert!(taken.iter().all(|port| (first..=last).contains(port)));
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
    pair.until("told", |pair| pair.a.failed_addresses.len() == 1);
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

#[test]
fn one_port_serves_fifty_connections() {
    let port = free_port();
    let transport = loopback();
    let mut pairs: Vec<_> = (0..50)
        .map(|_| {
            let options = [with(sharing(port)), with_defaults()];
            Pair::with_options(&transport, &[reliable(1)], options)
        })
        .collect();
    pairs.iter_mut().for_each(Pair::until_open);
    for (i, pair) in pairs.iter().enumerate() {
        assert_eq!(ports(&pair.a), [port]);
        pair.a.channels[0].put(&[i as u8; 1000], false).expect("room");
        pair.b.channels[0].put(&[i as u8; 2000], false).expect("room");
    }
    for (i, pair) in pairs.iter().enumerate() {
        assert_eq!(next(&pair.b.channels[0]).data, [i as u8; 1000]);
        assert_eq!(next(&pair.a.channels[0]).data, [i as u8; 2000]);
    }
    // Closing one leaves the others alone; once all are closed, so is the port.
    let survivor = pairs.split_off(49);
    drop(pairs);
    survivor[0].a.channels[0].put(b"still here", false).expect("room");
    assert_eq!(next(&survivor[0].b.channels[0]).data, b"still here");
    drop(survivor);
    until("the port is free", || UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
}

#[test]
fn a_shared_port_that_somebody_else_has_is_told() {
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let port = taken.local_addr().expect("bound").port();
    let options = [with(sharing(port)), with_defaults()];
    let mut pair = Pair::with_options(&loopback(), &[reliable(1)], options);
    pair.until("failed", |pair| pair.a.peer.connection_state() == ConnectionState::Failed);
    assert_eq!(pair.a.failed_addresses.len(), 1);
}

#[test]
fn who_comes_back_from_the_same_port_takes_the_place_of_who_was_there() {
    let ports = [free_port(), free_port()];
    let transport = loopback();
    let pair = || {
        let options = ports.map(|port| with(sharing(port)));
        Pair::with_options(&transport, &[reliable(1)], options)
    };
    let mut before = pair();
    before.until_open();
    let mut after = pair();
    after.until_open();
    after.a.channels[0].put(b"again", false).expect("room");
    assert_eq!(next(&after.b.channels[0]).data, b"again");
    before.until("silent", |before| {
        before.a.peer.connection_state() == ConnectionState::Disconnected
    });
    after.b.channels[0].put(b"and again", false).expect("room");
    assert_eq!(next(&after.a.channels[0]).data, b"and again");
}

#[test]
fn packets_are_as_large_as_the_owner_says() {
    const SIZE: usize = 256 * 1024;
    let sent = |mtu| {
        let config = PeerConfig { mtu, ..PeerConfig::default() };
        let options = PeerOptions { config, ..PeerOptions::default() };
        let mut pair = Pair::with_options(&loopback(), &[reliable(1)], [options.clone(), options]);
        pair.until_open();
        pair.a.channels[0].put(&[7; SIZE], false).expect("room");
        assert_eq!(next(&pair.b.channels[0]).data.len(), SIZE);
        let counted = |pair: &Pair| pair.a.peer.statistics().sent;
        pair.until("counted", |pair| counted(pair).bytes > SIZE as u64);
        let traffic = counted(&pair);
        traffic.bytes / traffic.packets
    };
    assert!((500..1150).contains(&sent(1111)));
    assert!((4000..9000).contains(&sent(8911)));
}

/// Two processes, as far as names are concerned.
fn neighbours() -> [Arc<Transport>; 2] {
    let mdns_port = free_port();
    [(); 2].map(|()| {
        let world = World { local_addresses: localhost, mdns_port, ..World::SYSTEM };
        Arc::new(Transport::with_world(world))
    })
}

#[test]
fn hidden_addresses_are_found_on_the_local_network() {
    let [here, there] = neighbours();
    let hidden = SocketOptions { hide_addresses: true, ..SocketOptions::default() };
    let options = [with(hidden.clone()), with(hidden)];
    let mut pair = Pair::between([&here, &there], &[reliable(1)], options);
    pair.until_open();
    // Neither could begin before it knew what the other's name stands for.
    for end in [&pair.a, &pair.b] {
        assert!(!end.candidates.is_empty());
        assert!(addresses(end).iter().all(|address| address.ends_with(".local")));
    }
}

#[test]
fn hidden_addresses_that_nobody_finds_are_met_as_peer_reflexive() {
    // They cannot hear each other.
    let ([here, _], [there, _]) = (neighbours(), neighbours());
    let hidden = SocketOptions { hide_addresses: true, ..SocketOptions::default() };
    let options = [with_defaults(), with(hidden)];
    let mut pair = Pair::between([&here, &there], &[reliable(1)], options);
    pair.until_open();
}

fn sharing(port: u16) -> SocketOptions {
    SocketOptions { ports: Ports::Shared(port), ..SocketOptions::default() }
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

/// A free port that the system gives to nobody who does not ask for it, and that no other test
/// takes.
fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    loop {
        let process = (std::process::id() % 100) as u16;
        let port = 20_000 + process * 100 + TAKEN.fetch_add(1, Ordering::Relaxed) % 100;
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
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
