//! Links to TURN servers: each is a UDP socket of its own, or a TCP or TLS connection.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::Interest;
use mio::event::Source;
use mio::net::{TcpStream, UdpSocket};
use rustls::ClientConnection;

use super::MAX_LINK_BACKLOG;
use super::socket::{is_rejection, set_buffers};
use super::tls::Tls;
use crate::ice_server::{IceServer, Service, Transport};
use crate::peer::{LinkKey, LinkRequest};
use crate::relays::MAX_LINKS;

/// The links of one connection, by their place among its tokens.
#[derive(Default)]
pub(super) struct RelayLinks {
    links: [Option<RelayLink>; MAX_LINKS],
}

impl RelayLinks {
    /// Does what is asked; an error is the reason why there will be no link.
    pub(super) fn handle(
        &mut self,
        key: LinkKey,
        request: LinkRequest,
        tls: &Tls,
        registry: &mio::Registry,
        first_token: usize,
    ) -> Result<(), String> {
        match request {
            LinkRequest::Open { to, server } => {
                let place = self.links.iter().position(Option::is_none).ok_or("too many links")?;
                let mut link = RelayLink::open(key, to, &server, tls)?;
                let registered = link.register(registry, mio::Token(first_token + place));
                registered.map_err(|error| describe(&error))?;
                self.links[place] = Some(link);
            }
            LinkRequest::Relay(bytes) => self.send(key, &bytes, true),
            LinkRequest::Ask(bytes) => self.send(key, &bytes, false),
            LinkRequest::Close => {
                for link in &mut self.links {
                    link.take_if(|link| link.key == key);
                }
            }
        }
        Ok(())
    }

    /// Goes on with one of them; `None` when it is gone.
    pub(super) fn advance(
        &mut self,
        place: usize,
        buffer: &mut [u8],
    ) -> Option<(LinkKey, Progress)> {
        let link = self.links.get_mut(place)?.as_mut()?;
        Some((link.key, link.advance(buffer)))
    }

    fn send(&mut self, key: LinkKey, bytes: &[u8], may_be_lost: bool) {
        if let Some(link) = self.links.iter_mut().flatten().find(|link| link.key == key) {
            link.send(bytes, may_be_lost);
        }
    }
}

/// A link that never blocks.
struct RelayLink {
    key: LinkKey,
    wire: Wire,
    /// Whether it has been reported as open.
    is_open: bool,
}

enum Wire {
    Datagrams(UdpSocket),
    Stream(Stream),
}

struct Stream {
    socket: TcpStream,
    is_connected: bool,
    tls: Option<Box<ClientConnection>>,
    /// What the system has not taken yet, as it goes over the wire.
    backlog: VecDeque<u8>,
}

/// What came of looking at a link.
pub(super) enum Progress {
    /// It can be used.
    Opened,
    /// So many bytes.
    Received(usize),
    /// It is of no use any more, for this reason.
    Closed(String),
    /// Nothing; the poll will tell.
    Nothing,
}

impl RelayLink {
    /// Begins to connect to one of the server's addresses.
    fn open(key: LinkKey, to: SocketAddr, server: &IceServer, tls: &Tls) -> Result<Self, String> {
        let wire = match server.service {
            Service::Turn(Transport::Tcp) => Stream::open(to, None).map(Wire::Stream),
            Service::Turn(Transport::Tls) => {
                Stream::open(to, Some(Box::new(tls.connect(server)?))).map(Wire::Stream)
            }
            Service::Turn(Transport::Udp) | Service::Stun | Service::Stuns => {
                open_udp(to).map(Wire::Datagrams)
            }
        };
        Ok(Self { key, wire: wire.map_err(|error| describe(&error))?, is_open: false })
    }

    /// Has the poll report when there is something to do; the first time, at once.
    fn register(&mut self, registry: &mio::Registry, token: mio::Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match &mut self.wire {
            Wire::Datagrams(socket) => socket.register(registry, token, interest),
            Wire::Stream(Stream { socket, .. }) => socket.register(registry, token, interest),
        }
    }

