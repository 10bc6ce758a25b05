//! Others come and go while somebody is away: it keeps its place, and what it is told adds up.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;

use super::*;
use crate::godot::Topology;

/// What `bob` knows of the others in its lobby.
#[derive(Debug, Default, PartialEq)]
struct Picture {
    /// By id: the user, and whether it is away.
    members: BTreeMap<u64, (Value, bool)>,
    /// Those to connect to.
    peers: BTreeSet<u64>,
}

/// `bob`, in a lobby of `ann`.
struct Story {
    hall: Hall,
    code: Value,
    token: Value,
    received: usize,
    picture: Picture,
}

const CONNECT: u64 = 2;
const DISCONNECT: u64 = 3;
const TICK: Duration = Duration::from_millis(100);
const NAMES: [&str; 8] = ["cid", "dan", "eve", "fay", "gus", "hal", "ida", "jan"];

impl Story {
    fn new(options: Value) -> Self {
        let resume_timeout = Duration::from_secs(600);
        let mut hall = Hall::with(Settings { resume_timeout, ..Settings::default() });
        hall.greets("ann");
        let code = hall.asks("ann", kind::CREATE, options).unwrap()["code"].clone();
        let token = hall.greets("bob")["token"].clone();
        let mut story = Self { hall, code, token, received: 0, picture: Picture::default() };
        story.enter("bob").unwrap();
        // The answer to ENTER.
        story.received += 1;
        story.listen();
        story
    }

    fn enter(&mut self, who: &str) -> Result<Value, String> {
        let me = json!({"text": "x".repeat(1000)});
        self.hall.asks(who, kind::ENTER, json!({"code": self.code, "me": me}))
    }

    /// What `bob` was told, piece by piece.
    fn listen(&mut self) {
        let heard = self.hall.hears("bob").into_iter();
        for (kind, id, data) in heard.filter(|(kind, ..)| *kind != kind::PING) {
            self.received += 1;
            self.picture.note(kind, id, &data);
        }
    }

    /// `bob` is back, and confirms what it was told until nothing is left.
    fn returns(&mut self) {
        let resume = json!({"token": self.token, "received": self.received});
        let hello = json!({"version": 1, "game": "tag", "build": "1", "resume": resume});
        let welcome = self.hall.greets_with("bob", hello);
        assert!(!welcome["resumed"].is_null(), "its place was kept");
        let mut before = 0;
        while before < self.received {
            before = self.received;
            self.listen();
            self.hall.says("bob", kind::PING, 0, json!({"received": self.received}));
        }
    }
}

impl Picture {
    fn note(&mut self, kind: u64, id: u64, data: &Value) {
        match kind {
            kind::MEMBER => {
                let member = (data["user"].clone(), data["unstable"].as_bool().unwrap());
                self.members.insert(data["id"].as_u64().unwrap(), member);
            }
            kind::MEMBER_GONE => assert!(self.members.remove(&id).is_some(), "{id} was known"),
            kind::UNSTABLE | kind::STABLE => {
                self.members.get_mut(&id).unwrap().1 = kind == kind::UNSTABLE;
            }
            CONNECT => {
                assert!(self.members.contains_key(&id), "{id} is known");
                assert!(self.peers.insert(id), "{id} is new");
            }
            DISCONNECT => assert!(self.peers.remove(&id), "{id} was there"),
            kind::HOST => assert!(self.members.contains_key(&id), "the host {id} is known"),
            kind::EPOCH => self.rename(data),
            _ => {}
        }
    }

    fn rename(&mut self, epoch: &Value) {
        let renamed = epoch["renamed"].as_array().unwrap();
        let members = renamed.iter().map(|renamed| {
            let member = self.members.remove(&renamed["from"].as_u64().unwrap());
            (renamed["to"].as_u64().unwrap(), member.expect("who is renamed is known"))
        });
        let members: Vec<_> = members.collect();
        self.members.extend(members);
        self.peers.clear();
    }
}

