//! Which of our own addresses are worth telling.

use std::net::IpAddr;

/// More addresses than this are not tried: each costs a socket per connection, and a check for
/// each address of the other side.
const MAX_ADDRESSES: usize = 16;

/// The addresses of this machine's running interfaces; loopback only when there is nothing else,
/// so that two programs on a machine without a network meet too.
pub(super) fn usable_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list the network interfaces");
        Vec::new()
    });
    choose(interfaces.iter().filter(|interface| interface.is_oper_up()).map(|i| i.ip()))
}

fn choose(all: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let (loopback, mut chosen): (Vec<_>, Vec<_>) =
        all.filter(|&address| is_bindable(address)).partition(IpAddr::is_loopback);
    if chosen.is_empty() {
        chosen = loopback;
    }
    chosen.sort_unstable();
    chosen.dedup();
    chosen.truncate(MAX_ADDRESSES);
    chosen
}

/// Link-local IPv6 addresses mean nothing without the interface they belong to, which a candidate
/// cannot name.
fn is_bindable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_unspecified() && !address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(all: &[&str], expected: &[&str]) {
        let parse = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().expect("an address")).collect()
        };
        assert_eq!(choose(parse(all).into_iter()), parse(expected), "{all:?}");
    }

    #[test]
    fn loopback_only_when_alone() {
        check(&["127.0.0.1", "::1", "192.0.2.7"], &["192.0.2.7"]);
        check(&["127.0.0.1", "::1"], &["127.0.0.1", "::1"]);
        check(&["127.0.0.1", "fe80::1"], &["127.0.0.1"]);
        check(&[], &[]);
    }

    #[test]
    fn both_families_each_address_once() {
        check(&["2001:db8::2", "192.0.2.7", "192.0.2.7", "fe80::1"], &["192.0.2.7", "2001:db8::2"]);
    }

    #[test]
    fn this_machine_has_an_address() {
        assert!(!usable_addresses().is_empty());
    }
}
