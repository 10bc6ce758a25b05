//! A server and its clients in memory and in virtual time, on a network that can fail.
//!
//! Whatever is sent on a connection arrives in order, each message after a delay of its own. A
//! connection may break off, which both sides notice, or fall silent, which neither does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use signaling_core::{
    Cause, Close, ConnId, Frame, Input, Output, Server, Session, SessionInput, SessionOutput,
};
use signaling_protocols::godot::extended::Request;
use signaling_protocols::godot::{
    ClientEvent, ClientRequest, GodotServer, GodotSession, Protocol, ServerCommand, ServerNotice,
    SessionOptions, Settings, Verdict,
};

use super::view::View;

/// Everything there is.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) rng: StdRng,
    pub(super) server: GodotServer,
    pub(super) clients: Vec<Client>,
    /// Which client a connection is of, and when the last thing on it arrives.
    lines: BTreeMap<ConnId, Line>,
    /// What is under way, by the time of its arrival.
    agenda: BTreeMap<(Instant, u64), Arrival>,
    /// Numbers what is under way, and connections.
    next: u64,
}

/// One client, and what it was told.
pub(super) struct Client {
    session: GodotSession,
    pub(super) protocol: Protocol,
    /// Its present connection, standing or being made.
    conn: Option<ConnId>,
    /// Whether a new connection can be made.
    pub(super) is_reachable: bool,
    /// What its session has told, oldest first.
    pub(super) told: Vec<ClientEvent>,
    /// What it knows by that.
    pub(super) view: View,
}

struct Line {
    client: usize,
    last_arrival: Instant,
    /// Nothing arrives any more, and nobody knows.
    is_silent: bool,
}

enum Arrival {
    /// The connection stands.
    Opened(ConnId),
    /// It could not be made.
    Unreachable(ConnId),
    ToServer(ConnId, Arc<str>),
    ToClient(ConnId, Arc<str>),
    /// The server learns that the connection is gone.
    GoneAtServer(ConnId),
    /// The client does.
    GoneAtClient(ConnId, Close, Cause),
    /// Somebody decides on what was asked with this ticket.
    Decided(u64, Verdict),
}

/// How long a message may be under way, in milliseconds.
const DELAYS: std::ops::Range<u64> = 5..80;
/// How long a decision may take, in milliseconds; some take too long.
const DECISIONS: std::ops::Range<u64> = 0..6000;

impl World {
    pub(super) fn new(seed: u64, settings: Settings) -> Self {
        Self {
            now: Instant::now(),
            rng: StdRng::seed_from_u64(seed),
            server: GodotServer::new(settings, StdRng::seed_from_u64(seed)),
            clients: Vec::new(),
            lines: BTreeMap::new(),
            agenda: BTreeMap::new(),
            next: 0,
        }
    }

    /// A new client, whose connection is being made; its index.
    pub(super) fn join(&mut self, options: SessionOptions) -> usize {
        let protocol = options.protocol;
        let session = GodotSession::new(options, StdRng::seed_from_u64(self.rng.random()));
        let (client, told, view) = (self.clients.len(), Vec::new(), View::default());
        self.clients.push(Client { session, protocol, conn: None, is_reachable: true, told, view });
        self.dial(client);
        client
    }

