//! Garbage through every public decoder: nothing panics, and what is encoded decodes to the same.
//!
//! Inputs are real frames, mutated with a fixed seed, so that a failure repeats itself.

mod cloudlink5;
mod rooms;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use signaling_core::overview::Overview;
use signaling_core::wall_clock::WallClock;
use signaling_core::{ConnId, Frame, Input, PeerId, Server, Session, SessionInput};
use signaling_protocols::calling::wire::{
    ClientMessage as ClientStanza, ServerMessage as ServerStanza,
};
use signaling_protocols::calling::{
    self, CallingServer, CallingSession, Event, Naming, Request, Status,
};
use signaling_protocols::godot::wire::{ClientMessage, ServerMessage, escape};
use signaling_protocols::godot::{
    GodotServer, GodotSession, RelayKind, SessionOptions, Settings, Topology,
};
use signaling_protocols::omega::{
    self, LateServer, Numbering, OmegaSession, SeedServer, late, seed,
};

use crate::document::frames;

const GODOT_FRAMES: [&str; 8] = [
    r#"{"type":0,"id":0,"data":""}"#,
    r#"{"type":0.0,"id":1e3,"data":"AbCdEfGhIjKlMnOp"}"#,
    r#"{"type":1,"id":2147483647,"data":"true"}"#,
    r#"{"type":4,"id":1,"data":"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"}"#,
    r#"{"type":6,"id":2,"data":"\n0\n0\ncandidate:1 1 udp 1 127.0.0.1 9 typ host \ud83d\ude00"}"#,
    r#"{"type":7,"id":-0,"data":null,"data":"\u0000"}"#,
    r#"{"type":5,"id":3,"data":{"a":[[[["]"]]]]},"t\u0079pe":4}"#,
    r#"[{"type":7}]"#,
];

/// What makes JSON interesting.
const TOKENS: [&str; 16] = [
    "{", "}", "[", "]", "\"", "\\", ":", ",", "null", "-", "1e999", "\\u", "\\ud800", "é", "\n",
    "\0",
];

const ROUNDS: usize = 200_000;

#[test]
fn no_frame_upsets_the_godot_protocol() {
    let mut rng = StdRng::seed_from_u64(1);
    let now = Instant::now();
    let mut server = GodotServer::new(Settings::default(), StdRng::seed_from_u64(1));
    let mut session = GodotSession::new(SessionOptions::default(), StdRng::seed_from_u64(1));
    session.handle_input(now, SessionInput::Opened);
    for round in 0..ROUNDS {
        let frame = GODOT_FRAMES.choose(&mut rng).expect("not empty");
        let bytes = mutate(&mut rng, frame.as_bytes());
        let frame = str::from_utf8(&bytes).map_or(Frame::Binary(&bytes), Frame::Text);

        let conn = ConnId(round as u64 / 4);
        if round % 4 == 0 {
            server.handle_input(now, Input::Opened { conn, target: "/", from: "" });
        }
        server.handle_input(now, Input::Message { conn, message: GodotServer::decode(frame) });
        if round % 4 == 3 {
            server.handle_input(now, Input::Closed { conn });
        }
        session.handle_input(now, SessionInput::Frame(frame));
        while server.poll_output().is_some() || session.poll_output().is_some() {}
    }
    assert_eq!(server.lobbies().count(), 0, "everybody has left");
}

