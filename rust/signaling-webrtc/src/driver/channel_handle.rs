//! What a caller holds of a data channel.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use parking_lot::Mutex;

use super::peer_handle::{Command, PeerShared};
use super::{MAX_BUFFERED, MAX_WAITING_BYTES};
use crate::channels::{Amount, ChannelInit, ChannelKey, Reliability};

/// A data channel, usable from any thread. Nothing here waits. Dropping it closes the channel.
pub struct ChannelHandle {
    shared: Arc<ChannelShared>,
}

/// What arrived on a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The bytes, possibly none.
    pub data: Vec<u8>,
    /// Whether it was sent as text; then it may still not be UTF-8.
    pub text: bool,
}

/// How a channel is (W3C WebRTC, section 6.2.1). It only ever goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// It cannot be used yet.
    Connecting,
    /// Messages go both ways.
    Open,
    /// What waits is still sent, nothing more is accepted.
    Closing,
    /// Nothing goes any more; what arrived before can still be taken.
    Closed,
}

/// Why a message is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The channel is not open yet.
    #[error("the channel is not open yet")]
    NotOpen,
    /// The channel is closing or closed.
    #[error("the channel is closed")]
    Closed,
    /// The other side does not take a message of this size.
    #[error("larger than the {0} bytes that the other side takes")]
    TooLarge(usize),
    /// Too much waits to be sent: try again when [`ChannelHandle::buffered_amount`] has fallen.
    #[error("too much waits to be sent")]
    Full,
}

/// The stream id of a channel that has none yet; never a valid one.
const NO_ID: u16 = 65_535;
/// What a waiting message costs beside its bytes, so that empty ones are bounded too.
const MESSAGE_OVERHEAD: usize = 64;
/// A reader that was too slow has to come down to this before more is delivered.
const RESUME_BYTES: usize = MAX_WAITING_BYTES / 2;

/// What the handle and the I/O thread share.
pub(super) struct ChannelShared {
    peer: Arc<PeerShared>,
    key: ChannelKey,
    init: ChannelInit,
    id: AtomicU16,
    state: AtomicU8,
    /// What was accepted and has neither left nor been given up.
    outgoing: Mutex<Amount>,
    inbox: Mutex<Inbox>,
}

/// Messages that arrived and wait to be taken.
#[derive(Default)]
struct Inbox {
    messages: VecDeque<Message>,
    bytes: usize,
    /// Whether the I/O thread has stopped delivering until there is room.
    paused: bool,
}

impl ChannelHandle {
    pub(super) fn new(shared: Arc<ChannelShared>) -> Self {
        Self { shared }
    }

    /// How the channel was made.
    pub fn init(&self) -> &ChannelInit {
        &self.shared.init
    }

    /// Its stream id; `None` until it is known, which is when the channel opens.
    pub fn id(&self) -> Option<u16> {
        self.shared.id()
    }

    /// How it is.
    pub fn state(&self) -> ChannelState {
        self.shared.state()
    }

    /// Bytes that were accepted and have not left yet.
    pub fn buffered_amount(&self) -> usize {
        self.shared.buffered_amount()
    }

    /// The largest message that the other side takes, in bytes.
    pub fn max_message_bytes(&self) -> usize {
        self.shared.peer.max_message_bytes()
    }

    /// Sends a message; it leaves at once if the other side has room.
    ///
    /// # Errors
    /// See [`PutError`]; nothing has been sent then.
    pub fn put(&self, data: &[u8], text: bool) -> Result<(), PutError> {
        match self.state() {
            ChannelState::Connecting => return Err(PutError::NotOpen),
            ChannelState::Open => {}
            ChannelState::Closing | ChannelState::Closed => return Err(PutError::Closed),
        }
        let limit = self.max_message_bytes();
        if data.len() > limit {
            return Err(PutError::TooLarge(limit));
        }
        let amount = Amount { bytes: data.len(), messages: 1 };
        self.shared.reserve(amount)?;
        let command = Command::Send { key: self.shared.key, data: data.to_vec(), text };
        self.shared.peer.push(command).map_err(|_| {
            self.shared.release(amount);
            PutError::Full
        })
    }

