//! The TURN server of the tests on real sockets: UDP, TCP and TLS on one port of the loopback
//! interface.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token, Waker};
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::certificate::Certificate;
use crate::turn::Framer;
use crate::turn::test_server::{Reply, TurnServer};

const RELAYS: usize = 8;
const UDP: Token = Token(RELAYS);
const TCP: Token = Token(RELAYS + 1);
const TLS: Token = Token(RELAYS + 2);
const STOP: Token = Token(RELAYS + 3);

/// How a client is reached: where its datagrams come from, or its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Datagrams(SocketAddr),
    Stream(Token),
}

/// A running server; dropping it stops it, and breaks what goes through it.
pub(super) struct TurnHost {
    /// Of UDP and TCP.
    pub(super) address: SocketAddr,
    pub(super) tls_address: SocketAddr,
    /// In PEM form.
    pub(super) certificate: String,
    pub(super) server: Arc<Mutex<TurnServer<Client>>>,
    stop: Waker,
    thread: Option<JoinHandle<()>>,
}

impl TurnHost {
    pub(super) fn start() -> Self {
        let poll = Poll::new().expect("a poll");
        let stop = Waker::new(poll.registry(), STOP).expect("a waker");
        let certificate = Certificate::generate([9; 32]);
        let host = Host::new(poll, &certificate);
        let (server, address) = (Arc::clone(&host.server), host.address());
        let tls_address = host.tls.local_addr().expect("bound");
        let thread = Some(std::thread::spawn(|| host.run()));
        let certificate = pem(&certificate.der().certificate);
        Self { address, tls_address, certificate, server, stop, thread }
    }
}

impl Drop for TurnHost {
    fn drop(&mut self) {
        self.stop.wake().expect("it runs");
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))), "the server panicked");
    }
}

struct Host {
    poll: Poll,
    server: Arc<Mutex<TurnServer<Client>>>,
    relays: Vec<UdpSocket>,
    udp: UdpSocket,
    tcp: TcpListener,
    tls: TcpListener,
    config: Arc<ServerConfig>,
    streams: HashMap<Token, Stream>,
    next_token: usize,
}

struct Stream {
    socket: TcpStream,
    tls: Option<ServerConnection>,
    framer: Framer,
    backlog: Vec<u8>,
}

impl Host {
    fn new(poll: Poll, certificate: &Certificate) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut relays: Vec<_> =
            (0..RELAYS).map(|_| UdpSocket::bind(any).expect("a socket")).collect();
        let (mut udp, mut tcp) = same_port();
        let mut tls = TcpListener::bind(any).expect("a socket");
        let registry = poll.registry();
        for (place, relay) in relays.iter_mut().enumerate() {
            registry.register(relay, Token(place), Interest::READABLE).expect("registers");
        }
        registry.register(&mut udp, UDP, Interest::READABLE).expect("registers");
        registry.register(&mut tcp, TCP, Interest::READABLE).expect("registers");
        registry.register(&mut tls, TLS, Interest::READABLE).expect("registers");
        let free = relays.iter().map(|relay| relay.local_addr().expect("bound"));
        let server = Arc::new(Mutex::new(TurnServer::new(free)));
        let (config, streams) = (server_config(certificate), HashMap::new());
        Self { poll, server, relays, udp, tcp, tls, config, streams, next_token: 100 }
    }

    fn address(&self) -> SocketAddr {
        self.udp.local_addr().expect("bound")
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(64);
        loop {
            self.poll.poll(&mut events, None).expect("polls");
            for token in events.iter().map(|event| event.token()) {
                match token {
                    STOP => return,
                    UDP => self.receive_from_clients(),
                    TCP | TLS => self.accept(token),
                    Token(place) if place < RELAYS => self.receive_from_peers(place),
                    stream => self.receive_on_stream(stream),
                }
            }
        }
    }

    fn receive_from_clients(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((size, from)) = self.udp.recv_from(&mut buffer) {
            self.take(Client::Datagrams(from), from, &buffer[..size]);
        }
    }

    fn receive_from_peers(&mut self, place: usize) {
        let mut buffer = [0; 2048];
        let relayed = self.relays[place].local_addr().expect("bound");
        while let Ok((size, from)) = self.relays[place].recv_from(&mut buffer) {
            let is_stream = |client| matches!(client, Client::Stream(_));
            let reply = self.server.lock().take_from_peer(
                Instant::now(),
                relayed,
                from,
                &buffer[..size],
                is_stream,
            );
            self.send(reply);
        }
    }

    fn accept(&mut self, listener: Token) {
        loop {
            let is_tls = listener == TLS;
            let accepted = if is_tls { self.tls.accept() } else { self.tcp.accept() };
            let Ok((mut socket, _)) = accepted else { return };
            let token = Token(self.next_token);
            self.next_token += 1;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, token, interest).expect("registers");
            let tls = is_tls
                .then(|| ServerConnection::new(Arc::clone(&self.config)).expect("configured"));
            let (framer, backlog) = Default::default();
            self.streams.insert(token, Stream { socket, tls, framer, backlog });
        }
    }

    fn receive_on_stream(&mut self, token: Token) {
        let Some(stream) = self.streams.get_mut(&token) else { return };
        let (is_over, frames) = stream.receive();
        for frame in frames {
            self.take(Client::Stream(token), SocketAddr::from(([0; 4], 0)), &frame);
        }
        if is_over {
            self.streams.remove(&token);
            self.server.lock().forget(Client::Stream(token));
        }
    }

    fn take(&mut self, client: Client, seen_as: SocketAddr, frame: &[u8]) {
        let now = Instant::now();
        let reply = self.server.lock().take_from_client(now, client, seen_as, frame);
        self.send(reply);
    }

    fn send(&mut self, reply: Option<Reply<Client>>) {
        match reply {
            Some(Reply::ToClient { client: Client::Datagrams(to), bytes }) => {
                let _ = self.udp.send_to(&bytes, to);
            }
            Some(Reply::ToClient { client: Client::Stream(token), bytes }) => {
                if let Some(stream) = self.streams.get_mut(&token) {
                    let _ = stream.send(&bytes);
                }
            }
            Some(Reply::ToPeer { from, to, bytes }) => {
                let is_it = |relay: &&UdpSocket| relay.local_addr().is_ok_and(|at| at == from);
                let relay = self.relays.iter().find(is_it).expect("it was granted");
                let _ = relay.send_to(&bytes, to);
            }
            None => {}
        }
    }
}

