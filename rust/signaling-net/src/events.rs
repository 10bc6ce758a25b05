//! What waits for the game.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The events of one client's session. The session's driver asks for room before it reads on or
/// connects, so that no event is ever dropped: what strangers do exceeds the capacity by what one
/// input leads to at most.
#[derive(Debug)]
pub(crate) struct EventQueue<E> {
    waiting: Mutex<VecDeque<E>>,
    capacity: usize,
    /// Woken when there is room again.
    driver: AtomicWaker,
    /// Told when there is an event.
    told: Notify,
}

impl<E> EventQueue<E> {
    pub(crate) fn new(capacity: usize) -> Self {
        let waiting = Mutex::new(VecDeque::new());
        Self { waiting, capacity, driver: AtomicWaker::new(), told: Notify::new() }
    }

    pub(crate) fn push(&self, event: E) {
        self.waiting.lock().push_back(event);
        self.told.notify_one();
    }

    pub(crate) fn take(&self) -> Vec<E> {
        let events = std::mem::take(&mut *self.waiting.lock());
        if events.len() >= self.capacity {
            self.driver.wake();
        }
        events.into()
    }

    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }

    /// Ready while another input may be read.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.driver.register(cx.waker());
        if self.waiting.lock().len() < self.capacity { Poll::Ready(()) } else { Poll::Pending }
    }
}
