//! The program, and clients of it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Waits for something that must happen, longer than it takes on a busy machine.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, what).await.expect("it should have happened by now")
}

/// A running server, killed when dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) addr: SocketAddr,
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signaling-server"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Program {
    /// Starts it on a free port and waits for its line.
    pub(crate) async fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let place = [("SIGNALING_BIND", "127.0.0.1"), ("SIGNALING_PORT", "0")];
        let mut child = command().args(args).envs(place).envs(env.iter().copied()).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.as_mut().unwrap());
        soon(output.read_line(&mut line)).await.unwrap();
        let addr = line.trim_end().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, addr }
    }

    pub(crate) async fn connect(&self) -> Client {
        self.connect_at("/").await
    }

    pub(crate) async fn connect_at(&self, path: &str) -> Client {
        let stream = soon(TcpStream::connect(self.addr)).await.unwrap();
        Client(soon(client_async(format!("ws://{}{path}", self.addr), stream)).await.unwrap().0)
    }

    pub(crate) async fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id().unwrap());
        assert!(soon(Command::new("sh").args(["-c", &kill]).status()).await.unwrap().success());
    }

    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        soon(self.child.wait()).await.unwrap().code()
    }
}

pub(crate) const HELLO: u64 = 8;
pub(crate) const DONE: u64 = 10;
pub(crate) const REFUSED: u64 = 11;

pub(crate) struct Client(WebSocketStream<TcpStream>);

impl Client {
    pub(crate) async fn host(program: &Program) -> Self {
        let mut client = program.connect().await;
        client.say(r#"{"type":0,"id":0,"data":""}"#).await;
        assert_eq!(client.hear().await, Message::text(r#"{"type":1,"id":1,"data":"true"}"#));
        assert!(client.hear().await.to_text().unwrap().starts_with(r#"{"type":0,"id":0,"data":""#));
        client
    }

    pub(crate) async fn say(&mut self, text: &str) {
        soon(self.0.send(text.into())).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> Message {
        soon(self.0.next()).await.unwrap().unwrap()
    }

    /// Reads on until the close frame.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.hear().await {
                let frame = frame.unwrap();
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    pub(crate) async fn ask(&mut self, kind: u64, data: &Value) {
        let data = data.to_string();
        self.say(&json!({"type": kind, "id": 1, "data": data}).to_string()).await;
    }

    /// Reads on to a message of one of these types: which, and its data.
    pub(crate) async fn answer(&mut self, kinds: &[u64]) -> (u64, Value) {
        loop {
            let message = self.hear().await;
            let Ok(frame) = serde_json::from_str::<Value>(message.to_text().unwrap()) else {
                panic!("{message:?}")
            };
            let kind = frame["type"].as_u64().unwrap();
            if kinds.contains(&kind) {
                return (kind, serde_json::from_str(frame["data"].as_str().unwrap()).unwrap());
            }
        }
    }

    pub(crate) async fn hello(program: &Program, data: Value) -> (Self, (u64, Value)) {
        let mut client = program.connect().await;
        client.ask(HELLO, &data).await;
        let answer = client.answer(&[HELLO, REFUSED]).await;
        (client, answer)
    }
}

pub(crate) fn closed(code: u16, reason: &str) -> (u16, String) {
    (code, reason.to_owned())
}

/// Runs it to its end.
pub(crate) async fn run(args: &[&str]) -> Output {
    soon(command().args(args).output()).await.unwrap()
}

/// The path of a file with this text. Names are used once.
pub(crate) fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
