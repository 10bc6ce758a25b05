//! Sessions that connect again.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signaling_core::{Cause, Close};
use signaling_net::{ClientConfig, ClientHandle, Endpoint, Listener, connect};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::clients::events;
use super::hall::{Event, Guest, Request};
use super::support::{serve_hall, soon};

/// A server's end of each connection, held by the test itself.
struct Host(TcpListener);

impl Host {
    async fn bind(port: u16) -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap())
    }

    fn url(&self) -> String {
        format!("ws://{}", self.0.local_addr().unwrap())
    }

    async fn accept_stream(&self) -> TcpStream {
        soon(self.0.accept()).await.unwrap().0
    }

    async fn accept(&self) -> WebSocketStream<TcpStream> {
        soon(accept_async(self.accept_stream().await)).await.unwrap()
    }
}

fn start(url: &str, guest: Guest) -> ClientHandle<Guest> {
    let endpoint = Endpoint::Url(url.into());
    connect(&Handle::current(), endpoint, guest, ClientConfig::default())
}

fn lost() -> Event {
    Event::Failed(Cause::Lost, Close::abnormal("Connection lost"))
}

/// Nobody listens there.
fn free_port() -> u16 {
    Listener::bind("127.0.0.1", 0).unwrap().local_addr().port()
}

#[tokio::test]
async fn it_comes_back_after_each_loss() {
    let host = Host::bind(0).await;
    let client = start(&host.url(), Guest::returning_after(Duration::from_millis(1)));
    for _ in 0..3 {
        let mut socket = host.accept().await;
        assert_eq!(events(&client, 1).await, [Event::Opened]);
        soon(socket.send("welcome".into())).await.unwrap();
        assert_eq!(events(&client, 1).await, [Event::Heard("welcome".into())]);
        drop(socket);
        assert_eq!(events(&client, 1).await, [lost()]);
    }
}

#[tokio::test]
async fn each_failure_to_connect_is_told_until_one_succeeds() {
    let port = free_port();
    let url = format!("ws://127.0.0.1:{port}");
    let client = start(&url, Guest::returning_after(Duration::from_millis(1)));
    let reason = format!("Cannot connect to {url}: connection refused");
    let refused = Event::Failed(Cause::Unreachable, Close::abnormal(&reason));
    for _ in 0..3 {
        assert_eq!(events(&client, 1).await[0], refused);
    }
    let host = Host::bind(port).await;
    let _socket = host.accept().await;
    while !events(&client, 1).await.contains(&Event::Opened) {}
}

#[tokio::test]
async fn connecting_again_cuts_off_the_connection_that_stands() {
    let host = Host::bind(0).await;
    let client = start(&host.url(), Guest::default());
    let mut first = host.accept().await;
    assert_eq!(events(&client, 1).await, [Event::Opened]);
    client.request(Request::Return).unwrap();
    let mut second = host.accept().await;
    assert!(soon(first.next()).await.is_none_or(|message| message.is_err()), "no farewell");
    assert_eq!(events(&client, 1).await, [Event::Opened]);
    soon(second.send("welcome".into())).await.unwrap();
    assert_eq!(events(&client, 1).await, [Event::Heard("welcome".into())]);
}

#[tokio::test]
async fn connecting_again_gives_up_the_connection_that_is_being_made() {
    let host = Host::bind(0).await;
    let client = start(&host.url(), Guest::default());
    let mut first = host.accept_stream().await;
    client.request(Request::Return).unwrap();
    let _second = host.accept().await;
    soon(first.read_to_end(&mut Vec::new())).await.unwrap();
    assert_eq!(events(&client, 1).await, [Event::Opened]);
}

#[tokio::test]
async fn what_it_says_and_closes_without_a_connection_is_ignored() {
    let host = Host::bind(0).await;
    let client = start(&host.url(), Guest::default());
    drop(host.accept().await);
    assert_eq!(events(&client, 2).await, [Event::Opened, lost()]);

    client.request(Request::Say("to nobody".into())).unwrap();
    client.request(Request::Leave).unwrap();
    client.request(Request::Return).unwrap();
    client.request(Request::Say("too early".into())).unwrap();
    let mut socket = host.accept().await;
    assert_eq!(events(&client, 1).await, [Event::Opened]);
    client.request(Request::Say("hello".into())).unwrap();
    assert_eq!(soon(socket.next()).await.unwrap().unwrap().to_text().unwrap(), "hello");
}

#[tokio::test]
async fn it_can_return_after_it_has_left() {
    let host = Host::bind(0).await;
    let client = start(&host.url(), Guest::default());
    let mut first = host.accept().await;
    assert_eq!(events(&client, 1).await, [Event::Opened]);
    client.request(Request::Leave).unwrap();
    assert_eq!(events(&client, 1).await, [Event::Closed(Close::new(1000, "Bye"))]);
    client.request(Request::Return).unwrap();
    let _second = host.accept().await;
    assert_eq!(events(&client, 1).await, [Event::Opened]);
    assert!(soon(first.next()).await.unwrap().unwrap().is_close(), "the farewell goes on");
}

#[tokio::test]
async fn a_local_client_comes_back_while_the_server_runs() {
    let server = serve_hall();
    let guest = Guest::returning_after(Duration::from_millis(1));
    let endpoint = Endpoint::Local(server.local());
    let client = connect(&Handle::current(), endpoint, guest, ClientConfig::default());
    assert_eq!(events(&client, 1).await, [Event::Opened]);
    client.request(Request::Say("leave".into())).unwrap();
    let expelled = Event::Closed(Close::new(4000, "As you wish"));
    assert_eq!(events(&client, 2).await, [expelled, Event::Opened]);

    server.shutdown();
    let gone = Event::Failed(Cause::Stopped, Close::shutting_down());
    assert_eq!(events(&client, 2).await[..2], [Event::Closed(Close::shutting_down()), gone]);
}

#[tokio::test]
async fn dropping_the_handle_ends_the_session_in_every_state() {
    let host = Host::bind(0).await;
    let nowhere = format!("ws://127.0.0.1:{}", free_port());

    let (guest, ended) = Guest::default().watched();
    let connecting = start(&host.url(), guest);
    let _stream = host.accept_stream().await;
    drop(connecting);
    assert!(soon(ended).await.is_err());

    let (guest, ended) = Guest::default().watched();
    let connected = start(&host.url(), guest);
    let socket = host.accept().await;
    assert_eq!(events(&connected, 1).await, [Event::Opened]);
    drop((connected, socket));
    assert!(soon(ended).await.is_err());

    for guest in [Guest::default(), Guest::returning_after(Duration::from_secs(3600))] {
        let (guest, ended) = guest.watched();
        let disconnected = start(&nowhere, guest);
        events(&disconnected, 1).await;
        drop(disconnected);
        assert!(soon(ended).await.is_err());
    }
}
