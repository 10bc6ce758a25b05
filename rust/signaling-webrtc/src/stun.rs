//! What is our address as the world sees it: Binding requests to STUN servers (RFC 8489).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

/// How long an unanswered request waits before it is sent again; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Requests to one server: the last one is given up 5 s after the first was sent.
const ATTEMPTS: u32 = 5;
const LAST_WAIT: Duration = Duration::from_millis(1250);
/// Sockets times servers; what comes beyond is not asked.
const MAX_QUERIES: usize = 64;

const HEADER_LEN: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const BINDING_ERROR: [u8; 2] = [0x01, 0x11];
const MAPPED_ADDRESS: u16 = 0x0001;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

type TransactionId = [u8; 12];

/// Asks every server from every socket of its address family, once each.
#[derive(Debug)]
pub(crate) struct StunClient {
    sockets: Vec<SocketAddr>,
    servers: Vec<SocketAddr>,
    queries: Vec<Query>,
}

/// One question that has no answer yet.
#[derive(Debug)]
struct Query {
    socket: SocketAddr,
    server: SocketAddr,
    id: TransactionId,
    sent: u32,
    next: Instant,
}

/// A request to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// What a server said: the socket `base` is seen as `mapped`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reflexive {
    pub(crate) base: SocketAddr,
    pub(crate) mapped: SocketAddr,
}

impl StunClient {
    pub(crate) fn new() -> Self {
        Self { sockets: Vec::new(), servers: Vec::new(), queries: Vec::new() }
    }

    pub(crate) fn add_socket(&mut self, now: Instant, rng: &mut StdRng, socket: SocketAddr) {
        self.sockets.push(socket);
        for server in self.servers.clone() {
            self.ask(now, rng, socket, server);
        }
    }

    pub(crate) fn add_server(&mut self, now: Instant, rng: &mut StdRng, server: SocketAddr) {
        if self.servers.contains(&server) {
            return;
        }
        self.servers.push(server);
        for socket in self.sockets.clone() {
            self.ask(now, rng, socket, server);
        }
    }

    fn ask(&mut self, now: Instant, rng: &mut StdRng, socket: SocketAddr, server: SocketAddr) {
        // A loopback socket reaches loopback servers, and nobody else does.
        let connects = socket.is_ipv4() == server.is_ipv4()
            && socket.ip().is_loopback() == server.ip().is_loopback();
        if connects && self.queries.len() < MAX_QUERIES {
            self.queries.push(Query { socket, server, id: rng.random(), sent: 0, next: now });
        }
    }

    /// Whether every question has been answered or given up.
    pub(crate) fn is_idle(&self) -> bool {
        self.queries.is_empty()
    }

    /// The next request that is due; gives up on servers that never answered.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Request> {
        self.queries.retain(|query| query.sent < ATTEMPTS || query.next > now);
        let query = self.queries.iter_mut().find(|query| query.next <= now)?;
        query.next = now
            + if query.sent + 1 == ATTEMPTS { LAST_WAIT } else { FIRST_RETRY * (1 << query.sent) };
        query.sent += 1;
        Some(Request { from: query.socket, to: query.server, bytes: request(&query.id) })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queries.iter().map(|query| query.next).min()
    }

    /// Takes a datagram if it answers one of our questions. The outer `None` means that it does
    /// not, the inner one that the answer brings no address.
    pub(crate) fn handle(
        &mut self,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Option<Option<Reflexive>> {
        let id: &TransactionId = bytes.get(8..HEADER_LEN)?.try_into().ok()?;
        let place = self.queries.iter().position(|query| {
            query.socket == local && query.server == from && query.id == *id && query.sent > 0
        })?;
        let mapped = match *bytes.first_chunk()? {
            BINDING_SUCCESS => mapped_address(bytes),
            BINDING_ERROR => None,
            _ => return None,
        };
        self.queries.swap_remove(place);
        Some(mapped.map(|mapped| Reflexive { base: local, mapped }))
    }
}

fn request(id: &TransactionId) -> Vec<u8> {
    let no_attributes = [0, 0];
    [&BINDING_REQUEST[..], &no_attributes, &MAGIC, id].concat()
}

/// The address in a response; XOR-MAPPED-ADDRESS wins over MAPPED-ADDRESS, which old servers send.
fn mapped_address(message: &[u8]) -> Option<SocketAddr> {
    let mut plain = None;
    let mut attributes = message.get(HEADER_LEN..)?;
    while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(..len)?;
        match kind {
            XOR_MAPPED_ADDRESS => return address(value, message.get(4..HEADER_LEN)?),
            MAPPED_ADDRESS => plain = address(value, &[0; 16]),
            _ => {}
        }
        attributes = rest.get(len.next_multiple_of(4)..)?;
    }
    plain
}

