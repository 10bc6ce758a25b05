//! The TURN servers of one connection: a link to each of their addresses, and what was allocated
//! there.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use crate::ice_server::{IceServer, ServerFailure, Transport};
use crate::turn::{Allocation, AllocationEvent, Framer, MAX_PERMISSIONS, Relayed};

/// Links of one connection at the same time; servers beyond them are reported as failed.
pub(crate) const MAX_LINKS: usize = 8;
/// How long it may take from asking for a link to an address on the server.
const ALLOCATE_TIMEOUT: Duration = Duration::from_secs(10);

/// An address that was granted for at least so long and is lost then is asked for anew.
const MIN_GRANT: Duration = Duration::from_secs(10);

/// Names a link for the life of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkKey(pub(crate) u32);

/// What is to be done about a link to a TURN server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkRequest {
    /// Connect a UDP socket, or open a TCP or TLS connection, as the server's URL says.
    Open {
        /// The address to connect to.
        to: SocketAddr,
        /// Whose address it is.
        server: Arc<IceServer>,
    },
    /// Send this, whole and in order as far as the link can. Where too much waits already, it may
    /// be dropped as a network would.
    Relay(Vec<u8>),
    /// Send this likewise, and do not drop it over TCP or TLS. Little is asked at a time.
    Ask(Vec<u8>),
    /// Let go of the link, once what was to be sent has been handed to the system.
    Close,
}

/// What happened on a link to a TURN server.
#[derive(Debug, Clone, Copy)]
pub enum LinkEvent<'a> {
    /// It can be used.
    Opened,
    /// A datagram, or over TCP and TLS the next bytes.
    Received(&'a [u8]),
    /// It could not be opened, or has broken, for this reason.
    Closed(&'a str),
}

/// What became of the relays.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RelayEvent {
    /// This address reaches us.
    Granted(SocketAddr),
    /// It does not any more.
    Lost(SocketAddr),
    /// A server is of no use.
    Failed(ServerFailure),
}

/// What a peer sent to an address that was granted.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) local: SocketAddr,
    pub(crate) from: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// All relays of one connection.
#[derive(Debug)]
pub(crate) struct Relays {
    rng: StdRng,
    links: Vec<Link>,
    next_key: u32,
    requests: VecDeque<(LinkKey, LinkRequest)>,
    events: VecDeque<RelayEvent>,
    arrived: VecDeque<Arrived>,
    /// Addresses of the other side that may send to us, up to [`MAX_PERMISSIONS`].
    peers: Vec<IpAddr>,
}

#[derive(Debug)]
struct Link {
    key: LinkKey,
    server: Arc<IceServer>,
    transport: Transport,
    to: SocketAddr,
    /// Until when it must have brought an address.
    deadline: Instant,
    /// What came over a stream.
    framer: Option<Framer>,
    /// `None` until it is open.
    allocation: Option<Allocation>,
    relayed: Option<SocketAddr>,
    /// Since when; until then, since it was asked for.
    since: Instant,
}

impl Relays {
    /// `rng` must be unpredictable: it keeps strangers from answering for a server.
    pub(crate) fn new(rng: StdRng) -> Self {
        Self {
            rng,
            links: Vec::new(),
            next_key: 0,
            requests: VecDeque::new(),
            events: VecDeque::new(),
            arrived: VecDeque::new(),
            peers: Vec::new(),
        }
    }

