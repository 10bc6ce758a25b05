//! How packets are laid out: a header, then chunks, some of which hold parameters; both are
//! type, length, value, padded to four bytes (RFC 9260, section 3).

/// Ports, verification tag, checksum.
pub(super) const HEADER_LEN: usize = 12;

/// Type, flags and length of a chunk; type and length of a parameter.
const PREFIX_LEN: usize = 4;

const CHECKSUM: std::ops::Range<usize> = 8..12;

/// The head of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) verification_tag: u32,
}

/// A packet that is being written.
pub(super) struct Packet {
    bytes: Vec<u8>,
    limit: usize,
}

/// What is at the beginning of a chunk or parameter, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// The type of a chunk with its flags, or the type of a parameter.
    pub(super) head: [u8; 2],
    pub(super) value: &'a [u8],
}

impl Packet {
    /// A packet that shall grow to `limit` bytes at most.
    pub(super) fn new(header: Header, limit: usize) -> Self {
        let mut bytes = Vec::with_capacity(limit);
        bytes.extend(header.source_port.to_be_bytes());
        bytes.extend(header.destination_port.to_be_bytes());
        bytes.extend(header.verification_tag.to_be_bytes());
        bytes.extend([0; 4]);
        Self { bytes, limit }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER_LEN
    }

    /// How long the value of one more chunk may be.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len() + PREFIX_LEN) & !3
    }

    /// Appends a chunk; `write` appends its value.
    pub(super) fn push(&mut self, kind: u8, flags: u8, write: impl FnOnce(&mut Vec<u8>)) {
        push_item(&mut self.bytes, [kind, flags], write);
    }

    /// The finished packet. Without a checksum where both sides agreed that none is needed
    /// (RFC 9653).
    pub(super) fn finish(mut self, with_checksum: bool) -> Vec<u8> {
        if with_checksum {
            let checksum = crc32c::crc32c(&self.bytes);
            self.bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        }
        self.bytes
    }
}

/// Appends a chunk or parameter.
pub(super) fn push_item(bytes: &mut Vec<u8>, head: [u8; 2], write: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend(head);
    bytes.extend([0; 2]);
    write(bytes);
    let length = u16::try_from(bytes.len() - start).unwrap_or(u16::MAX);
    bytes[start + 2..start + PREFIX_LEN].copy_from_slice(&length.to_be_bytes());
    bytes.resize(start + (bytes.len() - start).next_multiple_of(4), 0);
}

/// Takes a packet apart into its header and what holds the chunks; `None` when it is none, or
/// was damaged. A checksum of zero stands for none.
pub(super) fn parse(packet: &[u8]) -> Option<(Header, &[u8])> {
    let (header, chunks) = packet.split_at_checked(HEADER_LEN)?;
    let checksum = u32::from_le_bytes(array(header, 8)?);
    let (before, after) = (&packet[..CHECKSUM.start], &packet[CHECKSUM.end..]);
    let computed = || {
        let crc = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
        crc32c::crc32c_append(crc, after)
    };
    (checksum == 0 || checksum == computed()).then_some(())?;
    let header = Header {
        source_port: u16::from_be_bytes(array(header, 0)?),
        destination_port: u16::from_be_bytes(array(header, 2)?),
        verification_tag: u32::from_be_bytes(array(header, 4)?),
    };
    Some((header, chunks))
}

/// The chunks or parameters in there, up to the first that is cut off.
pub(super) fn items(mut bytes: &[u8]) -> impl Iterator<Item = Item<'_>> {
    std::iter::from_fn(move || {
        let head = array(bytes, 0)?;
        let length = usize::from(u16::from_be_bytes(array(bytes, 2)?));
        let value = bytes.get(PREFIX_LEN..length)?;
        // The padding of the last one may be missing.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Item { head, value })
    })
}

/// The bytes at a place, if there are as many.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header =
        Header { source_port: 5000, destination_port: 5001, verification_tag: 0x0102_0304 };

    fn packet(with_checksum: bool) -> Vec<u8> {
        let mut packet = Packet::new(HEADER, 1200);
        assert!(packet.is_empty());
        packet.push(1, 2, |value| value.extend(b"hello"));
        packet.push(3, 4, |_| {});
        packet.finish(with_checksum)
    }

    #[test]
    fn packets_can_be_read_back() {
        for with_checksum in [true, false] {
            let packet = packet(with_checksum);
            let (header, chunks) = parse(&packet).unwrap();
            assert_eq!(header, HEADER);
            let chunks: Vec<_> = items(chunks).collect();
            let expected =
                [Item { head: [1, 2], value: b"hello" }, Item { head: [3, 4], value: b"" }];
            assert_eq!(chunks, expected);
        }
    }

    #[test]
    fn damaged_packets_are_not_read() {
        let packet = packet(true);
        for place in (0..packet.len()).filter(|place| !CHECKSUM.contains(place)) {
            let mut damaged = packet.clone();
            damaged[place] ^= 1;
            assert_eq!(parse(&damaged), None);
        }
        for length in 0..HEADER_LEN {
            assert_eq!(parse(&packet[..length]), None);
        }
    }

    #[test]
    fn the_room_of_a_packet_is_what_fits() {
        let mut packet = Packet::new(HEADER, 1191);
        let room = packet.room();
        packet.push(0, 0, |value| value.resize(value.len() + room, 0));
        assert!(packet.finish(true).len() <= 1191);
    }

    #[test]
    fn lengths_that_lie_end_the_list() {
        for bytes in [&[1, 2, 0, 3][..], &[1, 2, 0, 9, 0, 0, 0, 0], &[1, 2, 0], &[1, 2, 0, 0]] {
            assert_eq!(items(bytes).count(), 0);
        }
    }
}
