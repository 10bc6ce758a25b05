//! BinaryPack, in which PeerJS writes messages unless it is told otherwise: MessagePack of an early
//! age, with texts marked as such.

/// A packed value, as far as anybody looks into one here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Number(f64),
    Map(Vec<(&'a str, Self)>),
    /// Lists, flags and nothing.
    Other,
}

/// How deep values may lie in one another.
const MAX_NESTING: usize = 16;

impl<'a> Value<'a> {
    /// Reads the value at the start of `bytes`; `None` when there is none, or it is nested too
    /// deeply.
    pub(super) fn unpack(bytes: &'a [u8]) -> Option<Self> {
        Reader { rest: bytes }.value(MAX_NESTING)
    }

    /// What stands under a key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// The number, if it is one that counts something.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Self::Number(number) if number.fract() == 0.0 && (0.0..1e9).contains(number) => {
                Some(*number as usize)
            }
            _ => None,
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, levels: usize) -> Option<Value<'a>> {
        let levels = levels.checked_sub(1)?;
        match self.uint(1)? as u8 {
            number @ 0x00..=0x7f => Some(Value::Number(number.into())),
            head @ 0x80..=0x8f => self.map((head & 0x0f).into(), levels),
            head @ 0x90..=0x9f => self.list((head & 0x0f).into(), levels),
            head @ 0xa0..=0xaf => self.take((head & 0x0f).into()).map(Value::Bytes),
            head @ 0xb0..=0xbf => self.text((head & 0x0f).into()),
            0xca => Some(Value::Number(f32::from_bits(self.uint(4)? as u32).into())),
            0xcb => Some(Value::Number(f64::from_bits(self.uint(8)?))),
            head @ 0xcc..=0xcf => Some(Value::Number(self.uint(1 << (head - 0xcc))? as f64)),
            head @ 0xd0..=0xd3 => self.int(1 << (head - 0xd0)),
            head @ 0xd8..=0xd9 => self.length(head).and_then(|length| self.text(length)),
            head @ 0xda..=0xdb => {
                self.length(head).and_then(|length| self.take(length)).map(Value::Bytes)
            }
            head @ 0xdc..=0xdd => self.length(head).and_then(|length| self.list(length, levels)),
            head @ 0xde..=0xdf => self.length(head).and_then(|length| self.map(length, levels)),
            head @ 0xe0..=0xff => Some(Value::Number((head as i8).into())),
            0xc0..=0xc9 | 0xd4..=0xd7 => Some(Value::Other),
        }
    }

    /// Of two heads the even one is followed by 16 bits of length, the odd one by 32.
    fn length(&mut self, head: u8) -> Option<usize> {
        self.uint(if head.is_multiple_of(2) { 2 } else { 4 }).map(|length| length as usize)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn uint(&mut self, bytes: usize) -> Option<u64> {
        let bytes = self.take(bytes)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn int(&mut self, bytes: usize) -> Option<Value<'a>> {
        let unused = 64 - 8 * bytes as u32;
        let number = (self.uint(bytes)? << unused) as i64 >> unused;
        Some(Value::Number(number as f64))
    }

    fn text(&mut self, length: usize) -> Option<Value<'a>> {
        str::from_utf8(self.take(length)?).ok().map(Value::Text)
    }

    fn list(&mut self, length: usize, levels: usize) -> Option<Value<'a>> {
        (0..length).try_for_each(|_| self.value(levels).map(drop))?;
        Some(Value::Other)
    }

    fn map(&mut self, length: usize, levels: usize) -> Option<Value<'a>> {
        let mut entry = |_| match self.value(levels)? {
            Value::Text(key) => Some((key, self.value(levels)?)),
            _ => None,
        };
        (0..length).map(&mut entry).collect::<Option<_>>().map(Value::Map)
    }
}

/// Writes a text.
pub(super) fn pack_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 5);
    put_head(&mut bytes, text.len(), 0xb0, [0xd8, 0xd9]);
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Writes one piece of a large value: number `n` of `total`, of the value with this `id`.
pub(super) fn pack_piece(id: u32, n: usize, total: usize, data: &[u8]) -> Vec<u8> {
    const ENTRIES: u8 = 4;
    let mut bytes = vec![0x80 | ENTRIES];
    for (key, number) in [("__peerData", id as usize), ("n", n), ("total", total)] {
        bytes.extend(pack_text(key));
        bytes.push(0xce);
        bytes.extend((number as u32).to_be_bytes());
    }
    bytes.extend(pack_text("data"));
    put_head(&mut bytes, data.len(), 0xa0, [0xda, 0xdb]);
    bytes.extend_from_slice(data);
    bytes
}

/// Writes a length of up to 4, 16 or 32 bits behind the head that stands for it.
fn put_head(bytes: &mut Vec<u8>, length: usize, short: u8, [medium, long]: [u8; 2]) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=0x0f), _) => bytes.push(short | length),
        (_, Ok(length)) => {
            bytes.push(medium);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(long);
            bytes.extend((length as u32).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_survive() {
        for length in [0, 1, 15, 16, 255, 65_535, 65_536, 200_000] {
            let text = "é".repeat(length);
            assert_eq!(Value::unpack(&pack_text(&text)), Some(Value::Text(&text)), "{length}");
        }
    }

    #[test]
    fn values_of_every_kind_are_read() {
        for (bytes, value) in [
            (&b"\x7f"[..], Value::Number(127.0)),
            (b"\xff", Value::Number(-1.0)),
            (b"\xd1\xff\xfe", Value::Number(-2.0)),
            (b"\xce\x00\x01\x00\x00", Value::Number(65_536.0)),
            (b"\xca\x3f\x80\x00\x00", Value::Number(1.0)),
            (b"\xcb\xbf\xf0\x00\x00\x00\x00\x00\x00", Value::Number(-1.0)),
            (b"\xa2\x01\x02", Value::Bytes(&[1, 2])),
            (b"\xda\x00\x01\x09", Value::Bytes(&[9])),
            (b"\xd8\x00\x02hi", Value::Text("hi")),
            (b"\x92\x01\xc3", Value::Other),
            (b"\x81\xb1n\x05", Value::Map(vec![("n", Value::Number(5.0))])),
        ] {
            assert_eq!(Value::unpack(bytes), Some(value), "{bytes:?}");
        }
    }

    #[test]
    fn what_breaks_off_or_is_too_deep_is_nothing() {
        let deep = [0x91; 100_000];
        for bytes in [
            &b""[..],
            b"\xb5hi",
            b"\xdd\xff\xff\xff\xff",
            b"\xdf\xff\xff\xff\xff",
            b"\xb1\xff",
            &deep,
        ] {
            assert_eq!(Value::unpack(bytes), None);
        }
    }
}
