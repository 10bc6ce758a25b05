//! How STUN messages are read and written (RFC 8489, sections 5, 14), and how those to a TURN
//! server are signed (section 9.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

pub(crate) const HEADER_LEN: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const INTEGRITY_LEN: usize = 20;

/// What attributes hold.
pub(crate) mod attribute {
    pub(crate) const MAPPED_ADDRESS: u16 = 0x0001;
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const CHANNEL_NUMBER: u16 = 0x000C;
    pub(crate) const LIFETIME: u16 = 0x000D;
    pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub(crate) const DATA: u16 = 0x0013;
    pub(crate) const REALM: u16 = 0x0014;
    pub(crate) const NONCE: u16 = 0x0015;
    pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub(crate) const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Method {
    Binding = 0x001,
    Allocate = 0x003,
    Refresh = 0x004,
    Send = 0x006,
    Data = 0x007,
    CreatePermission = 0x008,
    ChannelBind = 0x009,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Class {
    Request = 0x000,
    Indication = 0x010,
    Success = 0x100,
    Error = 0x110,
}

/// Ties an answer to its question.
pub(crate) type TransactionId = [u8; 12];

/// The key that signs messages between a user and a TURN server.
#[derive(Clone)]
pub(crate) struct Key([u8; 16]);

impl Key {
    /// The key of a user in a realm (RFC 8489, section 9.2.2).
    pub(crate) fn new(username: &str, realm: &[u8], password: &str) -> Self {
        let md5 = Md5::new().chain_update(username).chain_update(":").chain_update(realm);
        Self(md5.chain_update(":").chain_update(password).finalize().into())
    }

    fn mac(&self) -> Hmac<Sha1> {
        Hmac::new_from_slice(&self.0).expect("a key of any length will do")
    }
}

/// A message whose outline is sound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StunMessage<'a> {
    bytes: &'a [u8],
}

impl<'a> StunMessage<'a> {
    /// `None` when this is no STUN message, or not exactly one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let is_sound = head[0] < 0x40 && head[4..8] == MAGIC && HEADER_LEN + len == bytes.len();
        is_sound.then_some(Self { bytes })
    }

    pub(crate) fn is(&self, method: Method, class: Class) -> bool {
        self.bytes[..2] == kind(method, class)
    }

    pub(crate) fn id(&self) -> TransactionId {
        std::array::from_fn(|i| self.bytes[8 + i])
    }

    /// The first attribute of this type.
    pub(crate) fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(_, found, _)| *found == kind).map(|(_, _, value)| value)
    }

    /// An address attribute, masked or not (RFC 8489, sections 14.1 and 14.2).
    pub(crate) fn address(&self, kind: u16) -> Option<SocketAddr> {
        let unmasked = [0; 16];
        let is_plain = kind == attribute::MAPPED_ADDRESS;
        let mask = if is_plain { &unmasked } else { &self.bytes[4..HEADER_LEN] };
        read_address(self.attribute(kind)?, mask)
    }

    /// The code and reason of an error response.
    pub(crate) fn error(&self) -> Option<(u16, String)> {
        let (head, reason) = self.attribute(attribute::ERROR_CODE)?.split_first_chunk::<4>()?;
        let code = u16::from(head[2] & 7) * 100 + u16::from(head[3] % 100);
        Some((code, String::from_utf8_lossy(reason).into_owned()))
    }

    /// Whether it is signed with this key; `None` when it is not signed at all.
    pub(crate) fn is_signed_with(&self, key: &Key) -> Option<bool> {
        let (place, _, signature) =
            self.attributes().find(|(_, kind, _)| *kind == attribute::MESSAGE_INTEGRITY)?;
        let mac = key.mac().chain_update(&self.bytes[..2]).chain_update(signed_len(place));
        Some(mac.chain_update(&self.bytes[4..place]).verify_slice(signature).is_ok())
    }

    /// Place, type and value of each attribute, up to the first that is cut off.
    fn attributes(&self) -> impl Iterator<Item = (usize, u16, &'a [u8])> {
        let bytes = self.bytes;
        let mut place = HEADER_LEN;
        std::iter::from_fn(move || {
            let (head, rest) = bytes.get(place..)?.split_first_chunk::<4>()?;
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let found = (place, u16::from_be_bytes([head[0], head[1]]), rest.get(..len)?);
            place += 4 + len.next_multiple_of(4);
            Some(found)
        })
    }
}

/// Writes one message.
#[derive(Debug)]
pub(crate) struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    pub(crate) fn new(method: Method, class: Class, id: &TransactionId) -> Self {
        Self { bytes: [&kind(method, class)[..], &[0, 0], &MAGIC, id].concat() }
    }

    /// Adds an attribute. Of a value longer than 65,535 bytes, which nobody has, the rest is left
    /// out.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        let value = &value[..len.into()];
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a masked address.
    pub(crate) fn address(self, kind: u16, address: SocketAddr) -> Self {
        let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
        value.extend_from_slice(&address.port().to_be_bytes());
        match address.ip() {
            IpAddr::V4(ip) => value.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => value.extend_from_slice(&ip.octets()),
        }
        let mask = &self.bytes[4..HEADER_LEN];
        value[2..4].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        value[4..].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        self.attribute(kind, &value)
    }

    /// Signs what was written so far; nothing may follow.
    pub(crate) fn sign(mut self, key: &Key) -> Self {
        let place = self.bytes.len();
        self.bytes[2..4].copy_from_slice(&signed_len(place));
        let signature = key.mac().chain_update(&self.bytes).finalize().into_bytes();
        self.attribute(attribute::MESSAGE_INTEGRITY, &signature)
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let len = u16::try_from(self.bytes.len() - HEADER_LEN).unwrap_or(u16::MAX);
        self.bytes[2..4].copy_from_slice(&len.to_be_bytes());
        self.bytes
    }
}

