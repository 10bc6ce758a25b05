//! One of two peers that meet in a laboratory made by `cargo xtask lab`: each in a network
//! namespace of its own, with signaling through a socket in the file system, which no namespace
//! separates.
//!
//! It says `open` when all channels are, `disconnected` when it no longer hears the other one,
//! `failed` when there is no way, `server failed` with the code when an ICE server is of no use,
//! `relayed` when the way leads through one, and `done` when everything that both sent was heard as
//! it should be: reliable messages all and in order, unreliable ones at most once.

#![allow(clippy::print_stdout, reason = "a program that reports to the one that started it")]

mod game;
mod meeting;

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use signaling_webrtc::statistics::CandidateKind;
use signaling_webrtc::{
    ConnectionState, IcePolicy, IceServer, PeerConfig, PeerEvent, PeerHandle, PeerOptions, SdpKind,
    Transport,
};

use game::Game;
use meeting::{Meeting, Word};

/// How this peer takes part.
struct Plan {
    /// The one of the two that makes the offer, and who is waited for.
    offers: bool,
    /// Where the two meet.
    meeting: PathBuf,
    ice_servers: Vec<IceServer>,
    ice_policy: IcePolicy,
    /// Messages to send on each channel.
    messages: u32,
}

/// How often to look what has come.
const LOOK: Duration = Duration::from_millis(1);
/// How long the two may take for everything.
const LIMIT: Duration = Duration::from_secs(40);
/// How long they may take to find a way.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

fn main() {
    let plan = Plan::of_arguments(std::env::args().skip(1));
    let meeting = Meeting::join(&plan.meeting, plan.offers);
    let config = PeerConfig {
        ice_policy: plan.ice_policy,
        connect_timeout: CONNECT_TIMEOUT,
        ..PeerConfig::default()
    };
    let options = PeerOptions { ice_servers: plan.ice_servers, config, ..PeerOptions::default() };
    let transport = Transport::new();
    let peer = transport.peer(options).expect("the system has a thread for it");
    let game = Game::new(&peer, plan.messages);
    if plan.offers {
        peer.create_offer().expect("nothing stands against it");
    }
    Player { peer, meeting, game, is_open: false, has_heard_all: false }.play();
}

impl Plan {
    fn of_arguments(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut plan = Self {
            offers: false,
            meeting: PathBuf::new(),
            ice_servers: Vec::new(),
            ice_policy: IcePolicy::All,
            messages: 100,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("each option has a value");
            match argument.as_str() {
                "--offer" => plan.offers = true,
                "--relay-only" => plan.ice_policy = IcePolicy::Relay,
                "--meeting" => plan.meeting = value().into(),
                "--messages" => plan.messages = value().parse().expect("a number"),
                "--server" => plan.ice_servers.push(server(&value())),
                "--authority" => plan.trust(&value()),
                other => panic!("{other} is not known"),
            }
        }
        plan
    }

    /// Believes in the certificates of a file, for each server so far.
    fn trust(&mut self, path: &str) {
        let pem = fs::read_to_string(path).expect("the file is there");
        let servers = self.ice_servers.drain(..);
        let trusting = servers.map(|server| server.with_authorities(&pem).expect("certificates"));
        self.ice_servers = trusting.collect();
    }
}

/// Reads `<url>` or `<url> <username> <password>`.
fn server(text: &str) -> IceServer {
    let mut words = text.split(' ');
    let server = IceServer::parse(words.next().expect("there is a first")).expect("a server");
    match (words.next(), words.next()) {
        (Some(username), Some(password)) => {
            server.with_credentials(username, password).expect("they are short")
        }
        _ => server,
    }
}

struct Player {
    peer: PeerHandle,
    meeting: Meeting,
    game: Game,
    is_open: bool,
    has_heard_all: bool,
}

impl Player {
    fn play(mut self) {
        let deadline = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < deadline, "not done in time");
            self.signal();
            if self.peer.connection_state() == ConnectionState::Failed {
                self.report();
                println!("failed");
                return;
            }
            if self.game.is_open() && !self.is_open {
                self.is_open = true;
                println!("open");
            }
            if self.is_open {
                self.game.step(Instant::now());
            }
            if self.game.has_heard_all() && !self.has_heard_all {
                self.has_heard_all = true;
                self.meeting.say(&Word::Done);
            }
            if self.has_heard_all && self.meeting.is_done() {
                self.report();
                println!("done");
                return;
            }
            thread::sleep(LOOK);
        }
    }

    /// Says how it went.
    fn report(&self) {
        println!("{} of {} unreliable messages came", self.game.lucky(), self.game.count());
        let statistics = self.peer.statistics();
        statistics.pairs.iter().for_each(|pair| println!("{pair:?}"));
        let ends = statistics.selected_pair().map(|pair| [pair.local, pair.remote]);
        if ends.is_some_and(|ends| ends.iter().any(|end| end.kind == CandidateKind::Relayed)) {
            println!("relayed");
        }
    }

    /// Passes on what the two have to know of each other.
    fn signal(&mut self) {
        for event in self.peer.take_events() {
            match event {
                PeerEvent::DescriptionCreated { kind, sdp } => {
                    self.peer.set_local_description(kind, &sdp).expect("just created");
                    self.meeting.say(&Word::Description { is_offer: kind == SdpKind::Offer, sdp });
                }
                PeerEvent::CandidateCreated { mid, index, candidate } => {
                    self.meeting.say(&Word::Candidate { mid, index, candidate });
                }
                PeerEvent::LinkUnstable => println!("disconnected"),
                PeerEvent::IceServerFailed { url, code, .. } => {
                    println!("server failed: {url} {code}");
                }
                _ => {}
            }
        }
        for word in self.meeting.hear() {
            match word {
                Word::Description { is_offer, sdp } => {
                    let kind = if is_offer { SdpKind::Offer } else { SdpKind::Answer };
                    self.peer.set_remote_description(kind, &sdp).expect("it comes in turn");
                }
                Word::Candidate { mid, index, candidate } => {
                    self.peer.add_candidate(&mid, index, &candidate).expect("it can be read");
                }
                Word::Done => {}
            }
        }
    }
}
