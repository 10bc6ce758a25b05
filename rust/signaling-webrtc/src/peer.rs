//! One connection to one peer, composed of the layers below.
//!
//! ```text
//!  negotiation ─ descriptions, roles            channels ─ messages, labels, closing
//!       │                                          │
//!       ▼                                          ▼
//!      ice ── path ──► dtls ── packets ──► sctp ── streams
//!       ▲                ▲
//!  stun └──── demux ─────┘ datagrams
//! ```
//! Each layer is a state machine that knows nothing of the others; this one carries what comes
//! out of one into the next.

mod descriptions;
mod event;
mod gathering;
mod negotiation;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::candidate::{Content, Endpoint};
use crate::certificate::Certificate;
use crate::channel_table::ChannelTable;
use crate::channels::{ChannelError, ChannelInit, ChannelKey};
use crate::config::PeerConfig;
use crate::demux::Layer;
use crate::dtls::{self, Dtls, DtlsEvent};
use crate::ice::{Ice, IceState, Path};
use crate::relays::{Arrived, Relays};
use crate::sctp::{Association, Inbound, SctpEvent};
use crate::signaling_state::SignalingState;
use crate::statistics::{Counters, Statistics, Traffic};
use crate::stun::StunClient;

pub use crate::relays::{LinkEvent, LinkKey, LinkRequest};
pub use event::{ConnectionState, Event, Failure, GatheringState, Input, Output};
use gathering::Gathering;
pub use negotiation::DescriptionError;
use negotiation::Negotiation;

/// Candidates of the other side that wait for its description; what comes beyond is ignored.
const MAX_EARLY_CANDIDATES: usize = 64;

/// Candidates of the other side whose names are looked up; what comes beyond is ignored.
const MAX_NAMED: usize = 8;

/// Datagrams of the handshake that wait for a path; what comes beyond is sent again anyway.
const MAX_EARLY_DATAGRAMS: usize = 8;

/// A WebRTC peer connection with data channels, as a state machine.
///
/// Call one command or [`PeerConnection::handle_input`], then drain
/// [`PeerConnection::poll_output`] until it returns `None`, then wait until
/// [`PeerConnection::poll_timeout`] and hand in [`Input::Timeout`]. Extra timeouts are harmless.
/// It must stay on the thread it was made on; everything that goes in or comes out may cross
/// threads.
pub struct PeerConnection {
    now: Instant,
    rng: StdRng,
    config: PeerConfig,
    certificate: Certificate,
    negotiation: Negotiation,
    gathering: Gathering,
    stun: StunClient,
    relays: Relays,
    ice: Ice,
    early_candidates: Vec<Content>,
    named: Named,
    early_datagrams: VecDeque<Vec<u8>>,
    dtls: Option<Dtls>,
    association: Option<Association>,
    /// Whether the association stands.
    is_open: bool,
    channels: ChannelTable,
    state: ConnectionState,
    /// How it ended, if it has: closed or failed, for good.
    end: Option<ConnectionState>,
    /// Why it failed, as long as it is failed.
    failure: Option<Failure>,
    /// Whether something happened that the layers have not heard of yet.
    is_stirred: bool,
    /// Whether something was read that there may be something to say to.
    has_read: bool,
    timeout: Option<Instant>,
    transmits: VecDeque<(Path, Vec<u8>)>,
    events: VecDeque<Event>,
    sent: Traffic,
    received: Traffic,
    /// What the association did, once it is gone.
    last_counters: Counters,
}

/// Candidates of the other side whose names are being looked up.
#[derive(Default)]
struct Named {
    ends: Vec<(String, Endpoint)>,
    /// Whether no more candidates will come after them.
    is_last: bool,
}

impl PeerConnection {
    /// A connection in state New. `seed` must be unpredictable: credentials are drawn from it.
    pub fn new(
        now: Instant,
        seed: [u8; 32],
        certificate: &Certificate,
        config: PeerConfig,
    ) -> Self {
        dtls::warm_up();
        let mut rng = StdRng::from_seed(seed);
        Self {
            now,
            negotiation: Negotiation::new(rng.random::<u64>() >> 1),
            gathering: Gathering::default(),
            stun: StunClient::default(),
            relays: Relays::new(StdRng::from_rng(&mut rng)),
            ice: Ice::new(now, &mut rng, &config),
            early_candidates: Vec::new(),
            named: Named::default(),
            early_datagrams: VecDeque::new(),
            dtls: None,
            association: None,
            is_open: false,
            channels: ChannelTable::new(config.max_message_bytes),
            state: ConnectionState::New,
            end: None,
            failure: None,
            is_stirred: false,
            has_read: false,
            timeout: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            sent: Traffic::default(),
            received: Traffic::default(),
            last_counters: Counters::default(),
            rng,
            config,
            certificate: certificate.clone(),
        }
    }

