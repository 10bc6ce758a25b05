//! How messages are framed on SCTP (RFC 8831, section 8): the payload protocol identifier tells
//! text from binary, and an empty message is one byte that does not count.

use crate::channels::Amount;

/// What SCTP carries, as its payload protocol identifier says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Opens a channel, or says that it is open.
    Control(Vec<u8>),
    /// A message of the application.
    User { data: Vec<u8>, text: bool },
}

const CONTROL: u32 = 50;
const TEXT: u32 = 51;
const BINARY: u32 = 53;
const EMPTY_TEXT: u32 = 56;
const EMPTY_BINARY: u32 = 57;

impl Payload {
    /// What counts towards the buffered amount.
    pub(crate) fn counted(&self) -> Amount {
        match self {
            Self::Control(_) => Amount::default(),
            Self::User { data, .. } => Amount { bytes: data.len(), messages: 1 },
        }
    }

    /// The identifier, and the bytes to send: never none, SCTP forbids it.
    pub(crate) fn encode(self) -> (u32, Vec<u8>) {
        match self {
            Self::Control(bytes) => (CONTROL, bytes),
            Self::User { data, text } if data.is_empty() => {
                (if text { EMPTY_TEXT } else { EMPTY_BINARY }, vec![0])
            }
            Self::User { data, text } => (if text { TEXT } else { BINARY }, data),
        }
    }

    /// `None` for identifiers that have no meaning here.
    pub(crate) fn decode(ppid: u32, bytes: Vec<u8>) -> Option<Self> {
        match ppid {
            CONTROL => Some(Self::Control(bytes)),
            TEXT | BINARY => Some(Self::User { data: bytes, text: ppid == TEXT }),
            EMPTY_TEXT | EMPTY_BINARY => {
                Some(Self::User { data: Vec::new(), text: ppid == EMPTY_TEXT })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_their_framing() {
        for (ppid, data, text) in
            [(51, "hi", true), (53, "hi", false), (56, "", true), (57, "", false)]
        {
            let message = || Payload::User { data: data.into(), text };
            let (encoded, bytes) = message().encode();
            assert_eq!(encoded, ppid);
            assert!(!bytes.is_empty());
            assert_eq!(Payload::decode(encoded, bytes), Some(message()));
        }
        let control = Payload::Control(vec![2]);
        assert_eq!(control.encode(), (50, vec![2]));
    }

    #[test]
    fn other_identifiers_have_no_meaning() {
        for ppid in [0, 49, 52, 54, 55, 58, u32::MAX] {
            assert_eq!(Payload::decode(ppid, vec![1]), None);
        }
    }
}
