//! A client in Rust whom a game meets: `guest <protocol> <address>` goes where the game is, connects to
//! it, and says `met` when a data channel between them has carried a message each way.

#![allow(clippy::print_stdout, reason = "a program that reports to the one that started it")]

use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use signaling_protocols::omega::Numbering;
use signaling_tests::meeting::calling::Calling;
use signaling_tests::meeting::cloudlink5::CloudLink5;
use signaling_tests::meeting::omega::Omega;
use signaling_tests::meeting::rooms::Rooms;
use signaling_tests::meeting::{Client, LOOK, Side};
use signaling_webrtc::Transport;
use tokio::time::{sleep, timeout};

/// Longer than a meeting takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [protocol, address] = &arguments[..] else { panic!("guest <protocol> <address>") };
    let address: SocketAddr = address.parse().expect("an address and a port");
    match protocol.as_str() {
        "calling" => meet(Calling::new(address)).await,
        "cloudlink-5" => meet(CloudLink5::guest(address)).await,
        "omega-late-2023" => meet(Omega::guest(address, Numbering::Late)).await,
        "omega-october-2023" => meet(Omega::guest(address, Numbering::Seed)).await,
        "rooms" => meet(Rooms::new(address, "callee")).await,
        other => panic!("{other} is not spoken"),
    }
    println!("met");
}

async fn meet(client: impl Client) {
    let transport = Transport::new();
    let mut side = Side::new(client, &transport);
    let meeting = async {
        while !side.is_done() {
            side.step();
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, meeting).await.expect("the two should have met by now");
}
