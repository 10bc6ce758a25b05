//! What descriptions and candidates do to a connection.

use std::net::IpAddr;
use std::time::Instant;

use is::{Candidate, IceCreds};

use super::{Event, MAX_EARLY_CANDIDATES, MAX_NAMED, PeerConnection};
use crate::candidate::{Content, Endpoint, RemoteCandidate};
use crate::dtls::Dtls;
use crate::ice;
use crate::peer::negotiation::{DescriptionError, Ours};
use crate::peer::{Gathering, GatheringState};
use crate::sdp::{Description, SdpKind};
use crate::signaling_state::{Exchange, SignalingState, WrongState};

impl PeerConnection {
    /// Makes an offer: [`Event::DescriptionCreated`] follows, nothing else changes.
    ///
    /// After the first exchange each offer restarts ICE (RFC 8445, section 9): once it is answered
    /// a new path is looked for, whether the old one works or not. Encryption, channels and what
    /// waits on them live on, and the old path is used until there is a new one. A connection that
    /// failed because nothing was heard begins to connect again.
    ///
    /// # Errors
    /// [`WrongState`] while the other side's offer waits for an answer, or after the end.
    pub fn create_offer(&mut self, now: Instant) -> Result<(), WrongState> {
        self.stir(now);
        let credentials = if self.negotiation.offer_restarts() {
            ice::new_credentials(&mut self.rng)
        } else {
            self.ice.credentials().clone()
        };
        let sdp = self.with_ours(&credentials, |negotiation, ours| {
            negotiation.create_offer(ours).map(Description::to_string)
        })?;
        self.events.push_back(Event::DescriptionCreated { kind: SdpKind::Offer, sdp });
        Ok(())
    }

    /// Sets the description that was created last as ours. The first time, gathering begins.
    ///
    /// # Errors
    /// See [`DescriptionError`]; nothing has changed then.
    pub fn set_local_description(
        &mut self,
        now: Instant,
        description: Description,
    ) -> Result<(), DescriptionError> {
        let credentials = description.data.credentials.clone();
        self.negotiation.set_local(description)?;
        if credentials != *self.ice.credentials() {
            self.restart(now, credentials, None);
        }
        self.described(now);
        if self.gathering.state == GatheringState::New {
            self.set_gathering(GatheringState::Gathering);
        }
        Ok(())
    }

    /// Sets the other side's description. An offer is followed by [`Event::DescriptionCreated`]
    /// with our answer.
    ///
    /// While an offer of ours waits for an answer, an offer is refused, except after the first
    /// exchange by the side that answered then: it takes its own offer back.
    ///
    /// # Errors
    /// See [`DescriptionError`]; nothing has changed then.
    pub fn set_remote_description(
        &mut self,
        now: Instant,
        description: Description,
    ) -> Result<(), DescriptionError> {
        let data = description.data.clone();
        let is_offer = description.kind == SdpKind::Offer;
        self.negotiation.set_remote(description)?;
        self.channels.set_max_outgoing(data.max_message_bytes);
        if is_offer && self.negotiation.agreed().is_some() {
            self.restart_if_offered(now, data.credentials);
        }
        self.described(now);
        // A line that is none does not spoil the others.
        for content in data.candidates.iter().filter_map(|line| Content::parse(line).ok()) {
            self.add_candidate(content);
        }
        if data.end_of_candidates {
            self.add_candidate(Content::End);
        }
        let credentials = self.ice.credentials().clone();
        let answer = self.with_ours(&credentials, |negotiation, ours| {
            negotiation.create_answer(ours).map(Description::to_string)
        });
        if let Some(sdp) = answer {
            self.events.push_back(Event::DescriptionCreated { kind: SdpKind::Answer, sdp });
        }
        Ok(())
    }

    /// New credentials in an offer ask for a restart, the known ones for none.
    fn restart_if_offered(&mut self, now: Instant, remote: IceCreds) {
        self.ice.take_back_restart();
        if self.ice.remote_credentials() != Some(&remote) {
            let ours = ice::new_credentials(&mut self.rng);
            self.restart(now, ours, Some(remote));
        }
    }