/// Every stanza that calling knows, and odd ones.
const CALLING_STANZAS: [&str; 40] = [
    r#"{"type":"status","tid":1,"status":{"a":[1e999,"\ud800"]}}"#,
    r#"{"type":"ns_subscribe","tid":1.5,"namespace":"n"}"#,
    r#"{"type":"ns_unsubscribe","namespace":"n"}"#,
    r#"{"type":"ns_user_register","tid":2,"namespace":"n"}"#,
    r#"{"type":"ns_user_unregister","tid":2,"namespace":"n"}"#,
    r#"{"type":"ns_room_register","tid":2,"namespace":"n","room":"r"}"#,
    r#"{"type":"ns_room_unregister","tid":2,"namespace":"n","room":"r"}"#,
    r#"{"type":"room_join","tid":3,"room":"r","status":{"b":null}}"#,
    r#"{"type":"room_join","tid":4,"status":[1,2]}"#,
    r#"{"type":"room_leave","tid":5,"room":"r"}"#,
    r#"{"type":"room_status","room":"r","key":"k","value":1,"check":true,"previous":[{"a":1}]}"#,
    r#"{"type":"room_peer_status","tid":6,"room":"r","status":null}"#,
    r#"{"type":"room_peer_update","tid":6,"room":"r","pending":false,"status":{}}"#,
    r#"{"type":"room_peer_to","tid":7,"room":"r","user":"u","event":"e","data":{"x":"\n"}}"#,
    r#"{"type":"invite_send","tid":8,"room":"r","user":"u","data":[]}"#,
    r#"{"type":"invite_cancel","tid":9,"handle":0}"#,
    r#"{"type":"invite_accept","tid":10,"handle":1e0,"status":{}}"#,
    r#"{"type":"invite_deny","tid":11,"handle":-1e300}"#,
    r#"{"type":"ping","tid":12}"#,
    r#"{"type":"remote_ping","tid":13,"time":1e308}"#,
    r#"{"type":"remote_timeout","tid":14,"time":99999999}"#,
    r#"{"type":"hello","id":"u","server":"s"}"#,
    r#"{"type":"answer","tid":0,"data":{"room":"r","peers":{"u":{"pending":true}},"status":{}}}"#,
    r#"{"type":"answer","tid":1,"data":{"users":{"u":{}},"rooms":{"r":{"status":{},"peers":{}}}}}"#,
    r#"{"type":"answer","tid":2,"error":"Limit reached"}"#,
    r#"{"type":"error","error":"Unknown command"}"#,
    r#"{"type":"ns_user_add","namespace":"n","user":"u","status":{"a":1}}"#,
    r#"{"type":"user_update","namespace":"n","user":"u","status":{"a":1}}"#,
    r#"{"type":"ns_room_add","namespace":"n","room":"r","status":{},"peers":{"u":{"pending":true}}}"#,
    r#"{"type":"ns_room_user_add","namespace":"n","room":"r","user":"u","status":{},"pending":true}"#,
    r#"{"type":"ns_room_peer_update","namespace":"n","room":"r","user":"u","pending":false}"#,
    r#"{"type":"room_update","room":"r","status":{"k":"v"}}"#,
    r#"{"type":"room_peer_rm","room":"r","user":"u"}"#,
    r#"{"type":"room_peer_from","room":"r","user":"u","event":"e","data":null}"#,
    r#"{"type":"invite_incoming","handle":0,"user":"u","status":{},"data":{"a":[]}}"#,
    r#"{"type":"invite_incoming","handle":0,"room":"r","peers":{},"status":{},"sender":"u","data":1}"#,
    r#"{"type":"invite_response","handle":3,"accepted":true}"#,
    r#"{"type":"invite_cancelled","handle":4.0}"#,
    r#"[[[["type"]]]]"#,
    "null",
];

#[test]
fn no_stanza_upsets_calling() {
    let mut rng = StdRng::seed_from_u64(5);
    let mut now = Instant::now();
    let settings = calling::Settings::default();
    let mut server = CallingServer::new(settings, StdRng::seed_from_u64(5));
    let mut session = CallingSession::new(calling::client::SessionOptions::default());
    session.handle_input(now, SessionInput::Opened);
    for round in 0..ROUNDS / 5 {
        now += Duration::from_millis(rng.random_range(0..1000));
        server.handle_input(now, Input::Timeout);
        let conn = ConnId(round as u64 / 16);
        if round % 16 == 0 {
            server.handle_input(now, Input::Opened { conn, target: "/calling", from: "" });
        }
        let stanza = CALLING_STANZAS.choose(&mut rng).expect("not empty");
        let bytes = mutate(&mut rng, stanza.as_bytes());
        let frame = str::from_utf8(&bytes).map_or(Frame::Binary(&bytes), Frame::Text);
        let message = CallingServer::decode(frame);
        if let ClientStanza::Request { request: Ok(request), .. } = &message {
            check_request_survival(request);
        }
        server.handle_input(now, Input::Message { conn, message });
        if round % 16 == 15 {
            server.handle_input(now, Input::Closed { conn });
        }

        if round % 4 == 0 {
            let request = Box::new(Request::Join { room: None, status: Status::default() });
            let ask = calling::ClientRequest::Ask { ticket: 0, request };
            session.handle_input(now, SessionInput::Request(ask));
        }
        session.handle_input(now, SessionInput::Frame(frame));
        if let Some(ServerStanza::Event { event, .. }) = ServerStanza::decode(frame) {
            check_event_survival(&event);
        }
        while server.poll_output().is_some() || session.poll_output().is_some() {}
    }
    server.handle_input(now, Input::Shutdown);
    while server.poll_output().is_some() {}
    assert_eq!(server.poll_timeout(), None);
}

