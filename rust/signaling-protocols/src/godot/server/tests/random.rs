//! Everybody does anything: what clients were told adds up to what is.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;

use super::*;

const NAMES: [&str; 8] = ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal"];
const SECOND: Duration = Duration::from_secs(1);

/// What one client knows from what it was told.
#[derive(Debug, Default)]
struct Client {
    user: Value,
    token: Value,
    /// Messages of its session.
    received: usize,
    is_here: bool,
    /// What it watches for, and the lobbies by code.
    watch: Option<(Value, BTreeMap<String, Value>)>,
    /// The statuses by user, if it watches them.
    statuses: Option<BTreeMap<String, Value>>,
    /// The open invitations that it has made and received.
    made: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
}

struct Crowd {
    hall: Hall,
    rng: StdRng,
    clients: BTreeMap<&'static str, Client>,
}

#[test]
#[expect(clippy::print_stdout, reason = "tells how to repeat a failure")]
fn what_clients_are_told_adds_up() {
    for seed in 0..10 {
        println!("seed {seed}");
        let mut crowd = Crowd::new(seed);
        (0..300).for_each(|_| crowd.step());
        crowd.check();
    }
}

impl Crowd {
    fn new(seed: u64) -> Self {
        let clients = NAMES.map(|who| (who, Client::default())).into();
        Self { hall: Hall::new(), rng: StdRng::seed_from_u64(seed), clients }
    }

    fn step(&mut self) {
        let who = self.choose(NAMES);
        self.arrive(who);
        self.listen();
        match self.rng.random_range(..14u8) {
            0 | 1 => self.lose(who),
            2 => self.set_status(who),
            3 => self.watch_statuses(who),
            4 => self.watch_lobbies(who),
            5 | 6 => self.invite(who),
            7 | 8 => self.answer(who),
            9 => {
                let level = self.rng.random_range(..3u8);
                let changes = json!({"public": level < 2, "metadata": {"level": level}});
                self.ask(who, kind::UPDATE_LOBBY, changes);
            }
            10 => self.leave(who),
            _ => drop(self.ask(who, kind::CREATE, json!({"public": true}))),
        }
        // So slowly that nobody is limited.
        self.hall.passes(SECOND);
        self.listen();
    }

    fn choose<T: Clone>(&mut self, from: impl AsRef<[T]>) -> T {
        let from = from.as_ref();
        from[self.rng.random_range(..from.len())].clone()
    }

    fn client(&mut self, who: &str) -> &mut Client {
        self.clients.get_mut(who).unwrap()
    }

    /// A request, counted; `None` when it was refused.
    fn ask(&mut self, who: &str, kind: u64, data: Value) -> Option<Value> {
        self.listen();
        self.client(who).received += 1;
        self.hall.asks(who, kind, data).ok()
    }

    /// Connects whoever is not, with its old session if it can be.
    fn arrive(&mut self, who: &'static str) {
        let Client { token, received, is_here, .. } = &self.clients[who];
        if *is_here {
            return;
        }
        let resume = token.is_string().then(|| json!({"token": token, "received": received}));
        let hello = json!({"version": 1, "game": "tag", "name": who, "resume": resume});
        let welcome = self.hall.greets_with(who, hello);
        if welcome["resumed"].is_null() {
            *self.client(who) = Client::default();
        }
        let client = self.client(who);
        (client.user, client.token) = (welcome["user"].clone(), welcome["token"].clone());
        client.is_here = true;
    }

    /// Connections break, and sometimes what was under way is lost with them.
    fn lose(&mut self, who: &str) {
        self.hall.passes(SECOND / 4);
        if self.rng.random() {
            self.hall.hears(who);
        }
        self.listen();
        self.hall.loses(who);
        self.client(who).is_here = false;
    }

    fn set_status(&mut self, who: &str) {
        let status = self.choose([json!(null), json!("here"), json!("away")]);
        self.ask(who, kind::SET_STATUS, json!({"namespace": "friends", "status": status}));
    }

    fn watch_statuses(&mut self, who: &str) {
        let statuses = self.statuses(who);
        self.client(who).statuses = Some(statuses);
    }

    /// The statuses as the server tells them on request.
    fn statuses(&mut self, who: &str) -> BTreeMap<String, Value> {
        let answer = self.ask(who, kind::WATCH_STATUS, json!({"namespace": "friends"})).unwrap();
        let users = answer["users"].as_array().unwrap();
        users.iter().map(|user| (text(&user["user"]), user["status"].clone())).collect()
    }

