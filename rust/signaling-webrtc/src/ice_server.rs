//! Servers that help to find a path (RFC 7064, RFC 7065).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::IcePolicy;

/// A server that helps to find a path: STUN tells our public address, TURN passes messages on
/// where no direct path leads to the other side.
///
/// `stuns:` servers are left alone: an address seen through an encrypted TCP connection is none
/// that a datagram could be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// As it was given: failures are reported under this name.
    pub(crate) url: String,
    pub(crate) service: Service,
    /// Name or address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credentials: Option<Credentials>,
    /// Whom to trust beside the authorities of the web.
    pub(crate) authorities: Arc<[CertificateDer<'static>]>,
}

/// What a server does for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Tells our public address, over UDP.
    Stun,
    /// Tells it over TLS, which is of no use here.
    Stuns,
    /// Relays, and is reached in this way.
    Turn(Transport),
}

/// How a TURN server is reached. What it relays is UDP in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// Who asks a TURN server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

/// Without the password, which has no place in a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A server is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerFailure {
    pub(crate) url: String,
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl ServerFailure {
    /// The code when nothing was heard of the server (W3C WebRTC, section 4.8.1.3).
    pub(crate) const SILENT: u16 = 701;

    pub(crate) fn unresolved(url: &str) -> Self {
        Self::new(url, Self::SILENT, "its name cannot be resolved")
    }

    pub(crate) fn new(url: &str, code: u16, reason: &str) -> Self {
        Self { url: url.to_owned(), code, reason: reason.to_owned() }
    }
}

/// Why a text is not the URL of a STUN or TURN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IceServerError {
    /// The scheme is none of `stun`, `stuns`, `turn` and `turns`.
    #[error("not a stun:, stuns:, turn: or turns: URL")]
    Scheme,
    /// The host is missing or cannot be one.
    #[error("no usable host")]
    Host,
    /// The port is not a number from 1 to 65,535.
    #[error("no usable port")]
    Port,
    /// What follows the question mark is not `transport=udp` or `transport=tcp`, or does not go
    /// with the scheme: TLS runs over TCP.
    #[error("unknown transport")]
    Transport,
    /// The username is longer than 508 bytes (RFC 8489, section 14.3).
    #[error("the username is too long")]
    Username,
    /// The text holds no certificate in PEM form, or one that cannot be read.
    #[error("no usable certificate")]
    Certificate,
}

const MAX_USERNAME_BYTES: usize = 508;
const DEFAULT_PORT: u16 = 3478;
const DEFAULT_TLS_PORT: u16 = 5349;

impl IceServer {
    /// Reads a URL such as `stun:stun.example.com:3478`, `stun:[2001:db8::1]` or
    /// `turn:turn.example.com?transport=tcp`. Ports default to 3478, with TLS to 5349. A `turn:`
    /// server is reached over UDP and a `turns:` server over TLS, unless `transport` says TCP.
    ///
    /// # Errors
    /// [`IceServerError`] when it does not follow RFC 7064, section 3.1, or RFC 7065, section 3.1.
    pub fn parse(url: &str) -> Result<Self, IceServerError> {
        let (scheme, rest) = url.split_once(':').ok_or(IceServerError::Scheme)?;
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let service = Service::parse(&scheme.to_ascii_lowercase(), query)?;
        let (host, port) = split_port(authority)?;
        let default_port = match service {
            Service::Stun | Service::Turn(Transport::Udp | Transport::Tcp) => DEFAULT_PORT,
            Service::Stuns | Service::Turn(Transport::Tls) => DEFAULT_TLS_PORT,
        };
        Ok(Self {
            url: url.to_owned(),
            service,
            host: host.to_owned(),
            port: port.unwrap_or(default_port),
            credentials: None,
            authorities: Arc::default(),
        })
    }

    /// Adds what a TURN server asks for; others do not look at it.
    ///
    /// # Errors
    /// [`IceServerError::Username`].
    pub fn with_credentials(
        mut self,
        username: &str,
        password: &str,
    ) -> Result<Self, IceServerError> {
        if username.len() > MAX_USERNAME_BYTES {
            return Err(IceServerError::Username);
        }
        let (username, password) = (username.to_owned(), password.to_owned());
        self.credentials = Some(Credentials { username, password });
        Ok(self)
    }

    /// Adds certificates in PEM form that vouch for a `turns:` server, beside those that browsers
    /// trust: an authority's, or the server's own.
    ///
    /// # Errors
    /// [`IceServerError::Certificate`].
    pub fn with_authorities(mut self, pem: &str) -> Result<Self, IceServerError> {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
        let certificates = certificates.collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|_| IceServerError::Certificate)?;
        let mut roots = RootCertStore::empty();
        let is_sound = certificates.iter().all(|one| roots.add(one.clone()).is_ok());
        if certificates.is_empty() || !is_sound {
            return Err(IceServerError::Certificate);
        }
        self.authorities = certificates.into();
        Ok(self)
    }

    /// Whether it can help to find a path of those that may be taken.
    pub(crate) fn is_useful(&self, policy: IcePolicy) -> bool {
        match self.service {
            Service::Stun => policy == IcePolicy::All,
            Service::Stuns => false,
            Service::Turn(_) => true,
        }
    }

    /// Whether it is reached over TCP, TLS or not.
    #[cfg(test)]
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.service, Service::Turn(Transport::Tcp | Transport::Tls))
    }

    /// Whether it is a TURN server that was given no credentials: it will refuse us.
    pub fn lacks_credentials(&self) -> bool {
        matches!(self.service, Service::Turn(_)) && self.credentials.is_none()
    }
}

