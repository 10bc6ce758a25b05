//! Connections with named channels, as CloudLink's own clients make them: no multiplayer peer, but
//! a channel `default` from the start, on which further ones are agreed on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use godot::classes::{WebRtcDataChannel, WebRtcPeerConnection};
use godot::global::Error;
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::channels::link::DEFAULT;
use signaling_protocols::cloudlink5::channels::{OpenError, Packet};

use super::neighbour::{Begins, Happened, Neighbour};
use crate::peers::{self, Carry, LinkEvent, Links};

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
    },
}

/// The connections to the members of a lobby.
pub(crate) struct Channels {
    configuration: VarDictionary,
    default: DefaultChannel,
    carry: Box<Carry>,
    /// At most [`MAX_NEIGHBOURS`].
    neighbours: BTreeMap<String, Neighbour>,
    links: Links,
    /// Set when no connection can be made at all, so that it is said once.
    has_given_up: bool,
    /// What ended when a member began anew, told with the next turn.
    news: Vec<News>,
}

impl Channels {
    pub(super) fn new(
        configuration: VarDictionary,
        default: DefaultChannel,
        carry: Box<Carry>,
    ) -> Self {
        Self {
            configuration,
            default,
            carry,
            neighbours: BTreeMap::new(),
            links: Links::default(),
            has_given_up: false,
            news: Vec::new(),
        }
    }

    /// Connects to a member. An earlier connection to it counts no more.
    pub(super) fn connect(&mut self, id: PeerId, member: &str, begins: Begins) {
        let closed = self.part(member).unwrap_or_default();
        self.news.extend(closed);
        if self.has_given_up || self.neighbours.len() >= MAX_NEIGHBOURS {
            return;
        }
        let made = peers::connection(&self.configuration).and_then(|connection| {
            self.links.add(id, &connection, false);
            Neighbour::new(id, connection, self.default, begins)
        });
        match made {
            Ok(neighbour) => {
                self.neighbours.insert(member.to_owned(), neighbour);
            }
            Err(reason) => {
                self.has_given_up = true;
                self.links.give_up(reason);
                godot_error!("Cannot connect to other members: {reason}.");
            }
        }
    }

    /// Closes the connection to a member, if there is one; its channels are closed then.
    fn part(&mut self, member: &str) -> Option<Vec<News>> {
        let closed = self.neighbours.remove(member)?.close();
        let tell = |channel| News::Closed { member: member.to_owned(), channel };
        Some(closed.map(tell).collect())
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

    /// How the connection to a peer is doing; empty when there is none.
    pub(super) fn statistics(&self, id: PeerId) -> VarDictionary {
        self.links.statistics(id)
    }

    /// What has become of the connections since the last call.
    pub(super) fn turn(&mut self) -> Vec<News> {
        let mut news = std::mem::take(&mut self.news);
        let mut gone = BTreeMap::new();
        for (member, neighbour) in &mut self.neighbours {
            for happened in neighbour.turn() {
                let member = member.clone();
                match happened {
                    Happened::Said(signal) => (self.carry)(&member, signal),
                    Happened::Opened(channel) => {
                        if channel == DEFAULT {
                            self.links.note_up(neighbour.id());
                        }
                        news.push(News::Opened { member, channel });
                    }
                    Happened::Closed(channel) => news.push(News::Closed { member, channel }),
                    Happened::Heard { channel, packet } => {
                        news.push(News::Heard { member, channel, packet });
                    }
                    Happened::Ended => {
                        gone.insert(neighbour.id(), member);
                    }
                }
            }
        }
        // Asked before it is closed, a connection knows why it has ended.
        let links = self.links.turn(|id| !gone.contains_key(&id));
        for member in gone.into_values() {
            news.extend(self.part(&member).unwrap_or_default());
            news.push(News::Gone { member });
        }
        news.extend(links.into_iter().map(News::Link));
        news
    }

    /// Closes all connections.
    pub(super) fn close(&mut self) {
        self.links.clear();
        for neighbour in std::mem::take(&mut self.neighbours).into_values() {
            drop(neighbour.close());
        }
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

/// Where the signals of a connection end up from now on.
pub(super) fn inbox(connection: &Gd<WebRtcPeerConnection>) -> Inbox {
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
    inbox
}
