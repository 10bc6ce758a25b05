//! What two ends tell each other through signaling, one line each.

/// A description or a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    pub kind: Kind,
    /// The media id of a candidate.
    pub mid: String,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Offer,
    Answer,
    Candidate,
}

impl Kind {
    const NAMES: [(Self, &'static str); 3] =
        [(Self::Offer, "offer"), (Self::Answer, "answer"), (Self::Candidate, "candidate")];
}

impl Signal {
    pub fn description(kind: Kind, sdp: &str) -> Self {
        Self { kind, mid: "-".to_owned(), text: sdp.to_owned() }
    }

    pub fn candidate(mid: &str, line: &str) -> Self {
        Self { kind: Kind::Candidate, mid: mid.to_owned(), text: line.to_owned() }
    }

    /// Without a line break, which every description ends its lines with.
    pub fn to_line(&self) -> String {
        let name = Kind::NAMES.iter().find(|(kind, _)| *kind == self.kind).map_or("", |n| n.1);
        format!("{name} {} {}", self.mid, self.text.replace("\r\n", "|"))
    }

    pub fn from_line(line: &str) -> Option<Self> {
        let mut parts = line.splitn(3, ' ');
        let name = parts.next()?;
        let kind = Kind::NAMES.iter().find(|(_, other)| *other == name)?.0;
        let mid = parts.next()?.to_owned();
        Some(Self { kind, mid, text: parts.next()?.replace('|', "\r\n") })
    }
}
