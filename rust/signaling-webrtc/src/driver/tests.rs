//! Two connections over loopback, and what becomes of them.

mod network;
mod paths;
mod relays;
mod turn_host;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use super::channel_handle::ChannelShared;
use super::io_thread::{IoShared, World};
use super::peer_handle::PeerShared;
use super::resolver::Name;
use super::*;
use crate::channels::{ChannelInit, ChannelKey, Reliability};
use crate::ice_server::IceServer;
use crate::peer::{ConnectionState, GatheringState};
use crate::sdp::SdpKind;
use crate::signaling_state::{SignalingState, WrongState};

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn messages_of_every_size_arrive_whole() {
    let pair = Pair::open(&[reliable(1)]);
    for size in [0, 1, 1024, 1191, 1192, 60 * 1024, 256 * 1024] {
        for text in [false, true] {
            let data: Vec<u8> = (0..size).map(|i| b'a' + (i % 26) as u8).collect();
            pair.a.channels[0].put(&data, text).expect("room");
            assert_eq!(next(&pair.b.channels[0]), Message { data, text }, "{size} {text}");
        }
    }
}

#[test]
fn messages_go_both_ways_on_every_kind_of_channel() {
    let unreliable = ChannelInit { reliability: Reliability::MaxRetransmits(0), ..reliable(2) };
    let unordered = ChannelInit { ordered: false, ..unreliable.clone() };
    let pair =
        Pair::open(&[reliable(1), unreliable, ChannelInit { negotiated: Some(3), ..unordered }]);
    for (a, b) in pair.a.channels.iter().zip(&pair.b.channels) {
        a.put(b"ping", false).expect("room");
        assert_eq!(next(b).data, b"ping");
        b.put(b"pong", true).expect("room");
        assert_eq!(next(a), Message { data: b"pong".to_vec(), text: true });
    }
}

#[test]
fn a_channel_made_here_is_announced_there() {
    let mut pair = Pair::open(&[reliable(1)]);
    let init = ChannelInit {
        label: "Grüße".to_owned(),
        protocol: "chat".to_owned(),
        ordered: false,
        reliability: Reliability::MaxPacketLifeTime(Duration::from_millis(250)),
        negotiated: None,
    };
    let ours = pair.a.peer.create_channel(init.clone()).expect("a channel");
    assert_eq!((ours.id(), ours.state()), (None, ChannelState::Connecting));
    pair.until("announced", |pair| !pair.b.announced.is_empty());
    pair.until("open", |_| ours.state() == ChannelState::Open);
    let theirs = pair.b.announced.remove(0);
    assert_eq!(theirs.init(), &init);
    assert_eq!(theirs.id(), ours.id());
    theirs.put(b"welcome", true).expect("open at once");
    assert_eq!(next(&ours).data, b"welcome");
}

#[test]
fn what_waits_is_counted_exactly_and_bounded() {
    let mut pair = Pair::open(&[reliable(1)]);
    let channel = &pair.a.channels[0];
    let message = vec![7; 256 * 1024];
    assert_eq!(channel.put(&[0; 256 * 1024 + 1], false), Err(PutError::TooLarge(256 * 1024)));
    let mut sent = 0;
    // Nobody reads, so that the other side's room ends at some point.
    let refused = loop {
        match channel.put(&message, false) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(channel.buffered_amount() <= MAX_BUFFERED.bytes);
        assert!(sent < 1000, "no bound");
    };
    assert_eq!(refused, PutError::Full);
    for _ in 0..sent {
        assert_eq!(next(&pair.b.channels[0]).data.len(), message.len());
    }
    pair.until("all acknowledged", |pair| pair.a.channels[0].buffered_amount() == 0);
}

#[test]
fn messages_without_bytes_are_bounded_too() {
    let channel = ChannelHandle::new(lone_channel(reliable(1)));
    for _ in 0..MAX_BUFFERED.messages {
        assert_eq!(channel.put(&[], false), Ok(()));
    }
    assert_eq!(channel.put(&[], false), Err(PutError::Full));
    assert_eq!(channel.buffered_amount(), 0);
}

