//! What a caller holds of a connection.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::channel_handle::{ChannelHandle, ChannelShared};
use super::io_thread::{IoShared, PeerKey};
use super::socket_options::SocketOptions;
use super::{MAX_COMMANDS, MAX_EVENTS};
use crate::candidate::{CandidateError, RemoteCandidate};
use crate::channels::{ChannelError, ChannelInit, ChannelKey};
use crate::config::PeerConfig;
use crate::ice_server::IceServer;
use crate::peer::{ConnectionState, DescriptionError, GatheringState};
use crate::sdp::{Description, SdpError, SdpKind};
use crate::signaling_state::{Exchange, Side, SignalingState, WrongState};
use crate::statistics::Statistics;

/// A connection, usable from any thread. Nothing here waits. Dropping it closes the connection.
pub struct PeerHandle {
    shared: Arc<PeerShared>,
}

/// How a connection is made.
#[derive(Debug, Clone, Default)]
pub struct PeerOptions {
    /// Servers that help to find a path. Default none: only peers that reach our own addresses
    /// can connect.
    pub ice_servers: Vec<IceServer>,
    /// Which sockets it uses.
    pub sockets: SocketOptions,
    /// Sizes and timers.
    pub config: PeerConfig,
}

/// What a connection tells its owner, beside the states that can be read at any time.
#[derive(Debug)]
pub enum PeerEvent {
    /// A description is ready to be set as ours and sent to the other side.
    DescriptionCreated {
        /// Offer or answer.
        kind: SdpKind,
        /// The text to send.
        sdp: String,
    },
    /// The other side should learn of this candidate.
    CandidateCreated {
        /// The media id it belongs to, never empty.
        mid: String,
        /// The index of the media line it belongs to.
        index: u32,
        /// The candidate line, without `a=`.
        candidate: String,
    },
    /// No socket could be bound to an address of ours. The search goes on without it.
    AddressFailed {
        /// Which.
        address: IpAddr,
        /// What the system says.
        reason: String,
    },
    /// The other side opened a channel.
    ChannelAnnounced(ChannelHandle),
    /// Nothing is heard from the other side at the moment.
    LinkUnstable,
    /// It is heard again.
    LinkRecovered,
    /// An ICE server is of no use, or what it granted is lost. The search goes on without it.
    IceServerFailed {
        /// Which, as it was given.
        url: String,
        /// What the server said, for example 401 for wrong credentials; 701 when nothing was
        /// heard of it.
        code: u16,
        /// The same in words.
        reason: String,
    },
}

/// Why a connection does not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The description cannot be read.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// The candidate cannot be read.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// It does not fit the signaling state, or the connection is closed.
    #[error(transparent)]
    WrongState(#[from] WrongState),
    /// The description does not fit what was agreed before.
    #[error(transparent)]
    Description(DescriptionError),
    /// The channel cannot be made.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Too many commands wait; try again later.
    #[error("too many commands wait")]
    Busy,
}

/// What a handle asks of the I/O thread.
pub(super) enum Command {
    Start(PeerOptions),
    CreateChannel(Arc<ChannelShared>),
    CreateOffer,
    SetLocalDescription(Description),
    SetRemoteDescription(Description),
    AddRemoteCandidate(RemoteCandidate),
    Send {
        key: ChannelKey,
        data: Vec<u8>,
        text: bool,
    },
    ResumeReading(ChannelKey),
    CloseChannel(ChannelKey),
    Close,
    #[cfg(test)]
    Panic,
}

/// The queue of commands is full.
#[derive(Debug)]
pub(super) struct QueueFull;

/// What the handles and the I/O thread share.
pub(super) struct PeerShared {
    key: PeerKey,
    io: Arc<IoShared>,
    /// `None` once nothing drives the connection any more.
    commands: Mutex<Option<VecDeque<Command>>>,
    /// Whether the I/O thread has been told that commands wait.
    is_scheduled: AtomicBool,
    /// Whether it was closed, or nothing drives it any more.
    is_closed: AtomicBool,
    state: Mutex<PeerState>,
}