    /// Messages that wait to be taken.
    pub fn available(&self) -> usize {
        self.shared.inbox.lock().messages.len()
    }

    /// The oldest message that waits.
    pub fn take(&self) -> Option<Message> {
        let mut inbox = self.shared.inbox.lock();
        let message = inbox.messages.pop_front()?;
        inbox.bytes -= cost(&message);
        let has_room_again = inbox.paused && inbox.bytes <= RESUME_BYTES;
        if has_room_again {
            inbox.paused = false;
        }
        drop(inbox);
        if has_room_again {
            self.shared.peer.push_always(Command::ResumeReading(self.shared.key));
        }
        Some(message)
    }

    /// Closes the channel once what waits has been sent. The other side sees it close.
    pub fn close(&self) {
        if self.shared.advance(ChannelState::Closing) {
            self.shared.peer.push_always(Command::CloseChannel(self.shared.key));
        }
    }
}

impl Drop for ChannelHandle {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for ChannelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelHandle")
            .field("label", &self.shared.init.label)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl ChannelShared {
    pub(super) fn new(peer: Arc<PeerShared>, key: ChannelKey, init: ChannelInit) -> Self {
        Self {
            id: AtomicU16::new(init.negotiated.unwrap_or(NO_ID)),
            peer,
            key,
            init,
            state: AtomicU8::new(ChannelState::Connecting as u8),
            outgoing: Mutex::default(),
            inbox: Mutex::default(),
        }
    }

    pub(super) fn key(&self) -> ChannelKey {
        self.key
    }

    pub(super) fn init(&self) -> &ChannelInit {
        &self.init
    }

    pub(super) fn buffered_amount(&self) -> usize {
        self.outgoing.lock().bytes
    }

    pub(super) fn id(&self) -> Option<u16> {
        match self.id.load(Ordering::Relaxed) {
            NO_ID => None,
            id => Some(id),
        }
    }

    pub(super) fn opened(&self, id: u16) {
        self.id.store(id, Ordering::Relaxed);
        self.advance(ChannelState::Open);
    }

    /// Moves on to a later state; false when it is there or further already.
    pub(super) fn advance(&self, to: ChannelState) -> bool {
        self.state.fetch_max(to as u8, Ordering::AcqRel) < to as u8
    }

    /// Gives back what has left or will not be sent any more.
    pub(super) fn release(&self, amount: Amount) {
        *self.outgoing.lock() -= amount;
    }

    /// Queues what arrived for the reader. True when a reliable channel must now be paused.
    pub(super) fn deliver(&self, message: Message) -> bool {
        if self.state() != ChannelState::Open {
            return false;
        }
        let mut inbox = self.inbox.lock();
        inbox.bytes += cost(&message);
        inbox.messages.push_back(message);
        if inbox.bytes <= MAX_WAITING_BYTES || inbox.paused {
            return false;
        }
        if self.init.reliability == Reliability::Reliable {
            inbox.paused = true;
            return true;
        }
        while inbox.bytes > MAX_WAITING_BYTES
            && let Some(oldest) = inbox.messages.pop_front()
        {
            inbox.bytes -= cost(&oldest);
        }
        false
    }

    fn state(&self) -> ChannelState {
        if self.peer.is_closed() {
            return ChannelState::Closed;
        }
        match self.state.load(Ordering::Acquire) {
            0 => ChannelState::Connecting,
            1 => ChannelState::Open,
            2 => ChannelState::Closing,
            _ => ChannelState::Closed,
        }
    }

    fn reserve(&self, amount: Amount) -> Result<(), PutError> {
        let mut outgoing = self.outgoing.lock();
        let mut total = *outgoing;
        total += amount;
        if total.bytes > MAX_BUFFERED.bytes || total.messages > MAX_BUFFERED.messages {
            return Err(PutError::Full);
        }
        *outgoing = total;
        Ok(())
    }
}

fn cost(message: &Message) -> usize {
    message.data.len() + MESSAGE_OVERHEAD
}
