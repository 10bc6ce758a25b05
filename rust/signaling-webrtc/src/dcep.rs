//! How one side tells the other of a new channel (RFC 8832).

use std::time::Duration;

use crate::channels::{ChannelInit, Reliability};

/// A message of the Data Channel Establishment Protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// The stream that brings this is a new channel.
    Open(ChannelInit),
    /// The other side has taken note.
    Ack,
}

const ACK: u8 = 0x02;
const OPEN: u8 = 0x03;

/// The bit of the channel type that means unordered.
const UNORDERED: u8 = 0x80;
const RELIABLE: u8 = 0x00;
const LIMITED_RETRANSMITS: u8 = 0x01;
const LIMITED_LIFETIME: u8 = 0x02;

impl Control {
    /// # Panics
    /// When label or protocol is longer than 65,535 bytes, which
    /// [`ChannelInit`] is checked for when a channel is made.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self::Open(init) = self else { return vec![ACK] };
        let len = |text: &str| u16::try_from(text.len()).expect("checked when the channel is made");
        let (kind, limit) = match init.reliability {
            Reliability::Reliable => (RELIABLE, 0),
            Reliability::MaxRetransmits(times) => (LIMITED_RETRANSMITS, times.into()),
            Reliability::MaxPacketLifeTime(time) => {
                (LIMITED_LIFETIME, u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
            }
        };
        let kind = if init.ordered { kind } else { kind | UNORDERED };
        let priority = 0_u16;
        let mut bytes = vec![OPEN, kind];
        bytes.extend_from_slice(&priority.to_be_bytes());
        bytes.extend_from_slice(&limit.to_be_bytes());
        bytes.extend_from_slice(&len(&init.label).to_be_bytes());
        bytes.extend_from_slice(&len(&init.protocol).to_be_bytes());
        bytes.extend_from_slice(init.label.as_bytes());
        bytes.extend_from_slice(init.protocol.as_bytes());
        bytes
    }

    /// `None` for what is malformed, of another type, or not UTF-8.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&ACK, []) => Some(Self::Ack),
            (&OPEN, rest) => open(rest).map(Self::Open),
            _ => None,
        }
    }
}

fn open(bytes: &[u8]) -> Option<ChannelInit> {
    let ([kind, _, _, limit @ .., l0, l1, p0, p1], texts) = bytes.split_first_chunk::<11>()?;
    let limit = u32::from_be_bytes(*limit);
    let (label, rest) = texts.split_at_checked(u16::from_be_bytes([*l0, *l1]).into())?;
    let (protocol, rest) = rest.split_at_checked(u16::from_be_bytes([*p0, *p1]).into())?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let reliability = match kind & !UNORDERED {
        RELIABLE => Reliability::Reliable,
        LIMITED_RETRANSMITS => {
            Reliability::MaxRetransmits(u16::try_from(limit).unwrap_or(u16::MAX))
        }
        LIMITED_LIFETIME => Reliability::MaxPacketLifeTime(Duration::from_millis(limit.into())),
        _ => return None,
    };
    rest.is_empty().then_some(ChannelInit {
        label: text(label)?,
        protocol: text(protocol)?,
        ordered: kind & UNORDERED == 0,
        reliability,
        negotiated: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(ordered: bool, reliability: Reliability) -> ChannelInit {
        ChannelInit {
            label: "Kanäle".into(),
            protocol: "p".into(),
            ordered,
            reliability,
            negotiated: None,
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let open = Control::Open(init(false, Reliability::MaxRetransmits(3)));
        let bytes = open.encode();
        assert_eq!(bytes[..12], [3, 0x81, 0, 0, 0, 0, 0, 3, 0, 7, 0, 1]);
        assert_eq!(&bytes[12..], "Kanälep".as_bytes());
        assert_eq!(Control::Ack.encode(), [2]);
    }

    #[test]
    fn every_kind_of_channel_survives_the_wire() {
        for ordered in [true, false] {
            for reliability in [
                Reliability::Reliable,
                Reliability::MaxRetransmits(0),
                Reliability::MaxRetransmits(u16::MAX),
                Reliability::MaxPacketLifeTime(Duration::from_millis(150)),
            ] {
                let open = Control::Open(init(ordered, reliability));
                assert_eq!(Control::decode(&open.encode()), Some(open));
            }
        }
        assert_eq!(Control::decode(&[2]), Some(Control::Ack));
    }

    #[test]
    fn garbage_is_none_and_never_a_panic() {
        let bytes = Control::Open(init(true, Reliability::Reliable)).encode();
        for end in 0..bytes.len() {
            assert_eq!(Control::decode(&bytes[..end]), None, "cut at {end}");
        }
        for place in 0..bytes.len() {
            for byte in 0..=255 {
                let mut changed = bytes.clone();
                changed[place] = byte;
                let _ = Control::decode(&changed);
            }
        }
        assert_eq!(Control::decode(&[&bytes[..], &[0]].concat()), None, "trailing bytes");
        assert_eq!(Control::decode(&[2, 0]), None);
    }
}
