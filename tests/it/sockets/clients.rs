//! A client's session on a real connection.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signaling_core::{Cause, Close};
use signaling_net::{ClientConfig, ClientHandle, Endpoint, Listener, QueueFull, connect};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::hall::{Event, Guest, Request};
use super::support::{Socket, serve_hall, soon, wait_for_count};

fn start(url: String, guest: Guest, config: ClientConfig) -> ClientHandle<Guest> {
    connect(&Handle::current(), Endpoint::Url(url), guest, config)
}

fn join(url: &str) -> ClientHandle<Guest> {
    start(url.into(), Guest::default(), ClientConfig::default())
}

/// Waits for the next events, as many as `count`.
pub(super) async fn events(client: &ClientHandle<Guest>, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        soon(client.told()).await;
        events.extend(client.take_events());
    }
    events
}

/// The client that never gets a connection is told why.
async fn check_failed(client: &ClientHandle<Guest>, cause: Cause, reason: &str) {
    assert_eq!(events(client, 1).await, [Event::Failed(cause, Close::abnormal(reason))]);
}

#[tokio::test]
async fn it_connects_by_name_or_address_with_or_without_a_path() {
    let server = serve_hall();
    let port = server.local_addr().port();
    for host in ["localhost", "127.0.0.1"] {
        for path in ["", "/", "/some/where?else"] {
            let client = join(&format!("ws://{host}:{port}{path}"));
            assert_eq!(events(&client, 1).await, [Event::Opened]);
        }
    }
}

#[tokio::test]
async fn it_says_what_it_is_asked_to_and_tells_what_it_hears() {
    let server = serve_hall();
    let mut socket = Socket::connect(server.local_addr()).await;
    let client = join(&format!("ws://{}", server.local_addr()));
    assert_eq!(events(&client, 1).await, [Event::Opened]);
    client.request(Request::Say("hello".into())).unwrap();
    assert_eq!(socket.hear().await, "hello");
    socket.say("welcome").await;
    assert_eq!(events(&client, 1).await, [Event::Heard("welcome".into())]);
}

#[tokio::test]
async fn a_refused_connection_is_told_with_its_reason() {
    let port = Listener::bind("127.0.0.1", 0).unwrap().local_addr().port();
    let url = format!("ws://127.0.0.1:{port}");
    let reason = format!("Cannot connect to {url}: connection refused");
    check_failed(&join(&url), Cause::Unreachable, &reason).await;
}

#[tokio::test]
async fn what_is_not_a_websocket_url_is_refused_with_the_reason() {
    for (url, why) in [
        ("wss://127.0.0.1:9080", "wss:// is not supported, use ws://"),
        ("http://127.0.0.1:9080", "not a ws:// URL"),
        ("127.0.0.1:9080", "not a ws:// URL"),
        ("ws://", "not a URL"),
        ("", "not a URL"),
        ("ws://:9080", "the URL names no host"),
    ] {
        let reason = format!("Cannot connect to {url}: {why}");
        check_failed(&join(url), Cause::Unreachable, &reason).await;
    }
}

/// A server that accepts one connection and answers the handshake with these bytes.
async fn serve_bytes(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(answer).await.unwrap();
        // Until the client hangs up.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    url
}

#[tokio::test]
async fn a_server_that_speaks_no_http_counts_as_unreachable() {
    let url = serve_bytes(b"SSH-2.0-OpenSSH_9.6\r\n\r\n").await;
    let events = events(&join(&url), 1).await;
    assert!(matches!(events[..], [Event::Failed(Cause::Unreachable, _)]), "{events:?}");
}