    /// Our public addresses may be others by now, and the relays gone.
    fn restart(&mut self, now: Instant, ours: IceCreds, remote: Option<IceCreds>) {
        self.ice.restart(ours, remote);
        self.stun.ask_again(now, &mut self.rng);
        self.relays.probe(now);
    }

    /// A description was set: the layers begin to work once both sides have theirs.
    fn described(&mut self, now: Instant) {
        self.stir(now);
        let state = self.negotiation.state();
        self.events.push_back(Event::SignalingState(state));
        let is_due = state == SignalingState::Stable && self.ice.is_waiting();
        let Some(agreed) = self.negotiation.agreed().filter(|_| is_due && self.end.is_none())
        else {
            return;
        };
        if self.dtls.is_none() {
            let fingerprints = agreed.fingerprints.clone();
            self.dtls = Some(Dtls::new(now, agreed.role, &self.certificate, fingerprints));
            self.channels.set_role(agreed.role);
        }
        self.ice.start(now, agreed.credentials.clone(), agreed.is_offerer);
        for content in std::mem::take(&mut self.early_candidates) {
            self.add_candidate(content);
        }
    }

    /// Adds a candidate of the other side; before its description it is kept.
    pub fn add_remote_candidate(&mut self, now: Instant, candidate: RemoteCandidate) {
        self.stir(now);
        let (mid, index) = self.negotiation.media();
        let is_for_us = self.negotiation.agreed().is_none()
            || candidate.mid == mid
            || usize::try_from(candidate.index) == Ok(index);
        if is_for_us {
            self.add_candidate(candidate.content);
        }
    }

    fn add_candidate(&mut self, content: Content) {
        if self.negotiation.agreed().is_none() {
            if self.early_candidates.len() < MAX_EARLY_CANDIDATES {
                self.early_candidates.push(content);
            }
            return;
        }
        match content {
            Content::Address(candidate) => self.add_remote_address(candidate),
            Content::Name(name, end) => self.wait_for_name(name, end),
            Content::End if !self.named.ends.is_empty() => self.named.is_last = true,
            Content::End => self.ice.end_of_remote_candidates(),
            Content::Unusable => {}
        }
    }

    fn add_remote_address(&mut self, candidate: Candidate) {
        self.relays.permit(self.now, candidate.addr().ip());
        self.ice.add_remote(candidate);
    }

    fn wait_for_name(&mut self, name: String, end: Endpoint) {
        let named = (name, end);
        let is_known = self.named.ends.contains(&named);
        if !is_known && self.named.ends.len() < MAX_NAMED {
            self.events.push_back(Event::NameReceived { name: named.0.clone() });
            self.named.ends.push(named);
        }
    }

    /// Adds what a name stands for that [`Event::NameReceived`] told of; no addresses when nobody
    /// knows.
    pub fn add_name(&mut self, now: Instant, name: &str, addresses: &[IpAddr]) {
        self.stir(now);
        let ends: Vec<_> = self.named.ends.extract_if(.., |named| named.0 == name).collect();
        for (_, end) in ends {
            for candidate in addresses.iter().filter_map(|&address| end.at(address)) {
                self.add_remote_address(candidate);
            }
        }
        if self.named.ends.is_empty() && std::mem::take(&mut self.named.is_last) {
            self.ice.end_of_remote_candidates();
        }
    }

    /// How far the exchange of descriptions is.
    pub(crate) fn exchange(&self) -> Exchange {
        self.negotiation.exchange()
    }

    /// Does something with what our next description says.
    fn with_ours<R>(
        &mut self,
        credentials: &IceCreds,
        act: impl FnOnce(&mut super::Negotiation, &Ours<'_>) -> R,
    ) -> R {
        let Gathering { candidates, state, .. } = &self.gathering;
        let candidates: Vec<_> =
            candidates.iter().map(|(_, line)| ice::with_ufrag(line, credentials)).collect();
        let ours = Ours {
            credentials,
            fingerprint: self.certificate.fingerprint(),
            max_message_bytes: self.config.max_message_bytes,
            candidates: &candidates,
            is_gathered: *state == GatheringState::Complete,
        };
        act(&mut self.negotiation, &ours)
    }
}
