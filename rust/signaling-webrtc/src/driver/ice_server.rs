//! Addresses of servers that help to find a path (RFC 7064, RFC 7065).

use std::net::IpAddr;

/// A server that helps to find a path.
///
/// STUN over UDP is what is used so far: servers of the schemes `stuns`, `turn` and `turns` are
/// read and left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// Whether it is asked for our public address.
    pub(super) is_stun: bool,
    /// Name or address.
    pub(super) host: String,
    /// UDP port.
    pub(super) port: u16,
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
    /// What follows the question mark is not `transport=udp` or `transport=tcp`.
    #[error("unknown transport")]
    Transport,
}

const DEFAULT_PORT: u16 = 3478;
const DEFAULT_TLS_PORT: u16 = 5349;

impl IceServer {
    /// Reads a URL such as `stun:stun.example.com:3478`, `stun:[2001:db8::1]` or
    /// `turn:turn.example.com?transport=udp`. Ports default to 3478, with TLS to 5349.
    ///
    /// # Errors
    /// [`IceServerError`] when it does not follow RFC 7064, section 3.1, or RFC 7065, section 3.1.
    pub fn parse(url: &str) -> Result<Self, IceServerError> {
        let (scheme, rest) = url.split_once(':').ok_or(IceServerError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let (is_turn, is_tls) = match scheme.as_str() {
            "stun" => (false, false),
            "stuns" => (false, true),
            "turn" => (true, false),
            "turns" => (true, true),
            _ => return Err(IceServerError::Scheme),
        };
        let authority = match rest.split_once('?') {
            None => rest,
            Some((authority, "transport=udp" | "transport=tcp")) if is_turn => authority,
            Some(_) => return Err(IceServerError::Transport),
        };
        let (host, port) = split_port(authority)?;
        let default_port = if is_tls { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        Ok(Self {
            is_stun: !is_turn && !is_tls,
            host: host.to_owned(),
            port: port.unwrap_or(default_port),
        })
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
        for (url, is_stun, host, port) in [
            ("stun:stun.example.com", true, "stun.example.com", 3478),
            ("STUN:stun.example.com:19302", true, "stun.example.com", 19302),
            ("stun:192.0.2.1", true, "192.0.2.1", 3478),
            ("stun:[2001:db8::1]", true, "2001:db8::1", 3478),
            ("stun:[2001:db8::1]:5000", true, "2001:db8::1", 5000),
            ("stuns:example.com", false, "example.com", 5349),
            ("turn:example.com?transport=udp", false, "example.com", 3478),
            ("turns:example.com:443?transport=tcp", false, "example.com", 443),
        ] {
            let expected = IceServer { is_stun, host: host.to_owned(), port };
            assert_eq!(IceServer::parse(url), Ok(expected), "{url}");
        }
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
        ] {
            assert_eq!(IceServer::parse(url), Err(error), "{url}");
        }
    }
}
