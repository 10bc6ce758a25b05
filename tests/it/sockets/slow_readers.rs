//! A connection that does not read what it is sent.

use std::time::{Duration, Instant};

use signaling_net::ServerConfig;
use tokio::net::TcpSocket;

use super::hall::{Announce, Hall};
use super::support::{Socket, closed, serve, soon, wait_for_count};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_cut_off_and_nobody_else_waits_for_it() {
    let close_timeout = Duration::from_secs(60);
    let config = ServerConfig { outbox_bytes: 256 << 10, close_timeout, ..Default::default() };
    let server = serve(Hall::new(), config);
    let addr = server.local_addr();
    let stream = {
        let socket = TcpSocket::new_v4().unwrap();
        // The less the kernel holds for it, the sooner the outbox fills up.
        socket.set_recv_buffer_size(8 << 10).unwrap();
        soon(socket.connect(addr)).await.unwrap()
    };
    let slow = Socket::upgrade(stream, &format!("ws://{addr}")).await;
    let mut reader = Socket::connect(addr).await;
    wait_for_count(&server, 2).await;

    let announcement = "x".repeat(60_000);
    let mut slowest = Duration::ZERO;
    loop {
        let told = Instant::now();
        server.command(Announce(announcement.clone())).unwrap();
        let heard = reader.hear().await;
        slowest = slowest.max(told.elapsed());
        if heard == "gone" {
            break;
        }
        assert_eq!(heard.len(), announcement.len());
    }
    // Far less than the slow one is given to take its close frame.
    assert!(slowest < close_timeout / 10, "somebody waited {slowest:?}");
    assert_eq!(server.connection_count(), 1);
    drop(slow);
}

#[tokio::test]
async fn one_that_wakes_up_in_time_is_told_why() {
    let server = serve(Hall::new(), ServerConfig { outbox_bytes: 1000, ..Default::default() });
    let mut slow = Socket::connect(server.local_addr()).await;
    wait_for_count(&server, 1).await;
    // Nothing is awaited in between, so nothing is written either.
    server.command(Announce("x".repeat(900))).unwrap();
    server.command(Announce("x".repeat(900))).unwrap();
    assert_eq!(slow.closed().await, closed(1013, "Send queue full"));
}
