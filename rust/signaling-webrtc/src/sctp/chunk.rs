//! What chunks say (RFC 9260, section 3.3; RFC 3758, RFC 6525, RFC 8260).

use super::wire::{Item, Packet, array, items, push_item, u16_at, u32_at};

/// Each type of chunk that is understood.
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const INIT: u8 = 1;
    pub(in super::super) const INIT_ACK: u8 = 2;
    pub(in super::super) const SACK: u8 = 3;
    pub(in super::super) const HEARTBEAT: u8 = 4;
    pub(in super::super) const HEARTBEAT_ACK: u8 = 5;
    pub(in super::super) const ABORT: u8 = 6;
    pub(in super::super) const SHUTDOWN: u8 = 7;
    pub(in super::super) const SHUTDOWN_ACK: u8 = 8;
    pub(in super::super) const ERROR: u8 = 9;
    pub(in super::super) const COOKIE_ECHO: u8 = 10;
    pub(in super::super) const COOKIE_ACK: u8 = 11;
    pub(in super::super) const SHUTDOWN_COMPLETE: u8 = 14;
    pub(in super::super) const I_DATA: u8 = 64;
    pub(in super::super) const RE_CONFIG: u8 = 130;
    pub(in super::super) const FORWARD_TSN: u8 = 192;
    pub(in super::super) const I_FORWARD_TSN: u8 = 194;
}

mod parameter {
    pub(super) const STATE_COOKIE: u16 = 7;
    pub(super) const OUTGOING_RESET: u16 = 13;
    pub(super) const INCOMING_RESET: u16 = 14;
    pub(super) const TSN_RESET: u16 = 15;
    pub(super) const RESPONSE: u16 = 16;
    pub(super) const ADD_OUTGOING: u16 = 17;
    pub(super) const ADD_INCOMING: u16 = 18;
    pub(super) const ZERO_CHECKSUM: u16 = 0x8001;
    pub(super) const SUPPORTED_CHUNKS: u16 = 0x8008;
    pub(super) const FORWARD_TSN: u16 = 0xc000;
}

/// The error detection of DTLS makes a checksum superfluous (RFC 9653, section 8).
const DTLS_DETECTS_ERRORS: u32 = 1;

/// What the cause of an abort says that an upper layer asked for (RFC 9260, section 3.3.10.12).
const USER_INITIATED_ABORT: u16 = 12;

/// What a side says of itself when it opens an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Init {
    /// The verification tag that it wants to see.
    pub(super) tag: u32,
    /// What it has room for, in bytes.
    pub(super) window: u32,
    pub(super) outgoing_streams: u16,
    pub(super) incoming_streams: u16,
    pub(super) first_tsn: u32,
    pub(super) abilities: Abilities,
}

/// The extensions that a side knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Abilities {
    /// Messages may be given up (RFC 3758).
    pub(super) forward_tsn: bool,
    /// Streams may be reset (RFC 6525).
    pub(super) re_config: bool,
    /// Messages may be interleaved (RFC 8260).
    pub(super) interleaving: bool,
    /// Packets need no checksum (RFC 9653).
    pub(super) zero_checksum: bool,
}

/// A part of a message, or a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Data<'a> {
    pub(super) tsn: u32,
    pub(super) stream: u16,
    pub(super) is_unordered: bool,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    /// Whether the sender would like to hear of it at once (RFC 7053).
    pub(super) is_urgent: bool,
    pub(super) place: Place,
    /// Of interleaved messages only the first part says it.
    pub(super) ppid: u32,
    pub(super) payload: &'a [u8],
}

/// Which message a part belongs to, and where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Parts of one message follow each other. Unordered messages have no number.
    Plain { ssn: u16 },
    /// Parts have numbers of their own (RFC 8260).
    Interleaved { message: u32, part: u32 },
}

/// What has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sack {
    /// Everything up to here.
    pub(super) cumulative: u32,
    /// What there is room for, in bytes.
    pub(super) window: u32,
    /// And these, first and last counted from `cumulative`.
    pub(super) gaps: Vec<(u16, u16)>,
    /// What came again.
    pub(super) duplicates: Vec<u32>,
}

