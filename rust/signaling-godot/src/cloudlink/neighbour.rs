//! The connection to one member, and its channels.

use std::collections::BTreeMap;

use godot::classes::web_rtc_data_channel::{ChannelState, WriteMode};
use godot::classes::web_rtc_peer_connection::ConnectionState;
use godot::classes::{WebRtcDataChannel, WebRtcPeerConnection};
use godot::global::Error;
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::channels::link::DEFAULT;
use signaling_protocols::cloudlink5::channels::{
    Heard, Link, NewChannel, OpenError, Packet, Piece, Side,
};
use signaling_protocols::cloudlink5::peer_server::Serialization;
use signaling_webrtc::MAX_BUFFERED;

use super::channels::{DefaultChannel, Inbox, Told, inbox};

/// Candidates that came before the description that they belong to; further ones are dropped.
const MAX_EARLY_CANDIDATES: usize = 64;

/// Which side makes the first offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    We,
    /// The other side, which says how the channel `default` is written.
    They(Serialization),
}

/// What has become of a connection.
pub(super) enum Happened {
    /// This is to be passed on to the other side.
    Said(Signal),
    Opened(String),
    Closed(String),
    Heard {
        channel: String,
        packet: Packet,
    },
    Ended,
}

/// The connection to one member.
pub(super) struct Neighbour {
    id: PeerId,
    connection: Gd<WebRtcPeerConnection>,
    inbox: Inbox,
    link: Link,
    /// By name. `default`, and those of the link.
    channels: BTreeMap<String, Channel>,
    /// The candidates that came before the description; `None` once that is set.
    early: Option<Vec<Signal>>,
}

struct Channel {
    channel: Gd<WebRtcDataChannel>,
    /// Whether it was told that it is open.
    is_open: bool,
}

