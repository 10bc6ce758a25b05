//! What is our address as the world sees it: Binding requests to STUN servers (RFC 8489).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::ice_server::ServerFailure;
use crate::stun_message::{Builder, Class, Method, StunMessage, TransactionId, attribute};

/// How long an unanswered request waits before it is sent again; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Requests to one server: the last one is given up 5 s after the first was sent.
const ATTEMPTS: u32 = 5;
const LAST_WAIT: Duration = Duration::from_millis(1250);
/// Sockets times servers; what comes beyond is not asked.
const MAX_QUERIES: usize = 64;

/// Asks every server from every socket of its address family, once each.
#[derive(Debug, Default)]
pub(crate) struct StunClient {
    sockets: Vec<SocketAddr>,
    servers: Vec<Server>,
    queries: Vec<Query>,
    /// URLs of servers that told an address.
    helpful: Vec<Arc<str>>,
    failures: VecDeque<ServerFailure>,
}

/// A server at one of its addresses.
#[derive(Debug, Clone)]
struct Server {
    address: SocketAddr,
    /// Under which name its failure is reported; `None` when nobody waits for its answer.
    url: Option<Arc<str>>,
}

/// One question that has no answer yet.
#[derive(Debug)]
struct Query {
    socket: SocketAddr,
    server: Server,
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
    pub(crate) fn add_socket(&mut self, now: Instant, rng: &mut StdRng, socket: SocketAddr) {
        self.sockets.push(socket);
        for server in self.servers.clone() {
            self.ask(now, rng, socket, server);
        }
    }

    /// Adds a server; when none of the addresses with this URL is of use, it has failed.
    pub(crate) fn add_server(
        &mut self,
        now: Instant,
        rng: &mut StdRng,
        address: SocketAddr,
        url: Option<&str>,
    ) {
        if self.servers.iter().any(|server| server.address == address) {
            return;
        }
        let server = Server { address, url: url.map(Arc::from) };
        self.servers.push(server.clone());
        for socket in self.sockets.clone() {
            self.ask(now, rng, socket, server.clone());
        }
    }

    pub(crate) fn remove_socket(&mut self, socket: SocketAddr) {
        self.sockets.retain(|other| *other != socket);
        self.queries.retain(|query| query.socket != socket);
    }

    /// Asks everything once more.
    pub(crate) fn ask_again(&mut self, now: Instant, rng: &mut StdRng) {
        self.queries.clear();
        for socket in self.sockets.clone() {
            for server in self.servers.clone() {
                self.ask(now, rng, socket, server);
            }
        }
    }

    fn ask(&mut self, now: Instant, rng: &mut StdRng, socket: SocketAddr, server: Server) {
        // A loopback socket reaches loopback servers, and nobody else does.
        let connects = socket.is_ipv4() == server.address.is_ipv4()
            && socket.ip().is_loopback() == server.address.ip().is_loopback();
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
        let is_over = |query: &mut Query| query.sent == ATTEMPTS && query.next <= now;
        for query in self.queries.extract_if(.., is_over).collect::<Vec<_>>() {
            self.was_useless(query.server, ServerFailure::SILENT, "it does not answer");
        }
        let query = self.queries.iter_mut().find(|query| query.next <= now)?;
        query.next = now
            + if query.sent + 1 == ATTEMPTS { LAST_WAIT } else { FIRST_RETRY * (1 << query.sent) };
        query.sent += 1;
        Some(Request { from: query.socket, to: query.server.address, bytes: request(&query.id) })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queries.iter().map(|query| query.next).min()
    }

    /// Which server turned out to be of no use.
    pub(crate) fn poll_failure(&mut self) -> Option<ServerFailure> {
        self.failures.pop_front()
    }

