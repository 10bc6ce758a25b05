//! The exchange of descriptions: what may be set when, what ours say, what follows from both
//! (RFC 8829).

use is::IceCreds;

use crate::certificate::Fingerprint;
use crate::dtls::Role;
use crate::sctp;
use crate::sdp::{DataSection, Description, Foreign, SdpKind, Session, Setup};
use crate::signaling_state::{Exchange, Side, SignalingState, WrongState};

/// Why a description cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// It does not fit the signaling state.
    #[error(transparent)]
    WrongState(#[from] WrongState),
    /// It is not the one that was created last; such a one cannot be set as ours.
    #[error("not the description that was created last")]
    NotCreatedHere,
    /// It contradicts what was agreed before (another media id, other certificates or roles).
    #[error("contradicts the descriptions before it")]
    Contradiction,
}

/// The media id of our offers.
const FIRST_MID: &str = "0";

/// The descriptions of one connection.
pub(super) struct Negotiation {
    exchange: Exchange,
    session: Session,
    /// Ours that was created last: the only one that can be set.
    created: Option<Description>,
    local: Option<Description>,
    remote: Option<Description>,
    agreed: Option<Agreed>,
}

/// What follows from the first exchange. Later ones may change the credentials, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) role: Role,
    /// Whether the first offer was ours; then ours is the last word on the path too.
    pub(super) is_offerer: bool,
    pub(super) credentials: IceCreds,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) sctp_port: u16,
}

/// What our descriptions say beside what the exchange itself decides.
pub(super) struct Ours<'a> {
    pub(super) credentials: &'a IceCreds,
    pub(super) fingerprint: &'a Fingerprint,
    pub(super) max_message_bytes: usize,
    pub(super) candidates: &'a [String],
    pub(super) is_gathered: bool,
}

/// What descriptions of both sides have in common.
struct Frame {
    mid: String,
    index: usize,
    is_bundled: bool,
    foreign: Vec<(usize, Foreign)>,
}

impl Frame {
    fn of(other: &Description) -> Self {
        Self {
            mid: other.data.mid.clone(),
            index: other.index,
            is_bundled: other.is_bundled,
            foreign: other.foreign.clone(),
        }
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self { mid: FIRST_MID.to_owned(), index: 0, is_bundled: true, foreign: Vec::new() }
    }
}

impl Negotiation {
    /// `session_id` names the connection in descriptions.
    pub(super) fn new(session_id: u64) -> Self {
        Self {
            exchange: Exchange::default(),
            session: Session { id: session_id, version: 1 },
            created: None,
            local: None,
            remote: None,
            agreed: None,
        }
    }

    pub(super) fn exchange(&self) -> Exchange {
        self.exchange
    }

    pub(super) fn state(&self) -> SignalingState {
        self.exchange.state
    }

    pub(super) fn close(&mut self) {
        self.exchange = self.exchange.closed();
    }

    /// Whether our next offer restarts ICE: each does that begins a new exchange. One that
    /// replaces an unanswered offer repeats its credentials, so that an answer fits either.
    pub(super) fn offer_restarts(&self) -> bool {
        self.agreed.is_some() && self.state() == SignalingState::Stable
    }

    /// What both sides agree upon; known since the first exchange was completed.
    pub(super) fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// The media line that carries the data channels, by id and index.
    pub(super) fn media(&self) -> (&str, usize) {
        let description = self.local.as_ref().or(self.remote.as_ref());
        description.map_or((FIRST_MID, 0), |known| (&known.data.mid, known.index))
    }

    pub(super) fn create_offer(&mut self, ours: &Ours<'_>) -> Result<&Description, WrongState> {
        self.exchange.after(Side::Local, SdpKind::Offer)?;
        // Media lines are never taken back (RFC 8829, section 5.2.2).
        let before = self.remote.as_ref().filter(|_| self.agreed.is_some());
        let frame = before.map_or_else(Frame::default, Frame::of);
        Ok(self.create(SdpKind::Offer, Setup::ActPass, frame, ours))
    }

