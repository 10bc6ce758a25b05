//! Whose questions wait for the service: nobody's keep those of others waiting for long.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Questions that are asked at once, each on a thread of its own.
pub(crate) const THREADS: usize = 64;
/// Questions that are asked or wait. One more is turned away.
const MAX_OPEN: usize = 1024;
/// And of one address, so that it never has all the threads.
const MAX_OPEN_OF_ADDRESS: usize = 16;

pub(crate) struct Queue {
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// How many places each address has.
    taken: Arc<Mutex<HashMap<String, usize>>>,
    patience: Duration,
}

/// The right to ask, until it is dropped.
pub(crate) struct Turn {
    _place: Place,
    _thread: OwnedSemaphorePermit,
}

struct Place {
    _permit: OwnedSemaphorePermit,
    taken: Arc<Mutex<HashMap<String, usize>>>,
    address: String,
}

impl Queue {
    /// An empty queue in which one question waits for as long as `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(THREADS)),
            places: Arc::new(Semaphore::new(MAX_OPEN)),
            taken: Arc::default(),
            patience,
        }
    }

    /// Waits for a turn of somebody at this address; `None` when too many do already, or for too
    /// long.
    pub(crate) async fn turn(&self, address: String) -> Option<Turn> {
        let place = self.place(address)?;
        let thread = timeout(self.patience, Arc::clone(&self.threads).acquire_owned()).await;
        Some(Turn { _place: place, _thread: thread.ok()?.ok()? })
    }

    fn place(&self, address: String) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut taken = self.taken.lock();
        let count = taken.entry(address.clone()).or_default();
        if *count == MAX_OPEN_OF_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Place { _permit: permit, taken: Arc::clone(&self.taken), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    async fn turns(queue: &Queue, address: &str, count: usize) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..count {
            turns.extend(queue.turn(address.to_owned()).await);
        }
        turns
    }

    #[tokio::test]
    async fn one_address_leaves_turns_for_others() {
        let queue = Queue::new(SHORT);
        let mut first = turns(&queue, "a", 20).await;
        assert_eq!(first.len(), 16);
        let others = turns(&queue, "b", 1).await;
        assert_eq!(others.len(), 1);
        first.pop();
        assert_eq!(turns(&queue, "a", 2).await.len(), 1);
        drop((first, others));
        assert!(queue.taken.lock().is_empty());
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let queue = Queue::new(SHORT);
        let mut all = Vec::new();
        for address in ["a", "b", "c", "d", "e"] {
            all.extend(turns(&queue, address, 16).await);
        }
        assert_eq!(all.len(), THREADS);
        all.pop();
        assert_eq!(turns(&queue, "f", 1).await.len(), 1);
    }
}
