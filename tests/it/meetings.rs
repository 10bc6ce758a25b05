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
use signaling_core::Session;
use signaling_gateway::{Gateway, GatewayConfig};
use signaling_net::{ClientConfig, ClientHandle, Endpoint, Listener, connect};
use signaling_protocols::Signal;
use signaling_webrtc::{
    ChannelHandle, ChannelInit, ChannelState, PeerEvent, PeerHandle, PeerOptions, Reliability,
    SdpKind, Transport,
};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

/// Longer than a meeting takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often to look what has come.
const LOOK: Duration = Duration::from_millis(1);

/// One side of a meeting, in whatever protocol.
trait Client {
    /// What has happened since the last call, after what it leads to was asked for.
    fn take(&mut self) -> Vec<Turn>;

    /// Passes something on to the other side.
    fn send(&mut self, signal: Signal);
}

/// What the other side of the meeting, or the WebRTC connection, has to be told.
enum Turn {
    /// The other one may come. What it needs to know in order to find us, if it cannot be agreed
    /// on before.
    Ready(String),
    /// The other one is there, and it is upon us to make the offer.
    Call,
    /// Something for our WebRTC connection.
    Signal(Signal),
}

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

/// Connects a session to this path of the gateway.
fn dial<S: Session>(addr: SocketAddr, target: &str, session: S) -> ClientHandle<S> {
    let endpoint = Endpoint::Url(format!("ws://{addr}{target}"));
    connect(&Handle::current(), endpoint, session, ClientConfig::default())
}

/// A client, and the WebRTC connection that it helps to make.
struct Side<C> {
    client: C,
    peer: PeerHandle,
    channel: ChannelHandle,
    has_said: bool,
    has_heard: bool,
}

impl<C: Client> Side<C> {
    fn new(client: C, transport: &Transport) -> Self {
        let peer = transport.peer(PeerOptions::default()).unwrap();
        let init = ChannelInit {
            label: "default".to_owned(),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            negotiated: Some(0),
        };
        let channel = peer.create_channel(init).unwrap();
        Self { client, peer, channel, has_said: false, has_heard: false }
    }

    async fn until_ready(&mut self) -> String {
        loop {
            for turn in self.client.take() {
                if let Turn::Ready(word) = turn {
                    return word;
                }
            }
            sleep(LOOK).await;
        }
    }

    fn is_done(&self) -> bool {
        self.has_said && self.has_heard
    }

    /// Passes on what has come, and talks on the channel once it is open.
    fn step(&mut self) {
        for turn in self.client.take() {
            match turn {
                Turn::Ready(_) => {}
                Turn::Call => self.peer.create_offer().unwrap(),
                Turn::Signal(signal) => self.hear(&signal),
            }
        }
        for event in self.peer.take_events() {
            self.tell(event);
        }
        if !self.has_said && self.channel.state() == ChannelState::Open {
            self.channel.put(b"hello", true).unwrap();
            self.has_said = true;
        }
        if let Some(message) = self.channel.take() {
            assert_eq!(message.data, b"hello");
            self.has_heard = true;
        }
    }

    fn hear(&self, signal: &Signal) {
        match signal {
            Signal::Offer { sdp } => self.peer.set_remote_description(SdpKind::Offer, sdp),
            Signal::Answer { sdp } => self.peer.set_remote_description(SdpKind::Answer, sdp),
            Signal::Candidate { mid, index, sdp } => self.peer.add_candidate(mid, *index, sdp),
        }
        .unwrap();
    }

    fn tell(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::DescriptionCreated { kind, sdp } => {
                self.peer.set_local_description(kind, &sdp).unwrap();
                self.client.send(match kind {
                    SdpKind::Offer => Signal::Offer { sdp },
                    _ => Signal::Answer { sdp },
                });
            }
            PeerEvent::CandidateCreated { mid, index, candidate: sdp } => {
                self.client.send(Signal::Candidate { mid, index, sdp });
            }
            _ => {}
        }
    }
}
