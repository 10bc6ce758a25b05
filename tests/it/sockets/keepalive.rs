//! Pings, and what silence leads to.

use std::time::Duration;

use futures_util::StreamExt;
use signaling_net::ServerConfig;
use tokio_tungstenite::tungstenite::Message;

use super::hall::Hall;
use super::support::{Socket, closed, serve, soon, wait_for_count};

fn config(ping_ms: u64, silence_ms: Option<u64>) -> ServerConfig {
    ServerConfig {
        ping_interval: Some(Duration::from_millis(ping_ms)),
        silence_limit: silence_ms.map(Duration::from_millis),
        ..ServerConfig::default()
    }
}

#[tokio::test]
async fn a_connection_is_pinged_again_and_again() {
    let server = serve(Hall::new(), config(20, None));
    let mut socket = Socket::connect(server.local_addr()).await;
    for _ in 0..3 {
        assert!(matches!(soon(socket.0.next()).await, Some(Ok(Message::Ping(_)))));
    }
}

#[tokio::test]
async fn a_connection_that_does_not_even_answer_pings_is_closed() {
    let server = serve(Hall::new(), config(20, Some(200)));
    let mut silent = Socket::connect(server.local_addr()).await;
    // Nobody reads the silent one, so nobody answers its pings.
    wait_for_count(&server, 1).await;
    wait_for_count(&server, 0).await;
    assert_eq!(silent.closed().await, closed(1001, "Ping timeout"));
}

#[tokio::test]
async fn a_connection_that_answers_pings_stays() {
    let server = serve(Hall::new(), config(50, Some(500)));
    let mut quiet = Socket::connect(server.local_addr()).await;
    // Twenty pings take twice the limit.
    for _ in 0..20 {
        assert!(matches!(soon(quiet.0.next()).await, Some(Ok(Message::Ping(_)))));
    }
    assert_eq!(server.connection_count(), 1);
}
