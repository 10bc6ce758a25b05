//! A TURN server that keeps to the rules and to the clock, without sockets: for tests.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::stun_message::{Builder, Class, Key, Method, StunMessage, TransactionId, attribute};

pub(crate) const USERNAME: &str = "player";
pub(crate) const PASSWORD: &str = "secret";
const REALM: &[u8] = b"example.org";
const PERMISSION: Duration = Duration::from_secs(5 * 60);
const CHANNEL: Duration = Duration::from_secs(10 * 60);

/// `C` names clients: each has its own link.
pub(crate) struct TurnServer<C> {
    /// What it can grant.
    free: VecDeque<SocketAddr>,
    /// Nonces before this one are stale.
    nonce: u32,
    pub(crate) lifetime: Duration,
    /// What to answer instead of granting an address.
    pub(crate) refusal: Option<u16>,
    /// Peers that may not be sent to.
    pub(crate) forbidden: Vec<IpAddr>,
    allocations: HashMap<C, Allocation>,
    /// How often it was asked for each, by name.
    pub(crate) asked: HashMap<&'static str, usize>,
    /// How many datagrams went to peers in the short form.
    pub(crate) short: usize,
}

struct Allocation {
    /// What it was asked for with: asked again, the answer is the same.
    id: TransactionId,
    relayed: SocketAddr,
    expires: Instant,
    permissions: HashMap<IpAddr, Instant>,
    channels: HashMap<u16, (SocketAddr, Instant)>,
}

/// What it wants sent.
#[derive(Debug)]
pub(crate) enum Reply<C> {
    ToClient { client: C, bytes: Vec<u8> },
    ToPeer { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
}

impl<C: Copy + Eq + Hash> TurnServer<C> {
    pub(crate) fn new(free: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            free: free.into_iter().collect(),
            nonce: 1,
            lifetime: Duration::from_secs(10 * 60),
            refusal: None,
            forbidden: Vec::new(),
            allocations: HashMap::new(),
            asked: HashMap::new(),
            short: 0,
        }
    }

    pub(crate) fn expire_nonce(&mut self) {
        self.nonce += 1;
    }

    /// Forgets everything, as one that was started anew.
    pub(crate) fn restart(&mut self) {
        self.allocations.clear();
    }

    /// How many allocations there are.
    pub(crate) fn load(&mut self, now: Instant) -> usize {
        self.allocations.retain(|_, allocation| allocation.expires > now);
        self.allocations.len()
    }

    pub(crate) fn grants(&self, address: SocketAddr) -> bool {
        self.allocations.values().any(|allocation| allocation.relayed == address)
    }

    /// A client's link is gone; with TCP, what it was granted is too.
    pub(crate) fn forget(&mut self, client: C) {
        self.allocations.remove(&client);
    }

    /// Takes one message of a client.
    pub(crate) fn take_from_client(
        &mut self,
        now: Instant,
        client: C,
        seen_as: SocketAddr,
        frame: &[u8],
    ) -> Option<Reply<C>> {
        self.load(now);
        if frame[0] >> 6 == 1 {
            return self.channel_data(now, client, frame);
        }
        let message = StunMessage::parse(frame)?;
        if message.is(Method::Send, Class::Indication) {
            let to = message.address(attribute::XOR_PEER_ADDRESS)?;
            let bytes = message.attribute(attribute::DATA)?.to_vec();
            let allocation = self.allocations.get(&client)?;
            let is_permitted = allocation.permissions.get(&to.ip()).is_some_and(|end| *end > now);
            let reply = Reply::ToPeer { from: allocation.relayed, to, bytes };
            return is_permitted.then_some(reply);
        }
        let bytes = self.answer(now, client, seen_as, &message)?.finish();
        Some(Reply::ToClient { client, bytes })
    }

    fn channel_data(&mut self, now: Instant, client: C, frame: &[u8]) -> Option<Reply<C>> {
        let allocation = self.allocations.get(&client)?;
        let number = u16::from_be_bytes([frame[0], frame[1]]);
        let len = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
        let (to, _) = allocation.channels.get(&number).filter(|(_, end)| *end > now)?;
        self.short += 1;
        let bytes = frame[4..4 + len].to_vec();
        Some(Reply::ToPeer { from: allocation.relayed, to: *to, bytes })
    }

