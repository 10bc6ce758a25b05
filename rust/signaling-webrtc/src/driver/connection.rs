//! One connection on the I/O thread: the state machine, its sockets, and what it shares with the
//! handles.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::channel_handle::{ChannelHandle, ChannelShared, ChannelState, Message};
use super::io_thread::MAX_SOCKETS;
use super::multicast::Multicast;
use super::mux::Mux;
use super::peer_handle::{Command, PeerEvent, PeerOptions, PeerShared};
use super::relay_link::{Progress, RelayLinks};
use super::resolver::{Name, Resolved, Resolver};
use super::socket::Received;
use super::sockets::Sockets;
use super::tls::Tls;
use crate::certificate::Certificate;
use crate::channels::{ChannelInit, ChannelKey};
use crate::config::IcePolicy;
use crate::ice_server::IceServer;
use crate::mdns::Found;
use crate::peer::{
    ConnectionState, Event, GatheringState, Input, LinkEvent, LinkKey, LinkRequest, Output,
    PeerConnection,
};
use crate::statistics::{ChannelStatistics, Statistics};

/// How long the names of servers may take to resolve before gathering goes on without them.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How old the statistics that a handle shows may be while something happens.
const STATISTICS_AGE: Duration = Duration::from_secs(1);
/// Datagrams taken from one socket before they are answered and others have their turn: one
/// acknowledgement then stands for many.
const ANSWERED_TOGETHER: usize = 16;
/// Datagrams taken from a shared socket or a stream before others have their turn.
pub(super) const BATCH: usize = 64;

/// One connection on the I/O thread.
pub(super) struct Connection {
    machine: PeerConnection,
    shared: Arc<PeerShared>,
    channels: HashMap<ChannelKey, Arc<ChannelShared>>,
    sockets: Sockets,
    /// To TURN servers. Their tokens follow those of the sockets.
    links: RelayLinks,
    ice_servers: Vec<IceServer>,
    ice_policy: IcePolicy,
    /// Servers whose names are being looked up, and until when they are waited for.
    unresolved: Vec<(Name, Arc<IceServer>)>,
    resolve_deadline: Option<Instant>,
    /// When the handle gets fresh statistics, with the next thing that happens.
    statistics_due: Instant,
    /// Whether the handle was told that the other side is not heard.
    is_unstable: bool,
    is_over: bool,
}

/// What a connection needs of the thread that it lives on.
pub(super) struct Surroundings<'a> {
    /// Where sockets are registered.
    pub(super) registry: &'a mio::Registry,
    /// The token of the connection's first socket; the others follow.
    pub(super) first_token: usize,
    /// Which addresses to bind.
    pub(super) local_addresses: fn() -> Vec<IpAddr>,
    /// Who looks names in `.local` up, and answers for ours.
    pub(super) multicast: &'a RefCell<Multicast>,
    /// The sockets that connections share.
    pub(super) mux: &'a RefCell<Mux>,
    /// Who looks names up.
    pub(super) resolver: &'a Resolver,
    /// How to reach servers over TLS.
    pub(super) tls: &'a Tls,
}

impl Connection {
    pub(super) fn new(
        shared: Arc<PeerShared>,
        certificate: &Certificate,
        options: PeerOptions,
    ) -> Self {
        let ice_policy = options.config.ice_policy;
        let machine =
            PeerConnection::new(Instant::now(), rand::random(), certificate, options.config);
        Self {
            machine,
            shared,
            channels: HashMap::new(),
            sockets: Sockets::new(options.sockets),
            links: RelayLinks::default(),
            ice_servers: options.ice_servers,
            ice_policy,
            unresolved: Vec::new(),
            resolve_deadline: None,
            statistics_due: Instant::now(),
            is_unstable: false,
            is_over: false,
        }
    }