/// What is understood is written so that it is understood as the same.
fn check_request_survival(request: &Request) {
    // Times are written in whole milliseconds.
    if matches!(request, Request::RemotePing { .. } | Request::RemoteTimeout { .. }) {
        return;
    }
    let expected = ClientStanza::Request { tid: None, request: Ok(request.clone()) };
    assert_eq!(CallingServer::decode(Frame::Text(&request.encode(None))), expected);
}

fn check_event_survival(event: &Event) {
    for text in event.encode(Naming::Both) {
        let Some(ServerStanza::Event { event: again, .. }) =
            ServerStanza::decode(Frame::Text(&text))
        else {
            panic!("{text} is no event");
        };
        assert_eq!(again, *event);
    }
}

/// The documented messages with damage inside of their `data`, which is JSON text of its own.
#[test]
fn no_data_upsets_the_extended_protocol() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut now = Instant::now();
    let to_server = frames("Messages to the server");
    let to_client = frames("Messages to the client");
    let mut server = GodotServer::new(Settings::default(), StdRng::seed_from_u64(3));
    let mut session = GodotSession::new(SessionOptions::default(), StdRng::seed_from_u64(3));
    session.handle_input(now, SessionInput::Opened);
    for round in 0..ROUNDS / 5 {
        now += Duration::from_millis(rng.random_range(0..1000));
        server.handle_input(now, Input::Timeout);
        let conn = ConnId(round as u64 / 32);
        if round % 32 == 0 {
            server.handle_input(now, Input::Opened { conn, target: "/", from: "" });
            let hello = GodotServer::decode(Frame::Text(HELLO));
            server.handle_input(now, Input::Message { conn, message: hello });
        }
        let (_, frame) = to_server.choose(&mut rng).expect("not empty");
        let frame = damage_data(&mut rng, frame);
        let message = GodotServer::decode(Frame::Text(&frame));
        check_survival(&message);
        server.handle_input(now, Input::Message { conn, message });

        if round % 32 == 31 {
            server.handle_input(now, Input::Closed { conn });
        }

        let (_, frame) = to_client.choose(&mut rng).expect("not empty");
        let frame = damage_data(&mut rng, frame);
        session.handle_input(now, SessionInput::Frame(Frame::Text(&frame)));
        if let Some(message) = ServerMessage::decode(Frame::Text(&frame)) {
            assert_eq!(ServerMessage::decode(Frame::Text(&message.encode())), Some(message));
        }
        while server.poll_output().is_some() || session.poll_output().is_some() {}
    }
}

const HELLO: &str = r#"{"type":8,"id":0,"data":"{\"version\":1}"}"#;

/// What is understood is written so that it is understood as the same.
fn check_survival(message: &ClientMessage<'_>) {
    let is_sound = match message {
        ClientMessage::Hello(hello) => hello.is_ok(),
        ClientMessage::Request { request, .. } => request.is_ok(),
        ClientMessage::Link { peer, .. } => peer.is_some(),
        _ => true,
    };
    if is_sound {
        assert_eq!(&ClientMessage::decode(Frame::Text(&message.encode())), message);
    }
}

fn damage_data(rng: &mut StdRng, frame: &str) -> String {
    let mut frame: Value = serde_json::from_str(frame).expect("the examples are JSON");
    let data = frame["data"].as_str().unwrap_or_default().to_owned();
    frame["data"] = String::from_utf8_lossy(&mutate(rng, data.as_bytes())).into();
    frame.to_string()
}

