//! Two connections and the network between them, in virtual time.
//!
//! Everything random comes from the seed, which a failing test prints, except the keys of the
//! DTLS handshake.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::turn_world::{self, TurnWorld};
use crate::candidate::RemoteCandidate;
use crate::certificate::Certificate;
use crate::channels::{ChannelInit, ChannelKey, Reliability};
use crate::config::PeerConfig;
use crate::ice_server::IceServer;
use crate::peer::{
    ConnectionState, Event, GatheringState, Input, Output, PeerConnection, SignalingState,
};
use crate::sdp::{Description, SdpKind};
use crate::turn::test_server::{PASSWORD, USERNAME};

/// The two ends. By default `A` makes the offer.
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What happens to datagrams on their way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) delay: Duration,
    /// Added at random, so that datagrams overtake each other.
    pub(super) jitter: Duration,
    pub(super) loss: f64,
    pub(super) duplication: f64,
}

impl Link {
    pub(super) const GOOD: Self =
        Self { delay: ms(1), jitter: Duration::ZERO, loss: 0.0, duplication: 0.0 };
}

/// A datagram on its way.
#[derive(Debug, Clone)]
pub(super) struct Datagram {
    /// The end that sent it.
    pub(super) side: usize,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// Something that arrives later.
pub(super) enum Arrival {
    Datagram(Datagram),
    Description { to: usize, kind: SdpKind, sdp: String },
    Candidate { to: usize, mid: String, index: u32, line: String },
    Turn(turn_world::Arrival),
}

/// One end: the machine, its sockets, and all it ever said.
pub(super) struct End {
    pub(super) machine: PeerConnection,
    pub(super) sockets: Vec<SocketAddr>,
    /// Who helps to find a path, and the addresses that their names stand for.
    pub(super) servers: Vec<(Arc<IceServer>, Vec<SocketAddr>)>,
    pub(super) events: Vec<Event>,
    pub(super) is_alive: bool,
    next_key: u64,
}

pub(super) type Filter = Box<dyn FnMut(&Datagram) -> bool>;
pub(super) type Train = Box<dyn FnMut(Datagram) -> Vec<Datagram>>;

pub(super) struct Sim {
    pub(super) seed: u64,
    pub(super) now: Instant,
    pub(super) ends: [End; 2],
    pub(super) link: Link,
    pub(super) signaling_delay: Duration,
    /// Whether descriptions and candidates reach the other end by themselves.
    pub(super) relays_signaling: bool,
    /// Whether descriptions may be refused because both ends offer.
    pub(super) bears_collisions: bool,
    /// Whether our own candidates reach the other end by themselves.
    pub(super) relays_candidates: bool,
    /// Datagrams that it returns false for are lost.
    pub(super) filter: Option<Filter>,
    /// What travels in the place of a datagram.
    pub(super) train: Option<Train>,
    /// Public addresses by private ones, and the other way round.
    pub(super) nat: HashMap<SocketAddr, SocketAddr>,
    pub(super) stun_server: Option<SocketAddr>,
    pub(super) turn: TurnWorld,
    /// How many datagrams each end has sent.
    pub(super) sent: [usize; 2],
    rng: StdRng,
    arrivals: BTreeMap<u64, Arrival>,
    order: BinaryHeap<Reverse<(Instant, u64)>>,
    next_arrival: u64,
}

fn certificate(side: usize) -> Certificate {
    thread_local! {
        static MADE: [Cell<Option<Certificate>>; 2] = const { [const { Cell::new(None) }; 2] };
    }
    MADE.with(|made| {
        let certificate =
            made[side].take().unwrap_or_else(|| Certificate::generate([side as u8 + 1; 32]));
        made[side].set(Some(certificate.clone()));
        certificate
    })
}

impl Sim {
    pub(super) fn new(seed: u64) -> Self {
        Self::with_config(seed, &PeerConfig::default())
    }

    pub(super) fn with_config(seed: u64, config: &PeerConfig) -> Self {
        Self::with_configs(seed, [config, config])
    }

