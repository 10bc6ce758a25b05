//! A bad network between two ends: their candidates are replaced by addresses of ours, and what
//! comes there is passed on late, twice, or never.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fastrand::Rng;
use nix::poll::{PollFd, PollFlags, ppoll};
use parking_lot::Mutex;

use crate::clock::{self, now};
use crate::end::Side;

/// How bad the network is.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// What share of the datagrams is lost.
    pub loss: f64,
    /// How long they travel.
    pub delay: Duration,
    /// What share travels longer, and what share arrives once more; up to [`STRAY`].
    pub reordered: f64,
    pub duplicated: f64,
    /// How long nothing passes, every [`OUTAGE_PERIOD`].
    pub outage: Duration,
}

const STRAY: Duration = Duration::from_millis(20);
const OUTAGE_PERIOD: Duration = Duration::from_secs(3);

/// The network. It ends when dropped.
pub struct Link {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    proxies: Mutex<Vec<Arc<Proxy>>>,
    is_over: AtomicBool,
}

/// Stands for an address of one end in front of the other.
struct Proxy {
    real: SocketAddr,
    side: Side,
    socket: UdpSocket,
}

impl Link {
    pub fn start(condition: Condition, seed: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || {
            clock::sleep_precisely();
            if let Err(error) = Carrier::new(condition, seed).run(&for_thread) {
                eprintln!("the network is down: {error:#}");
            }
        });
        Self { shared }
    }

    /// Replaces the address in the candidate of one end by one that leads there through us.
    pub fn replace(&self, side: Side, candidate: &str) -> Result<String> {
        let mut parts: Vec<&str> = candidate.split(' ').collect();
        let [_, _, _, _, address, port, ..] = parts[..] else {
            anyhow::bail!("not a candidate: {candidate}");
        };
        let real = SocketAddr::new(address.parse()?, port.parse()?);
        let socket = UdpSocket::bind((real.ip(), 0))?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port().to_string();
        self.shared.proxies.lock().push(Arc::new(Proxy { real, side, socket }));
        parts[5] = &port;
        Ok(parts.join(" "))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
    }
}

/// Carries the datagrams of both directions.
struct Carrier {
    condition: Condition,
    begun: Duration,
    /// Decides about each datagram for A, and each for B.
    fates: [Rng; 2],
    proxies: Vec<Arc<Proxy>>,
    /// By the time of arrival, then by the order of sending.
    under_way: BinaryHeap<Reverse<(Duration, u64, Datagram)>>,
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// How long to wait at most before looking for new candidates.
const LOOK: Duration = Duration::from_millis(1);

impl Carrier {
    fn new(condition: Condition, seed: u64) -> Self {
        Self {
            condition,
            begun: now(),
            fates: [Rng::with_seed(2 * seed), Rng::with_seed(2 * seed + 1)],
            proxies: Vec::new(),
            under_way: BinaryHeap::new(),
            count: 0,
        }
    }

    fn run(mut self, shared: &Shared) -> Result<()> {
        while !shared.is_over.load(Ordering::Acquire) {
            self.proxies.clone_from(&shared.proxies.lock());
            self.wait()?;
            for proxy in self.proxies.clone() {
                self.receive(&proxy)?;
            }
            self.deliver();
        }
        Ok(())
    }

    fn wait(&self) -> Result<()> {
        let next = self.under_way.peek().map(|Reverse((at, ..))| at.saturating_sub(now()));
        let timeout = next.unwrap_or(LOOK).min(LOOK);
        let sockets = self.proxies.iter().map(|p| PollFd::new(p.socket.as_fd(), PollFlags::POLLIN));
        ppoll(&mut sockets.collect::<Vec<_>>(), Some(timeout.into()), None)?;
        Ok(())
    }

    fn receive(&mut self, proxy: &Proxy) -> Result<()> {
        let mut buffer = [0; 2048];
        loop {
            let (size, from) = match proxy.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // An end is gone.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error).context("receiving"),
            };
            let datagram = Datagram { from, to: proxy.real, bytes: buffer[..size].to_vec() };
            let now = now();
            for delay in self.fate(proxy.side, now) {
                self.count += 1;
                self.under_way.push(Reverse((now + delay, self.count, datagram.clone())));
            }
        }
    }

    /// When, from now on, a datagram arrives; never, once, or twice. Draws the same numbers for
    /// each, so that one condition loses the same ones as another, and more.
    fn fate(&mut self, to: Side, now: Duration) -> Vec<Duration> {
        let Condition { loss, delay, reordered, duplicated, outage } = self.condition;
        let rng = &mut self.fates[to as usize];
        let draws = [(); 5].map(|()| rng.f64());
        let phase = (now - self.begun).as_secs_f64() % OUTAGE_PERIOD.as_secs_f64();
        // The first outage comes in the middle of the first period.
        let is_out = (phase - OUTAGE_PERIOD.as_secs_f64() / 2.0).abs() < outage.as_secs_f64() / 2.0;
        if draws[0] < loss || is_out {
            return Vec::new();
        }
        let stray = |is_stray: bool, share: f64| {
            if is_stray { STRAY.mul_f64(share) } else { Duration::ZERO }
        };
        let mut arrivals = vec![delay + stray(draws[1] < reordered, draws[2])];
        if draws[3] < duplicated {
            arrivals.push(delay + STRAY.mul_f64(draws[4]));
        }
        arrivals
    }

    /// Hands over what has arrived by now.
    fn deliver(&mut self) {
        while let Some(Reverse((at, ..))) = self.under_way.peek()
            && *at <= now()
            && let Some(Reverse((.., datagram))) = self.under_way.pop()
        {
            // By now the sender has told the other end about this address of its own.
            if let Some(sender) = self.proxies.iter().find(|proxy| proxy.real == datagram.from) {
                // An end that is gone receives nothing.
                let _ = sender.socket.send_to(&datagram.bytes, datagram.to);
            }
        }
    }
}
