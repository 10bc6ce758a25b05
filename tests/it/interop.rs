//! Our WebRTC against stacks that nobody here wrote.
//!
//! Both sides are sans-IO, so that a whole connection runs in virtual time without a socket.
//! The other side is str0m: another SCTP, another SDP, other versions of ICE and DTLS.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use signaling_webrtc::{
    Certificate, ChannelInit, ChannelKey, ConnectionState, Description, Event, Input, Output,
    PeerConfig, PeerConnection, Reliability, SdpKind,
};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Rtc};

const KEY: ChannelKey = ChannelKey(0);

#[test]
fn we_offer_and_announce_a_channel() {
    let mut duo = Duo::new();
    duo.ours.create_channel(duo.now, KEY, init(None)).unwrap();
    duo.we_offer();
    duo.until(|duo| duo.is_open(KEY) && duo.their_channel.is_some());
    duo.exchange(KEY);
}

#[test]
fn they_offer_and_announce_a_channel() {
    let mut duo = Duo::new();
    let pending = duo.they_offer(|rtc| {
        let mut changes = rtc.sdp_api();
        changes.add_channel("game".to_owned());
        changes.apply().expect("there are changes")
    });
    duo.they_accept(pending);
    duo.until(|duo| duo.announced().is_some() && duo.their_channel.is_some());
    let key = duo.announced().unwrap();
    duo.exchange(key);
}

#[test]
fn both_sides_make_a_channel_with_an_agreed_id() {
    let mut duo = Duo::new();
    duo.ours.create_channel(duo.now, KEY, init(Some(1))).unwrap();
    duo.we_offer();
    let mut direct = duo.theirs.direct_api();
    duo.their_channel = Some(direct.create_data_channel(ChannelConfig {
        label: "game".to_owned(),
        negotiated: Some(1),
        ..Default::default()
    }));
    duo.until(|duo| duo.is_open(KEY));
    duo.exchange(KEY);
}

#[test]
fn they_see_at_once_that_we_close() {
    let mut duo = Duo::new();
    duo.ours.create_channel(duo.now, KEY, init(None)).unwrap();
    duo.we_offer();
    duo.until(|duo| duo.is_open(KEY) && duo.their_channel.is_some());
    let before = duo.now;
    duo.ours.close(duo.now);
    duo.until(|duo| !duo.theirs.is_alive() || duo.their_channel_closed);
    assert!(duo.now - before < Duration::from_secs(1), "took {:?}", duo.now - before);
}

/// One of our connections and one of theirs, with nothing but virtual time between them.
struct Duo {
    ours: PeerConnection,
    theirs: Rtc,
    now: Instant,
    events: Vec<Event>,
    their_channel: Option<ChannelId>,
    their_channel_closed: bool,
    their_messages: Vec<(Vec<u8>, bool)>,
}

fn our_address() -> SocketAddr {
    ([10, 0, 0, 1], 1000).into()
}

fn their_address() -> SocketAddr {
    ([10, 0, 0, 2], 2000).into()
}

fn init(negotiated: Option<u16>) -> ChannelInit {
    ChannelInit {
        label: "game".to_owned(),
        protocol: String::new(),
        ordered: true,
        reliability: Reliability::Reliable,
        negotiated,
    }
}

impl Duo {
    fn new() -> Self {
        let now = Instant::now();
        let certificate = Certificate::generate([1; 32]);
        let mut theirs = Rtc::builder().build(now);
        theirs.add_local_candidate(Candidate::host(their_address(), "udp").unwrap());
        Self {
            ours: PeerConnection::new(now, [2; 32], &certificate, PeerConfig::default()),
            theirs,
            now,
            events: Vec::new(),
            their_channel: None,
            their_channel_closed: false,
            their_messages: Vec::new(),
        }
    }

    fn we_offer(&mut self) {
        self.ours.create_offer(self.now).unwrap();
        let offer = self.set_created_description();
        let offer = SdpOffer::from_sdp_string(&offer).unwrap();
        let answer = self.theirs.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
        let answer = Description::parse(SdpKind::Answer, &answer).unwrap();
        self.ours.set_remote_description(self.now, answer).unwrap();
        self.gather();
    }

    fn they_offer(
        &mut self,
        offer: impl FnOnce(&mut Rtc) -> (SdpOffer, SdpPendingOffer),
    ) -> SdpPendingOffer {
        let (offer, pending) = offer(&mut self.theirs);
        let offer = Description::parse(SdpKind::Offer, &offer.to_sdp_string()).unwrap();
        self.ours.set_remote_description(self.now, offer).unwrap();
        pending
    }

    fn they_accept(&mut self, pending: SdpPendingOffer) {
        let answer = SdpAnswer::from_sdp_string(&self.set_created_description()).unwrap();
        self.theirs.sdp_api().accept_answer(pending, answer).unwrap();
        self.gather();
    }