    pub(super) fn with_configs(seed: u64, configs: [&PeerConfig; 2]) -> Self {
        fastrand::seed(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let start = Instant::now();
        let mut end = |side: usize| End {
            machine: PeerConnection::new(
                start,
                rng.random(),
                &certificate(side),
                configs[side].clone(),
            ),
            sockets: vec![SocketAddr::from(([10, 0, 0, side as u8 + 1], 5000))],
            servers: Vec::new(),
            events: Vec::new(),
            is_alive: true,
            next_key: 0,
        };
        Self {
            seed,
            now: start,
            ends: [end(A), end(B)],
            link: Link::GOOD,
            signaling_delay: ms(5),
            relays_signaling: true,
            bears_collisions: false,
            relays_candidates: true,
            filter: None,
            train: None,
            nat: HashMap::new(),
            stun_server: None,
            turn: TurnWorld::default(),
            sent: [0; 2],
            rng,
            arrivals: BTreeMap::new(),
            order: BinaryHeap::new(),
            next_arrival: 0,
        }
    }

    /// Two ends that are connected, with a reliable negotiated channel: its key at both ends.
    pub(super) fn connected(seed: u64) -> (Self, ChannelKey) {
        Self::connected_with(seed, &PeerConfig::default())
    }

    pub(super) fn connected_with(seed: u64, config: &PeerConfig) -> (Self, ChannelKey) {
        let mut sim = Self::with_config(seed, config);
        let key = sim.connect(negotiated(1));
        (sim, key)
    }

    /// Connects the two with this negotiated channel.
    pub(super) fn connect(&mut self, init: ChannelInit) -> ChannelKey {
        let key = self.create_channel(A, init.clone());
        assert_eq!(self.create_channel(B, init), key);
        self.offer(A);
        self.run_until(ms(5000), "the channel opens", |sim| {
            sim.is_open(A, key) && sim.is_open(B, key)
        });
        key
    }

    /// A channel that one end makes, open at both.
    pub(super) fn announced_channel(&mut self, side: usize, init: ChannelInit) -> ChannelKey {
        let key = self.create_channel(side, init);
        let before = self.ends[1 - side].announced().len();
        self.run_until(ms(5000), "it is announced", |sim| {
            sim.ends[1 - side].announced().len() > before
        });
        key
    }

    pub(super) fn create_channel(&mut self, side: usize, init: ChannelInit) -> ChannelKey {
        let end = &mut self.ends[side];
        let key = ChannelKey(end.next_key);
        end.next_key += 2;
        end.machine.create_channel(self.now, key, init).unwrap();
        self.drain(side);
        key
    }

    pub(super) fn offer(&mut self, side: usize) {
        self.ends[side].machine.create_offer(self.now).unwrap();
        self.drain(side);
    }

    pub(super) fn send(&mut self, side: usize, key: ChannelKey, data: &[u8], text: bool) {
        self.ends[side].machine.send(self.now, key, data.to_vec(), text);
        self.drain(side);
    }

    /// Does something to a machine, then what it wants done.
    pub(super) fn with<R>(
        &mut self,
        side: usize,
        act: impl FnOnce(&mut PeerConnection, Instant) -> R,
    ) -> R {
        let result = act(&mut self.ends[side].machine, self.now);
        self.drain(side);
        result
    }

    /// Hands a datagram in as though it came from the network.
    pub(super) fn inject(&mut self, to_side: usize, from: SocketAddr, bytes: &[u8]) {
        let local = self.ends[to_side].sockets[0];
        self.with(to_side, |machine, now| {
            machine.handle_input(now, Input::Datagram { local, from, bytes });
        });
    }

    /// Sends a candidate line by signaling, or what pretends to be one.
    pub(super) fn signal_candidate(&mut self, to: usize, line: &str) {
        let (mid, line) = ("0".into(), line.into());
        self.schedule(self.signaling_delay, Arrival::Candidate { to, mid, index: 0, line });
    }

    pub(super) fn signal_description(&mut self, to: usize, kind: SdpKind, sdp: &str) {
        let sdp = sdp.into();
        self.schedule(self.signaling_delay, Arrival::Description { to, kind, sdp });
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// # Panics
    /// When it does not happen in time.
    pub(super) fn run_until(
        &mut self,
        limit: Duration,
        what: &str,
        is_so: impl Fn(&Self) -> bool,
    ) -> Duration {
        let begin = self.now;
        while !is_so(self) {
            assert!(
                self.step(begin + limit),
                "seed {}: not within {limit:?}: {what}; {:?} / {:?}",
                self.seed,
                self.ends[A].history(),
                self.ends[B].history(),
            );
        }
        self.now - begin
    }

    /// Lets the next thing happen; false when nothing does before `until`.
    fn step(&mut self, until: Instant) -> bool {
        let arrival = self.order.peek().map(|Reverse((at, _))| *at);
        let alive = self.ends.iter().filter(|end| end.is_alive);
        let timeout = alive.filter_map(|end| end.machine.poll_timeout()).min();
        let Some(next) = arrival.into_iter().chain(timeout).min().filter(|next| *next <= until)
        else {
            return false;
        };
        self.now = self.now.max(next);
        while let Some(Reverse((at, key))) = self.order.peek().copied()
            && at <= self.now
        {
            self.order.pop();
            if let Some(arrival) = self.arrivals.remove(&key) {
                self.arrive(arrival);
            }
        }
        for side in [A, B] {
            let due = self.ends[side].machine.poll_timeout();
            if self.ends[side].is_alive && due.is_some_and(|due| due <= self.now) {
                self.with(side, |machine, now| machine.handle_input(now, Input::Timeout));
                let next = self.ends[side].machine.poll_timeout();
                assert!(next.is_none_or(|next| next > self.now), "seed {}: it spins", self.seed);
            }
        }
        true
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Datagram(datagram) => self.deliver(&datagram),
            Arrival::Description { to, kind, sdp } => {
                let description = Description::parse(kind, &sdp).unwrap();
                let outcome =
                    self.with(to, |machine, now| machine.set_remote_description(now, description));
                let is_closed = self.ends[to].signaling_state() == SignalingState::Closed;
                assert!(outcome.is_ok() || is_closed || self.bears_collisions);
            }
            Arrival::Candidate { to, mid, index, line } => {
                let candidate = RemoteCandidate::parse(&mid, index, &line).unwrap();
                self.with(to, |machine, now| machine.add_remote_candidate(now, candidate));
            }
            Arrival::Turn(arrival) => self.arrive_at_turn(arrival),
        }
    }

    fn deliver(&mut self, datagram: &Datagram) {
        for side in [A, B] {
            let end = &mut self.ends[side];
            if end.is_alive && end.sockets.contains(&datagram.to) {
                let Datagram { from, to, ref bytes, .. } = *datagram;
                end.machine.handle_input(self.now, Input::Datagram { local: to, from, bytes });
                self.drain(side);
            }
        }
    }

    pub(super) fn schedule(&mut self, delay: Duration, arrival: Arrival) {
        self.order.push(Reverse((self.now + delay, self.next_arrival)));
        self.arrivals.insert(self.next_arrival, arrival);
        self.next_arrival += 1;
    }

    pub(super) fn drain(&mut self, side: usize) {
        while let Some(output) = self.ends[side].machine.poll_output() {
            match output {
                Output::Transmit { from, to, bytes } => {
                    self.sent[side] += 1;
                    assert!(bytes.len() <= 1280 - 48, "fits the smallest IPv6 path");
                    self.transmit(Datagram { side, from, to, bytes });
                }
                Output::Link { link, request } => self.handle_link_request((side, link), request),
                Output::Event(event) => {
                    self.handle_event(side, &event);
                    self.ends[side].events.push(event);
                }
            }
        }
    }

    /// Whether what is sent now gets lost.
    pub(super) fn loses(&mut self) -> bool {
        self.rng.random_bool(self.link.loss)
    }

    fn transmit(&mut self, datagram: Datagram) {
        if self.ends[datagram.side].sockets.contains(&datagram.from) {
            self.forward(datagram);
        }
    }

    /// Has the network carry a datagram, whoever sent it.
    pub(super) fn forward(&mut self, mut datagram: Datagram) {
        if self.filter.as_mut().is_some_and(|filter| !filter(&datagram)) {
            return;
        }
        datagram.from = *self.nat.get(&datagram.from).unwrap_or(&datagram.from);
        if Some(datagram.to) == self.stun_server {
            datagram = answer_binding(&datagram);
        }
        if self.turn.grants(datagram.to) {
            let arrival = turn_world::Arrival::FromPeer(datagram);
            return self.schedule(self.link.delay, Arrival::Turn(arrival));
        }
        let inside = self.nat.iter().find(|(_, public)| **public == datagram.to);
        if let Some((private, _)) = inside {
            datagram.to = *private;
        } else if self.nat.contains_key(&datagram.to) {
            return;
        }
        let copies = 1 + usize::from(self.rng.random_bool(self.link.duplication));
        for _ in 0..copies {
            if !self.loses() {
                let jitter = self.link.jitter.mul_f64(self.rng.random());
                let train = match &mut self.train {
                    Some(train) => train(datagram.clone()),
                    None => vec![datagram.clone()],
                };
                for datagram in train {
                    self.schedule(self.link.delay + jitter, Arrival::Datagram(datagram));
                }
            }
        }
    }

    fn handle_event(&mut self, side: usize, event: &Event) {
        match event {
            Event::DescriptionCreated { kind, sdp } if self.relays_signaling => {
                let description = Description::parse(*kind, sdp).unwrap();
                let machine = &mut self.ends[side].machine;
                machine.set_local_description(self.now, description).unwrap();
                self.signal_description(1 - side, *kind, sdp);
            }
            Event::CandidateCreated { mid, index, candidate } if self.relays_candidates => {
                let (mid, index, line) = (mid.clone(), *index, candidate.clone());
                let arrival = Arrival::Candidate { to: 1 - side, mid, index, line };
                self.schedule(self.signaling_delay, arrival);
            }
            Event::GatheringState(GatheringState::Gathering) => {
                let End { machine, sockets, servers, .. } = &mut self.ends[side];
                sockets.iter().for_each(|socket| machine.add_host_candidate(self.now, *socket));
                for (server, addresses) in servers {
                    machine.add_server(self.now, server, addresses);
                }
                machine.end_of_local_candidates(self.now);
            }
            _ => {}
        }
    }

    pub(super) fn is_open(&self, side: usize, key: ChannelKey) -> bool {
        let is_open =
            |event: &Event| matches!(event, Event::ChannelOpen { key: k, .. } if *k == key);
        self.ends[side].events.iter().any(is_open)
    }

    pub(super) fn is_closed(&self, side: usize, key: ChannelKey) -> bool {
        self.ends[side].events.contains(&Event::ChannelClosed { key })
    }

    pub(super) fn state(&self, side: usize) -> ConnectionState {
        self.ends[side].state()
    }

    pub(super) fn messages(&self, side: usize, key: ChannelKey) -> Vec<&[u8]> {
        self.ends[side].messages(key).map(|(data, _)| data).collect()
    }
}

impl End {
    pub(super) fn state(&self) -> ConnectionState {
        let states = self.events.iter().rev().find_map(|event| match event {
            Event::ConnectionState(state) => Some(*state),
            _ => None,
        });
        states.unwrap_or_default()
    }

