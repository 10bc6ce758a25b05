//! Strings in, strings out: each file under `tests/transcripts/` is a conversation.
//!
//! ```text
//! # a comment
//! set join_timeout 100          a setting, before anything else; durations in milliseconds
//! A opens                       a connection's handshake has ended
//! A sends {"type":0,"id":0}     a text frame; `A sends binary …` for a binary one
//! A gets {"type":1,"id":$a}     the next frame that A is sent
//! A is closed 4000 Some reason  A's connection is closed by the server
//! A leaves                      A's connection has ended by itself
//! at 100                        time moves on to so many milliseconds after the start
//! ```
//!
//! `$name` in a frame stands for a peer id and `%NAME` for a lobby name: bound where the server
//! says it first, equal ever after. Between two inputs each connection gets exactly what is
//! written there, in that order; between connections no order is promised.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::{ConnId, Frame, Input, Output, PeerId, Server};
use signaling_protocols::godot::{GodotServer, Settings};

#[test]
fn the_godot_protocol_says_what_its_transcripts_say() {
    for path in files("godot") {
        check(&path);
    }
}

/// Each row of the error table in `docs/protocol.md` must be shown by a transcript.
#[test]
fn the_godot_transcripts_cover_every_documented_error() {
    let transcripts: String =
        files("godot").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let document = fs::read_to_string(document).unwrap();
    let mut rows = 0;
    for row in document.lines().filter_map(|line| line.strip_prefix("| 4000 | ")) {
        let reason = row.split(" |").next().unwrap();
        let close = format!(" is closed 4000 {reason}\n");
        assert!(transcripts.contains(&close), "no transcript shows {reason:?}");
        rows += 1;
    }
    assert_eq!(rows, 14, "the table has a row for each error");
}

fn files(protocol: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts").join(protocol);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no transcripts of {protocol}");
    files
}

fn check(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let mut play = Play::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            play.at = format!("{}:{}: {line}", path.display(), number + 1);
            play.line(line);
        }
    }
    play.expect_silence();
}

struct Play {
    /// Which line is being played.
    at: String,
    settings: Settings,
    server: Option<GodotServer>,
    start: Instant,
    now: Instant,
    conns: BTreeMap<String, ConnId>,
    /// What each connection was sent and nobody has looked at yet.
    sent: BTreeMap<ConnId, VecDeque<String>>,
    bound: BTreeMap<String, String>,
}

impl Default for Play {
    fn default() -> Self {
        let start = Instant::now();
        Self {
            at: String::new(),
            settings: Settings::default(),
            server: None,
            start,
            now: start,
            conns: BTreeMap::new(),
            sent: BTreeMap::new(),
            bound: BTreeMap::new(),
        }
    }
}

impl Play {
    fn line(&mut self, line: &str) {
        let (who, rest) = line.split_once(' ').expect("a line has at least two words");
        match (who, rest.split_once(' ').unwrap_or((rest, ""))) {
            ("set", (name, value)) => self.set(name, value.parse().expect("a number")),
            ("at", (millis, "")) => self.advance(millis.parse().expect("milliseconds")),
            (_, ("opens", "")) => {
                let conn = ConnId(self.conns.len() as u64);
                assert_eq!(self.conns.insert(who.to_owned(), conn), None, "{}", self.at);
                self.input(Input::Opened { conn, target: "/", from: "" });
            }
            (_, ("sends", text)) => {
                let text = self.fill_in(text);
                let frame = match text.strip_prefix("binary ") {
                    Some(bytes) => Frame::Binary(bytes.as_bytes()),
                    None => Frame::Text(&text),
                };
                let message = GodotServer::decode(frame);
                self.input(Input::Message { conn: self.conns[who], message });
            }
            (_, ("leaves", "")) => self.input(Input::Closed { conn: self.conns[who] }),
            (_, ("gets", text)) => self.expect(who, text),
            (_, ("is", closed)) => self.expect(who, closed),
            _ => panic!("{}: not a line of a transcript", self.at),
        }
    }

    fn set(&mut self, name: &str, value: usize) {
        let millis = Duration::from_millis(value as u64);
        match name {
            "max_peers" => self.settings.max_peers = value,
            "max_lobbies" => self.settings.max_lobbies = value,
            "max_message_bytes" => self.settings.max_message_bytes = value,
            "join_timeout" => self.settings.join_timeout = millis,
            "seal_timeout" => self.settings.seal_timeout = millis,
            _ => panic!("{}: no such setting", self.at),
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

    fn input(&mut self, input: Input<'_, GodotServer>) {
        self.expect_silence();
        self.handle(input);
    }

    fn handle(&mut self, input: Input<'_, GodotServer>) {
        let now = self.now;
        self.server().handle_input(now, input);
        while let Some(output) = self.server().poll_output() {
            let (conn, text) = match output {
                Output::Send { conn, text } => (conn, text.to_string()),
                Output::Close { conn, close } => {
                    (conn, format!("closed {} {}", close.code, close.reason))
                }
                Output::Notice(_) => continue,
            };
            self.sent.entry(conn).or_default().push_back(text);
        }
    }

    fn server(&mut self) -> &mut GodotServer {
        let settings = &self.settings;
        self.server
            .get_or_insert_with(|| GodotServer::new(settings.clone(), StdRng::seed_from_u64(1)))
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
            let value: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            if variable.starts_with('$') {
                let id = value.parse().ok().and_then(PeerId::new);
                assert!(id.is_some_and(|id| id > PeerId::HOST), "{}: {value:?}", self.at);
            } else {
                assert_eq!(value.len(), 16, "{}: lobby name {value:?}", self.at);
            }
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