#[test]
fn closing_a_channel_is_seen_on_the_other_side() {
    let mut pair = Pair::open(&[reliable(1), reliable(2)]);
    pair.a.channels[0].put(b"last words", true).expect("room");
    pair.a.channels[0].close();
    assert_eq!(pair.a.channels[0].put(b"more", true), Err(PutError::Closed));
    assert_eq!(next(&pair.b.channels[0]).data, b"last words");
    for side in [0, 1] {
        pair.until("closed", |pair| pair.side(side).channels[0].state() == ChannelState::Closed);
    }
    assert_eq!(pair.a.channels[1].state(), ChannelState::Open);
}

#[test]
fn a_stream_id_can_be_used_again_once_it_is_closed() {
    let mut pair = Pair::open(&[reliable(1), reliable(2)]);
    assert!(matches!(
        pair.a.peer.create_channel(reliable(2)),
        Err(CommandError::Channel(crate::ChannelError::IdInUse(2)))
    ));
    for side in [0, 1] {
        pair.side(side).channels[1].close();
    }
    for side in [0, 1] {
        pair.until("closed", |pair| pair.side(side).channels[1].state() == ChannelState::Closed);
    }
    let a = pair.a.peer.create_channel(reliable(2)).expect("the id is free");
    let b = pair.b.peer.create_channel(reliable(2)).expect("the id is free");
    pair.until("open", |_| [&a, &b].iter().all(|c| c.state() == ChannelState::Open));
    a.put(b"again", false).expect("room");
    assert_eq!(next(&b).data, b"again");
}

#[test]
fn closing_a_connection_is_seen_on_the_other_side_at_once() {
    let mut pair = Pair::open(&[reliable(1)]);
    let before = Instant::now();
    pair.a.peer.close();
    assert_eq!(pair.a.peer.connection_state(), ConnectionState::Closed);
    assert_eq!(pair.a.peer.signaling_state(), SignalingState::Closed);
    assert_eq!(pair.a.channels[0].state(), ChannelState::Closed);
    pair.until("seen", |pair| pair.b.peer.connection_state() == ConnectionState::Closed);
    pair.until("seen", |pair| pair.b.channels[0].state() == ChannelState::Closed);
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    assert_eq!(
        pair.a.peer.create_offer(),
        Err(CommandError::WrongState(WrongState(SignalingState::Closed)))
    );
}

#[test]
fn statistics_follow_within_about_a_second() {
    let mut pair = Pair::open(&[reliable(1)]);
    for _ in 0..10 {
        pair.a.channels[0].put(&[7; 1000], false).expect("room");
        assert_eq!(next(&pair.b.channels[0]).data.len(), 1000);
    }
    let is_told = |end: &End| {
        let statistics = end.peer.statistics();
        statistics.sent.messages + statistics.received.messages == 10
    };
    pair.until("told", |pair| is_told(&pair.a) && is_told(&pair.b));
    let statistics = pair.a.peer.statistics();
    assert!(statistics.sent.bytes > 10_000, "{statistics:?}");
    assert!(statistics.association.packets_sent > 10, "{statistics:?}");
    let path = statistics.selected_pair().expect("connected");
    assert!(path.round_trip.is_some() && path.local.address.ip().is_loopback(), "{path:?}");
    assert_eq!(statistics.channels[0].id, Some(1));
    assert_eq!(statistics.failure, None);
    // A slow machine takes what is late for lost.
    assert!((0.0..1.0).contains(&statistics.loss()), "{statistics:?}");
}

#[test]
fn a_reader_that_is_too_slow_slows_the_sender_and_loses_nothing() {
    let shared = lone_channel(reliable(1));
    let channel = ChannelHandle::new(Arc::clone(&shared));
    let message = |i: usize| Message { data: vec![i as u8; 1024 * 1024], text: false };
    let fits = MAX_WAITING_BYTES / (1024 * 1024) - 1;
    for i in 0..fits {
        assert!(!shared.deliver(message(i)), "there is room for {i}");
    }
    assert!(shared.deliver(message(fits)), "now delivery must pause");
    assert!(!shared.deliver(message(fits + 1)), "what was on its way is kept, and said once");
    for i in 0..fits + 2 {
        assert_eq!(channel.take(), Some(message(i)));
    }
    for i in 0..fits {
        assert!(!shared.deliver(message(i)), "there is room again");
    }
}

