//! The data channels of one connection: their streams, their states, what waits to be sent
//! (RFC 8831, RFC 8832).
//!
//! Messages wait here until the association takes them, a limited number of bytes per channel.
//! The owner fills the queue and bounds it: it knows the buffered amount from what it gave and
//! what [`Event::Sent`] gave back. What can never be sent is dropped and given back.

mod channel;
mod early;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use crate::channels::{Amount, ChannelError, ChannelInit, ChannelKey};
use crate::dcep::Control;
use crate::dtls::Role;
use crate::message::Payload;
use crate::peer::Event;
use crate::sctp::{Association, Received};
use channel::{Channel, State};
use early::Early;

/// Channels that the other side may have open at a time; each may bring 128 KiB of text.
const MAX_ANNOUNCED: usize = 256;

/// 65,535 is reserved (RFC 8832, section 6).
const MAX_STREAM: u16 = 65_534;

/// All channels of one connection. Those that are closed are forgotten.
pub(crate) struct ChannelTable {
    table: BTreeMap<ChannelKey, Channel>,
    keys: HashMap<u16, ChannelKey>,
    /// Streams that the other side opened and may not; they are reset with the next flush.
    refused: Vec<u16>,
    early: Early,
    role: Option<Role>,
    next_announced: u64,
    max_incoming: usize,
    max_outgoing: usize,
}

impl ChannelTable {
    pub(crate) fn new(max_incoming: usize) -> Self {
        Self {
            table: BTreeMap::new(),
            keys: HashMap::new(),
            refused: Vec::new(),
            early: Early::default(),
            role: None,
            next_announced: 1,
            max_incoming,
            max_outgoing: max_incoming,
        }
    }

    /// The largest message that can be sent.
    pub(crate) fn max_outgoing(&self) -> usize {
        self.max_outgoing
    }

    /// Makes a channel; it opens with the next [`ChannelTable::flush`].
    pub(crate) fn create(
        &mut self,
        key: ChannelKey,
        init: ChannelInit,
    ) -> Result<(), ChannelError> {
        let is_long = |text: &str| text.len() > usize::from(u16::MAX);
        if self.table.contains_key(&key) || is_announced(key) {
            return Err(ChannelError::KeyInUse);
        }
        if is_long(&init.label) || is_long(&init.protocol) {
            return Err(ChannelError::TextTooLong);
        }
        let stream = match (init.negotiated, self.role) {
            (Some(stream), _) if self.keys.contains_key(&stream) => {
                return Err(ChannelError::IdInUse(stream));
            }
            (Some(stream), _) if stream > MAX_STREAM => return Err(ChannelError::IdOutOfRange),
            (Some(stream), _) => Some(stream),
            (None, Some(role)) => Some(self.free_stream(role).ok_or(ChannelError::IdOutOfRange)?),
            (None, None) => None,
        };
        self.insert(key, Channel::new(init, stream));
        Ok(())
    }

    fn insert(&mut self, key: ChannelKey, channel: Channel) {
        self.keys.extend(channel.stream.map(|stream| (stream, key)));
        self.table.insert(key, channel);
    }

    fn remove(&mut self, key: ChannelKey, events: &mut VecDeque<Event>) {
        let Some(channel) = self.table.remove(&key) else { return };
        channel.stream.map(|stream| self.keys.remove(&stream));
        give_back(key, channel.counted(), events);
        events.push_back(Event::ChannelClosed { key });
    }

    fn free_stream(&self, role: Role) -> Option<u16> {
        let first = u16::from(role == Role::Server);
        (first..=MAX_STREAM).step_by(2).find(|stream| !self.keys.contains_key(stream))
    }

    fn on_stream(&mut self, stream: u16) -> Option<(ChannelKey, &mut Channel)> {
        let key = *self.keys.get(&stream)?;
        Some((key, self.table.get_mut(&key)?))
    }

    /// The other side has said what it takes; `None` means any size.
    pub(crate) fn set_max_outgoing(&mut self, max_outgoing: Option<usize>) {
        self.max_outgoing = max_outgoing.unwrap_or(usize::MAX).min(self.max_incoming);
    }

    /// It is known who has the even streams. Channels without a stream get theirs.
    pub(crate) fn set_role(&mut self, role: Role) {
        self.role = Some(role);
        let nameless = self.table.iter().filter(|(_, channel)| channel.stream.is_none());
        for key in nameless.map(|(key, _)| *key).collect::<Vec<_>>() {
            let Some(stream) = self.free_stream(role) else { return };
            self.keys.insert(stream, key);
            self.table.entry(key).and_modify(|channel| channel.stream = Some(stream));
        }
    }

