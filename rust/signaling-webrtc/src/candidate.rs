//! Where the other side may be reached, and what it is told of where we are.

use std::net::{IpAddr, SocketAddr};

use is::{Candidate, CandidateKind, Protocol};

use crate::mdns;

/// A candidate of the other side, parsed (RFC 8839, section 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCandidate {
    pub(crate) mid: String,
    pub(crate) index: u32,
    pub(crate) content: Content,
}

/// What the other side is told of a socket of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advertised {
    /// The address it is bound to.
    Itself,
    /// These addresses of the same family, which lead to it from outside, with the same port.
    Publicly(Vec<IpAddr>),
    /// This name in `.local`, which stands for the address it is bound to.
    Name(String),
}

impl Advertised {
    /// Those of the addresses that can stand for this one, or itself where none can.
    pub fn publicly(address: IpAddr, public: &[IpAddr]) -> Self {
        let of_family = |other: &&IpAddr| other.is_ipv4() == address.is_ipv4();
        let public: Vec<_> = public.iter().filter(of_family).copied().collect();
        if public.is_empty() { Self::Itself } else { Self::Publicly(public) }
    }
}

/// What a candidate line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// An address to try.
    Address(Candidate),
    /// What to try at the address behind this name in `.local`, in lower case.
    Name(String, Endpoint),
    /// Something well-formed that cannot be used here: TCP, another component, an unknown type, a
    /// name of the world, or an address that is no single host's.
    Unusable,
    /// No more candidates will come.
    End,
}

/// A candidate without its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    foundation: String,
    priority: u32,
    port: u16,
    kind: CandidateKind,
    ufrag: Option<String>,
}