/// How the connection is, as far as its owner may know.
struct PeerState {
    connection: ConnectionState,
    gathering: GatheringState,
    /// What follows from what was asked for, which the I/O thread may not have reached.
    signaling: Exchange,
    /// The description that was created last: the only one that can be set as ours.
    created: Option<(SdpKind, String)>,
    events: VecDeque<PeerEvent>,
    statistics: Arc<Statistics>,
    /// Stream ids in use, as far as known here.
    ids: HashSet<u16>,
    next_channel: u64,
    max_message_bytes: usize,
}

impl PeerHandle {
    pub(super) fn new(key: PeerKey, io: Arc<IoShared>, options: PeerOptions) -> Self {
        let shared = Arc::new(PeerShared::new(key, io, options.config.max_message_bytes));
        if !shared.push_always(Command::Start(options)) {
            shared.detach(ConnectionState::Closed);
        }
        Self { shared }
    }

    /// Makes a channel. A negotiated one opens with the connection, another one is announced to
    /// the other side.
    ///
    /// # Errors
    /// [`CommandError::Channel`] for what cannot be made, [`CommandError::Busy`].
    pub fn create_channel(&self, init: ChannelInit) -> Result<ChannelHandle, CommandError> {
        let mut state = self.shared.state.lock();
        if !state.can_have_channels() {
            return Err(ChannelError::Closed.into());
        }
        check_channel(&init, &state.ids)?;
        let id = init.negotiated;
        let key = ChannelKey(state.next_channel);
        let channel = Arc::new(ChannelShared::new(Arc::clone(&self.shared), key, init));
        self.shared.push(Command::CreateChannel(Arc::clone(&channel)))?;
        state.next_channel += 2;
        state.ids.extend(id);
        Ok(ChannelHandle::new(channel))
    }

    /// Makes an offer: [`PeerEvent::DescriptionCreated`] follows, nothing else changes.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] while the other side's offer waits for an answer, or after the
    /// end; [`CommandError::Busy`].
    pub fn create_offer(&self) -> Result<(), CommandError> {
        let state = self.shared.state.lock();
        state.signaling.after(Side::Local, SdpKind::Offer)?;
        Ok(self.shared.push(Command::CreateOffer)?)
    }

    /// Sets the description that was created last as ours. The first time, gathering begins.
    ///
    /// # Errors
    /// [`CommandError::Sdp`], [`CommandError::WrongState`], [`CommandError::Description`] when it
    /// is not the one that was created last, [`CommandError::Busy`].
    pub fn set_local_description(&self, kind: SdpKind, sdp: &str) -> Result<(), CommandError> {
        let mut state = self.shared.state.lock();
        let after = state.signaling.after(Side::Local, kind)?;
        let description = Description::parse(kind, sdp)?;
        if !state.created.as_ref().is_some_and(|last| last.0 == kind && last.1 == sdp) {
            return Err(CommandError::Description(DescriptionError::NotCreatedHere));
        }
        self.shared.push(Command::SetLocalDescription(description))?;
        state.signaling = after;
        Ok(())
    }

    /// Sets the other side's description. An offer is followed by
    /// [`PeerEvent::DescriptionCreated`] with our answer.
    ///
    /// # Errors
    /// [`CommandError::Sdp`], [`CommandError::WrongState`], [`CommandError::Busy`].
    pub fn set_remote_description(&self, kind: SdpKind, sdp: &str) -> Result<(), CommandError> {
        let mut state = self.shared.state.lock();
        let after = state.signaling.after(Side::Remote, kind)?;
        let description = Description::parse(kind, sdp)?;
        self.shared.push(Command::SetRemoteDescription(description))?;
        state.signaling = after;
        Ok(())
    }

    /// Adds a candidate of the other side; before its description it waits.
    ///
    /// # Errors
    /// [`CommandError::Candidate`], [`CommandError::WrongState`] after the end,
    /// [`CommandError::Busy`].
    pub fn add_candidate(
        &self,
        mid: &str,
        index: u32,
        candidate: &str,
    ) -> Result<(), CommandError> {
        if self.signaling_state() == SignalingState::Closed {
            return Err(WrongState(SignalingState::Closed).into());
        }
        let candidate = RemoteCandidate::parse(mid, index, candidate)?;
        Ok(self.shared.push(Command::AddRemoteCandidate(candidate))?)
    }