#[test]
fn strangers_who_come_and_go_take_nobodys_place() {
    let wait = json!({"host_policy": "wait", "host_grace": 600});
    for (options, away) in [(json!({"mesh": true}), "bob"), (json!({}), "bob"), (wait, "ann")] {
        let mut story = Story::new(options);
        story.hall.greets("eve");
        story.hall.loses(away);
        for _ in 0..250 {
            story.hall.passes(TICK);
            story.enter("eve").unwrap();
            story.hall.asks("eve", kind::LEAVE, json!({})).unwrap();
        }
        let still_here = if away == "ann" { "bob" } else { "ann" };
        let gone = story.hall.hears_of(still_here, kind::MEMBER_GONE);
        assert!(gone.iter().all(|(_, why)| why["problem"].is_null()), "{away} keeps its place");
    }
}

#[test]
fn a_member_that_comes_back_again_and_again_takes_nobodys_place() {
    let mut story = Story::new(json!({"mesh": true}));
    let token = story.hall.greets("eve")["token"].clone();
    story.enter("eve").unwrap();
    story.hall.loses("bob");
    for _ in 0..2000 {
        let received = 1 + story.hall.hears("eve").len();
        story.hall.loses("eve");
        let resume = json!({"token": token, "received": received});
        story.hall.greets_with("eve", json!({"version": 1, "resume": resume}));
    }
    story.returns();
    assert!(story.picture.members.values().all(|(_, is_away)| !is_away));
}

#[test]
fn of_those_who_came_and_went_nothing_is_told() {
    let mut story = Story::new(json!({}));
    story.hall.loses("bob");
    for who in NAMES.into_iter().cycle().take(400) {
        story.hall.greets(who);
        story.enter(who).unwrap();
        story.hall.asks(who, kind::LEAVE, json!({})).unwrap();
    }
    story.returns();
    assert_eq!(story.picture.members.len(), 2, "ann and bob");
    assert!(story.received < 500, "{} messages", story.received);
}

#[test]
fn what_was_told_of_those_who_came_and_went_adds_up() {
    for (seed, is_mesh) in (0..2).flat_map(|seed| [(seed, true), (seed, false)]) {
        let mut story = Story::new(json!({"mesh": is_mesh}));
        let mut rng = StdRng::seed_from_u64(seed);
        let tokens = NAMES.map(|name| (name, story.hall.greets(name)["token"].clone()));
        let mut tokens = BTreeMap::from(tokens);
        for _ in 0..2 {
            story.hall.loses("bob");
            for _ in 0..400 {
                story.wander(&mut rng, &mut tokens);
            }
            story.returns();
            story.check();
        }
    }
}

impl Story {
    /// Somebody comes, goes, is away for a while, or makes another the host.
    fn wander(&mut self, rng: &mut StdRng, tokens: &mut BTreeMap<&'static str, Value>) {
        self.hall.passes(TICK);
        let who = NAMES[rng.random_range(..NAMES.len())];
        match rng.random_range(..20u8) {
            0 => {
                self.hall.loses(who);
                let resume = json!({"token": tokens[who], "received": 0});
                let hello = json!({"version": 1, "game": "tag", "build": "1", "resume": resume});
                tokens.insert(who, self.hall.greets_with(who, hello)["token"].clone());
            }
            1 => {
                let members = self.hall.server.lobbies().next().unwrap().members;
                let peer = members[rng.random_range(..members.len())].get();
                for who in NAMES.into_iter().chain(["ann"]) {
                    drop(self.hall.asks(who, kind::TRANSFER, json!({"peer": peer})));
                }
            }
            _ if self.enter(who).is_err() => drop(self.hall.asks(who, kind::LEAVE, json!({}))),
            _ => {}
        }
    }

    /// `bob` knows what whoever comes now is told.
    fn check(&mut self) {
        let is_mesh = self.hall.server.lobbies().next().unwrap().topology == Topology::Mesh;
        self.hall.greets("new");
        self.enter("new").unwrap();
        let mut picture = Picture::default();
        for (kind, id, data) in self.hall.hears("new") {
            picture.note(kind, id, &data);
        }
        self.listen();
        assert_eq!(self.picture.members, picture.members);
        let peers = if is_mesh { picture.members.len() - 1 } else { 1 };
        assert_eq!(self.picture.peers.len(), peers);
        self.hall.asks("new", kind::LEAVE, json!({})).unwrap();
        self.listen();
    }
}