    /// Makes a channel: [`Event::ChannelOpen`] follows once it can be used.
    ///
    /// # Errors
    /// See [`ChannelError`]; nothing has changed then.
    pub fn create_channel(
        &mut self,
        now: Instant,
        key: ChannelKey,
        init: ChannelInit,
    ) -> Result<(), ChannelError> {
        if matches!(self.state, ConnectionState::Failed | ConnectionState::Closed) {
            return Err(ChannelError::Closed);
        }
        self.channels.create(key, init)?;
        self.stir(now);
        Ok(())
    }

    /// What the other side calls us by in its checks, before and after a restart of ICE.
    pub(crate) fn username_fragments(&self) -> impl Iterator<Item = &str> {
        self.ice.username_fragments()
    }

    /// Whether data takes this path at the moment.
    pub(crate) fn sends_to(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.ice.path() == Some(Path { local, remote })
    }

    /// Queues a message on a channel that is not closing. What waits is bounded by the caller,
    /// who knows the buffered amount: what it sent less what [`Event::Sent`] gave back. A
    /// message that can never be sent (larger than the other side takes, or the channel is gone)
    /// is dropped and given back the same way.
    pub fn send(&mut self, now: Instant, key: ChannelKey, data: Vec<u8>, text: bool) {
        self.stir(now);
        self.sent.messages += 1;
        self.channels.send(now, key, data, text, &mut self.events);
    }

    /// The largest message that the other side takes, in bytes; known with its description.
    pub fn max_message_bytes(&self) -> usize {
        self.channels.max_outgoing()
    }

    /// Stops delivering messages of this channel: its reader is full. They count towards the
    /// receive window, which all channels share: when it is full of them the other side can send
    /// nothing more at all; so resume soon.
    pub fn pause_reading(&mut self, key: ChannelKey) {
        self.channels.set_paused(key, true);
    }

    /// The reader of this channel has room again.
    pub fn resume_reading(&mut self, now: Instant, key: ChannelKey) {
        self.stir(now);
        self.channels.set_paused(key, false);
    }