#[tokio::test]
async fn an_error_of_http_is_told_with_its_status() {
    for (status, answer) in [
        (403, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        (404, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let url = serve_bytes(answer.as_bytes()).await;
        let line = answer["HTTP/1.1 ".len()..].lines().next().unwrap();
        let reason = format!("Cannot connect to {url}: the server answered HTTP {line}");
        check_failed(&join(&url), Cause::Refused { status }, &reason).await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let url = serve_bytes(b"").await;
    let config = ClientConfig { connect_timeout: Duration::from_millis(50), ..Default::default() };
    let client = start(url.clone(), Guest::default(), config);
    let reason = format!("Cannot connect to {url}: no answer in time");
    check_failed(&client, Cause::Unreachable, &reason).await;
}

#[tokio::test]
async fn it_can_be_closed_before_the_connection_stands() {
    let client = join(&serve_bytes(b"").await);
    client.request(Request::Leave).unwrap();
    assert_eq!(events(&client, 1).await, [Event::Closed(Close::new(1000, "Bye"))]);
}

#[tokio::test]
async fn the_servers_close_is_told_with_code_and_reason() {
    let server = serve_hall();
    let client = join(&format!("ws://{}", server.local_addr()));
    wait_for_count(&server, 1).await;
    server.shutdown();
    let closed = Event::Closed(Close::shutting_down());
    assert_eq!(events(&client, 2).await, [Event::Opened, closed]);
    soon(server.closed()).await;
}

/// A client and a server's end of its WebSocket that the test holds itself.
async fn pair(config: ClientConfig) -> (ClientHandle<Guest>, WebSocketStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let client = start(url, Guest::default(), config);
    let (stream, _) = soon(listener.accept()).await.unwrap();
    let socket = soon(accept_async(stream)).await.unwrap();
    assert_eq!(events(&client, 1).await, [Event::Opened]);
    (client, socket)
}

#[tokio::test]
async fn pings_are_answered_and_told_to_nobody() {
    let (client, mut socket) = pair(ClientConfig::default()).await;
    for number in 0..20 {
        let payload = Bytes::from(vec![number]);
        soon(socket.send(Message::Ping(payload.clone()))).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::Pong(payload));
    }
    soon(socket.send("hello".into())).await.unwrap();
    assert_eq!(events(&client, 1).await, [Event::Heard("hello".into())]);
}

async fn next_close(socket: &mut WebSocketStream<TcpStream>) -> Option<CloseFrame> {
    match soon(socket.next()).await {
        Some(Ok(Message::Close(frame))) => frame,
        other => panic!("{other:?} is not a close"),
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_told_as_abnormal() {
    let (client, socket) = pair(ClientConfig::default()).await;
    drop(socket);
    let closed = Event::Failed(Cause::Lost, Close::abnormal("Connection lost"));
    assert_eq!(events(&client, 1).await, [closed]);
}

#[tokio::test]
async fn a_close_without_a_code_is_told_as_1005() {
    let (client, mut socket) = pair(ClientConfig::default()).await;
    soon(socket.close(None)).await.unwrap();
    assert_eq!(events(&client, 1).await, [Event::Closed(Close::new(1005, ""))]);
    assert!(matches!(soon(socket.next()).await, Some(Ok(Message::Close(None)))));
}

#[tokio::test]
async fn dropping_the_handle_closes_with_1000() {
    let (client, mut socket) = pair(ClientConfig::default()).await;
    drop(client);
    assert_eq!(next_close(&mut socket).await.unwrap().code, CloseCode::Normal);
}

#[tokio::test]
async fn the_session_closes_with_its_own_reason_after_what_it_said() {
    let (client, mut socket) = pair(ClientConfig::default()).await;
    client.request(Request::Say("one more thing".into())).unwrap();
    client.request(Request::Leave).unwrap();
    assert_eq!(events(&client, 1).await, [Event::Closed(Close::new(1000, "Bye"))]);
    assert_eq!(soon(socket.next()).await.unwrap().unwrap().to_text().unwrap(), "one more thing");
    assert_eq!(next_close(&mut socket).await.unwrap().reason.as_str(), "Bye");
}

#[tokio::test]
async fn the_sessions_own_deadline_comes_without_any_traffic() {
    let server = serve_hall();
    let url = format!("ws://{}", server.local_addr());
    let guest = Guest::with_bedtime(Duration::from_millis(50));
    let client = start(url, guest, ClientConfig::default());
    let closed = Event::Closed(Close::new(1000, "Bedtime"));
    assert_eq!(events(&client, 2).await, [Event::Opened, closed]);
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let config = ClientConfig { max_message_bytes: 10, ..ClientConfig::default() };
    let (client, mut socket) = pair(config).await;
    soon(socket.send("far too long".into())).await.unwrap();
    assert_eq!(events(&client, 1).await, [Event::Closed(Close::too_large())]);
    assert_eq!(next_close(&mut socket).await.unwrap().code, CloseCode::Size);
}

#[tokio::test]
async fn it_reads_no_more_than_the_game_takes() {
    let (client, mut socket) = pair(ClientConfig { max_events: 4, ..Default::default() }).await;
    for number in 0..100 {
        soon(socket.feed(number.to_string().into())).await.unwrap();
    }
    soon(socket.flush()).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 100 {
        soon(client.told()).await;
        let events = client.take_events();
        assert!(events.len() <= 4, "{} events waited", events.len());
        heard.extend(events);
    }
    let expected: Vec<_> = (0..100).map(|number| Event::Heard(number.to_string())).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn requests_beyond_the_queue_are_refused() {
    let (client, _socket) = pair(ClientConfig { max_requests: 2, ..Default::default() }).await;
    // Nothing is awaited, so nothing is taken out meanwhile.
    let say = || client.request(Request::Say("x".into()));
    assert_eq!([say(), say(), say()], [Ok(()), Ok(()), Err(QueueFull)]);
}

#[tokio::test]
async fn a_server_that_does_not_read_ends_the_connection() {
    let (client, _socket) = pair(ClientConfig { outbox_bytes: 1000, ..Default::default() }).await;
    // More than the kernel holds for a reader that does not read.
    while client.take_events().is_empty() {
        let _ = client.request(Request::Say("x".repeat(900)));
        tokio::task::yield_now().await;
    }
}