#[test]
fn godot_messages_survive_the_wire() {
    let mut rng = StdRng::seed_from_u64(2);
    for _ in 0..20_000 {
        let text = random_text(&mut rng);
        let peer = PeerId::draw(&mut rng, |_| false);
        let kind =
            [RelayKind::Offer, RelayKind::Answer, RelayKind::Candidate][rng.random_range(0..3)];
        let topology = [Topology::Mesh, Topology::ClientServer][rng.random_range(0..2)];

        let raw = &escape(&text);
        for message in [
            ClientMessage::Relay { kind, to: Some(peer), data: raw },
            ClientMessage::Join { lobby: format!("x{text}").into() },
            ClientMessage::Create { topology },
        ] {
            assert_eq!(ClientMessage::decode(Frame::Text(&message.encode())), message);
        }
        for message in [
            ServerMessage::Relayed { kind, from: peer, data: text.as_str().into() },
            ServerMessage::Joined { lobby: text.as_str().into() },
            ServerMessage::Identified { id: peer, topology },
            ServerMessage::PeerConnected(peer),
            ServerMessage::PeerDisconnected(peer),
        ] {
            assert_eq!(ServerMessage::decode(Frame::Text(&message.encode())), Some(message));
        }
    }
}

const OMEGA_FRAMES: [&str; 12] = [
    r#"{"opcode":2,"payload":"Ada"}"#,
    r#"{"opcode":3,"payload":"0192a3b4-c5d6-4000-8000-000000000001"}"#,
    r#"{"opcode":4,"payload":1.5}"#,
    r#"{"opcode":4,"payload":{"lobby_id":"a","max_peers":2.0,"password":"\u00e9"}}"#,
    r#"{"opcode":5,"payload":"a"}"#,
    r#"{"opcode":7.0}"#,
    r#"{"opcode":11,"payload":{"type":"offer","sdp":"v=0\r\n"},"tx":"b"}"#,
    r#"{"opcode":12,"payload":{"candidate":"c","sdpMid":"0","sdpMLineIndex":0},"tx":{"id":"b","username":"B"}}"#,
    r#"{"opcode":15,"payload":{"type":"answer","sdp":"v=0"},"tx":"b"}"#,
    r#"{"opcode":14,"payload":[[[]]],"rx":"0192a3b4-c5d6-4000-8000-000000000001"}"#,
    r#"{"opcode":35,"payload":{"id":1,"name":"chat","ordered":true},"tx":{"id":"b"},"rx":null}"#,
    r#"{"opcode":20,"payload":"b"}"#,
];

#[test]
fn no_frame_upsets_omega() {
    let (settings, clock) = (omega::Settings::default(), WallClock::new(now(), Duration::ZERO));
    let rng = || StdRng::seed_from_u64(4);
    let client = |numbering| OmegaSession::new(numbering, "Ada");
    hammer(OMEGA_FRAMES, SeedServer::new(settings.clone(), rng()), client(Numbering::Seed));
    hammer(OMEGA_FRAMES, LateServer::new(settings, rng(), clock), client(Numbering::Late));
}

/// Damaged frames for a server, four for each connection after the first frame undamaged, and for a
/// client.
fn hammer(
    frames: impl AsRef<[&'static str]>,
    mut server: impl Overview,
    mut session: impl Session,
) {
    let (mut rng, mut now) = (StdRng::seed_from_u64(5), now());
    session.handle_input(now, SessionInput::Opened);
    for round in 0..ROUNDS / 4 {
        now += Duration::from_millis(rng.random_range(0..100));
        server.handle_input(now, Input::Timeout);
        let frame = frames.as_ref().choose(&mut rng).expect("not empty");
        let bytes = mutate(&mut rng, frame.as_bytes());
        let frame = str::from_utf8(&bytes).map_or(Frame::Binary(&bytes), Frame::Text);
        let conn = ConnId(round as u64 / 4);
        if round % 4 == 0 {
            server.handle_input(now, Input::Opened { conn, target: "/ws/game", from: "" });
            let hello = decode(&server, Frame::Text(frames.as_ref()[0]));
            server.handle_input(now, Input::Message { conn, message: hello });
        }
        let message = decode(&server, frame);
        server.handle_input(now, Input::Message { conn, message });
        if round % 4 == 3 {
            server.handle_input(now, Input::Closed { conn });
        }
        session.handle_input(now, SessionInput::Frame(frame));
        while server.poll_output().is_some() || session.poll_output().is_some() {}
    }
    assert!(server.lobbies().is_empty(), "everybody has left");
}

fn decode<'a, S: Server>(_: &S, frame: Frame<'a>) -> S::Message<'a> {
    S::decode(frame)
}