impl Service {
    fn parse(scheme: &str, query: Option<&str>) -> Result<Self, IceServerError> {
        match (scheme, query) {
            ("stun", None) => Ok(Self::Stun),
            ("stuns", None) => Ok(Self::Stuns),
            ("turn", None | Some("transport=udp")) => Ok(Self::Turn(Transport::Udp)),
            ("turn", Some("transport=tcp")) => Ok(Self::Turn(Transport::Tcp)),
            ("turns", None | Some("transport=tcp")) => Ok(Self::Turn(Transport::Tls)),
            ("stun" | "stuns" | "turn" | "turns", _) => Err(IceServerError::Transport),
            _ => Err(IceServerError::Scheme),
        }
    }
}

/// Takes `host`, `host:port`, `[v6]` or `[v6]:port` apart.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), IceServerError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(IceServerError::Host)?;
        if !matches!(host.parse(), Ok(IpAddr::V6(_))) {
            return Err(IceServerError::Host);
        }
        return match port.strip_prefix(':') {
            Some(port) => Ok((host, Some(parse_port(port)?))),
            None if port.is_empty() => Ok((host, None)),
            None => Err(IceServerError::Port),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(parse_port(port)?)),
        None => (authority, None),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || host.len() > 253 || !host.chars().all(is_name) {
        return Err(IceServerError::Host);
    }
    Ok((host, port))
}

fn parse_port(port: &str) -> Result<u16, IceServerError> {
    match port.parse() {
        Ok(0) | Err(_) => Err(IceServerError::Port),
        Ok(port) => Ok(port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_understood() {
        let turn = Service::Turn;
        for (url, service, host, port) in [
            ("stun:stun.example.com", Service::Stun, "stun.example.com", 3478),
            ("STUN:stun.example.com:19302", Service::Stun, "stun.example.com", 19302),
            ("stun:192.0.2.1", Service::Stun, "192.0.2.1", 3478),
            ("stun:[2001:db8::1]", Service::Stun, "2001:db8::1", 3478),
            ("stun:[2001:db8::1]:5000", Service::Stun, "2001:db8::1", 5000),
            ("stuns:example.com", Service::Stuns, "example.com", 5349),
            ("turn:example.com", turn(Transport::Udp), "example.com", 3478),
            ("turn:example.com?transport=udp", turn(Transport::Udp), "example.com", 3478),
            ("turn:example.com:80?transport=tcp", turn(Transport::Tcp), "example.com", 80),
            ("turns:example.com", turn(Transport::Tls), "example.com", 5349),
            ("turns:[::1]:443?transport=tcp", turn(Transport::Tls), "::1", 443),
        ] {
            let server = IceServer::parse(url).expect(url);
            let read = (server.service, server.host.as_str(), server.port);
            assert_eq!(read, (service, host, port), "{url}");
            assert_eq!(server.url, url);
        }
    }

    #[test]
    fn only_turn_needs_credentials() {
        for (url, needs) in [("turn:a", true), ("turns:a", true), ("stun:a", false)] {
            let server = IceServer::parse(url).expect(url);
            assert_eq!(server.lacks_credentials(), needs, "{url}");
            let server = server.with_credentials("", "").expect("a username");
            assert!(!server.lacks_credentials(), "{url}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let server = IceServer::parse("turn:a").expect("a URL");
        let server = server.with_credentials("me", "secret").expect("a username");
        assert!(!format!("{server:?}").contains("secret"));
    }

    #[test]
    fn urls_that_are_refused() {
        for (url, error) in [
            ("", IceServerError::Scheme),
            ("stun.example.com", IceServerError::Scheme),
            ("http://example.com", IceServerError::Scheme),
            ("stun:", IceServerError::Host),
            ("stun://example.com", IceServerError::Host),
            ("stun:exa mple.com", IceServerError::Host),
            ("stun:[2001:db8::1", IceServerError::Host),
            ("stun:[192.0.2.1]", IceServerError::Host),
            ("stun:[2001:db8::1]x", IceServerError::Port),
            ("stun:example.com:", IceServerError::Port),
            ("stun:example.com:0", IceServerError::Port),
            ("stun:example.com:65536", IceServerError::Port),
            ("stun:example.com?transport=udp", IceServerError::Transport),
            ("turn:example.com?transport=sctp", IceServerError::Transport),
            ("turns:example.com?transport=udp", IceServerError::Transport),
        ] {
            assert_eq!(IceServer::parse(url), Err(error), "{url}");
        }
    }
}
