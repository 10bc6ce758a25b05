//! Which addresses and ports a connection uses, and what it tells of them.

use std::net::IpAddr;

use crate::candidate::is_single_host;

/// Which sockets a connection binds, and what it tells the other side of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// The addresses to bind, at most 16. Default none: every usable address of this machine.
    pub bind_addresses: Vec<IpAddr>,
    /// The ports to choose from. Default: whichever port the system chooses.
    pub ports: Ports,
    /// Addresses under which the world reaches us, told in place of the bound ones of the same
    /// family; the port is the bound one. For a one-to-one NAT or a container. Default none.
    pub public_addresses: Vec<IpAddr>,
    /// Whether others are told a name in `.local` in place of each of our addresses, as browsers
    /// do (draft-ietf-mmusic-mdns-ice-candidates). Only the local network can tell what it stands
    /// for. Public addresses are told as they are. Default false.
    pub hide_addresses: bool,
}

/// The ports of a connection's sockets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ports {
    /// Whichever the system chooses.
    #[default]
    Any,
    /// Any free one from the first to the last. Each connection takes one for each address.
    Range(u16, u16),
    /// This one, shared with every connection of the transport that wants it. Of two connections
    /// to the same port of the same machine the older one goes silent: nothing in a datagram
    /// tells which of them it is for.
    Shared(u16),
}

/// Why socket options cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SocketOptionsError {
    /// A port is 0, or the first one is beyond the last.
    #[error("not a port, or not a range of them")]
    Ports,
    /// No single host has this address, or it means nothing without an interface.
    #[error("{0} cannot be used as an address")]
    Address(IpAddr),
}

impl SocketOptions {
    /// Whether these can be used at all; whether they can here, only binding shows.
    ///
    /// # Errors
    /// See [`SocketOptionsError`].
    pub fn check(&self) -> Result<(), SocketOptionsError> {
        match self.ports {
            Ports::Range(first, last) if first == 0 || first > last => {
                return Err(SocketOptionsError::Ports);
            }
            Ports::Shared(0) => return Err(SocketOptionsError::Ports),
            Ports::Any | Ports::Range(..) | Ports::Shared(_) => {}
        }
        let mut addresses = self.bind_addresses.iter().chain(&self.public_addresses);
        match addresses.find(|&&address| !is_single_host(address)) {
            Some(&address) => Err(SocketOptionsError::Address(address)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_bound_anywhere_is_refused() {
        for (ports, is_usable) in [
            (Ports::Any, true),
            (Ports::Range(5000, 5000), true),
            (Ports::Range(1, 65_535), true),
            (Ports::Range(0, 5000), false),
            (Ports::Range(5001, 5000), false),
            (Ports::Shared(5000), true),
            (Ports::Shared(0), false),
        ] {
            let expected = if is_usable { Ok(()) } else { Err(SocketOptionsError::Ports) };
            let options = SocketOptions { ports, ..SocketOptions::default() };
            assert_eq!(options.check(), expected, "{ports:?}");
        }
        for (text, is_usable) in [
            ("192.0.2.1", true),
            ("127.0.0.1", true),
            ("2001:db8::1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("ff02::1", false),
            ("fe80::1", false),
        ] {
            let address: IpAddr = text.parse().expect("an address");
            let expected =
                if is_usable { Ok(()) } else { Err(SocketOptionsError::Address(address)) };
            let bound = SocketOptions { bind_addresses: vec![address], ..SocketOptions::default() };
            assert_eq!(bound.check(), expected, "{text}");
            let public =
                SocketOptions { public_addresses: vec![address], ..SocketOptions::default() };
            assert_eq!(public.check(), expected, "{text}");
        }
    }
}
