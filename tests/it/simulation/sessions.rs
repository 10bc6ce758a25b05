//! Clients of the extended protocol and their server, on a network that fails.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand::seq::IteratorRandom;
use signaling_core::PeerId;
use signaling_protocols::godot::extended::{
    Filter, HostPolicy, Json, LinkState, LobbyChanges, LobbyOptions, Object, Problem, Request,
};
use signaling_protocols::godot::{
    Answer, ClientEvent, ClientRequest, ClientState, Hooks, LobbyInfo, Protocol, RelayKind,
    SessionOptions, Settings, Topology,
};

use super::for_each_seed;
use super::world::World;

const SECOND: Duration = Duration::from_secs(1);

impl World {
    /// A client that has created a lobby; its index, and the lobby's code.
    fn host(&mut self, options: LobbyOptions) -> (usize, String) {
        let host = self.join(SessionOptions::default());
        self.ask(host, Request::Create { options, me: Object::default() });
        self.run(SECOND);
        let code = self.clients[host].view.lobby.clone().expect("the server opens a lobby");
        (host, code)
    }

    /// A client that is in the lobby with this code.
    fn guest(&mut self, code: &str) -> usize {
        let guest = self.join(SessionOptions::default());
        self.ask(guest, enter(code));
        self.run(SECOND);
        assert_eq!(self.clients[guest].view.state, ClientState::Joined);
        guest
    }

    /// What a client was told since the last call.
    fn take(&mut self, client: usize) -> Vec<ClientEvent> {
        std::mem::take(&mut self.clients[client].told)
    }

    /// Panics unless what all clients know is what the server says.
    fn assert_agreement(&self) {
        let infos: Vec<LobbyInfo> = self.server.lobbies().collect();
        let lobbies: BTreeMap<&str, &LobbyInfo> =
            infos.iter().map(|info| (&*info.name, info)).collect();
        let mut members: usize = infos.iter().map(|info| info.members.len()).sum();
        for client in &self.clients {
            client.view.assert_true(&lobbies);
            members -= usize::from(client.view.lobby.is_some());
        }
        assert_eq!(members, 0, "every member is a client that knows of it");
    }
}

fn enter(code: &str) -> Request {
    let (code, password) = (code.to_owned(), String::new());
    Request::Enter { code, password, invite: None, me: Object::default() }
}

fn client_server() -> LobbyOptions {
    LobbyOptions { topology: Topology::ClientServer, ..LobbyOptions::default() }
}

fn resumed(told: &[ClientEvent]) -> usize {
    told.iter().filter(|event| **event == ClientEvent::Resumed).count()
}

/// The offers among what was told.
fn offers(told: &[ClientEvent]) -> Vec<&str> {
    let mut offers = Vec::new();
    for event in told {
        if let ClientEvent::Offer { sdp, .. } = event {
            offers.push(sdp.as_str());
        }
    }
    offers
}

#[test]
fn what_is_sent_while_the_connection_breaks_off_arrives_once_and_in_order() {
    let mut world = World::open(1, Settings::default());
    let (host, code) = world.host(LobbyOptions::default());
    let guest = world.guest(&code);
    let generation = world.clients[guest].view.generation;
    for number in 0..100 {
        let (kind, to, data) = (RelayKind::Offer, PeerId::HOST, number.to_string());
        world.request(guest, ClientRequest::Relay { generation, kind, to, data });
        match number % 20 {
            5 => world.break_off(guest),
            12 => world.fall_silent(guest),
            17 => world.break_off(host),
            _ => {}
        }
        world.run(SECOND / 4);
    }
    world.run(20 * SECOND);
    let expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(offers(&world.take(host)), expected);
    world.assert_agreement();
}

