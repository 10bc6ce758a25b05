//! The network thread: one for the process, started when the first node needs it and joined
//! before the library can be unloaded.

use std::io;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time;

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// How long the engine may wait at exit for connections to say goodbye.
const FAREWELL: Duration = Duration::from_millis(500);

/// How often to look whether they all have.
const LOOK: Duration = Duration::from_millis(5);

/// Where tasks of the network thread are started; starts the thread when it does not run yet.
///
/// # Errors
/// When the system grants no thread or no event queue.
pub(crate) fn handle() -> io::Result<Handle> {
    let mut runtime = RUNTIME.lock();
    match &*runtime {
        Some(running) => Ok(running.handle().clone()),
        None => Ok(runtime.insert(start()?).handle().clone()),
    }
}

/// Gives the connections that are closing a moment to do so, then ends the network thread and
/// joins it. The nodes are gone by now, so nobody starts it again.
pub(crate) fn shut_down() {
    let Some(runtime) = RUNTIME.lock().take() else { return };
    let farewell = async {
        while runtime.metrics().num_alive_tasks() > 0 {
            time::sleep(LOOK).await;
        }
    };
    // A connection that takes longer is cut off.
    let _ = runtime.block_on(async { time::timeout(FAREWELL, farewell).await });
    runtime.shutdown_timeout(FAREWELL);
}

fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("signaling")
        .enable_io()
        .enable_time()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_once_and_ends_tasks_that_do_not_end_by_themselves() {
        let task = handle().unwrap().spawn(std::future::pending::<()>());
        assert_eq!(handle().unwrap().id(), handle().unwrap().id());
        shut_down();
        assert!(task.is_finished());
        assert!(RUNTIME.lock().is_none());
    }
}