fn now() -> Instant {
    Instant::now()
}

#[test]
fn omega_messages_survive_the_wire() {
    let mut rng = StdRng::seed_from_u64(6);
    for _ in 0..10_000 {
        let (text, kind) = (random_text(&mut rng), rng.random_range(0..5_usize));
        let payload = escape(&text);
        let payload = Some(&*payload);
        check_seed_numbering(&text, payload, kind);
        check_late_numbering(&text, payload, kind, rng.random());
    }
}

fn check_seed_numbering(text: &str, payload: Option<&str>, kind: usize) {
    use seed::wire::{ClientMessage, Relay, ServerMessage};
    let (kind, payload) = match kind {
        0 => (Relay::Offer, payload),
        1 => (Relay::Acceptance, payload),
        2 => (Relay::Answer, payload),
        3 => (Relay::Check, None),
        _ => (Relay::Ready, None),
    };
    let given = || Some(text.into());
    for message in [
        ClientMessage::ConfigHost { lobby: given() },
        ClientMessage::ConfigPeer { lobby: given() },
        ClientMessage::Relay { kind, payload, to: given() },
        ClientMessage::ShutdownWarning { suspect: given() },
    ] {
        assert_eq!(ClientMessage::decode(Frame::Text(&message.encode())), message);
    }
    for message in [
        ServerMessage::Violation(text.into()),
        ServerMessage::NewPeer(text.into()),
        ServerMessage::Relayed { kind, payload, from: text.into() },
        ServerMessage::ShutdownAck(text.into()),
    ] {
        assert_eq!(ServerMessage::decode(Frame::Text(&message.encode())), Some(message));
    }
}

fn check_late_numbering(text: &str, payload: Option<&str>, kind: usize, number: i32) {
    use late::wire::{ClientMessage, LobbyConfig, LobbyOffer, Payload, Relay, ServerMessage, User};
    let kind = [Relay::Offer, Relay::Answer, Relay::Candidate][kind % 3];
    let (max_peers, given) = (number.into(), || text.to_owned());
    let config = LobbyConfig {
        lobby_id: given(),
        allow_host_reclaim: number % 2 == 0,
        max_peers,
        password: given(),
        ..LobbyConfig::default()
    };
    let given_payload = payload.map_or(Payload::Missing, Payload::Given);
    for message in [
        ClientMessage::Init(Payload::Given(text.into())),
        ClientMessage::ConfigHost(Payload::Given(config)),
        ClientMessage::Relay { kind, payload: given_payload, to: None },
    ] {
        assert_eq!(ClientMessage::decode(Frame::Text(&message.encode())), message);
    }
    let user = || User { id: given(), username: given() };
    let offer = LobbyOffer { id: given(), lobby_id: given(), max_peers, ..LobbyOffer::default() };
    for message in [
        ServerMessage::NewHost(offer),
        ServerMessage::NewPeer(user()),
        ServerMessage::Relayed { kind, payload, from: user() },
        ServerMessage::LobbyClose(text.into()),
    ] {
        assert_eq!(ServerMessage::decode(Frame::Text(&message.encode())), Some(message));
    }
}

/// A few random edits.
fn mutate(rng: &mut StdRng, input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..rng.random_range(0..4) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len());
        match rng.random_range(0..5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let token = TOKENS.choose(rng).expect("not empty").bytes();
                bytes.splice(at..at, token);
            }
            3 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                if let Some(byte) = bytes.iter_mut().choose(rng) {
                    *byte = rng.random();
                }
            }
        }
    }
    bytes
}

fn random_text(rng: &mut StdRng) -> String {
    (0..rng.random_range(0..20))
        .map(|_| match rng.random_range(0..4) {
            0 => char::from(rng.random_range(0..128_u8)),
            1 => *['"', '\\', '/', '\n', '{', '\u{2028}'].choose(rng).expect("not empty"),
            _ => rng.random(),
        })
        .collect()
}