    fn answer(
        &mut self,
        now: Instant,
        client: C,
        seen_as: SocketAddr,
        message: &StunMessage<'_>,
    ) -> Option<Builder> {
        let id = message.id();
        if message.is(Method::Binding, Class::Request) {
            let answer = Builder::new(Method::Binding, Class::Success, &id);
            return Some(answer.address(attribute::XOR_MAPPED_ADDRESS, seen_as));
        }
        let (name, method) = [
            ("allocate", Method::Allocate),
            ("refresh", Method::Refresh),
            ("permit", Method::CreatePermission),
            ("bind", Method::ChannelBind),
        ]
        .into_iter()
        .find(|(_, method)| message.is(*method, Class::Request))?;
        *self.asked.entry(name).or_default() += 1;
        let outcome = self.check(message).and_then(|()| self.act(now, client, method, message));
        let key = Key::new(USERNAME, REALM, PASSWORD);
        Some(match outcome {
            Ok(attributes) => {
                let answer = Builder::new(method, Class::Success, &id);
                attributes(answer).sign(&key)
            }
            Err(code) => {
                let value = [0, 0, (code / 100) as u8, (code % 100) as u8];
                let answer = Builder::new(method, Class::Error, &id);
                let answer = answer.attribute(attribute::ERROR_CODE, &value);
                let nonce = self.nonce.to_be_bytes();
                match code {
                    401 | 438 => answer
                        .attribute(attribute::REALM, REALM)
                        .attribute(attribute::NONCE, &nonce),
                    _ => answer.sign(&key),
                }
            }
        })
    }

    fn check(&self, message: &StunMessage<'_>) -> Result<(), u16> {
        let key = Key::new(USERNAME, REALM, PASSWORD);
        if message.is_signed_with(&key) != Some(true)
            || message.attribute(attribute::USERNAME) != Some(USERNAME.as_bytes())
        {
            return Err(401);
        }
        let nonce = self.nonce.to_be_bytes();
        if message.attribute(attribute::NONCE) == Some(&nonce) { Ok(()) } else { Err(438) }
    }

    /// Does what is asked: what to add to the answer, or the code of an error.
    fn act(
        &mut self,
        now: Instant,
        client: C,
        method: Method,
        message: &StunMessage<'_>,
    ) -> Result<Box<dyn FnOnce(Builder) -> Builder>, u16> {
        let lifetime = u32::try_from(self.lifetime.as_secs()).expect("less than a century");
        let lifetime = lifetime.to_be_bytes();
        if method == Method::Allocate {
            let relayed = self.allocate(now, client, message.id())?;
            return Ok(Box::new(move |answer| {
                answer
                    .address(attribute::XOR_RELAYED_ADDRESS, relayed)
                    .attribute(attribute::LIFETIME, &lifetime)
            }));
        }
        let allocation = self.allocations.get_mut(&client).ok_or(437_u16)?;
        if method == Method::Refresh {
            if message.attribute(attribute::LIFETIME) == Some(&[0; 4]) {
                self.allocations.remove(&client);
            } else {
                allocation.expires = now + self.lifetime;
            }
            return Ok(Box::new(move |answer| answer.attribute(attribute::LIFETIME, &lifetime)));
        }
        let peer = message.address(attribute::XOR_PEER_ADDRESS).ok_or(400_u16)?;
        if self.forbidden.contains(&peer.ip()) {
            return Err(403);
        }
        allocation.permissions.insert(peer.ip(), now + PERMISSION);
        if let Some([high, low, ..]) = message.attribute(attribute::CHANNEL_NUMBER) {
            let number = u16::from_be_bytes([*high, *low]);
            allocation.channels.insert(number, (peer, now + CHANNEL));
        }
        Ok(Box::new(|answer| answer))
    }

    fn allocate(&mut self, now: Instant, client: C, id: TransactionId) -> Result<SocketAddr, u16> {
        if let Some(code) = self.refusal {
            return Err(code);
        }
        if let Some(known) = self.allocations.get(&client) {
            return if known.id == id { Ok(known.relayed) } else { Err(437) };
        }
        let relayed = self.free.pop_front().ok_or(508_u16)?;
        let expires = now + self.lifetime;
        let (permissions, channels) = Default::default();
        let allocation = Allocation { id, relayed, expires, permissions, channels };
        self.allocations.insert(client, allocation);
        Ok(relayed)
    }

    /// Takes a datagram that came to an address that was granted. `is_stream` tells how its
    /// client is reached.
    pub(crate) fn take_from_peer(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
        is_stream: impl Fn(C) -> bool,
    ) -> Option<Reply<C>> {
        self.load(now);
        let (client, allocation) =
            self.allocations.iter().find(|(_, allocation)| allocation.relayed == relayed)?;
        allocation.permissions.get(&from.ip()).filter(|end| **end > now)?;
        let mut channels = allocation.channels.iter();
        let bytes = match channels.find(|(_, (peer, end))| *peer == from && *end > now) {
            Some((number, _)) => {
                let len = u16::try_from(bytes.len()).expect("a datagram").to_be_bytes();
                let mut frame = [&number.to_be_bytes()[..], &len, bytes].concat();
                if is_stream(*client) {
                    frame.resize(frame.len().next_multiple_of(4), 0);
                }
                frame
            }
            None => Builder::new(Method::Data, Class::Indication, &[0; 12])
                .address(attribute::XOR_PEER_ADDRESS, from)
                .attribute(attribute::DATA, bytes)
                .finish(),
        };
        Some(Reply::ToClient { client: *client, bytes })
    }
}
