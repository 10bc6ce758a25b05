//! The few kinds of DNS messages that are of use here (RFC 1035, section 4; RFC 6762, section 18).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest label of a name.
pub(super) const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 255;

const RESPONSE: u16 = 0x8400;
/// Response, and everything that is to be zero.
const KIND_MASK: u16 = 0xF80F;
const RESPONSE_KIND: u16 = 0x8000;

const A: u16 = 1;
const AAAA: u16 = 28;
const ANY: u16 = 255;
const INTERNET: u16 = 1;
/// In the class of a record: it replaces others; of a question: the answer may be unicast.
const TOP_BIT: u16 = 0x8000;
/// Seconds that others may remember an answer.
const TTL: u32 = 120;

/// A message, as far as it is of use.
pub(super) enum Message {
    /// The names whose addresses somebody wants, in lower case.
    Query(Vec<String>),
    /// What names stand for, likewise.
    Answer(Vec<(String, IpAddr)>),
}

/// Asks for the address of a name, of each family. Chromium does not answer when a message asks
/// for more than one thing.
pub(super) fn queries(name: &str) -> [Vec<u8>; 2] {
    [A, AAAA].map(|kind| {
        let mut bytes = header(0, 1, 0);
        push_name(&mut bytes, name);
        bytes.extend([kind, INTERNET].map(u16::to_be_bytes).as_flattened());
        bytes
    })
}

/// Tells the only address of a name.
pub(super) fn answer(name: &str, address: IpAddr) -> Vec<u8> {
    let (kind, data) = match address {
        IpAddr::V4(address) => (A, address.octets().to_vec()),
        IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
    };
    let mut bytes = header(RESPONSE, 0, 1);
    push_name(&mut bytes, name);
    bytes.extend([kind, INTERNET | TOP_BIT].map(u16::to_be_bytes).as_flattened());
    bytes.extend(TTL.to_be_bytes());
    bytes.extend([0, if address.is_ipv4() { 4 } else { 16 }]);
    bytes.extend(data);
    bytes
}

fn header(flags: u16, questions: u16, answers: u16) -> Vec<u8> {
    [0, flags, questions, answers, 0, 0].map(u16::to_be_bytes).as_flattened().to_vec()
}

