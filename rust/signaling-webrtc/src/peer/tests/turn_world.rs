//! TURN servers in the simulated network, and the links to them.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use super::sim::{self, Datagram, Sim};
use crate::peer::{Input, LinkEvent, LinkKey, LinkRequest};
use crate::turn::test_server::{Reply, TurnServer};

/// An end and one of its links.
pub(super) type Client = (usize, LinkKey);

/// What arrives at a server, or from one.
pub(super) enum Arrival {
    AtServer { client: Client, server: SocketAddr, bytes: Vec<u8> },
    FromPeer(Datagram),
    Gone { client: Client, server: SocketAddr },
    Opened { client: Client },
    AtClient { client: Client, bytes: Vec<u8> },
}

#[derive(Default)]
pub(super) struct TurnWorld {
    servers: HashMap<SocketAddr, TurnServer<Client>>,
    links: HashMap<Client, Link>,
    /// Links that lead nowhere any more.
    dead: HashSet<Client>,
    /// Whether the servers have stopped to answer.
    pub(super) is_silent: bool,
}

struct Link {
    server: SocketAddr,
    is_stream: bool,
}

impl TurnWorld {
    /// Starts a server; what it grants is on the same machine.
    pub(super) fn start(&mut self, address: &str) -> &mut TurnServer<Client> {
        let address: SocketAddr = address.parse().unwrap();
        let free = (50_000..50_100).map(|port| SocketAddr::new(address.ip(), port));
        self.servers.entry(address).or_insert_with(|| TurnServer::new(free))
    }

    pub(super) fn server(&mut self) -> &mut TurnServer<Client> {
        self.servers.values_mut().next().unwrap()
    }

    pub(super) fn grants(&self, address: SocketAddr) -> bool {
        self.servers.values().any(|server| server.grants(address))
    }

    /// Has the links of one end lead nowhere from now on: it has moved to another network.
    pub(super) fn cut_links(&mut self, side: usize) {
        let links = self.links.keys().filter(|client| client.0 == side);
        self.dead.extend(links);
    }

    /// How many links are open.
    pub(super) fn links(&self) -> usize {
        self.links.len()
    }
}

impl Sim {
    pub(super) fn handle_link_request(&mut self, client: Client, request: LinkRequest) {
        match request {
            LinkRequest::Open { to, server } => self.open_link(client, to, server.is_stream()),
            LinkRequest::Ask(bytes) | LinkRequest::Relay(bytes) => {
                let server = self.turn.links[&client].server;
                self.carry(client, Arrival::AtServer { client, server, bytes });
            }
            LinkRequest::Close => {
                let link = self.turn.links.remove(&client).unwrap();
                if link.is_stream {
                    let gone = Arrival::Gone { client, server: link.server };
                    self.schedule(self.link.delay, sim::Arrival::Turn(gone));
                }
            }
        }
    }

    fn open_link(&mut self, client: Client, server: SocketAddr, is_stream: bool) {
        assert!(self.turn.links.insert(client, Link { server, is_stream }).is_none());
        let round_trips = if is_stream { 1 } else { 0 };
        if !is_stream || self.turn.servers.contains_key(&server) {
            let delay = self.link.delay * 2 * round_trips;
            self.schedule(delay, sim::Arrival::Turn(Arrival::Opened { client }));
        }
    }

    /// Breaks the links of one end, as its network or the server does.
    pub(super) fn break_links(&mut self, side: usize) {
        self.happen_on_links(side, LinkEvent::Closed("it has closed the connection"));
    }

    /// Has this come over the links of one end.
    pub(super) fn receive_on_links(&mut self, side: usize, bytes: &[u8]) {
        self.happen_on_links(side, LinkEvent::Received(bytes));
    }

    fn happen_on_links(&mut self, side: usize, event: LinkEvent<'_>) {
        let mut links: Vec<_> = self.turn.links.keys().copied().collect();
        links.retain(|client| client.0 == side);
        for client in links {
            self.hand_in(client, event);
        }
    }

    /// Streams lose nothing.
    fn carry(&mut self, client: Client, arrival: Arrival) {
        let is_stream = self.turn.links.get(&client).is_some_and(|link| link.is_stream);
        let is_lost = self.turn.dead.contains(&client) || !is_stream && self.loses();
        if !is_lost && !self.turn.is_silent {
            self.schedule(self.link.delay, sim::Arrival::Turn(arrival));
        }
    }

    pub(super) fn arrive_at_turn(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::AtServer { client, server, bytes } => {
                let seen_as = SocketAddr::from(([192, 0, 2, 1], 7000));
                let server = self.turn.servers.get_mut(&server);
                let reply = server
                    .and_then(|server| server.take_from_client(self.now, client, seen_as, &bytes));
                self.reply(client.0, reply);
            }
            Arrival::FromPeer(Datagram { side, from, to, bytes }) => {
                let links = &self.turn.links;
                let is_stream = |client| links.get(&client).is_some_and(|link| link.is_stream);
                let mut servers = self.turn.servers.values_mut();
                let reply = servers.find_map(|server| {
                    server.take_from_peer(self.now, to, from, &bytes, is_stream)
                });
                self.reply(side, reply);
            }
            Arrival::Gone { client, server } => {
                if let Some(server) = self.turn.servers.get_mut(&server) {
                    server.forget(client);
                }
            }
            Arrival::Opened { client } => self.hand_in(client, LinkEvent::Opened),
            Arrival::AtClient { client, bytes } => {
                self.hand_in(client, LinkEvent::Received(&bytes));
            }
        }
    }

    fn reply(&mut self, side: usize, reply: Option<Reply<Client>>) {
        match reply {
            Some(Reply::ToClient { client, bytes }) => {
                self.carry(client, Arrival::AtClient { client, bytes });
            }
            Some(Reply::ToPeer { from, to, bytes }) if !self.turn.is_silent => {
                self.forward(Datagram { side, from, to, bytes });
            }
            Some(Reply::ToPeer { .. }) | None => {}
        }
    }

    fn hand_in(&mut self, (side, link): Client, event: LinkEvent<'_>) {
        if self.ends[side].is_alive && self.turn.links.contains_key(&(side, link)) {
            self.with(side, |machine, now| {
                machine.handle_input(now, Input::Link { link, event });
            });
        }
    }
}
