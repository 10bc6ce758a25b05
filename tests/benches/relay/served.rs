//! A server on a thread of its own.

use std::any::Any;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

/// A server on a runtime with one thread, which does nothing else.
pub(crate) struct Served {
    pub(crate) addr: SocketAddr,
    /// What keeps the server running.
    _server: Box<dyn Any>,
    _runtime: Runtime,
    /// Where Linux tells about the threads.
    threads: Arc<Mutex<Vec<PathBuf>>>,
}

impl Served {
    pub(crate) fn start(serve: impl FnOnce(&Handle) -> (SocketAddr, Box<dyn Any>)) -> Self {
        let threads = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&threads);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_thread_start(move || known.lock().extend(fs::read_link("/proc/thread-self")))
            .build()
            .unwrap();
        let (addr, server) = serve(runtime.handle());
        Self { addr, _server: server, _runtime: runtime, threads }
    }

    /// The processor time that the server has spent; `None` where it cannot be told.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        let threads = self.threads.lock();
        let times = threads.iter().map(|thread| {
            let stat = fs::read_to_string(PathBuf::from("/proc").join(thread).join("schedstat"));
            stat.ok()?.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        });
        times.sum::<Option<Duration>>().filter(|time| !time.is_zero())
    }
}