/// Nothing more will come of what is up to here and has not arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Forward {
    pub(super) cumulative: u32,
    pub(super) skipped: Vec<Skipped>,
}

/// The last message of a stream that is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) stream: u16,
    pub(super) is_unordered: bool,
    /// As in [`Place`].
    pub(super) message: u32,
}

/// One line of a conversation about streams (RFC 6525, section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reconfig {
    /// The sender has sent its last on these streams; none named means all of them.
    OutgoingReset { request: u32, last_tsn: u32, streams: Vec<u16> },
    /// A request for anything else.
    Other { request: u32 },
    /// What came of a request.
    Response { request: u32, outcome: u32 },
}

impl Init {
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let init = Self {
            tag: u32_at(value, 0)?,
            window: u32_at(value, 4)?,
            outgoing_streams: u16_at(value, 8)?,
            incoming_streams: u16_at(value, 10)?,
            first_tsn: u32_at(value, 12)?,
            abilities: Abilities::parse(&value[16..]),
        };
        let is_usable = init.tag != 0 && init.outgoing_streams != 0 && init.incoming_streams != 0;
        is_usable.then_some(init)
    }

    /// The cookie in the value of an INIT ACK.
    pub(super) fn cookie(value: &[u8]) -> Option<&[u8]> {
        parameters(value.get(16..)?)
            .find_map(|(kind, value)| (kind == parameter::STATE_COOKIE).then_some(value))
    }

    /// As the value of an INIT, or, with a cookie, of an INIT ACK.
    pub(super) fn write(&self, bytes: &mut Vec<u8>, cookie: Option<&[u8]>) {
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend(self.window.to_be_bytes());
        bytes.extend(self.outgoing_streams.to_be_bytes());
        bytes.extend(self.incoming_streams.to_be_bytes());
        bytes.extend(self.first_tsn.to_be_bytes());
        if let Some(cookie) = cookie {
            push_parameter(bytes, parameter::STATE_COOKIE, |bytes| bytes.extend(cookie));
        }
        self.abilities.write(bytes);
    }
}

impl Abilities {
    fn parse(bytes: &[u8]) -> Self {
        let mut abilities = Self::default();
        for (kind, value) in parameters(bytes) {
            match kind {
                parameter::FORWARD_TSN => abilities.forward_tsn = true,
                parameter::ZERO_CHECKSUM => {
                    abilities.zero_checksum = u32_at(value, 0) == Some(DTLS_DETECTS_ERRORS);
                }
                parameter::SUPPORTED_CHUNKS => {
                    abilities.forward_tsn |= value.contains(&kind::FORWARD_TSN);
                    abilities.re_config = value.contains(&kind::RE_CONFIG);
                    abilities.interleaving =
                        value.contains(&kind::I_DATA) && value.contains(&kind::I_FORWARD_TSN);
                }
                _ => {}
            }
        }
        abilities
    }

    fn write(self, bytes: &mut Vec<u8>) {
        let chunks = [
            (self.re_config, kind::RE_CONFIG),
            (self.forward_tsn, kind::FORWARD_TSN),
            (self.interleaving, kind::I_DATA),
            (self.interleaving, kind::I_FORWARD_TSN),
        ];
        let known = chunks.into_iter().filter_map(|(is_known, kind)| is_known.then_some(kind));
        push_parameter(bytes, parameter::SUPPORTED_CHUNKS, |bytes| bytes.extend(known));
        if self.forward_tsn {
            push_parameter(bytes, parameter::FORWARD_TSN, |_| {});
        }
        if self.zero_checksum {
            push_parameter(bytes, parameter::ZERO_CHECKSUM, |bytes| {
                bytes.extend(DTLS_DETECTS_ERRORS.to_be_bytes());
            });
        }
    }

    /// What both sides know.
    pub(super) fn shared_with(self, other: Self) -> Self {
        Self {
            forward_tsn: self.forward_tsn && other.forward_tsn,
            re_config: self.re_config && other.re_config,
            interleaving: self.interleaving && other.interleaving,
            zero_checksum: self.zero_checksum && other.zero_checksum,
        }
    }
}

const LAST: u8 = 1;
const FIRST: u8 = 2;
const UNORDERED: u8 = 4;
const URGENT: u8 = 8;

