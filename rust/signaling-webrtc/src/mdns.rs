//! Addresses behind names in `.local`, asked for and given by multicast on the local network
//! (RFC 6762), as browsers hide theirs (draft-ietf-mmusic-mdns-ice-candidates).
//!
//! Nothing waits for it: a name that nobody knows is given up, and who is behind it may still show
//! up as peer-reflexive.

mod message;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use message::Message;

/// Names that are asked for at the same time; others are given up at once.
const MAX_QUERIES: usize = 64;
/// When a name is asked for again, counting from the question before; then it is given up.
const WAITS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(2)];
/// The least time between two answers for the same name (RFC 6762, section 6).
const PAUSE: Duration = Duration::from_secs(1);
/// Addresses taken of one name: one of each family.
const MAX_ADDRESSES: usize = 2;

/// Asks for names, and answers for our own.
#[derive(Default)]
pub(crate) struct Mdns {
    queries: Vec<Query>,
    own: HashMap<String, Own>,
    transmits: VecDeque<Vec<u8>>,
    found: VecDeque<Found>,
}

/// A name that somebody waits for.
struct Query {
    name: String,
    sent: usize,
    next: Instant,
}

/// A name that stands for one of our addresses.
struct Own {
    address: IpAddr,
    answered: Option<Instant>,
}

/// What a name stands for; nothing when nobody knows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) addresses: Vec<IpAddr>,
}

impl Mdns {
    /// Asks for a name, once for all who wait: a [`Found`] follows.
    pub(crate) fn resolve(&mut self, now: Instant, name: &str) {
        let name = name.to_ascii_lowercase();
        if let Some(own) = self.own.get(&name) {
            self.found.push_back(Found { name, addresses: vec![own.address] });
        } else if self.queries.iter().any(|query| query.name == name) {
        } else if self.queries.len() < MAX_QUERIES {
            self.queries.push(Query { name, sent: 0, next: now });
        } else {
            self.found.push_back(Found { name, addresses: Vec::new() });
        }
    }

    /// Answers for this name from now on.
    pub(crate) fn publish(&mut self, name: &str, address: IpAddr) {
        self.own.insert(name.to_ascii_lowercase(), Own { address, answered: None });
    }

    /// Answers for this name no more.
    pub(crate) fn withdraw(&mut self, name: &str) {
        self.own.remove(&name.to_ascii_lowercase());
    }

    /// Whether there is nobody to listen to.
    pub(crate) fn is_idle(&self) -> bool {
        self.queries.is_empty() && self.own.is_empty()
    }

    /// Takes a datagram that came to the multicast group.
    pub(crate) fn handle(&mut self, now: Instant, datagram: &[u8]) {
        match Message::parse(datagram) {
            Some(Message::Query(names)) => names.iter().for_each(|name| self.answer(now, name)),
            Some(Message::Answer(records)) => {
                for (name, address) in records {
                    self.learn(&name, address);
                }
            }
            None => {}
        }
    }

    fn answer(&mut self, now: Instant, name: &str) {
        if let Some(own) = self.own.get_mut(name)
            && own.answered.is_none_or(|before| now >= before + PAUSE)
        {
            own.answered = Some(now);
            self.transmits.push_back(message::answer(name, own.address));
        }
    }

    /// An answer that nobody waits for is forgotten at once.
    fn learn(&mut self, name: &str, address: IpAddr) {
        if let Some(place) = self.queries.iter().position(|query| query.name == name) {
            let query = self.queries.swap_remove(place);
            self.found.push_back(Found { name: query.name, addresses: vec![address] });
        } else if let Some(found) = self.found.iter_mut().find(|found| found.name == name)
            && found.addresses.len() < MAX_ADDRESSES
            && !found.addresses.contains(&address)
        {
            found.addresses.push(address);
        }
    }

    /// The next datagram to send to the multicast group.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.give_up(now);
        self.ask(now);
        self.transmits.pop_front()
    }

    fn ask(&mut self, now: Instant) {
        for query in self.queries.iter_mut().filter(|query| query.next <= now) {
            // Those that have none left were given up.
            if let Some(wait) = WAITS.get(query.sent) {
                query.next = now + *wait;
                query.sent += 1;
                self.transmits.extend(message::queries(&query.name));
            }
        }
    }

    fn give_up(&mut self, now: Instant) {
        let is_over = |query: &mut Query| query.sent == WAITS.len() && query.next <= now;
        for query in self.queries.extract_if(.., is_over) {
            self.found.push_back(Found { name: query.name, addresses: Vec::new() });
        }
    }

    /// What came of a question.
    pub(crate) fn poll_found(&mut self) -> Option<Found> {
        self.found.pop_front()
    }

    /// When to call [`Mdns::poll_transmit`] at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queries.iter().map(|query| query.next).min()
    }
}

/// Whether this is a name as ICE uses them: one label in `.local`.
pub(crate) fn is_name(name: &str) -> bool {
    let Some((label, domain)) = name.split_once('.') else { return false };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=message::MAX_LABEL).contains(&label.len())
        && label.bytes().all(is_allowed)
        && domain.eq_ignore_ascii_case("local")
}

