//! The loop that serves every connection.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use parking_lot::Mutex;

use super::connection::{BATCH, Connection, Surroundings};
use super::multicast::Multicast;
use super::mux::Mux;
use super::peer_handle::{Command, PeerOptions, PeerShared};
use super::resolver::{Name, Resolved, Resolver};
use super::socket::Received;
use super::tls::Tls;
use super::{interfaces, multicast, resolver};
use crate::certificate::Certificate;
use crate::peer::ConnectionState;
use crate::relays::MAX_LINKS;

/// Names a connection for the life of the I/O thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PeerKey(pub(super) u64);

/// Sockets of one connection, at most.
pub(super) const MAX_SOCKETS: usize = 16;
/// Sockets and links to TURN servers of one connection: the latter have the tokens after
/// [`MAX_SOCKETS`].
const MAX_SOURCES: usize = MAX_SOCKETS + MAX_LINKS;

/// How often it is looked whether the network has changed, once for all connections. A look takes
/// up to 0.2 ms, and comes after everything else that is due.
const ADDRESS_INTERVAL: Duration = Duration::from_secs(1);

const WAKE: Token = Token(usize::MAX);
const MULTICAST: Token = Token(usize::MAX - 1);
/// The tokens from this one on are those of shared sockets; those below belong to connections.
const SHARED: usize = 1 << (usize::BITS - 1);
const MAX_READY_EVENTS: usize = 256;
/// The largest UDP datagram.
const MAX_DATAGRAM: usize = 65_535;

/// What other threads may touch of the I/O thread.
pub(super) struct IoShared {
    waker: Waker,
    next_key: AtomicU64,
    todo: Mutex<Todo>,
}

/// What other threads ask of the I/O thread.
#[derive(Default)]
struct Todo {
    /// Connections whose commands wait, each once.
    peers: Vec<Arc<PeerShared>>,
    resolved: Vec<Resolved>,
    /// No more is taken; the thread ends.
    is_closed: bool,
}

/// Where the I/O thread gets to know of the world around it.
#[derive(Clone, Copy)]
pub(super) struct World {
    /// Which addresses to bind; asked anew for each connection, and each [`ADDRESS_INTERVAL`]
    /// while there is one.
    pub(super) local_addresses: fn() -> Vec<IpAddr>,
    /// How to look a name up; may take its time.
    pub(super) lookup: fn(&Name) -> io::Result<Vec<SocketAddr>>,
    /// Where names in `.local` are asked for.
    pub(super) mdns_port: u16,
}

impl World {
    /// The one that the system knows.
    pub(super) const SYSTEM: Self = Self {
        local_addresses: interfaces::usable_addresses,
        lookup: resolver::ask_system,
        mdns_port: multicast::PORT,
    };
}

/// The loop and what it owns.
pub(super) struct IoThread {
    poll: Poll,
    shared: Arc<IoShared>,
    world: World,
    resolver: Resolver,
    mux: RefCell<Mux>,
    tls: Tls,
    multicast: RefCell<Multicast>,
    certificate: Certificate,
    connections: HashMap<PeerKey, Connection>,
    /// When each connection wants to be called, earliest first.
    timers: BTreeSet<(Instant, PeerKey)>,
    deadlines: HashMap<PeerKey, Instant>,
    /// Sockets that may have more to receive.
    ready: BTreeSet<Token>,
    buffer: Vec<u8>,
    /// The addresses there were when it was looked last, and when to look again.
    addresses: Vec<IpAddr>,
    addresses_due: Instant,
}

impl IoShared {
    /// Wakes that poll.
    pub(super) fn new(poll: &Poll) -> io::Result<Self> {
        Ok(Self {
            waker: Waker::new(poll.registry(), WAKE)?,
            next_key: AtomicU64::new(0),
            todo: Mutex::default(),
        })
    }

    /// A key for one more connection.
    pub(super) fn next_key(&self) -> PeerKey {
        PeerKey(self.next_key.fetch_add(1, Ordering::Relaxed))
    }

    /// Has the I/O thread look after a connection's commands; false when it has ended.
    pub(super) fn schedule(&self, peer: Arc<PeerShared>) -> bool {
        self.add(|todo| todo.peers.push(peer))
    }

    /// Hands in what came of a lookup.
    pub(super) fn resolved(&self, resolved: Resolved) {
        self.add(|todo| todo.resolved.push(resolved));
    }

    /// Has the I/O thread close every connection and end.
    pub(super) fn shut_down(&self) {
        self.add(|todo| todo.is_closed = true);
    }

