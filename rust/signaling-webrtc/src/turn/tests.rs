use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::test_server::{PASSWORD, Reply, TurnServer, USERNAME};
use super::{Allocation, AllocationEvent, Relayed};
use crate::ice_server::Credentials;
use crate::stun_message::{Builder, Class, Method, StunMessage, attribute};

/// An allocation and the server that it is on, with nothing between them.
struct Pair {
    now: Instant,
    rng: StdRng,
    allocation: Allocation,
    server: TurnServer<()>,
    /// What the server was sent.
    sent: Vec<Vec<u8>>,
}

fn relayed() -> SocketAddr {
    "192.0.2.50:50000".parse().unwrap()
}

fn peer() -> SocketAddr {
    "198.51.100.7:4000".parse().unwrap()
}

impl Pair {
    fn new() -> Self {
        let (now, mut rng) = (Instant::now(), StdRng::seed_from_u64(1));
        let credentials =
            Credentials { username: USERNAME.to_owned(), password: PASSWORD.to_owned() };
        let allocation = Allocation::new(now, &mut rng, Some(credentials), false);
        Self { now, rng, allocation, server: TurnServer::new([relayed()]), sent: Vec::new() }
    }

    fn granted() -> Self {
        let mut pair = Self::new();
        pair.talk();
        assert_eq!(pair.allocation.poll_event(), Some(AllocationEvent::Granted(relayed())));
        pair
    }

    /// Lets the two talk until neither has anything more to say.
    fn talk(&mut self) {
        self.allocation.advance(self.now, &mut self.rng);
        while let Some(frame) = self.allocation.poll_transmit() {
            let reply = self.server.take_from_client(self.now, (), peer(), &frame);
            if let Some(Reply::ToClient { bytes, .. }) = reply {
                self.allocation.handle(self.now, &mut self.rng, &bytes);
            }
            self.sent.push(frame);
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.allocation.poll_timeout().filter(|next| *next <= end) {
            self.now = next;
            self.talk();
        }
        self.now = end;
    }
}

#[test]
fn a_quiet_link_is_kept_alive() {
    let mut pair = Pair::granted();
    pair.sent.clear();
    pair.run_for(Duration::from_secs(65));
    let is_sign_of_life = |frame: &Vec<u8>| {
        StunMessage::parse(frame)
            .is_some_and(|message| message.is(Method::Binding, Class::Indication))
    };
    assert_eq!(pair.sent.len(), 3);
    assert!(pair.sent.iter().all(is_sign_of_life));
}

#[test]
fn a_success_that_nobody_signed_is_not_trusted() {
    let mut pair = Pair::new();
    let first = pair.allocation.poll_transmit().unwrap();
    let challenge = pair.server.take_from_client(pair.now, (), peer(), &first);
    let Some(Reply::ToClient { bytes, .. }) = challenge else { panic!("{challenge:?}") };
    pair.allocation.handle(pair.now, &mut pair.rng, &bytes);
    let second = pair.allocation.poll_transmit().unwrap();
    let id = StunMessage::parse(&second).unwrap().id();
    let forged = Builder::new(Method::Allocate, Class::Success, &id)
        .address(attribute::XOR_RELAYED_ADDRESS, "203.0.113.66:1".parse().unwrap())
        .finish();
    pair.allocation.handle(pair.now, &mut pair.rng, &forged);
    assert_eq!(pair.allocation.poll_event(), None);
}

#[test]
fn a_peer_is_heard_in_short_and_in_long_form() {
    let mut pair = Pair::granted();
    pair.allocation.permit(pair.now, &mut pair.rng, peer().ip());
    pair.talk();
    for is_bound in [false, true] {
        let reply = pair.server.take_from_peer(pair.now, relayed(), peer(), b"hello", |()| false);
        let Some(Reply::ToClient { bytes, .. }) = reply else { panic!("{reply:?}") };
        assert_eq!(bytes.len() == 9, is_bound);
        let heard = pair.allocation.handle(pair.now, &mut pair.rng, &bytes);
        assert_eq!(heard, Some(Relayed { from: peer(), bytes: b"hello" }));
        pair.allocation.bind(pair.now, &mut pair.rng, peer());
        pair.talk();
    }
}

#[test]
fn a_server_may_be_silent_for_a_while() {
    let mut pair = Pair::granted();
    let nine_minutes = Duration::from_secs(9 * 60);
    pair.run_for(nine_minutes - Duration::from_secs(1));
    // It does not hear the first four attempts to refresh.
    for _ in 0..4 {
        pair.now = pair.allocation.poll_timeout().unwrap();
        pair.allocation.advance(pair.now, &mut pair.rng);
        while pair.allocation.poll_transmit().is_some() {}
    }
    pair.run_for(nine_minutes);
    assert_eq!(pair.allocation.poll_event(), None);
    assert_eq!(pair.server.load(pair.now), 1);
}

#[test]
fn a_server_that_stays_silent_is_given_up() {
    let mut pair = Pair::granted();
    let mut now = pair.now;
    let begin = now;
    while let Some(next) = pair.allocation.poll_timeout() {
        now = next;
        pair.allocation.advance(now, &mut pair.rng);
    }
    let Some(AllocationEvent::Over { code, .. }) = pair.allocation.poll_event() else {
        panic!("it is over")
    };
    assert_eq!(code, 701);
    assert_eq!(now - begin, Duration::from_secs(9 * 60 + 24));
}
