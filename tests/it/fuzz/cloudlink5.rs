//! CloudLink 5: both servers, both sessions, and what comes over data channels.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use signaling_core::wall_clock::WallClock;
use signaling_core::{ConnId, Frame, Input, Server, Session, SessionInput};
use signaling_protocols::cloudlink5::channels::{Heard, Link, Packet, Shared, Side};
use signaling_protocols::cloudlink5::peer_server::{self, PeerServer, PeerSession, Serialization};
use signaling_protocols::cloudlink5::wire::{ClientMessage, ServerMessage};
use signaling_protocols::cloudlink5::{CloudLink5Server, LobbyOptions, LobbySession, Settings};

use super::mutate;

const ROUNDS: usize = 30_000;

const LOBBY_FRAMES: [&str; 14] = [
    r#"{"opcode":"INIT","payload":{"username":"Ada","token":"let me in","pubkey":"MFkw"}}"#,
    r#"{"opcode":"CREATE_LOBBY","payload":{"name":"a","max_players":-1.0,"password":"","locked":false,"enable_relay":true}}"#,
    r#"{"opcode":"JOIN_LOBBY","payload":{"name":"a","password":"\ud83d\ude00"}}"#,
    r#"{"opcode":"FIND_LOBBY","payload":{"name":"a"}}"#,
    r#"{"opcode":"MANAGE_LOBBY","payload":{"method":"change_max_players","args":1e3}}"#,
    r#"{"opcode":"MANAGE_LOBBY","payload":{"method":"kick","args":"someone"}}"#,
    r#"{"opcode":"KEEPALIVE","payload":null}"#,
    r#"{"opcode":"INIT_OK","payload":{"instance_id":"i","user_id":"u","username":"n"}}"#,
    r#"{"opcode":"FIND_ACK","payload":{"host":{"instance_id":"i","user_id":"u","username":"n"},"max_players":1,"current_players":0,"currently_locked":false,"password_required":true,"relay_enabled":false}}"#,
    r#"{"opcode":"LIST_ACK","payload":["a","b"]}"#,
    r#"{"opcode":"JOIN_ACK","payload":"not found"}"#,
    r#"{"opcode":"TRANSITION","payload":""}"#,
    r#"{"opcode":"NEW_PEER","payload":{"instance_id":"i","user_id":"u","username":"n","pubkey":"k"}}"#,
    r#"{"opcode":"VIOLATION","payload":"[[[{{{"}"#,
];

#[test]
fn no_frame_upsets_the_lobbies_of_cloudlink_5() {
    let (mut rng, now) = (StdRng::seed_from_u64(5), Instant::now());
    let clock = WallClock::new(now, Duration::ZERO);
    let mut server = CloudLink5Server::new(Settings::default(), StdRng::seed_from_u64(5), clock);
    let mut session = LobbySession::new(LobbyOptions::named("Ada"));
    session.handle_input(now, SessionInput::Opened);
    for round in 0..ROUNDS {
        let frame = LOBBY_FRAMES.choose(&mut rng).expect("not empty");
        let bytes = mutate(&mut rng, frame.as_bytes());
        let frame = str::from_utf8(&bytes).map_or(Frame::Binary(&bytes), Frame::Text);

        let conn = ConnId(round as u64 / 8);
        if round % 8 == 0 {
            server.handle_input(now, Input::Opened { conn, target: "/?ugi=game", from: "" });
            let message = CloudLink5Server::decode(Frame::Text(LOBBY_FRAMES[0]));
            server.handle_input(now, Input::Message { conn, message });
        }
        let message = CloudLink5Server::decode(frame);
        check_survival(&message);
        server.handle_input(now, Input::Message { conn, message });
        if round % 8 == 7 {
            server.handle_input(now, Input::Closed { conn });
        }
        session.handle_input(now, SessionInput::Frame(frame));
        if let Some(message) = ServerMessage::decode(frame) {
            let text = message.encode();
            assert_eq!(ServerMessage::decode(Frame::Text(&text)), Some(message));
        }
        while server.poll_output().is_some() || session.poll_output().is_some() {}
    }
    server.assert_consistent();
}

/// What is understood is written so that it is understood as the same.
fn check_survival(message: &ClientMessage<'_>) {
    use signaling_protocols::cloudlink5::Manage;
    let is_sound = matches!(
        message,
        ClientMessage::Keepalive
            | ClientMessage::ListLobbies
            | ClientMessage::FindLobby(_)
            | ClientMessage::Init(Ok(_))
            | ClientMessage::CreateLobby(Ok(_))
            | ClientMessage::JoinLobby(Ok(_))
            | ClientMessage::ManageLobby(Ok(_))
    );
    if is_sound && !matches!(message, ClientMessage::ManageLobby(Ok(Manage::Impossible(_)))) {
        assert_eq!(&ClientMessage::decode(Frame::Text(&message.encode())), message);
    }
}

