//! Where clients knock.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// A bound TCP port, not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    local_addr: SocketAddr,
}

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

impl Listener {
    /// Binds `port` (0: any free one) at `address`, an IP address of this machine or `"*"` for all
    /// of them, IPv6 and IPv4. Does not block and needs no runtime.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] when somebody listens there already,
    /// [`io::ErrorKind::InvalidInput`] when `address` is not an IP address, or whatever else the
    /// system says.
    pub fn bind(address: &str, port: u16) -> io::Result<Self> {
        let socket = match address {
            "*" => bind_everywhere(port)?,
            _ => bind_one(SocketAddr::new(parse(address)?, port), false)?,
        };
        let local_addr = socket.local_addr()?;
        Ok(Self { socket, local_addr })
    }

    /// The bound address, with the port that was chosen if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(crate) fn into_std(self) -> std::net::TcpListener {
        self.socket
    }
}

fn parse(address: &str) -> io::Result<IpAddr> {
    let error = |_| io::Error::new(io::ErrorKind::InvalidInput, "not an IP address");
    address.parse().map_err(error)
}

/// One socket for both families, or one for IPv4 alone where there is no IPv6.
fn bind_everywhere(port: u16) -> io::Result<std::net::TcpListener> {
    let ipv4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let dual = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    match bind_one(dual, true) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => bind_one(ipv4, false),
        bound => bound,
    }
}

fn bind_one(addr: SocketAddr, dual_stack: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if dual_stack {
        socket.set_only_v6(false)?;
    }
    // Elsewhere than on Unix this option would let two programs listen on one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_refused_at_once() {
        let first = Listener::bind("127.0.0.1", 0).unwrap();
        let second = Listener::bind("127.0.0.1", first.local_addr().port());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn everywhere_means_both_families() {
        let listener = Listener::bind("*", 0).unwrap();
        let port = listener.local_addr().port();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let second = Listener::bind("*", port);
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_name_is_not_an_address() {
        let error = Listener::bind("localhost", 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
