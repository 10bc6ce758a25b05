//! Connections through memory, beside those through sockets.

use signaling_core::{Cause, Close};
use signaling_net::{ClientConfig, ClientHandle, Endpoint, ServerHandle, connect};
use tokio::runtime::Handle;

use super::clients::events;
use super::hall::{Event, Guest, Hall, Notice, Request};
use super::support::{Socket, notices, serve_hall, soon, wait_for_count};

fn join(server: &ServerHandle<Hall>) -> ClientHandle<Guest> {
    let (endpoint, config) = (Endpoint::Local(server.local()), ClientConfig::default());
    connect(&Handle::current(), endpoint, Guest::default(), config)
}

#[tokio::test]
async fn a_local_client_and_a_socket_hear_each_other() {
    let server = serve_hall();
    let local = join(&server);
    assert_eq!(events(&local, 1).await, [Event::Opened]);
    let entered = Notice::Entered { target: "/".into(), from: String::new() };
    assert_eq!(notices(&server, 1).await, [entered]);
    let mut socket = Socket::connect(server.local_addr()).await;
    wait_for_count(&server, 2).await;

    socket.say("from afar").await;
    assert_eq!(events(&local, 1).await, [Event::Heard("from afar".into())]);
    local.request(Request::Say("from within".into())).unwrap();
    assert_eq!(socket.hear().await, "from within");

    drop(local);
    assert_eq!(socket.hear().await, "gone");
}

#[tokio::test]
async fn a_local_client_obeys_the_same_rules() {
    let server = serve_hall();
    let local = join(&server);
    assert_eq!(events(&local, 1).await, [Event::Opened]);
    local.request(Request::Say("x".repeat(65_537))).unwrap();
    assert_eq!(events(&local, 1).await, [Event::Closed(Close::too_large())]);
}

#[tokio::test]
async fn a_local_client_is_closed_at_shutdown_and_none_is_let_in_afterwards() {
    let server = serve_hall();
    let local = join(&server);
    wait_for_count(&server, 1).await;
    server.shutdown();
    let closed = Event::Closed(Close::shutting_down());
    assert_eq!(events(&local, 2).await, [Event::Opened, closed]);
    soon(server.closed()).await;
    let gone = Event::Failed(Cause::Stopped, Close::shutting_down());
    assert_eq!(events(&join(&server), 1).await, [gone]);
}
