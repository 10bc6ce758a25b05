//! Rooms.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use signaling_core::{Cause, Close, ConnId, Frame, Input, Server, Session, SessionInput};
use signaling_protocols::rooms::wire::{Kind, Message};
use signaling_protocols::rooms::{
    Channel, Media, Participant, RoomOptions, RoomRequest, RoomServer, RoomSession, Settings,
};

use super::{ROUNDS, mutate};

const SIGNALS: [&str; 10] = [
    r#"{"action":"join","data":{"s":"JOIN","ch":"m2m","rid":"r","ss":{"userId":"a","sessionId":"1","host":"Web"},"ve":true,"op":{"roomCreating":true}}}"#,
    r#"{"action":"join","data":{"s":"JOIN","ch":"m2m","rid":"r","uid":"b","eg":"native"}}"#,
    r#"{"action":"heartbeat","data":{"s":"HEARTBEAT","ch":"m2m","rid":"r","uid":"b","bid":"1","send_ack":true}}"#,
    r#"{"action":"publishRequest","data":{"s":"PUBLISH_REQUEST","ch":"m2m","rid":"r","uid":"b","msg":"\ud83d\ude00"}}"#,
    r#"{"action":"publishAccept","data":{"s":"PUBLISH_ACCEPT","ch":"m2m","rid":"r","ss":{"userId":"a","sessionId":"1"},"to":"b"}}"#,
    r#"{"action":"offer","data":{"s":"OFFER","ch":"m2m","rid":"r","uid":"b","to":{"userId":"a","sessionId":"1"},"sdp":"v=0\r\n"}}"#,
    r#"{"action":"kick","data":{"s":"KICK","ch":"m2m","rid":"r","uid":"b","to":"a"}}"#,
    r#"{"action":"updateVideo","data":{"s":"UPDATE","ch":"m2m","rid":"r","uid":"b","ve":true,"ae":false}}"#,
    r#"{"action":"leave","data":{"s":"LEAVE","ch":"m2m","rid":"r","uid":"b"}}"#,
    r#"{"action":"iceCandidate","data":{"s":"ICE","ch":"m2m","rid":"r","uid":"b","to":"a","sdp":"candidate:1"}}"#,
];

const ACKS: [&str; 8] = [
    r#"{"c":200,"s":"JOIN","b":{"pps":[{"id":"1","userId":"a","sessionId":"1","role":"admin","video":true}],"rid":"r","pt":"viewer","eg":"native","es":{"icfg":{"is":["stun:a"]}}}}"#,
    r#"{"c":200,"b":{"s":"JOIN_ACK","d":{"pps":[{"id":"a"}],"rid":"r","pt":"publisher","icfg":{"is":[]}}},"ch":"m2m"}"#,
    r#"{"c":200,"s":"PUBLISH_LIST_CHANGED","ch":"m2m","b":{"s":"PUBLISH_LIST_CHANGED_ACK","d":{"publisher":[],"rid":"r"},"pps":[],"rid":"r"}}"#,
    r#"{"c":200.0,"s":"HEARTBEAT","b":{"pps":[],"rid":"r","bid":"1"}}"#,
    r#"{"c":4001,"s":"HEARTBEAT","b":{"req":{},"msg":"room not found"}}"#,
    r#"{"c":500,"s":"JOIN","b":{"req":{},"msg":"limit reached"}}"#,
    r#"{"s":"KICK","ch":"m2m","rid":"r","uid":"b","to":"me"}"#,
    r#"{"s":"ANSWER","ch":"m2m","rid":"r","uid":"b","to":"me","sdp":"v=0"}"#,
];

#[test]
fn no_signal_upsets_a_server_of_rooms() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut now = Instant::now();
    let mut server = RoomServer::new(Settings::default(), StdRng::seed_from_u64(1));
    for round in 0..ROUNDS / 4 {
        now += Duration::from_millis(rng.random_range(0..300));
        server.handle_input(now, Input::Timeout);
        let conn = ConnId(round as u64 / 16);
        if round % 16 == 0 {
            let targets = ["/room", "/room?ack=v1", "/room?ack=both"];
            let target = targets.choose(&mut rng).expect("not empty");
            server.handle_input(now, Input::Opened { conn, target, from: "" });
        }
        let signal = SIGNALS.choose(&mut rng).expect("not empty");
        let bytes = mutate(&mut rng, signal.as_bytes());
        let frame = str::from_utf8(&bytes).map_or(Frame::Binary(&bytes), Frame::Text);
        let message = RoomServer::decode(frame);
        check_survival(&message);
        server.handle_input(now, Input::Message { conn, message });
        if round % 16 == 15 {
            server.handle_input(now, Input::Closed { conn });
        }
        while server.poll_output().is_some() {}
    }
}

/// What is understood is written so that it is understood as the same.
fn check_survival(message: &Message<'_>) {
    if let Message::Request(request) = message
        && let Some(signal) = &request.signal
    {
        let text = signal.encode();
        let Message::Request(again) = Message::decode(Frame::Text(&text)) else {
            panic!("{text} leads nowhere")
        };
        assert_eq!(again.signal.as_ref(), Some(signal), "{text}");
    }
}

#[test]
fn nothing_that_is_heard_upsets_a_session_in_a_room() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut now = Instant::now();
    let mut session = session(0);
    for round in 0..ROUNDS / 4 {
        now += Duration::from_millis(rng.random_range(0..1000));
        session.handle_input(now, SessionInput::Timeout);
        if round % 64 == 0 {
            session = self::session(round as u64);
            session.handle_input(now, SessionInput::Opened);
        }
        match rng.random_range(0..10) {
            0 => session.handle_input(now, SessionInput::Request(request(&mut rng))),
            1 if round % 3 == 0 => {
                let close = Close::abnormal("lost");
                session.handle_input(now, SessionInput::Closed { close, cause: Cause::Lost });
                session.handle_input(now, SessionInput::Opened);
            }
            _ => {
                let ack = ACKS.choose(&mut rng).expect("not empty");
                let bytes = mutate(&mut rng, ack.as_bytes());
                let frame = str::from_utf8(&bytes).map_or(Frame::Binary(&bytes), Frame::Text);
                session.handle_input(now, SessionInput::Frame(frame));
            }
        }
        while session.poll_output().is_some() {}
    }
}

fn session(seed: u64) -> RoomSession {
    let options = RoomOptions {
        channel: Channel::Group,
        room: "r".into(),
        me: Participant::new("me", "1"),
        ..RoomOptions::default()
    };
    RoomSession::new(options, StdRng::seed_from_u64(seed))
}

fn request(rng: &mut StdRng) -> RoomRequest {
    let to = Some(Participant::new("a", "1").into());
    match rng.random_range(0..6) {
        0 => RoomRequest::Recover,
        1 => RoomRequest::Say(Kind::Leave),
        2 => RoomRequest::Say(Kind::Offer { to, sdp: "v=0".into(), is_restart: false }),
        3 => RoomRequest::Say(Kind::Candidate { to, sdp: "candidate:1".into() }),
        _ => RoomRequest::Say(Kind::Join { media: Media::default(), is_creating: true }),
    }
}