    /// Asks with a ticket of its own; the ticket.
    pub(super) fn ask(&mut self, client: usize, request: Request) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.clients[client].view.unanswered.insert(ticket);
        self.request(client, ClientRequest::Ask { ticket, request: Box::new(request) });
        ticket
    }

    pub(super) fn request(&mut self, client: usize, request: ClientRequest) {
        self.input(client, SessionInput::Request(request));
    }

    /// The connection breaks off: what is under way is lost, and both sides notice.
    pub(super) fn break_off(&mut self, client: usize) {
        let Some(conn) = self.clients[client].conn else { return };
        self.drop_what_is_under_way(conn);
        self.send(conn, Arrival::GoneAtServer(conn));
        self.send(conn, Arrival::GoneAtClient(conn, Close::abnormal("cut"), Cause::Lost));
    }

    /// Nothing arrives any more on the present connection, and nobody is told.
    pub(super) fn fall_silent(&mut self, client: usize) {
        let Some(conn) = self.clients[client].conn else { return };
        let is_opening =
            |arrival: &Arrival| matches!(arrival, Arrival::Opened(opening) if *opening == conn);
        if self.agenda.values().any(is_opening) {
            return self.break_off(client);
        }
        self.drop_what_is_under_way(conn);
        self.lines.entry(conn).and_modify(|line| line.is_silent = true);
    }

    /// The server is killed, and another takes its place.
    pub(super) fn restart(&mut self, settings: Settings) {
        self.server = GodotServer::new(settings, StdRng::seed_from_u64(self.rng.random()));
        self.agenda.retain(|_, arrival| !matches!(arrival, Arrival::Decided(..)));
        for client in 0..self.clients.len() {
            self.break_off(client);
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.next_due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.step();
        }
        self.now = until;
    }

    fn next_due(&self) -> Option<Instant> {
        let arrival = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let clients = self.clients.iter().filter_map(|client| client.session.poll_timeout());
        arrival.into_iter().chain(self.server.poll_timeout()).chain(clients).min()
    }

    fn step(&mut self) {
        if let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let arrival = entry.remove();
            return self.arrive(arrival);
        }
        for client in 0..self.clients.len() {
            let due = self.clients[client].session.poll_timeout();
            if due.is_some_and(|due| due <= self.now) {
                self.input(client, SessionInput::Timeout);
            }
        }
        self.serve(Input::Timeout);
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Opened(conn) => {
                self.serve(Input::Opened { conn, target: "/", from: "" });
                self.input_on(conn, SessionInput::Opened);
            }
            Arrival::Unreachable(conn) => {
                let close = Close::abnormal("unreachable");
                self.end(conn, close, Cause::Unreachable);
            }
            Arrival::ToServer(conn, text) => {
                let message = GodotServer::decode(Frame::Text(&text));
                self.serve(Input::Message { conn, message });
            }
            Arrival::ToClient(conn, text) => {
                self.input_on(conn, SessionInput::Frame(Frame::Text(&text)));
            }
            Arrival::GoneAtServer(conn) => self.serve(Input::Closed { conn }),
            Arrival::GoneAtClient(conn, close, cause) => self.end(conn, close, cause),
            Arrival::Decided(ticket, verdict) => {
                self.serve(Input::Command(ServerCommand::Decide { ticket, verdict }));
            }
        }
    }

    /// The client hears of the end of a connection, if it is still its own.
    fn end(&mut self, conn: ConnId, close: Close, cause: Cause) {
        let Some(client) = self.client_on(conn) else { return };
        self.clients[client].conn = None;
        self.input(client, SessionInput::Closed { close, cause });
    }

    fn input_on(&mut self, conn: ConnId, input: SessionInput<'_, ClientRequest>) {
        if let Some(client) = self.client_on(conn) {
            self.input(client, input);
        }
    }

    fn client_on(&self, conn: ConnId) -> Option<usize> {
        let client = self.lines.get(&conn)?.client;
        (self.clients[client].conn == Some(conn)).then_some(client)
    }

    fn input(&mut self, client: usize, input: SessionInput<'_, ClientRequest>) {
        self.clients[client].session.handle_input(self.now, input);
        while let Some(output) = self.clients[client].session.poll_output() {
            let conn = self.clients[client].conn;
            match (output, conn) {
                (SessionOutput::Event(event), _) => {
                    self.clients[client].view.note(&event);
                    self.clients[client].told.push(event);
                }
                (SessionOutput::Connect, old) => {
                    // A server hears of the end of a connection that does not hang.
                    old.into_iter().for_each(|old| self.send(old, Arrival::GoneAtServer(old)));
                    self.dial(client);
                }
                (SessionOutput::Send(text), Some(conn)) => {
                    self.send(conn, Arrival::ToServer(conn, text));
                }
                (SessionOutput::Close(close), Some(conn)) => {
                    self.send(conn, Arrival::GoneAtServer(conn));
                    let gone = Arrival::GoneAtClient(conn, close, Cause::Closed);
                    // Our own end of it is known here.
                    self.schedule(self.now, gone);
                }
                (SessionOutput::Send(_) | SessionOutput::Close(_), None) => {}
            }
        }
    }

    fn serve(&mut self, input: Input<'_, GodotServer>) {
        self.server.handle_input(self.now, input);
        self.server.assert_consistent();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { conn, text } => self.send(conn, Arrival::ToClient(conn, text)),
                Output::Close { conn, close } => {
                    self.send(conn, Arrival::GoneAtClient(conn, close, Cause::Closed));
                }
                Output::Notice(ServerNotice::Asked(asked)) => self.decide(asked.ticket),
                Output::Notice(ServerNotice::PeerJoined { lobby, .. }) => self.check_room(&lobby),
                Output::Ping { .. } | Output::Notice(_) => {}
            }
        }
    }

    /// Whoever came in found a free place.
    fn check_room(&self, lobby: &str) {
        let lobby = self.server.lobbies().find(|info| &*info.name == lobby);
        // It may have ended with the same input.
        if let Some(lobby) = lobby {
            assert!(lobby.members.len() <= lobby.max_players, "{} is overcrowded", lobby.name);
        }
    }

    fn decide(&mut self, ticket: u64) {
        let is_rejected = self.rng.random_ratio(1, 5);
        let verdict = if is_rejected { Err("No".to_owned()) } else { Ok(()) };
        let delay = Duration::from_millis(self.rng.random_range(DECISIONS));
        self.schedule(self.now + delay, Arrival::Decided(ticket, verdict));
    }

    fn dial(&mut self, client: usize) {
        let conn = ConnId(self.next);
        self.next += 1;
        let line = Line { client, last_arrival: self.now, is_silent: false };
        self.lines.insert(conn, line);
        self.clients[client].conn = Some(conn);
        let is_reachable = self.clients[client].is_reachable;
        let opened = if is_reachable { Arrival::Opened } else { Arrival::Unreachable };
        self.send(conn, opened(conn));
    }

    /// Puts something on its way, behind all that is under way on the same connection.
    fn send(&mut self, conn: ConnId, arrival: Arrival) {
        let Some(line) = self.lines.get_mut(&conn).filter(|line| !line.is_silent) else { return };
        let delay = Duration::from_millis(self.rng.random_range(DELAYS));
        line.last_arrival = line.last_arrival.max(self.now + delay);
        let at = line.last_arrival;
        self.schedule(at, arrival);
    }

    fn schedule(&mut self, at: Instant, arrival: Arrival) {
        self.agenda.insert((at, self.next), arrival);
        self.next += 1;
    }

    fn drop_what_is_under_way(&mut self, lost: ConnId) {
        self.agenda.retain(|_, arrival| match arrival {
            Arrival::Opened(conn) => *conn != lost,
            Arrival::ToServer(conn, _) | Arrival::ToClient(conn, _) => *conn != lost,
            _ => true,
        });
    }
}