    /// The association stands: channels that wait for it open.
    fn open(&mut self, now: Instant, association: &Association, events: &mut VecDeque<Event>) {
        let connecting = |channel: &Channel| channel.state == State::Connecting;
        if !self.table.values().any(connecting) {
            return;
        }
        let max_streams = association.max_streams();
        let (mut opened, mut streamless) = (Vec::new(), Vec::new());
        for (&key, channel) in self.table.iter_mut().filter(|(_, channel)| connecting(channel)) {
            match channel.stream.filter(|stream| *stream < max_streams) {
                Some(id) => {
                    channel.open(now);
                    events.push_back(Event::ChannelOpen { key, id });
                    opened.push(id);
                }
                None => streamless.push(key),
            }
        }
        for key in streamless {
            self.remove(key, events);
        }
        for stream in opened {
            for (data, text) in self.early.take(stream) {
                self.deliver(stream, data, text, events);
            }
        }
    }

    /// Queues a message.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        key: ChannelKey,
        data: Vec<u8>,
        text: bool,
        events: &mut VecDeque<Event>,
    ) {
        match self.table.get_mut(&key).filter(|channel| channel.state != State::Closing) {
            Some(channel) => channel.wait(now, Payload::User { data, text }),
            None => give_back(key, Amount { bytes: data.len(), messages: 1 }, events),
        }
    }

    /// Closes a channel once what waits has been sent.
    pub(crate) fn close(&mut self, key: ChannelKey, events: &mut VecDeque<Event>) {
        match self.table.get_mut(&key) {
            Some(channel) if channel.state == State::Connecting => self.remove(key, events),
            Some(channel) if channel.state == State::Open => {
                channel.state = State::Closing;
                events.push_back(Event::ChannelClosing { key });
            }
            _ => {}
        }
    }

    /// The association is gone, and with it every channel.
    pub(crate) fn close_all(&mut self, events: &mut VecDeque<Event>) {
        for key in self.table.keys().copied().collect::<Vec<_>>() {
            self.remove(key, events);
        }
    }

    pub(crate) fn set_paused(&mut self, key: ChannelKey, is_paused: bool) {
        self.table.entry(key).and_modify(|channel| channel.is_paused = is_paused);
    }

    /// Whether nothing of this stream is taken at the moment: its reader is full, or what comes is
    /// for the channel that has it next.
    pub(crate) fn is_paused(&self, stream: u16) -> bool {
        let key = self.keys.get(&stream);
        key.and_then(|key| self.table.get(key)).is_some_and(Channel::is_closed_to_messages)
    }

    /// Takes a message that arrived.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        received: Received,
        events: &mut VecDeque<Event>,
    ) {
        let stream = received.stream;
        match Payload::decode(received.ppid, received.bytes) {
            // Whoever keeps order and accepts losses wants what is newest.
            Some(Payload::User { .. }) if received.is_late => {}
            Some(Payload::User { data, text }) => self.deliver(stream, data, text, events),
            Some(Payload::Control(bytes)) => match Control::decode(&bytes) {
                Some(Control::Open(init)) => self.announced(now, stream, init, events),
                Some(Control::Ack) => self.confirmed(stream),
                None => {}
            },
            None => {}
        }
    }

    fn deliver(&mut self, stream: u16, data: Vec<u8>, text: bool, events: &mut VecDeque<Event>) {
        let max_incoming = self.max_incoming;
        let Some((key, channel)) = self.on_stream(stream) else {
            return self.early.keep(stream, data, text);
        };
        if channel.state != State::Open {
            return;
        }
        // Who uses the channel knows it.
        channel.is_unconfirmed = false;
        if data.len() > max_incoming {
            tracing::debug!(stream, bytes = data.len(), "closing a channel: message too large");
            return self.close(key, events);
        }
        events.push_back(Event::Message { key, data, text });
    }

    fn confirmed(&mut self, stream: u16) {
        self.on_stream(stream).into_iter().for_each(|(_, channel)| channel.is_unconfirmed = false);
    }

    fn announced(
        &mut self,
        now: Instant,
        stream: u16,
        init: ChannelInit,
        events: &mut VecDeque<Event>,
    ) {
        if let Some(key) = self.keys.get(&stream) {
            // The stream is in use, so the channel on it is closed (RFC 8832, section 6).
            return self.close(*key, events);
        }
        let announced = self.table.keys().filter(|key| is_announced(**key)).count();
        let is_ours = stream % 2 == u16::from(self.role == Some(Role::Server));
        if is_ours || stream > MAX_STREAM || announced >= MAX_ANNOUNCED {
            self.refused.push(stream);
            return;
        }
        let key = ChannelKey(self.next_announced);
        self.next_announced += 2;
        let mut channel = Channel::new(init.clone(), Some(stream));
        channel.state = State::Open;
        channel.wait(now, Payload::Control(Control::Ack.encode()));
        self.insert(key, channel);
        events.push_back(Event::ChannelAnnounced { key, init, id: stream });
    }

    /// The other side sends nothing more on this stream.
    pub(crate) fn incoming_reset(&mut self, stream: u16, events: &mut VecDeque<Event>) {
        self.early.take(stream);
        let Some((key, channel)) = self.on_stream(stream) else { return };
        if channel.state == State::Connecting {
            return;
        }
        channel.their_side_ended = true;
        if channel.state == State::Open {
            channel.state = State::Closing;
            events.push_back(Event::ChannelClosing { key });
        }
    }

    /// The other side knows that we send nothing more on these streams, or cannot be told.
    pub(crate) fn outgoing_reset(&mut self, streams: &[u16]) {
        for stream in streams {
            self.on_stream(*stream).into_iter().for_each(|(_, channel)| channel.reset_done());
        }
    }

    /// Opens channels, hands what waits to the association, ends streams, and reports what has
    /// left. Only once the association stands.
    pub(crate) fn flush(
        &mut self,
        now: Instant,
        association: &mut Association,
        events: &mut VecDeque<Event>,
    ) {
        self.open(now, association, events);
        for stream in self.refused.drain(..) {
            association.reset(stream);
        }
        let mut closed = Vec::new();
        for (&key, channel) in &mut self.table {
            give_back(key, channel.flush(now, self.max_outgoing, association), events);
            if channel.is_over() {
                closed.push(key);
            }
        }
        for key in closed {
            self.remove(key, events);
        }
    }
}

