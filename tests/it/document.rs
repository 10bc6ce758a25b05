//! `docs/protocol.md` and the code say the same about the extended protocol.

use std::fs;
use std::path::Path;

use serde_json::json;
use signaling_core::Frame;
use signaling_protocols::godot::extended::{Json, Problem, limits};
use signaling_protocols::godot::wire::{ClientMessage, ServerMessage};

/// The cells of the table under a heading, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let document = fs::read_to_string(path).unwrap();
    let (_, section) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(cells).collect()
}

fn cells(row: &str) -> Vec<String> {
    row.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect()
}

/// The frames of a table of messages, each with its name.
pub(crate) fn frames(heading: &str) -> Vec<(String, String)> {
    let frame = |row: Vec<String>| {
        let kind: u64 = row[0].parse().unwrap();
        let id =
            row[2].parse().unwrap_or_else(|_| if row[2].starts_with("who set it") { 0 } else { 3 });
        let data = row[3].trim_matches('`');
        (row[1].clone(), json!({"type": kind, "id": id, "data": data}).to_string())
    };
    table(heading).into_iter().map(frame).collect()
}

/// Equal as JSON, the text in `data` too.
#[track_caller]
fn check(name: &str, written: &str, frame: &str) {
    let parts = |text: &str| {
        let mut frame: serde_json::Value = serde_json::from_str(text).unwrap();
        let data = frame["data"].take();
        (frame.to_string(), Json::parse(data.as_str().unwrap()).unwrap())
    };
    assert_eq!(parts(written), parts(frame), "{name}");
}

#[test]
fn every_message_to_the_server_is_read_and_written_as_documented() {
    let frames = frames("Messages to the server");
    assert_eq!(frames.len(), 25);
    for (name, frame) in frames {
        let message = ClientMessage::decode(Frame::Text(&frame));
        let is_understood = match &message {
            ClientMessage::Hello(hello) => hello.is_ok(),
            ClientMessage::Request { request, .. } => request.is_ok(),
            message => !matches!(message, ClientMessage::Unknown { .. }),
        };
        assert!(is_understood, "{name}: {message:?}");
        check(&name, &message.encode(), &frame);
    }
}

#[test]
fn every_message_to_the_client_is_read_and_written_as_documented() {
    let frames = frames("Messages to the client");
    assert_eq!(frames.len(), 20);
    for (name, frame) in frames {
        let message = ServerMessage::decode(Frame::Text(&frame));
        let message = message.unwrap_or_else(|| panic!("{name} means nothing"));
        check(&name, &message.encode(), &frame);
    }
}

#[test]
fn every_limit_is_the_documented_one() {
    let expected = [
        limits::NAME,
        limits::GAME,
        limits::TOKEN,
        limits::PASSWORD,
        limits::CODE,
        limits::LOBBY_METADATA,
        limits::MEMBER_METADATA,
        limits::MESSAGE,
        limits::KEY,
        limits::VALUE,
        limits::VALUES,
        limits::STATUS,
        limits::USER,
        limits::REASON,
        limits::CONDITIONS,
        limits::FILTER,
        limits::PAGE as usize,
        limits::PLAYERS as usize,
        limits::GRACE as usize,
    ];
    let documented: Vec<usize> =
        table("Limits").iter().map(|row| row[1].parse().unwrap()).collect();
    assert_eq!(documented, expected);
}

#[test]
fn every_problem_has_the_documented_name_and_sentence() {
    let expected: Vec<_> =
        Problem::ALL.iter().map(|problem| [problem.name(), problem.sentence()]).collect();
    assert_eq!(table("Problems"), expected);
}
