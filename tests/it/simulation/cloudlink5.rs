//! The lobbies of CloudLink 5 under clients that do anything at any time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use signaling_core::overview::{LobbyKey, LobbyView};
use signaling_core::wall_clock::WallClock;
use signaling_core::{Close, ConnId, Frame};
use signaling_protocols::cloudlink5::wire::{Role, ServerMessage};
use signaling_protocols::cloudlink5::{CloudLink5Server, Settings};

use super::crowd::{Crowd, play};
use super::for_each_seed;

const STEPS: usize = 100;
const NAMES: [&str; 3] = ["attic", "cellar", ""];

#[test]
fn members_in_cloudlink_5_know_who_their_host_is() {
    for_each_seed(300, |seed| {
        let mut settings = Settings::default();
        (settings.limits.clients, settings.limits.lobbies) = (6, 2);
        let clock = WallClock::new(Instant::now(), Duration::ZERO);
        let server = CloudLink5Server::new(settings, StdRng::seed_from_u64(seed), clock);
        play(seed, STEPS, server, Clients::default());
    });
}

#[derive(Default)]
struct Clients(BTreeMap<ConnId, Client>);

/// What one client knows.
#[derive(Default)]
struct Client {
    me: String,
    role: Role,
    host: String,
}

impl Crowd for Clients {
    type Server = CloudLink5Server;

    fn enter(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        self.0.insert(conn, Client::default());
        let game = ["chess", "go"].choose(rng).expect("not empty");
        format!("/?ugi={game}")
    }

    fn say(&mut self, rng: &mut StdRng, conn: ConnId) -> String {
        let name = NAMES.choose(rng).expect("not empty");
        let number = rng.random_range(-2..4);
        let is_new = self.0[&conn].me.is_empty();
        let (opcode, payload) = match rng.random_range(0..40) {
            _ if is_new => ("INIT", r#"{"username":"Ada"}"#.to_owned()),
            0..12 => ("CREATE_LOBBY", format!(r#"{{"name":"{name}","max_players":{number}}}"#)),
            12..22 => ("JOIN_LOBBY", format!(r#"{{"name":"{name}"}}"#)),
            22..35 => ("MANAGE_LOBBY", self.manage(rng)),
            35 => ("LIST_LOBBIES", "null".to_owned()),
            36 => ("FIND_LOBBY", format!(r#""{name}""#)),
            37..39 => ("KEEPALIVE", "null".to_owned()),
            _ => ("CREATE_LOBBY", "7".to_owned()),
        };
        format!(r#"{{"opcode":"{opcode}","payload":{payload}}}"#)
    }

    fn hear(&mut self, conn: ConnId, text: &str) {
        let client = self.0.get_mut(&conn).expect("nobody is told anything after the end");
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

    fn part(&mut self, conn: ConnId, _: Option<&Close>) {
        self.0.remove(&conn);
    }

    fn check(&self, lobbies: &BTreeMap<LobbyKey, LobbyView>) {
        let placed = self.0.values().filter(|client| client.role != Role::None);
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

impl Clients {
    fn manage(&self, rng: &mut StdRng) -> String {
        let peer = self.0.values().choose(rng).map_or("", |client| &client.me);
        let number = rng.random_range(-2..4);
        let method = match rng.random_range(0..7) {
            0 => r#""lock""#.to_owned(),
            1 => r#""unlock""#.to_owned(),
            2 => r#""close_lobby""#.to_owned(),
            3 => format!(r#""kick","args":"{peer}""#),
            4 => format!(r#""transfer_ownership","args":"{peer}""#),
            5 => format!(r#""change_max_players","args":{number}"#),
            _ => format!(r#""change_password","args":"{number}""#),
        };
        format!(r#"{{"method":{method}}}"#)
    }
}
