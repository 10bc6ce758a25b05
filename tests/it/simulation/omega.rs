//! CloudLink Omega under clients that do anything at any time. They know no lobby logic of their
//! own: they keep what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use signaling_core::overview::{LobbyKey, LobbyView};
use signaling_core::wall_clock::WallClock;
use signaling_core::{Close, ConnId, Frame};
use signaling_protocols::omega::{LateServer, SeedServer, Settings, late, seed};

use super::crowd::{Crowd, play};
use super::for_each_seed;

const SEEDS: u64 = 300;
const STEPS: usize = 100;
const LOBBIES: [&str; 3] = ["a", "b", "c"];

#[test]
fn hosts_and_peers_of_the_seed_numbering_know_each_other() {
    for_each_seed(SEEDS, |seed| {
        let server = SeedServer::new(settings(), StdRng::seed_from_u64(seed));
        play(seed, STEPS, server, SeedCrowd::default());
    });
}

#[test]
fn members_of_the_late_numbering_know_where_they_are() {
    for_each_seed(SEEDS, |seed| {
        let clock = WallClock::new(Instant::now(), Duration::ZERO);
        let server = LateServer::new(settings(), StdRng::seed_from_u64(seed), clock);
        play(seed, STEPS, server, LateCrowd::default());
    });
}

/// So little room that it runs out.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.limits.games = 2;
    settings.limits.clients = 8;
    settings.limits.lobbies = 2;
    settings.max_lobby_hosts = 2;
    settings.max_lobby_peers = 3;
    settings
}

fn game(rng: &mut StdRng) -> &'static str {
    ["chess", "go", "poker"].choose(rng).expect("not empty")
}

/// What one client was told.
#[derive(Default)]
struct Known {
    game: String,
    id: String,
    /// Which lobby it asked for last.
    asked: String,
    lobby: Option<String>,
    is_host: bool,
    /// The ids that it was told of and that are not gone (seed numbering).
    counterparts: BTreeSet<String>,
}

impl Known {
    fn view<'a>(&self, lobbies: &'a BTreeMap<LobbyKey, LobbyView>) -> Option<&'a LobbyView> {
        let key = LobbyKey { game: (&*self.game).into(), name: (&**self.lobby.as_ref()?).into() };
        Some(&lobbies[&key])
    }
}

/// Whoever thinks so is in a lobby, as a host or not; and nobody else is.
fn check_places(clients: &BTreeMap<ConnId, Known>, lobbies: &BTreeMap<LobbyKey, LobbyView>) {
    let mut placed = 0;
    for client in clients.values() {
        let Some(view) = client.view(lobbies) else { continue };
        placed += 1;
        assert!(view.members.iter().any(|id| **id == client.id), "a member is listed");
        assert_eq!(view.hosts.iter().any(|id| **id == client.id), client.is_host);
    }
    assert_eq!(placed, lobbies.values().map(|view| view.members.len()).sum::<usize>());
}

#[derive(Default)]
struct SeedCrowd {
    clients: BTreeMap<ConnId, Known>,
}

impl Crowd for SeedCrowd {
    type Server = SeedServer;

    fn enter(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        let game = game(rng);
        self.clients.insert(conn, Known { game: game.to_owned(), ..Known::default() });
        let version = if rng.random_ratio(1, 20) { "9" } else { "0" };
        format!("/ws/{game}?v={version}")
    }

