//! A UDP socket bound to one of our addresses.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use mio::Interest;
use mio::event::Source;
use socket2::{Domain, Protocol, Type};

use super::socket_options::Ports;

/// What the system is asked to hold for us in each direction, in bytes. It may grant less; more
/// than this only lets a burst of losses grow.
const BUFFER_BYTES: usize = 1024 * 1024;

/// A bound UDP socket that never blocks.
pub(super) struct Socket {
    inner: mio::net::UdpSocket,
    local: SocketAddr,
}

/// What came of trying to receive.
pub(super) enum Received {
    /// So many bytes from there.
    Datagram(usize, SocketAddr),
    /// An earlier datagram was rejected by its destination; there may be more to receive.
    Rejection,
    /// Nothing waits; the poll will tell.
    Nothing,
}

impl Socket {
    /// Binds one of these ports.
    pub(super) fn bind(address: IpAddr, ports: Ports) -> io::Result<Self> {
        let socket = socket2::Socket::new(domain_of(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        bind_one_of(&socket, address, ports)?;
        let inner = mio::net::UdpSocket::from_std(socket.into());
        set_buffers(&inner);
        let local = inner.local_addr()?;
        Ok(Self { inner, local })
    }

    /// Where it is bound.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Has the poll report when there is something to receive.
    pub(super) fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
    ) -> io::Result<()> {
        self.inner.register(registry, token, Interest::READABLE)
    }

    /// Receives one datagram.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Received {
        match self.inner.recv_from(buffer) {
            Ok((size, from)) => Received::Datagram(size, from),
            Err(error) if is_rejection(&error) => Received::Rejection,
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    tracing::debug!(local = %self.local, %error, "cannot receive");
                }
                Received::Nothing
            }
        }
    }

    /// Sends one datagram. A full buffer or an unreachable network is the loss of a datagram,
    /// which the layers above are made for.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8]) {
        if let Err(error) = self.inner.send_to(bytes, to) {
            tracing::trace!(local = %self.local, %to, %error, "datagram lost");
        }
    }
}

/// Tries one port after the other from a random one on, so that connections of several processes
/// seldom try the same.
fn bind_one_of(socket: &socket2::Socket, address: IpAddr, ports: Ports) -> io::Result<()> {
    let (first, last) = match ports {
        Ports::Any => (0, 0),
        Ports::Range(first, last) => (first, last.max(first)),
        Ports::Shared(port) => (port, port),
    };
    let middle = rand::random_range(first..=last);
    for port in (middle..=last).chain(first..middle) {
        match socket.bind(&SocketAddr::new(address, port).into()) {
            // Windows reserves ranges of ports, and denies access to them.
            Err(error)
                if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {}
            outcome => return outcome,
        }
    }
    Err(io::Error::new(ErrorKind::AddrInUse, format!("no free port from {first} to {last}")))
}

/// Smaller buffers work as well, only with more losses under load.
pub(super) fn set_buffers(socket: &mio::net::UdpSocket) {
    let socket = socket2::SockRef::from(socket);
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
}

fn domain_of(address: IpAddr) -> Domain {
    match address {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    }
}

/// Systems report an ICMP answer to what was sent earlier as a failure to receive.
pub(super) fn is_rejection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | HostUnreachable | Interrupted | NetworkUnreachable
    )
}