    pub(super) fn signaling_state(&self) -> SignalingState {
        let states = self.events.iter().rev().find_map(|event| match event {
            Event::SignalingState(state) => Some(*state),
            _ => None,
        });
        states.unwrap_or_default()
    }

    pub(super) fn messages(&self, key: ChannelKey) -> impl Iterator<Item = (&[u8], bool)> {
        self.events.iter().filter_map(move |event| match event {
            Event::Message { key: k, data, text } if *k == key => Some((&data[..], *text)),
            _ => None,
        })
    }

    /// What was given back of the bytes that were sent.
    pub(super) fn given_back(&self, key: ChannelKey) -> usize {
        let given = self.events.iter().filter_map(|event| match event {
            Event::Sent { key: k, amount } if *k == key => Some(amount.bytes),
            _ => None,
        });
        given.sum()
    }

    pub(super) fn announced(&self) -> Vec<(ChannelKey, ChannelInit, u16)> {
        let announced = self.events.iter().filter_map(|event| match event {
            Event::ChannelAnnounced { key, init, id } => Some((*key, init.clone(), *id)),
            _ => None,
        });
        announced.collect()
    }

    /// The states it went through.
    pub(super) fn history(&self) -> Vec<ConnectionState> {
        let states = self.events.iter().filter_map(|event| match event {
            Event::ConnectionState(state) => Some(*state),
            _ => None,
        });
        states.collect()
    }

