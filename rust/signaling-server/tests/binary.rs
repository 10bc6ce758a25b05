//! The program as an operator sees it: its line, its signals, its exit codes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// A running server, killed when dropped.
struct Program {
    child: Child,
    addr: SocketAddr,
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signaling-server"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Program {
    /// Starts it on a free port and waits for its line.
    fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let place = [("SIGNALING_BIND", "127.0.0.1"), ("SIGNALING_PORT", "0")];
        let mut child = command().args(args).envs(place).envs(env.iter().copied()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim_end().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, addr }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client(tungstenite::client(format!("ws://{}", self.addr), stream).unwrap().0)
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(WebSocket<TcpStream>);

impl Client {
    fn host(program: &Program) -> Self {
        let mut client = program.connect();
        client.say(r#"{"type":0,"id":0,"data":""}"#);
        assert_eq!(client.hear(), r#"{"type":1,"id":1,"data":"true"}"#);
        assert!(client.hear().starts_with(r#"{"type":0,"id":0,"data":""#));
        client
    }

    fn say(&mut self, text: &str) {
        self.0.send(text.into()).unwrap();
    }

    fn hear(&mut self) -> String {
        self.0.read().unwrap().into_text().unwrap().to_string()
    }

    /// Reads on until the close frame.
    fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.0.read().unwrap() {
                let CloseFrame { code, reason } = frame.unwrap();
                return (code.into(), reason.to_string());
            }
        }
    }
}

fn closed(code: u16, reason: &str) -> (u16, String) {
    (code, reason.to_owned())
}

#[test]
fn a_signal_closes_every_client_with_1001_and_ends_the_program_with_0() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::start(&[], &[]);
        let mut host = Client::host(&program);
        program.signal(signal);
        assert_eq!(host.closed(), closed(1001, "Server shutting down"));
        drop(host);
        assert_eq!(program.exit_code(), Some(0));
    }
}

/// Runs it to its end.
fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Output {
    command().args(args).output().unwrap()
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = run(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let error = String::from_utf8(output.stderr).unwrap();
    let start = format!("signaling-server: cannot listen on 127.0.0.1:{port}: ");
    assert!(error.starts_with(&start) && error.lines().count() == 1, "{error}");
}

#[test]
fn a_flag_that_makes_no_sense_is_exit_code_2() {
    for args in [["--port", "65536"], ["--max-message-bytes", "1"], ["--colour", "blue"]] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn limits_and_timers_come_from_flags() {
    let program = Program::start(&["--max-lobbies=1", "--seal-timeout-ms=1"], &[]);
    let mut host = Client::host(&program);
    let mut second = program.connect();
    second.say(r#"{"type":0,"id":0,"data":""}"#);
    assert_eq!(second.closed(), closed(4000, "Too many lobbies open, disconnecting"));
    host.say(r#"{"type":7,"id":0,"data":""}"#);
    assert_eq!(host.closed(), closed(1000, "Seal complete"));
}

#[test]
fn limits_and_timers_come_from_the_environment() {
    let program = Program::start(&[], &[("SIGNALING_JOIN_TIMEOUT_MS", "1")]);
    assert_eq!(program.connect().closed(), closed(4000, "Have not joined lobby yet"));

    let program = Program::start(&[], &[("SIGNALING_MAX_PEERS", "1")]);
    let _host = Client::host(&program);
    assert_eq!(program.connect().closed(), closed(4000, "Too many peers connected"));
}

#[test]
fn the_inbound_limit_is_one_byte_above_the_relayed_one() {
    let program = Program::start(&["--max-message-bytes=1000"], &[]);
    // One byte more than the limit of relayed messages is read, and found to be no message.
    for (length, expected) in
        [(1001, closed(4000, "Invalid message format")), (1002, closed(1009, "Message too large"))]
    {
        let mut client = program.connect();
        client.say(&"x".repeat(length));
        assert_eq!(client.closed(), expected, "{length} bytes");
    }
}

#[test]
fn pings_and_their_deadline_come_from_flags() {
    let program = Program::start(&["--ping-interval-ms=1", "--join-timeout-ms=60000"], &[]);
    assert!(program.connect().0.read().unwrap().is_ping());

    let args = ["--ping-interval-ms=0", "--pong-timeout-ms=1", "--join-timeout-ms=60000"];
    let program = Program::start(&args, &[]);
    assert_eq!(program.connect().closed(), closed(1001, "Ping timeout"));
}

#[test]
fn it_logs_as_rust_log_says_and_never_to_standard_output() {
    let mut program = Program::start(&[], &[("RUST_LOG", "info")]);
    drop(Client::host(&program));
    program.signal("TERM");
    assert_eq!(program.exit_code(), Some(0));
    let (mut out, mut log) = (String::new(), String::new());
    program.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    program.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(out, "");
    assert!(log.contains("lobby created"), "{log}");
}
