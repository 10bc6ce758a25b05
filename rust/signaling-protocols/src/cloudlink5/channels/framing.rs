//! How messages are written on the channel `default`.

use std::collections::VecDeque;

use super::binary_pack::{Value, pack_piece, pack_text};
use crate::cloudlink5::peer_server::Serialization;
use crate::json::Fields;

/// The largest message, in bytes; a larger one means nothing.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// How much of a value PeerJS writes in one piece, in bytes.
const PIECE_BYTES: usize = 16_300;
/// Large messages whose pieces may come at the same time; for a further one, that which has waited
/// the longest is forgotten: who could not send all of it does not send the rest later.
const MAX_UNFINISHED: usize = 8;

/// One message of a data channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Whether it is text.
    pub is_text: bool,
}

/// What a message of a data channel means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framed {
    /// A text.
    Text(String),
    /// More has to come.
    Unfinished,
    /// The other side closes the connection.
    Close,
    /// Nothing.
    Malformed,
}

/// Writes texts on a channel, and reads them.
#[derive(Debug)]
pub(super) struct Framing {
    serialization: Serialization,
    /// The number of the next large text that is sent.
    next_id: u32,
    /// Large texts of which not all has come, by number; the last one that was added to is last. At
    /// most [`MAX_UNFINISHED`].
    unfinished: VecDeque<(usize, Unfinished)>,
}

#[derive(Debug)]
struct Unfinished {
    pieces: Vec<Option<Vec<u8>>>,
    bytes: usize,
}

impl Framing {
    pub(super) fn new(serialization: Serialization) -> Self {
        Self { serialization, next_id: 1, unfinished: VecDeque::new() }
    }

    /// What to send, in order.
    pub(super) fn write(&mut self, text: &str) -> Vec<Piece> {
        match self.serialization {
            Serialization::Raw => vec![plain(text)],
            Serialization::Json => vec![Piece { data: quoted(text).into(), is_text: false }],
            Serialization::Binary => {
                let pieces = self.pack(text).into_iter();
                pieces.map(|data| Piece { data, is_text: false }).collect()
            }
        }
    }

    fn pack(&mut self, text: &str) -> Vec<Vec<u8>> {
        let packed = pack_text(text);
        if packed.len() <= PIECE_BYTES {
            return vec![packed];
        }
        let (id, total) = (self.next_id, packed.len().div_ceil(PIECE_BYTES));
        self.next_id = self.next_id.wrapping_add(1);
        let pieces = packed.chunks(PIECE_BYTES).enumerate();
        pieces.map(|(n, piece)| pack_piece(id, n, total, piece)).collect()
    }

    pub(super) fn read(&mut self, data: &[u8], is_text: bool) -> Framed {
        let read = match (self.serialization, is_text) {
            _ if data.len() > MAX_MESSAGE_BYTES => None,
            (Serialization::Raw, _) | (_, true) => text(data),
            (Serialization::Json, false) => unquoted(data),
            (Serialization::Binary, false) => self.unpack(data),
        };
        read.unwrap_or(Framed::Malformed)
    }

    fn unpack(&mut self, data: &[u8]) -> Option<Framed> {
        match Value::unpack(data)? {
            Value::Text(text) => Some(Framed::Text(text.to_owned())),
            value => match value.get("__peerData")? {
                Value::Number(_) => self.add(&value),
                about => (about.get("type")? == &Value::Text("close")).then_some(Framed::Close),
            },
        }
    }

    /// Adds a piece to what it belongs to.
    fn add(&mut self, piece: &Value<'_>) -> Option<Framed> {
        let count = |key| piece.get(key).and_then(Value::count);
        let (id, n, total) = (count("__peerData")?, count("n")?, count("total")?);
        let Some(Value::Bytes(data)) = piece.get("data") else { return None };
        if total > MAX_MESSAGE_BYTES.div_ceil(PIECE_BYTES) + 1 {
            return None;
        }
        let mut whole = self.take_unfinished(id).unwrap_or_else(|| Unfinished::new(total));
        whole.put(n, data)?;
        if !whole.is_finished() {
            self.keep_unfinished(id, whole);
            return Some(Framed::Unfinished);
        }
        let packed: Vec<u8> = whole.pieces.into_iter().flatten().flatten().collect();
        match Value::unpack(&packed)? {
            Value::Text(text) => Some(Framed::Text(text.to_owned())),
            _ => None,
        }
    }

    fn take_unfinished(&mut self, id: usize) -> Option<Unfinished> {
        let place = self.unfinished.iter().position(|(known, _)| *known == id)?;
        self.unfinished.remove(place).map(|(_, whole)| whole)
    }