const PEER_FRAMES: [&str; 8] = [
    r#"{"type":"HEARTBEAT"}"#,
    r#"{"type":"OFFER","src":"b","dst":"a","payload":{"sdp":{"type":"offer","sdp":"v=0\r\n"},"type":"data","connectionId":"dc_1","label":"default","reliable":true,"serialization":"binary"}}"#,
    r#"{"type":"ANSWER","src":"a","dst":"b","payload":{"sdp":{"type":"answer","sdp":"v=0"},"type":"data","connectionId":"dc_1"}}"#,
    r#"{"type":"CANDIDATE","src":"b","dst":"nobody","payload":{"candidate":{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0},"type":"data","connectionId":"dc_1"}}"#,
    r#"{"type":"LEAVE","src":"b","dst":"a"}"#,
    r#"{"type":"LEAVE"}"#,
    r#"{"type":"ERROR","payload":{"msg":"because"}}"#,
    r#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#,
];

#[test]
fn no_frame_upsets_the_peer_server() {
    let (mut rng, mut now) = (StdRng::seed_from_u64(6), Instant::now());
    let mut server = PeerServer::new(peer_server::Settings::default());
    let mut session = PeerSession::new(StdRng::seed_from_u64(6));
    session.handle_input(now, SessionInput::Opened);
    for round in 0..ROUNDS {
        now += Duration::from_millis(rng.random_range(0..200));
        server.handle_input(now, Input::Timeout);
        session.handle_input(now, SessionInput::Timeout);
        let frame = PEER_FRAMES.choose(&mut rng).expect("not empty");
        let bytes = mutate(&mut rng, frame.as_bytes());
        let frame = str::from_utf8(&bytes).map_or(Frame::Binary(&bytes), Frame::Text);

        let conn = ConnId(round as u64 / 8);
        if round % 8 == 0 {
            let target = mutate(&mut rng, b"/peerjs?key=peerjs&id=a&token=t");
            let target = String::from_utf8_lossy(&target);
            server.handle_input(now, Input::Opened { conn, target: &target, from: "" });
        }
        server.handle_input(now, Input::Message { conn, message: PeerServer::decode(frame) });
        if round % 16 == 15 {
            server.handle_input(now, Input::Closed { conn });
        }
        session.handle_input(now, SessionInput::Frame(frame));
        while server.poll_output().is_some() || session.poll_output().is_some() {}
    }
}

const PACKETS: [&str; 8] = [
    r#"{"opcode":"G_MSG","payload":{"a":[1,"b"]}}"#,
    r#"{"opcode":"P_VAR","payload":1,"id":"variable"}"#,
    r#"{"opcode":"G_LIST","payload":[1,2],"id":"list","method":"set"}"#,
    r#"{"opcode":"G_LIST","payload":{"property":"9","value":3},"id":"list","method":"replace"}"#,
    r#"{"opcode":"P_LIST","payload":99,"id":"list","method":"length"}"#,
    r#"{"opcode":"NEW_CHAN","payload":{"id":3,"label":"chat","ordered":true}}"#,
    r#"{"opcode":"HANGUP"}"#,
    r#"{"opcode":"DECLINE","payload":null}"#,
];

#[test]
fn nothing_on_a_data_channel_upsets_a_link() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut shared = Shared::default();
    shared.share_variable("variable", None, "0").unwrap();
    shared.share_list("list", None, Vec::new()).unwrap();
    for round in 0..ROUNDS {
        let serialization = [Serialization::Raw, Serialization::Binary, Serialization::Json];
        let serialization = serialization[round % 3];
        let mut writer = Link::new(Side::Offering, serialization);
        let mut reader = Link::new(Side::Answering, serialization);
        let packet = PACKETS.choose(&mut rng).expect("not empty");
        let text = mutate(&mut rng, packet.as_bytes());
        let Some(packet) = Packet::decode(&String::from_utf8_lossy(&text)) else { continue };
        assert_eq!(Packet::decode(&packet.encode()).as_ref(), Some(&packet));

        let label = ["default", "chat"][round % 2];
        for piece in writer.write(label, &packet) {
            let data = mutate(&mut rng, &piece.data);
            if let Heard::Packet(packet) = reader.read(label, &data, rng.random()) {
                shared.hear("peer", packet);
            }
        }
    }
}