    /// Asks a server for an address, over `transport`.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        server: &Arc<IceServer>,
        transport: Transport,
        to: SocketAddr,
    ) {
        if self.links.len() == MAX_LINKS {
            self.report(&server.url, ServerFailure::SILENT, "there are too many servers");
            return;
        }
        let key = LinkKey(self.next_key);
        self.next_key += 1;
        self.links.push(Link {
            key,
            server: Arc::clone(server),
            transport,
            to,
            deadline: now + ALLOCATE_TIMEOUT,
            framer: (transport != Transport::Udp).then(Framer::default),
            allocation: None,
            relayed: None,
            since: now,
        });
        self.requests.push_back((key, LinkRequest::Open { to, server: Arc::clone(server) }));
    }

    /// Whether a server may still grant an address.
    pub(crate) fn is_asking(&self) -> bool {
        self.links.iter().any(|link| link.relayed.is_none())
    }

    /// Lets this address of the other side send to us.
    pub(crate) fn permit(&mut self, now: Instant, peer: IpAddr) {
        if !self.peers.contains(&peer) && self.peers.len() < MAX_PERMISSIONS {
            self.peers.push(peer);
            let Self { links, rng, .. } = self;
            links.iter_mut().for_each(|link| link.permit(now, rng, peer));
        }
    }

    /// Takes what happened on a link.
    pub(crate) fn handle(&mut self, now: Instant, key: LinkKey, event: LinkEvent<'_>) {
        match event {
            LinkEvent::Opened => self.opened(now, key),
            LinkEvent::Received(bytes) => self.received(now, key, bytes),
            LinkEvent::Closed(reason) => self.fail(now, key, ServerFailure::SILENT, reason),
        }
    }

    fn opened(&mut self, now: Instant, key: LinkKey) {
        let mut links = self.links.iter_mut();
        let link = links.find(|link| link.key == key && link.allocation.is_none());
        let Some(link) = link else { return };
        let credentials = link.server.credentials.clone();
        let is_reliable = link.framer.is_some();
        link.allocation = Some(Allocation::new(now, &mut self.rng, credentials, is_reliable));
    }

    fn received(&mut self, now: Instant, key: LinkKey, bytes: &[u8]) {
        let Some(link) = self.links.iter_mut().find(|link| link.key == key) else { return };
        let Some(allocation) = &mut link.allocation else { return };
        let mut handle = |frame: &[u8]| {
            let relayed = allocation.handle(now, &mut self.rng, frame);
            let arrived = relayed.zip(link.relayed).map(|(Relayed { from, bytes }, local)| {
                Arrived { local, from, bytes: bytes.to_vec() }
            });
            self.arrived.extend(arrived);
        };
        let Some(framer) = &mut link.framer else { return handle(bytes) };
        framer.push(bytes);
        loop {
            match framer.pop() {
                Ok(Some(frame)) => handle(frame),
                Ok(None) => return,
                Err(_) => return self.fail(now, key, ServerFailure::SILENT, "it speaks otherwise"),
            }
        }
    }

    /// Sends a datagram from an address that was granted; false when `local` is none.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        local: SocketAddr,
        peer: SocketAddr,
        datagram: &[u8],
    ) -> bool {
        let mut links = self.links.iter_mut();
        let Some(link) = links.find(|link| link.relayed == Some(local)) else { return false };
        let Some(allocation) = &mut link.allocation else { return false };
        // A peer that we learnt of by its checks has not been let in yet.
        allocation.permit(now, &mut self.rng, peer.ip());
        let bytes = allocation.wrap(now, &mut self.rng, peer, datagram);
        let asked = std::iter::from_fn(|| allocation.poll_transmit()).map(LinkRequest::Ask);
        let requests = asked.chain([LinkRequest::Relay(bytes)]);
        self.requests.extend(requests.map(|request| (link.key, request)));
        true
    }

    /// Most messages will go from `local`, if it was granted, to `peer`.
    pub(crate) fn prefer(&mut self, now: Instant, local: SocketAddr, peer: SocketAddr) {
        let mut links = self.links.iter_mut();
        let link = links.find(|link| link.relayed == Some(local));
        if let Some(allocation) = link.and_then(|link| link.allocation.as_mut()) {
            allocation.bind(now, &mut self.rng, peer);
        }
    }

    /// Makes sure soon that what was granted still is: the way to the servers may have changed.
    pub(crate) fn probe(&mut self, now: Instant) {
        for allocation in self.links.iter_mut().filter_map(|link| link.allocation.as_mut()) {
            allocation.probe(now, &mut self.rng);
        }
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        for mut link in std::mem::take(&mut self.links) {
            let allocation = link.allocation.as_mut();
            let farewell = allocation.and_then(|granted| granted.release(&mut self.rng));
            self.requests.extend(farewell.map(|bytes| (link.key, LinkRequest::Ask(bytes))));
            self.requests.push_back((link.key, LinkRequest::Close));
        }
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant) {
        let late: Vec<_> =
            self.links.iter().filter(|link| link.is_late(now)).map(|link| link.key).collect();
        for key in late {
            self.fail(now, key, ServerFailure::SILENT, "it does not answer");
        }
        let mut happened = Vec::new();
        for link in &mut self.links {
            let Some(allocation) = &mut link.allocation else { continue };
            allocation.advance(now, &mut self.rng);
            happened.extend(std::iter::from_fn(|| allocation.poll_event()).map(|e| (link.key, e)));
        }
        for (key, event) in happened {
            self.handle_event(now, key, event);
        }
        self.ask();
    }

    fn handle_event(&mut self, now: Instant, key: LinkKey, event: AllocationEvent) {
        match event {
            AllocationEvent::Granted(relayed) => self.granted(now, key, relayed),
            AllocationEvent::Over { code, reason } => self.fail(now, key, code, &reason),
        }
    }

    fn granted(&mut self, now: Instant, key: LinkKey, relayed: SocketAddr) {
        let Self { links, rng, peers, .. } = self;
        if links.iter().any(|link| link.relayed == Some(relayed)) {
            return self.fail(now, key, ServerFailure::SILENT, "it grants what is another's");
        }
        let Some(link) = links.iter_mut().find(|link| link.key == key) else { return };
        link.relayed = Some(relayed);
        link.since = now;
        peers.iter().for_each(|peer| link.permit(now, rng, *peer));
        self.events.push_back(RelayEvent::Granted(relayed));
    }

    /// Has the links carry what the allocations ask of their servers.
    fn ask(&mut self) {
        for link in &mut self.links {
            let Some(allocation) = &mut link.allocation else { continue };
            let asked = std::iter::from_fn(|| allocation.poll_transmit());
            self.requests.extend(asked.map(|bytes| (link.key, LinkRequest::Ask(bytes))));
        }
    }

    fn fail(&mut self, now: Instant, key: LinkKey, code: u16, reason: &str) {
        let Some(place) = self.links.iter().position(|link| link.key == key) else { return };
        let link = self.links.remove(place);
        self.requests.push_back((key, LinkRequest::Close));
        self.events.extend(link.relayed.map(RelayEvent::Lost));
        // Another address of the server may do, unless this one did until now.
        let has_more = self.links.iter().any(|other| other.server.url == link.server.url);
        if link.relayed.is_some() || !has_more {
            self.report(&link.server.url, code, reason);
        }
        // The server may have been started anew, or our network be another one.
        if link.relayed.is_some() && link.since + MIN_GRANT <= now {
            self.add(now, &link.server, link.transport, link.to);
        }
    }

    fn report(&mut self, url: &str, code: u16, reason: &str) {
        self.events.push_back(RelayEvent::Failed(ServerFailure::new(url, code, reason)));
    }

    pub(crate) fn poll_request(&mut self) -> Option<(LinkKey, LinkRequest)> {
        self.requests.pop_front()
    }

    pub(crate) fn poll_arrived(&mut self) -> Option<Arrived> {
        self.arrived.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop_front()
    }

    /// When to call [`Relays::advance`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.links.iter().filter_map(Link::poll_timeout).min()
    }
}

impl Link {
    /// A relay passes on what comes from its own address family only.
    fn permit(&mut self, now: Instant, rng: &mut StdRng, peer: IpAddr) {
        let is_reachable = self.relayed.is_some_and(|relayed| relayed.is_ipv4() == peer.is_ipv4());
        if let Some(allocation) = self.allocation.as_mut().filter(|_| is_reachable) {
            allocation.permit(now, rng, peer);
        }
    }

    fn is_late(&self, now: Instant) -> bool {
        self.relayed.is_none() && self.deadline <= now
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.relayed.is_none().then_some(self.deadline);
        let allocation = self.allocation.as_ref().and_then(Allocation::poll_timeout);
        deadline.into_iter().chain(allocation).min()
    }
}