#[test]
fn a_place_is_kept_while_its_member_is_away() {
    let mut world = World::open(2, Settings::default());
    let (host, code) = world.host(LobbyOptions::default());
    let guest = world.guest(&code);
    let id = world.clients[guest].view.me().unwrap();
    world.clients[guest].is_reachable = false;
    world.break_off(guest);
    world.run(10 * SECOND);
    assert!(world.take(host).contains(&ClientEvent::PeerUnstable { id }));
    assert_eq!(world.clients[guest].view.state, ClientState::WaitingForNetwork);

    let third = world.guest(&code);
    world.clients[guest].is_reachable = true;
    world.run(10 * SECOND);
    assert!(world.take(host).contains(&ClientEvent::PeerStable { id }));
    let told = world.take(guest);
    assert_eq!(resumed(&told), 1);
    let third = world.clients[third].view.me().unwrap();
    assert!(told.contains(&ClientEvent::PeerConnected { id: third }));
    world.assert_agreement();
}

#[test]
fn a_place_is_lost_after_a_while() {
    let mut world = World::open(3, Settings::default());
    let (host, code) = world.host(LobbyOptions::default());
    let guest = world.guest(&code);
    let id = world.clients[guest].view.me().unwrap();
    world.clients[guest].is_reachable = false;
    world.break_off(guest);
    world.run(40 * SECOND);
    let problem = Some(Problem::Lost);
    assert!(world.take(host).contains(&ClientEvent::MemberLeft { id, problem }));
    let told = world.take(guest);
    assert!(told.contains(&ClientEvent::ResumeFailed { problem: Problem::Lost }));
    assert!(matches!(told.last(), Some(ClientEvent::Disconnected { .. })));
    world.assert_agreement();
}

#[test]
fn a_socket_that_hangs_is_replaced() {
    let mut world = World::open(4, Settings::default());
    let (_, code) = world.host(LobbyOptions::default());
    let guest = world.guest(&code);
    world.fall_silent(guest);
    world.run(12 * SECOND);
    assert_eq!(resumed(&world.take(guest)), 1);
    assert_eq!(world.clients[guest].view.state, ClientState::Joined);
    world.assert_agreement();
}

#[test]
fn after_a_restart_of_the_server_the_lobby_is_lost_and_another_can_be_had() {
    let mut world = World::open(5, Settings::default());
    let (host, code) = world.host(LobbyOptions::default());
    let guest = world.guest(&code);
    world.restart(Settings::default());
    world.run(SECOND);
    for client in [host, guest] {
        let told = world.take(client);
        assert!(told.contains(&ClientEvent::ResumeFailed { problem: Problem::Lost }));
        assert_eq!(world.clients[client].view.state, ClientState::Failed);
    }
    let options = LobbyOptions::default();
    world.ask(guest, Request::Create { options, me: Object::default() });
    world.run(SECOND);
    assert_eq!(world.clients[guest].view.state, ClientState::Joined);
    world.assert_agreement();
}

#[test]
fn another_host_is_found_when_nobody_reaches_the_old_one() {
    for topology in [Topology::Mesh, Topology::ClientServer] {
        let mut world = World::open(6, Settings::default());
        let (host, code) = world.host(LobbyOptions { topology, ..LobbyOptions::default() });
        let guests = [world.guest(&code), world.guest(&code)];
        for guest in guests {
            let generation = world.clients[guest].view.generation;
            let (peer, state) = (PeerId::HOST, LinkState::Down);
            world.request(guest, ClientRequest::Link { generation, peer, state });
        }
        world.clients[host].is_reachable = false;
        world.break_off(host);
        world.run(2 * SECOND);
        let is_host =
            |event: &ClientEvent| matches!(event, ClientEvent::HostChanged { is_me: true, .. });
        assert!(world.take(guests[0]).iter().any(is_host), "{topology:?}");
        assert!(!world.take(guests[1]).iter().any(is_host), "{topology:?}");
        world.run(60 * SECOND);
        world.assert_agreement();
    }
}

