//! The program as an operator sees it: its line, its signals, its exit codes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::{SocketAddr, TcpListener};
use std::process::{Output, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Waits for something that must happen, longer than it takes on a busy machine.
async fn soon<F: Future>(what: F) -> F::Output {
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, what).await.expect("it should have happened by now")
}

/// A running server, killed when dropped.
struct Program {
    child: Child,
    addr: SocketAddr,
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signaling-server"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Program {
    /// Starts it on a free port and waits for its line.
    async fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let place = [("SIGNALING_BIND", "127.0.0.1"), ("SIGNALING_PORT", "0")];
        let mut child = command().args(args).envs(place).envs(env.iter().copied()).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.as_mut().unwrap());
        soon(output.read_line(&mut line)).await.unwrap();
        let addr = line.trim_end().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, addr }
    }

    async fn connect(&self) -> Client {
        let stream = soon(TcpStream::connect(self.addr)).await.unwrap();
        Client(soon(client_async(format!("ws://{}", self.addr), stream)).await.unwrap().0)
    }

    async fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id().unwrap());
        assert!(soon(Command::new("sh").args(["-c", &kill]).status()).await.unwrap().success());
    }

    async fn exit_code(&mut self) -> Option<i32> {
        soon(self.child.wait()).await.unwrap().code()
    }
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn host(program: &Program) -> Self {
        let mut client = program.connect().await;
        client.say(r#"{"type":0,"id":0,"data":""}"#).await;
        assert_eq!(client.hear().await, Message::text(r#"{"type":1,"id":1,"data":"true"}"#));
        assert!(client.hear().await.to_text().unwrap().starts_with(r#"{"type":0,"id":0,"data":""#));
        client
    }

    async fn say(&mut self, text: &str) {
        soon(self.0.send(text.into())).await.unwrap();
    }

    async fn hear(&mut self) -> Message {
        soon(self.0.next()).await.unwrap().unwrap()
    }

    /// Reads on until the close frame.
    async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.hear().await {
                let frame = frame.unwrap();
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }
}

fn closed(code: u16, reason: &str) -> (u16, String) {
    (code, reason.to_owned())
}

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

/// Runs it to its end.
async fn run(args: &[&str]) -> Output {
    soon(command().args(args).output()).await.unwrap()
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
    program.signal("TERM").await;
    assert_eq!(program.exit_code().await, Some(0));
    let (mut out, mut log) = (String::new(), String::new());
    soon(program.child.stdout.take().unwrap().read_to_string(&mut out)).await.unwrap();
    soon(program.child.stderr.take().unwrap().read_to_string(&mut log)).await.unwrap();
    assert_eq!(out, "");
    assert!(log.contains("lobby created"), "{log}");
}
