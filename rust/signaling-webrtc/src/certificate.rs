//! The identity that a connection proves.

use std::fmt;
use std::str::FromStr;

use dimpl::DtlsCertificate;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::Generate;
use p256::pkcs8::EncodePrivateKey;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::{DateTime, Encode};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

/// A self-signed P-256 certificate and its private key. One may serve every connection of a
/// process.
#[derive(Clone)]
pub struct Certificate {
    der: DtlsCertificate,
    fingerprint: Fingerprint,
}

impl Certificate {
    /// A new certificate. The same seed gives the same key: draw it from the system.
    pub fn generate(seed: [u8; 32]) -> Self {
        let der = self_signed(&mut StdRng::from_seed(seed))
            .expect("every part is a constant or a fresh key, and all of them encode");
        let fingerprint = Fingerprint::of(&der.certificate);
        Self { der, fingerprint }
    }

    /// What the other side is told beforehand to recognise the certificate by.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(crate) fn der(&self) -> &DtlsCertificate {
        &self.der
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The private key stays out of every log.
        write!(f, "Certificate({})", self.fingerprint)
    }
}

fn self_signed(rng: &mut StdRng) -> builder::Result<DtlsCertificate> {
    let key = SigningKey::generate_from_rng(rng);
    let certificate = CertificateBuilder::new(
        Identity { name: Name::from_str("CN=WebRTC")? },
        // Firefox refuses two certificates with the same issuer and serial number.
        SerialNumber::generate(rng),
        // Nobody looks at the dates: the fingerprint alone counts (RFC 8827, section 6.5).
        Validity::new(Time::from(DateTime::new(2020, 1, 1, 0, 0, 0)?), Time::INFINITY),
        SubjectPublicKeyInfo::from_key(key.verifying_key())?,
    )?
    .build::<_, DerSignature>(&key)?;
    let private_key = key.to_pkcs8_der().map_err(x509_cert::spki::Error::from)?;
    Ok(DtlsCertificate {
        certificate: certificate.to_der()?,
        private_key: private_key.as_bytes().to_vec(),
    })
}

/// A certificate that vouches for nobody but itself.
struct Identity {
    name: Name,
}

impl BuilderProfile for Identity {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.name.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let end_entity = BasicConstraints { ca: false, path_len_constraint: None };
        Ok(vec![(&end_entity).to_extension(tbs.subject(), &[])?])
    }
}

/// The SHA-256 of a certificate, written as in SDP (RFC 8122): `sha-256 AB:CD:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(certificate_der: &[u8]) -> Self {
        Self(Sha256::digest(certificate_der).into())
    }

    /// Reads the value of an `a=fingerprint` line; `None` when it is malformed or of another
    /// hash, which this side could not check.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let (hash, digits) = value.split_once(' ')?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return None;
        }
        let mut bytes = [0; 32];
        let mut pairs = digits.trim().split(':');
        for byte in &mut bytes {
            let is_byte = |pair: &&str| {
                pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit())
            };
            let pair = pairs.next().filter(is_byte)?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256 ")?;
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use x509_cert::der::Decode;

    use super::*;

    #[test]
    fn the_seed_decides_the_certificate() {
        let one = Certificate::generate([1; 32]);
        assert_eq!(one.fingerprint(), Certificate::generate([1; 32]).fingerprint());
        assert_ne!(one.fingerprint(), Certificate::generate([2; 32]).fingerprint());
    }

    #[test]
    fn it_is_a_version_3_end_entity_certificate_signed_by_its_own_subject() {
        let der = Certificate::generate([1; 32]).der().certificate.clone();
        let parsed = x509_cert::Certificate::from_der(&der).unwrap();
        let tbs = parsed.tbs_certificate();
        assert_eq!(tbs.subject(), tbs.issuer());
        assert_eq!(tbs.version(), x509_cert::certificate::Version::V3);
    }

    #[test]
    fn a_fingerprint_survives_its_text_form() {
        let fingerprint = *Certificate::generate([7; 32]).fingerprint();
        let text = fingerprint.to_string();
        assert_eq!(text.len(), "sha-256 ".len() + 32 * 3 - 1);
        assert_eq!(Fingerprint::parse(&text), Some(fingerprint));
        assert_eq!(Fingerprint::parse(&text.to_lowercase()), Some(fingerprint));
    }

    #[test]
    fn what_is_not_a_sha_256_fingerprint_is_none() {
        let text = Certificate::generate([7; 32]).fingerprint().to_string();
        let cases = [
            "",
            "sha-256",
            "sha-256 ",
            "sha-256 AB:CD",
            "sha-1 00:11",
            "sha-256 é:é",
            "sha-256 +1",
        ];
        for case in cases {
            assert_eq!(Fingerprint::parse(case), None, "{case}");
        }
        assert_eq!(Fingerprint::parse(&format!("{text}:00")), None);
        assert_eq!(Fingerprint::parse(&text.replace("sha-256", "sha-512")), None);
        assert_eq!(Fingerprint::parse(&text.replace(':', "")), None);
    }
}