    /// Whether it is closed and everything has been said.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// When to call [`Connection::handle_timeout`] at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.machine.poll_timeout(), self.resolve_deadline].into_iter().flatten().min()
    }

    /// Does what the handles asked for, in order.
    pub(super) fn handle_commands(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
        around: &Surroundings<'_>,
    ) {
        let now = Instant::now();
        for command in commands {
            // Messages that were sent together may share packets.
            let is_message = matches!(command, Command::Send { .. });
            self.handle_command(now, command);
            if !is_message {
                self.drain(now, around);
                self.tell_names(around);
            }
        }
        self.drain(now, around);
    }

    /// Receives what waits on a socket or a link, up to a fair share. True when more may wait.
    pub(super) fn receive(
        &mut self,
        source: usize,
        buffer: &mut [u8],
        around: &Surroundings<'_>,
    ) -> bool {
        match source.checked_sub(MAX_SOCKETS) {
            None => self.receive_on_socket(source, buffer, around),
            Some(place) => self.receive_on_link(place, buffer, around),
        }
    }

    fn receive_on_socket(
        &mut self,
        socket: usize,
        buffer: &mut [u8],
        around: &Surroundings<'_>,
    ) -> bool {
        let mut may_have_more = true;
        for _ in 0..ANSWERED_TOGETHER {
            // The socket is gone when the connection ended while its readiness was noted.
            let Some(socket) = self.sockets.at(socket) else { return false };
            match socket.receive(buffer) {
                Received::Datagram(size, from) => {
                    let bytes = &buffer[..size];
                    let input = Input::Datagram { local: socket.local(), from, bytes };
                    self.machine.handle_input(Instant::now(), input);
                }
                Received::Rejection => {}
                Received::Nothing => {
                    may_have_more = false;
                    break;
                }
            }
        }
        self.drain(Instant::now(), around);
        may_have_more
    }

    /// Takes one datagram.
    pub(super) fn handle_datagram(
        &mut self,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
        around: &Surroundings<'_>,
    ) {
        let now = Instant::now();
        self.machine.handle_input(now, Input::Datagram { local, from, bytes });
        self.drain(now, around);
    }

    fn receive_on_link(
        &mut self,
        place: usize,
        buffer: &mut [u8],
        around: &Surroundings<'_>,
    ) -> bool {
        for _ in 0..BATCH {
            let Some((link, progress)) = self.links.advance(place, buffer) else { return false };
            let event = match &progress {
                Progress::Opened => LinkEvent::Opened,
                Progress::Received(size) => LinkEvent::Received(&buffer[..*size]),
                Progress::Closed(reason) => LinkEvent::Closed(reason),
                Progress::Nothing => return false,
            };
            let now = Instant::now();
            self.machine.handle_input(now, Input::Link { link, event });
            self.drain(now, around);
        }
        true
    }

    /// Does what was due.
    pub(super) fn handle_timeout(&mut self, now: Instant, around: &Surroundings<'_>) {
        if self.resolve_deadline.is_some_and(|deadline| deadline <= now) {
            for (_, server) in std::mem::take(&mut self.unresolved) {
                self.machine.add_server(now, &server, &[]);
            }
            self.check_resolved(now);
        }
        self.machine.handle_input(now, Input::Timeout);
        self.drain(now, around);
    }

    /// Takes what came of a lookup, in case this connection waits for it.
    pub(super) fn handle_resolved(&mut self, resolved: &Resolved, around: &Surroundings<'_>) {
        let is_meant = |(name, _): &mut (Name, _)| *name == resolved.name;
        let servers: Vec<_> = self.unresolved.extract_if(.., is_meant).collect();
        if servers.is_empty() {
            return;
        }
        let now = Instant::now();
        for (_, server) in servers {
            self.machine.add_server(now, &server, &resolved.addresses);
        }
        self.check_resolved(now);
        self.drain(now, around);
    }

    /// Takes what a name in `.local` stands for, in case this connection asked.
    pub(super) fn handle_found(&mut self, found: &Found, around: &Surroundings<'_>) {
        let now = Instant::now();
        self.machine.add_name(now, &found.name, &found.addresses);
        self.drain(now, around);
    }

    /// The network may have changed: lets go of addresses that are neither present nor were a
    /// moment ago, and uses those that are new. The owner's choice of addresses stays as it is.
    pub(super) fn handle_addresses(
        &mut self,
        present: &[IpAddr],
        before: &[IpAddr],
        around: &Surroundings<'_>,
    ) {
        let has_begun = !self.sockets.is_empty() && self.resolve_deadline.is_none();
        if !has_begun || self.sockets.has_chosen_addresses() {
            return;
        }
        let now = Instant::now();
        let is_gone = |address| !present.contains(&address) && !before.contains(&address);
        for local in self.sockets.close_where(is_gone, around.multicast) {
            tracing::debug!(%local, "an address is gone");
            self.machine.remove_host_candidate(now, local);
        }
        for &address in present {
            if self.sockets.lacks(address) {
                // Nobody asked for this very address, and the next look comes soon.
                let outcome = self.open_socket(now, address, around);
                tracing::debug!(%address, ?outcome, "an address has come");
            }
        }
        self.drain(now, around);
    }

    /// Says goodbye; only for a connection that has not closed yet.
    pub(super) fn shut_down(&mut self, around: &Surroundings<'_>) {
        self.handle_commands([Command::Close], around);
    }

    /// Lets go of the names that stand for its addresses.
    pub(super) fn withdraw(&self, multicast: &RefCell<Multicast>) {
        self.sockets.withdraw(multicast);
    }

    /// Lets go of the handles: whatever they ask for from now on, nothing happens.
    pub(super) fn detach(&mut self, state: ConnectionState) {
        self.shared.detach(state);
        for channel in self.channels.values() {
            channel.advance(ChannelState::Closed);
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Start(_) => {}
            Command::CreateChannel(channel) => self.create_channel(now, channel),
            Command::CreateOffer => {
                let outcome = self.machine.create_offer(now);
                self.check_refusal(outcome);
            }
            Command::SetLocalDescription(description) => {
                let outcome = self.machine.set_local_description(now, description);
                self.check_refusal(outcome);
            }
            Command::SetRemoteDescription(description) => {
                let outcome = self.machine.set_remote_description(now, description);
                self.check_refusal(outcome);
                self.shared.set_max_message_bytes(self.machine.max_message_bytes());
            }
            Command::AddRemoteCandidate(candidate) => {
                self.machine.add_remote_candidate(now, candidate);
            }
            Command::Send { key, data, text } => self.machine.send(now, key, data, text),
            Command::ResumeReading(key) => self.machine.resume_reading(now, key),
            Command::CloseChannel(key) => {
                // A reader that is gone must not hold back the others.
                self.machine.resume_reading(now, key);
                self.machine.close_channel(now, key);
            }
            Command::Close => {
                self.machine.close(now);
                self.is_over = true;
            }
            #[cfg(test)]
            Command::Panic => panic!("asked to"),
        }
    }

    fn create_channel(&mut self, now: Instant, channel: Arc<ChannelShared>) {
        let key = channel.key();
        match self.machine.create_channel(now, key, channel.init().clone()) {
            Ok(()) => {
                self.channels.insert(key, channel);
            }
            Err(error) => {
                tracing::debug!(%error, "channel refused");
                channel.advance(ChannelState::Closed);
            }
        }
    }

    /// The handle accepts what fits its own view; when the machine disagrees, its view counts.
    fn check_refusal<E: std::fmt::Display>(&mut self, outcome: Result<(), E>) {
        if let Err(error) = outcome {
            tracing::warn!(%error, "description refused");
            self.shared.reset_signaling(self.machine.exchange());
        }
    }

    fn drain(&mut self, now: Instant, around: &Surroundings<'_>) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Transmit { from, to, bytes } => self.transmit(from, to, &bytes, around),
                Output::Link { link, request } => {
                    self.handle_link_request(now, link, request, around);
                }
                Output::Event(event) => self.handle_event(now, event, around),
            }
        }
        if self.statistics_due <= now {
            self.tell_statistics(now);
        }
    }

    fn tell_statistics(&mut self, now: Instant) {
        self.statistics_due = now + STATISTICS_AGE;
        let channels = self.channels.values().map(|channel| ChannelStatistics {
            label: channel.init().label.clone(),
            id: channel.id(),
            buffered: channel.buffered_amount(),
        });
        let channels = channels.collect();
        self.shared.set_statistics(Statistics { channels, ..self.machine.statistics() });
    }

    fn transmit(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8], around: &Surroundings<'_>) {
        let Some(socket) = self.sockets.bound_to(from) else { return };
        if self.sockets.are_shared() {
            let is_chosen = self.machine.sends_to(from, to);
            around.mux.borrow_mut().sent(self.shared.key(), from, to, bytes, is_chosen);
        }
        socket.send(to, bytes);
    }

    /// What others call us by may have changed.
    fn tell_names(&self, around: &Surroundings<'_>) {
        if self.sockets.are_shared() && !self.sockets.is_empty() {
            let names = self.machine.username_fragments();
            around.mux.borrow_mut().set_names(self.shared.key(), names);
        }
    }

    fn handle_link_request(
        &mut self,
        now: Instant,
        link: LinkKey,
        request: LinkRequest,
        around: &Surroundings<'_>,
    ) {
        let first_token = around.first_token + MAX_SOCKETS;
        let outcome = self.links.handle(link, request, around.tls, around.registry, first_token);
        if let Err(reason) = outcome {
            let event = LinkEvent::Closed(&reason);
            self.machine.handle_input(now, Input::Link { link, event });
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event, around: &Surroundings<'_>) {
        match event {
            Event::DescriptionCreated { kind, sdp } => {
                self.notify(PeerEvent::DescriptionCreated { kind, sdp });
            }
            Event::CandidateCreated { mid, index, candidate } => {
                self.notify(PeerEvent::CandidateCreated { mid, index, candidate });
            }
            Event::IceServerFailed { url, code, reason } => {
                self.notify(PeerEvent::IceServerFailed { url, code, reason });
            }
            Event::NameReceived { name } => {
                around.multicast.borrow_mut().mdns().resolve(now, &name);
            }
            Event::ConnectionState(state) => {
                self.is_over |= state == ConnectionState::Closed;
                self.tell_of_link(state);
                // Before the state, so that who sees it finds the reason there.
                self.tell_statistics(now);
                self.shared.set_connection(state);
            }
            Event::GatheringState(state) => {
                self.shared.set_gathering(state);
                if state == GatheringState::Gathering && self.sockets.is_empty() {
                    self.gather(now, around);
                }
            }
            // The handle knew it when it asked, unless it is told otherwise.
            Event::SignalingState(_) => {}
            Event::Failed(failure) => tracing::debug!(%failure, "connection failed"),
            Event::ChannelAnnounced { key, init, id } => self.announce(key, init, id),
            Event::ChannelOpen { key, id } => {
                self.shared.id_taken(id);
                self.with_channel(key, |channel| channel.opened(id));
            }
            Event::ChannelClosing { key } => self.with_channel(key, |channel| {
                channel.advance(ChannelState::Closing);
            }),
            Event::ChannelClosed { key } => self.forget_channel(key),
            Event::Message { key, data, text } => self.deliver(key, Message { data, text }),
            Event::Sent { key, amount } => {
                self.with_channel(key, |channel| channel.release(amount))
            }
        }
    }

    fn tell_of_link(&mut self, state: ConnectionState) {
        let is_unstable = match state {
            ConnectionState::Disconnected => true,
            ConnectionState::Connected => false,
            _ => return,
        };
        if is_unstable != self.is_unstable {
            self.is_unstable = is_unstable;
            let event =
                if is_unstable { PeerEvent::LinkUnstable } else { PeerEvent::LinkRecovered };
            self.notify(event);
        }
    }

    fn notify(&self, event: PeerEvent) {
        if !self.shared.notify(event) && !self.shared.is_closed() {
            tracing::warn!("an event was lost: nobody takes them");
        }
    }

    fn with_channel(&self, key: ChannelKey, then: impl FnOnce(&ChannelShared)) {
        if let Some(channel) = self.channels.get(&key) {
            then(channel);
        }
    }

    fn announce(&mut self, key: ChannelKey, init: ChannelInit, id: u16) {
        let channel = Arc::new(ChannelShared::new(Arc::clone(&self.shared), key, init));
        channel.opened(id);
        self.shared.id_taken(id);
        self.channels.insert(key, Arc::clone(&channel));
        self.notify(PeerEvent::ChannelAnnounced(ChannelHandle::new(channel)));
    }

    fn forget_channel(&mut self, key: ChannelKey) {
        if let Some(channel) = self.channels.remove(&key) {
            channel.advance(ChannelState::Closed);
            if let Some(id) = channel.id() {
                self.shared.id_freed(id);
            }
        }
    }

    fn deliver(&mut self, key: ChannelKey, message: Message) {
        let is_full = self.channels.get(&key).is_some_and(|channel| channel.deliver(message));
        if is_full {
            self.machine.pause_reading(key);
        }
    }

    /// Finds our own addresses, unless only relays may be used, and asks for those of the servers.
    fn gather(&mut self, now: Instant, around: &Surroundings<'_>) {
        if self.ice_policy == IcePolicy::All {
            self.open_sockets(now, around);
        }
        for server in std::mem::take(&mut self.ice_servers) {
            if server.is_useful(self.ice_policy) {
                self.add_server(now, server, around.resolver);
            }
        }
        self.resolve_deadline = Some(now + RESOLVE_TIMEOUT);
        self.check_resolved(now);
    }

    /// Binds a socket for each address. One that the system took away in this moment is no
    /// trouble; not to have what the owner asked for is, and so is to have none at all.
    fn open_sockets(&mut self, now: Instant, around: &Surroundings<'_>) {
        let mut errors = Vec::new();
        for address in self.sockets.wanted(around.local_addresses) {
            if let Err(error) = self.open_socket(now, address, around) {
                errors.push(PeerEvent::AddressFailed { address, reason: error.to_string() });
            }
        }
        if self.sockets.is_empty() || self.sockets.are_chosen() {
            errors.into_iter().for_each(|error| self.notify(error));
        }
        if self.sockets.is_empty() && self.ice_servers.is_empty() {
            self.machine.give_up(now);
        }
    }

    fn open_socket(
        &mut self,
        now: Instant,
        address: IpAddr,
        around: &Surroundings<'_>,
    ) -> io::Result<()> {
        let (local, advertised) = self.sockets.open(address, around)?;
        self.machine.add_host_candidate_as(now, local, &advertised);
        Ok(())
    }

    fn add_server(&mut self, now: Instant, server: IceServer, resolver: &Resolver) {
        let server = Arc::new(server);
        if let Ok(address) = server.host.parse() {
            let address = SocketAddr::new(address, server.port);
            return self.machine.add_server(now, &server, &[address]);
        }
        let name = Name { host: server.host.clone(), port: server.port };
        if resolver.request(&name) {
            self.unresolved.push((name, server));
        } else {
            self.machine.add_server(now, &server, &[]);
        }
    }

    fn check_resolved(&mut self, now: Instant) {
        if self.unresolved.is_empty() && self.resolve_deadline.take().is_some() {
            self.machine.end_of_local_candidates(now);
        }
    }
}
