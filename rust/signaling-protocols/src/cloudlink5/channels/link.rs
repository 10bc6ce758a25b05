//! The channels with one peer.

use std::collections::BTreeMap;

use super::framing::{Framed, Framing, Piece, plain, text};
use super::packet::{NewChannel, Packet};
use crate::cloudlink5::peer_server::Serialization;

/// The channel that two peers have from the start.
pub const DEFAULT: &str = "default";
/// Channels besides `default`.
const MAX_CHANNELS: usize = 64;
/// The longest name of a channel, in bytes.
const MAX_LABEL_BYTES: usize = 256;
/// The first number that channels with a name have; `default` has one below.
const FIRST_ID: u16 = 2;
/// The highest; one more is not a stream of SCTP in WebRTC.
const LAST_ID: u16 = 1023;

/// Who began a connection. Each side numbers its channels so that they do not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// We did; our channels have even numbers.
    Offering,
    /// The other one did; our channels have odd numbers.
    Answering,
}

/// What goes over the data channels with one peer. It moves nothing itself.
#[derive(Debug)]
pub struct Link {
    framing: Framing,
    side: Side,
    /// The channels with a name, and their numbers; at most [`MAX_CHANNELS`].
    channels: BTreeMap<String, u16>,
    /// Above all numbers that either side has used: existing clients count on from the last.
    next_id: u16,
}

/// What came over a data channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Packet(Packet),
    /// The peer has opened a channel. It is to be made here too, with its number (`negotiated`),
    /// in place of one of the same name.
    Opened(NewChannel),
    /// The peer closes the connection.
    Closed,
    /// A piece of a large message, of which more has to come.
    Unfinished,
    /// Something that means nothing, or a channel too many, or one whose name or number is taken.
    Ignored,
}

/// Why a channel is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is one of that name.
    #[error("there is a channel of this name")]
    Exists,
    /// There are 64 channels, or all numbers were used.
    #[error("too many channels")]
    TooMany,
    /// It has more than 256 bytes.
    #[error("the name of the channel is too long")]
    TooLong,
}

impl Link {
    /// A link whose channel `default` is written as the connection's offer says.
    pub fn new(side: Side, serialization: Serialization) -> Self {
        let framing = Framing::new(serialization);
        Self { framing, side, channels: BTreeMap::new(), next_id: FIRST_ID }
    }

