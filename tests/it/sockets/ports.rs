//! The listening port.

use std::io;
use std::net::Ipv4Addr;

use signaling_net::{Listener, ServerConfig};
use tokio::runtime::Handle;

use super::hall::{Hall, Notice};
use super::support::{Socket, notices, serve_hall, soon, wait_for_count};

#[tokio::test]
async fn a_served_port_is_in_use_until_shutdown_returns() {
    let server = serve_hall();
    let socket = Socket::connect(server.local_addr()).await;
    let port = server.local_addr().port();
    let error = Listener::bind("127.0.0.1", port).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);

    server.shutdown();
    let listener = Listener::bind("127.0.0.1", port).unwrap();
    let config = ServerConfig::default();
    let next = signaling_tests::serve(&Handle::current(), listener, Hall::new(), config).unwrap();
    let _socket = Socket::connect(next.local_addr()).await;
    wait_for_count(&next, 1).await;
    drop(socket);
    soon(server.closed()).await;
}

#[tokio::test]
async fn dropping_a_port_frees_it_at_once() {
    let server = serve_hall();
    let _socket = Socket::connect(server.local_addr()).await;
    let port = server.local_addr().port();
    drop(server);
    Listener::bind("127.0.0.1", port).unwrap();
}

#[tokio::test]
async fn an_ipv4_client_of_a_port_for_both_families_is_told_as_ipv4() {
    let listener = Listener::bind("*", 0).unwrap();
    let addr = (Ipv4Addr::LOCALHOST, listener.local_addr().port());
    let config = ServerConfig::default();
    let server = signaling_tests::serve(&Handle::current(), listener, Hall::new(), config).unwrap();
    let socket = Socket::connect(addr.into()).await;
    let from = format!("127.0.0.1:{}", socket.addr().port());
    let entered = Notice::Entered { target: "/".into(), from };
    assert_eq!(notices(&server, 1).await, [entered]);
}
