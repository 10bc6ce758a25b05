//! Whom a connection is from that came through a proxy.

use std::net::{IpAddr, SocketAddr};

use tokio_tungstenite::tungstenite::http::HeaderMap;

/// The client of a trusted proxy: what comes before the last entry was told by the client itself.
/// `None` when the proxy tells no IP address. The port is 0 where it is not told.
pub(crate) fn client(headers: &HeaderMap) -> Option<SocketAddr> {
    let last = |name: &str| {
        let line = headers.get_all(name).iter().next_back()?.to_str().ok();
        line.map(|line| line.rsplit(',').next().unwrap_or(line).trim())
    };
    if headers.contains_key("x-forwarded-for") {
        return parse(last("x-forwarded-for")?);
    }
    let node = last("forwarded")?.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.eq_ignore_ascii_case("for").then_some(value)
    });
    parse(node?.trim_matches('"'))
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
    use tokio_tungstenite::tungstenite::http::HeaderName;

    fn client_of(headers: &[(&'static str, &str)]) -> Option<String> {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().map(header) {
            map.append(name, value);
        }
        client(&map).map(|address| address.to_string())
    }

    #[test]
    fn the_last_entry_is_the_proxys_own() {
        for (headers, expected) in [
            (&[("x-forwarded-for", "192.0.2.7")][..], "192.0.2.7:0"),
            (&[("x-forwarded-for", "10.0.0.1, 192.0.2.7")], "192.0.2.7:0"),
            (
                &[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-for", "192.0.2.7:80")],
                "192.0.2.7:80",
            ),
            (&[("x-forwarded-for", "2001:db8::1")], "[2001:db8::1]:0"),
            (&[("forwarded", "for=10.0.0.1, for=192.0.2.7;proto=https")], "192.0.2.7:0"),
            (&[("forwarded", "proto=https; For=\"[2001:db8::1]:4711\"")], "[2001:db8::1]:4711"),
            (&[("forwarded", "for=\"[2001:db8::1]\"")], "[2001:db8::1]:0"),
            (&[("forwarded", "for=10.0.0.1"), ("x-forwarded-for", "192.0.2.7")], "192.0.2.7:0"),
        ] {
            assert_eq!(client_of(headers).as_deref(), Some(expected), "{headers:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for headers in [
            &[][..],
            &[("x-forwarded-for", "")],
            &[("x-forwarded-for", "192.0.2.7,")],
            &[("x-forwarded-for", "unknown"), ("forwarded", "for=192.0.2.7")],
            &[("forwarded", "for=_hidden")],
            &[("forwarded", "by=192.0.2.7")],
            &[("forwarded", "for=192.0.2.7, proto=https")],
            &[("x-forwarded-for", "[192.0.2.7")],
        ] {
            assert_eq!(client_of(headers), None, "{headers:?}");
        }
    }
}