    /// The names of all channels besides `default`.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.channels.keys().map(String::as_str)
    }

    /// Opens a channel: it is to be made here with its number (`negotiated`), and what to send on
    /// `default` makes the peer do the same. What is said on it before the peer has done so is
    /// lost where the peer is a browser, and no message tells that it has.
    ///
    /// # Errors
    /// When there can be no such channel.
    pub fn open(
        &mut self,
        label: &str,
        is_ordered: bool,
    ) -> Result<(NewChannel, Vec<Piece>), OpenError> {
        let id = self.draw_id();
        let channel = NewChannel { id, label: label.to_owned(), is_ordered };
        self.add(&channel)?;
        let pieces = self.framing.write(&Packet::NewChannel(channel.clone()).encode());
        Ok((channel, pieces))
    }

    /// Forgets a channel, whichever side has closed it.
    pub fn close(&mut self, label: &str) {
        self.channels.remove(label);
    }

    /// What to send on the channel of this name for a message, in order.
    pub fn write(&mut self, label: &str, packet: &Packet) -> Vec<Piece> {
        let text = packet.encode();
        if label == DEFAULT { self.framing.write(&text) } else { vec![plain(&text)] }
    }

    /// Reads what came on the channel of this name.
    pub fn read(&mut self, label: &str, data: &[u8], is_text: bool) -> Heard {
        let framed = if label == DEFAULT {
            self.framing.read(data, is_text)
        } else {
            text(data).unwrap_or(Framed::Malformed)
        };
        let message = match framed {
            Framed::Text(message) => message,
            Framed::Unfinished => return Heard::Unfinished,
            Framed::Close => return Heard::Closed,
            Framed::Malformed => return Heard::Ignored,
        };
        match Packet::decode(&message) {
            Some(Packet::NewChannel(channel)) => self.opened(label, channel),
            Some(packet) => Heard::Packet(packet),
            None => Heard::Ignored,
        }
    }

    /// The peer says on `label` that it has opened a channel.
    fn opened(&mut self, label: &str, channel: NewChannel) -> Heard {
        if label != DEFAULT || self.keeps(&channel) {
            return Heard::Ignored;
        }
        let old = self.channels.remove(&channel.label);
        if self.add(&channel).is_ok() {
            return Heard::Opened(channel);
        }
        if let Some(id) = old {
            self.channels.insert(channel.label, id);
        }
        Heard::Ignored
    }

    /// Whether the channel of this name stays. If both sides have opened one at once, that of the
    /// offering side does; if the peer opens one again, it has closed the first.
    fn keeps(&self, NewChannel { id: new, label, .. }: &NewChannel) -> bool {
        let is_ours = |id: &u16| self.side == Side::Offering && self.draws(*id);
        self.channels.get(label).is_some_and(|id| id == new || is_ours(id))
    }

    fn add(&mut self, NewChannel { id, label, .. }: &NewChannel) -> Result<(), OpenError> {
        let is_taken = self.channels.values().any(|known| known == id);
        if label == DEFAULT || self.channels.contains_key(label) {
            return Err(OpenError::Exists);
        }
        if label.len() > MAX_LABEL_BYTES {
            return Err(OpenError::TooLong);
        }
        let is_possible = (FIRST_ID..=LAST_ID).contains(id) && !is_taken;
        if self.channels.len() >= MAX_CHANNELS || !is_possible {
            return Err(OpenError::TooMany);
        }
        self.next_id = self.next_id.max(id + 1);
        self.channels.insert(label.clone(), *id);
        Ok(())
    }

    /// The next number of our side; numbers that were used come again when there is no other.
    fn draw_id(&self) -> u16 {
        let is_free = |id: &u16| self.channels.values().all(|known| known != id);
        let mut ids = (self.next_id..=LAST_ID).chain(FIRST_ID..=LAST_ID);
        ids.find(|id| self.draws(*id) && is_free(id)).unwrap_or(LAST_ID + 1)
    }

    /// Whether the number is one of our side.
    fn draws(&self, id: u16) -> bool {
        id.is_multiple_of(2) == (self.side == Side::Offering)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudlink5::channels::packet::Scope;

    fn pair(serialization: Serialization) -> [Link; 2] {
        [Side::Offering, Side::Answering].map(|side| Link::new(side, serialization))
    }

    /// What the other side makes of what was sent; of a large message the last.
    fn hear(link: &mut Link, label: &str, pieces: &[Piece]) -> Heard {
        let mut heard = Heard::Ignored;
        for Piece { data, is_text } in pieces {
            heard = link.read(label, data, *is_text);
        }
        heard
    }

    #[test]
    fn messages_go_over_any_channel() {
        for serialization in [Serialization::Raw, Serialization::Binary, Serialization::Json] {
            let [mut a, mut b] = pair(serialization);
            let payload = format!("\"{}\"", "x".repeat(50_000));
            let packet = Packet::Message { scope: Scope::Global, payload };
            for label in ["default", "chat"] {
                let pieces = a.write(label, &packet);
                assert_eq!(hear(&mut b, label, &pieces), Heard::Packet(packet.clone()));
            }
        }
    }

    #[test]
    fn channels_opened_by_both_at_once_do_not_meet() {
        let [mut a, mut b] = pair(Serialization::Binary);
        let (ours, to_b) = a.open("ours", true).unwrap();
        let (theirs, to_a) = b.open("theirs", false).unwrap();
        assert_eq!((ours.id, theirs.id), (2, 3));
        assert_eq!(hear(&mut a, "default", &to_a), Heard::Opened(theirs));
        assert_eq!(hear(&mut b, "default", &to_b), Heard::Opened(ours));
        assert_eq!(a.channels().collect::<Vec<_>>(), b.channels().collect::<Vec<_>>());
        assert_eq!(a.open("third", true).unwrap().0.id, 4);
    }

    #[test]
    fn of_two_channels_of_one_name_that_of_the_offering_side_stays() {
        let [mut a, mut b] = pair(Serialization::Raw);
        let (ours, to_b) = a.open("chat", true).unwrap();
        let (_, to_a) = b.open("chat", true).unwrap();
        assert_eq!(hear(&mut a, "default", &to_a), Heard::Ignored);
        assert_eq!(hear(&mut b, "default", &to_b), Heard::Opened(ours));
    }

    #[test]
    fn a_channel_that_the_peer_opens_again_takes_the_place_of_the_first() {
        let [mut a, mut b] = pair(Serialization::Raw);
        let (_, first) = b.open("chat", true).unwrap();
        b.close("chat");
        let (second, again) = b.open("chat", true).unwrap();
        hear(&mut a, "default", &first);
        assert_eq!(hear(&mut a, "default", &again), Heard::Opened(second));
    }

    #[test]
    fn a_channel_is_opened_once_and_on_the_default_channel_alone() {
        let [mut a, mut b] = pair(Serialization::Raw);
        let (_, pieces) = a.open("chat", true).unwrap();
        assert_eq!(a.open("chat", true), Err(OpenError::Exists));
        assert_eq!(a.open("default", true), Err(OpenError::Exists));
        assert_eq!(hear(&mut b, "elsewhere", &pieces), Heard::Ignored);
        assert!(matches!(hear(&mut b, "default", &pieces), Heard::Opened(_)));
        assert_eq!(hear(&mut b, "default", &pieces), Heard::Ignored);
        a.close("chat");
        assert!(a.open("chat", true).is_ok());
    }

    #[test]
    fn a_peer_cannot_open_too_many_channels() {
        let [_, mut b] = pair(Serialization::Raw);
        for id in 0..2000 {
            let channel = NewChannel { id, label: format!("{id}"), is_ordered: true };
            b.read("default", Packet::NewChannel(channel).encode().as_bytes(), true);
        }
        assert_eq!(b.channels().count(), MAX_CHANNELS);
        assert_eq!(b.open("mine", true), Err(OpenError::TooMany));
    }
}