#[test]
fn a_reader_that_is_too_slow_loses_the_oldest_on_an_unreliable_channel() {
    let unreliable = ChannelInit { reliability: Reliability::MaxRetransmits(0), ..reliable(1) };
    let shared = lone_channel(unreliable);
    let channel = ChannelHandle::new(Arc::clone(&shared));
    for i in 0..100 {
        assert!(!shared.deliver(Message { data: vec![i; 1024 * 1024], text: false }));
    }
    assert_eq!(channel.available(), MAX_WAITING_BYTES / (1024 * 1024) - 1);
    assert_eq!(channel.take().map(|first| first.data[0]), Some(85));
}

#[test]
fn wrong_use_is_refused_at_once() {
    let transport = loopback();
    let peer = transport.peer(PeerOptions::default()).expect("a thread");
    let answer = peer.set_remote_description(SdpKind::Answer, "v=0\r\n");
    assert_eq!(answer, Err(CommandError::WrongState(WrongState(SignalingState::Stable))));
    let garbage = peer.set_remote_description(SdpKind::Offer, "not a description");
    assert!(matches!(garbage, Err(CommandError::Sdp(_))), "{garbage:?}");
    let candidate = peer.add_candidate("0", 0, "not a candidate");
    assert!(matches!(candidate, Err(CommandError::Candidate(_))), "{candidate:?}");
    let id = peer.create_channel(reliable(65_535));
    assert!(matches!(id, Err(CommandError::Channel(_))), "{id:?}");
    let channel = peer.create_channel(reliable(1)).expect("a channel");
    assert_eq!(channel.put(b"early", false), Err(PutError::NotOpen));
    assert_eq!(peer.signaling_state(), SignalingState::Stable);
}

#[test]
fn only_the_description_created_last_can_be_set() {
    let pair = Pair::open(&[reliable(1)]);
    let other = pair.transport.peer(PeerOptions::default()).expect("a thread");
    let _channel = other.create_channel(reliable(1)).expect("a channel");
    other.create_offer().expect("stable");
    let (kind, sdp) = wait_for_description(&other);
    let foreign = pair.a.peer.set_local_description(kind, &sdp);
    assert!(matches!(foreign, Err(CommandError::Description(_))), "{foreign:?}");
}

#[test]
fn twenty_connections_share_one_thread() {
    let transport = loopback();
    let mut pairs: Vec<_> = (0..10).map(|_| Pair::new(&transport, &[reliable(1)])).collect();
    for pair in &mut pairs {
        pair.until_open();
    }
    for pair in &pairs {
        pair.a.channels[0].put(b"hello", false).expect("room");
    }
    for pair in &pairs {
        assert_eq!(next(&pair.b.channels[0]).data, b"hello");
    }
}

#[test]
fn shutting_down_ends_open_connections_promptly() {
    let pair = Pair::open(&[reliable(1)]);
    let before = Instant::now();
    assert_eq!(pair.transport.shut_down(Duration::from_millis(500)), Ok(()));
    assert!(before.elapsed() < Duration::from_millis(500));
    for side in [&pair.a, &pair.b] {
        assert_eq!(side.peer.connection_state(), ConnectionState::Closed);
        assert_eq!(side.channels[0].state(), ChannelState::Closed);
        assert_eq!(side.channels[0].put(b"late", false), Err(PutError::Closed));
    }
    // The transport starts again when it is needed.
    Pair::new(&pair.transport, &[reliable(1)]).until_open();
}

#[test]
fn shutting_down_an_idle_transport_is_nothing() {
    assert_eq!(Transport::new().shut_down(Duration::ZERO), Ok(()));
}

#[test]
fn a_panic_fails_one_connection_only() {
    let transport = loopback();
    let victim = transport.peer(PeerOptions::default()).expect("a thread");
    let channel = victim.create_channel(reliable(1)).expect("a channel");
    victim.provoke_panic();
    until("failed", || victim.connection_state() == ConnectionState::Failed);
    until("closed", || channel.state() == ChannelState::Closed);
    assert!(victim.create_channel(reliable(2)).is_err());
    Pair::new(&transport, &[reliable(1)]).until_open();
}

