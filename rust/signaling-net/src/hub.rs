//! The machine, its lock, and what every connection does under it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use signaling_core::{Close, ConnId, Frame, Input, Output, Server, TurnedAway};
use tokio::sync::Notify;

use crate::config::ServerConfig;
use crate::mailbox::{Mailbox, Owner};
use crate::notices::{NoticeQueue, Notices};

/// One served machine. Every input is one step: lock, handle, drain the outputs into mailboxes and
/// notices, unlock, wake whoever has something to do. Nothing is awaited under the lock.
pub(crate) struct Hub<S: Server> {
    pub(crate) config: ServerConfig,
    state: Mutex<State<S>>,
    /// Locked after the state, never before it.
    notices: Mutex<NoticeQueue<S::Notice>>,
    /// Told when there is a notice.
    noticed: Notify,
    /// Told when the machine's earliest deadline has moved forward.
    alarm_moved: Notify,
    /// How many connections the machine knows, to be read without the lock.
    connections: AtomicUsize,
}

struct State<S> {
    machine: S,
    /// The connections that the machine has not closed.
    mailboxes: HashMap<ConnId, Arc<Mailbox>>,
    next_conn: u64,
    /// The deadline that the timer's task sleeps until.
    alarm: Option<Instant>,
    /// True from shutdown on; nobody is let in any more.
    stopped: bool,
}

impl<S: Server> Hub<S> {
    pub(crate) fn new(machine: S, config: ServerConfig) -> Self {
        let notices = Mutex::new(NoticeQueue::new(config.max_notices));
        let state =
            State { machine, mailboxes: HashMap::new(), next_conn: 0, alarm: None, stopped: false };
        Self {
            config,
            state: Mutex::new(state),
            notices,
            noticed: Notify::new(),
            alarm_moved: Notify::new(),
            connections: AtomicUsize::new(0),
        }
    }

    /// Whether one more connection may come in.
    pub(crate) fn knock(&self, target: &str, from: &str) -> Result<(), TurnedAway> {
        if self.connections() >= self.config.max_connections {
            return Err(TurnedAway::Full);
        }
        self.state.lock().machine.knock(Instant::now(), target, from)
    }

    /// Lets a connection in. Its seat is closed from the start when the machine refuses it or the
    /// server has stopped.
    pub(crate) fn open(self: &Arc<Self>, target: &str, from: &str) -> Seat<S> {
        let mailbox = Arc::new(Mailbox::new(self.config.outbox_bytes));
        let mut state = self.state.lock();
        let conn = ConnId(state.next_conn);
        state.next_conn += 1;
        if state.stopped {
            mailbox.close(Close::shutting_down());
        } else {
            state.mailboxes.insert(conn, Arc::clone(&mailbox));
            self.step(state, Input::Opened { conn, target, from });
        }
        Seat { hub: Arc::clone(self), conn, mailbox }
    }

    fn receive(&self, conn: ConnId, frame: Frame<'_>) -> usize {
        let message = S::decode(frame);
        let state = self.state.lock();
        if !state.mailboxes.contains_key(&conn) {
            return 0;
        }
        self.step(state, Input::Message { conn, message })
    }

    fn hear(&self, conn: ConnId) {
        let state = self.state.lock();
        if state.mailboxes.contains_key(&conn) {
            self.step(state, Input::Heard { conn });
        }
    }

    fn leave(&self, conn: ConnId) {
        let mut state = self.state.lock();
        if state.mailboxes.remove(&conn).is_some() {
            self.step(state, Input::Closed { conn });
        }
    }

    pub(crate) fn command(&self, command: S::Command) {
        self.step(self.state.lock(), Input::Command(command));
    }

    /// Hands in the time and returns when to call again.
    pub(crate) fn tick(&self) -> Option<Instant> {
        self.step(self.state.lock(), Input::Timeout);
        let mut state = self.state.lock();
        state.alarm = state.machine.poll_timeout();
        state.alarm
    }

    /// Resolves when [`Hub::tick`] is to be called earlier than it said last.
    pub(crate) async fn alarm_moved(&self) {
        self.alarm_moved.notified().await;
    }