/// A name that tells nothing (RFC 9562, section 5.4).
pub(crate) fn random_name(random: u128) -> String {
    let version = (random & !(0xF << 76)) | (0x4 << 76);
    let uuid = (version & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{uuid:032x}");
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("{a}-{b}-{c}-{d}-{e}.local")
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::seeds::for_each_seed;

    const NAME: &str = "9b36eaac-bb2e-49bb-bb78-21c41c499900.local";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    fn drain(mdns: &mut Mdns, now: Instant) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| mdns.poll_transmit(now)).collect()
    }

    #[test]
    fn one_asks_and_the_other_answers() {
        for address in ["192.0.2.7", "2001:db8::7"] {
            let (mut asking, mut asked) = (Mdns::default(), Mdns::default());
            let now = Instant::now();
            asked.publish(NAME, ip(address));
            asking.resolve(now, &NAME.to_uppercase());
            let queries = drain(&mut asking, now);
            assert_eq!(queries.len(), 2);
            queries.iter().for_each(|query| asked.handle(now, query));
            let answers = drain(&mut asked, now);
            assert_eq!(answers.len(), 1);
            // Both hear everything.
            for datagram in queries.iter().chain(&answers) {
                asking.handle(now, datagram);
                asked.handle(now, datagram);
            }
            let expected = Found { name: NAME.to_owned(), addresses: vec![ip(address)] };
            assert_eq!(asking.poll_found(), Some(expected));
            assert_eq!((asking.poll_found(), asking.is_idle()), (None, true));
            assert_eq!((asked.poll_found(), asked.is_idle()), (None, false));
            asked.withdraw(NAME);
            asked.handle(after(now, 2000), &queries[0]);
            assert_eq!(asked.poll_transmit(after(now, 2000)), None);
        }
    }

    #[test]
    fn a_name_of_our_own_is_known_without_asking() {
        let mut mdns = Mdns::default();
        let now = Instant::now();
        mdns.publish(NAME, ip("192.0.2.7"));
        mdns.resolve(now, NAME);
        assert_eq!(mdns.poll_transmit(now), None);
        assert_eq!(mdns.poll_found().unwrap().addresses, [ip("192.0.2.7")]);
    }

    #[test]
    fn a_name_that_nobody_knows_is_given_up_after_five_seconds() {
        let mut mdns = Mdns::default();
        let start = Instant::now();
        mdns.resolve(start, NAME);
        mdns.resolve(start, NAME);
        let mut asked = Vec::new();
        while let Some(now) = mdns.poll_timeout() {
            asked.extend(drain(&mut mdns, now).first().map(|_| (now - start).as_millis()));
            if now > start + Duration::from_secs(5) {
                break;
            }
        }
        assert_eq!(asked, [0, 1000, 3000]);
        assert_eq!(mdns.poll_found(), Some(Found { name: NAME.to_owned(), addresses: vec![] }));
        assert_eq!((mdns.poll_found(), mdns.is_idle()), (None, true));
    }

    #[test]
    fn questions_are_answered_once_a_second() {
        let mut mdns = Mdns::default();
        let start = Instant::now();
        mdns.publish(NAME, ip("192.0.2.7"));
        let mut answers = 0;
        for n in 0..100 {
            let now = after(start, n * 20);
            mdns.handle(now, &message::queries(NAME)[0]);
            answers += usize::from(mdns.poll_transmit(now).is_some());
        }
        assert_eq!(answers, 2);
    }

    #[test]
    fn too_many_names_are_given_up_at_once() {
        let mut mdns = Mdns::default();
        let now = Instant::now();
        for n in 0..=MAX_QUERIES {
            mdns.resolve(now, &format!("{n}.local"));
        }
        let expected = Found { name: format!("{MAX_QUERIES}.local"), addresses: vec![] };
        assert_eq!((mdns.poll_found(), mdns.poll_found()), (Some(expected), None));
    }

    #[test]
    fn only_names_of_one_label_in_local_are_asked_for() {
        for (name, expected) in [
            (NAME, true),
            ("a.LOCAL", true),
            ("game.example.com", false),
            ("a.b.local", false),
            (".local", false),
            ("local", false),
            ("a.local.", false),
            ("ä.local", false),
            (&format!("{}.local", "a".repeat(64)), false),
        ] {
            assert_eq!(is_name(name), expected, "{name}");
        }
    }

    #[test]
    fn random_names_are_names_of_the_right_version() {
        assert_eq!(random_name(0), "00000000-0000-4000-8000-000000000000.local");
        assert_eq!(random_name(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff.local");
        assert!(is_name(&random_name(0x0123_4567_89AB_CDEF)));
    }

    #[test]
    fn garbage_does_no_harm() {
        for_each_seed(0..2000, |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut mdns = Mdns::default();
            let now = Instant::now();
            mdns.publish(NAME, ip("192.0.2.7"));
            mdns.resolve(now, "other.local");
            let mut bytes = match seed % 3 {
                0 => message::queries(NAME)[0].clone(),
                1 => message::answer("other.local", ip("2001:db8::7")),
                _ => (0..rng.random_range(0..300)).map(|_| rng.random()).collect(),
            };
            for _ in 0..rng.random_range(0..4) {
                if let Some(len) = bytes.len().checked_sub(1) {
                    let place = rng.random_range(0..=len);
                    bytes[place] = rng.random();
                    bytes.truncate(rng.random_range(len / 2..=len + 1));
                }
            }
            mdns.handle(now, &bytes);
            assert!(mdns.transmits.len() <= 1 && mdns.found.len() <= 1);
        });
    }
}
