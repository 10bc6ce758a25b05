//! Finds the addresses of named servers without ever holding up the I/O thread.
//!
//! The system's resolver may take many seconds and cannot be interrupted. So each lookup runs on a
//! thread that nobody waits for, not even at the end: it ends with its lookup.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use super::io_thread::IoShared;
use super::{MAX_NAMES, MAX_RESOLVERS};

/// What is to be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) host: String,
    pub(super) port: u16,
}

/// What came of a lookup: no addresses when there are none, or when it was given up.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) name: Name,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Looks names up for every connection of an I/O thread.
pub(super) struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    lookup: fn(&Name) -> io::Result<Vec<SocketAddr>>,
    io: Arc<IoShared>,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    waiting: VecDeque<Name>,
    /// Names that wait or are being looked up, so that each is looked up once for all who ask.
    in_flight: HashSet<Name>,
    workers: usize,
}

impl Resolver {
    /// `lookup` may take its time.
    pub(super) fn new(io: Arc<IoShared>, lookup: fn(&Name) -> io::Result<Vec<SocketAddr>>) -> Self {
        Self { shared: Arc::new(Shared { lookup, io, work: Mutex::default() }) }
    }

    /// Looks a name up; the I/O thread finds the answer among what it has to do. False when too
    /// many names wait.
    pub(super) fn request(&self, name: &Name) -> bool {
        let mut work = self.shared.work.lock();
        if work.in_flight.contains(name) {
            return true;
        }
        if work.waiting.len() >= MAX_NAMES {
            return false;
        }
        if work.workers < MAX_RESOLVERS {
            if let Err(error) = self.spawn_worker() {
                tracing::warn!(%error, "cannot resolve names");
                return false;
            }
            work.workers += 1;
        }
        work.in_flight.insert(name.clone());
        work.waiting.push_back(name.clone());
        true
    }

    fn spawn_worker(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let worker = thread::Builder::new().name("webrtc-resolver".to_owned());
        worker.spawn(move || shared.work_off())?;
        Ok(())
    }
}

impl Shared {
    fn work_off(&self) {
        while let Some(name) = self.next_name() {
            let addresses = (self.lookup)(&name).unwrap_or_else(|error| {
                tracing::warn!(host = name.host, %error, "cannot resolve the name of a server");
                Vec::new()
            });
            self.work.lock().in_flight.remove(&name);
            self.io.resolved(Resolved { name, addresses });
        }
    }

    /// The next name, or the end of this worker.
    fn next_name(&self) -> Option<Name> {
        let mut work = self.work.lock();
        let name = work.waiting.pop_front();
        if name.is_none() {
            work.workers -= 1;
        }
        name
    }
}

/// Asks the system, which may ask the network.
pub(super) fn ask_system(name: &Name) -> io::Result<Vec<SocketAddr>> {
    Ok((name.host.as_str(), name.port).to_socket_addrs()?.collect())
}
