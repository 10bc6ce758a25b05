//! Whom a connection is from that came through a proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio_tungstenite::tungstenite::http::HeaderMap;

/// All clients of whom a proxy tells no IP address. They count as one: as clients of the proxy's
/// own address they would count as its neighbours.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The client of a trusted proxy: what comes before the last entry was told by the client itself.
/// `None` without the headers. The port is 0 where it is not told.
pub(crate) fn client(headers: &HeaderMap) -> Option<SocketAddr> {
    let client = match last_entry(headers, "x-forwarded-for") {
        Some(entry) => parse(entry),
        None => node(last_entry(headers, "forwarded")?).and_then(parse),
    };
    Some(client.unwrap_or(UNKNOWN))
}

/// The last entry of a header, empty if it is no text; those before it may be any bytes.
fn last_entry<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let line = headers.get_all(name).iter().next_back()?.as_bytes();
    let entry = line.rsplit(|byte| *byte == b',').next()?;
    Some(str::from_utf8(entry).unwrap_or_default().trim())
}

/// Whom an entry of `Forwarded` is for.
fn node(entry: &str) -> Option<&str> {
    let node = entry.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.eq_ignore_ascii_case("for").then_some(value)
    });
    node.map(|node| node.trim_matches('"'))
}

/// Reads an address with or without a port.
fn parse(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let without_port = || Some(SocketAddr::new(bare.parse::<IpAddr>().ok()?, 0));
    text.parse().ok().or_else(without_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::http::HeaderValue;

    fn client_of(headers: &[(&'static str, &[u8])]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        client(&map).map(|address| address.to_string())
    }

    #[test]
    fn the_last_entry_is_the_proxys_own() {
        for (headers, expected) in [
            (&[("x-forwarded-for", &b"192.0.2.7"[..])][..], "192.0.2.7:0"),
            (&[("x-forwarded-for", b"10.0.0.1, 192.0.2.7")], "192.0.2.7:0"),
            (
                &[("x-forwarded-for", b"10.0.0.1"), ("x-forwarded-for", b"192.0.2.7:80")],
                "192.0.2.7:80",
            ),
            (&[("x-forwarded-for", b"2001:db8::1")], "[2001:db8::1]:0"),
            (&[("forwarded", b"for=10.0.0.1, for=192.0.2.7;proto=https")], "192.0.2.7:0"),
            (&[("forwarded", b"proto=https; For=\"[2001:db8::1]:4711\"")], "[2001:db8::1]:4711"),
            (&[("forwarded", b"for=\"[2001:db8::1]\"")], "[2001:db8::1]:0"),
            (&[("forwarded", b"for=10.0.0.1"), ("x-forwarded-for", b"192.0.2.7")], "192.0.2.7:0"),
        ] {
            assert_eq!(client_of(headers).as_deref(), Some(expected), "{headers:?}");
        }
    }

    #[test]
    fn a_client_cannot_hide_the_last_entry() {
        for headers in [
            &[("x-forwarded-for", &b"\xff, 192.0.2.7"[..])][..],
            &[("x-forwarded-for", b"\xc3\xa4"), ("x-forwarded-for", b"192.0.2.7")],
            &[("forwarded", b"for=\"\xff, for=192.0.2.7")],
            &[("forwarded", b"for=10.0.0.1;by=\", for=192.0.2.7")],
        ] {
            assert_eq!(client_of(headers).as_deref(), Some("192.0.2.7:0"), "{headers:?}");
        }
    }

    #[test]
    fn clients_without_an_address_count_as_one() {
        for headers in [
            &[("x-forwarded-for", &b""[..])][..],
            &[("x-forwarded-for", b"192.0.2.7, \xff")],
            &[("x-forwarded-for", b"192.0.2.7,")],
            &[("x-forwarded-for", b"unknown"), ("forwarded", b"for=192.0.2.7")],
            &[("forwarded", b"for=_hidden")],
            &[("forwarded", b"by=192.0.2.7")],
            &[("forwarded", b"for=192.0.2.7, proto=https")],
            &[("x-forwarded-for", b"[192.0.2.7")],
        ] {
            assert_eq!(client_of(headers).as_deref(), Some("0.0.0.0:0"), "{headers:?}");
        }
        assert_eq!(client_of(&[]), None, "it did not come through a proxy");
    }
}