    /// How the connection as a whole is.
    pub fn connection_state(&self) -> ConnectionState {
        self.shared.state.lock().connection
    }

    /// How far the search for our own addresses is.
    pub fn gathering_state(&self) -> GatheringState {
        self.shared.state.lock().gathering
    }

    /// How far the exchange of descriptions is, counting what was accepted here and may still be
    /// on its way.
    pub fn signaling_state(&self) -> SignalingState {
        self.shared.state.lock().signaling.state
    }

    /// How the connection is doing; about a second old at most, and as of its latest change of
    /// state at least.
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.shared.state.lock().statistics)
    }

    /// What has happened since the last call.
    pub fn take_events(&self) -> Vec<PeerEvent> {
        self.shared.state.lock().events.drain(..).collect()
    }

    /// Closes the connection and every channel of it, here at once; the other side is told.
    pub fn close(&self) {
        if self.shared.end(ConnectionState::Closed) {
            self.shared.push_always(Command::Close);
        }
        self.shared.forget_events();
    }

    #[cfg(test)]
    pub(super) fn provoke_panic(&self) {
        self.shared.push_always(Command::Panic);
    }
}

impl Drop for PeerHandle {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for PeerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerHandle")
            .field("key", &self.shared.key)
            .field("connection", &self.connection_state())
            .finish_non_exhaustive()
    }
}

impl From<QueueFull> for CommandError {
    fn from(_: QueueFull) -> Self {
        Self::Busy
    }
}

impl PeerShared {
    pub(super) fn new(key: PeerKey, io: Arc<IoShared>, max_message_bytes: usize) -> Self {
        Self {
            key,
            io,
            commands: Mutex::new(Some(VecDeque::new())),
            is_scheduled: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            state: Mutex::new(PeerState::new(max_message_bytes)),
        }
    }

