//! TURN servers on real sockets.

use std::net::TcpListener;
use std::time::Instant;

use super::turn_host::TurnHost;
use super::{Pair, loopback, next, reliable, until};
use crate::config::{IcePolicy, PeerConfig};
use crate::driver::PeerOptions;
use crate::ice_server::IceServer;
use crate::peer::{ConnectionState, GatheringState};
use crate::turn::test_server::{PASSWORD, USERNAME};

fn relay_only(server: IceServer) -> PeerOptions {
    let config = PeerConfig { ice_policy: IcePolicy::Relay, ..PeerConfig::default() };
    PeerOptions { ice_servers: vec![server], config, ..PeerOptions::default() }
}

fn server(url: &str) -> IceServer {
    let server = IceServer::parse(url).expect("a URL");
    server.with_credentials(USERNAME, PASSWORD).expect("a username")
}

/// The server by UDP, TCP and TLS.
fn servers(host: &TurnHost) -> [IceServer; 3] {
    let (address, tls) = (host.address, host.tls_address);
    let trusted = server(&format!("turns:{tls}")).with_authorities(&host.certificate);
    [
        server(&format!("turn:{address}")),
        server(&format!("turn:{address}?transport=tcp")),
        trusted.expect("a certificate"),
    ]
}

fn exchange(pair: &mut Pair) {
    let data = vec![7; 200_000];
    for (from, to) in [(&pair.a, &pair.b), (&pair.b, &pair.a)] {
        for _ in 0..10 {
            from.channels[0].put(&data, false).expect("room");
        }
        for _ in 0..10 {
            assert_eq!(next(&to.channels[0]).data, data);
        }
    }
}

#[test]
fn messages_go_through_relays_over_udp_tcp_and_tls() {
    let host = TurnHost::start();
    for server in servers(&host) {
        let options = [relay_only(server.clone()), relay_only(server.clone())];
        let mut pair = Pair::with_options(&loopback(), &[reliable(1)], options);
        pair.until_open();
        exchange(&mut pair);
        for end in [&pair.a, &pair.b] {
            assert_eq!(end.failed_servers, []);
            assert!(end.candidates.iter().all(|line| line.contains("typ relay")));
        }
        assert!(host.server.lock().short > 0);
        pair.a.peer.close();
        pair.until("seen", |pair| pair.b.peer.connection_state() == ConnectionState::Closed);
        let is_empty = || host.server.lock().load(Instant::now()) == 0;
        until("everything was given back", is_empty);
    }
}

#[test]
fn what_is_wrong_with_a_server_is_told() {
    let host = TurnHost::start();
    // Nobody accepts there, and from a port that was free a moment ago nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let refused = silent.local_addr().expect("bound");
    drop(silent);
    let tls = host.tls_address;
    let wrong = IceServer::parse(&format!("turn:{}", host.address)).expect("a URL");
    for (server, code, reason) in [
        (wrong.with_credentials(USERNAME, "wrong").expect("a username"), 401, ""),
        (server(&format!("turn:{refused}?transport=tcp")), 701, "it refuses connections"),
        (server(&format!("turns:{tls}")), 701, "invalid peer certificate: UnknownIssuer"),
        (server(&format!("turn:{tls}?transport=tcp")), 701, "it has closed the connection"),
    ] {
        let url = server.url.clone();
        let options = [relay_only(server), PeerOptions::default()];
        let mut pair = Pair::with_options(&loopback(), &[reliable(1)], options);
        pair.until("gathered", |pair| pair.a.peer.gathering_state() == GatheringState::Complete);
        pair.until("told", |pair| !pair.a.failed_servers.is_empty());
        // The state is ahead of the events.
        pair.until("told", |pair| !pair.a.failed_servers.is_empty());
        let [(failed, found, text)] = &pair.a.failed_servers[..] else {
            panic!("{:?}", pair.a.failed_servers)
        };
        assert_eq!((failed, *found), (&url, code));
        assert!(text.contains(reason), "{url}: {text}");
        assert_eq!(pair.a.candidates, [""; 0]);
    }
}

#[test]
fn a_server_that_goes_away_is_reported() {
    let host = TurnHost::start();
    let [_, tcp, _] = servers(&host);
    let options = [relay_only(tcp), PeerOptions::default()];
    let mut pair = Pair::with_options(&loopback(), &[reliable(1)], options);
    pair.until_open();
    drop(host);
    pair.until("reported", |pair| !pair.a.failed_servers.is_empty());
    assert_eq!(pair.a.failed_servers[0].1, 701);
}
