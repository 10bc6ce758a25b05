use super::*;

const JOIN: u64 = 0;
const OFFER: u64 = 4;

/// A lobby of `ann`, `bob` and `eve`, and `pat`, who speaks the plain protocol.
struct Mesh {
    hall: Hall,
    /// Of `bob`'s session.
    token: Value,
    bob: u64,
    pat: u64,
}

impl Mesh {
    fn new() -> Self {
        let mut hall = Hall::new();
        hall.greets("ann");
        let code = hall.asks("ann", kind::CREATE, json!({"mesh": true})).unwrap()["code"].clone();
        let token = hall.greets("bob")["token"].clone();
        let view = hall.asks("bob", kind::ENTER, json!({"code": code})).unwrap();
        hall.greets("eve");
        hall.asks("eve", kind::ENTER, json!({"code": code})).unwrap();
        hall.opens("pat");
        hall.says("pat", JOIN, 0, code);
        let pat = hall.hears_of("pat", 1)[0].0;
        Self { hall, token, bob: view["me"].as_u64().unwrap(), pat }
    }

    /// How many of so many offers, the largest that there are, arrive.
    fn relay(&mut self, from: &str, (to, who): (u64, &str), count: usize) -> usize {
        for _ in 0..count {
            self.hall.says(from, OFFER, to, "x".repeat(60_000).into());
        }
        self.hall.hears_of(who, OFFER).len()
    }
}

#[test]
fn nobody_loses_its_place_by_what_is_relayed() {
    let mut mesh = Mesh::new();
    // The answer to ENTER is not among the rest.
    let received = 1 + mesh.hall.hears("bob").len();
    let arrived = mesh.relay("eve", (mesh.bob, "bob"), 8);
    assert!((1..8).contains(&arrived));
    mesh.hall.loses("bob");
    let resume = json!({"token": mesh.token, "received": received + arrived});
    let welcome = mesh.hall.greets_with("bob", json!({"version": 1, "resume": resume}));
    assert!(!welcome["resumed"].is_null());
    assert_eq!(mesh.hall.hears_of("ann", kind::MEMBER_GONE), []);
}

#[test]
fn who_confirms_is_relayed_more() {
    let mut mesh = Mesh::new();
    let mut received = 1 + mesh.hall.hears("bob").len();
    for from in ["ann", "eve"] {
        let arrived = mesh.relay(from, (mesh.bob, "bob"), 8);
        assert!((1..8).contains(&arrived));
        received += arrived;
        mesh.hall.says("bob", kind::PING, 0, json!({"received": received}));
    }
}

#[test]
fn one_member_has_only_so_much_relayed() {
    for from in ["eve", "pat"] {
        let mut mesh = Mesh::new();
        let (to, who) = (mesh.pat, "pat");
        assert_eq!(mesh.relay(from, (to, who), 20), 8, "of {from} at once");
        mesh.hall.passes(Duration::from_secs(1));
        assert_eq!(mesh.relay(from, (to, who), 20), 2, "of {from} in a second");
        assert!(mesh.hall.closed(from).is_none());
        assert_eq!(mesh.relay("ann", (to, who), 1), 1, "everybody has its own");
    }
}