    /// Closes every connection, whether the machine does so or not.
    pub(crate) fn shut_down(&self) {
        let mut state = self.state.lock();
        state.stopped = true;
        self.step(state, Input::Shutdown);
        let forgotten = std::mem::take(&mut self.state.lock().mailboxes);
        self.connections.store(0, Ordering::Relaxed);
        for mailbox in forgotten.into_values() {
            mailbox.close(Close::shutting_down());
            mailbox.wake_owner();
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn take_notices(&self) -> Notices<S::Notice> {
        self.notices.lock().take()
    }

    /// Resolves when there may be a notice.
    pub(crate) async fn noticed(&self) {
        self.noticed.notified().await;
    }

    pub(crate) fn resync<R>(&self, read: impl FnOnce(&S) -> R) -> R {
        let state = self.state.lock();
        self.notices.lock().take();
        read(&state.machine)
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&S) -> R) -> R {
        read(&self.state.lock().machine)
    }

    /// One input and everything that follows from it. Returns how many messages that was.
    fn step(&self, mut state: MutexGuard<'_, State<S>>, input: Input<'_, S>) -> usize {
        let now = Instant::now();
        let mut effects = Effects::default();
        state.machine.handle_input(now, input);
        self.drain(&mut state, &mut effects);
        while let Some(conn) = effects.departed.pop() {
            state.machine.handle_input(now, Input::Closed { conn });
            self.drain(&mut state, &mut effects);
        }
        self.connections.store(state.mailboxes.len(), Ordering::Relaxed);
        let earliest = state.machine.poll_timeout();
        let sooner = earliest.is_some_and(|at| state.alarm.is_none_or(|alarm| at < alarm));
        if sooner {
            state.alarm = earliest;
        }
        drop(state);
        if sooner {
            self.alarm_moved.notify_one();
        }
        if effects.noticed {
            self.noticed.notify_one();
        }
        effects.to_wake.iter().for_each(|mailbox| mailbox.wake_owner());
        effects.sent
    }

    fn drain(&self, state: &mut State<S>, effects: &mut Effects) {
        while let Some(output) = state.machine.poll_output() {
            match output {
                Output::Send { conn, text } => {
                    effects.sent += 1;
                    state.send(conn, text, effects);
                }
                Output::Ping { conn } => state.ping(conn, effects),
                Output::Close { conn, close } => state.close(conn, close, effects),
                Output::Notice(notice) => {
                    self.notices.lock().push(notice);
                    effects.noticed = true;
                }
            }
        }
    }
}

/// What is left to do after a machine's outputs were drained.
#[derive(Default)]
struct Effects {
    /// Messages, whether or not their receiver could take them.
    sent: usize,
    to_wake: Vec<Arc<Mailbox>>,
    noticed: bool,
    /// Connections whose mailbox overflowed: the machine does not know yet that they are gone.
    departed: Vec<ConnId>,
}

impl<S> State<S> {
    fn send(&mut self, conn: ConnId, text: Arc<str>, effects: &mut Effects) {
        let Some(mailbox) = self.mailboxes.get(&conn) else { return };
        match mailbox.push(text) {
            Ok(Owner::Idle) => effects.to_wake.push(Arc::clone(mailbox)),
            Ok(Owner::Busy) => {}
            Err(full) => {
                tracing::debug!(%conn, "{full}");
                effects.to_wake.extend(self.mailboxes.remove(&conn));
                effects.departed.push(conn);
            }
        }
    }

    fn ping(&mut self, conn: ConnId, effects: &mut Effects) {
        if let Some(mailbox) = self.mailboxes.get(&conn) {
            mailbox.ask_for_ping();
            effects.to_wake.push(Arc::clone(mailbox));
        }
    }

    fn close(&mut self, conn: ConnId, close: Close, effects: &mut Effects) {
        if let Some(mailbox) = self.mailboxes.remove(&conn) {
            tracing::debug!(%conn, code = close.code, reason = &*close.reason, "closed");
            mailbox.close(close);
            effects.to_wake.push(mailbox);
        }
    }
}

/// A connection's place at the machine. Dropping it tells the machine that the connection is gone,
/// whatever ended it, unless the machine knows already.
pub(crate) struct Seat<S: Server> {
    hub: Arc<Hub<S>>,
    conn: ConnId,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl<S: Server> Seat<S> {
    pub(crate) fn conn(&self) -> ConnId {
        self.conn
    }

    /// Hands in a frame, and returns how many messages it led to. Ignored when the machine has closed
    /// the connection.
    pub(crate) fn receive(&self, frame: Frame<'_>) -> usize {
        self.hub.receive(self.conn, frame)
    }

    /// Tells the machine of a ping or pong.
    pub(crate) fn hear(&self) {
        self.hub.hear(self.conn);
    }
}

impl<S: Server> Drop for Seat<S> {
    fn drop(&mut self) {
        self.hub.leave(self.conn);
    }
}