/// Why a text is not a candidate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a candidate: {0}")]
pub struct CandidateError(&'static str);

impl RemoteCandidate {
    /// Longer lines are refused: a real one is about 150 bytes.
    const MAX_BYTES: usize = 1024;

    /// Reads a candidate line, with or without `a=`, as the signaling brought it with the media
    /// id and line index it belongs to. An empty line means that no more will come.
    /// One that can never be used here, such as TCP, is read too, and ignored later.
    ///
    /// # Errors
    /// [`CandidateError`] when the line does not follow RFC 8839, section 5.1.
    pub fn parse(mid: &str, index: u32, line: &str) -> Result<Self, CandidateError> {
        let line = line.trim();
        let line = line.strip_prefix("a=").unwrap_or(line);
        Ok(Self { mid: mid.to_owned(), index, content: Content::parse(line)? })
    }
}

impl Content {
    pub(crate) fn parse(line: &str) -> Result<Self, CandidateError> {
        if line.is_empty() || line == "end-of-candidates" {
            return Ok(Self::End);
        }
        if line.len() > RemoteCandidate::MAX_BYTES {
            return Err(CandidateError("too long"));
        }
        let fields = line.strip_prefix("candidate:").ok_or(CandidateError("no prefix"))?;
        let mut fields = fields.split_ascii_whitespace();
        let foundation = fields.next().ok_or(CandidateError("no foundation"))?;
        let component: u16 = number(fields.next()).ok_or(CandidateError("bad component"))?;
        let transport = fields.next().ok_or(CandidateError("no transport"))?;
        let priority: u32 = number(fields.next()).ok_or(CandidateError("bad priority"))?;
        let host = fields.next().ok_or(CandidateError("no address"))?;
        let port: u16 = number(fields.next()).ok_or(CandidateError("bad port"))?;
        if fields.next() != Some("typ") {
            return Err(CandidateError("no type"));
        }
        let kind = fields.next().ok_or(CandidateError("no type"))?;
        let ufrag = fields.skip_while(|name| *name != "ufrag").nth(1);
        let address = host.parse::<IpAddr>();
        if address.is_err() && !is_host_name(host) {
            return Err(CandidateError("bad address"));
        }
        let is_udp = transport.eq_ignore_ascii_case("udp");
        let Some(kind) = kind_of(kind).filter(|_| component == 1 && is_udp && port != 0) else {
            return Ok(Self::Unusable);
        };
        let end = Endpoint {
            foundation: foundation.to_owned(),
            priority,
            port,
            kind,
            ufrag: ufrag.map(str::to_owned),
        };
        Ok(match address {
            Ok(address) => end.at(address).map_or(Self::Unusable, Self::Address),
            Err(_) if mdns::is_name(host) => Self::Name(host.to_ascii_lowercase(), end),
            Err(_) => Self::Unusable,
        })
    }
}

impl Endpoint {
    /// `None` when that is no address of a single host.
    pub(crate) fn at(&self, address: IpAddr) -> Option<Candidate> {
        is_single_host(address).then(|| {
            Candidate::from_parts(
                self.foundation.clone(),
                1,
                Protocol::Udp,
                self.priority,
                SocketAddr::new(address, self.port),
                self.kind,
                // What it is related to is for people to read.
                None,
                None,
                self.ufrag.clone(),
            )
        })
    }
}

/// `None` for one that was not known when this was written.
fn kind_of(name: &str) -> Option<CandidateKind> {
    match name {
        "host" => Some(CandidateKind::Host),
        "srflx" => Some(CandidateKind::ServerReflexive),
        "prflx" => Some(CandidateKind::PeerReflexive),
        "relay" => Some(CandidateKind::Relayed),
        _ => None,
    }
}

fn number<T: std::str::FromStr>(field: Option<&str>) -> Option<T> {
    field?.parse().ok()
}

fn is_host_name(host: &str) -> bool {
    host.contains('.')
        && host.bytes().any(|byte| byte.is_ascii_alphabetic())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

/// Whether this is the address of one host, wherever it is used.
pub(crate) fn is_single_host(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        // A link-local address means nothing without its interface, which a candidate cannot name.
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(line: &str) -> Result<Content, CandidateError> {
        RemoteCandidate::parse("0", 0, line).map(|candidate| candidate.content)
    }

    #[test]
    fn addresses_are_read() {
        let cases = [
            ("candidate:1 1 UDP 2122252543 192.0.2.1 5000 typ host", "192.0.2.1:5000"),
            ("a=candidate:1 1 udp 1 ::1 9 typ host generation 0 network-cost 999", "[::1]:9"),
            (" candidate:a/+ 1 udp 7 10.0.0.1 1 typ srflx raddr 0.0.0.0 rport 0\r\n", "10.0.0.1:1"),
            ("candidate:1 1 udp 1 2001:db8::1 9 typ relay raddr ::1 rport 1", "[2001:db8::1]:9"),
            ("candidate:1 1 udp 0 10.0.0.1 1 typ host", "10.0.0.1:1"),
            ("candidate:1 1 udp 1 10.0.0.1 1 typ srflx raddr x.local rport 9", "10.0.0.1:1"),
            ("candidate:1 1 udp 1 10.0.0.1 1 typ host tcptype", "10.0.0.1:1"),
            (
                "candidate:über-\u{1F4A9}-0123456789012345678901234567890123456789 1 udp 1 10.0.0.1 1 typ host",
                "10.0.0.1:1",
            ),
        ];
        for (line, address) in cases {
            let Ok(Content::Address(candidate)) = content(line) else { panic!("{line}") };
            assert_eq!(candidate.addr().to_string(), address);
        }
    }

    #[test]
    fn the_generation_is_read() {
        for (rest, ufrag) in [
            ("", None),
            (" ufrag abcd", Some("abcd")),
            (" raddr 0.0.0.0 rport 0 generation 0 ufrag abcd network-id 1", Some("abcd")),
            (" ufrag", None),
        ] {
            let line = format!("candidate:1 1 udp 1 192.0.2.1 5000 typ srflx{rest}");
            let Ok(Content::Address(candidate)) = content(&line) else { panic!("{line}") };
            assert_eq!(candidate.ufrag(), ufrag, "{line}");
        }
    }

    #[test]
    fn a_name_stands_for_an_address() {
        let line = "candidate:7 1 udp 77 9B36EAAC-bb2e.local 5000 typ host generation 0 ufrag abcd";
        let Ok(Content::Name(name, end)) = content(line) else { panic!("{line}") };
        assert_eq!(name, "9b36eaac-bb2e.local");
        let line = line.replace("9B36EAAC-bb2e.local", "192.0.2.1");
        let address = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(end.at(address).map(Content::Address), content(&line).ok());
        assert_eq!(end.at(IpAddr::from([0; 4])), None);
    }

    #[test]
    fn the_end_is_read() {
        for line in ["", "  ", "end-of-candidates", "a=end-of-candidates", "a="] {
            assert_eq!(content(line), Ok(Content::End), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_no_error() {
        for line in [
            "candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active",
            "candidate:1 2 udp 2122252542 192.0.2.1 5001 typ host",
            "candidate:1 1 tcp 1 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 9 typ host",
            "candidate:1 1 udp 1 www.example.local 5000 typ host",
            "candidate:1 1 udp 1 stun.example.org 5000 typ host",
            "candidate:1 1 udp 1 192.0.2.1 0 typ host",
            "candidate:1 1 udp 1 0.0.0.0 5000 typ host",
            "candidate:1 1 udp 1 255.255.255.255 5000 typ host",
            "candidate:1 1 udp 1 ff02::1 5000 typ host",
            "candidate:1 1 udp 1 fe80::1 5000 typ host",
            "candidate:1 0 udp 1 192.0.2.1 5000 typ host",
            "candidate:1 1 ssltcp 1 192.0.2.1 443 typ relay raddr 0.0.0.0 rport 0",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ rumour",
        ] {
            assert_eq!(content(line), Ok(Content::Unusable), "{line}");
        }
    }

    #[test]
    fn what_is_not_a_candidate_is_an_error() {
        let long = format!("candidate:{} 1 udp 1 192.0.2.1 1 typ host", "a".repeat(2000));
        for line in [
            "garbage",
            "candidate:",
            "candidate:1",
            "candidate:1 1 udp",
            "candidate:1 x udp 1 192.0.2.1 1 typ host",
            "candidate:1 1 udp -1 192.0.2.1 1 typ host",
            "candidate:1 1 udp 1 192.0.2.300 1 typ host",
            "candidate:1 1 udp 1 not_a_name 1 typ host",
            "candidate:1 1 udp 1 192.0.2.1 70000 typ host",
            "candidate:1 1 udp 1 192.0.2.1 1",
            "candidate:1 1 udp 1 192.0.2.1 1 typ",
            "candidate:1 1 udp 1 192.0.2.1 1 host typ",
            &long,
        ] {
            assert!(content(line).is_err(), "{line}");
        }
    }
}