#[test]
fn what_is_sent_for_an_earlier_epoch_is_dropped() {
    let mut world = World::open(7, Settings::default());
    let (host, code) = world.host(client_server());
    let guest = world.guest(&code);
    let generation = world.clients[guest].view.generation;
    let peer = world.clients[guest].view.me().unwrap();
    world.ask(host, Request::Transfer { peer });
    world.run(SECOND);
    assert_eq!(world.clients[guest].view.me(), Some(PeerId::HOST));
    let to = world.clients[host].view.me().unwrap();
    let relay = |generation: u64| {
        let (kind, data) = (RelayKind::Offer, generation.to_string());
        ClientRequest::Relay { generation, kind, to, data }
    };
    world.request(guest, relay(generation));
    world.request(guest, relay(generation + 1));
    world.run(SECOND);
    assert_eq!(offers(&world.take(host)), [(generation + 1).to_string()]);
    world.assert_agreement();
}

#[test]
fn a_plain_member_shares_a_lobby_with_the_others() {
    let mut world = World::open(8, Settings::default());
    let (host, code) = world.host(LobbyOptions::default());
    let options = SessionOptions { protocol: Protocol::Plain, ..SessionOptions::default() };
    let plain = world.join(options);
    world.ask(plain, enter(&code));
    world.run(SECOND);
    let id = world.clients[plain].view.me().unwrap();
    assert!(world.take(host).contains(&ClientEvent::PeerConnected { id }));
    world.assert_agreement();
}

