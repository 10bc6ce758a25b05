//! How connections end, and that everybody else hears of it.

use std::time::Duration;

use futures_util::SinkExt;
use signaling_net::ServerConfig;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data};

use super::hall::Hall;
use super::support::{Closed, Socket, closed, serve, serve_hall, soon, wait_for_count};

/// A connection to a hall with one other guest ends with this close after `act`, and the other
/// guest hears of it.
async fn check_close(act: impl AsyncFnOnce(&mut Socket), expected: Closed) {
    let server = serve_hall();
    let mut other = Socket::connect(server.local_addr()).await;
    let mut socket = Socket::connect(server.local_addr()).await;
    wait_for_count(&server, 2).await;
    act(&mut socket).await;
    assert_eq!(other.hear().await, "gone");
    assert_eq!(socket.closed().await, expected);
    wait_for_count(&server, 1).await;
}

#[tokio::test]
async fn text_that_is_not_utf8_is_closed_with_1007() {
    let act = async |socket: &mut Socket| socket.send_frame(b"\xff\xfe", Data::Text, true).await;
    check_close(act, closed(1007, "Invalid UTF-8")).await;
}

#[tokio::test]
async fn a_message_over_the_limit_is_closed_with_1009() {
    let act = async |socket: &mut Socket| socket.say(&"x".repeat(65_537)).await;
    check_close(act, closed(1009, "Message too large")).await;
}

#[tokio::test]
async fn fragments_over_the_limit_are_closed_with_1009() {
    let act = async |socket: &mut Socket| {
        socket.send_frame(&[b'x'; 40_000], Data::Text, false).await;
        socket.send_frame(&[b'x'; 40_000], Data::Continue, true).await;
    };
    check_close(act, closed(1009, "Message too large")).await;
}

#[tokio::test]
async fn a_breach_of_the_websocket_protocol_is_closed_with_1002() {
    let act = async |socket: &mut Socket| socket.send_frame(b"x", Data::Continue, true).await;
    check_close(act, closed(1002, "Protocol error")).await;
}

#[tokio::test]
async fn the_machine_closes_with_its_own_code_and_reason() {
    let act = async |socket: &mut Socket| socket.say("leave").await;
    check_close(act, closed(4000, "As you wish")).await;
}

#[tokio::test]
async fn a_peers_close_is_answered() {
    let act = async |socket: &mut Socket| {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "Bye".into() };
        soon(socket.0.send(Message::Close(Some(frame)))).await.unwrap();
    };
    check_close(act, closed(1000, "Bye")).await;
}

#[tokio::test]
async fn a_lost_socket_is_a_departure() {
    let server = serve_hall();
    let mut other = Socket::connect(server.local_addr()).await;
    let socket = Socket::connect(server.local_addr()).await;
    wait_for_count(&server, 2).await;
    drop(socket);
    assert_eq!(other.hear().await, "gone");
}

#[tokio::test]
async fn a_message_at_the_limit_and_one_in_fragments_arrive_whole() {
    let server = serve_hall();
    let mut listener = Socket::connect(server.local_addr()).await;
    let mut speaker = Socket::connect(server.local_addr()).await;
    wait_for_count(&server, 2).await;

    let longest = "x".repeat(65_536);
    speaker.say(&longest).await;
    assert_eq!(listener.hear().await, longest);

    // The cut goes through a character.
    speaker.send_frame(b"gr\xc3", Data::Text, false).await;
    speaker.send_frame(b"\xbc", Data::Continue, false).await;
    speaker.send_frame(b"n", Data::Continue, true).await;
    assert_eq!(listener.hear().await, "grün");
}

#[tokio::test]
async fn a_deadline_of_the_machine_comes_without_any_traffic() {
    let server = serve(Hall::with_patience(Duration::from_millis(50)), ServerConfig::default());
    let mut silent = Socket::connect(server.local_addr()).await;
    assert_eq!(silent.closed().await, closed(4000, "Say something"));
}

#[tokio::test]
async fn shutdown_closes_everybody_with_1001_and_ends() {
    let server = serve_hall();
    let mut one = Socket::connect(server.local_addr()).await;
    let mut two = Socket::connect(server.local_addr()).await;
    wait_for_count(&server, 2).await;
    server.shutdown();
    assert_eq!(one.closed().await, closed(1001, "Server shutting down"));
    assert_eq!(two.closed().await, closed(1001, "Server shutting down"));
    drop((one, two));
    soon(server.closed()).await;
    assert!(server.is_closed());
}

#[tokio::test]
async fn dropping_the_last_handle_shuts_down() {
    let server = serve_hall();
    let mut socket = Socket::connect(server.local_addr()).await;
    wait_for_count(&server, 1).await;
    drop(server);
    assert_eq!(socket.closed().await, closed(1001, "Server shutting down"));
}

#[tokio::test]
async fn a_peer_that_ignores_its_close_is_cut_off() {
    let close_timeout = Duration::from_millis(100);
    let server = serve(Hall::new(), ServerConfig { close_timeout, ..ServerConfig::default() });
    let socket = Socket::connect(server.local_addr()).await;
    wait_for_count(&server, 1).await;
    server.shutdown();
    // The socket is neither read nor dropped.
    soon(server.closed()).await;
    drop(socket);
}
