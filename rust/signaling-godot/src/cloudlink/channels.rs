//! Connections with named channels, as CloudLink's own clients make them: no multiplayer peer, but
//! a channel `default` from the start, on which further ones are agreed on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use godot::classes::{WebRtcDataChannel, WebRtcPeerConnection};
use godot::global::Error;
use godot::prelude::*;
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::channels::link::DEFAULT;
use signaling_protocols::cloudlink5::channels::{OpenError, Packet};
use signaling_protocols::cloudlink5::peer_server::Serialization;

use super::neighbour::{Happened, Neighbour};
use crate::peers::LinkEvent;

/// Members that there are connections to at most; a server that announces more means no good.
const MAX_NEIGHBOURS: usize = 1024;

/// How the channel `default` comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DefaultChannel {
    /// Whoever offers makes it, and tells the other side by the connection.
    Announced,
    /// Both sides make it under the number 0.
    Agreed,
}

/// What has become of the connections.
#[derive(Debug)]
pub(super) enum News {
    Link(LinkEvent),
    Opened {
        member: String,
        channel: String,
    },
    Closed {
        member: String,
        channel: String,
    },
    Heard {
        member: String,
        channel: String,
        packet: Packet,
    },
    /// The connection to a member has ended, or could not be made.
    Gone {
        member: String,
        has_failed: bool,
    },
}

/// Passes a signal on to a member.
pub(super) type Carry = dyn Fn(&str, Signal);

/// The connections to the members of a lobby.
pub(crate) struct Channels {
    configuration: VarDictionary,
    default: DefaultChannel,
    carry: Box<Carry>,
    /// At most [`MAX_NEIGHBOURS`].
    neighbours: BTreeMap<String, Neighbour>,
    /// What is told with the next turn: at most one for each member that could not be met.
    news: Vec<News>,
}

impl Channels {
    pub(super) fn new(
        configuration: VarDictionary,
        default: DefaultChannel,
        carry: Box<Carry>,
    ) -> Self {
        Self { configuration, default, carry, neighbours: BTreeMap::new(), news: Vec::new() }
    }

    /// Connects to a member, beginning with an offer of ours.
    pub(super) fn offer(&mut self, member: &str) {
        self.connect(member, Neighbour::offering);
    }

    /// A member begins a connection; its offer follows. An earlier one to it counts no more.
    pub(super) fn expect(&mut self, member: &str, written: Serialization) {
        self.connect(member, |configuration, default| {
            Neighbour::answering(configuration, default, written)
        });
    }

    fn connect(
        &mut self,
        member: &str,
        make: impl FnOnce(&VarDictionary, DefaultChannel) -> Result<Neighbour, &'static str>,
    ) {
        if let Some(mut old) = self.neighbours.remove(member) {
            old.close();
        }
        if self.neighbours.len() >= MAX_NEIGHBOURS {
            return;
        }
        match make(&self.configuration, self.default) {
            Ok(neighbour) => {
                self.neighbours.insert(member.to_owned(), neighbour);
            }
            Err(reason) => self.news.push(News::Link(LinkEvent::Impossible { reason })),
        }
    }

    /// Takes in what a member told.
    pub(super) fn hear(&mut self, from: &str, signal: &Signal) {
        if let Some(neighbour) = self.neighbours.get_mut(from) {
            neighbour.hear(signal);
        }
    }

    /// Opens a further channel to a member.
    ///
    /// # Errors
    /// `ERR_UNCONFIGURED` when there is no connection, `ERR_ALREADY_EXISTS`, `ERR_OUT_OF_MEMORY`
    /// when there are too many, and `ERR_INVALID_PARAMETER` for a name that is too long.
    pub(super) fn open(&mut self, member: &str, channel: &str, is_ordered: bool) -> Error {
        let Some(neighbour) = self.neighbours.get_mut(member) else {
            return Error::ERR_UNCONFIGURED;
        };
        match neighbour.open(channel, is_ordered) {
            Ok(error) => error,
            Err(OpenError::Exists) => Error::ERR_ALREADY_EXISTS,
            Err(OpenError::TooMany) => Error::ERR_OUT_OF_MEMORY,
            Err(OpenError::TooLong) => Error::ERR_INVALID_PARAMETER,
        }
    }

