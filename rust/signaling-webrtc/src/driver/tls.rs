//! TLS to TURN servers: whom to trust, and with which cryptography.

use std::cell::OnceCell;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::ice_server::IceServer;

/// Makes the client's side of TLS connections.
#[derive(Default)]
pub(super) struct Tls {
    /// Trusts whom browsers trust; made when it is first needed.
    web: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    /// The client's side of a connection to this server.
    pub(super) fn connect(&self, server: &IceServer) -> Result<ClientConnection, String> {
        if !is_able() {
            return Err("this processor is too old for TLS".to_owned());
        }
        let name = ServerName::try_from(server.host.clone())
            .map_err(|_| "no certificate can have its name".to_owned())?;
        let config = match (&*server.authorities, self.web.get()) {
            ([], Some(web)) => Arc::clone(web),
            ([], None) => {
                let web = config(&[]).map_err(|error| error.to_string())?;
                Arc::clone(self.web.get_or_init(|| web))
            }
            (authorities, _) => config(authorities).map_err(|error| error.to_string())?,
        };
        ClientConnection::new(config, name).map_err(|error| error.to_string())
    }
}

/// What the cryptography needs of the processor: it refuses to run on older ones with a panic.
fn is_able() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("adx")
            && is_x86_feature_detected!("avx2")
    }
    #[cfg(target_arch = "aarch64")]
    {
        use std::arch::is_aarch64_feature_detected;
        is_aarch64_feature_detected!("aes")
            && is_aarch64_feature_detected!("pmull")
            && is_aarch64_feature_detected!("sha2")
    }
}

fn config(authorities: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls_graviola::default_provider());
    let verifier = Arc::new(Verifier::new(Arc::clone(&provider), authorities)?);
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.dangerous().with_custom_certificate_verifier(verifier);
    Ok(Arc::new(config.with_no_client_auth()))
}

/// Trusts certificates by the roots of the web and by authorities of the game's own. A server may
/// also show one of the latter itself, as in a local network where nobody has an authority.
#[derive(Debug)]
struct Verifier {
    by_roots: Arc<WebPkiServerVerifier>,
    authorities: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(
        provider: Arc<CryptoProvider>,
        authorities: &[CertificateDer<'static>],
    ) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        authorities.iter().try_for_each(|authority| roots.add(authority.clone()))?;
        let by_roots = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let by_roots = by_roots.build().map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { by_roots, authorities: authorities.to_vec() })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.authorities.contains(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let by_roots = &self.by_roots;
        by_roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_roots.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_roots.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_roots.supported_verify_schemes()
    }
}