    fn watch_lobbies(&mut self, who: &str) {
        let filter = self.choose([json!({}), json!({"level": {">": 0}})]);
        let answer = self.ask(who, kind::WATCH, json!({"where": filter})).unwrap();
        self.client(who).watch = Some((filter, by_code(&answer)));
    }

    fn leave(&mut self, who: &str) {
        self.ask(who, kind::LEAVE, json!({}));
        self.client(who).made.clear();
    }

    fn invite(&mut self, who: &str) {
        let other = self.choose(NAMES);
        let user = self.clients[other].user.clone();
        if let Some(answer) = self.ask(who, kind::INVITE, json!({"user": user})) {
            self.client(who).made.insert(answer["invite"].as_u64().unwrap());
        }
    }

    /// Accepts, denies or takes back an invitation.
    fn answer(&mut self, who: &str) {
        let Client { made, waiting, .. } = &self.clients[who];
        let (made, waiting) = (made.first().copied(), waiting.first().copied());
        if let Some(invite) = made.filter(|_| self.rng.random()) {
            self.ask(who, kind::CANCEL_INVITE, json!({"invite": invite})).unwrap();
            self.client(who).made.remove(&invite);
        } else if let Some(invite) = waiting {
            let kind = if self.rng.random() { kind::ENTER } else { kind::DENY_INVITE };
            if kind == kind::ENTER {
                self.leave(who);
            }
            if self.ask(who, kind, json!({"invite": invite})).is_some() {
                self.client(who).waiting.remove(&invite);
            }
        }
    }

    /// Everybody hears what it was told, and some confirm it.
    fn listen(&mut self) {
        for (who, client) in self.clients.iter_mut().filter(|(_, client)| client.is_here) {
            for (kind, id, data) in self.hall.hears(who) {
                client.hear(kind, id, &data);
            }
            if self.rng.random_range(..4u8) == 0 {
                self.hall.says(who, kind::PING, 0, json!({"received": client.received}));
            }
        }
    }

    /// What everybody has been told is what the server answers now.
    fn check(mut self) {
        for who in NAMES {
            self.arrive(who);
        }
        for _ in 0..4 {
            self.hall.passes(SECOND);
            self.listen();
        }
        for who in NAMES {
            if let Some((filter, lobbies)) = self.clients[who].watch.clone() {
                let answer = self.ask(who, kind::LIST, json!({"where": filter})).unwrap();
                assert_eq!(lobbies, by_code(&answer), "{who}");
            }
            if let Some(told) = self.clients[who].statuses.clone() {
                assert_eq!(told, self.statuses(who), "{who}");
            }
        }
        let invitations = |of: fn(&Client) -> &BTreeSet<u64>| -> BTreeSet<u64> {
            self.clients.values().flat_map(of).copied().collect()
        };
        assert_eq!(invitations(|client| &client.made), invitations(|client| &client.waiting));
    }
}

impl Client {
    fn hear(&mut self, kind: u64, id: u64, data: &Value) {
        self.received += usize::from(kind != kind::PING);
        match kind {
            kind::LISTED => {
                let (_, lobbies) = self.watch.as_mut().expect("only who watches is told");
                lobbies.insert(text(&data["code"]), data.clone());
            }
            kind::UNLISTED => {
                let (_, lobbies) = self.watch.as_mut().expect("only who watches is told");
                assert!(lobbies.remove(data["code"].as_str().unwrap()).is_some(), "it was listed");
            }
            kind::STATUS => {
                let statuses = self.statuses.as_mut().expect("only who watches is told");
                let user = text(&data["user"]);
                match &data["status"] {
                    Value::Null => drop(statuses.remove(&user).expect("it was told")),
                    status => drop(statuses.insert(user, status.clone())),
                }
            }
            kind::INVITED => assert!(self.waiting.insert(id), "it is new"),
            kind::INVITE_CANCELLED => assert!(self.waiting.remove(&id), "it was open"),
            kind::INVITE_ANSWERED => assert!(self.made.remove(&id), "it was open"),
            kind::LEFT => self.made.clear(),
            _ => {}
        }
    }
}

fn by_code(answer: &Value) -> BTreeMap<String, Value> {
    let lobbies = answer["lobbies"].as_array().unwrap();
    lobbies.iter().map(|lobby| (text(&lobby["code"]), lobby.clone())).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