    /// Closes a further channel to a member; false when there is none.
    pub(super) fn close_channel(&mut self, member: &str, channel: &str) -> bool {
        self.neighbours.get_mut(member).is_some_and(|neighbour| neighbour.close_channel(channel))
    }

    /// Sends a message to a member.
    pub(super) fn send(&mut self, member: &str, channel: &str, packet: &Packet) -> Error {
        match self.neighbours.get_mut(member) {
            Some(neighbour) => neighbour.send(channel, packet),
            None => Error::ERR_UNCONFIGURED,
        }
    }

    /// Sends a message to all to whom the channel stands; the first error, if there was one.
    pub(super) fn send_to_all(&mut self, channel: &str, packet: &Packet) -> Error {
        let open = self.neighbours.values_mut().filter(|neighbour| neighbour.is_open(channel));
        let errors = open.map(|neighbour| neighbour.send(channel, packet));
        errors.fold(Error::OK, |first, error| if first == Error::OK { error } else { first })
    }

    /// The names of the channels that are open to a member, `default` first.
    pub(super) fn names(&self, member: &str) -> Vec<String> {
        let Some(neighbour) = self.neighbours.get(member) else { return Vec::new() };
        let names = [DEFAULT].into_iter().chain(neighbour.channels());
        names.filter(|name| neighbour.is_open(name)).map(str::to_owned).collect()
    }

    /// What has become of the connections since the last call.
    pub(super) fn turn(&mut self) -> Vec<News> {
        let mut news = std::mem::take(&mut self.news);
        let mut gone = Vec::new();
        for (member, neighbour) in &mut self.neighbours {
            for happened in neighbour.turn() {
                let member = member.clone();
                match happened {
                    Happened::Said(signal) => (self.carry)(&member, signal),
                    Happened::Opened(channel) => news.push(News::Opened { member, channel }),
                    Happened::Closed(channel) => news.push(News::Closed { member, channel }),
                    Happened::Heard { channel, packet } => {
                        news.push(News::Heard { member, channel, packet });
                    }
                    Happened::Ended { has_failed } => gone.push((member, has_failed)),
                }
            }
        }
        for (member, has_failed) in gone {
            if let Some(mut neighbour) = self.neighbours.remove(&member) {
                neighbour.close();
                news.push(News::Gone { member, has_failed });
            }
        }
        news
    }

    /// Closes all connections.
    pub(super) fn close(&mut self) {
        for neighbour in self.neighbours.values_mut() {
            neighbour.close();
        }
        self.neighbours.clear();
    }
}

/// What a connection has told by its signals. Filled while it is polled, emptied right after.
pub(super) type Inbox = Rc<RefCell<Vec<Told>>>;

/// A signal of a connection.
pub(super) enum Told {
    Described { kind: GString, sdp: GString },
    Candidate { mid: GString, index: i64, sdp: GString },
    Channel(Gd<WebRtcDataChannel>),
}

/// A connection whose signals end up in the inbox.
pub(super) fn connection(
    configuration: &VarDictionary,
) -> Result<(Gd<WebRtcPeerConnection>, Inbox), &'static str> {
    let mut connection = WebRtcPeerConnection::new_gd();
    if connection.get_class() == "WebRTCPeerConnectionExtension" {
        return Err("no WebRTC implementation is installed");
    }
    if connection.initialize_ex().configuration(configuration).done() != Error::OK {
        return Err("`ice_servers` or `rtc_configuration` is not understood");
    }
    let inbox = Inbox::default();
    let told = Rc::clone(&inbox);
    connection.signals().session_description_created().connect(
        move |kind: GString, sdp: GString| {
            told.borrow_mut().push(Told::Described { kind, sdp });
        },
    );
    let told = Rc::clone(&inbox);
    connection.signals().ice_candidate_created().connect(
        move |mid: GString, index: i64, sdp: GString| {
            told.borrow_mut().push(Told::Candidate { mid, index, sdp });
        },
    );
    let told = Rc::clone(&inbox);
    connection.signals().data_channel_received().connect(move |channel: Gd<WebRtcDataChannel>| {
        told.borrow_mut().push(Told::Channel(channel));
    });
    Ok((connection, inbox))
}
