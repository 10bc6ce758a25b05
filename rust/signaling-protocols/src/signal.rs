//! What two peers tell each other in order to connect, as browsers write it: the JSON of
//! `RTCSessionDescription` and `RTCIceCandidate` (W3C WebRTC, sections 4.6 and 4.8).

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::json::Fields;

/// An offer, an answer or a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// `{"type":"offer","sdp":…}`
    Offer {
        /// The session description.
        sdp: String,
    },
    /// `{"type":"answer","sdp":…}`
    Answer {
        /// The session description.
        sdp: String,
    },
    /// `{"candidate":…,"sdpMid":…,"sdpMLineIndex":…}`
    Candidate {
        /// Which media section it belongs to, by name; empty when that is not known.
        mid: String,
        /// Which media section it belongs to, by index.
        index: u32,
        /// The candidate line, without `a=`; never empty.
        sdp: String,
    },
}

impl Signal {
    /// Reads the JSON text; `None` when it is none of the three, and for the empty candidate that
    /// ends them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields = Fields::parse(text)?;
        let text = |key| fields.get::<String>(key).ok().flatten();
        match (text("sdp"), text("type").as_deref()) {
            (Some(sdp), Some("offer")) => Some(Self::Offer { sdp }),
            (Some(sdp), Some("answer")) => Some(Self::Answer { sdp }),
            _ => {
                let index = fields.integer("sdpMLineIndex").ok().flatten();
                Some(Self::Candidate {
                    mid: text("sdpMid").unwrap_or_default(),
                    index: index.and_then(|index| index.try_into().ok()).unwrap_or_default(),
                    sdp: text("candidate").filter(|sdp| !sdp.is_empty())?,
                })
            }
        }
    }

    /// The JSON text, on one line.
    pub(crate) fn to_json(&self) -> Box<RawValue> {
        let json = match self {
            Self::Offer { sdp } => Json::Description { r#type: "offer", sdp },
            Self::Answer { sdp } => Json::Description { r#type: "answer", sdp },
            Self::Candidate { mid, index, sdp } => {
                Json::Candidate { candidate: sdp, mid, index: *index }
            }
        };
        to_raw_value(&json).expect("texts and numbers can be written")
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Json<'a> {
    Description {
        r#type: &'static str,
        sdp: &'a str,
    },
    Candidate {
        candidate: &'a str,
        #[serde(rename = "sdpMid")]
        mid: &'a str,
        #[serde(rename = "sdpMLineIndex")]
        index: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_written_as_browsers_write_them() {
        let sdp = || "v=0\r\n".to_owned();
        for (signal, json) in [
            (Signal::Offer { sdp: sdp() }, r#"{"type":"offer","sdp":"v=0\r\n"}"#),
            (Signal::Answer { sdp: sdp() }, r#"{"type":"answer","sdp":"v=0\r\n"}"#),
            (
                Signal::Candidate { mid: "0".into(), index: 2, sdp: "candidate:1".into() },
                r#"{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":2}"#,
            ),
        ] {
            assert_eq!(signal.to_json().get(), json);
            assert_eq!(Signal::parse(json), Some(signal));
        }
    }

    #[test]
    fn what_browsers_leave_out_is_not_missed() {
        let candidate = |mid: &str| {
            Some(Signal::Candidate { mid: mid.into(), index: 0, sdp: "candidate:1".into() })
        };
        for (json, signal) in [
            (r#"{"candidate":"candidate:1","sdpMid":null,"usernameFragment":"a"}"#, candidate("")),
            (r#"{"candidate":"candidate:1","sdpMid":"a","sdpMLineIndex":-1}"#, candidate("a")),
            (r#"{"candidate":"","sdpMid":"0","sdpMLineIndex":0}"#, None),
            (r#"{"type":"rollback","sdp":""}"#, None),
            (r#"{"type":"offer"}"#, None),
            (r#"{}"#, None),
            (r#""v=0""#, None),
        ] {
            assert_eq!(Signal::parse(json), signal, "{json}");
        }
    }
}
