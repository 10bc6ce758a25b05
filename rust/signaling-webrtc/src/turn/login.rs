//! Who we are to a TURN server, and what it wants to hear of that (RFC 8489, section 9.2).

use crate::ice_server::Credentials;
use crate::stun_message::{Builder, Key, StunMessage, attribute};

const UNAUTHENTICATED: u16 = 401;
const STALE_NONCE: u16 = 438;
/// What a server may have us repeat: longer than any real realm or nonce (RFC 8489, section 14.9).
const MAX_BYTES: usize = 763;

/// Credentials, and what the server has added to them.
#[derive(Debug)]
pub(super) struct Login {
    credentials: Option<Credentials>,
    challenge: Option<Challenge>,
}

/// What the server wants to see in each request.
struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    key: Key,
}

impl Login {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, challenge: None }
    }

    /// Proves who we are, once the server has asked for it.
    pub(super) fn sign(&self, request: Builder) -> Builder {
        let (Some(credentials), Some(challenge)) = (&self.credentials, &self.challenge) else {
            return request;
        };
        request
            .attribute(attribute::USERNAME, credentials.username.as_bytes())
            .attribute(attribute::REALM, &challenge.realm)
            .attribute(attribute::NONCE, &challenge.nonce)
            .sign(&challenge.key)
    }

    /// Whether a success comes from somebody who knows the password, if there is one.
    pub(super) fn trusts(&self, message: &StunMessage<'_>) -> bool {
        let key = self.challenge.as_ref().map(|challenge| &challenge.key);
        key.is_none_or(|key| message.is_signed_with(key) == Some(true))
    }

    /// Takes an error; true when it asks for the same request with a proof, or with a new nonce.
    pub(super) fn was_challenged(&mut self, code: u16, message: &StunMessage<'_>) -> bool {
        let is_expected = match code {
            UNAUTHENTICATED => self.challenge.is_none(),
            STALE_NONCE => self.challenge.is_some(),
            _ => false,
        };
        let Some(challenge) = self.challenge_in(message).filter(|_| is_expected) else {
            return false;
        };
        self.challenge = Some(challenge);
        true
    }

    fn challenge_in(&self, message: &StunMessage<'_>) -> Option<Challenge> {
        let credentials = self.credentials.as_ref()?;
        let realm = message.attribute(attribute::REALM)?;
        let nonce = message.attribute(attribute::NONCE)?;
        let key = Key::new(&credentials.username, realm, &credentials.password);
        let fits = realm.len() <= MAX_BYTES && nonce.len() <= MAX_BYTES;
        fits.then(|| Challenge { realm: realm.to_vec(), nonce: nonce.to_vec(), key })
    }
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenge").finish_non_exhaustive()
    }
}
