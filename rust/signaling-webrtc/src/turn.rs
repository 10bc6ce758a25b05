//! A relayed address on a TURN server (RFC 8656), over UDP, TCP or TLS.
//!
//! ```text
//!           challenge          success
//! Asking ──────────────► Asking ──────► Granted ─── refused, lost ──► Over
//!    └──────────────── refused, silent ────────────────────────────────►┘
//! ```
//! Everything granted expires: the allocation, the permission for each address that may send to
//! us, and the channel that shortens what goes to one of them. All are refreshed in time.

mod framing;
mod login;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::ice_server::{Credentials, ServerFailure};
use crate::stun_message::{Builder, Class, Method, StunMessage, TransactionId, attribute};
pub(crate) use framing::Framer;
use login::Login;

/// How long an unanswered request waits before it is sent again; doubled up to [`MAX_RETRY`]. Over
/// TCP nothing is sent twice.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const MAX_RETRY: Duration = Duration::from_secs(8);
/// How long an answer is waited for: three requests at the longest interval.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(24);
/// How long an answer is waited for when the way to the server may have changed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// A request is sent anew each time the server says that its nonce is stale, so often at most.
const MAX_STALE_NONCES: u8 = 3;

/// Addresses that may send to us; what comes beyond cannot be reached through the relay. One
/// connection knows no more candidates of the other side.
pub(crate) const MAX_PERMISSIONS: usize = 64;
/// A permission lasts 5 minutes.
const PERMISSION_REFRESH: Duration = Duration::from_secs(4 * 60);
/// Peers that messages are sent to in short form; others are sent to in long form.
const MAX_CHANNELS: usize = 8;
const FIRST_CHANNEL: u16 = 0x4000;
/// A channel lasts 10 minutes.
const CHANNEL_REFRESH: Duration = Duration::from_secs(9 * 60);
/// How long before its end an allocation is refreshed; short ones at half their time.
const REFRESH_MARGIN: Duration = Duration::from_secs(60);
/// No server is asked more often than this, whatever lifetime it grants.
const MIN_REFRESH: Duration = Duration::from_secs(5);

/// Routers forget who talks with whom after half a minute of silence, and the server knows us by
/// the port that our router has chosen.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// UDP, in the attribute that asks for it.
const REQUESTED_UDP: [u8; 4] = [17, 0, 0, 0];
const ALLOCATION_MISMATCH: u16 = 437;

/// One allocation, on a link of its own to the server.
#[derive(Debug)]
pub(crate) struct Allocation {
    login: Login,
    is_reliable: bool,
    state: State,
    requests: Vec<Request>,
    /// When something was sent last.
    last_sent: Instant,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<AllocationEvent>,
}

/// What became of an allocation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AllocationEvent {
    /// Datagrams to this address come to us from now on.
    Granted(SocketAddr),
    /// The server refuses, is silent, or has forgotten us. For good.
    Over { code: u16, reason: String },
}

/// What somebody sent to the relayed address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Relayed<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) bytes: &'a [u8],
}

#[derive(Debug)]
enum State {
    Asking,
    Granted { refresh: Instant },
    Over,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Request {
    purpose: Purpose,
    id: TransactionId,
    bytes: Vec<u8>,
    next: Instant,
    interval: Duration,
    give_up: Instant,
    stale_nonces: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Allocate,
    Refresh,
    Permit(IpAddr),
    Bind(u16),
}

#[derive(Debug)]
struct Permission {
    ip: IpAddr,
    grant: Grant,
}

/// The number of a channel follows from its place.
#[derive(Debug)]
struct Channel {
    peer: SocketAddr,
    grant: Grant,
}

/// What a permission or a channel has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grant {
    Asked,
    Until(Instant),
    /// As good as granted: what lasts is asked for again before it ends.
    Renewing,
    Refused,
}

impl Allocation {
    /// Begins to ask. `is_reliable` tells that what is sent arrives, in order: TCP and TLS.
    pub(crate) fn new(
        now: Instant,
        rng: &mut StdRng,
        credentials: Option<Credentials>,
        is_reliable: bool,
    ) -> Self {
        let mut allocation = Self {
            login: Login::new(credentials),
            is_reliable,
            state: State::Asking,
            requests: Vec::new(),
            last_sent: now,
            permissions: Vec::new(),
            channels: Vec::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        };
        allocation.request(now, rng, Purpose::Allocate, 0);
        allocation
    }