impl Stream {
    /// Whether the stream is over, and the frames that came.
    fn receive(&mut self) -> (bool, Vec<Vec<u8>>) {
        let mut frames = Vec::new();
        let mut buffer = [0; 16_384];
        loop {
            let _ = self.flush();
            match self.read(&mut buffer) {
                Ok(0) => return (true, frames),
                Ok(size) => self.framer.push(&buffer[..size]),
                Err(error) => return (error.kind() != io::ErrorKind::WouldBlock, frames),
            }
            while let Some(frame) = self.framer.pop().expect("a client that keeps to the rules") {
                frames.push(frame.to_vec());
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            let outcome = tls.process_new_packets();
            while tls.wants_write() {
                tls.write_tls(&mut self.backlog)?;
            }
            outcome.map_err(io::Error::other)?;
            let sent = self.socket.write(&self.backlog).unwrap_or(0);
            self.backlog.drain(..sent);
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => {
                tls.writer().write_all(bytes)?;
                while tls.wants_write() {
                    tls.write_tls(&mut self.backlog)?;
                }
            }
            None => self.backlog.extend_from_slice(bytes),
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.backlog.is_empty() {
            let sent = self.socket.write(&self.backlog)?;
            self.backlog.drain(..sent);
        }
        Ok(())
    }
}

/// A UDP socket and a TCP listener that clients cannot tell apart by their port.
fn same_port() -> (UdpSocket, TcpListener) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let pairs = std::iter::repeat_with(|| {
        let udp = UdpSocket::bind(any).expect("a socket");
        let tcp = TcpListener::bind(udp.local_addr().expect("bound"));
        tcp.map(|tcp| (udp, tcp))
    });
    pairs.take(100).find_map(Result::ok).expect("a port that is free for both")
}

fn server_config(certificate: &Certificate) -> Arc<ServerConfig> {
    let der = certificate.der();
    let chain = vec![CertificateDer::from(der.certificate.clone())];
    let key = PrivateKeyDer::Pkcs8(der.private_key.clone().into());
    let provider = Arc::new(rustls_graviola::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they belong together");
    Arc::new(config)
}

fn pem(der: &[u8]) -> String {
    use x509_cert::der::pem::{LineEnding, encode_string};
    encode_string("CERTIFICATE", LineEnding::LF, der).expect("it is short")
}