/// An address attribute, whose port and address are masked by `mask` (RFC 8489, section 14.2).
fn address(value: &[u8], mask: &[u8]) -> Option<SocketAddr> {
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
    use rand::SeedableRng;

    use super::*;

    struct Asked {
        client: StunClient,
        start: Instant,
        socket: SocketAddr,
        server: SocketAddr,
        request: Vec<u8>,
    }

    fn asked(socket: &str, server: &str) -> Asked {
        let (socket, server) = (socket.parse().unwrap(), server.parse().unwrap());
        let mut rng = StdRng::seed_from_u64(1);
        let mut client = StunClient::new();
        let start = Instant::now();
        client.add_socket(start, &mut rng, socket);
        client.add_server(start, &mut rng, server);
        let request = client.poll_transmit(start).unwrap();
        assert_eq!((request.from, request.to), (socket, server));
        Asked { client, start, socket, server, request: request.bytes }
    }

    /// A success response to this request with one attribute.
    fn response(request: &[u8], kind: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len()).unwrap();
        let mut bytes = request.to_vec();
        bytes[..2].copy_from_slice(&BINDING_SUCCESS);
        bytes[2..4].copy_from_slice(&(len + 4).to_be_bytes());
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(value);
        bytes
    }

    #[test]
    fn an_answer_brings_the_address_as_the_world_sees_it() {
        let mut asked = asked("10.0.0.1:4000", "192.0.2.9:3478");
        // RFC 5769, section 2.2: 192.0.2.1:32853 under the magic cookie.
        let value = [0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        let bytes = response(&asked.request, XOR_MAPPED_ADDRESS, &value);
        let mapped = "192.0.2.1:32853".parse().unwrap();
        let answer = asked.client.handle(asked.socket, asked.server, &bytes);
        assert_eq!(answer, Some(Some(Reflexive { base: asked.socket, mapped })));
        assert!(asked.client.is_idle());
        assert_eq!(asked.client.handle(asked.socket, asked.server, &bytes), None, "answered");
    }

    #[test]
    fn an_ipv6_address_is_masked_by_the_transaction_too() {
        let mut asked = asked("[2001:db8::1]:4000", "[2001:db8::9]:3478");
        let mapped: SocketAddr = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let IpAddr::V6(ip) = mapped.ip() else { unreachable!() };
        let mask = &asked.request[4..20];
        let mut value = vec![0x00, 0x02, 0xa1, 0x47];
        value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        let bytes = response(&asked.request, XOR_MAPPED_ADDRESS, &value);
        let answer = asked.client.handle(asked.socket, asked.server, &bytes);
        assert_eq!(answer, Some(Some(Reflexive { base: asked.socket, mapped })));
    }

    #[test]
    fn an_old_server_answers_without_the_mask() {
        let mut asked = asked("10.0.0.1:4000", "192.0.2.9:3478");
        let value = [0, 1, 0x80, 0x55, 192, 0, 2, 1];
        let bytes = response(&asked.request, MAPPED_ADDRESS, &value);
        let mapped = "192.0.2.1:32853".parse().unwrap();
        let answer = asked.client.handle(asked.socket, asked.server, &bytes);
        assert_eq!(answer, Some(Some(Reflexive { base: asked.socket, mapped })));
    }

    #[test]
    fn an_answer_from_elsewhere_or_to_another_question_is_not_ours() {
        let mut asked = asked("10.0.0.1:4000", "192.0.2.9:3478");
        let mut bytes = response(&asked.request, MAPPED_ADDRESS, &[0, 1, 0, 1, 1, 1, 1, 1]);
        assert_eq!(asked.client.handle(asked.socket, asked.socket, &bytes), None);
        bytes[10] ^= 1;
        assert_eq!(asked.client.handle(asked.socket, asked.server, &bytes), None);
        assert!(!asked.client.is_idle());
    }

    #[test]
    fn no_garbled_answer_panics() {
        let value = [0x00, 0x02, 0xa1, 0x47, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        for place in 2..44 {
            for byte in [0, 1, 0x7F, 0xFF] {
                let mut asked = asked("10.0.0.1:4000", "192.0.2.9:3478");
                let mut bytes = response(&asked.request, XOR_MAPPED_ADDRESS, &value);
                bytes[place] = byte;
                asked.client.handle(asked.socket, asked.server, &bytes);
                asked.client.handle(asked.socket, asked.server, &bytes[..place]);
            }
        }
    }

    #[test]
    fn a_silent_server_is_given_up_after_five_seconds() {
        let Asked { mut client, start, .. } = asked("10.0.0.1:4000", "192.0.2.9:3478");
        let mut requests = 1;
        let mut now = start;
        while let Some(next) = client.poll_timeout() {
            now = next;
            requests += usize::from(client.poll_transmit(now).is_some());
        }
        assert_eq!(requests, 5);
        assert_eq!(now - start, Duration::from_secs(5));
    }

    #[test]
    fn only_sockets_that_can_reach_a_server_ask_it() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut client = StunClient::new();
        let now = Instant::now();
        for socket in ["10.0.0.1:1", "127.0.0.1:1", "[::1]:1", "[2001:db8::1]:1"] {
            client.add_socket(now, &mut rng, socket.parse().unwrap());
        }
        client.add_server(now, &mut rng, "192.0.2.9:3478".parse().unwrap());
        client.add_server(now, &mut rng, "192.0.2.9:3478".parse().unwrap());
        assert_eq!(client.poll_transmit(now).unwrap().from, "10.0.0.1:1".parse().unwrap());
        assert_eq!(client.poll_transmit(now), None);
    }
}
