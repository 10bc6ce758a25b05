//! Session descriptions for data channels (RFC 8829, RFC 8841): types, and how they are written.
//! How they are read is in `parse` beside it.

mod parse;

use std::fmt;

use is::IceCreds;

use crate::certificate::Fingerprint;

/// What a description is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdpKind {
    /// The first half of an exchange.
    Offer,
    /// The second half.
    Answer,
}

/// A parsed description. Its text form, by [`fmt::Display`], is what the other side is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Offer or answer.
    pub kind: SdpKind,
    pub(crate) session: Session,
    /// Whether its media lines may share one path; then an answer says so too (RFC 9143).
    pub(crate) is_bundled: bool,
    /// Media lines that carry no data channel, by their index; all of them are rejected.
    pub(crate) foreign: Vec<(usize, Foreign)>,
    /// Which media line carries the data channels.
    pub(crate) index: usize,
    pub(crate) data: DataSection,
}

/// Why a text is not a description that a data channel could use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unusable session description: {0}")]
pub struct SdpError(&'static str);

/// The `o=` line (RFC 8866, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    /// Drawn once per connection.
    pub(crate) id: u64,
    /// Grows with each description.
    pub(crate) version: u64,
}

/// A media line that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// For example `audio`.
    pub(crate) media: String,
    /// Protocol and formats, for example `UDP/TLS/RTP/SAVPF 111`.
    pub(crate) format: String,
    pub(crate) mid: Option<String>,
}

/// The media section that carries the data channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataSection {
    pub(crate) mid: String,
    pub(crate) credentials: IceCreds,
    /// Any of them may be the other side's; those of other hashes than SHA-256 are left out.
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) setup: Setup,
    pub(crate) sctp_port: u16,
    /// The largest message its side takes; `None` means any.
    pub(crate) max_message_bytes: Option<usize>,
    /// Candidate lines as they stand, without `a=`.
    pub(crate) candidates: Vec<String>,
    pub(crate) end_of_candidates: bool,
}

/// Which side begins the DTLS handshake (RFC 8842, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// The answerer decides.
    ActPass,
    /// The side that says so.
    Active,
    /// The other side.
    Passive,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// [`SdpError`] when it offers no data channel, rejects ours, or lacks what is needed for
    /// one.
    pub fn parse(kind: SdpKind, sdp: &str) -> Result<Self, SdpError> {
        parse::description(kind, sdp)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Session { id, version } = self.session;
        write!(f, "v=0\r\no=- {id} {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")?;
        if self.is_bundled {
            write!(f, "a=group:BUNDLE {}\r\n", self.data.mid)?;
        }
        for index in 0..=self.foreign.len() {
            match self.foreign.iter().find(|(place, _)| *place == index) {
                Some((_, foreign)) => write!(f, "{foreign}")?,
                None => write!(f, "{}", self.data)?,
            }
        }
        Ok(())
    }
}

/// Written with port 0, which rejects it (RFC 3264, section 6).
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} 0 {}\r\nc=IN IP4 0.0.0.0\r\n", self.media, self.format)?;
        self.mid.iter().try_for_each(|mid| write!(f, "a=mid:{mid}\r\n"))?;
        f.write_str("a=inactive\r\n")
    }
}

impl fmt::Display for DataSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n")?;
        write!(f, "a=mid:{}\r\n", self.mid)?;
        write!(f, "a=ice-ufrag:{}\r\n", self.credentials.ufrag)?;
        write!(f, "a=ice-pwd:{}\r\na=ice-options:trickle\r\n", self.credentials.pass)?;
        for fingerprint in &self.fingerprints {
            write!(f, "a=fingerprint:{fingerprint}\r\n")?;
        }
        write!(f, "a=setup:{}\r\na=sctp-port:{}\r\n", self.setup, self.sctp_port)?;
        // 0 stands for any size (RFC 8841, section 6.1).
        write!(f, "a=max-message-size:{}\r\n", self.max_message_bytes.unwrap_or(0))?;
        for candidate in &self.candidates {
            write!(f, "a={candidate}\r\n")?;
        }
        if self.end_of_candidates {
            f.write_str("a=end-of-candidates\r\n")?;
        }
        Ok(())
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        })
    }
}
