//! The lobbies of CloudLink 5 under clients that do anything at any time.
//!
//! The model keeps what each client was told, and compares that with what the server says of its
//! lobbies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use signaling_core::overview::{LobbyKey, LobbyNotice, LobbyView, Overview};
use signaling_core::wall_clock::WallClock;
use signaling_core::{ConnId, Frame, Input, Output, Server};
use signaling_protocols::cloudlink5::wire::{Role, ServerMessage};
use signaling_protocols::cloudlink5::{CloudLink5Server, Settings};

use super::for_each_seed;

const STEPS: usize = 120;
const GAMES: [&str; 2] = ["chess", "go"];
const NAMES: [&str; 3] = ["attic", "cellar", ""];

#[test]
fn nobody_in_a_lobby_of_cloudlink_5_is_told_wrong() {
    for_each_seed(300, |seed| World::new(seed).run());
}

struct World {
    rng: StdRng,
    server: CloudLink5Server,
    now: Instant,
    next_conn: u64,
    clients: BTreeMap<ConnId, Client>,
    /// The lobbies as an embedding program sees them that only listens to notices.
    told: BTreeMap<LobbyKey, LobbyView>,
}

/// What one client knows.
#[derive(Default)]
struct Client {
    me: String,
    role: Role,
    host: String,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let mut settings = Settings::default();
        (settings.limits.clients, settings.limits.lobbies) = (6, 2);
        let clock = WallClock::new(now, Duration::ZERO);
        Self {
            rng: StdRng::seed_from_u64(seed),
            server: CloudLink5Server::new(settings, StdRng::seed_from_u64(seed), clock),
            now,
            next_conn: 0,
            clients: BTreeMap::new(),
            told: BTreeMap::new(),
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
            0..15 => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.clients.insert(conn, Client::default());
                let game = GAMES.choose(&mut self.rng).expect("there are games");
                self.handle(Input::Opened { conn, target: &format!("/?ugi={game}"), from: "" });
                self.say(conn, r#"{"opcode":"INIT","payload":{"username":"Ada"}}"#);
            }
            15..20 => self.advance(),
            20..27 => {
                if let Some(conn) = self.any_conn() {
                    self.clients.remove(&conn);
                    self.handle(Input::Closed { conn });
                }
            }
            _ => {
                if let Some(conn) = self.any_conn() {
                    let text = self.message();
                    self.say(conn, &text);
                }
            }
        }
    }

    fn any_conn(&mut self) -> Option<ConnId> {
        self.clients.keys().copied().choose(&mut self.rng)
    }

    fn advance(&mut self) {
        self.now += Duration::from_secs(self.rng.random_range(0..40));
        self.handle(Input::Timeout);
    }

    fn message(&mut self) -> String {
        let name = NAMES.choose(&mut self.rng).expect("there are names");
        let peer = self.clients.values().choose(&mut self.rng).map_or("", |it| &it.me);
        let number = self.rng.random_range(-2..4);
        let methods = [
            r#""lock""#.to_owned(),
            r#""unlock""#.to_owned(),
            r#""close_lobby""#.to_owned(),
            format!(r#""kick","args":"{peer}""#),
            format!(r#""transfer_ownership","args":"{peer}""#),
            format!(r#""change_max_players","args":{number}"#),
            format!(r#""change_password","args":"{name}""#),
        ];
        let (opcode, payload) = match self.rng.random_range(0..40) {
            0..10 => ("CREATE_LOBBY", format!(r#"{{"name":"{name}","max_players":{number}}}"#)),
            10..22 => ("JOIN_LOBBY", format!(r#"{{"name":"{name}"}}"#)),
            22..35 => {
                let method = methods.choose(&mut self.rng).expect("there are methods");
                ("MANAGE_LOBBY", format!(r#"{{"method":{method}}}"#))
            }
            35 => ("LIST_LOBBIES", "null".to_owned()),
            36 => ("FIND_LOBBY", format!(r#""{name}""#)),
            37..39 => ("KEEPALIVE", "null".to_owned()),
            _ => ("CREATE_LOBBY", "7".to_owned()),
        };
        format!(r#"{{"opcode":"{opcode}","payload":{payload}}}"#)
    }

    fn say(&mut self, conn: ConnId, text: &str) {
        if self.clients.contains_key(&conn) {
            let message = CloudLink5Server::decode(Frame::Text(text));
            self.handle(Input::Message { conn, message });
        }
    }

    fn handle(&mut self, input: Input<'_, CloudLink5Server>) {
        self.server.handle_input(self.now, input);
        self.server.assert_consistent();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { conn, text } => self.receive(conn, &text),
                Output::Close { conn, .. } => {
                    self.clients.remove(&conn).expect("nobody is closed twice");
                }
                Output::Ping { conn } => assert!(self.clients.contains_key(&conn), "it is there"),
                Output::Notice(notice) => self.notice(notice),
            }
        }
    }

    fn receive(&mut self, conn: ConnId, text: &str) {
        let client = self.clients.get_mut(&conn).expect("nothing is sent after the end");
        match ServerMessage::decode(Frame::Text(text)).expect("the server makes sense") {
            ServerMessage::InitOk(user) => client.me = user.instance_id.to_string(),
            ServerMessage::Transition(role) => client.role = role,
            ServerMessage::NewHost(user) => client.host = user.instance_id.to_string(),
            ServerMessage::NewPeer(_) => assert_eq!(client.role, Role::Host),
            ServerMessage::PeerJoin(_) => assert_eq!(client.role, Role::Peer),
            ServerMessage::PeerLeft(id) => assert_ne!(*client.me, *id, "of others alone"),
            ServerMessage::NewLobby(_) | ServerMessage::LobbyClosed(_) => {
                assert_eq!(client.role, Role::None, "bystanders alone are told");
            }
            _ => {}
        }
    }

    fn notice(&mut self, notice: LobbyNotice) {
        match notice {
            LobbyNotice::Opened(key) => {
                let (members, hosts) = (Vec::new(), Vec::new());
                let view = LobbyView {
                    key: key.clone(),
                    members,
                    hosts,
                    max_members: None,
                    locked: false,
                    has_password: false,
                };
                assert_eq!(self.told.insert(key, view), None, "opened once");
            }
            LobbyNotice::Joined { lobby, member } => self.listed(&lobby).members.push(member),
            LobbyNotice::Changed(view) => {
                let known = self.listed(&view.key);
                let sorted = |view: &LobbyView| {
                    let mut members = view.members.clone();
                    members.sort();
                    members
                };
                assert_eq!(sorted(known), sorted(&view), "who is in it has been told before");
                *known = *view;
            }
            LobbyNotice::Left { lobby, member } => {
                let members = &mut self.listed(&lobby).members;
                let before = members.len();
                members.retain(|known| *known != member);
                assert_eq!(members.len() + 1, before, "{member} left once");
            }
            LobbyNotice::Closed(key) => {
                let view = self.told.remove(&key).expect("closed once");
                assert_eq!(view.members, [], "all have left before");
            }
        }
    }

    fn listed(&mut self, key: &LobbyKey) -> &mut LobbyView {
        self.told.get_mut(key).expect("the lobby was opened and is not closed")
    }

    fn check(&self) {
        let lobbies: BTreeMap<_, _> =
            self.server.lobbies().into_iter().map(|view| (view.key.clone(), view)).collect();
        assert_eq!(lobbies, self.told, "notices tell the whole story");
        let placed = self.clients.values().filter(|client| client.role != Role::None);
        let members: usize = lobbies.values().map(|lobby| lobby.members.len()).sum();
        assert_eq!(placed.clone().count(), members, "who is told so is in a lobby");
        for client in placed {
            let is_in = |lobby: &&LobbyView| lobby.members.iter().any(|id| **id == *client.me);
            let lobby = lobbies.values().find(is_in).expect("a member is listed");
            let [host] = &*lobby.hosts else { panic!("a lobby has one host") };
            assert_eq!(*client.host, **host, "all know who the host is");
            assert_eq!(client.role == Role::Host, client.me == client.host, "and so does it");
        }
    }
}
