//! The lobbies of the Godot protocol under clients that do anything at any time.
//!
//! The model knows no lobby logic of its own. It keeps what each client was told, and compares
//! that with what the server says of its lobbies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use signaling_core::{ConnId, Frame, Input, Output, PeerId, Server};
use signaling_protocols::godot::wire::ServerMessage;
use signaling_protocols::godot::{
    GodotServer, LobbyInfo, ServerCommand, ServerNotice, Settings, Topology,
};

use super::for_each_seed;

const STEPS: usize = 300;

#[test]
fn nobody_is_lost_doubled_or_told_wrong() {
    for_each_seed(1000, |seed| World::new(seed).run());
}

struct World {
    rng: StdRng,
    server: GodotServer,
    settings: Settings,
    now: Instant,
    next_conn: u64,
    clients: BTreeMap<ConnId, Client>,
    /// The lobbies as an embedding program sees them that only listens to notices.
    told: BTreeMap<Arc<str>, LobbyInfo>,
    /// Names of lobbies that exist or existed.
    names: Vec<Arc<str>>,
}

/// What one client knows.
struct Client {
    opened: Instant,
    lobby: Option<String>,
    me: Option<PeerId>,
    peers: BTreeSet<PeerId>,
    sealed: Option<Instant>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut settings = Settings::default();
        settings.max_peers = 12;
        settings.max_lobbies = 4;
        Self {
            rng: StdRng::seed_from_u64(seed),
            server: GodotServer::new(settings.clone(), StdRng::seed_from_u64(seed)),
            settings,
            now: Instant::now(),
            next_conn: 0,
            clients: BTreeMap::new(),
            told: BTreeMap::new(),
            names: Vec::new(),
        }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            self.step();
            self.check();
        }
        self.handle(Input::Shutdown);
        self.check();
        assert!(self.clients.is_empty() && self.told.is_empty(), "everybody is told of the end");
        assert_eq!(self.server.poll_timeout(), None, "no timer outlives its reason");
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..25 => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                let client = Client {
                    opened: self.now,
                    lobby: None,
                    me: None,
                    peers: BTreeSet::new(),
                    sealed: None,
                };
                self.clients.insert(conn, client);
                self.handle(Input::Opened { conn, target: "/", from: "" });
            }
            25..35 => self.advance(),
            35..43 => {
                if let Some(conn) = self.any_conn() {
                    self.clients.remove(&conn);
                    self.handle(Input::Closed { conn });
                }
            }
            43..45 => {
                let command = self.command();
                self.handle(Input::Command(command));
            }
            _ => {
                if let Some(conn) = self.any_conn() {
                    let text = self.message(conn);
                    let message = GodotServer::decode(Frame::Text(&text));
                    self.handle(Input::Message { conn, message });
                }
            }
        }
    }

    fn any_conn(&mut self) -> Option<ConnId> {
        self.clients.keys().copied().choose(&mut self.rng)
    }

    fn any_lobby(&mut self) -> Arc<str> {
        self.names.iter().choose(&mut self.rng).cloned().unwrap_or_else(|| "nowhere".into())
    }

    /// Time moves to the next deadline, just short of it, or by a random step.
    fn advance(&mut self) {
        let due = self.server.poll_timeout().map(|due| due - self.now);
        let step = match (self.rng.random_range(0..3), due) {
            (0, Some(due)) => due,
            (1, Some(due)) => due.saturating_sub(Duration::from_millis(1)),
            _ => Duration::from_millis(self.rng.random_range(0..4000)),
        };
        self.now += step;
        self.handle(Input::Timeout);
    }

    fn command(&mut self) -> ServerCommand {
        let (lobby, reason) = (self.any_lobby(), "because".to_owned());
        if self.rng.random() {
            return ServerCommand::CloseLobby { lobby, reason };
        }
        let members = self.told.get(&lobby).map(|info| info.members.clone()).unwrap_or_default();
        let peer = members.into_iter().choose(&mut self.rng).unwrap_or(PeerId::MAX);
        ServerCommand::DisconnectPeer { lobby, peer, reason }
    }

    fn message(&mut self, conn: ConnId) -> String {
        let in_lobby = self.clients[&conn].lobby.is_some();
        let any_peer = self.clients[&conn].peers.iter().copied().choose(&mut self.rng);
        match self.rng.random_range(0..20) {
            0..4 if !in_lobby => {
                let id = self.rng.random_range(0..2);
                format!(r#"{{"type":0,"id":{id},"data":""}}"#)
            }
            0..12 if !in_lobby => {
                let lobby = self.any_lobby();
                format!(r#"{{"type":0,"id":0,"data":"{lobby}"}}"#)
            }
            0..2 => r#"{"type":7,"id":0,"data":""}"#.to_owned(),
            2..17 => {
                let kind = self.rng.random_range(4..7);
                let to = any_peer.map_or(1, PeerId::get);
                format!(r#"{{"type":{kind},"id":{to},"data":"{}"}}"#, self.rng.random::<u64>())
            }
            17 => r#"{"type":0,"id":0,"data":""}"#.to_owned(),
            18 => format!(r#"{{"type":{},"id":0,"data":""}}"#, self.rng.random_range(0..8)),
            _ => "garbage".to_owned(),
        }
    }

    fn handle(&mut self, input: Input<'_, GodotServer>) {
        self.server.handle_input(self.now, input);
        self.server.assert_consistent();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { conn, text } => self.receive(conn, &text),
                Output::Close { conn, close } => {
                    let client = self.clients.remove(&conn).expect("nobody is closed twice");
                    self.check_deadline(&client, &close.reason);
                }
                Output::Ping { .. } => {}
                Output::Notice(notice) => self.notice(notice),
            }
        }
    }

    fn receive(&mut self, conn: ConnId, text: &str) {
        let client = self.clients.get_mut(&conn).expect("nothing is sent after the end");
        match ServerMessage::decode(Frame::Text(text)).expect("the server makes sense") {
            ServerMessage::Identified { id, .. } => {
                assert_eq!(client.me.replace(id), None, "one id for the whole connection");
            }
            ServerMessage::Joined { lobby } => {
                assert_eq!(client.lobby.replace(lobby.into_owned()), None, "one lobby");
            }
            ServerMessage::PeerConnected(id) => {
                assert!(client.me.is_some(), "the id comes before the peers");
                assert!(client.peers.insert(id), "{id} is announced once");
            }
            ServerMessage::PeerDisconnected(id) => {
                assert!(client.peers.remove(&id), "{id} was announced before it left");
            }
            ServerMessage::Relayed { .. } => {
                assert!(client.lobby.is_some(), "only members are relayed to");
            }
            ServerMessage::Sealed => {
                client.sealed.get_or_insert(self.now);
            }
            ServerMessage::Extended(event) => panic!("{event:?} is not for plain clients"),
        }
    }

    fn check_deadline(&self, client: &Client, reason: &str) {
        match reason {
            "Have not joined lobby yet" => {
                assert_eq!(client.lobby, None);
                assert!(self.now >= client.opened + self.settings.join_timeout, "never early");
            }
            "Seal complete" => {
                let sealed = client.sealed.expect("every member is told of the seal");
                assert!(self.now >= sealed + self.settings.seal_timeout, "never early");
            }
            _ => {}
        }
    }

    fn notice(&mut self, notice: ServerNotice) {
        match notice {
            ServerNotice::LobbyCreated { info } => {
                self.names.push(info.name.clone());
                assert_eq!(self.told.insert(info.name.clone(), *info), None, "a name is used once");
            }
            ServerNotice::LobbyChanged { info } => panic!("nobody can change {info:?}"),
            ServerNotice::Asked(_) | ServerNotice::Undecided { .. } => panic!("nobody decides"),
            ServerNotice::PeerJoined { lobby, peer } => self.listed(&lobby).members.push(peer),
            ServerNotice::PeerLeft { lobby, peer } => {
                let members = &mut self.listed(&lobby).members;
                let before = members.len();
                members.retain(|member| *member != peer);
                assert_eq!(members.len() + 1, before, "{peer} left once");
            }
            ServerNotice::LobbySealed { lobby } => {
                assert!(!std::mem::replace(&mut self.listed(&lobby).sealed, true), "sealed once");
            }
            ServerNotice::LobbyClosed { lobby } => {
                let info = self.told.remove(&lobby).expect("closed once");
                assert_eq!(info.members, [], "all have left before");
            }
        }
    }

    fn listed(&mut self, lobby: &str) -> &mut LobbyInfo {
        self.told.get_mut(lobby).expect("the lobby was created and is not closed")
    }

    fn check(&self) {
        let lobbies: BTreeMap<_, _> =
            self.server.lobbies().map(|lobby| (lobby.name.clone(), lobby)).collect();
        assert_eq!(lobbies, self.told, "notices tell the whole story");

        let members: usize = lobbies.values().map(|lobby| lobby.members.len()).sum();
        let joined = self.clients.values().filter(|client| client.lobby.is_some());
        assert_eq!(joined.clone().count(), members, "who is told so is in a lobby");
        let mut seen = BTreeSet::new();
        for client in joined {
            let (Some(name), Some(me)) = (&client.lobby, client.me) else {
                panic!("a member has an id")
            };
            let lobby = &lobbies[&**name];
            assert!(lobby.members.contains(&me), "a member is listed");
            assert!(seen.insert((name, me)), "an id is unique in its lobby");
            assert_eq!(client.peers, peers_of(lobby, me), "what {me} was told");
            assert!(lobby.sealed || client.sealed.is_none());
        }
    }
}

/// Whom a member must have heard of.
fn peers_of(lobby: &LobbyInfo, me: PeerId) -> BTreeSet<PeerId> {
    let hears_of = |peer: PeerId| match lobby.topology {
        Topology::Mesh => true,
        Topology::ClientServer => me == PeerId::HOST || peer == PeerId::HOST,
    };
    lobby.members.iter().copied().filter(|peer| *peer != me && hears_of(*peer)).collect()
}
