//! Finds the addresses of named servers without ever holding up the I/O thread.
//!
//! The system's resolver may take many seconds and cannot be interrupted. So each lookup runs on a
//! thread that nobody waits for, not even at the end: it ends with its lookup.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::io_thread::IoShared;
use super::{MAX_NAMES, MAX_RESOLVERS};
use crate::candidate::is_single_host;

/// After so long a lookup hangs, and another thread may take its place.
const HANGS_AFTER: Duration = Duration::from_secs(5);
/// Threads that hang and threads that do not, together.
const MAX_THREADS: usize = 4 * MAX_RESOLVERS;
/// How long an answer is remembered; what the name server says of that is not to be had.
const AGE: Duration = Duration::from_secs(60);
/// How long it is remembered that there is none.
const NEGATIVE_AGE: Duration = Duration::from_secs(10);
/// Answers that are remembered; the oldest is forgotten.
const MAX_ANSWERS: usize = 64;
/// Addresses taken of one name.
const MAX_ADDRESSES: usize = 8;

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
    /// Names that are being looked up, and since when.
    begun: HashMap<Name, Instant>,
    answers: Answers,
}

/// What was answered lately, oldest first.
#[derive(Default)]
struct Answers(VecDeque<Answer>);

struct Answer {
    name: Name,
    addresses: Vec<SocketAddr>,
    expiry: Instant,
}

impl Resolver {
    /// `lookup` may take its time.
    pub(super) fn new(io: Arc<IoShared>, lookup: fn(&Name) -> io::Result<Vec<SocketAddr>>) -> Self {
        Self { shared: Arc::new(Shared { lookup, io, work: Mutex::default() }) }
    }

    /// Looks a name up; the I/O thread finds the answer among what it has to do. False when too
    /// many names wait.
    pub(super) fn request(&self, name: &Name) -> bool {
        let now = Instant::now();
        let mut work = self.shared.work.lock();
        if let Some(addresses) = work.answers.get(now, name) {
            self.shared.io.resolved(Resolved { name: name.clone(), addresses });
            return true;
        }
        if work.in_flight.contains(name) {
            return true;
        }
        if work.waiting.len() >= MAX_NAMES {
            return false;
        }
        if work.may_employ(now) {
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
            let addresses = usable(addresses);
            self.work.lock().finish(Instant::now(), &name, addresses.clone());
            self.io.resolved(Resolved { name, addresses });
        }
    }

    /// The next name, or the end of this worker.
    fn next_name(&self) -> Option<Name> {
        let mut work = self.work.lock();
        let name = work.waiting.pop_front();
        match &name {
            Some(name) => drop(work.begun.insert(name.clone(), Instant::now())),
            None => work.workers -= 1,
        }
        name
    }
}

impl Work {
    /// Whether one more worker may be employed, in place of those that hang.
    fn may_employ(&self, now: Instant) -> bool {
        let hanging = self.begun.values().filter(|&&since| now >= since + HANGS_AFTER).count();
        self.workers < MAX_THREADS && self.workers - hanging < MAX_RESOLVERS
    }

    fn finish(&mut self, now: Instant, name: &Name, addresses: Vec<SocketAddr>) {
        self.in_flight.remove(name);
        self.begun.remove(name);
        self.answers.add(now, name.clone(), addresses);
    }
}

impl Answers {
    fn get(&self, now: Instant, name: &Name) -> Option<Vec<SocketAddr>> {
        let answer = self.0.iter().find(|answer| answer.name == *name && answer.expiry > now)?;
        Some(answer.addresses.clone())
    }

    fn add(&mut self, now: Instant, name: Name, addresses: Vec<SocketAddr>) {
        self.0.retain(|answer| answer.name != name && answer.expiry > now);
        if self.0.len() == MAX_ANSWERS {
            self.0.pop_front();
        }
        let age = if addresses.is_empty() { NEGATIVE_AGE } else { AGE };
        self.0.push_back(Answer { name, addresses, expiry: now + age });
    }
}

/// Those that a datagram can be sent to, each once.
fn usable(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut usable = Vec::new();
    for address in addresses {
        let is_usable = is_single_host(address.ip()) && address.port() != 0;
        if is_usable && usable.len() < MAX_ADDRESSES && !usable.contains(&address) {
            usable.push(address);
        }
    }
    usable
}

/// Asks the system, which may ask the network.
pub(super) fn ask_system(name: &Name) -> io::Result<Vec<SocketAddr>> {
    Ok((name.host.as_str(), name.port).to_socket_addrs()?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(host: &str) -> Name {
        Name { host: host.to_owned(), port: 3478 }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn answers_are_remembered_for_a_while() {
        let mut answers = Answers::default();
        let start = Instant::now();
        let known = addresses(&["192.0.2.1:3478"]);
        answers.add(start, name("known"), known.clone());
        answers.add(start, name("unknown"), Vec::new());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(answers.get(at(9), &name("unknown")), Some(Vec::new()));
        assert_eq!(answers.get(at(10), &name("unknown")), None);
        assert_eq!(answers.get(at(59), &name("known")), Some(known));
        assert_eq!(answers.get(at(60), &name("known")), None);
        for n in 0..1000 {
            answers.add(at(1), name(&n.to_string()), Vec::new());
        }
        assert_eq!(answers.0.len(), MAX_ANSWERS);
        assert_eq!(answers.get(at(1), &name("known")), None, "the oldest");
        assert_eq!(answers.get(at(1), &name("999")), Some(Vec::new()));
    }

    #[test]
    fn lookups_that_hang_are_replaced_up_to_a_limit() {
        let start = Instant::now();
        let mut work = Work { workers: MAX_RESOLVERS, ..Work::default() };
        for n in 0..MAX_RESOLVERS {
            work.begun.insert(name(&n.to_string()), start);
        }
        assert!(!work.may_employ(start + Duration::from_secs(4)));
        assert!(work.may_employ(start + Duration::from_secs(5)));
        work.workers = MAX_THREADS;
        for n in 0..MAX_THREADS {
            work.begun.insert(name(&n.to_string()), start);
        }
        assert!(!work.may_employ(start + Duration::from_secs(3600)));
    }

    #[test]
    fn only_addresses_of_hosts_are_taken_each_once() {
        let found = addresses(&["0.0.0.0:1", "192.0.2.1:1", "192.0.2.1:1", "[::]:1", "[::1]:0"]);
        assert_eq!(usable(found), addresses(&["192.0.2.1:1"]));
        let many = (1..100).map(|n| SocketAddr::from(([192, 0, 2, n], 1))).collect();
        assert_eq!(usable(many).len(), MAX_ADDRESSES);
    }
}