impl Neighbour {
    /// What makes a neighbour of a new connection.
    ///
    /// # Errors
    /// When it has no room for a channel.
    pub(super) fn new(
        id: PeerId,
        connection: Gd<WebRtcPeerConnection>,
        default: DefaultChannel,
        begins: Begins,
    ) -> Result<Self, &'static str> {
        let link = match begins {
            Begins::We => Link::new(Side::Offering, Serialization::Raw),
            Begins::They(written) => Link::new(Side::Answering, written),
        };
        let inbox = inbox(&connection);
        let (channels, early) = (BTreeMap::new(), Some(Vec::new()));
        let mut new = Self { id, connection, inbox, link, channels, early };
        match (default, begins) {
            (DefaultChannel::Agreed, _) => new.make(DEFAULT, &agreed(0, true))?,
            (DefaultChannel::Announced, Begins::We) => {
                new.make(DEFAULT, &vdict! { "ordered" => true })?;
            }
            (DefaultChannel::Announced, Begins::They(_)) => {}
        }
        if begins == Begins::We {
            new.connection.create_offer();
        }
        Ok(new)
    }

    pub(super) fn id(&self) -> PeerId {
        self.id
    }

    fn make(&mut self, name: &str, options: &VarDictionary) -> Result<(), &'static str> {
        let made = self.connection.create_data_channel_ex(name).options(options).done();
        let channel = made.ok_or("a data channel cannot be made")?;
        self.channels.insert(name.to_owned(), Channel { channel, is_open: false });
        Ok(())
    }

    /// Takes in what the other side told.
    pub(super) fn hear(&mut self, signal: &Signal) {
        match signal {
            Signal::Offer { sdp } => self.describe("offer", sdp),
            Signal::Answer { sdp } => self.describe("answer", sdp),
            Signal::Candidate { mid, index, sdp } => match &mut self.early {
                Some(early) if early.len() < MAX_EARLY_CANDIDATES => early.push(signal.clone()),
                Some(_) => {}
                None => {
                    let index = i32::try_from(*index).unwrap_or_default();
                    self.connection.add_ice_candidate(mid, index, sdp);
                }
            },
        }
    }

    fn describe(&mut self, kind: &str, sdp: &str) {
        if self.connection.set_remote_description(kind, sdp) == Error::OK {
            for candidate in self.early.take().into_iter().flatten() {
                self.hear(&candidate);
            }
        }
    }

    /// The names of the channels besides `default`.
    pub(super) fn channels(&self) -> impl Iterator<Item = &str> {
        self.link.channels()
    }

    pub(super) fn is_open(&self, channel: &str) -> bool {
        self.channels.get(channel).is_some_and(|channel| channel.is_open)
    }

    /// Opens a further channel.
    ///
    /// # Errors
    /// When there can be no such channel.
    pub(super) fn open(&mut self, name: &str, is_ordered: bool) -> Result<Error, OpenError> {
        if !self.is_open(DEFAULT) {
            return Ok(Error::ERR_UNCONFIGURED);
        }
        let (channel, pieces) = self.link.open(name, is_ordered)?;
        if !self.make_agreed(&channel) {
            return Ok(Error::ERR_CANT_CREATE);
        }
        let told = self.put(DEFAULT, &pieces);
        if told != Error::OK {
            // The other side would never make it.
            self.channels.remove(name);
            self.link.close(name);
        }
        Ok(told)
    }

    pub(super) fn close_channel(&mut self, name: &str) -> bool {
        if name == DEFAULT {
            return false;
        }
        let channel = self.channels.get_mut(name);
        channel.map(|channel| channel.channel.close()).is_some()
    }

    /// Sends a message on a channel.
    pub(super) fn send(&mut self, channel: &str, packet: &Packet) -> Error {
        if !self.is_open(channel) {
            return Error::ERR_UNCONFIGURED;
        }
        let pieces = self.link.write(channel, packet);
        self.put(channel, &pieces)
    }

    fn put(&mut self, name: &str, pieces: &[Piece]) -> Error {
        let Some(Channel { channel, .. }) = self.channels.get_mut(name) else {
            return Error::ERR_UNCONFIGURED;
        };
        let waiting = usize::try_from(channel.get_buffered_amount()).unwrap_or_default();
        let bytes = pieces.iter().map(|piece| piece.data.len()).sum::<usize>();
        // Of a message that stops halfway the other side would keep what it got.
        if waiting + bytes > MAX_BUFFERED.bytes {
            return Error::ERR_BUSY;
        }
        for Piece { data, is_text } in pieces {
            channel.set_write_mode(if *is_text { WriteMode::TEXT } else { WriteMode::BINARY });
            let error = channel.put_packet(&PackedByteArray::from(data.as_slice()));
            if error != Error::OK {
                return error;
            }
        }
        Error::OK
    }

    /// What has happened since the last call.
    pub(super) fn turn(&mut self) -> Vec<Happened> {
        self.connection.poll();
        let mut happened = Vec::new();
        let told = std::mem::take(&mut *self.inbox.borrow_mut());
        for told in told {
            self.note(told, &mut happened);
        }
        let names: Vec<_> = self.channels.keys().cloned().collect();
        for name in names {
            self.turn_channel(&name, &mut happened);
        }
        let state = self.connection.get_connection_state();
        if matches!(state, ConnectionState::FAILED | ConnectionState::CLOSED) {
            happened.push(Happened::Ended);
        }
        happened
    }

    fn note(&mut self, told: Told, happened: &mut Vec<Happened>) {
        match told {
            Told::Described { kind, sdp } => {
                if self.connection.set_local_description(&kind, &sdp) == Error::OK {
                    let sdp = sdp.to_string();
                    happened.push(Happened::Said(match kind == "offer" {
                        true => Signal::Offer { sdp },
                        false => Signal::Answer { sdp },
                    }));
                }
            }
            Told::Candidate { mid, index, sdp } => {
                let (mid, index) = (mid.to_string(), u32::try_from(index).unwrap_or_default());
                let sdp = sdp.to_string();
                happened.push(Happened::Said(Signal::Candidate { mid, index, sdp }));
            }
            // The first is the one that the offer tells of; there is no use for others.
            Told::Channel(channel) => {
                let new = Channel { channel, is_open: false };
                self.channels.entry(DEFAULT.to_owned()).or_insert(new);
            }
        }
    }

    fn turn_channel(&mut self, name: &str, happened: &mut Vec<Happened>) {
        let Some(Channel { channel, is_open }) = self.channels.get_mut(name) else { return };
        let state = channel.get_ready_state();
        if state == ChannelState::OPEN && !std::mem::replace(is_open, true) {
            happened.push(Happened::Opened(name.to_owned()));
        }
        let mut messages = Vec::new();
        // What arrives meanwhile is for the next frame.
        for _ in 0..channel.get_available_packet_count() {
            let data = channel.get_packet();
            messages.push((data, channel.was_string_packet()));
        }
        for (data, is_text) in messages {
            self.read(name, data.as_slice(), is_text, happened);
        }
        if state == ChannelState::CLOSED {
            self.note_closed(name, happened);
        }
    }

    fn read(&mut self, name: &str, data: &[u8], is_text: bool, happened: &mut Vec<Happened>) {
        match self.link.read(name, data, is_text) {
            Heard::Packet(packet) => {
                happened.push(Happened::Heard { channel: name.to_owned(), packet });
            }
            Heard::Opened(channel) => {
                self.drop_channel(&channel.label, happened);
                self.make_agreed(&channel);
            }
            Heard::Closed => happened.push(Happened::Ended),
            Heard::Unfinished | Heard::Ignored => {}
        }
    }

    fn note_closed(&mut self, name: &str, happened: &mut Vec<Happened>) {
        self.drop_channel(name, happened);
        self.link.close(name);
        // Nothing can be said any more, nor agreed on.
        if name == DEFAULT {
            happened.push(Happened::Ended);
        }
    }

    fn drop_channel(&mut self, name: &str, happened: &mut Vec<Happened>) {
        if self.channels.remove(name).is_some_and(|channel| channel.is_open) {
            happened.push(Happened::Closed(name.to_owned()));
        }
    }

    /// Makes a channel that both sides know the number of; false if it cannot be made.
    fn make_agreed(&mut self, NewChannel { id, label, is_ordered }: &NewChannel) -> bool {
        let is_made = self.make(label, &agreed(*id, *is_ordered)).is_ok();
        if !is_made {
            self.link.close(label);
        }
        is_made
    }

    /// Closes it; these channels were open.
    pub(super) fn close(mut self) -> impl Iterator<Item = String> {
        self.connection.close();
        self.channels.into_iter().filter(|(_, channel)| channel.is_open).map(|(name, _)| name)
    }
}

fn agreed(id: u16, is_ordered: bool) -> VarDictionary {
    vdict! { "negotiated" => true, "id" => i64::from(id), "ordered" => is_ordered }
}