    fn say(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        let anybody = self.clients.values().choose(rng).expect("there is one").id.clone();
        let client = self.clients.get_mut(&conn).expect("it is there");
        let known = client.counterparts.iter().choose(rng).cloned().unwrap_or(anybody);
        match rng.random_range(0..20) {
            _ if client.id.is_empty() => r#"{"opcode":2}"#.to_owned(),
            0..12 if client.lobby.is_none() => {
                client.asked = (*LOBBIES.choose(rng).expect("not empty")).to_owned();
                let opcode = rng.random_range(4..6);
                format!(r#"{{"opcode":{opcode},"payload":"{}"}}"#, client.asked)
            }
            0..14 if client.lobby.is_some() => {
                let opcode = [10, 12, 14, 16, 17].choose(rng).expect("not empty");
                format!(r#"{{"opcode":{opcode},"rx":"{known}","payload":"x"}}"#)
            }
            14..16 if client.lobby.is_some() => format!(r#"{{"opcode":20,"rx":"{known}"}}"#),
            0..18 => r#"{"opcode":1}"#.to_owned(),
            18 => r#"{"opcode":18}"#.to_owned(),
            _ => format!(r#"{{"opcode":{}}}"#, rng.random_range(-1..22)),
        }
    }

    fn hear(&mut self, conn: ConnId, text: &str) {
        use seed::wire::ServerMessage::*;
        let message = seed::wire::ServerMessage::decode(Frame::Text(text));
        let client = self.clients.get_mut(&conn).expect("it is there");
        match message.expect("the server makes sense") {
            InitOk(id) => client.id = id.into(),
            AckHost | AckPeer if client.lobby.is_some() => panic!("it has a role already"),
            AckHost => (client.is_host, client.lobby) = (true, Some(client.asked.clone())),
            AckPeer => client.lobby = Some(client.asked.clone()),
            NewPeer(id) | NewHost(id) => {
                assert!(client.counterparts.insert(id.into()), "it is told of nobody twice");
            }
            Relayed { from, .. } => {
                assert!(client.counterparts.contains(&*from), "it knows whom it hears");
            }
            ShutdownAck(id) => drop(client.counterparts.remove(&*id)),
            Violation(_) | Keepalive => {}
        }
    }

    fn part(&mut self, conn: ConnId, _: Option<&Close>) {
        self.clients.remove(&conn);
    }

    fn check(&self, lobbies: &BTreeMap<LobbyKey, LobbyView>) {
        check_places(&self.clients, lobbies);
        for client in self.clients.values() {
            let Some(view) = client.view(lobbies) else { continue };
            let counterparts =
                view.members.iter().filter(|id| view.hosts.contains(id) != client.is_host);
            let expected: BTreeSet<String> = counterparts.map(|id| id.to_string()).collect();
            assert_eq!(client.counterparts, expected);
        }
    }
}

#[derive(Default)]
struct LateCrowd {
    clients: BTreeMap<ConnId, Known>,
}

impl Crowd for LateCrowd {
    type Server = LateServer;

    fn enter(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        let game = game(rng);
        self.clients.insert(conn, Known { game: game.to_owned(), ..Known::default() });
        format!("/signaling/{game}")
    }

    fn say(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        let anybody = self.clients.values().choose(rng).expect("there is one").id.clone();
        let client = self.clients.get_mut(&conn).expect("it is there");
        let password = ["", "x"].choose(rng).expect("not empty");
        match rng.random_range(0..20) {
            _ if client.id.is_empty() => r#"{"opcode":2,"payload":"Ada"}"#.to_owned(),
            0..14 if client.lobby.is_none() => {
                client.asked = (*LOBBIES.choose(rng).expect("not empty")).to_owned();
                let opcode = rng.random_range(4..6);
                format!(
                    r#"{{"opcode":{opcode},"payload":{{"lobby_id":"{}","allow_host_reclaim":{},"allow_peers_to_claim_host":{},"max_peers":{},"password":"{password}"}}}}"#,
                    client.asked,
                    rng.random::<bool>(),
                    rng.random::<bool>(),
                    rng.random_range(-1..4),
                )
            }
            0..16 if !anybody.is_empty() => {
                let opcode = [10, 11, 12].choose(rng).expect("not empty");
                format!(r#"{{"opcode":{opcode},"rx":"{anybody}","payload":"x"}}"#)
            }
            0..18 => r#"{"opcode":1}"#.to_owned(),
            _ => format!(r#"{{"opcode":{}}}"#, rng.random_range(-1..37)),
        }
    }

    fn hear(&mut self, conn: ConnId, text: &str) {
        use late::wire::ServerMessage::*;
        let message = late::wire::ServerMessage::decode(Frame::Text(text));
        let client = self.clients.get_mut(&conn).expect("it is there");
        match message.expect("the server makes sense") {
            InitOk(id) => client.id = id.into(),
            AckHost | AckPeer if client.lobby.is_some() => panic!("it has a role already"),
            AckHost => (client.is_host, client.lobby) = (true, Some(client.asked.clone())),
            AckPeer => client.lobby = Some(client.asked.clone()),
            NewPeer(_) => assert!(client.is_host, "only hosts are told of peers"),
            LobbyClose(lobby) => {
                assert_eq!(
                    (client.lobby.take().as_deref(), client.is_host),
                    (Some(&*lobby), false)
                );
            }
            HostGone(lobby) => {
                assert_eq!((client.lobby.as_deref(), client.is_host), (Some(&*lobby), false));
            }
            HostReclaim(host) => {
                assert_eq!(
                    (client.lobby.as_deref(), client.is_host),
                    (Some(&*host.lobby_id), false)
                );
                client.is_host = host.id == client.id;
            }
            NewHost(_) | Relayed { .. } => assert!(!client.id.is_empty(), "it has said INIT"),
            Refused(_) => assert_eq!(client.lobby, None, "only who asks is refused"),
            Violation(_) | Keepalive | PasswordAck | PeerInvalid => {}
        }
    }

    fn part(&mut self, conn: ConnId, _: Option<&Close>) {
        self.clients.remove(&conn);
    }

    fn check(&self, lobbies: &BTreeMap<LobbyKey, LobbyView>) {
        check_places(&self.clients, lobbies);
    }
}
