//! Who may set which description when.

use crate::sdp::SdpKind;

/// How far the exchange of descriptions is (W3C WebRTC, section 4.3.1; without provisional
/// answers).
///
/// ```text
///              local offer ┌────────────────┐ remote answer
///            ┌────────────►│ HaveLocalOffer ├─────────────┐
///            │             └────────────────┘             ▼
///       ┌────┴───┐                                    ┌────────┐      close
///       │ Stable │                                    │ Stable │   (from anywhere)
///       └────┬───┘                                    └────────┘      ──────► Closed
///            │             ┌─────────────────┐            ▲
///            └────────────►│ HaveRemoteOffer ├────────────┘
///             remote offer └─────────────────┘ local answer
/// ```
/// While an offer stands, its side may replace it by another offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignalingState {
    /// No exchange is going on.
    #[default]
    Stable,
    /// Our offer waits for the other side's answer.
    HaveLocalOffer,
    /// The other side's offer waits for our answer.
    HaveRemoteOffer,
    /// The connection is closed.
    Closed,
}

/// Whose description it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Ours.
    Local,
    /// The other side's.
    Remote,
}

/// What was asked for does not fit the signaling state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not possible in signaling state {0:?}")]
pub struct WrongState(pub SignalingState);

impl SignalingState {
    /// The state after this side's description of this kind has been set.
    ///
    /// # Errors
    /// [`WrongState`] when the description does not fit: an answer without an offer, or both
    /// sides offering at once.
    pub fn apply(self, side: Side, kind: SdpKind) -> Result<Self, WrongState> {
        match (self, side, kind) {
            (Self::Stable | Self::HaveLocalOffer, Side::Local, SdpKind::Offer) => {
                Ok(Self::HaveLocalOffer)
            }
            (Self::Stable | Self::HaveRemoteOffer, Side::Remote, SdpKind::Offer) => {
                Ok(Self::HaveRemoteOffer)
            }
            (Self::HaveLocalOffer, Side::Remote, SdpKind::Answer)
            | (Self::HaveRemoteOffer, Side::Local, SdpKind::Answer) => Ok(Self::Stable),
            _ => Err(WrongState(self)),
        }
    }
}

/// The exchange of descriptions as it goes on, and who yields when both sides offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Exchange {
    pub(crate) state: SignalingState,
    /// Whose answer completed the first exchange.
    answerer: Option<Side>,
}

impl Exchange {
    /// The exchange after this side's description of this kind has been set.
    ///
    /// When both sides offer, the one that answered the first time takes its offer back in favour
    /// of the other's, and the other one refuses (W3C WebRTC, section 4.4.1.5, and "perfect
    /// negotiation"). The first time itself it is an error for both.
    pub(crate) fn after(self, side: Side, kind: SdpKind) -> Result<Self, WrongState> {
        let collides = self.state == SignalingState::HaveLocalOffer
            && (side, kind) == (Side::Remote, SdpKind::Offer);
        let yields = collides && self.answerer == Some(Side::Local);
        let before = if yields { SignalingState::Stable } else { self.state };
        let state = before.apply(side, kind).map_err(|_| WrongState(self.state))?;
        let answerer = (kind == SdpKind::Answer).then_some(side);
        Ok(Self { state, answerer: self.answerer.or(answerer) })
    }

    pub(crate) fn closed(self) -> Self {
        Self { state: SignalingState::Closed, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SdpKind::{Answer, Offer};
    use Side::{Local, Remote};
    use SignalingState::{Closed, HaveLocalOffer, HaveRemoteOffer, Stable};

    #[test]
    fn the_table_of_the_specification() {
        let allowed = [
            (Stable, Local, Offer, HaveLocalOffer),
            (Stable, Remote, Offer, HaveRemoteOffer),
            (HaveLocalOffer, Local, Offer, HaveLocalOffer),
            (HaveLocalOffer, Remote, Answer, Stable),
            (HaveRemoteOffer, Remote, Offer, HaveRemoteOffer),
            (HaveRemoteOffer, Local, Answer, Stable),
        ];
        for state in [Stable, HaveLocalOffer, HaveRemoteOffer, Closed] {
            for (side, kind) in [(Local, Offer), (Local, Answer), (Remote, Offer), (Remote, Answer)]
            {
                let expected = allowed
                    .iter()
                    .find(|row| (row.0, row.1, row.2) == (state, side, kind))
                    .map(|row| row.3)
                    .ok_or(WrongState(state));
                assert_eq!(state.apply(side, kind), expected, "{state:?} {side:?} {kind:?}");
            }
        }
    }

    #[test]
    fn the_first_answerer_yields_when_both_offer() {
        let first = |side: Side| {
            let other = if side == Local { Remote } else { Local };
            Exchange::default().after(other, Offer)?.after(side, Answer)
        };
        let ours = first(Local).unwrap().after(Local, Offer).unwrap();
        assert_eq!(ours.after(Remote, Offer).map(|after| after.state), Ok(HaveRemoteOffer));
        let theirs = first(Remote).unwrap().after(Local, Offer).unwrap();
        assert_eq!(theirs.after(Remote, Offer), Err(WrongState(HaveLocalOffer)));
        let new = Exchange::default().after(Local, Offer).unwrap();
        assert_eq!(new.after(Remote, Offer), Err(WrongState(HaveLocalOffer)));
    }
}