    /// Takes a datagram if it answers one of our questions. The outer `None` means that it does
    /// not, the inner one that the answer brings no address.
    pub(crate) fn handle(
        &mut self,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Option<Option<Reflexive>> {
        let message = StunMessage::parse(bytes)?;
        let is_success = message.is(Method::Binding, Class::Success);
        if !is_success && !message.is(Method::Binding, Class::Error) {
            return None;
        }
        let place = self.queries.iter().position(|query| {
            query.socket == local
                && query.server.address == from
                && query.id == message.id()
                && query.sent > 0
        })?;
        let server = self.queries.swap_remove(place).server;
        let mapped = if is_success { mapped_address(&message) } else { None };
        match mapped {
            Some(_) => self.helped(server.url),
            None => {
                let (code, reason) = message.error().unwrap_or_else(no_address);
                self.was_useless(server, code, &reason);
            }
        }
        Some(mapped.map(|mapped| Reflexive { base: local, mapped }))
    }

    fn helped(&mut self, url: Option<Arc<str>>) {
        let url = url.filter(|url| !self.helpful.contains(url));
        self.helpful.extend(url);
    }

    /// Notes a failure if this was the last question to the server that had hope.
    fn was_useless(&mut self, server: Server, code: u16, reason: &str) {
        let Some(url) = server.url else { return };
        let is_same = |query: &Query| query.server.url.as_ref() == Some(&url);
        if !self.helpful.contains(&url) && !self.queries.iter().any(is_same) {
            self.failures.push_back(ServerFailure::new(&url, code, reason));
        }
    }
}

fn no_address() -> (u16, String) {
    (ServerFailure::SILENT, "it tells no address".to_owned())
}

fn request(id: &TransactionId) -> Vec<u8> {
    Builder::new(Method::Binding, Class::Request, id).finish()
}

/// The address in a response; XOR-MAPPED-ADDRESS wins over MAPPED-ADDRESS, which old servers send.
fn mapped_address(message: &StunMessage<'_>) -> Option<SocketAddr> {
    let masked = message.address(attribute::XOR_MAPPED_ADDRESS);
    masked.or_else(|| message.address(attribute::MAPPED_ADDRESS))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::stun_message::attribute::{ERROR_CODE, MAPPED_ADDRESS, XOR_MAPPED_ADDRESS};

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
        let mut client = StunClient::default();
        let start = Instant::now();
        client.add_socket(start, &mut rng, socket);
        client.add_server(start, &mut rng, server, Some("stun:server"));
        let request = client.poll_transmit(start).unwrap();
        assert_eq!((request.from, request.to), (socket, server));
        Asked { client, start, socket, server, request: request.bytes }
    }

    /// A success response to this request with one attribute.
    fn response(request: &[u8], kind: u16, value: &[u8]) -> Vec<u8> {
        let id = StunMessage::parse(request).unwrap().id();
        Builder::new(Method::Binding, Class::Success, &id).attribute(kind, value).finish()
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
    fn a_refusal_is_a_failure_of_the_server() {
        let mut asked = asked("10.0.0.1:4000", "192.0.2.9:3478");
        let id = StunMessage::parse(&asked.request).unwrap().id();
        let refusal = Builder::new(Method::Binding, Class::Error, &id)
            .attribute(ERROR_CODE, b"\0\0\x05\0Server Error");
        let answer = asked.client.handle(asked.socket, asked.server, &refusal.finish());
        assert_eq!(answer, Some(None));
        let failure = ServerFailure::new("stun:server", 500, "Server Error");
        assert_eq!(asked.client.poll_failure(), Some(failure));
    }

    #[test]
    fn a_server_is_of_use_if_one_of_its_addresses_is() {
        let mut asked = asked("10.0.0.1:4000", "192.0.2.9:3478");
        let second = "192.0.2.10:3478".parse().unwrap();
        let mut rng = StdRng::seed_from_u64(2);
        asked.client.add_server(asked.start, &mut rng, second, Some("stun:server"));
        let value = [0, 1, 0x80, 0x55, 192, 0, 2, 1];
        let bytes = response(&asked.request, MAPPED_ADDRESS, &value);
        asked.client.handle(asked.socket, asked.server, &bytes);
        while let Some(next) = asked.client.poll_timeout() {
            asked.client.poll_transmit(next);
        }
        assert_eq!(asked.client.poll_failure(), None);
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
        let failure = client.poll_failure().unwrap();
        assert_eq!((failure.url.as_str(), failure.code), ("stun:server", 701));
        assert_eq!(now - start, Duration::from_secs(5));
    }

    #[test]
    fn only_sockets_that_can_reach_a_server_ask_it() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut client = StunClient::default();
        let now = Instant::now();
        for socket in ["10.0.0.1:1", "127.0.0.1:1", "[::1]:1", "[2001:db8::1]:1"] {
            client.add_socket(now, &mut rng, socket.parse().unwrap());
        }
        client.add_server(now, &mut rng, "192.0.2.9:3478".parse().unwrap(), None);
        client.add_server(now, &mut rng, "192.0.2.9:3478".parse().unwrap(), None);
        assert_eq!(client.poll_transmit(now).unwrap().from, "10.0.0.1:1".parse().unwrap());
        assert_eq!(client.poll_transmit(now), None);
    }
}