    /// Candidate lines it told.
    pub(super) fn candidates(&self) -> Vec<&str> {
        let lines = self.events.iter().filter_map(|event| match event {
            Event::CandidateCreated { candidate, .. } => Some(candidate.as_str()),
            _ => None,
        });
        lines.collect()
    }

    /// Servers that were of no use, with the code.
    pub(super) fn failures(&self) -> Vec<(&str, u16)> {
        let failures = self.events.iter().filter_map(|event| match event {
            Event::IceServerFailed { url, code, .. } => Some((url.as_str(), *code)),
            _ => None,
        });
        failures.collect()
    }

    /// Gives it a server, at this address if it has one.
    pub(super) fn add_server(&mut self, url: &str, address: Option<&str>) {
        let server = IceServer::parse(url).unwrap();
        let server = server.with_credentials(USERNAME, PASSWORD).unwrap();
        let addresses = address.into_iter().map(|address| address.parse().unwrap());
        self.servers.push((Arc::new(server), addresses.collect()));
    }

    /// Gives it a TURN server to which it is somebody else than usual.
    pub(super) fn add_server_as(
        &mut self,
        url: &str,
        address: &str,
        username: &str,
        password: &str,
    ) {
        let server = IceServer::parse(url).unwrap().with_credentials(username, password).unwrap();
        self.servers.push((Arc::new(server), vec![address.parse().unwrap()]));
    }