    /// Sets what we have created as ours, and returns its text.
    fn set_created_description(&mut self) -> String {
        self.drain_ours();
        let created = self.events.iter().find_map(|event| match event {
            Event::DescriptionCreated { kind, sdp } => Some((*kind, sdp.clone())),
            _ => None,
        });
        let (kind, sdp) = created.expect("a description was created");
        let description = Description::parse(kind, &sdp).unwrap();
        self.ours.set_local_description(self.now, description).unwrap();
        sdp
    }

    fn gather(&mut self) {
        self.ours.add_host_candidate(self.now, our_address());
        self.ours.end_of_local_candidates(self.now);
    }

    /// Messages of both kinds and several sizes, each way.
    fn exchange(&mut self, key: ChannelKey) {
        let messages = [(vec![7; 1], false), ("grüße\0".into(), true), (vec![9; 60_000], false)];
        for (data, text) in &messages {
            self.ours.send(self.now, key, data.clone(), *text);
        }
        self.until(|duo| duo.their_messages.len() == messages.len());
        assert_eq!(self.their_messages, messages);

        for (data, text) in &messages {
            let id = self.their_channel.unwrap();
            assert!(self.theirs.channel(id).unwrap().write(!text, data).unwrap());
        }
        self.until(|duo| duo.our_messages().count() == messages.len());
        assert_eq!(self.our_messages().collect::<Vec<_>>(), messages);
    }

    fn our_messages(&self) -> impl Iterator<Item = (Vec<u8>, bool)> {
        self.events.iter().filter_map(|event| match event {
            Event::Message { data, text, .. } => Some((data.clone(), *text)),
            _ => None,
        })
    }

    fn is_open(&self, key: ChannelKey) -> bool {
        let connected = Event::ConnectionState(ConnectionState::Connected);
        let is_ours = |event: &Event| matches!(event, Event::ChannelOpen { key: opened, .. } if *opened == key);
        self.events.contains(&connected) && self.events.iter().any(is_ours)
    }

    fn announced(&self) -> Option<ChannelKey> {
        self.events.iter().find_map(|event| match event {
            Event::ChannelAnnounced { key, init, .. } => {
                assert_eq!(init.label, "game");
                Some(*key)
            }
            _ => None,
        })
    }

    /// Lets time pass until `condition` holds.
    fn until(&mut self, condition: impl Fn(&Self) -> bool) {
        let deadline = self.now + Duration::from_secs(30);
        loop {
            let theirs = self.settle();
            if condition(self) {
                return;
            }
            let due = self.ours.poll_timeout().map_or(theirs, |ours| ours.min(theirs));
            assert!(due < deadline, "nothing came of it: {:?}", self.events);
            self.now = self.now.max(due);
            self.ours.handle_input(self.now, Input::Timeout);
            self.theirs.handle_input(str0m::Input::Timeout(self.now)).unwrap();
        }
    }

    /// Exchanges datagrams until neither side has one left; when they want to be woken next.
    fn settle(&mut self) -> Instant {
        loop {
            let moved = self.drain_ours();
            let (their_move, timeout) = self.drain_theirs();
            if !moved && !their_move {
                return timeout;
            }
        }
    }

    fn drain_ours(&mut self) -> bool {
        let mut moved = false;
        while let Some(output) = self.ours.poll_output() {
            moved = true;
            match output {
                Output::Transmit { from, to, bytes } => {
                    let receive = Receive::new(Protocol::Udp, from, to, &bytes).unwrap();
                    self.theirs.handle_input(str0m::Input::Receive(self.now, receive)).unwrap();
                }
                Output::Event(event) => {
                    if let Event::CandidateCreated { candidate, .. } = &event {
                        let candidate = Candidate::from_sdp_string(candidate).unwrap();
                        self.theirs.add_remote_candidate(candidate);
                    }
                    self.events.push(event);
                }
                Output::Link { .. } => unreachable!("no TURN server was named"),
            }
        }
        moved
    }

    fn drain_theirs(&mut self) -> (bool, Instant) {
        let mut moved = false;
        loop {
            match self.theirs.poll_output().unwrap() {
                str0m::Output::Timeout(timeout) => return (moved, timeout),
                str0m::Output::Transmit(transmit) => {
                    moved = true;
                    let (local, from) = (transmit.destination, transmit.source);
                    let bytes = &transmit.contents;
                    self.ours.handle_input(self.now, Input::Datagram { local, from, bytes });
                }
                str0m::Output::Event(event) => self.their_event(event),
            }
        }
    }

    fn their_event(&mut self, event: str0m::Event) {
        match event {
            str0m::Event::ChannelOpen(id, label) => {
                assert_eq!(label, "game");
                self.their_channel = Some(id);
            }
            str0m::Event::ChannelData(data) => self.their_messages.push((data.data, !data.binary)),
            str0m::Event::ChannelClose(_) => self.their_channel_closed = true,
            _ => {}
        }
    }
}