/// Whether the key is one of those for channels that the other side opens.
fn is_announced(key: ChannelKey) -> bool {
    key.0 % 2 == 1
}

fn give_back(key: ChannelKey, amount: Amount, events: &mut VecDeque<Event>) {
    if amount != Amount::default() {
        events.push_back(Event::Sent { key, amount });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::Reliability;

    fn table() -> (ChannelTable, VecDeque<Event>) {
        let mut table = ChannelTable::new(1000);
        table.set_role(Role::Client);
        (table, VecDeque::new())
    }

    fn init() -> ChannelInit {
        ChannelInit {
            label: "x".into(),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            negotiated: None,
        }
    }

    fn control(stream: u16, bytes: Vec<u8>) -> Received {
        Received { stream, ppid: 50, bytes, is_late: false }
    }

    fn open(stream: u16) -> Received {
        control(stream, Control::Open(init()).encode())
    }

    #[test]
    fn only_streams_of_the_other_side_can_be_announced() {
        let (mut table, mut events) = table();
        for stream in [0, 2, 65_534, 65_535] {
            table.receive(Instant::now(), open(stream), &mut events);
        }
        assert!(events.is_empty() && table.table.is_empty());
        assert_eq!(table.refused, [0, 2, 65_534, 65_535]);
        table.receive(Instant::now(), open(3), &mut events);
        let expected = Event::ChannelAnnounced { key: ChannelKey(1), init: init(), id: 3 };
        assert_eq!(events, [expected]);
    }

    #[test]
    fn announcing_a_channel_twice_closes_it() {
        let (mut table, mut events) = table();
        table.receive(Instant::now(), open(3), &mut events);
        table.receive(Instant::now(), open(3), &mut events);
        assert_eq!(events.pop_back(), Some(Event::ChannelClosing { key: ChannelKey(1) }));
        assert_eq!(table.table.len(), 1);
    }

    #[test]
    fn announced_channels_are_limited_in_number() {
        let (mut table, mut events) = table();
        for stream in 0..1000 {
            table.receive(Instant::now(), open(2 * stream + 1), &mut events);
        }
        assert_eq!(events.len(), MAX_ANNOUNCED);
        assert_eq!(table.refused.len(), 1000 - MAX_ANNOUNCED);
    }

    #[test]
    fn what_has_no_meaning_is_ignored() {
        let (mut table, mut events) = table();
        for message in [
            control(3, vec![]),
            control(3, vec![2]),
            control(3, vec![3, 0, 0]),
            control(3, vec![255; 40]),
            Received { stream: 3, ppid: 51, bytes: b"nobody's".into(), is_late: false },
            Received { stream: 3, ppid: 99, bytes: vec![1], is_late: false },
        ] {
            table.receive(Instant::now(), message, &mut events);
        }
        table.incoming_reset(3, &mut events);
        table.outgoing_reset(&[3]);
        assert!(events.is_empty() && table.table.is_empty() && table.refused.is_empty());
    }
}