#[test]
fn servers_are_asked_by_name_and_by_address() {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let address = server.local_addr().expect("bound");
    SERVER.set(address).expect("once");
    let transport = Transport::with_world(World {
        local_addresses: localhost,
        lookup: |_| Ok(SERVER.get().copied().into_iter().collect()),
        ..World::SYSTEM
    });
    for url in ["stun:stun.example.com".to_owned(), format!("stun:{address}")] {
        let _peer = gather(&transport, &url);
        let mut request = [0; 64];
        server.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let (size, _) = server.recv_from(&mut request).expect("a request");
        assert!(size >= 20 && request[..2] == [0, 1], "a binding request: {url}");
    }
}

#[test]
fn names_are_resolved_beside_the_thread() {
    fn lookup(name: &Name) -> io::Result<Vec<SocketAddr>> {
        match name.host.as_str() {
            "unknown.example.com" => Err(io::Error::other("no such host")),
            // Never in the time of this test.
            _ => loop {
                std::thread::park();
            },
        }
    }
    let transport =
        Transport::with_world(World { local_addresses: localhost, lookup, ..World::SYSTEM });
    let unlucky = gather(&transport, "stun:slow.example.com");
    let lucky = gather(&transport, "stun:unknown.example.com");
    until("complete", || lucky.gathering_state() == GatheringState::Complete);
    assert_eq!(unlucky.gathering_state(), GatheringState::Gathering);
    assert_eq!(transport.shut_down(Duration::from_millis(500)), Ok(()));
}

#[test]
fn a_name_is_looked_up_once_for_many() {
    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
    fn lookup(_: &Name) -> io::Result<Vec<SocketAddr>> {
        LOOKUPS.fetch_add(1, Ordering::Relaxed);
        Err(io::Error::other("no such host"))
    }
    let transport =
        Transport::with_world(World { local_addresses: localhost, lookup, ..World::SYSTEM });
    for _ in 0..10 {
        let peer = gather(&transport, "stun:unknown.example.com");
        until("complete", || peer.gathering_state() == GatheringState::Complete);
    }
    assert_eq!(LOOKUPS.load(Ordering::Relaxed), 1);
}

#[test]
fn handles_cross_threads() {
    let pair = Pair::open(&[reliable(1)]);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| pair.a.channels[0].put(b"from a thread", false));
        scope.spawn(|| send.send(next(&pair.b.channels[0])));
    });
    assert_eq!(receive.recv().expect("a message").data, b"from a thread");
}

/// Two connections that are told of each other, with the same negotiated channels.
struct Pair {
    transport: Arc<Transport>,
    a: End,
    b: End,
}

struct End {
    peer: PeerHandle,
    channels: Vec<ChannelHandle>,
    announced: Vec<ChannelHandle>,
    /// What the other side was told.
    candidates: Vec<String>,
    failed_addresses: Vec<(IpAddr, String)>,
    failed_servers: Vec<(String, u16, String)>,
}

impl Pair {
    fn open(inits: &[ChannelInit]) -> Self {
        let mut pair = Self::new(&loopback(), inits);
        pair.until_open();
        pair
    }

    fn new(transport: &Arc<Transport>, inits: &[ChannelInit]) -> Self {
        Self::with_options(transport, inits, [PeerOptions::default(), PeerOptions::default()])
    }

    fn with_options(
        transport: &Arc<Transport>,
        inits: &[ChannelInit],
        options: [PeerOptions; 2],
    ) -> Self {
        Self::between([transport, transport], inits, options)
    }

    fn between(
        transports: [&Arc<Transport>; 2],
        inits: &[ChannelInit],
        [a, b]: [PeerOptions; 2],
    ) -> Self {
        let pair = Self {
            transport: Arc::clone(transports[0]),
            a: End::new(transports[0], inits, a),
            b: End::new(transports[1], inits, b),
        };
        pair.a.peer.create_offer().expect("stable");
        pair
    }

