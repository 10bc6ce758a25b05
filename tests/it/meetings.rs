//! Two clients of each protocol meet over real sockets: through a gateway that speaks everything,
//! until a data channel between them has carried a message each way.

mod calling;
mod cloudlink5;
mod godot;
mod omega;
mod rooms;

use std::net::SocketAddr;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_gateway::{Gateway, GatewayConfig};
use signaling_net::Listener;
use signaling_tests::meeting::{Client, LOOK, Side, Turn, dial};
use signaling_webrtc::Transport;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

/// Longer than a meeting takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets two clients meet: the guest is made when the host is ready, from what the host says.
async fn meet<H: Client, G: Client>(
    host: impl FnOnce(SocketAddr) -> H,
    guest: impl FnOnce(SocketAddr, String) -> G,
) {
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    let (config, rng) = (GatewayConfig::default(), StdRng::seed_from_u64(1));
    let gateway = Gateway::open(&Handle::current(), listener, config, rng).unwrap();
    let transport = Transport::new();
    let mut host = Side::new(host(gateway.local_addr()), &transport);
    let meeting = async {
        let word = host.until_ready().await;
        let mut guest = Side::new(guest(gateway.local_addr(), word), &transport);
        while !(host.is_done() && guest.is_done()) {
            host.step();
            guest.step();
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, meeting).await.expect("the two should have met by now");
}
