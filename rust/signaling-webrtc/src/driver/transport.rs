//! Starts the I/O thread when it is first needed, and stops it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use super::io_thread::{IoShared, IoThread, World};
use super::peer_handle::{PeerHandle, PeerOptions};

/// Every connection of the process, on one thread that starts with the first of them.
pub struct Transport {
    world: World,
    running: Mutex<Option<Running>>,
}

/// The I/O thread did not end in time. It was left to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the I/O thread did not end in time")]
pub struct StillRunning;

struct Running {
    shared: Arc<IoShared>,
    thread: JoinHandle<()>,
    /// Disconnected when the thread has done its work.
    ended: Receiver<()>,
}

impl Transport {
    /// Starts nothing yet. Connections will be reached through every usable address of this
    /// machine.
    pub const fn new() -> Self {
        Self::with_world(World::SYSTEM)
    }

    /// As [`Transport::new`], with the addresses to bind given by a function that is asked anew
    /// for each connection; at most 16 of them are used.
    pub const fn with_local_addresses(local_addresses: fn() -> Vec<IpAddr>) -> Self {
        Self::with_world(World { local_addresses, ..World::SYSTEM })
    }

    pub(super) const fn with_world(world: World) -> Self {
        Self { world, running: Mutex::new(None) }
    }

    /// A new connection. The I/O thread is started when it does not run.
    ///
    /// # Errors
    /// When the system refuses a thread or what it needs to wait for sockets.
    pub fn peer(&self, options: PeerOptions) -> io::Result<PeerHandle> {
        let mut running = self.running.lock();
        let io = match &*running {
            Some(running) => Arc::clone(&running.shared),
            None => Arc::clone(&running.insert(Running::start(self.world)?).shared),
        };
        drop(running);
        Ok(PeerHandle::new(io.next_key(), io, options))
    }

    /// Closes every connection, tells the other sides, and waits for the I/O thread to end. A
    /// connection made afterwards starts it again.
    ///
    /// # Errors
    /// [`StillRunning`] when it took longer than `timeout`.
    pub fn shut_down(&self, timeout: Duration) -> Result<(), StillRunning> {
        match self.running.lock().take() {
            Some(running) => running.stop(timeout),
            None => Ok(()),
        }
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Transport {
    /// Closes every connection and lets the thread end by itself.
    fn drop(&mut self) {
        if let Some(running) = self.running.get_mut().take() {
            running.shared.shut_down();
        }
    }
}

impl Running {
    fn start(world: World) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let shared = Arc::new(IoShared::new(&poll)?);
        let (alive, ended) = mpsc::channel();
        let builder = thread::Builder::new().name("webrtc".to_owned());
        let for_thread = Arc::clone(&shared);
        let thread = builder.spawn(move || {
            let _alive: mpsc::Sender<()> = alive;
            IoThread::new(poll, for_thread, world).run();
        })?;
        Ok(Self { shared, thread, ended })
    }

    fn stop(self, timeout: Duration) -> Result<(), StillRunning> {
        self.shared.shut_down();
        match self.ended.recv_timeout(timeout) {
            Err(mpsc::RecvTimeoutError::Timeout) => Err(StillRunning),
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                // A panic outside of any connection has been reported by the panic hook.
                let _ = self.thread.join();
                Ok(())
            }
        }
    }
}
