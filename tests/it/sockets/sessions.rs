//! Sessions of the extended protocol over connections that end.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_net::{ClientConfig, ClientHandle, Endpoint, Listener, ServerConfig, connect};
use signaling_protocols::godot::extended::{LobbyOptions, Object, Request};
use signaling_protocols::godot::{
    ClientEvent, ClientRequest, ClientState, GodotServer, GodotSession, SessionOptions, Settings,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::support::{serve, soon};

fn server() -> GodotServer {
    GodotServer::new(Settings::default(), StdRng::seed_from_u64(1))
}

/// A client that creates a lobby as soon as it can.
fn host(addr: SocketAddr) -> ClientHandle<GodotSession> {
    let session = GodotSession::new(SessionOptions::default(), StdRng::seed_from_u64(2));
    let endpoint = Endpoint::Url(format!("ws://{addr}"));
    let client = connect(&Handle::current(), endpoint, session, ClientConfig::default());
    create(&client);
    client
}

fn create(client: &ClientHandle<GodotSession>) {
    let request = Request::Create { options: LobbyOptions::default(), me: Object::default() };
    client.request(ClientRequest::Ask { ticket: 1, request: Box::new(request) }).unwrap();
}

/// Waits for an event that fits; what came before it is forgotten.
async fn hear(client: &ClientHandle<GodotSession>, fits: impl Fn(&ClientEvent) -> bool) {
    while !client.take_events().iter().any(&fits) {
        soon(client.told()).await;
    }
}

fn is_joined(event: &ClientEvent) -> bool {
    matches!(event, ClientEvent::StateChanged { new: ClientState::Joined, .. })
}

/// Carries the next connection to `listener` on to `addr`, until it is aborted.
async fn carry(listener: &TcpListener, addr: SocketAddr) -> JoinHandle<()> {
    let (mut near, _) = soon(listener.accept()).await.unwrap();
    let mut far = soon(TcpStream::connect(addr)).await.unwrap();
    tokio::spawn(async move {
        let _ = copy_bidirectional(&mut near, &mut far).await;
    })
}

#[tokio::test]
async fn a_session_survives_its_connections() {
    let server = serve(server(), ServerConfig::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = host(listener.local_addr().unwrap());
    let mut line = carry(&listener, server.local_addr()).await;
    hear(&client, is_joined).await;
    for _ in 0..3 {
        line.abort();
        line = carry(&listener, server.local_addr()).await;
        hear(&client, |event| *event == ClientEvent::Resumed).await;
    }
    assert_eq!(server.resync(|server| server.lobbies().count()), 1);
    client.request(ClientRequest::Close).unwrap();
    hear(&client, |event| matches!(event, ClientEvent::Disconnected { code: 1000, .. })).await;
    while server.resync(|server| server.lobbies().count()) > 0 {
        soon(server.noticed()).await;
    }
}

#[tokio::test]
async fn a_server_that_was_started_again_is_found() {
    let first = serve(server(), ServerConfig::default());
    let addr = first.local_addr();
    let client = host(addr);
    hear(&client, is_joined).await;
    first.shutdown();
    soon(first.closed()).await;

    let listener = Listener::bind("127.0.0.1", addr.port()).unwrap();
    let config = ServerConfig::default();
    let _second = signaling_tests::serve(&Handle::current(), listener, server(), config).unwrap();
    hear(&client, |event| matches!(event, ClientEvent::ResumeFailed { .. })).await;
    create(&client);
    hear(&client, is_joined).await;
}

#[tokio::test]
async fn a_server_of_the_plain_protocol_is_spoken_to_plainly() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let _client = host(listener.local_addr().unwrap());
    let mut said = Vec::new();
    for _ in 0..2 {
        let (stream, _) = soon(listener.accept()).await.unwrap();
        let mut socket = soon(accept_async(stream)).await.unwrap();
        said.push(soon(socket.next()).await.unwrap().unwrap().into_text().unwrap());
        let (code, reason) = (4000.into(), "Invalid message when not in a lobby".into());
        soon(socket.close(Some(CloseFrame { code, reason }))).await.unwrap();
    }
    assert!(said[0].contains(r#""type":8"#), "{said:?}");
    assert_eq!(said[1], r#"{"type":0,"id":0,"data":""}"#);
}