impl<'a> Data<'a> {
    /// What of a chunk is not payload.
    pub(super) const fn overhead(is_interleaved: bool) -> usize {
        if is_interleaved { 16 } else { 12 }
    }

    /// Reads a DATA or an I-DATA chunk.
    pub(super) fn parse(chunk: Item<'a>) -> Option<Self> {
        let Item { head: [kind, flags], value } = chunk;
        let is_first = flags & FIRST != 0;
        let (place, ppid) = if kind == kind::I_DATA {
            let (message, last) = (u32_at(value, 8)?, u32_at(value, 12)?);
            // The two share their place: the first part has no number, the others no identifier.
            let (part, ppid) = if is_first { (0, last) } else { (last, 0) };
            (Place::Interleaved { message, part }, ppid)
        } else {
            (Place::Plain { ssn: u16_at(value, 6)? }, u32_at(value, 8)?)
        };
        let payload = value.get(Self::overhead(kind == kind::I_DATA)..)?;
        (!payload.is_empty()).then_some(Self {
            tsn: u32_at(value, 0)?,
            stream: u16_at(value, 4)?,
            is_unordered: flags & UNORDERED != 0,
            is_first,
            is_last: flags & LAST != 0,
            is_urgent: flags & URGENT != 0,
            place,
            ppid,
            payload,
        })
    }

    pub(super) fn write(&self, packet: &mut Packet) {
        let flags = [
            (self.is_last, LAST),
            (self.is_first, FIRST),
            (self.is_unordered, UNORDERED),
            (self.is_urgent, URGENT),
        ];
        let flags = flags.into_iter().map(|(is_set, flag)| if is_set { flag } else { 0 }).sum();
        let kind = match self.place {
            Place::Plain { .. } => kind::DATA,
            Place::Interleaved { .. } => kind::I_DATA,
        };
        packet.push(kind, flags, |bytes| {
            bytes.extend_from_slice(&self.tsn.to_be_bytes());
            bytes.extend_from_slice(&self.stream.to_be_bytes());
            match self.place {
                Place::Plain { ssn } => {
                    bytes.extend_from_slice(&ssn.to_be_bytes());
                    bytes.extend_from_slice(&self.ppid.to_be_bytes());
                }
                Place::Interleaved { message, part } => {
                    bytes.extend_from_slice(&[0; 2]);
                    bytes.extend_from_slice(&message.to_be_bytes());
                    let last = if self.is_first { self.ppid } else { part };
                    bytes.extend_from_slice(&last.to_be_bytes());
                }
            }
            bytes.extend_from_slice(self.payload);
        });
    }
}

impl Sack {
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let gaps = usize::from(u16_at(value, 8)?);
        let duplicates = usize::from(u16_at(value, 10)?);
        let (gaps, rest) = value.get(12..)?.split_at_checked(4 * gaps)?;
        let duplicates = rest.get(..4 * duplicates)?;
        Some(Self {
            cumulative: u32_at(value, 0)?,
            window: u32_at(value, 4)?,
            gaps: gaps
                .chunks_exact(4)
                .filter_map(|gap| u16_at(gap, 0).zip(u16_at(gap, 2)))
                .collect(),
            duplicates: words(duplicates).collect(),
        })
    }

    /// Appends what fits: gaps first, and of them the first.
    pub(super) fn write(&self, packet: &mut Packet) {
        let room = packet.room().saturating_sub(12) / 4;
        let gaps = &self.gaps[..self.gaps.len().min(room)];
        let duplicates = &self.duplicates[..self.duplicates.len().min(room - gaps.len())];
        packet.push(kind::SACK, 0, |bytes| {
            bytes.extend(self.cumulative.to_be_bytes());
            bytes.extend(self.window.to_be_bytes());
            bytes.extend((gaps.len() as u16).to_be_bytes());
            bytes.extend((duplicates.len() as u16).to_be_bytes());
            for (first, last) in gaps {
                bytes.extend(first.to_be_bytes());
                bytes.extend(last.to_be_bytes());
            }
            duplicates.iter().for_each(|tsn| bytes.extend(tsn.to_be_bytes()));
        });
    }
}

