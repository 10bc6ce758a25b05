//! Who is let in, and what they are told.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::program::{Client, DONE, HELLO, Program, REFUSED, closed, file, run, soon};

/// A service that decides; it can do no more of HTTP than that.
struct Service {
    url: String,
    asked: mpsc::UnboundedReceiver<Value>,
}

impl Service {
    /// Answers each request with a status line, headers and a body.
    async fn start(answer: fn(&Value) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/decide", listener.local_addr().unwrap());
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let tell = tell.clone();
                tokio::spawn(async move { serve(stream, tell, answer).await });
            }
        });
        Self { url, asked }
    }

    async fn asked(&mut self) -> Value {
        soon(self.asked.recv()).await.unwrap()
    }
}

/// One request of one connection.
async fn serve(
    mut stream: TcpStream,
    tell: mpsc::UnboundedSender<Value>,
    answer: fn(&Value) -> String,
) {
    let mut request = Vec::new();
    let body = loop {
        stream.read_buf(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str::<Value>(body)
        {
            break body;
        }
    };
    let reply = answer(&body);
    let _ = tell.send(body);
    let _ = stream.write_all(reply.as_bytes()).await;
}

fn reply(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn players_need_one_of_the_tokens() {
    let tokens = file("tokens", "# season 3\nfox-7\n\n  owl-8  \n");
    let program = Program::start(&["--tokens", &tokens], &[]).await;
    for token in ["fox-7", "owl-8"] {
        let (mut client, answer) =
            Client::hello(&program, json!({"version": 1, "token": token})).await;
        assert_eq!(answer.0, HELLO, "{token}");
        client.ask(12, &json!({})).await;
        assert_eq!(client.answer(&[DONE, REFUSED]).await.0, DONE, "it may do what it likes");
    }
    for token in ["", "fox", "# season 3"] {
        let (mut client, (kind, data)) =
            Client::hello(&program, json!({"version": 1, "token": token})).await;
        assert_eq!((kind, &data["problem"]), (REFUSED, &json!("unauthorised")), "{token}");
        assert_eq!(client.closed().await, closed(4000, "You may not play here."));
    }
    let mut plain = program.connect().await;
    plain.say(r#"{"type":0,"id":0,"data":""}"#).await;
    assert_eq!(plain.closed().await, closed(4000, "This server needs a token"));
}

#[tokio::test]
async fn clients_of_the_plain_protocol_can_be_let_in_without_a_token() {
    let tokens = file("token", "fox-7");
    let args = ["--tokens", &tokens, "--allow-plain"];
    let program = Program::start(&args, &[]).await;
    Client::host(&program).await;
}

#[tokio::test]
async fn clients_of_cloudlink_5_need_the_token_of_an_account() {
    let accounts = file("accounts", "# season 3\nfox-7 u1 Reynard Fox\n");
    let program = Program::start(&["--cloudlink-accounts", &accounts], &[]).await;
    let mut fox = program.connect_at("/?ugi=tag&token=fox-7").await;
    fox.say(r#"{"opcode":"INIT","payload":{"username":"Owl"}}"#).await;
    let welcome = fox.hear().await.into_text().unwrap();
    let name = r#""user_id":"u1","username":"Reynard Fox""#;
    assert!(welcome.contains("INIT_OK") && welcome.contains(name), "{welcome}");
    let mut owl = program.connect_at("/?ugi=tag").await;
    owl.say(r#"{"opcode":"INIT","payload":{"username":"Owl","token":"let me in"}}"#).await;
    assert_eq!(owl.closed().await, closed(1001, "unauthorized"));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_one_line_and_exit_code_1() {
    let output = run(&["--tokens", "no/such/file"]).await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("signaling-server: cannot read no/such/file: "), "{error}");
}

#[tokio::test]
async fn the_service_is_told_what_it_decides_on() {
    let mut service = Service::start(|_| reply("200 OK", "text/plain", "")).await;
    let program = Program::start(&["--auth-url", &service.url], &[]).await;
    let hello = json!({"version": 1, "token": "T", "name": "Fox", "game": "tag", "build": "1"});
    let (mut client, (kind, welcome)) = Client::hello(&program, hello).await;
    assert_eq!(kind, HELLO);
    let expected = json!({
        "kind": "hello", "plain": false, "address": "127.0.0.1", "name": "Fox", "user": "",
        "token": "T", "game": "tag", "build": "1", "lobby": null, "lobby_metadata": null,
        "lobby_max_players": null, "lobby_public": null, "lobby_mesh": null, "metadata": {},
    });
    assert_eq!(service.asked().await, expected);

    let options = json!({"max_players": 3, "metadata": {"mode": "ctf"}, "me": {"colour": "red"}});
    client.ask(12, &options).await;
    let lobby = client.answer(&[DONE]).await.1["code"].clone();
    let asked = service.asked().await;
    assert_eq!((&asked["kind"], &asked["user"]), (&json!("create"), &welcome["user"]));
    assert_eq!(asked["lobby_metadata"], json!({"mode": "ctf"}));
    let traits = ["lobby_max_players", "lobby_public", "lobby_mesh"].map(|key| &asked[key]);
    assert_eq!(traits, [&json!(3), &json!(false), &json!(true)]);
    assert_eq!(asked["metadata"], json!({"colour": "red"}));

    let mut plain = program.connect().await;
    plain.say(&json!({"type": 0, "id": 0, "data": lobby}).to_string()).await;
    let asked = service.asked().await;
    assert_eq!((&asked["kind"], &asked["plain"]), (&json!("join"), &json!(true)));
    assert_eq!(asked["lobby"], lobby);
    assert!(plain.hear().await.is_text(), "it is let in");
}

#[tokio::test]
async fn the_service_rejects_with_its_words() {
    let service = Service::start(|asked| match asked["token"].as_str() {
        Some("banned") => reply("403 Forbidden", "application/json", r#"{"reason":"Banned"}"#),
        Some("late") => reply("401 Unauthorized", "text/plain", "Season over\n"),
        _ => reply("403 Forbidden", "text/html", "<h1>Forbidden</h1>"),
    })
    .await;
    let program = Program::start(&["--auth-url", &service.url], &[]).await;
    for (token, words) in
        [("banned", "Banned"), ("late", "Season over"), ("", "You may not play here.")]
    {
        let hello = json!({"version": 1, "token": token});
        let (mut client, (_, refused)) = Client::hello(&program, hello).await;
        assert_eq!(refused, json!({"problem": "unauthorised", "message": words}));
        assert_eq!(client.closed().await, closed(4000, words));
    }
}

#[tokio::test]
async fn what_is_no_decision_lets_nobody_in_or_everybody() {
    let answers: [fn(&Value) -> String; 3] = [
        |_| reply("500 Internal Server Error", "text/plain", ""),
        // Not followed, or tokens would end up where nobody said.
        |_| reply("307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/", "text/plain", ""),
        |_| "no HTTP at all".to_owned(),
    ];
    for answer in answers {
        let service = Service::start(answer).await;
        for (more, expected) in [(None, REFUSED), (Some("--auth-fail-open"), HELLO)] {
            let args: Vec<_> = ["--auth-url", &service.url].into_iter().chain(more).collect();
            let program = Program::start(&args, &[]).await;
            let (_, (kind, _)) = Client::hello(&program, json!({"version": 1})).await;
            assert_eq!(kind, expected);
        }
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_holds_nobody_else_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let args = ["--auth-url", &url, "--auth-timeout-ms=1000", "--join-timeout-ms=1"];
    let program = Program::start(&args, &[]).await;
    let mut waiting = program.connect().await;
    waiting.ask(HELLO, &json!({"version": 1})).await;
    let (_socket, _) = soon(silent.accept()).await.unwrap();
    let mut idle = program.connect().await;
    assert_eq!(idle.closed().await, closed(4000, "Have not joined lobby yet"));
    assert_eq!(waiting.answer(&[HELLO, REFUSED]).await.0, REFUSED);
}

#[tokio::test]
async fn a_request_under_way_does_not_delay_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let mut program = Program::start(&["--auth-url", &url, "--auth-timeout-ms=600000"], &[]).await;
    let mut waiting = program.connect().await;
    waiting.ask(HELLO, &json!({"version": 1})).await;
    let (_socket, _) = soon(silent.accept()).await.unwrap();
    program.signal("TERM").await;
    assert_eq!(waiting.closed().await, closed(1001, "Server shutting down"));
    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_crowd_from_one_address_is_turned_away_whatever_it_says() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let args = ["--auth-url", &url, "--auth-timeout-ms=600000", "--auth-fail-open"];
    let program = Program::start(&args, &[]).await;
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let mut client = program.connect().await;
        client.ask(HELLO, &json!({"version": 1})).await;
        waiting.push((client, soon(silent.accept()).await.unwrap()));
    }
    let (_, (kind, refused)) = Client::hello(&program, json!({"version": 1})).await;
    assert_eq!((kind, &refused["problem"]), (REFUSED, &json!("unauthorised")));
    assert_eq!(refused["message"], "Too many players come in at the moment");
}
