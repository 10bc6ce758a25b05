//! What players say to one another while they connect.

use serde_json::{Value, json};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Offer,
    Answer,
    Candidate,
}

/// What one player sends in this order, over and over: a description for every four candidates.
pub(crate) const CYCLE: [Kind; 10] = [
    Kind::Offer,
    Kind::Candidate,
    Kind::Candidate,
    Kind::Candidate,
    Kind::Candidate,
    Kind::Answer,
    Kind::Candidate,
    Kind::Candidate,
    Kind::Candidate,
    Kind::Candidate,
];

/// A message of usual size: sent with the addressee's id, it arrives with the sender's.
pub(crate) fn message(kind: Kind, id: u32) -> String {
    let (number, data) = match kind {
        Kind::Offer => (4, lines(1440)),
        Kind::Answer => (5, lines(1140)),
        Kind::Candidate => (
            6,
            "\n0\n0\ncandidate:1 1 UDP 2122317823 192.168.178.123 54321 typ host generation 0 \
             ufrag AbCd network-cost 999"
                .to_owned(),
        ),
    };
    format!(r#"{{"type":{number},"id":{id},"data":{}}}"#, json!(data))
}

/// About as many bytes of lines as a session description has.
fn lines(bytes: usize) -> String {
    let line = "a=fingerprint:sha-256 6B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F\r\n";
    line.repeat(bytes / line.len())
}

/// A request to create (`""`) or join a mesh lobby.
pub(crate) fn join(lobby: &str) -> String {
    json!({ "type": 0, "id": 0, "data": lobby }).to_string()
}

pub(crate) fn kind(text: &str) -> u64 {
    field(text, "type").as_u64().unwrap()
}

pub(crate) fn id(text: &str) -> u32 {
    field(text, "id").as_u64().unwrap().try_into().unwrap()
}

pub(crate) fn data(text: &str) -> String {
    field(text, "data").as_str().unwrap().to_owned()
}

fn field(text: &str, name: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()[name].take()
}