    fn until_open(&mut self) {
        let is_open = |end: &End| end.channels.iter().all(|c| c.state() == ChannelState::Open);
        self.until("open", |pair| is_open(&pair.a) && is_open(&pair.b));
    }

    /// Passes on what the two have to tell each other until the condition holds.
    fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        until(what, || {
            self.a.signal(&self.b.peer);
            self.b.signal(&self.a.peer);
            condition(self)
        });
    }

    fn side(&self, index: usize) -> &End {
        [&self.a, &self.b][index]
    }
}

impl End {
    fn new(transport: &Transport, inits: &[ChannelInit], options: PeerOptions) -> Self {
        let peer = transport.peer(options).expect("a thread");
        let channels =
            inits.iter().map(|init| peer.create_channel(init.clone()).expect("valid")).collect();
        Self {
            peer,
            channels,
            announced: Vec::new(),
            candidates: Vec::new(),
            failed_addresses: Vec::new(),
            failed_servers: Vec::new(),
        }
    }

    fn signal(&mut self, other: &PeerHandle) {
        for event in self.peer.take_events() {
            match event {
                PeerEvent::DescriptionCreated { kind, sdp } => {
                    self.peer.set_local_description(kind, &sdp).expect("our own");
                    other.set_remote_description(kind, &sdp).expect("in turn");
                }
                PeerEvent::CandidateCreated { mid, index, candidate } => {
                    assert!(!mid.is_empty());
                    other.add_candidate(&mid, index, &candidate).expect("readable");
                    self.candidates.push(candidate);
                }
                PeerEvent::AddressFailed { address, reason } => {
                    self.failed_addresses.push((address, reason));
                }
                PeerEvent::ChannelAnnounced(channel) => self.announced.push(channel),
                PeerEvent::LinkUnstable | PeerEvent::LinkRecovered => {}
                PeerEvent::IceServerFailed { url, code, reason } => {
                    self.failed_servers.push((url, code, reason));
                }
            }
        }
    }
}

fn reliable(id: u16) -> ChannelInit {
    ChannelInit {
        label: format!("channel {id}"),
        protocol: String::new(),
        ordered: true,
        reliability: Reliability::Reliable,
        negotiated: Some(id),
    }
}

/// A channel that nothing drives.
fn lone_channel(init: ChannelInit) -> Arc<ChannelShared> {
    let poll = mio::Poll::new().expect("a poll");
    let io = Arc::new(IoShared::new(&poll).expect("a waker"));
    let peer = Arc::new(PeerShared::new(io.next_key(), io, 0));
    let channel = ChannelShared::new(peer, ChannelKey(0), init);
    channel.opened(1);
    Arc::new(channel)
}

fn loopback() -> Arc<Transport> {
    Arc::new(Transport::with_local_addresses(localhost))
}

fn localhost() -> Vec<IpAddr> {
    vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
}

fn next(channel: &ChannelHandle) -> Message {
    let mut message = None;
    until("a message", || {
        message = channel.take();
        message.is_some()
    });
    message.expect("just seen")
}

/// A connection that looks for its addresses with the help of this server.
fn gather(transport: &Transport, url: &str) -> PeerHandle {
    let ice_servers = vec![IceServer::parse(url).expect("a URL")];
    let options = PeerOptions { ice_servers, ..PeerOptions::default() };
    let peer = transport.peer(options).expect("a thread");
    let _channel = peer.create_channel(reliable(1)).expect("a channel");
    peer.create_offer().expect("stable");
    let (kind, sdp) = wait_for_description(&peer);
    peer.set_local_description(kind, &sdp).expect("our own");
    peer
}

fn wait_for_description(peer: &PeerHandle) -> (SdpKind, String) {
    let mut description = None;
    until("a description", || {
        for event in peer.take_events() {
            if let PeerEvent::DescriptionCreated { kind, sdp } = event {
                description = Some((kind, sdp));
            }
        }
        description.is_some()
    });
    description.expect("just seen")
}

/// Waits for what another thread does; there is nothing to be woken by, as in a game's frames.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}
