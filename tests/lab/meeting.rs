//! Signaling through a socket in the file system.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::{Value, json};

/// What one peer tells the other.
pub(crate) enum Word {
    Description {
        is_offer: bool,
        sdp: String,
    },
    Candidate {
        mid: String,
        index: u32,
        candidate: String,
    },
    /// All messages have come.
    Done,
}

/// The way to the other peer that needs no network.
pub(crate) struct Meeting {
    stream: UnixStream,
    heard: Receiver<Word>,
    is_done: bool,
}

impl Meeting {
    /// Waits for the other one, or goes to the one that waits.
    pub(crate) fn join(path: &Path, waits: bool) -> Self {
        let stream = if waits {
            let listener = UnixListener::bind(path).expect("the path is new");
            println!("waiting");
            listener.accept().expect("the other one comes").0
        } else {
            UnixStream::connect(path).expect("the other one waits")
        };
        let (sender, heard) = mpsc::channel();
        let lines = BufReader::new(stream.try_clone().expect("there are file descriptors")).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(Word::decode(&line)).is_err() {
                    return;
                }
            }
        });
        Self { stream, heard, is_done: false }
    }

    /// The other one may be gone already: then it has nothing more to learn.
    pub(crate) fn say(&mut self, word: &Word) {
        let _ = writeln!(self.stream, "{}", word.encode());
    }

    pub(crate) fn hear(&mut self) -> Vec<Word> {
        let words: Vec<Word> = self.heard.try_iter().collect();
        self.is_done |= words.iter().any(|word| matches!(word, Word::Done));
        words
    }

    /// Whether the other one has heard everything.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }
}

impl Word {
    fn encode(&self) -> Value {
        match self {
            Self::Description { is_offer, sdp } => json!({ "offer": is_offer, "sdp": sdp }),
            Self::Candidate { mid, index, candidate } => {
                json!({ "mid": mid, "index": index, "candidate": candidate })
            }
            Self::Done => json!({}),
        }
    }

    fn decode(line: &str) -> Self {
        let value: Value = serde_json::from_str(line).expect("our own words");
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        if let Some(sdp) = text("sdp") {
            Self::Description { is_offer: value["offer"] == true, sdp }
        } else if let (Some(mid), Some(candidate)) = (text("mid"), text("candidate")) {
            let index = value["index"].as_u64().and_then(|index| index.try_into().ok());
            Self::Candidate { mid, index: index.unwrap_or(0), candidate }
        } else {
            Self::Done
        }
    }
}