    /// Notes something, and wakes the thread unless there was something noted before.
    fn add(&self, note: impl FnOnce(&mut Todo)) -> bool {
        let mut todo = self.todo.lock();
        if todo.is_closed {
            return false;
        }
        let is_first = todo.peers.is_empty() && todo.resolved.is_empty();
        note(&mut todo);
        drop(todo);
        if is_first && let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "cannot wake the I/O thread");
        }
        true
    }
}

impl IoThread {
    /// To be made on the thread that runs it, because connections stay where they are made.
    pub(super) fn new(poll: Poll, shared: Arc<IoShared>, world: World) -> Self {
        Self {
            poll,
            resolver: Resolver::new(Arc::clone(&shared), world.lookup),
            shared,
            world,
            mux: RefCell::new(Mux::new(SHARED)),
            tls: Tls::default(),
            multicast: RefCell::new(Multicast::new(MULTICAST, world.mdns_port)),
            certificate: Certificate::generate(rand::random()),
            connections: HashMap::new(),
            timers: BTreeSet::new(),
            deadlines: HashMap::new(),
            ready: BTreeSet::new(),
            buffer: vec![0; MAX_DATAGRAM],
            addresses: Vec::new(),
            addresses_due: Instant::now(),
        }
    }

    /// Serves until it is told to end.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(MAX_READY_EVENTS);
        loop {
            self.wait(&mut events);
            let todo = self.take_todo();
            for peer in todo.peers {
                self.handle_commands(&peer);
            }
            for resolved in todo.resolved {
                self.handle_resolved(&resolved);
            }
            if todo.is_closed {
                return self.end();
            }
            self.receive();
            self.handle_timeouts();
            self.serve_multicast();
            self.watch_addresses();
        }
    }

    /// Waits for something to do, and notes which sockets are ready.
    fn wait(&mut self, events: &mut Events) {
        let timeout = if self.ready.is_empty() {
            let timers = self.timers.first().map(|(at, _)| (*at).min(self.addresses_due));
            let next = timers.into_iter().chain(self.multicast.borrow().poll_timeout()).min();
            next.map(|at| at.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        if let Err(error) = self.poll.poll(events, timeout) {
            if error.kind() != io::ErrorKind::Interrupted {
                tracing::warn!(%error, "cannot wait for sockets");
            }
            return;
        }
        self.ready.extend(events.iter().map(Event::token).filter(|&token| token != WAKE));
    }

    fn take_todo(&self) -> Todo {
        let mut todo = self.shared.todo.lock();
        Todo {
            peers: std::mem::take(&mut todo.peers),
            resolved: std::mem::take(&mut todo.resolved),
            is_closed: todo.is_closed,
        }
    }

    fn handle_commands(&mut self, peer: &Arc<PeerShared>) {
        let mut commands = peer.take_commands();
        if let Some(Command::Start(options)) =
            commands.pop_front_if(|first| matches!(first, Command::Start(_)))
        {
            self.start(peer, options);
        }
        self.with_connection(peer.key(), |connection, around, _| {
            connection.handle_commands(commands, around);
        });
    }

    fn start(&mut self, peer: &Arc<PeerShared>, options: PeerOptions) {
        let made = panic::catch_unwind(AssertUnwindSafe(|| {
            Connection::new(Arc::clone(peer), &self.certificate, options)
        }));
        match made {
            Ok(connection) => {
                self.connections.insert(peer.key(), connection);
            }
            Err(_) => peer.detach(ConnectionState::Failed),
        }
    }

    fn handle_resolved(&mut self, resolved: &Resolved) {
        let keys: Vec<_> = self.connections.keys().copied().collect();
        for key in keys {
            self.with_connection(key, |connection, around, _| {
                connection.handle_resolved(resolved, around);
            });
        }
    }

    /// Gives each socket that was ready one turn.
    fn receive(&mut self) {
        for token in std::mem::take(&mut self.ready) {
            let has_more = match token {
                MULTICAST => self.multicast.borrow_mut().receive(&mut self.buffer),
                Token(..SHARED) => self.receive_own(token),
                _ => self.receive_shared(token),
            };
            if has_more {
                self.ready.insert(token);
            }
        }
    }

    fn receive_own(&mut self, token: Token) -> bool {
        let (key, source) = owner(token);
        let mut has_more = false;
        self.with_connection(key, |connection, around, buffer| {
            has_more = connection.receive(source, buffer, around);
        });
        has_more
    }

    fn receive_shared(&mut self, token: Token) -> bool {
        let Some(socket) = self.mux.borrow().by_token(token) else { return false };
        for _ in 0..BATCH {
            match socket.receive(&mut self.buffer) {
                Received::Datagram(size, from) => self.pass_on(socket.local(), from, size),
                Received::Rejection => {}
                Received::Nothing => return false,
            }
        }
        true
    }

    /// Gives what is in the buffer to the connection that it is for.
    fn pass_on(&mut self, local: SocketAddr, from: SocketAddr, size: usize) {
        let owner = self.mux.borrow().owner(local, from, &self.buffer[..size]);
        let Some(key) = owner else { return };
        self.with_connection(key, |connection, around, buffer| {
            connection.handle_datagram(local, from, &buffer[..size], around);
        });
    }

    fn handle_timeouts(&mut self) {
        let now = Instant::now();
        let due: Vec<_> =
            self.timers.iter().take_while(|(at, _)| *at <= now).map(|&(_, key)| key).collect();
        for key in due {
            self.with_connection(key, |connection, around, _| {
                connection.handle_timeout(now, around);
            });
        }
    }

    /// Lets the connections know what was found, which may have them ask for more.
    fn serve_multicast(&mut self) {
        loop {
            let mut multicast = self.multicast.borrow_mut();
            let found = multicast.serve(self.poll.registry(), self.world.local_addresses);
            drop(multicast);
            if found.is_empty() {
                return;
            }
            let keys: Vec<_> = self.connections.keys().copied().collect();
            for (key, found) in keys.iter().flat_map(|key| found.iter().map(move |f| (*key, f))) {
                self.with_connection(key, |connection, around, _| {
                    connection.handle_found(found, around);
                });
            }
        }
    }

    /// Tells the connections which addresses there are. One that was there a moment ago still
    /// counts: Wi-Fi that roams comes back with the same.
    fn watch_addresses(&mut self) {
        let now = Instant::now();
        if self.connections.is_empty() || now < self.addresses_due {
            return;
        }
        self.addresses_due = now + ADDRESS_INTERVAL;
        let present = (self.world.local_addresses)();
        let before = std::mem::replace(&mut self.addresses, present.clone());
        self.multicast.borrow_mut().listen_on(&present);
        let keys: Vec<_> = self.connections.keys().copied().collect();
        for key in keys {
            self.with_connection(key, |connection, around, _| {
                connection.handle_addresses(&present, &before, around);
            });
        }
    }

    /// Does something with a connection, if it is still there. A panic fails this connection and
    /// leaves the others alone.
    fn with_connection(
        &mut self,
        key: PeerKey,
        act: impl FnOnce(&mut Connection, &Surroundings<'_>, &mut [u8]),
    ) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let around = Surroundings {
            registry: self.poll.registry(),
            first_token: first_token(key),
            local_addresses: self.world.local_addresses,
            mux: &self.mux,
            multicast: &self.multicast,
            resolver: &self.resolver,
            tls: &self.tls,
        };
        let buffer = &mut self.buffer;
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| act(connection, &around, buffer)));
        let end = match outcome {
            Err(_) => Some(ConnectionState::Failed),
            Ok(()) if connection.is_over() => Some(ConnectionState::Closed),
            Ok(()) => None,
        };
        let deadline = if end.is_none() { connection.deadline() } else { None };
        self.set_timer(key, deadline);
        if let Some(state) = end {
            self.remove(key, state);
        }
    }

    fn set_timer(&mut self, key: PeerKey, deadline: Option<Instant>) {
        let before = match deadline {
            Some(deadline) => self.deadlines.insert(key, deadline),
            None => self.deadlines.remove(&key),
        };
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, key));
        }
        if let Some(deadline) = deadline {
            self.timers.insert((deadline, key));
        }
    }

    fn remove(&mut self, key: PeerKey, state: ConnectionState) {
        if let Some(mut connection) = self.connections.remove(&key) {
            connection.detach(state);
            connection.withdraw(&self.multicast);
            // What panicked once may do so again while it is taken apart.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(connection)));
            self.mux.borrow_mut().forget(key);
        }
    }

    /// Says goodbye to everybody.
    fn end(&mut self) {
        let keys: Vec<_> = self.connections.keys().copied().collect();
        for key in keys {
            self.with_connection(key, |connection, around, _| connection.shut_down(around));
            self.remove(key, ConnectionState::Closed);
        }
    }
}

fn first_token(key: PeerKey) -> usize {
    // Wraps on 32-bit systems after 2^27 connections, which none of them lives to see.
    (key.0 as usize).wrapping_mul(MAX_SOURCES) % SHARED
}

fn owner(token: Token) -> (PeerKey, usize) {
    (PeerKey((token.0 / MAX_SOURCES) as u64), token.0 % MAX_SOURCES)
}
