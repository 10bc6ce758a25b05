//! The socket to the multicast group of the local network (RFC 6762, section 3), open while it is
//! of use.
//!
//! Only over IPv4, which tells IPv6 addresses as well. Where multicast is not to be had, nobody
//! answers, and nobody waits for that.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use mio::event::Source;
use mio::{Interest, Token};
use socket2::{Domain, Protocol, SockRef, Type};

use crate::mdns::{Found, Mdns};

/// Where everybody listens.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// The port that everybody uses.
pub(super) const PORT: u16 = 5353;
/// So that it can be told from what was routed here.
const HOPS: u32 = 255;
/// Datagrams taken before others have their turn.
const BATCH: usize = 16;

/// Names in `.local`, for every connection.
pub(super) struct Multicast {
    mdns: Mdns,
    token: Token,
    port: u16,
    socket: Option<mio::net::UdpSocket>,
    /// The addresses of the interfaces that are listened to.
    interfaces: Vec<Ipv4Addr>,
}

impl Multicast {
    pub(super) fn new(token: Token, port: u16) -> Self {
        Self { mdns: Mdns::default(), token, port, socket: None, interfaces: Vec::new() }
    }

    /// The names to look up and to answer for; call [`Multicast::serve`] after a change.
    pub(super) fn mdns(&mut self) -> &mut Mdns {
        &mut self.mdns
    }

    /// Receives what waits. True when more may wait.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> bool {
        let Some(socket) = &self.socket else { return false };
        for _ in 0..BATCH {
            match socket.recv_from(buffer) {
                // Others may only listen to this port, not speak from it.
                Ok((size, from)) if from.port() == self.port => {
                    self.mdns.handle(Instant::now(), &buffer[..size]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Ok(_) | Err(_) => {}
            }
        }
        true
    }

    /// Sends what is due on these interfaces, and tells what was found.
    pub(super) fn serve(
        &mut self,
        registry: &mio::Registry,
        local_addresses: fn() -> Vec<IpAddr>,
    ) -> Vec<Found> {
        if self.mdns.is_idle() {
            self.socket = None;
            self.interfaces.clear();
        } else if self.socket.is_none() {
            self.open(registry);
            self.listen_on(&local_addresses());
        }
        while let Some(datagram) = self.mdns.poll_transmit(Instant::now()) {
            self.send(&datagram);
        }
        std::iter::from_fn(|| self.mdns.poll_found()).collect()
    }

    /// When to call [`Multicast::serve`] at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.mdns.poll_timeout()
    }

    fn open(&mut self, registry: &mio::Registry) {
        match self.bind(registry) {
            Ok(socket) => self.socket = Some(socket),
            Err(error) => tracing::debug!(%error, "no multicast"),
        }
    }

    /// Listens and speaks on the interfaces of these addresses, if it does at all.
    pub(super) fn listen_on(&mut self, addresses: &[IpAddr]) {
        let Some(socket) = self.socket.as_ref().map(SockRef::from) else { return };
        self.interfaces.retain(|interface| addresses.contains(&IpAddr::V4(*interface)));
        for address in addresses {
            if let IpAddr::V4(address) = address
                && !self.interfaces.contains(address)
                && join(&socket, address).is_ok()
            {
                self.interfaces.push(*address);
            }
        }
    }

    fn bind(&self, registry: &mio::Registry) -> io::Result<mio::net::UdpSocket> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        // The system's own resolver has the port as well, and other programs have.
        socket.set_reuse_address(true)?;
        #[cfg(unix)]
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.set_multicast_ttl_v4(HOPS)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port)).into())?;
        let mut socket = mio::net::UdpSocket::from_std(socket.into());
        socket.register(registry, self.token, Interest::READABLE)?;
        Ok(socket)
    }

    fn send(&self, datagram: &[u8]) {
        let Some(socket) = &self.socket else { return };
        for interface in &self.interfaces {
            let sent = SockRef::from(socket)
                .set_multicast_if_v4(interface)
                .and_then(|()| socket.send_to(datagram, (GROUP, self.port).into()));
            if let Err(error) = sent {
                tracing::debug!(%interface, %error, "cannot send to the multicast group");
            }
        }
    }
}

fn join(socket: &socket2::Socket, interface: &Ipv4Addr) -> io::Result<()> {
    match socket.join_multicast_v4(&GROUP, interface) {
        // Its interface is listened to under another address, or was before this one came back.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(()),
        outcome => outcome,
    }
}
