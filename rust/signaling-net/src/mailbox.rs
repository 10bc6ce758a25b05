//! One connection's outbox, shared by those who fill it and the task that drains it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use signaling_core::Close;
use signaling_core::outbox::{Full, Outbox};

/// An [`Outbox`] behind a lock of its own, with the waker of the task that drains it.
#[derive(Debug)]
pub(crate) struct Mailbox {
    outbox: Mutex<Outbox>,
    /// Whether a ping is to be sent.
    ping: AtomicBool,
    owner: AtomicWaker,
}

/// Whether the owner of a mailbox has to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It sleeps until it is woken.
    Idle,
    /// Something waited already: it has been woken, or waits for its socket.
    Busy,
}

impl Mailbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            outbox: Mutex::new(Outbox::new(capacity)),
            ping: AtomicBool::new(false),
            owner: AtomicWaker::new(),
        }
    }

    /// Adds a message. On [`Full`] the mailbox has closed itself and the owner is to be woken.
    pub(crate) fn push(&self, text: Arc<str>) -> Result<Owner, Full> {
        let mut outbox = self.outbox.lock();
        let owner = if outbox.is_idle() { Owner::Idle } else { Owner::Busy };
        outbox.push(text).map(|()| owner)
    }

    /// Wants a ping to be sent; the owner is to be woken.
    pub(crate) fn ask_for_ping(&self) {
        self.ping.store(true, Ordering::Release);
    }

    /// Whether a ping was asked for since the last call.
    pub(crate) fn take_ping(&self) -> bool {
        self.ping.swap(false, Ordering::AcqRel)
    }

    /// Ends the mailbox; the owner is to be woken. The first close wins.
    pub(crate) fn close(&self, close: Close) {
        self.outbox.lock().close(close);
    }

    pub(crate) fn pop(&self) -> Option<Arc<str>> {
        self.outbox.lock().pop()
    }

    /// How the connection is to be closed, once it is.
    pub(crate) fn closing(&self) -> Option<Close> {
        self.outbox.lock().closing().cloned()
    }

    pub(crate) fn wake_owner(&self) {
        self.owner.wake();
    }

    /// To be called by the owner before it looks, so that nothing is missed.
    pub(crate) fn register_owner(&self, waker: &Waker) {
        self.owner.register(waker);
    }
}