/// Only for names that [`is_name`](super::is_name) accepts: their labels fit.
fn push_name(bytes: &mut Vec<u8>, name: &str) {
    for label in name.split('.') {
        bytes.extend(u8::try_from(label.len()));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
}

impl Message {
    /// `None` for what is of no use, or broken.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes, place: 0 };
        let [_id, flags, questions, answers, authorities, additional] = reader.numbers()?;
        match flags & KIND_MASK {
            0 => reader.questions(questions).map(Self::Query),
            RESPONSE_KIND => {
                reader.questions(questions)?;
                let counts = [answers, authorities, additional];
                reader.records(counts.map(usize::from).iter().sum()).map(Self::Answer)
            }
            _ => None,
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Reader<'a> {
    fn questions(&mut self, count: u16) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for _ in 0..count {
            let name = self.name()?;
            let [kind, class] = self.numbers()?;
            let is_ours = [A, AAAA, ANY].contains(&kind) && class & !TOP_BIT == INTERNET;
            if is_ours && !names.contains(&name) {
                names.push(name);
            }
        }
        Some(names)
    }

    fn records(&mut self, count: usize) -> Option<Vec<(String, IpAddr)>> {
        let mut records = Vec::new();
        for _ in 0..count {
            let name = self.name()?;
            let [kind, class, _ttl_high, _ttl_low, len] = self.numbers()?;
            let data = self.take(len.into())?;
            let address = match kind {
                A => <[u8; 4]>::try_from(data).ok().map(|data| Ipv4Addr::from(data).into()),
                AAAA => <[u8; 16]>::try_from(data).ok().map(|data| Ipv6Addr::from(data).into()),
                _ => None,
            };
            if class & !TOP_BIT == INTERNET {
                records.extend(address.map(|address| (name, address)));
            }
        }
        Some(records)
    }

    /// A name in lower case, which may go on at an earlier place.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut place = self.place;
        // Where to go on after the name: behind the first reference, if there is one.
        let mut end = None;
        loop {
            let len = usize::from(*self.bytes.get(place)?);
            if len >= 0xC0 {
                let target = (len & 0x3F) << 8 | usize::from(*self.bytes.get(place + 1)?);
                end.get_or_insert(place + 2);
                // Only backwards, so that there is an end.
                place = Some(target).filter(|target| *target < place)?;
                continue;
            }
            place += 1;
            if len == 0 {
                self.place = end.unwrap_or(place);
                return Some(name);
            }
            let label = self.bytes.get(place..place + len).filter(|_| len <= MAX_LABEL)?;
            place += len;
            if name.len() + len + 1 > MAX_NAME {
                return None;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
        }
    }

    fn numbers<const N: usize>(&mut self) -> Option<[u16; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        }
        Some(numbers)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.place..self.place + len)?;
        self.place += len;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_written_as_others_write_them() {
        let expected = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x01a\x05local\0\0\x01\0\x01";
        assert_eq!(queries("a.local")[0], expected);
        for query in queries("a.local") {
            let Some(Message::Query(names)) = Message::parse(&query) else { panic!("{query:?}") };
            assert_eq!(names, ["a.local"]);
        }
    }

    #[test]
    fn what_chromium_answers_is_read() {
        // The address, and that there is no other.
        let bytes = [
            &b"\0\0\x84\0\0\0\0\x01\0\0\0\x01"[..],
            b"\x24e60b4aff-ceb1-4240-8f22-27d36db6b5a8\x05local\0\0\x01\x80\x01\0\0\0\x78\0\x04\xc0\0\x02\x02",
            b"\x24e60b4aff-ceb1-4240-8f22-27d36db6b5a8\x05local\0\0\x2f\x80\x01\0\0\0\x78\0\x05\xc0\x46\0\x01\x40",
        ]
        .concat();
        let Some(Message::Answer(records)) = Message::parse(&bytes) else { panic!() };
        let name = "e60b4aff-ceb1-4240-8f22-27d36db6b5a8.local".to_owned();
        assert_eq!(records, [(name, IpAddr::from([192, 0, 2, 2]))]);
    }

    #[test]
    fn references_and_other_records_are_read() {
        // As an Avahi daemon answers: PTR first, the name by reference, then NSEC.
        let bytes = [
            &b"\0\0\x84\0\0\0\0\x02\0\0\0\x01"[..],
            b"\x01B\x05local\0\0\x0c\x80\x01\0\0\0\x78\0\x02\xc0\x0c",
            b"\xc0\x0c\0\x01\x80\x01\0\0\0\x78\0\x04\xc0\0\x02\x07",
            b"\xc0\x0c\0\x2f\x80\x01\0\0\0\x78\0\x04\xc0\x0c\0\x40",
        ]
        .concat();
        let Some(Message::Answer(records)) = Message::parse(&bytes) else { panic!() };
        assert_eq!(records, [("b.local".to_owned(), IpAddr::from([192, 0, 2, 7]))]);
    }

    #[test]
    fn a_name_without_an_end_is_refused() {
        for name in [&b"\xc0\x0c"[..], b"\x01a\xc0\x0c", b"\xc0\xff", b"\xc0", b"\x40", b"\x05abc"]
        {
            let bytes = [&b"\0\0\0\0\0\x01\0\0\0\0\0\0"[..], name, b"\0\x01\0\x01"].concat();
            assert!(Message::parse(&bytes).is_none(), "{name:?}");
        }
        let long = b"\x3faaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".repeat(5);
        let bytes = [&b"\0\0\0\0\0\x01\0\0\0\0\0\0"[..], &long, b"\0\0\x01\0\x01"].concat();
        assert!(Message::parse(&bytes).is_none());
    }

    #[test]
    fn what_is_neither_a_query_nor_an_answer_is_left_alone() {
        for flags in [0x2800_u16, 0x8003, 0x8800] {
            let [mut bytes, _] = queries("a.local");
            bytes[2..4].copy_from_slice(&flags.to_be_bytes());
            assert!(Message::parse(&bytes).is_none(), "{flags:x}");
        }
    }
}