    /// Lets this address send to us, as far as the server agrees.
    pub(crate) fn permit(&mut self, now: Instant, rng: &mut StdRng, ip: IpAddr) {
        let is_known = self.permissions.iter().any(|permission| permission.ip == ip);
        if self.is_granted() && !is_known && self.permissions.len() < MAX_PERMISSIONS {
            self.permissions.push(Permission { ip, grant: Grant::Asked });
            self.request(now, rng, Purpose::Permit(ip), 0);
        }
    }

    /// Has what goes to this peer carry 4 bytes in front instead of 36 or more.
    pub(crate) fn bind(&mut self, now: Instant, rng: &mut StdRng, peer: SocketAddr) {
        let is_known = self.channels.iter().any(|channel| channel.peer == peer);
        if self.is_granted() && !is_known && self.channels.len() < MAX_CHANNELS {
            let number = number(self.channels.len());
            self.channels.push(Channel { peer, grant: Grant::Asked });
            self.request(now, rng, Purpose::Bind(number), 0);
        }
    }

    /// What the server has to be sent so that the peer gets `datagram`, which must fit a UDP
    /// datagram with up to 48 bytes in front.
    pub(crate) fn wrap(
        &mut self,
        now: Instant,
        rng: &mut StdRng,
        peer: SocketAddr,
        datagram: &[u8],
    ) -> Vec<u8> {
        self.last_sent = now;
        let is_usable = |channel: &Channel| {
            channel.peer == peer && matches!(channel.grant, Grant::Until(_) | Grant::Renewing)
        };
        match self.channels.iter().position(is_usable) {
            Some(place) => self.channel_data(number(place), datagram),
            None => Builder::new(Method::Send, Class::Indication, &rng.random())
                .address(attribute::XOR_PEER_ADDRESS, peer)
                .attribute(attribute::DATA, datagram)
                .finish(),
        }
    }

    fn channel_data(&self, number: u16, datagram: &[u8]) -> Vec<u8> {
        let len = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
        let mut bytes = [&number.to_be_bytes()[..], &len.to_be_bytes(), datagram].concat();
        if self.is_reliable {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    /// Makes sure that the server still knows us, or ends soon.
    pub(crate) fn probe(&mut self, now: Instant, rng: &mut StdRng) {
        if self.is_granted() {
            self.requests.retain(|request| request.purpose != Purpose::Refresh);
            self.request(now, rng, Purpose::Refresh, 0);
            let probe = self.requests.last_mut();
            probe.into_iter().for_each(|probe| probe.give_up = now + PROBE_TIMEOUT);
        }
    }

    /// Gives the allocation back; the message that does so is the last to send.
    pub(crate) fn release(&mut self, rng: &mut StdRng) -> Option<Vec<u8>> {
        let was_granted = self.is_granted();
        self.state = State::Over;
        self.requests.clear();
        was_granted.then(|| {
            let lifetime = [0; 4];
            let refresh = Builder::new(Method::Refresh, Class::Request, &rng.random());
            self.login.sign(refresh.attribute(attribute::LIFETIME, &lifetime)).finish()
        })
    }

    /// Takes what came from the server: what a peer sent is handed out.
    pub(crate) fn handle<'a>(
        &mut self,
        now: Instant,
        rng: &mut StdRng,
        frame: &'a [u8],
    ) -> Option<Relayed<'a>> {
        if frame.first()? >> 6 == 1 {
            return self.unwrap_channel_data(frame);
        }
        let message = StunMessage::parse(frame)?;
        if message.is(Method::Data, Class::Indication) {
            let from = message.address(attribute::XOR_PEER_ADDRESS)?;
            let bytes = message.attribute(attribute::DATA)?;
            return self.is_granted().then_some(Relayed { from, bytes });
        }
        self.handle_answer(now, rng, &message);
        None
    }

