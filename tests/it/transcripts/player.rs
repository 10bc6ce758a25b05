//! Plays a conversation.
//!
//! ```text
//! # a comment
//! set join_timeout 100          a setting, before anything else; durations in milliseconds
//! A opens /path?query           a connection's handshake has ended; without a path it is `/`
//! A opens / from 192.0.2.1:5    the same from a stranger's address; without one it is through memory
//! A sends {"type":0,"id":0}     a text frame; `A sends binary …` for a binary one
//! A gets {"type":1,"id":$a}     the next frame that A is sent
//! A is closed 4000 Some reason  A's connection is closed by the server
//! A is pinged                   the server sends a WebSocket ping
//! A pongs                       a WebSocket ping or pong of A arrives
//! A leaves                      A's connection has ended by itself
//! at 100                        time moves on to so many milliseconds after the start
//! ```
//!
//! `$name` in a frame and `%NAME` stand for what the server draws, such as an id: bound where the
//! server says it first, equal ever after, and unlike all others. Between two inputs each connection
//! gets exactly what is written there, in that order; between connections no order is promised.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use signaling_core::{ConnId, Frame, Input, Output, Server};

/// The server of a conversation, before it starts: its settings.
pub(super) trait Subject {
    type Server: Server;

    /// Changes a setting; false when there is none of this name.
    fn set(&mut self, name: &str, value: u64) -> bool;

    fn start(&self) -> Self::Server;

    /// Whether a variable may stand for this.
    fn can_be(_variable: &str, value: &str) -> bool {
        !value.is_empty()
    }
}

/// Plays one conversation.
pub(super) fn check(path: &Path, subject: impl Subject) {
    let text = fs::read_to_string(path).unwrap();
    let mut play = Play::new(subject);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            play.at = format!("{}:{}: {line}", path.display(), number + 1);
            play.line(line);
        }
    }
    play.expect_silence();
}

struct Play<T: Subject> {
    /// Which line is being played.
    at: String,
    subject: T,
    server: Option<T::Server>,
    start: Instant,
    now: Instant,
    conns: BTreeMap<String, ConnId>,
    /// What each connection was sent and nobody has looked at yet.
    sent: BTreeMap<ConnId, VecDeque<String>>,
    bound: BTreeMap<String, String>,
}

impl<T: Subject> Play<T> {
    fn new(subject: T) -> Self {
        let start = Instant::now();
        Self {
            at: String::new(),
            subject,
            server: None,
            start,
            now: start,
            conns: BTreeMap::new(),
            sent: BTreeMap::new(),
            bound: BTreeMap::new(),
        }
    }

    fn line(&mut self, line: &str) {
        let (who, rest) = line.split_once(' ').expect("a line has at least two words");
        match (who, rest.split_once(' ').unwrap_or((rest, ""))) {
            ("set", (name, value)) => {
                let value = value.parse().expect("a number");
                assert!(self.subject.set(name, value), "{}: no such setting", self.at);
            }
            ("at", (millis, "")) => self.advance(millis.parse().expect("milliseconds")),
            (_, ("opens", target)) => {
                let (target, from) = target.split_once(" from ").unwrap_or((target, ""));
                let target = if target.is_empty() { "/" } else { target };
                let conn = ConnId(self.conns.len() as u64);
                assert_eq!(self.conns.insert(who.to_owned(), conn), None, "{}", self.at);
                self.input(Input::Opened { conn, target, from });
            }
            (_, ("sends", text)) => {
                let text = self.fill_in(text);
                let frame = match text.strip_prefix("binary ") {
                    Some(bytes) => Frame::Binary(bytes.as_bytes()),
                    None => Frame::Text(&text),
                };
                let message = T::Server::decode(frame);
                self.input(Input::Message { conn: self.conns[who], message });
            }
            (_, ("pongs", "")) => self.input(Input::Heard { conn: self.conns[who] }),
            (_, ("leaves", "")) => self.input(Input::Closed { conn: self.conns[who] }),
            (_, ("gets", text)) => self.expect(who, text),
            (_, ("is", what)) => self.expect(who, what),
            _ => panic!("{}: not a line of a transcript", self.at),
        }
    }

    fn advance(&mut self, millis: u64) {
        let until = self.start + Duration::from_millis(millis);
        self.expect_silence();
        while let Some(due) = self.server().poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.handle(Input::Timeout);
        }
        self.now = until;
        self.handle(Input::Timeout);
    }

    fn input(&mut self, input: Input<'_, T::Server>) {
        self.expect_silence();
        self.handle(input);
    }

    fn handle(&mut self, input: Input<'_, T::Server>) {
        let now = self.now;
        self.server().handle_input(now, input);
        while let Some(output) = self.server().poll_output() {
            let (conn, text) = match output {
                Output::Send { conn, text } => (conn, text.to_string()),
                Output::Close { conn, close } => {
                    let text = format!("closed {} {}", close.code, close.reason);
                    (conn, text.trim_end().to_owned())
                }
                Output::Ping { conn } => (conn, "pinged".to_owned()),
                Output::Notice(_) => continue,
            };
            self.sent.entry(conn).or_default().push_back(text);
        }
    }

    fn server(&mut self) -> &mut T::Server {
        let subject = &self.subject;
        self.server.get_or_insert_with(|| subject.start())
    }

    fn expect(&mut self, who: &str, pattern: &str) {
        let sent = self.sent.entry(self.conns[who]).or_default().pop_front();
        let text = sent.unwrap_or_else(|| panic!("{}: {who} was sent nothing", self.at));
        self.bind(pattern, &text);
        assert_eq!(text, self.fill_in(pattern), "{}", self.at);
    }

    fn expect_silence(&mut self) {
        let conns = &self.conns;
        let name = |conn: &ConnId| conns.iter().find(|(_, known)| *known == conn).map(|it| it.0);
        let unexpected: Vec<_> =
            self.sent.iter().filter(|it| !it.1.is_empty()).map(|it| (name(it.0), it.1)).collect();
        assert!(unexpected.is_empty(), "before {}: not expected: {unexpected:?}", self.at);
    }

    /// Binds what `pattern` names for the first time to what stands there in `text`.
    fn bind(&mut self, pattern: &str, text: &str) {
        let Some(at) = pattern.find(['$', '%']) else { return };
        let variable = variable(&pattern[at..]);
        if !self.bound.contains_key(variable) {
            let Some(rest) = text.get(at..) else { return };
            // What the pattern goes on with ends it.
            let end = pattern[at + variable.len()..].chars().next();
            let belongs =
                |c: &char| (c.is_ascii_alphanumeric() || "-_+/=".contains(*c)) && Some(*c) != end;
            let value: String = rest.chars().take_while(belongs).collect();
            assert!(T::can_be(variable, &value), "{}: {variable} is {value:?}", self.at);
            let is_new = self.bound.values().all(|known| *known != value);
            assert!(is_new, "{}: {variable} is {value:?} like another", self.at);
            self.bound.insert(variable.to_owned(), value);
        }
        // What was bound now may be followed by more.
        let pattern = pattern.replace(variable, &self.bound[variable]);
        self.bind(&pattern, text);
    }

    fn fill_in(&self, pattern: &str) -> String {
        self.bound.iter().rev().fold(pattern.to_owned(), |text, (variable, value)| {
            text.replace(variable.as_str(), value)
        })
    }
}

/// The variable that `text` begins with.
fn variable(text: &str) -> &str {
    let end = text[1..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(text.len(), |at| at + 1);
    &text[..end]
}
