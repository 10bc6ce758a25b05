//! The PeerServer under clients that do anything at any time.
//!
//! What is sent is numbered. Each message arrives at most once, at whom it was meant for, and in
//! order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use signaling_core::{ConnId, Frame, Input, Output, Server};
use signaling_protocols::cloudlink5::peer_server::wire::ServerMessage;
use signaling_protocols::cloudlink5::peer_server::{PeerServer, Settings};

use super::for_each_seed;

const STEPS: usize = 200;
const IDS: u64 = 6;

#[test]
fn no_message_of_the_peer_server_is_doubled_or_goes_astray() {
    for_each_seed(300, |seed| World::new(seed).run());
}

struct World {
    rng: StdRng,
    server: PeerServer,
    now: Instant,
    next_conn: u64,
    next_message: u64,
    /// Which id each connection has.
    clients: BTreeMap<ConnId, u64>,
    /// The last message that went from one id to another.
    last: BTreeMap<(u64, u64), u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut settings = Settings::default();
        (settings.max_clients, settings.max_queued, settings.max_unknown) = (4, 3, 2);
        Self {
            rng: StdRng::seed_from_u64(seed),
            server: PeerServer::new(settings),
            now: Instant::now(),
            next_conn: 0,
            next_message: 0,
            clients: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.handle(Input::Shutdown);
        assert!(self.clients.is_empty(), "everybody is told of the end");
        assert_eq!(self.server.poll_timeout(), None, "no timer outlives its reason");
    }

    fn step(&mut self) {
        let conn = self.clients.keys().copied().choose(&mut self.rng);
        match (self.rng.random_range(0..100), conn) {
            (0..15, _) => self.open(),
            (15..25, _) => {
                self.now += Duration::from_millis(self.rng.random_range(0..8000));
                self.handle(Input::Timeout);
            }
            (25..32, Some(conn)) => {
                self.clients.remove(&conn);
                self.handle(Input::Closed { conn });
            }
            (32..35, Some(conn)) => self.say(conn, r#"{"type":"LEAVE"}"#),
            (35..90, Some(conn)) => {
                self.next_message += 1;
                let (number, to) = (self.next_message, self.rng.random_range(0..IDS));
                let text = format!(r#"{{"type":"CANDIDATE","dst":"{to}","payload":{number}}}"#);
                self.say(conn, &text);
            }
            (_, Some(conn)) => self.say(conn, r#"{"type":"HEARTBEAT"}"#),
            (_, None) => {}
        }
    }

    fn open(&mut self) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let (id, token) = (self.rng.random_range(0..IDS), self.rng.random_range(0..2));
        self.clients.insert(conn, id);
        let target = format!("/peerjs?key=peerjs&id={id}&token={token}");
        self.handle(Input::Opened { conn, target: &target, from: "" });
    }

    fn say(&mut self, conn: ConnId, text: &str) {
        let message = PeerServer::decode(Frame::Text(text));
        self.handle(Input::Message { conn, message });
    }

    fn handle(&mut self, input: Input<'_, PeerServer>) {
        self.server.handle_input(self.now, input);
        self.server.assert_consistent();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { conn, text } => self.receive(conn, &text),
                Output::Close { conn, .. } => {
                    self.clients.remove(&conn).expect("nobody is closed twice");
                }
                Output::Ping { .. } | Output::Notice(_) => panic!("neither pings nor tells"),
            }
        }
    }

    fn receive(&mut self, conn: ConnId, text: &str) {
        let id = self.clients.get(&conn).expect("nothing is sent after the end");
        let message = ServerMessage::decode(Frame::Text(text)).expect("the server makes sense");
        if let ServerMessage::Signal { src, dst, payload, .. } = message {
            assert_eq!(dst.parse(), Ok(*id), "it is for whom it was meant");
            let Some(number) = payload.and_then(|payload| payload.parse().ok()) else { return };
            let src = src.parse().expect("an id of ours");
            let last = self.last.insert((src, *id), number);
            assert!(last.is_none_or(|last| last < number), "each comes once and in order");
        }
    }
}