    /// Goes on with whatever is possible; to be called until it says that there is nothing.
    fn advance(&mut self, buffer: &mut [u8]) -> Progress {
        let outcome = match &mut self.wire {
            Wire::Datagrams(_) if !self.is_open => Ok(Progress::Opened),
            Wire::Datagrams(socket) => receive(socket, buffer),
            Wire::Stream(stream) => stream.advance(self.is_open, buffer),
        };
        match outcome {
            Ok(progress) => {
                self.is_open |= matches!(progress, Progress::Opened);
                progress
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Nothing,
            Err(error) => Progress::Closed(describe(&error)),
        }
    }

    /// Sends one message. One that may be lost is lost when too much waits.
    fn send(&mut self, bytes: &[u8], may_be_lost: bool) {
        match &mut self.wire {
            Wire::Datagrams(socket) => {
                if let Err(error) = socket.send(bytes) {
                    tracing::trace!(%error, "datagram to a TURN server lost");
                }
            }
            Wire::Stream(stream) => {
                if !may_be_lost || stream.backlog.len() < MAX_LINK_BACKLOG {
                    stream.send(bytes);
                }
            }
        }
    }
}

impl Drop for RelayLink {
    fn drop(&mut self) {
        if let Wire::Stream(stream) = &mut self.wire {
            stream.say_goodbye();
        }
    }
}

impl Stream {
    fn open(to: SocketAddr, tls: Option<Box<ClientConnection>>) -> io::Result<Self> {
        let socket = TcpStream::connect(to)?;
        Ok(Self { socket, is_connected: false, tls, backlog: VecDeque::new() })
    }

    fn advance(&mut self, is_open: bool, buffer: &mut [u8]) -> io::Result<Progress> {
        self.connect()?;
        self.flush()?;
        let Some(tls) = &mut self.tls else {
            return if is_open {
                received(self.socket.read(buffer)?)
            } else {
                Ok(Progress::Opened)
            };
        };
        loop {
            if !is_open && !tls.is_handshaking() {
                return Ok(Progress::Opened);
            }
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return received(outcome?),
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let outcome = tls.process_new_packets();
            // Also when it failed: then this tells the server why.
            while tls.wants_write() {
                tls.write_tls(&mut self.backlog)?;
            }
            let flushed = flush(&mut self.backlog, &mut self.socket);
            outcome.map_err(io::Error::other)?;
            flushed?;
        }
    }

    /// Errs with [`io::ErrorKind::WouldBlock`] while the connection is not there yet.
    fn connect(&mut self) -> io::Result<()> {
        if self.is_connected {
            return Ok(());
        }
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            outcome => outcome?,
        };
        self.is_connected = true;
        // Without it, small messages wait for each other.
        self.socket.set_nodelay(true)
    }

    fn send(&mut self, bytes: &[u8]) {
        let written = match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes),
            None => self.backlog.write_all(bytes),
        };
        // A connection that broke is reported when it is next looked at, which the poll sees to.
        if let Err(error) = written.and_then(|()| self.flush()) {
            tracing::trace!(%error, "cannot send to a TURN server");
        }
    }

    fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        // The system sends what it has taken even after the socket is closed.
        let _ = self.flush();
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.backlog)?;
            }
        }
        flush(&mut self.backlog, &mut self.socket)
    }
}

/// Sends what the system takes now.
fn flush(backlog: &mut VecDeque<u8>, socket: &mut TcpStream) -> io::Result<()> {
    while !backlog.is_empty() {
        match socket.write(backlog.as_slices().0) {
            Ok(sent) => drop(backlog.drain(..sent)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open_udp(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = match to {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    // The system chooses the way, and lets nobody in but the server.
    socket.connect(to)?;
    set_buffers(&socket);
    Ok(socket)
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Progress> {
    loop {
        match socket.recv(buffer) {
            // The server may be back before it is given up.
            Err(error) if is_rejection(&error) => {}
            outcome => return Ok(Progress::Received(outcome?)),
        }
    }
}

/// A stream ends with an empty read.
fn received(size: usize) -> io::Result<Progress> {
    if size == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Progress::Received(size)) }
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it has closed the connection".to_owned(),
        io::ErrorKind::ConnectionRefused => "it refuses connections".to_owned(),
        _ => error.to_string(),
    }
}
