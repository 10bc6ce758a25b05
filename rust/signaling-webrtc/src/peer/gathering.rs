//! Our own addresses: sockets that the driver has bound, and what servers make of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::{Event, Failure, GatheringState, PeerConnection};
use crate::candidate::Advertised;
use crate::config::IcePolicy;
use crate::ice::{self, Path};
use crate::ice_server::{IceServer, ServerFailure, Service, Transport};
use crate::relays::RelayEvent;

/// Addresses of one server that are asked; it rarely has more than one of each family.
const MAX_SERVER_ADDRESSES: usize = 4;

/// How far the search for our own addresses is.
#[derive(Default)]
pub(super) struct Gathering {
    pub(super) state: GatheringState,
    /// Candidate lines with what is behind them, as the other side was told, without the generation
    /// that they belong to.
    pub(super) candidates: Vec<(SocketAddr, String)>,
    /// Whether the driver has nothing more to add.
    has_all: bool,
}

impl PeerConnection {
    /// Adds a bound socket: [`Event::CandidateCreated`] follows, unless only relays may be used.
    pub fn add_host_candidate(&mut self, now: Instant, address: SocketAddr) {
        self.add_host_candidate_as(now, address, &Advertised::Itself);
    }

    /// As [`PeerConnection::add_host_candidate`], with the other side told something else.
    pub fn add_host_candidate_as(
        &mut self,
        now: Instant,
        address: SocketAddr,
        advertised: &Advertised,
    ) {
        self.stir(now);
        if self.config.ice_policy == IcePolicy::Relay {
            return;
        }
        let lines = self.ice.add_host(address, advertised);
        if !lines.is_empty() && self.end.is_none() {
            self.stun.add_socket(now, &mut self.rng, address);
            lines.into_iter().for_each(|line| self.candidate_created(address, line));
        }
    }

    /// Adds a server with the addresses that its name stands for; none when it has no meaning.
    /// Every host socket of its address family asks a STUN server for its public address. A TURN
    /// server is reached through links of its own, see
    /// [`Output::Link`](super::Output::Link).
    pub fn add_server(&mut self, now: Instant, server: &Arc<IceServer>, addresses: &[SocketAddr]) {
        self.stir(now);
        if self.end.is_some() {
            return;
        }
        if addresses.is_empty() {
            self.server_failed(ServerFailure::unresolved(&server.url));
        }
        for &address in addresses.iter().take(MAX_SERVER_ADDRESSES) {
            match server.service {
                Service::Stun => self.ask_for_public_address(address, Some(&server.url)),
                Service::Stuns => {}
                Service::Turn(transport) => {
                    self.relays.add(now, server, transport, address);
                    if transport == Transport::Udp {
                        self.ask_for_public_address(address, None);
                    }
                }
            }
        }
    }

    fn ask_for_public_address(&mut self, server: SocketAddr, url: Option<&str>) {
        if self.config.ice_policy == IcePolicy::All {
            self.stun.add_server(self.now, &mut self.rng, server, url);
        }
    }

    /// No more sockets or servers will be added. Gathering is complete once the servers have
    /// answered or have been given up, which takes 10 s at most.
    pub fn end_of_local_candidates(&mut self, now: Instant) {
        self.stir(now);
        self.gathering.has_all = true;
    }

    /// A socket is gone. Another path is looked for among those that are left.
    pub fn remove_host_candidate(&mut self, now: Instant, address: SocketAddr) {
        self.stir(now);
        self.stun.remove_socket(address);
        self.forget_candidates(address);
        // The way to the servers may have begun there.
        self.relays.probe(now);
    }

    /// What is told in descriptions from now on is only what is left.
    fn forget_candidates(&mut self, base: SocketAddr) {
        self.ice.remove_socket(base);
        self.gathering.candidates.retain(|(other, _)| *other != base);
    }

    /// `base` is the socket behind it, or the relay's address.
    pub(super) fn candidate_created(&mut self, base: SocketAddr, line: String) {
        let candidate = ice::with_ufrag(&line, self.ice.credentials());
        self.gathering.candidates.push((base, line));
        let (mid, index) = self.negotiation.media();
        let (mid, index) = (mid.to_owned(), u32::try_from(index).unwrap_or(0));
        self.events.push_back(Event::CandidateCreated { mid, index, candidate });
    }

    /// Gives up: not a single socket could be bound.
    pub fn give_up(&mut self, now: Instant) {
        self.stir(now);
        self.fail(Failure::NoSocket);
    }

    pub(super) fn gather(&mut self) {
        while let Some(request) = self.stun.poll_transmit(self.now) {
            let path = Path { local: request.from, remote: request.to };
            self.transmits.push_back((path, request.bytes));
        }
        while let Some(failure) = self.stun.poll_failure() {
            self.server_failed(failure);
        }
        self.relays.advance(self.now);
        while let Some(event) = self.relays.poll_event() {
            self.handle_relay_event(event);
        }
        let is_idle = self.stun.is_idle() && !self.relays.is_asking();
        let is_complete = self.gathering.has_all && is_idle;
        if is_complete && self.gathering.state == GatheringState::Gathering {
            self.ice.end_of_local_candidates();
            self.set_gathering(GatheringState::Complete);
        }
    }

    fn handle_relay_event(&mut self, event: RelayEvent) {
        match event {
            RelayEvent::Granted(relayed) => {
                let line = self.ice.add_relayed(relayed);
                line.into_iter().for_each(|line| self.candidate_created(relayed, line));
            }
            RelayEvent::Lost(relayed) => self.forget_candidates(relayed),
            RelayEvent::Failed(failure) => self.server_failed(failure),
        }
    }

    fn server_failed(&mut self, failure: ServerFailure) {
        let ServerFailure { url, code, reason } = failure;
        self.events.push_back(Event::IceServerFailed { url, code, reason });
    }

    pub(super) fn set_gathering(&mut self, state: GatheringState) {
        self.gathering.state = state;
        self.events.push_back(Event::GatheringState(state));
    }
}