    /// How it is doing; the owner knows the channels.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics {
            failure: self.failure,
            sent: self.sent,
            received: self.received,
            association: self
                .association
                .as_ref()
                .map_or(self.last_counters, Association::counters),
            ..Statistics::default()
        };
        self.ice.statistics(self.now, &mut statistics);
        statistics
    }

    /// Whether the path leads through this address.
    #[cfg(test)]
    fn takes(&self, address: SocketAddr) -> bool {
        self.ice.path().is_some_and(|path| [path.local, path.remote].contains(&address))
    }

    /// What arrived and waits because a reader is full, in bytes.
    #[cfg(test)]
    fn waiting_bytes(&self) -> usize {
        self.association.as_ref().map_or(0, Association::unread)
    }

    /// Closes a channel once what waits on it has been sent; [`Event::ChannelClosing`] and later
    /// [`Event::ChannelClosed`] follow.
    pub fn close_channel(&mut self, now: Instant, key: ChannelKey) {
        self.stir(now);
        self.channels.close(key, &mut self.events);
    }

    /// Closes the connection; the other side is told at once.
    pub fn close(&mut self, now: Instant) {
        self.stir(now);
        self.say_goodbye();
        self.finish(ConnectionState::Closed);
    }

    /// Ends SCTP and then DTLS, in two datagrams: one goodbye suffices when the other is lost.
    fn say_goodbye(&mut self) {
        let (Some(dtls), Some(association)) = (&mut self.dtls, &mut self.association) else {
            return;
        };
        let mut transmit = |dtls: &mut Dtls| {
            while let Some(DtlsEvent::Transmit(datagram)) = dtls.poll() {
                self.transmits.extend(self.ice.path().map(|path| (path, datagram)));
            }
        };
        association.close();
        while let Some(event) = association.poll(self.now) {
            if let SctpEvent::Transmit(packet) = event {
                dtls.send(&packet);
                transmit(dtls);
            }
        }
        dtls.close();
        transmit(dtls);
    }

    /// Takes one input.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.stir(now);
        if self.end.is_some() {
            return;
        }
        match input {
            Input::Datagram { local, from, bytes } => self.handle_datagram(local, from, bytes),
            Input::Link { link, event } => {
                self.relays.handle(now, link, event);
                while let Some(Arrived { local, from, bytes }) = self.relays.poll_arrived() {
                    self.handle_datagram(local, from, &bytes);
                }
            }
            Input::Timeout => {}
        }
    }

    fn handle_datagram(&mut self, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        self.received.count(bytes);
        match Layer::of(bytes) {
            Some(Layer::Stun) => self.handle_stun(local, from, bytes),
            Some(Layer::Dtls) => self.handle_dtls(from, bytes),
            None => {}
        }
    }

    fn handle_stun(&mut self, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        match self.stun.handle(local, from, bytes) {
            Some(answer) => {
                let found = answer.and_then(|reflexive| self.ice.add_reflexive(&reflexive));
                found.into_iter().for_each(|line| self.candidate_created(local, line));
            }
            None => self.ice.handle(self.now, local, from, bytes),
        }
    }

    fn handle_dtls(&mut self, from: SocketAddr, bytes: &[u8]) {
        // The handshake is not protected before its end, so strangers have no part in it.
        if !self.ice.is_source(from) {
            return;
        }
        match self.dtls.as_mut().filter(|_| self.ice.path().is_some()) {
            Some(dtls) => {
                dtls.handle(self.now, bytes);
                self.take_from_dtls();
            }
            None if self.early_datagrams.len() < MAX_EARLY_DATAGRAMS => {
                self.early_datagrams.push_back(bytes.to_vec());
            }
            None => {}
        }
    }

    /// The next thing to do, in order; `None` when there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some((path, bytes)) = self.transmits.pop_front()
                && !self.relay(path, &bytes)
            {
                self.sent.count(&bytes);
                let Path { local: from, remote: to } = path;
                return Some(Output::Transmit { from, to, bytes });
            }
            if let Some((link, request)) = self.relays.poll_request() {
                return Some(Output::Link { link, request });
            }
            if let Some(event) = self.events.pop_front() {
                self.received.messages += u64::from(matches!(event, Event::Message { .. }));
                return Some(Output::Event(event));
            }
            if std::mem::take(&mut self.is_stirred) {
                self.advance();
            } else if self.take_inbound() {
                self.has_read = true;
            } else if std::mem::take(&mut self.has_read) {
                self.carry();
            } else {
                self.timeout = self.next_timeout();
                return None;
            }
        }
    }

    /// Sends through a TURN server if the path begins there.
    fn relay(&mut self, path: Path, bytes: &[u8]) -> bool {
        let Path { local, remote } = path;
        let is_relayed =
            !self.ice.has_host(local) && self.relays.send(self.now, local, remote, bytes);
        if is_relayed {
            self.sent.count(bytes);
        }
        is_relayed
    }

    /// When to hand in [`Input::Timeout`] at the latest; `None` means idle.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn next_timeout(&mut self) -> Option<Instant> {
        if self.end.is_some() {
            return None;
        }
        let has_path = self.ice.path().is_some();
        let dtls = self.dtls.as_ref().filter(|_| has_path).and_then(Dtls::poll_timeout);
        let sctp = self.association.as_ref().filter(|_| has_path);
        let sctp = sctp.and_then(Association::poll_timeout);
        let ice = self.ice.poll_timeout(self.now);
        let relays = self.relays.poll_timeout();
        [self.stun.poll_timeout(), relays, ice, dtls, sctp].into_iter().flatten().min()
    }

    fn stir(&mut self, now: Instant) {
        self.now = now;
        self.is_stirred = true;
    }

    /// Does what is due in every layer.
    fn advance(&mut self) {
        if self.end.is_some() {
            return;
        }
        self.gather();
        self.ice.advance(self.now);
        while let Some(transmit) = self.ice.poll_transmit(self.now) {
            self.transmits.push_back(transmit);
        }
        if let Some(Path { local, remote }) = self.ice.path() {
            self.relays.prefer(self.now, local, remote);
            self.advance_transport();
        }
        self.update_state();
    }

    fn advance_transport(&mut self) {
        let Some(dtls) = &mut self.dtls else { return };
        dtls.advance(self.now);
        self.carry();
        while let Some(dtls) = &mut self.dtls
            && let Some(datagram) = self.early_datagrams.pop_front()
        {
            dtls.handle(self.now, &datagram);
            self.carry();
        }
        if let Some(association) = &mut self.association {
            association.advance(self.now);
            self.carry();
        }
    }

    /// Carries what came out of DTLS and SCTP from one to the other, until neither has anything
    /// more to say.
    fn carry(&mut self) {
        loop {
            self.take_from_dtls();
            let Some(event) = self.poll_association() else { return };
            self.handle_sctp_event(event);
        }
    }

    fn take_from_dtls(&mut self) {
        while let Some(event) = self.dtls.as_mut().and_then(Dtls::poll) {
            self.handle_dtls_event(event);
        }
    }

    /// What happened in the association; the channels have their turn when nothing did.
    fn poll_association(&mut self) -> Option<SctpEvent> {
        let association = self.association.as_mut()?;
        let event = association.poll(self.now);
        if event.is_some() || !self.is_open {
            return event;
        }
        self.channels.flush(self.now, association, &mut self.events);
        association.poll(self.now)
    }

    fn handle_dtls_event(&mut self, event: DtlsEvent) {
        match event {
            DtlsEvent::Transmit(datagram) => {
                self.transmits.extend(self.ice.path().map(|path| (path, datagram)));
            }
            DtlsEvent::Connected => {
                let port = self.negotiation.agreed().map_or(0, |agreed| agreed.sctp_port);
                let association = Association::new(self.now, &mut self.rng, &self.config, port);
                self.association = Some(association);
            }
            DtlsEvent::Data(packet) => {
                self.ice.heard(self.now);
                if let Some(association) = &mut self.association {
                    association.handle(self.now, &packet);
                }
            }
            DtlsEvent::Closed => self.finish(ConnectionState::Closed),
            DtlsEvent::Failed(failure) => self.fail(failure.into()),
        }
    }

    fn handle_sctp_event(&mut self, event: SctpEvent) {
        match event {
            SctpEvent::Transmit(packet) => {
                self.dtls.iter_mut().for_each(|dtls| dtls.send(&packet));
            }
            SctpEvent::Connected => self.is_open = true,
            SctpEvent::OutgoingReset(streams) => self.channels.outgoing_reset(&streams),
            SctpEvent::Closed => self.finish(ConnectionState::Closed),
        }
    }

    /// Delivers what is next in line; false when there is nothing, or its reader is full.
    fn take_inbound(&mut self) -> bool {
        let (now, channels) = (self.now, &mut self.channels);
        let Some(association) = &mut self.association else { return false };
        match association.receive(now, |stream| channels.is_paused(stream)) {
            Some(Inbound::Message(message)) => channels.receive(now, message, &mut self.events),
            Some(Inbound::Reset(stream)) => channels.incoming_reset(stream, &mut self.events),
            None => return false,
        }
        true
    }

    fn update_state(&mut self) {
        let ice = self.ice.state(self.now);
        let state = match (self.end, ice) {
            (Some(end), _) => end,
            (None, IceState::New) => ConnectionState::New,
            (None, IceState::Checking) => ConnectionState::Connecting,
            (None, IceState::Connected | IceState::Disconnected) if self.association.is_none() => {
                ConnectionState::Connecting
            }
            (None, IceState::Connected) => ConnectionState::Connected,
            (None, IceState::Disconnected) => ConnectionState::Disconnected,
            (None, IceState::Failed) => ConnectionState::Failed,
        };
        if self.state == state {
            return;
        }
        self.state = state;
        if state == ConnectionState::Failed {
            self.failure = self.failure.or_else(|| self.ice.failure().map(Failure::from));
            self.events.extend(self.failure.map(Event::Failed));
        } else if self.end.is_none() {
            self.failure = None;
        }
        self.events.push_back(Event::ConnectionState(state));
    }

    fn fail(&mut self, failure: Failure) {
        if self.end.is_none() {
            self.failure = Some(failure);
        }
        self.finish(ConnectionState::Failed);
    }

    /// Gives the relays back, once what is to go through them has gone.
    fn release_relays(&mut self) {
        for (path, bytes) in std::mem::take(&mut self.transmits) {
            if !self.relay(path, &bytes) {
                self.transmits.push_back((path, bytes));
            }
        }
        self.relays.release();
    }

    /// The connection is over. What arrived before is still delivered.
    fn finish(&mut self, end: ConnectionState) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        self.release_relays();
        self.dtls = None;
        if let Some(mut association) = self.association.take() {
            while let Some(inbound) = association.receive(self.now, |_| false) {
                if let Inbound::Message(message) = inbound {
                    self.channels.receive(self.now, message, &mut self.events);
                }
            }
            self.last_counters = association.counters();
        }
        self.channels.close_all(&mut self.events);
        if end == ConnectionState::Closed {
            self.negotiation.close();
            self.events.push_back(Event::SignalingState(SignalingState::Closed));
        }
        self.update_state();
    }
}
