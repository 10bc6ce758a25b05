//! How peers of a room connect to each other, in the words of the clients that exist.
//!
//! The server does not look into what peers [`Send`](super::Request::Send) each other. Clients use
//! two events: `signaling` carries a session description, `ice_candidate` a candidate, and `null`
//! after the last one. The peer that was in the room first, or invited to it first, makes the offer
//! and the channels.

use std::collections::BTreeMap;

use serde::Serialize;

use super::value::Payload;
use crate::Signal;

const SIGNALING: &str = "signaling";
const ICE_CANDIDATE: &str = "ice_candidate";

/// What a peer's event means; `None` when it is about something else, makes no sense, or ends the
/// candidates.
pub fn decode(event: &str, data: &Payload) -> Option<Signal> {
    let signal = Signal::parse(data.text())?;
    (event == name(&signal)).then_some(signal)
}

/// The event that tells a peer this, and its data. The labels of the data channels go with
/// descriptions: existing clients use only those that both sides name.
pub fn encode(signal: &Signal, channels: &[&str]) -> (&'static str, Payload) {
    let description = |r#type, sdp| {
        let channels = channels.iter().map(|label| (*label, Options { ordered: true })).collect();
        serde_json::to_string(&Description { r#type, sdp, streams: Empty {}, channels })
    };
    let json = match signal {
        Signal::Offer { sdp } => description("offer", sdp),
        Signal::Answer { sdp } => description("answer", sdp),
        Signal::Candidate { .. } => Ok(signal.to_json().get().to_owned()),
    };
    let data = json.ok().and_then(|json| Payload::parse(&json));
    (name(signal), data.expect("texts and numbers can be written and are not nested"))
}

fn name(signal: &Signal) -> &'static str {
    match signal {
        Signal::Offer { .. } | Signal::Answer { .. } => SIGNALING,
        Signal::Candidate { .. } => ICE_CANDIDATE,
    }
}

#[derive(Serialize)]
struct Description<'a> {
    r#type: &'static str,
    sdp: &'a str,
    /// Which streams the media sections belong to: there are none.
    streams: Empty,
    channels: BTreeMap<&'a str, Options>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Options {
    ordered: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_told_as_existing_clients_tell_them() {
        let candidate = Signal::Candidate { mid: "0".into(), index: 0, sdp: "candidate:1".into() };
        for (signal, event, json) in [
            (
                Signal::Offer { sdp: "v=0".into() },
                "signaling",
                r#"{"type":"offer","sdp":"v=0","streams":{},"channels":{"data":{"ordered":true}}}"#,
            ),
            (
                candidate,
                "ice_candidate",
                r#"{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}"#,
            ),
        ] {
            let (told, data) = encode(&signal, &["data"]);
            assert_eq!((told, data.text()), (event, json));
            assert_eq!(decode(event, &data), Some(signal));
        }
    }

    #[test]
    fn what_else_peers_say_is_none() {
        for (event, json) in [
            ("message", r#"{"type":"offer","sdp":""}"#),
            ("ice_candidate", r#"{"type":"offer","sdp":""}"#),
            ("ice_candidate", "null"),
            ("signaling", "[]"),
        ] {
            assert_eq!(decode(event, &Payload::parse(json).unwrap()), None, "{event} {json}");
        }
    }
}
