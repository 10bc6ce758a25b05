//! The program as an operator sees it: its line, its signals, its exit codes, its options.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod deciding;
mod program;

use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use program::{Client, DONE, Program, REFUSED, closed, file, run, soon};
use serde_json::json;
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_signal_closes_every_client_with_1001_and_ends_the_program_with_0() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::start(&[], &[]).await;
        let mut host = Client::host(&program).await;
        program.signal(signal).await;
        assert_eq!(host.closed().await, closed(1001, "Server shutting down"));
        drop(host);
        assert_eq!(program.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn a_port_in_use_is_one_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = run(&["--bind", "127.0.0.1", "--port", &port.to_string()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let error = String::from_utf8(output.stderr).unwrap();
    let start = format!("signaling-server: cannot listen on 127.0.0.1:{port}: ");
    assert!(error.starts_with(&start) && error.lines().count() == 1, "{error}");
}

#[tokio::test]
async fn a_flag_that_makes_no_sense_is_exit_code_2() {
    for args in [["--port", "65536"], ["--max-message-bytes", "1"], ["--colour", "blue"]] {
        assert_eq!(run(&args).await.status.code(), Some(2), "{args:?}");
    }
}

#[tokio::test]
async fn limits_and_timers_come_from_flags() {
    let program = Program::start(&["--max-lobbies=1", "--seal-timeout-ms=1"], &[]).await;
    let mut host = Client::host(&program).await;
    let mut second = program.connect().await;
    second.say(r#"{"type":0,"id":0,"data":""}"#).await;
    assert_eq!(second.closed().await, closed(4000, "Too many lobbies open, disconnecting"));
    host.say(r#"{"type":7,"id":0,"data":""}"#).await;
    assert_eq!(host.closed().await, closed(1000, "Seal complete"));
}

#[tokio::test]
async fn limits_and_timers_come_from_the_environment() {
    let program = Program::start(&[], &[("SIGNALING_JOIN_TIMEOUT_MS", "1")]).await;
    assert_eq!(program.connect().await.closed().await, closed(4000, "Have not joined lobby yet"));

    let program = Program::start(&[], &[("SIGNALING_MAX_PEERS", "1")]).await;
    let _host = Client::host(&program).await;
    assert_eq!(program.connect().await.closed().await, closed(4000, "Too many peers connected"));
}

#[tokio::test]
async fn the_inbound_limit_is_one_byte_above_the_relayed_one() {
    let program = Program::start(&["--max-message-bytes=1000"], &[]).await;
    // One byte more than the limit of relayed messages is read, and found to be no message.
    for (length, expected) in
        [(1001, closed(4000, "Invalid message format")), (1002, closed(1009, "Message too large"))]
    {
        let mut client = program.connect().await;
        client.say(&"x".repeat(length)).await;
        assert_eq!(client.closed().await, expected, "{length} bytes");
    }
}

#[tokio::test]
async fn pings_and_their_deadline_come_from_flags() {
    let program = Program::start(&["--ping-interval-ms=1", "--join-timeout-ms=60000"], &[]).await;
    assert!(program.connect().await.hear().await.is_ping());

    let args = ["--ping-interval-ms=0", "--pong-timeout-ms=1", "--join-timeout-ms=60000"];
    let program = Program::start(&args, &[]).await;
    assert_eq!(program.connect().await.closed().await, closed(1001, "Ping timeout"));
}

#[tokio::test]
async fn it_logs_as_rust_log_says_and_never_to_standard_output() {
    let mut program = Program::start(&[], &[("RUST_LOG", "signaling_server=debug")]).await;
    drop(Client::host(&program).await);
    let mut caller = program.connect_at("/calling").await;
    caller.hear().await;
    caller.say(r#"{"type":"room_join","tid":1,"room":"two\nlines"}"#).await;
    caller.hear().await;
    program.signal("TERM").await;
    assert_eq!(program.exit_code().await, Some(0));
    let (mut out, mut log) = (String::new(), String::new());
    soon(program.child.stdout.take().unwrap().read_to_string(&mut out)).await.unwrap();
    soon(program.child.stderr.take().unwrap().read_to_string(&mut log)).await.unwrap();
    assert_eq!(out, "");
    assert!(log.contains("lobby created"), "{log}");
    // What strangers choose cannot look like a line of the log.
    assert!(log.contains(r#"lobby created lobby="calling:two\nlines""#), "{log}");
}

#[tokio::test]
async fn players_are_told_of_the_servers_of_the_command_line() {
    let secret = file("secret", "north\n");
    let args = [
        "--ice-server=stun:stun.example.com",
        "--turn-url=turn:turn.example.com",
        "--turn-url=turns:turn.example.com",
        "--turn-secret-file",
        &secret,
        "--turn-lifetime-s=3600",
        "--resume-timeout-ms=7000",
        "--session-ping-ms=2000",
    ];
    let program = Program::start(&args, &[]).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (_, (_, welcome)) = Client::hello(&program, json!({"version": 1})).await;
    let [stun, turn] = &welcome["ice_servers"].as_array().unwrap()[..] else { panic!("{welcome}") };
    assert_eq!(*stun, json!({"urls": ["stun:stun.example.com"]}));
    assert_eq!(turn["urls"], json!(["turn:turn.example.com", "turns:turn.example.com"]));
    let (expiry, user) = turn["username"].as_str().unwrap().split_once(':').unwrap();
    let expiry: u64 = expiry.parse().unwrap();
    assert!((now + 3590..now + 3650).contains(&expiry), "{expiry}");
    assert_eq!(user, welcome["user"]);
    assert_eq!((&welcome["resume_timeout"], &welcome["ping_interval"]), (&json!(7.0), &json!(2.0)));
}

#[tokio::test]
async fn only_one_game_and_build_may_be_let_in() {
    let args = ["--game=tag", "--build=1.2", "--max-metadata-bytes=20"];
    let program = Program::start(&args, &[]).await;
    let other = json!({"version": 1, "game": "tag", "build": "1.1"});
    let (_, (_, refused)) = Client::hello(&program, other).await;
    assert_eq!(refused["problem"], "wrong_version");
    let fitting = json!({"version": 1, "game": "tag", "build": "1.2"});
    let (mut client, _) = Client::hello(&program, fitting).await;
    client.ask(12, &json!({"metadata": {"text": "x".repeat(20)}})).await;
    assert_eq!(client.answer(&[DONE, REFUSED]).await.1["problem"], "invalid");
}
