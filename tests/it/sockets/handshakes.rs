//! The way in.

use std::net::SocketAddr;
use std::time::Duration;

use signaling_net::{PortConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::hall::{Hall, Notice};
use super::support::{Socket, notices, serve, serve_hall, serve_hall_within, soon};

/// Sends bytes and returns everything that is answered.
pub(super) async fn exchange(addr: SocketAddr, request: &str) -> String {
    let mut stream = soon(TcpStream::connect(addr)).await.unwrap();
    soon(stream.write_all(request.as_bytes())).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// A request for a WebSocket.
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// What the machine is told of this socket.
fn entered(socket: &Socket, target: &str) -> Notice {
    Notice::Entered { target: target.into(), from: socket.addr().to_string() }
}

#[tokio::test]
async fn any_path_is_accepted_and_told_to_the_machine_with_the_address() {
    let server = serve_hall();
    let mut sockets = Vec::new();
    for target in ["/", "/godot", "/a/b%20c?d=e&f"] {
        let socket = Socket::request(server.local_addr(), target).await;
        assert_eq!(notices(&server, 1).await, [entered(&socket, target)]);
        sockets.push(socket);
    }
}

#[tokio::test]
async fn only_a_proxy_that_is_trusted_tells_whom_a_connection_is_from() {
    let told = |header: &'static str| async move {
        let trusting = PortConfig { trust_proxy: true, ..PortConfig::default() };
        let servers = [serve_hall(), serve_hall_within(trusting)];
        let mut told = Vec::new();
        for server in &servers {
            let mut stream = soon(TcpStream::connect(server.local_addr())).await.unwrap();
            let request = format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 X-Forwarded-For: {header}\r\n\r\n"
            );
            soon(stream.write_all(request.as_bytes())).await.unwrap();
            let own = stream.local_addr().unwrap().to_string();
            let Notice::Entered { from, .. } = notices(server, 1).await.remove(0) else { panic!() };
            told.push(if from == own { "its own".to_owned() } else { from });
        }
        told
    };
    assert_eq!(told("10.0.0.1, 192.0.2.7").await, ["its own", "192.0.2.7:0"]);
    assert_eq!(told("nobody").await, ["its own", "0.0.0.0:0"]);
}

#[tokio::test]
async fn a_plain_http_request_is_told_to_upgrade() {
    let server = serve_hall();
    let answer = exchange(server.local_addr(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{head}");
    assert!(head.contains("\r\nUpgrade: websocket\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
}

#[tokio::test]
async fn neither_subprotocols_nor_compression_are_agreed_upon() {
    let server = serve_hall();
    let asking = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    let request =
        UPGRADE.replace("Upgrade: websocket\r\n", &format!("Upgrade: websocket\r\n{asking}"));
    let mut stream = soon(TcpStream::connect(server.local_addr())).await.unwrap();
    soon(stream.write_all(request.as_bytes())).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("\r\n\r\n") {
        let mut bytes = [0; 1024];
        let length = soon(stream.read(&mut bytes)).await.unwrap();
        answer.push_str(str::from_utf8(&bytes[..length]).unwrap());
    }
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("sec-websocket-protocol"), "{answer}");
    assert!(!answer.to_lowercase().contains("sec-websocket-extensions"), "{answer}");
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = serve_hall();
    let answer = exchange(server.local_addr(), "\x16\x03\x01 hello?\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_dropped() {
    let handshake_timeout = Duration::from_millis(50);
    let server = serve_hall_within(PortConfig { handshake_timeout, ..PortConfig::default() });
    assert_eq!(exchange(server.local_addr(), "GET / HTTP/1.1\r\nHost:").await, "");
}

#[tokio::test]
async fn newcomers_wait_while_all_handshakes_are_taken() {
    let handshake_timeout = Duration::from_millis(50);
    let limits = PortConfig { handshake_timeout, max_handshakes: 1, ..PortConfig::default() };
    let server = serve_hall_within(limits);
    let addr = server.local_addr();
    let silent = soon(TcpStream::connect(addr)).await.unwrap();
    // Accepted only after the silent one has been dropped.
    let _patient = Socket::connect(addr).await;
    drop(silent);
}

#[tokio::test]
async fn newcomers_wait_while_all_places_are_taken() {
    let server = serve_hall_within(PortConfig { max_connections: 1, ..PortConfig::default() });
    let addr = server.local_addr();
    let first = Socket::connect(addr).await;
    let waiting = tokio::spawn(Socket::request(addr, "/next"));
    assert_eq!(notices(&server, 1).await, [entered(&first, "/")]);
    drop(first);
    let second = soon(waiting).await.unwrap();
    assert_eq!(notices(&server, 2).await, [Notice::Left, entered(&second, "/next")]);
}

#[tokio::test]
async fn a_machine_without_room_turns_newcomers_away() {
    let server = serve(Hall::new(), ServerConfig { max_connections: 1, ..ServerConfig::default() });
    let first = Socket::connect(server.local_addr()).await;
    assert_eq!(notices(&server, 1).await, [entered(&first, "/")]);
    let answer = exchange(server.local_addr(), UPGRADE).await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = serve_hall();
    let request = format!("GET / HTTP/1.1\r\nCookie: {}", "a".repeat(16 << 10));
    let answer = exchange(server.local_addr(), &request).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_handshakes() {
    let server = serve_hall();
    let _silent = soon(TcpStream::connect(server.local_addr())).await.unwrap();
    server.shutdown();
    soon(server.closed()).await;
}