    /// Our answer to the other side's offer; `None` when there is none to answer.
    pub(super) fn create_answer(&mut self, ours: &Ours<'_>) -> Option<&Description> {
        let offer =
            self.remote.as_ref().filter(|_| self.state() == SignalingState::HaveRemoteOffer)?;
        let setup = match (self.agreed.as_ref().map(|agreed| agreed.role), offer.data.setup) {
            (Some(Role::Server), _) | (None, Setup::Active) => Setup::Passive,
            // The answerer begins unless told otherwise: it saves half a round trip.
            (Some(Role::Client), _) | (None, Setup::ActPass | Setup::Passive) => Setup::Active,
        };
        let frame = Frame::of(offer);
        Some(self.create(SdpKind::Answer, setup, frame, ours))
    }

    fn create(
        &mut self,
        kind: SdpKind,
        setup: Setup,
        frame: Frame,
        ours: &Ours<'_>,
    ) -> &Description {
        let Frame { mid, index, is_bundled, foreign } = frame;
        self.session.version += 1;
        self.created.insert(Description {
            kind,
            session: self.session,
            is_bundled,
            foreign,
            index,
            data: DataSection {
                mid,
                credentials: ours.credentials.clone(),
                fingerprints: vec![*ours.fingerprint],
                setup,
                sctp_port: sctp::PORT,
                max_message_bytes: Some(ours.max_message_bytes),
                candidates: ours.candidates.to_vec(),
                end_of_candidates: ours.is_gathered,
            },
        })
    }

    pub(super) fn set_local(&mut self, description: Description) -> Result<(), DescriptionError> {
        let exchange = self.exchange.after(Side::Local, description.kind)?;
        if self.created.as_ref() != Some(&description) {
            return Err(DescriptionError::NotCreatedHere);
        }
        self.local = Some(description);
        self.exchange = exchange;
        self.conclude();
        Ok(())
    }

    pub(super) fn set_remote(&mut self, description: Description) -> Result<(), DescriptionError> {
        let exchange = self.exchange.after(Side::Remote, description.kind)?;
        if self.contradicts(&description) {
            return Err(DescriptionError::Contradiction);
        }
        self.remote = Some(description);
        self.exchange = exchange;
        self.conclude();
        Ok(())
    }

    fn contradicts(&self, description: &Description) -> bool {
        let data = &description.data;
        let is_answer = description.kind == SdpKind::Answer;
        if (is_answer || self.agreed.is_some()) && self.media() != (&data.mid, description.index) {
            return true;
        }
        self.agreed.as_ref().is_some_and(|agreed| {
            let claims_our_role = match agreed.role {
                Role::Client => data.setup == Setup::Active,
                Role::Server => data.setup == Setup::Passive,
            };
            // There are stacks that answer with one and the same role always; nothing comes of it.
            claims_our_role && !is_answer
                || data.fingerprints != agreed.fingerprints
                || data.sctp_port != agreed.sctp_port
        })
    }

    /// Notes what was agreed when the first exchange is complete.
    fn conclude(&mut self) {
        let (Some(local), Some(remote)) = (&self.local, &self.remote) else { return };
        if self.exchange.state != SignalingState::Stable {
            return;
        }
        if let Some(agreed) = &mut self.agreed {
            agreed.credentials.clone_from(&remote.data.credentials);
            return;
        }
        let is_offerer = local.kind == SdpKind::Offer;
        let role = match (is_offerer, local.data.setup, remote.data.setup) {
            (false, Setup::Active, _) | (true, _, Setup::Passive) => Role::Client,
            _ => Role::Server,
        };
        self.agreed = Some(Agreed {
            role,
            is_offerer,
            credentials: remote.data.credentials.clone(),
            fingerprints: remote.data.fingerprints.clone(),
            sctp_port: remote.data.sctp_port,
        });
    }
}
