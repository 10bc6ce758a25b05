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

/// What runs on a network.
pub(super) trait Play {
    type Server: Server;
    type Session: Session;
    /// What a client knows by what it was told.
    type View;

    /// What clients request.
    const TARGET: &'static str;

    /// Panics when an event contradicts what is known, and takes it in.
    fn note(view: &mut Self::View, event: &Event<Self>);

    /// Panics unless the server is in order.
    fn check(server: &Self::Server);

    /// What the program around the server does about a notice, and how much later.
    fn heed(
        server: &Self::Server,
        notice: Notice<Self>,
        rng: &mut StdRng,
    ) -> Option<(Duration, Command<Self>)>;
}

type Event<P> = <<P as Play>::Session as Session>::Event;
type Request<P> = <<P as Play>::Session as Session>::Request;
type Command<P> = <<P as Play>::Server as Server>::Command;
type Notice<P> = <<P as Play>::Server as Server>::Notice;

/// Everything there is.
pub(super) struct Network<P: Play> {
    pub(super) now: Instant,
    pub(super) rng: StdRng,
    pub(super) server: P::Server,
    pub(super) clients: Vec<Client<P>>,
    /// Which client a connection is of, and when the last thing on it arrives.
    lines: BTreeMap<ConnId, Line>,
    /// What is under way, by the time of its arrival.
    agenda: BTreeMap<(Instant, u64), Arrival<P>>,
    /// Numbers what is under way, and connections.
    next: u64,
}

/// One client, and what it was told.
pub(super) struct Client<P: Play> {
    session: P::Session,
    /// Its present connection, standing or being made.
    conn: Option<ConnId>,
    /// Whether a new connection can be made.
    pub(super) is_reachable: bool,
    /// What its session has told, oldest first.
    pub(super) told: Vec<Event<P>>,
    pub(super) view: P::View,
}

struct Line {
    client: usize,
    last_arrival: Instant,
    /// Nothing arrives any more, and nobody knows.
    is_silent: bool,
}

enum Arrival<P: Play> {
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
    /// The program around the server has something to say.
    Commanded(Command<P>),
}

/// How long a message may be under way, in milliseconds.
const DELAYS: std::ops::Range<u64> = 5..80;

impl<P: Play> Network<P> {
    pub(super) fn new(seed: u64, server: P::Server) -> Self {
        Self {
            now: Instant::now(),
            rng: StdRng::seed_from_u64(seed),
            server,
            clients: Vec::new(),
            lines: BTreeMap::new(),
            agenda: BTreeMap::new(),
            next: 0,
        }
    }

    /// A new client, whose connection is being made; its index.
    pub(super) fn add(&mut self, session: P::Session, view: P::View) -> usize {
        let client = self.clients.len();
        self.clients.push(Client {
            session,
            conn: None,
            is_reachable: true,
            told: Vec::new(),
            view,
        });
        self.dial(client);
        client
    }

    /// A number that was never used for anything.
    pub(super) fn draw_number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn request(&mut self, client: usize, request: Request<P>) {
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
            |arrival: &Arrival<P>| matches!(arrival, Arrival::Opened(opening) if *opening == conn);
        if self.agenda.values().any(is_opening) {
            return self.break_off(client);
        }
        self.drop_what_is_under_way(conn);
        self.lines.entry(conn).and_modify(|line| line.is_silent = true);
    }

    /// The server is killed, and another takes its place.
    pub(super) fn replace(&mut self, server: P::Server) {
        self.server = server;
        self.agenda.retain(|_, arrival| !matches!(arrival, Arrival::Commanded(_)));
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

    fn arrive(&mut self, arrival: Arrival<P>) {
        match arrival {
            Arrival::Opened(conn) => {
                self.serve(Input::Opened { conn, target: P::TARGET, from: "" });
                self.input_on(conn, SessionInput::Opened);
            }
            Arrival::Unreachable(conn) => {
                let close = Close::abnormal("unreachable");
                self.end(conn, close, Cause::Unreachable);
            }
            Arrival::ToServer(conn, text) => {
                let message = P::Server::decode(Frame::Text(&text));
                self.serve(Input::Message { conn, message });
            }
            Arrival::ToClient(conn, text) => {
                self.input_on(conn, SessionInput::Frame(Frame::Text(&text)));
            }
            Arrival::GoneAtServer(conn) => self.serve(Input::Closed { conn }),
            Arrival::GoneAtClient(conn, close, cause) => self.end(conn, close, cause),
            Arrival::Commanded(command) => self.serve(Input::Command(command)),
        }
    }

    /// The client hears of the end of a connection, if it is still its own.
    fn end(&mut self, conn: ConnId, close: Close, cause: Cause) {
        let Some(client) = self.client_on(conn) else { return };
        self.clients[client].conn = None;
        self.input(client, SessionInput::Closed { close, cause });
    }

    fn input_on(&mut self, conn: ConnId, input: SessionInput<'_, Request<P>>) {
        if let Some(client) = self.client_on(conn) {
            self.input(client, input);
        }
    }

    fn client_on(&self, conn: ConnId) -> Option<usize> {
        let client = self.lines.get(&conn)?.client;
        (self.clients[client].conn == Some(conn)).then_some(client)
    }

    fn input(&mut self, client: usize, input: SessionInput<'_, Request<P>>) {
        self.clients[client].session.handle_input(self.now, input);
        while let Some(output) = self.clients[client].session.poll_output() {
            let conn = self.clients[client].conn;
            match (output, conn) {
                (SessionOutput::Event(event), _) => {
                    P::note(&mut self.clients[client].view, &event);
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

    fn serve(&mut self, input: Input<'_, P::Server>) {
        self.server.handle_input(self.now, input);
        P::check(&self.server);
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { conn, text } => self.send(conn, Arrival::ToClient(conn, text)),
                Output::Close { conn, close } => {
                    self.send(conn, Arrival::GoneAtClient(conn, close, Cause::Closed));
                }
                Output::Notice(notice) => self.heed(notice),
                Output::Ping { .. } => {}
            }
        }
    }

    fn heed(&mut self, notice: Notice<P>) {
        if let Some((delay, command)) = P::heed(&self.server, notice, &mut self.rng) {
            self.schedule(self.now + delay, Arrival::Commanded(command));
        }
    }

    fn dial(&mut self, client: usize) {
        let conn = ConnId(self.draw_number());
        let line = Line { client, last_arrival: self.now, is_silent: false };
        self.lines.insert(conn, line);
        self.clients[client].conn = Some(conn);
        let is_reachable = self.clients[client].is_reachable;
        let opened = if is_reachable { Arrival::Opened } else { Arrival::Unreachable };
        self.send(conn, opened(conn));
    }

    /// Puts something on its way, behind all that is under way on the same connection.
    fn send(&mut self, conn: ConnId, arrival: Arrival<P>) {
        let Some(line) = self.lines.get_mut(&conn).filter(|line| !line.is_silent) else { return };
        let delay = Duration::from_millis(self.rng.random_range(DELAYS));
        line.last_arrival = line.last_arrival.max(self.now + delay);
        let at = line.last_arrival;
        self.schedule(at, arrival);
    }

    fn schedule(&mut self, at: Instant, arrival: Arrival<P>) {
        let number = self.draw_number();
        self.agenda.insert((at, number), arrival);
    }

    fn drop_what_is_under_way(&mut self, lost: ConnId) {
        self.agenda.retain(|_, arrival| match arrival {
            Arrival::Opened(conn) => *conn != lost,
            Arrival::ToServer(conn, _) | Arrival::ToClient(conn, _) => *conn != lost,
            _ => true,
        });
    }
}