    pub(super) fn created(&self) -> Option<(SdpKind, String)> {
        self.events.iter().rev().find_map(|event| match event {
            Event::DescriptionCreated { kind, sdp } => Some((*kind, sdp.clone())),
            _ => None,
        })
    }
}

/// What a STUN server says to a Binding request: the address it came from.
fn answer_binding(request: &Datagram) -> Datagram {
    let SocketAddr::V4(seen) = request.from else { unreachable!("the test servers speak IPv4") };
    let mut bytes = vec![0x01, 0x01, 0, 12];
    bytes.extend_from_slice(&request.bytes[4..20]);
    bytes.extend_from_slice(&[0x00, 0x20, 0, 8, 0, 1]);
    bytes.extend_from_slice(&(seen.port() ^ 0x2112).to_be_bytes());
    let mask = [0x21, 0x12, 0xA4, 0x42];
    bytes.extend(seen.ip().octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    Datagram { side: request.side, from: request.to, to: request.from, bytes }
}

/// A reliable, ordered channel that both ends make.
pub(super) fn negotiated(id: u16) -> ChannelInit {
    ChannelInit { negotiated: Some(id), ..in_band("negotiated") }
}

/// A reliable, ordered channel that one end announces to the other.
pub(super) fn in_band(label: &str) -> ChannelInit {
    ChannelInit {
        label: label.into(),
        protocol: String::new(),
        ordered: true,
        reliability: Reliability::Reliable,
        negotiated: None,
    }
}