impl Forward {
    /// How many streams can be named in so much room; `None` when there is not even room to say
    /// that there are none.
    pub(super) fn max_skipped(is_interleaved: bool, room: usize) -> Option<usize> {
        Some(room.checked_sub(4)? / if is_interleaved { 8 } else { 4 })
    }

    /// Reads a FORWARD TSN or an I-FORWARD-TSN chunk.
    pub(super) fn parse(chunk: Item<'_>) -> Option<Self> {
        let cumulative = u32_at(chunk.value, 0)?;
        let is_interleaved = chunk.head[0] == kind::I_FORWARD_TSN;
        let list = chunk.value[4..].chunks_exact(if is_interleaved { 8 } else { 4 });
        let skipped = |entry| {
            let (stream, second) = (u16_at(entry, 0)?, u16_at(entry, 2)?);
            Some(if is_interleaved {
                Skipped { stream, is_unordered: second & 1 != 0, message: u32_at(entry, 4)? }
            } else {
                Skipped { stream, is_unordered: false, message: second.into() }
            })
        };
        Some(Self { cumulative, skipped: list.filter_map(skipped).collect() })
    }

    pub(super) fn write(&self, is_interleaved: bool, packet: &mut Packet) {
        let kind = if is_interleaved { kind::I_FORWARD_TSN } else { kind::FORWARD_TSN };
        packet.push(kind, 0, |bytes| {
            bytes.extend(self.cumulative.to_be_bytes());
            for skipped in &self.skipped {
                bytes.extend(skipped.stream.to_be_bytes());
                if is_interleaved {
                    bytes.extend(u16::from(skipped.is_unordered).to_be_bytes());
                    bytes.extend(skipped.message.to_be_bytes());
                } else {
                    bytes.extend((skipped.message as u16).to_be_bytes());
                }
            }
        });
    }
}

impl Reconfig {
    /// Reads what a RE-CONFIG chunk holds.
    pub(super) fn parse(value: &[u8]) -> impl Iterator<Item = Self> {
        parameters(value).filter_map(|(kind, value)| {
            let request = u32_at(value, 0)?;
            Some(match kind {
                parameter::OUTGOING_RESET => Self::OutgoingReset {
                    request,
                    last_tsn: u32_at(value, 8)?,
                    streams: value[12..].chunks_exact(2).filter_map(|id| u16_at(id, 0)).collect(),
                },
                parameter::RESPONSE => Self::Response { request, outcome: u32_at(value, 4)? },
                parameter::INCOMING_RESET
                | parameter::TSN_RESET
                | parameter::ADD_OUTGOING
                | parameter::ADD_INCOMING => Self::Other { request },
                _ => return None,
            })
        })
    }

    pub(super) fn write(&self, packet: &mut Packet) {
        packet.push(kind::RE_CONFIG, 0, |bytes| match self {
            Self::OutgoingReset { request, last_tsn, streams } => {
                push_parameter(bytes, parameter::OUTGOING_RESET, |bytes| {
                    bytes.extend(request.to_be_bytes());
                    // The request of the other side that this one would answer: none.
                    bytes.extend([0; 4]);
                    bytes.extend(last_tsn.to_be_bytes());
                    streams.iter().for_each(|stream| bytes.extend(stream.to_be_bytes()));
                });
            }
            Self::Response { request, outcome } => {
                push_parameter(bytes, parameter::RESPONSE, |bytes| {
                    bytes.extend(request.to_be_bytes());
                    bytes.extend(outcome.to_be_bytes());
                });
            }
            Self::Other { .. } => {}
        });
    }
}

/// Appends an ABORT that says that it was wanted.
pub(super) fn write_abort(packet: &mut Packet) {
    packet.push(kind::ABORT, 0, |bytes| push_parameter(bytes, USER_INITIATED_ABORT, |_| {}));
}

fn parameters(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    items(bytes).map(|item| (u16::from_be_bytes(item.head), item.value))
}

fn push_parameter(bytes: &mut Vec<u8>, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
    push_item(bytes, kind.to_be_bytes(), write);
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).filter_map(|word| array(word, 0).map(u32::from_be_bytes))
}
