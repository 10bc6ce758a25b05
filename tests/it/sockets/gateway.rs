//! One port for all protocols.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::rate::Rate;
use signaling_gateway::{Gateway, GatewayConfig};
use signaling_net::{ClientHandle, Listener};
use signaling_protocols::calling::client::SessionOptions;
use signaling_protocols::calling::{
    self, CallingSession, ClientEvent, ClientRequest, Event, Request, Status,
};
use signaling_protocols::routing::Protocol;
use signaling_tests::meeting::dial;
use tokio::runtime::Handle;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use super::handshakes::exchange;
use super::support::{Socket, soon};

fn open(config: GatewayConfig) -> Gateway {
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    Gateway::open(&Handle::current(), listener, config, StdRng::seed_from_u64(1)).unwrap()
}

fn native_only() -> GatewayConfig {
    GatewayConfig { protocols: [Protocol::Godot].into(), ..GatewayConfig::default() }
}

async fn get(addr: SocketAddr, target: &str) -> String {
    exchange(addr, &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
}

/// The status of a refused handshake; `None` when it succeeds.
async fn refusal(addr: SocketAddr, target: &str, origin: Option<&str>) -> Option<u16> {
    let mut request = format!("ws://{addr}{target}").into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", origin.parse().unwrap());
    }
    match soon(connect_async(request)).await {
        Ok(_) => None,
        Err(Error::Http(answer)) => Some(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn the_path_decides_what_is_spoken() {
    let gateway = open(native_only());
    for target in ["/", "/godot"] {
        let mut socket = Socket::request(gateway.local_addr(), target).await;
        socket.say(r#"{"type":0,"id":0,"data":""}"#).await;
        assert_eq!(socket.hear().await, r#"{"type":1,"id":1,"data":"true"}"#);
    }
}

#[tokio::test]
async fn the_same_numbers_mean_different_things_at_the_paths_of_omega() {
    let gateway = open(GatewayConfig::default());
    for (target, ack) in [("/ws/game?v=0", 7), ("/signaling/game?v=0", 6)] {
        let mut socket = Socket::request(gateway.local_addr(), target).await;
        socket.say(r#"{"opcode":2,"payload":"Ada"}"#).await;
        assert!(socket.hear().await.starts_with(r#"{"opcode":3,"payload":""#));
        let lobby = if ack == 7 { r#""lobby""# } else { r#"{"lobby_id":"lobby"}"# };
        socket.say(&format!(r#"{{"opcode":4,"payload":{lobby}}}"#)).await;
        assert_eq!(socket.hear().await, format!(r#"{{"opcode":{ack}}}"#), "{target}");
    }
}

#[tokio::test]
async fn rooms_are_spoken_at_their_path() {
    let gateway = open(GatewayConfig::default());
    let mut socket = Socket::request(gateway.local_addr(), "/room?ack=v1").await;
    socket.say(r#"{"action":"leave"}"#).await;
    let refusal =
        r#"{"c":2001,"b":{"s":"LEAVE_ACK","d":{"uid":"","rid":"","msg":"invalid signal"}}}"#;
    assert_eq!(socket.hear().await, refusal);
}

#[tokio::test]
async fn the_path_of_calling_leads_to_calling() {
    let gateway = open(GatewayConfig::default());
    let mut socket = Socket::request(gateway.local_addr(), "/calling?events=doc").await;
    assert!(socket.hear().await.starts_with(r#"{"type":"hello","id":""#));
    // A large message passes where the native protocol would not take it.
    let data = "x".repeat(200_000);
    socket.say(&format!(r#"{{"type":"ping","tid":1,"x":"{data}"}}"#)).await;
    let answer = r#"{"type":"answer","tid":1,"error":"Unexpected field in message"}"#;
    assert_eq!(socket.hear().await, answer);
    socket.say(&format!("\"{}\"", "x".repeat(262_144))).await;
    assert_eq!(socket.closed().await, super::support::closed(1009, "Message too large"));
}

#[tokio::test]
async fn a_program_that_looks_away_reads_anew_what_lobbies_there_are() {
    let gateway = open(GatewayConfig::default());
    let calling = gateway.others().find(|tongue| tongue.protocol() == Protocol::Calling).unwrap();
    // Each time five things are noticed: a room opens and is described, and somebody comes and goes.
    for _ in 0..2 {
        let mut socket = Socket::request(gateway.local_addr(), "/calling?events=doc").await;
        socket.hear().await;
        for _ in 0..150 {
            ask(&mut socket, "room_join").await;
            ask(&mut socket, "room_leave").await;
        }
    }
    let notices = calling.take_notices();
    assert!(notices.lost && notices.events.is_empty());
    let mut socket = Socket::request(gateway.local_addr(), "/calling?events=doc").await;
    socket.hear().await;
    ask(&mut socket, "room_join").await;
    let members: Vec<_> = calling.resync().iter().map(|lobby| lobby.members.len()).collect();
    assert_eq!(members, [1]);
}

/// Asks for something about a room of calling, and gets it.
async fn ask(socket: &mut Socket, request: &str) {
    socket.say(&format!(r#"{{"type":"{request}","tid":1,"room":"den"}}"#)).await;
    let answer = socket.hear().await;
    assert!(answer.starts_with(r#"{"type":"answer","tid":1"#) && !answer.contains("error"));
}

/// A path of each protocol but Godot's, what it answers, what the answer contains, and how many bytes
/// a message may have.
const OTHERS: [(&str, &str, &str, usize); 6] = [
    ("/ws/game", r#"{"opcode":1}"#, "1", 262_144),
    ("/signaling/game", r#"{"opcode":1}"#, "1", 262_144),
    ("/?ugi=game", r#"{"opcode":"KEEPALIVE"}"#, "KEEPALIVE_ACK", 262_144),
    ("/peerjs?key=peerjs&id=a&token=t", r#"{"type":"OFFER","dst":"a"}"#, "OFFER", 262_144),
    ("/calling", r#"{"type":"ping","tid":1}"#, "answer", 262_144),
    ("/room?ack=v1", r#"{"action":"leave"}"#, "LEAVE_ACK", 131_072),
];

/// Frames of this size are small enough for every protocol.
const FRAME_BYTES: usize = 32 << 10;

/// Sends one message in several frames.
async fn say_in_frames(socket: &mut Socket, message: &str) {
    let count = message.len().div_ceil(FRAME_BYTES);
    for (index, part) in message.as_bytes().chunks(FRAME_BYTES).enumerate() {
        let opcode = if index == 0 { Data::Text } else { Data::Continue };
        socket.send_frame(part, opcode, index + 1 == count).await;
    }
}

#[tokio::test]
async fn a_message_may_be_as_large_as_its_protocol_says() {
    let gateway = open(GatewayConfig::default());
    for (target, message, answer, limit) in OTHERS {
        let mut socket = Socket::request(gateway.local_addr(), target).await;
        let longest = message.to_owned() + &" ".repeat(limit - message.len());
        say_in_frames(&mut socket, &longest).await;
        while !socket.hear().await.contains(answer) {}
        say_in_frames(&mut socket, &(longest + " ")).await;
        let expected = super::support::closed(1009, "Message too large");
        assert_eq!(socket.closed().await, expected, "{target}");
    }
}

/// A path of each protocol, a message there with a place for a nested value, and what the answer
/// contains. Of equal keys the first says something else, and whole numbers are written as floats.
const LENIENT: [(&str, &str, &str); 7] = [
    ("/", r#"{"type":9,"type":0.0,"id":0.0,"data":"","x":NESTED}"#, r#""type":1"#),
    ("/ws/game", r#"{"opcode":9,"opcode":1.0,"payload":NESTED}"#, r#""opcode":1"#),
    ("/signaling/game", r#"{"opcode":9,"opcode":1.0,"payload":NESTED}"#, r#""opcode":1"#),
    ("/?ugi=game", r#"{"opcode":"NO","opcode":"KEEPALIVE","x":NESTED}"#, "KEEPALIVE_ACK"),
    (
        "/calling",
        r#"{"type":"no","type":"status","tid":1.0,"status":{"a":NESTED}}"#,
        r#""type":"answer""#,
    ),
    (
        "/peerjs?key=peerjs&id=a&token=t",
        r#"{"type":"NO","type":"OFFER","dst":"a","payload":NESTED}"#,
        "OFFER",
    ),
    ("/room", r#"{"action":"no","action":"leave","data":{"x":NESTED}}"#, "invalid signal"),
];

/// Says a message of [`LENIENT`], so many levels deep in all.
async fn say_nested(socket: &mut Socket, message: &str, levels: usize) {
    let around = message.split("NESTED").next().unwrap().matches('{').count();
    let nested = "[".repeat(levels - around) + &"]".repeat(levels - around);
    socket.say(&message.replace("NESTED", &nested)).await;
}

#[tokio::test]
async fn all_protocols_read_json_alike() {
    let gateway = open(GatewayConfig::default());
    for (target, message, answer) in LENIENT {
        let mut socket = Socket::request(gateway.local_addr(), target).await;
        say_nested(&mut socket, message, 64).await;
        while !socket.hear().await.contains(answer) {}
    }
}

#[tokio::test]
async fn what_is_nested_too_deeply_is_malformed() {
    let gateway = open(GatewayConfig::default());
    let (closing, ignoring) = LENIENT.split_at(5);
    for (target, message, answer) in closing {
        let mut socket = Socket::request(gateway.local_addr(), target).await;
        say_nested(&mut socket, message, 65).await;
        while let Some(Ok(said)) = soon(socket.0.next()).await {
            assert!(
                !said.is_text() || !said.to_text().unwrap().contains(answer),
                "{target}: {said}"
            );
        }
    }
    // These repeat what they have understood.
    for (target, message, answer) in ignoring {
        let mut socket = Socket::request(gateway.local_addr(), target).await;
        say_nested(&mut socket, message, 65).await;
        say_nested(&mut socket, message, 3).await;
        let first = loop {
            let said = socket.hear().await;
            if said.contains(answer) {
                break said;
            }
        };
        assert!(!first.contains("[[["), "{target}: {first}");
    }
}

#[tokio::test]
async fn binary_messages_are_text_in_all_protocols_but_godots() {
    let gateway = open(GatewayConfig::default());
    for (target, message, answer, _) in OTHERS {
        let mut socket = Socket::request(gateway.local_addr(), target).await;
        socket.send_frame(message.as_bytes(), Data::Binary, true).await;
        while !socket.hear().await.contains(answer) {}
        socket.send_frame(b"{\"\xff\":1}", Data::Binary, true).await;
        assert_eq!(
            socket.closed().await,
            super::support::closed(1007, "Invalid UTF-8"),
            "{target}"
        );
    }
    let mut socket = Socket::connect(gateway.local_addr()).await;
    socket.send_frame(b"\xff", Data::Binary, true).await;
    let expected = super::support::closed(4000, "Invalid transfer mode, must be text");
    assert_eq!(socket.closed().await, expected);
}

#[tokio::test]
async fn a_client_takes_what_a_server_adds_to_the_largest_message() {
    let gateway = open(GatewayConfig::default());
    let addr = gateway.local_addr();
    let client = dial(addr, "/calling", CallingSession::new(SessionOptions::default()));
    let hello = told(&client).await;
    let [ClientEvent::Told(Event::Hello { user, .. })] = &hello[..] else { panic!("{hello:?}") };
    let request = Request::Join { room: Some("den".into()), status: Status::default() }.into();
    client.request(ClientRequest::Ask { ticket: 1, request }).unwrap();
    told(&client).await;
    let mut socket = Socket::request(addr, "/calling").await;
    socket.say(r#"{"type":"room_join","room":"den"}"#).await;
    told(&client).await;
    let note = |data: &str| {
        let to = format!(r#""room":"den","user":"{user}""#);
        format!(r#"{{"type":"room_peer_to",{to},"event":"e","data":["{data}"]}}"#)
    };
    let most = calling::Settings::MAX_MESSAGE_BYTES - note("").len();
    socket.say(&note(&"x".repeat(most))).await;
    let received = told(&client).await;
    assert!(matches!(received[..], [ClientEvent::Told(Event::Received { .. })]), "it arrives");
}

/// What a client is told next.
async fn told(client: &ClientHandle<CallingSession>) -> Vec<ClientEvent> {
    loop {
        let events = client.take_events();
        if !events.is_empty() {
            return events;
        }
        soon(client.told()).await;
    }
}

#[tokio::test]
async fn cloudlink_5_is_spoken_where_a_game_is_named() {
    let gateway = open(GatewayConfig::default());
    let addr = gateway.local_addr();
    for target in ["/?ugi=chess", "/signaling?ugi=chess", "/signaling/?ugi=chess&token=x"] {
        let mut socket = Socket::request(addr, target).await;
        socket.say(r#"{"opcode":"LIST_LOBBIES"}"#).await;
        assert_eq!(socket.hear().await, r#"{"opcode":"WARNING","payload":"unauthorized"}"#);
    }
    for target in ["/?ugi=", "/signaling", "/?ugi=a%2Fb", "/?ugi=a--b"] {
        assert_eq!(refusal(addr, target, None).await, Some(400), "{target}");
    }
}

#[tokio::test]
async fn the_peer_server_hands_out_ids_and_takes_them() {
    let gateway = open(GatewayConfig::default());
    let addr = gateway.local_addr();
    let [one, other] = [get(addr, "/peerjs/id").await, get(addr, "/peerjs/id").await];
    assert!(one.starts_with("HTTP/1.1 200 OK\r\n"), "{one}");
    assert!(one.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "pages may read it: {one}");
    let id = one.rsplit("\r\n").next().unwrap();
    assert_eq!(id.len(), 36);
    assert!(!other.ends_with(id), "each is another");
    let target = format!("/peerjs?key=peerjs&id={id}&token=t&version=1.5.4");
    assert_eq!(Socket::request(addr, &target).await.hear().await, r#"{"type":"OPEN"}"#);
}

#[tokio::test]
async fn newcomers_to_full_games_are_turned_away() {
    let mut config = GatewayConfig::default();
    (config.cloudlink5.limits.games, config.cloudlink5.limits.clients) = (1, 2);
    let gateway = open(config);
    let addr = gateway.local_addr();
    let _first = Socket::request(addr, "/?ugi=chess").await;
    assert_eq!(refusal(addr, "/?ugi=go", None).await, Some(503));
    let _second = Socket::request(addr, "/signaling?ugi=chess").await;
    assert_eq!(refusal(addr, "/?ugi=chess", None).await, Some(503));
}

#[tokio::test]
async fn an_address_may_connect_only_so_often_if_the_server_says_so() {
    let mut config = GatewayConfig::default();
    config.cloudlink5.connect_rate = Rate { interval: Duration::from_secs(3600), burst: 2 };
    let gateway = open(config);
    let addr = gateway.local_addr();
    for status in [None, None, Some(429), Some(429)] {
        assert_eq!(refusal(addr, "/?ugi=chess", None).await, status);
    }
    assert_eq!(refusal(addr, "/", None).await, None, "another protocol");
}

#[tokio::test]
async fn unknown_paths_and_protocols_that_are_off_are_not_found() {
    let gateway = open(native_only());
    let addr = gateway.local_addr();
    let off = ["/elsewhere", "/?ugi=", "/peerjs/id"].into_iter();
    for target in off.chain(OTHERS.map(|(target, ..)| target)) {
        assert_eq!(refusal(addr, target, None).await, Some(404), "{target}");
        let answer = get(addr, target).await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn plain_http_on_the_path_of_a_websocket_is_told_to_upgrade() {
    let gateway = open(GatewayConfig::default());
    for target in ["/", "/godot"].into_iter().chain(OTHERS.map(|(target, ..)| target)) {
        let answer = get(gateway.local_addr(), target).await;
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn pages_from_elsewhere_are_turned_away_where_origins_are_listed() {
    let origins = vec!["https://example.com".parse().unwrap()];
    let gateway = open(GatewayConfig { origins, ..native_only() });
    let addr = gateway.local_addr();
    assert_eq!(refusal(addr, "/", Some("https://evil.example")).await, Some(403));
    assert_eq!(refusal(addr, "/", Some("https://EXAMPLE.com")).await, None);
    assert_eq!(refusal(addr, "/", None).await, None);
}

#[tokio::test]
async fn shutdown_frees_the_port_and_ends_everything() {
    let gateway = open(native_only());
    let mut socket = Socket::connect(gateway.local_addr()).await;
    let port = gateway.local_addr().port();
    gateway.shutdown();
    Listener::bind("127.0.0.1", port).unwrap();
    assert_eq!(socket.closed().await, super::support::closed(1001, "Server shutting down"));
    drop(socket);
    soon(gateway.closed()).await;
    assert_eq!(gateway.connection_count(), 0);
}
