//! What it costs to relay a message, without sockets and with them, beside a server as it is
//! usually written. Each message is verified where it arrives.
//!
//! `cargo bench -p signaling-tests` prints time and throughput, and on Linux also the processor
//! time that the server alone spent on each message.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a benchmark reports and gives up")]

mod load;
mod served;
mod traffic;
mod usual;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput};
use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::{ConnId, Frame, Input, Output, Server};
use signaling_net::{Listener, ServerConfig};
use signaling_protocols::godot::{GodotServer, Settings};

use load::{Load, MESSAGES_PER_ROUND};
use served::Served;
use traffic::Kind;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    relay_without_sockets(&mut criterion);
    relay_with_sockets(&mut criterion);
    criterion.final_summary();
}

/// Decoding, the step of the machine and the draining of its outputs, among many lobbies.
fn relay_without_sockets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("without sockets");
    for kind in [Kind::Offer, Kind::Answer, Kind::Candidate] {
        let (mut server, sender) = crowded_server();
        let text = traffic::message(kind, 1);
        let relayed = traffic::message(kind, peer_id(&mut server, sender));
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{kind:?}, {} bytes", text.len()), |bencher| {
            bencher.iter(|| {
                let message = GodotServer::decode(Frame::Text(black_box(&text)));
                server.handle_input(Instant::now(), Input::Message { conn: sender, message });
                let output = server.poll_output().unwrap();
                assert!(matches!(&output, Output::Send { text, .. } if **text == *relayed));
                assert!(server.poll_output().is_none());
                output
            });
        });
    }
    group.finish();
}

const LOBBIES: u64 = 50;

/// A server that relays as much as it can: real peers say far less in their whole life.
fn tireless() -> Settings {
    let mut settings = Settings::default();
    settings.relays.interval = Duration::ZERO;
    settings
}

/// A server with lobbies of two, and a connection that is the second member of one of them.
fn crowded_server() -> (GodotServer, ConnId) {
    let mut server = GodotServer::new(tireless(), StdRng::seed_from_u64(1));
    for lobby in 0..LOBBIES {
        let host = say(&mut server, ConnId(2 * lobby), &traffic::join(""));
        let name = traffic::data(&host[1]);
        say(&mut server, ConnId(2 * lobby + 1), &traffic::join(&name));
    }
    (server, ConnId(LOBBIES + 1))
}

/// Opens the connection, says something, and returns all that is sent then.
fn say(server: &mut GodotServer, conn: ConnId, text: &str) -> Vec<String> {
    let now = Instant::now();
    server.handle_input(now, Input::Opened { conn, target: "/", from: "" });
    let message = GodotServer::decode(Frame::Text(text));
    server.handle_input(now, Input::Message { conn, message });
    sent(server)
}

fn sent(server: &mut GodotServer) -> Vec<String> {
    let outputs = std::iter::from_fn(|| server.poll_output());
    let texts = outputs.filter_map(|output| match output {
        Output::Send { text, .. } => Some(text.to_string()),
        _ => None,
    });
    texts.collect()
}

/// The id under which a connection's messages arrive.
fn peer_id(server: &mut GodotServer, conn: ConnId) -> u32 {
    let text = traffic::message(Kind::Candidate, 1);
    let message = GodotServer::decode(Frame::Text(&text));
    server.handle_input(Instant::now(), Input::Message { conn, message });
    traffic::id(&sent(server)[0])
}

/// A closed loop over loopback: many lobbies, each peer with a few messages under way.
fn relay_with_sockets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("with sockets");
    group.throughput(Throughput::Elements(MESSAGES_PER_ROUND)).sampling_mode(SamplingMode::Flat);
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    let servers = [("this server", this_server as fn() -> Served), ("as usual", usual_server)];
    for (name, start) in servers {
        let served = start();
        let mut load = Load::connect(served.addr);
        let (mut rounds, before) = (0, served.processor_time());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                rounds += 1;
                load.run();
            });
        });
        if let (1.., Some(before), Some(after)) = (rounds, before, served.processor_time()) {
            let micros = (after - before).as_secs_f64() * 1e6;
            let per_message = micros / (rounds * MESSAGES_PER_ROUND) as f64;
            eprintln!("{name}: {per_message:.1} µs of the server's processor time per message\n");
        }
    }
    group.finish();
}

fn this_server() -> Served {
    Served::start(|runtime| {
        let listener = Listener::bind("127.0.0.1", 0).unwrap();
        let machine = GodotServer::new(tireless(), StdRng::seed_from_u64(1));
        let config = ServerConfig::default();
        let server = signaling_tests::serve(runtime, listener, machine, config).unwrap();
        let addr = server.local_addr();
        (addr, Box::new(server))
    })
}

fn usual_server() -> Served {
    Served::start(|runtime| (runtime.block_on(usual::start()), Box::new(())))
}
