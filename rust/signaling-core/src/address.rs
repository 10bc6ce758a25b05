//! Where connections are from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What one household has of addresses, as far as limits go: the address without its port; of IPv6
/// the whole /64. What is no address stays as it is.
pub fn neighbourhood(from: &str) -> String {
    let bare = from.trim_start_matches('[').trim_end_matches(']');
    let with_port = from.parse().map(|from: SocketAddr| from.ip());
    match with_port.or_else(|_| bare.parse()).map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_has_one_address_or_a_network() {
        for (from, household) in [
            ("192.0.2.1:5000", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
            ("[2001:db8::1:2:3:4]:80", "2001:db8::"),
            ("[2001:db8::1]", "2001:db8::"),
            ("", ""),
        ] {
            assert_eq!(neighbourhood(from), household, "{from}");
        }
    }
}