#[test]
fn what_is_watched_and_published_outside_of_lobbies_survives_the_connection() {
    let mut world = World::open(9, Settings::default());
    let (watcher, player) =
        (world.join(SessionOptions::default()), world.join(SessionOptions::default()));
    let namespace = || "friends".to_owned();
    let status = Json::parse("1");
    let publish = Request::SetStatus { namespace: namespace(), status: status.clone() };
    world.ask(player, publish);
    world.ask(watcher, Request::WatchStatus { namespace: namespace() });
    world.ask(watcher, Request::Watch(Filter::default()));
    world.run(SECOND);

    world.take(watcher);
    world.break_off(player);
    world.run(SECOND);
    let statuses = world.take(watcher).into_iter().filter_map(|event| match event {
        ClientEvent::StatusChanged { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(statuses.collect::<Vec<_>>(), [None, status]);

    world.clients[watcher].is_reachable = false;
    world.break_off(watcher);
    world.host(LobbyOptions { is_public: true, ..LobbyOptions::default() });
    world.clients[watcher].is_reachable = true;
    world.run(10 * SECOND);
    let again = world.take(watcher).into_iter().filter_map(|event| match event {
        ClientEvent::AskedAgain { request, result: Ok(Answer::Object(result)) } => {
            Some((*request, result.to_string()))
        }
        _ => None,
    });
    let again: Vec<_> = again.collect();
    assert!(matches!(&again[0], (Request::Watch(_), result) if result.contains("code")));
    assert!(matches!(&again[1], (Request::WatchStatus { .. }, result) if result.contains("user")));
}

#[test]
fn one_of_many_wins_a_slot_however_the_network_fails() {
    for_each_seed(100, |seed| {
        let mut world = World::open(seed, Settings::default());
        let (host, code) = world.host(LobbyOptions::default());
        let clients: Vec<usize> =
            std::iter::once(host).chain((0..4).map(|_| world.guest(&code))).collect();
        for &client in &clients {
            let value = Json::parse(&client.to_string());
            let key = "slot".to_owned();
            world.ask(client, Request::SetValue { key, value, expected: None });
            match world.rng.random_range(0..4) {
                0 => world.break_off(client),
                1 => world.fall_silent(client),
                _ => {}
            }
        }
        world.run(25 * SECOND);
        let is_won = |event: &ClientEvent| {
            matches!(event, ClientEvent::Answered { result: Ok(Answer::Object(_)), .. })
        };
        let winners =
            clients.iter().filter(|client| world.clients[**client].told.iter().any(is_won));
        assert_eq!(winners.count(), 1);
        let values = clients.iter().map(|client| &world.clients[*client].view.values["slot"]);
        let values: Vec<&Json> = values.collect();
        assert!(values.iter().all(|value| *value == values[0]), "all see the same");
    });
}

#[test]
fn whatever_happens_all_agree_in_the_end() {
    for_each_seed(1000, |seed| live_through(seed, 6, 100, 1500));
}

#[test]
fn hundreds_of_clients_agree_too() {
    for_each_seed(2, |seed| live_through(seed, 200, 1200, 30));
}

/// So many clients are disturbed so often, with a pause of up to so many milliseconds after each.
fn live_through(seed: u64, clients: usize, disturbances: usize, pause: u64) {
    let mut settings = Settings::default();
    let is_asked = seed % 2 == 1;
    let hooks = Hooks { hello: is_asked, create: is_asked, join: is_asked, ..Hooks::default() };
    settings.hooks = hooks;
    let mut world = World::open(seed, settings);
    for _ in 0..disturbances {
        disturb(&mut world, clients);
        let time = world.rng.random_range(0..pause);
        world.run(Duration::from_millis(time));
    }
    world.clients.iter_mut().for_each(|client| client.is_reachable = true);
    world.run(90 * SECOND);
    world.assert_agreement();
    for client in &world.clients {
        let view = &client.view;
        assert!(view.unanswered.is_empty(), "everything asked is answered");
        assert!(view.unstable.is_empty(), "nobody is waited for any more");
        assert_eq!(view.state == ClientState::Joined, view.lobby.is_some());
    }
}

/// Somebody comes, if there are not so many, asks for something, or loses its connection.
fn disturb(world: &mut World, clients: usize) {
    let living = (0..world.clients.len()).filter(|client| !world.clients[*client].view.is_over);
    let chosen = living.clone().choose(&mut world.rng);
    let Some(client) = chosen.filter(|_| living.count() >= clients) else {
        let is_plain = world.rng.random_ratio(1, 6);
        let protocol = if is_plain { Protocol::Plain } else { Protocol::Extended };
        world.join(SessionOptions { protocol, ..SessionOptions::default() });
        return;
    };
    match world.rng.random_range(0..100) {
        // That a plain connection hangs is noticed by the transport alone.
        0..5 if world.clients[client].view.protocol == Protocol::Extended => {
            world.fall_silent(client)
        }
        0..15 => world.break_off(client),
        15..20 => world.clients[client].is_reachable ^= true,
        20..22 => world.request(client, ClientRequest::Close),
        _ => {
            let request = random_request(world);
            world.ask(client, request);
        }
    }
}

fn random_request(world: &mut World) -> Request {
    let lobby = world.server.lobbies().choose(&mut world.rng);
    let member = lobby.as_ref().and_then(|lobby| lobby.members.iter().choose(&mut world.rng));
    let peer = member.copied().unwrap_or(PeerId::HOST);
    let code = lobby.map_or_else(|| "NOWHERE".to_owned(), |lobby| lobby.name.to_string());
    match world.rng.random_range(0..12) {
        0..2 => Request::Create { options: random_options(world), me: Object::default() },
        2..7 => enter(&code),
        7 => Request::Leave,
        8 => Request::Remove { peer, reason: String::new(), is_ban: false },
        9 => Request::Transfer { peer },
        10 => Request::UpdateLobby(LobbyChanges {
            max_players: Some(world.rng.random_range(1..6)),
            ..LobbyChanges::default()
        }),
        _ => Request::CloseLobby { reason: String::new() },
    }
}

fn random_options(world: &mut World) -> LobbyOptions {
    let topology = [Topology::Mesh, Topology::ClientServer][world.rng.random_range(0..2)];
    let wait = HostPolicy::Wait { grace: 5 * SECOND, then_migrate: true };
    let policies = [HostPolicy::Close, HostPolicy::Migrate, wait];
    let host_policy = policies[world.rng.random_range(0..3)];
    let max_players = world.rng.random_range(2..8);
    LobbyOptions { topology, host_policy, max_players, ..LobbyOptions::default() }
}