    pub(super) fn key(&self) -> PeerKey {
        self.key
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    pub(super) fn max_message_bytes(&self) -> usize {
        self.state.lock().max_message_bytes
    }

    /// Queues a command and wakes the I/O thread. After the end there is nothing to do.
    pub(super) fn push(self: &Arc<Self>, command: Command) -> Result<(), QueueFull> {
        if let Some(waiting) = &mut *self.commands.lock() {
            if waiting.len() >= MAX_COMMANDS {
                return Err(QueueFull);
            }
            waiting.push_back(command);
        }
        self.schedule();
        Ok(())
    }

    /// Queues a command that comes at most once per channel or connection at a time. False when
    /// the I/O thread has ended.
    pub(super) fn push_always(self: &Arc<Self>, command: Command) -> bool {
        if let Some(waiting) = &mut *self.commands.lock() {
            waiting.push_back(command);
        }
        self.schedule()
    }

    /// False when the I/O thread takes no more; it detaches every connection that it has started.
    fn schedule(self: &Arc<Self>) -> bool {
        let is_first = !self.is_scheduled.swap(true, Ordering::AcqRel);
        !is_first || self.io.schedule(Arc::clone(self))
    }

    /// Takes the commands that wait, in order.
    pub(super) fn take_commands(&self) -> VecDeque<Command> {
        // Before taking, so that a command pushed meanwhile schedules again.
        self.is_scheduled.store(false, Ordering::Release);
        self.commands.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Puts an event in the queue; false when it was lost.
    pub(super) fn notify(&self, event: PeerEvent) -> bool {
        let mut state = self.state.lock();
        if self.is_closed() || state.events.len() >= MAX_EVENTS {
            return false;
        }
        if let PeerEvent::DescriptionCreated { kind, sdp } = &event {
            state.created = Some((*kind, sdp.clone()));
        }
        state.events.push_back(event);
        true
    }

    pub(super) fn set_connection(&self, connection: ConnectionState) {
        let mut state = self.state.lock();
        if !self.is_closed() {
            state.connection = connection;
        }
    }

    pub(super) fn set_statistics(&self, statistics: Statistics) {
        let fresh = Arc::new(statistics);
        let stale = std::mem::replace(&mut self.state.lock().statistics, fresh);
        drop(stale);
    }

    pub(super) fn set_gathering(&self, gathering: GatheringState) {
        self.state.lock().gathering = gathering;
    }

    /// Takes back what was accepted here and refused later.
    pub(super) fn reset_signaling(&self, signaling: Exchange) {
        let mut state = self.state.lock();
        if !self.is_closed() {
            state.signaling = signaling;
        }
    }

    pub(super) fn set_max_message_bytes(&self, max_message_bytes: usize) {
        self.state.lock().max_message_bytes = max_message_bytes;
    }

    pub(super) fn id_taken(&self, id: u16) {
        self.state.lock().ids.insert(id);
    }

    pub(super) fn id_freed(&self, id: u16) {
        self.state.lock().ids.remove(&id);
    }

    /// The connection is over, for the reason that `connection` tells. False when that is so
    /// already.
    pub(super) fn end(&self, connection: ConnectionState) -> bool {
        let mut state = self.state.lock();
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return false;
        }
        state.connection = connection;
        state.signaling = state.signaling.closed();
        true
    }

    /// Nothing drives the connection any more: it is over, and commands go nowhere.
    pub(super) fn detach(&self, connection: ConnectionState) {
        self.end(connection);
        // Dropped outside of the lock: what waits may hold the last reference to this very queue.
        let unheard = self.commands.lock().take();
        drop(unheard);
    }

    fn forget_events(&self) {
        // Dropped outside of the lock: an announced channel closes, which takes locks of its own.
        let unseen = std::mem::take(&mut self.state.lock().events);
        drop(unseen);
    }
}

impl PeerState {
    fn new(max_message_bytes: usize) -> Self {
        Self {
            connection: ConnectionState::New,
            gathering: GatheringState::New,
            signaling: Exchange::default(),
            created: None,
            events: VecDeque::new(),
            statistics: Arc::default(),
            ids: HashSet::new(),
            next_channel: 0,
            max_message_bytes,
        }
    }

    fn can_have_channels(&self) -> bool {
        !matches!(self.connection, ConnectionState::Failed | ConnectionState::Closed)
    }
}

const MAX_ID: u16 = 65_534;
const MAX_TEXT_BYTES: usize = 65_535;

fn check_channel(init: &ChannelInit, ids: &HashSet<u16>) -> Result<(), ChannelError> {
    if init.label.len() > MAX_TEXT_BYTES || init.protocol.len() > MAX_TEXT_BYTES {
        return Err(ChannelError::TextTooLong);
    }
    match init.negotiated {
        Some(id) if id > MAX_ID => Err(ChannelError::IdOutOfRange),
        Some(id) if ids.contains(&id) => Err(ChannelError::IdInUse(id)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_comes_while_the_io_thread_ends_is_accepted_and_lost() {
        let poll = mio::Poll::new().unwrap();
        let io = Arc::new(IoShared::new(&poll).unwrap());
        let peer = PeerHandle::new(io.next_key(), Arc::clone(&io), PeerOptions::default());
        peer.shared.take_commands();
        io.shut_down();
        // The I/O thread has not come to this connection yet.
        assert_eq!(peer.create_offer(), Ok(()));
        peer.shared.detach(ConnectionState::Closed);
        assert_eq!(peer.create_offer(), Err(WrongState(SignalingState::Closed).into()));
    }

    #[test]
    fn a_connection_made_after_the_end_is_closed() {
        let poll = mio::Poll::new().unwrap();
        let io = Arc::new(IoShared::new(&poll).unwrap());
        io.shut_down();
        let peer = PeerHandle::new(io.next_key(), io, PeerOptions::default());
        assert_eq!(peer.connection_state(), ConnectionState::Closed);
    }
}