fn kind(method: Method, class: Class) -> [u8; 2] {
    (method as u16 | class as u16).to_be_bytes()
}

/// The length that a message has when its signature, at this place, is its end.
fn signed_len(place: usize) -> [u8; 2] {
    let len = place + 4 + INTEGRITY_LEN - HEADER_LEN;
    u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes()
}

fn read_address(value: &[u8], mask: &[u8]) -> Option<SocketAddr> {
    let (head, ip) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2] ^ *mask.first()?, head[3] ^ *mask.get(1)?]);
    let unmasked: Vec<u8> = ip.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let ip = match head[1] {
        1 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(unmasked).ok()?)),
        2 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(unmasked).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769, section 2.4: signed with the key of a long-term credential.
    const SIGNED: [u8; 116] = [
        0x00, 0x01, 0x00, 0x60, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72,
        0xc0, 0x29, 0xda, 0x41, 0x2e, 0x00, 0x06, 0x00, 0x12, 0xe3, 0x83, 0x9e, 0xe3, 0x83, 0x88,
        0xe3, 0x83, 0xaa, 0xe3, 0x83, 0x83, 0xe3, 0x82, 0xaf, 0xe3, 0x82, 0xb9, 0x00, 0x00, 0x00,
        0x15, 0x00, 0x1c, 0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39, 0x6b, 0x39, 0x35, 0x34, 0x64, 0x36,
        0x4f, 0x4c, 0x33, 0x34, 0x6f, 0x4c, 0x39, 0x46, 0x53, 0x54, 0x76, 0x79, 0x36, 0x34, 0x73,
        0x41, 0x00, 0x14, 0x00, 0x0b, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72,
        0x67, 0x00, 0x00, 0x08, 0x00, 0x14, 0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6, 0x4a, 0x3e, 0x02,
        0xb8, 0xe0, 0x71, 0x2e, 0x85, 0xc9, 0xa2, 0x8c, 0xa8, 0x96, 0x66,
    ];
    const USERNAME: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";

    #[test]
    fn a_signature_is_checked() {
        let message = StunMessage::parse(&SIGNED).unwrap();
        let realm = message.attribute(attribute::REALM).unwrap();
        assert_eq!(realm, b"example.org");
        // After SASLprep, as the RFC gives it.
        assert_eq!(message.is_signed_with(&Key::new(USERNAME, realm, "TheMatrIX")), Some(true));
        assert_eq!(message.is_signed_with(&Key::new(USERNAME, realm, "thematrix")), Some(false));
    }

    #[test]
    fn a_signature_is_written() {
        let message = StunMessage::parse(&SIGNED).unwrap();
        let mut builder = Builder::new(Method::Binding, Class::Request, &message.id());
        for kind in [attribute::USERNAME, attribute::NONCE, attribute::REALM] {
            builder = builder.attribute(kind, message.attribute(kind).unwrap());
        }
        let key = Key::new(USERNAME, b"example.org", "TheMatrIX");
        assert_eq!(builder.sign(&key).finish(), SIGNED);
    }

    #[test]
    fn addresses_are_read_as_written() {
        for address in ["192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"] {
            let address = address.parse().unwrap();
            let message = Builder::new(Method::Data, Class::Indication, &[7; 12])
                .attribute(attribute::DATA, b"odd")
                .address(attribute::XOR_PEER_ADDRESS, address)
                .finish();
            let message = StunMessage::parse(&message).unwrap();
            assert!(message.is(Method::Data, Class::Indication));
            assert_eq!(message.address(attribute::XOR_PEER_ADDRESS), Some(address));
            assert_eq!(message.attribute(attribute::DATA), Some(&b"odd"[..]));
            assert_eq!(message.is_signed_with(&Key([0; 16])), None);
        }
    }

    #[test]
    fn errors_are_read() {
        let message = Builder::new(Method::Allocate, Class::Error, &[7; 12])
            .attribute(attribute::ERROR_CODE, b"\0\0\x04\x01Unauthorized")
            .finish();
        let error = StunMessage::parse(&message).unwrap().error();
        assert_eq!(error, Some((401, "Unauthorized".to_owned())));
    }

    #[test]
    fn no_garbled_message_panics() {
        let key = Key([0; 16]);
        for place in 0..SIGNED.len() {
            for byte in [0, 1, 0x7F, 0xFF] {
                let mut bytes = SIGNED;
                bytes[place] = byte;
                for bytes in [&bytes[..], &bytes[..place]] {
                    let Some(message) = StunMessage::parse(bytes) else { continue };
                    message.is_signed_with(&key);
                    message.error();
                    message.address(attribute::NONCE);
                }
            }
        }
    }
}
