//! The server in virtual time: frames in, frames out.

mod absence;
mod invites;
mod listing;
mod managing;
mod presence;
mod random;
mod relays;
mod sessions;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use signaling_core::{Close, ConnId, Frame, Input, Output, Server};

use super::*;
use crate::godot::extended::kind;

/// Type, `id` and `data` of a frame.
type Heard = (u64, u64, Value);

/// A server, and everybody who is connected to it, by name.
struct Hall {
    server: GodotServer,
    now: Instant,
    conns: HashMap<&'static str, ConnId>,
    heard: HashMap<ConnId, Vec<Heard>>,
    closed: HashMap<ConnId, Close>,
    next: u64,
    /// Where the next connection comes from.
    from: &'static str,
}

impl Hall {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    /// One in which nobody has to give signs of life.
    fn with(settings: Settings) -> Self {
        let settings = Settings { ping_interval: Duration::from_secs(3600), ..settings };
        Self {
            server: GodotServer::new(settings, StdRng::seed_from_u64(1)),
            now: Instant::now(),
            conns: HashMap::new(),
            heard: HashMap::new(),
            closed: HashMap::new(),
            next: 1,
            from: "192.0.2.1:5000",
        }
    }

    /// A connection that has said nothing yet, in place of an earlier one.
    fn opens(&mut self, who: &'static str) {
        let conn = ConnId(self.next());
        self.conns.insert(who, conn);
        self.input(Input::Opened { conn, target: "/", from: self.from });
    }

    /// A connection that has opened with HELLO; what the server answered.
    fn greets(&mut self, who: &'static str) -> Value {
        self.greets_with(who, json!({"version": 1, "game": "tag", "build": "1", "name": who}))
    }

    fn greets_with(&mut self, who: &'static str, hello: Value) -> Value {
        self.opens(who);
        self.says(who, kind::HELLO, 0, hello);
        let conn = self.conns[who];
        self.heard.get_mut(&conn).unwrap().remove(0).2
    }

    fn says(&mut self, who: &str, kind: u64, id: u64, data: Value) {
        let data = match data {
            Value::String(text) => text,
            data => data.to_string(),
        };
        let text = json!({"type": kind, "id": id, "data": data}).to_string();
        let message = GodotServer::decode(Frame::Text(&text));
        self.input(Input::Message { conn: self.conns[who], message });
    }

    /// Makes a request; its result, or the name of the problem.
    #[track_caller]
    fn asks(&mut self, who: &str, kind: u64, data: Value) -> Result<Value, String> {
        let number = self.next();
        self.says(who, kind, number, data);
        let heard = self.heard.entry(self.conns[who]).or_default();
        let is_answer =
            |(kind, id, _): &Heard| [kind::DONE, kind::REFUSED].contains(kind) && *id == number;
        let answer = heard.iter().position(is_answer).expect("every request is answered");
        let (kind, _, data) = heard.remove(answer);
        if kind == kind::DONE { Ok(data) } else { Err(data["problem"].as_str().unwrap().into()) }
    }

    /// What somebody has heard since the last time.
    fn hears(&mut self, who: &str) -> Vec<Heard> {
        self.heard.remove(&self.conns[who]).unwrap_or_default()
    }

    /// What somebody has heard of one type.
    fn hears_of(&mut self, who: &str, kind: u64) -> Vec<(u64, Value)> {
        let of_type = |(heard, id, data)| (heard == kind).then_some((id, data));
        self.hears(who).into_iter().filter_map(of_type).collect()
    }

    /// How the server has closed somebody's connection.
    fn closed(&self, who: &str) -> Option<&Close> {
        self.closed.get(&self.conns[who])
    }

    /// Somebody's connection breaks.
    fn loses(&mut self, who: &str) {
        self.input(Input::Closed { conn: self.conns[who] });
    }

    fn passes(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    fn input(&mut self, input: Input<'_, GodotServer>) {
        self.server.handle_input(self.now, input);
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { conn, text } => {
                    assert!(!self.closed.contains_key(&conn), "nothing after a close");
                    self.heard.entry(conn).or_default().push(heard(&text));
                }
                Output::Close { conn, close } => drop(self.closed.insert(conn, close)),
                Output::Ping { .. } | Output::Notice(_) => {}
            }
        }
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// What is no JSON in `data` is text.
fn heard(text: &str) -> Heard {
    let frame: Value = serde_json::from_str(text).unwrap();
    let data = frame["data"].as_str().unwrap();
    let data = serde_json::from_str(data).unwrap_or_else(|_| data.into());
    (frame["type"].as_u64().unwrap(), frame["id"].as_u64().unwrap(), data)
}