    fn keep_unfinished(&mut self, id: usize, whole: Unfinished) {
        if self.unfinished.len() == MAX_UNFINISHED {
            self.unfinished.pop_front();
        }
        self.unfinished.push_back((id, whole));
    }
}

impl Unfinished {
    fn new(total: usize) -> Self {
        Self { pieces: vec![None; total], bytes: 0 }
    }

    /// `None` when there is no such piece, or it came before, or it is too much.
    fn put(&mut self, n: usize, data: &[u8]) -> Option<()> {
        let place = self.pieces.get_mut(n).filter(|place| place.is_none())?;
        self.bytes += data.len();
        *place = Some(data.to_owned());
        (self.bytes <= MAX_MESSAGE_BYTES).then_some(())
    }

    fn is_finished(&self) -> bool {
        self.pieces.iter().all(Option::is_some)
    }
}

/// A text as it is.
pub(super) fn plain(text: &str) -> Piece {
    Piece { data: text.as_bytes().to_owned(), is_text: true }
}

/// A text in bytes or as text.
pub(super) fn text(data: &[u8]) -> Option<Framed> {
    str::from_utf8(data).ok().map(|text| Framed::Text(text.to_owned()))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written")
}

/// A text in quotes, or the object that says that the other side closes.
fn unquoted(data: &[u8]) -> Option<Framed> {
    if let Ok(text) = serde_json::from_slice(data) {
        return Some(Framed::Text(text));
    }
    let about = Fields::parse(str::from_utf8(data).ok()?)?.object("__peerData").ok()??;
    let kind: String = about.get("type").ok()??;
    (kind == "close").then_some(Framed::Close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_however_they_are_written() {
        for serialization in [Serialization::Raw, Serialization::Binary, Serialization::Json] {
            let (mut writer, mut reader) =
                (Framing::new(serialization), Framing::new(serialization));
            for length in [0, 1, 8_000, 8_200, 100_000] {
                let text = "é".repeat(length);
                let pieces = writer.write(&text);
                let mut read: Vec<_> =
                    pieces.iter().map(|it| reader.read(&it.data, it.is_text)).collect();
                assert_eq!(read.pop(), Some(Framed::Text(text)), "{length}");
                assert!(read.iter().all(|framed| *framed == Framed::Unfinished), "{length}");
            }
        }
    }

    #[test]
    fn a_large_text_leaves_in_pieces_that_may_come_in_any_order() {
        let (mut writer, mut reader) =
            (Framing::new(Serialization::Binary), Framing::new(Serialization::Binary));
        let text = "a".repeat(40_000);
        let pieces = writer.write(&text);
        assert_eq!(pieces.len(), 3);
        let read: Vec<_> = pieces.iter().rev().map(|it| reader.read(&it.data, false)).collect();
        assert_eq!(read, [Framed::Unfinished, Framed::Unfinished, Framed::Text(text)]);
    }

    #[test]
    fn the_other_side_can_say_that_it_closes() {
        for (serialization, close) in [
            (Serialization::Binary, &b"\x81\xba__peerData\x81\xb4type\xb5close"[..]),
            (Serialization::Json, br#"{"__peerData":{"type":"close"}}"#),
        ] {
            assert_eq!(Framing::new(serialization).read(close, false), Framed::Close);
        }
    }

    #[test]
    fn pieces_that_never_become_whole_do_not_pile_up() {
        let mut reader = Framing::new(Serialization::Binary);
        for id in 0..100 {
            reader.read(&pack_piece(id, 0, 2, b"piece"), false);
        }
        assert_eq!(reader.unfinished.len(), MAX_UNFINISHED);
        assert_eq!(reader.read(&pack_piece(200, 0, 1_000_000_000, b""), false), Framed::Malformed);
        assert_eq!(reader.read(&pack_piece(99, 0, 2, b"again"), false), Framed::Malformed);
        assert_eq!(reader.unfinished.len(), MAX_UNFINISHED - 1);
    }

    #[test]
    fn a_large_text_is_read_after_any_number_that_did_not_come_whole() {
        let (mut writer, mut reader) =
            (Framing::new(Serialization::Binary), Framing::new(Serialization::Binary));
        let text = "a".repeat(40_000);
        for _ in 0..100 {
            reader.read(&writer.write(&text)[0].data, false);
        }
        let read: Vec<_> =
            writer.write(&text).iter().map(|it| reader.read(&it.data, false)).collect();
        assert_eq!(read.last(), Some(&Framed::Text(text)));
    }
}
