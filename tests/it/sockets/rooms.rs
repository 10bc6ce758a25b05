//! Frames and messages of rooms, which have a limit each, and connections, which have one too.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::Cause;
use signaling_gateway::{Gateway, GatewayConfig};
use signaling_net::{ClientConfig, ClientHandle, Endpoint, Listener, connect};
use signaling_protocols::rooms::wire::Kind;
use signaling_protocols::rooms::{
    MAX_FRAME_BYTES, Media, Participant, RoomEvent, RoomOptions, RoomRequest, RoomSession,
};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use super::support::{Socket, closed, soon};

const KIB: usize = 1 << 10;

fn open() -> Gateway {
    open_with(GatewayConfig::default())
}

fn open_with(config: GatewayConfig) -> Gateway {
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    Gateway::open(&Handle::current(), listener, config, StdRng::seed_from_u64(1)).unwrap()
}

/// A client of ours in a call.
struct Client {
    handle: ClientHandle<RoomSession>,
    /// What it was told and nobody has looked at yet.
    events: VecDeque<RoomEvent>,
}

impl Client {
    /// Joins the call; Ann creates it.
    async fn join(gateway: &Gateway, name: &str) -> Self {
        let me = Participant::new(name, name);
        let options = RoomOptions { room: "room".into(), me, ..RoomOptions::default() };
        let session = RoomSession::new(options, StdRng::seed_from_u64(1));
        let url = Endpoint::Url(format!("ws://{}/room", gateway.local_addr()));
        let limits =
            ClientConfig { max_frame_bytes: Some(MAX_FRAME_BYTES), ..ClientConfig::default() };
        let handle = connect(&Handle::current(), url, session, limits);
        let mut client = Self { handle, events: VecDeque::new() };
        client.say(Kind::Join { media: Media::default(), is_creating: name == "Ann" });
        client.joined().await;
        client
    }

    fn say(&self, kind: Kind) {
        self.handle.request(RoomRequest::Say(kind)).unwrap();
    }

    /// Waits for an event like this.
    async fn told(&mut self, is_it: impl Fn(&RoomEvent) -> bool) -> RoomEvent {
        loop {
            while let Some(event) = self.events.pop_front() {
                if is_it(&event) {
                    return event;
                }
            }
            soon(self.handle.told()).await;
            self.events.extend(self.handle.take_events());
        }
    }

    async fn joined(&mut self) {
        self.told(|event| matches!(event, RoomEvent::Joined { .. })).await;
    }
}

/// A leave signal of exactly so many bytes, which the server does not understand.
fn message(bytes: usize) -> String {
    let (head, tail) = (r#"{"action":"leave","data":""#, r#""}"#);
    let filling = "x".repeat(bytes - head.len() - tail.len());
    format!("{head}{filling}{tail}")
}

/// Sends a message in frames of this size.
async fn send(socket: &mut Socket, text: &str, frame_bytes: usize) {
    let count = text.len().div_ceil(frame_bytes);
    for (number, part) in text.as_bytes().chunks(frame_bytes).enumerate() {
        let opcode = if number == 0 { Data::Text } else { Data::Continue };
        socket.send_frame(part, opcode, number + 1 == count).await;
    }
}

#[tokio::test]
async fn a_message_may_be_larger_than_a_frame() {
    let gateway = open();
    let mut socket = Socket::request(gateway.local_addr(), "/room").await;
    for (bytes, frame_bytes) in
        [(40 * KIB, 20 * KIB), (32 * KIB, 32 * KIB), (128 * KIB, 32 * KIB), (100, 1)]
    {
        send(&mut socket, &message(bytes), frame_bytes).await;
        let answer = socket.hear().await;
        assert!(answer.starts_with(r#"{"c":2001,"s":"LEAVE","#), "{bytes} bytes");
        assert!(answer.len() <= 128 * KIB, "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_frame_or_a_message_that_is_too_large_ends_the_connection() {
    let gateway = open();
    for (bytes, frame_bytes) in [
        (40 * KIB, 40 * KIB),
        (32 * KIB + 1, 32 * KIB + 1),
        (129 * KIB, 26 * KIB),
        (128 * KIB + 1, 32 * KIB),
    ] {
        let mut socket = Socket::request(gateway.local_addr(), "/room").await;
        send(&mut socket, &message(bytes), frame_bytes).await;
        let expected = closed(1009, "Message too large");
        assert_eq!(socket.closed().await, expected, "{bytes} bytes in frames of {frame_bytes}");
    }
}

#[tokio::test]
async fn a_large_ack_leaves_in_fragments() {
    let gateway = open();
    let stream = soon(TcpStream::connect(gateway.local_addr())).await.unwrap();
    // A frame over the limit would be an error.
    let config = WebSocketConfig::default().max_frame_size(Some(32 * KIB));
    let handshake = client_async_with_config("ws://localhost/room", stream, Some(config));
    let mut socket = Socket(soon(handshake).await.unwrap().0);
    send(&mut socket, &message(100 * KIB), 32 * KIB).await;
    match soon(socket.0.next()).await {
        Some(Ok(Message::Text(text))) => assert!(text.len() > 100 * KIB),
        other => panic!("{other:?} is no ack"),
    }
}

#[tokio::test]
async fn clients_of_ours_split_what_is_larger_than_a_frame() {
    let gateway = open();
    let mut ann = Client::join(&gateway, "Ann").await;
    let ben = Client::join(&gateway, "Ben").await;
    let offer = Kind::Offer { to: None, sdp: "x".repeat(100 * KIB), is_restart: false };
    ben.say(offer.clone());
    let is_offer =
        |event: &RoomEvent| matches!(event, RoomEvent::Heard(said) if said.kind == offer);
    ann.told(is_offer).await;
}

#[tokio::test]
async fn a_connection_that_is_too_old_is_made_again() {
    let mut config = GatewayConfig::default();
    config.rooms.lifetime = Duration::from_millis(300);
    let gateway = open_with(config);
    let mut ann = Client::join(&gateway, "Ann").await;
    for _ in 0..2 {
        let ended = ann.told(|event| matches!(event, RoomEvent::Disconnected { .. })).await;
        let (code, reason, cause) = (1001, "Going away".to_owned(), Cause::Closed);
        assert_eq!(ended, RoomEvent::Disconnected { code, reason, cause });
        ann.joined().await;
    }
}