    fn unwrap_channel_data<'a>(&self, frame: &'a [u8]) -> Option<Relayed<'a>> {
        let (&[high, low, len_high, len_low], rest) = frame.split_first_chunk()?;
        let place = u16::from_be_bytes([high, low]).checked_sub(FIRST_CHANNEL)?;
        let from = self.channels.get(usize::from(place))?.peer;
        let bytes = rest.get(..u16::from_be_bytes([len_high, len_low]).into())?;
        Some(Relayed { from, bytes })
    }

    fn handle_answer(&mut self, now: Instant, rng: &mut StdRng, message: &StunMessage<'_>) {
        let is_its = |request: &Request| request.id == message.id();
        let Some(place) = self.requests.iter().position(is_its) else { return };
        let purpose = self.requests[place].purpose;
        if message.is(purpose.method(), Class::Success) {
            if self.login.trusts(message) {
                self.requests.swap_remove(place);
                self.succeeded(now, purpose, message);
            }
        } else if message.is(purpose.method(), Class::Error) {
            // An error that somebody made up would do no more harm than dropping our request,
            // which whoever sees its number can do too. So it need not be signed.
            let Some((code, reason)) = message.error() else { return };
            let request = self.requests.swap_remove(place);
            let is_new = self.login.was_challenged(code, message);
            if is_new && request.stale_nonces < MAX_STALE_NONCES {
                self.request(now, rng, purpose, request.stale_nonces + 1);
            } else {
                self.refused(purpose, code, &reason);
            }
        }
    }

    fn succeeded(&mut self, now: Instant, purpose: Purpose, message: &StunMessage<'_>) {
        match purpose {
            Purpose::Allocate => match message.address(attribute::XOR_RELAYED_ADDRESS) {
                Some(relayed) => {
                    self.state = State::Granted { refresh: now + refresh_time(message) };
                    self.events.push_back(AllocationEvent::Granted(relayed));
                }
                None => self.end(ServerFailure::SILENT, "it grants no address"),
            },
            Purpose::Refresh => {
                self.state = State::Granted { refresh: now + refresh_time(message) };
            }
            Purpose::Permit(_) => self.set_grant(purpose, Grant::Until(now + PERMISSION_REFRESH)),
            Purpose::Bind(_) => self.set_grant(purpose, Grant::Until(now + CHANNEL_REFRESH)),
        }
    }

    /// A peer that is out of reach leaves the others alone; all else ends the allocation.
    fn refused(&mut self, purpose: Purpose, code: u16, reason: &str) {
        match purpose {
            Purpose::Permit(_) | Purpose::Bind(_) if code != ALLOCATION_MISMATCH => {
                tracing::debug!(?purpose, code, reason, "the TURN server refuses");
                self.set_grant(purpose, Grant::Refused);
            }
            _ => self.end(code, reason),
        }
    }

    fn end(&mut self, code: u16, reason: &str) {
        self.state = State::Over;
        self.requests.clear();
        self.events.push_back(AllocationEvent::Over { code, reason: reason.to_owned() });
    }

    fn set_grant(&mut self, purpose: Purpose, grant: Grant) {
        let known = match purpose {
            Purpose::Permit(ip) => {
                let mut permissions = self.permissions.iter_mut();
                permissions.find(|known| known.ip == ip).map(|known| &mut known.grant)
            }
            Purpose::Bind(number) => {
                let place = usize::from(number - FIRST_CHANNEL);
                self.channels.get_mut(place).map(|known| &mut known.grant)
            }
            Purpose::Allocate | Purpose::Refresh => None,
        };
        known.into_iter().for_each(|known| *known = grant);
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant, rng: &mut StdRng) {
        self.renew(now, rng);
        let is_over = |request: &mut Request| request.give_up <= now;
        for request in self.requests.extract_if(.., is_over).collect::<Vec<_>>() {
            self.refused(request.purpose, ServerFailure::SILENT, "it does not answer");
        }
        for request in self.requests.iter_mut().filter(|request| request.next <= now) {
            request.interval = (request.interval * 2).min(MAX_RETRY);
            request.next = now + request.interval;
            self.transmits.push_back(request.bytes.clone());
        }
        self.keep_alive(now, rng);
    }

    fn keep_alive(&mut self, now: Instant, rng: &mut StdRng) {
        if !self.transmits.is_empty() {
            self.last_sent = now;
        } else if self.is_granted() && self.last_sent + KEEPALIVE <= now {
            self.last_sent = now;
            let sign_of_life = Builder::new(Method::Binding, Class::Indication, &rng.random());
            self.transmits.push_back(sign_of_life.finish());
        }
    }

    /// Asks again for what ends soon.
    fn renew(&mut self, now: Instant, rng: &mut StdRng) {
        let State::Granted { refresh } = &mut self.state else { return };
        let mut due = Vec::new();
        if *refresh <= now {
            // The answer says when the next one is due.
            *refresh = now + ANSWER_TIMEOUT * 2;
            due.push(Purpose::Refresh);
        }
        for permission in &mut self.permissions {
            if permission.grant.is_due(now) {
                due.push(Purpose::Permit(permission.ip));
            }
        }
        for (place, channel) in self.channels.iter_mut().enumerate() {
            if channel.grant.is_due(now) {
                due.push(Purpose::Bind(number(place)));
            }
        }
        for purpose in due {
            self.set_grant(purpose, Grant::Renewing);
            self.request(now, rng, purpose, 0);
        }
    }

    fn request(&mut self, now: Instant, rng: &mut StdRng, purpose: Purpose, stale_nonces: u8) {
        let id = rng.random();
        let request = Builder::new(purpose.method(), Class::Request, &id);
        let request = match purpose {
            Purpose::Allocate => request.attribute(attribute::REQUESTED_TRANSPORT, &REQUESTED_UDP),
            Purpose::Refresh => request,
            // The port is not looked at.
            Purpose::Permit(ip) => {
                request.address(attribute::XOR_PEER_ADDRESS, SocketAddr::new(ip, 0))
            }
            Purpose::Bind(number) => {
                let [high, low] = number.to_be_bytes();
                let peer = self.channels[usize::from(number - FIRST_CHANNEL)].peer;
                request
                    .attribute(attribute::CHANNEL_NUMBER, &[high, low, 0, 0])
                    .address(attribute::XOR_PEER_ADDRESS, peer)
            }
        };
        let bytes = self.login.sign(request).finish();
        self.transmits.push_back(bytes.clone());
        let interval = if self.is_reliable { ANSWER_TIMEOUT } else { FIRST_RETRY };
        let (next, give_up) = (now + interval, now + ANSWER_TIMEOUT);
        self.requests.push(Request { purpose, id, bytes, next, interval, give_up, stale_nonces });
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<AllocationEvent> {
        self.events.pop_front()
    }

    /// When to call [`Allocation::advance`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let State::Granted { refresh } = self.state else {
            return self.requests.iter().map(Request::due).min();
        };
        let permissions = self.permissions.iter().map(|permission| permission.grant);
        let grants = permissions.chain(self.channels.iter().map(|channel| channel.grant));
        let grants = grants.filter_map(|grant| match grant {
            Grant::Until(due) => Some(due),
            Grant::Asked | Grant::Renewing | Grant::Refused => None,
        });
        let requests = self.requests.iter().map(Request::due);
        grants.chain(requests).chain([refresh, self.last_sent + KEEPALIVE]).min()
    }

    fn is_granted(&self) -> bool {
        matches!(self.state, State::Granted { .. })
    }
}

impl Request {
    fn due(&self) -> Instant {
        self.next.min(self.give_up)
    }
}

impl Purpose {
    fn method(self) -> Method {
        match self {
            Self::Allocate => Method::Allocate,
            Self::Refresh => Method::Refresh,
            Self::Permit(_) => Method::CreatePermission,
            Self::Bind(_) => Method::ChannelBind,
        }
    }
}

impl Grant {
    fn is_due(self, now: Instant) -> bool {
        matches!(self, Self::Until(due) if due <= now)
    }
}

/// The number of the channel at this place, far below the last that may be used.
fn number(place: usize) -> u16 {
    FIRST_CHANNEL + u16::try_from(place).unwrap_or(0)
}

/// When what this answer grants has to be asked for again.
fn refresh_time(message: &StunMessage<'_>) -> Duration {
    const DEFAULT: Duration = Duration::from_secs(10 * 60);
    let lifetime = message.attribute(attribute::LIFETIME).and_then(|value| value.first_chunk());
    let lifetime = lifetime
        .map_or(DEFAULT, |seconds| Duration::from_secs(u32::from_be_bytes(*seconds).into()));
    lifetime.saturating_sub(REFRESH_MARGIN).max(lifetime / 2).max(MIN_REFRESH)
}
