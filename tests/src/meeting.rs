//! One side of a meeting: a client of some protocol, and the WebRTC connection that it helps to make.

pub mod calling;
pub mod cloudlink5;
pub mod omega;
pub mod rooms;

use std::net::SocketAddr;
use std::time::Duration;

use signaling_core::Session;
use signaling_net::{ClientConfig, ClientHandle, Endpoint, connect};
use signaling_protocols::Signal;
use signaling_webrtc::{
    ChannelHandle, ChannelInit, ChannelState, PeerEvent, PeerHandle, PeerOptions, Reliability,
    SdpKind, Transport,
};
use tokio::runtime::Handle;
use tokio::time::sleep;

/// How often to look what has come.
pub const LOOK: Duration = Duration::from_millis(1);

/// One side of a meeting, in whatever protocol.
pub trait Client {
    /// What has happened since the last call, after what it leads to was asked for.
    fn take(&mut self) -> Vec<Turn>;

    /// Passes something on to the other side.
    fn send(&mut self, signal: Signal);
}

/// What the other side of the meeting, or the WebRTC connection, has to be told.
pub enum Turn {
    /// The other one may come. What it needs to know in order to find us, if it cannot be agreed
    /// on before.
    Ready(String),
    /// The other one is there, and it is upon us to make the offer.
    Call,
    /// Something for our WebRTC connection.
    Signal(Signal),
}

/// Connects a session to this path of a server.
///
/// # Panics
/// Outside of a runtime.
pub fn dial<S: Session>(addr: SocketAddr, target: &str, session: S) -> ClientHandle<S> {
    let endpoint = Endpoint::Url(format!("ws://{addr}{target}"));
    connect(&Handle::current(), endpoint, session, ClientConfig::default())
}

/// A client, and the WebRTC connection that it helps to make.
pub struct Side<C> {
    client: C,
    peer: PeerHandle,
    channel: ChannelHandle,
    has_said: bool,
    has_heard: bool,
}

impl<C: Client> Side<C> {
    /// The client, and a connection of its own with one channel.
    ///
    /// # Panics
    /// When the system grants no thread.
    pub fn new(client: C, transport: &Transport) -> Self {
        let peer = transport.peer(PeerOptions::default()).expect("the system has a thread for it");
        let init = ChannelInit {
            label: "default".to_owned(),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            negotiated: Some(0),
        };
        let channel = peer.create_channel(init).expect("the first channel");
        Self { client, peer, channel, has_said: false, has_heard: false }
    }

    /// Waits until the other side may come; returns what it needs to know.
    pub async fn until_ready(&mut self) -> String {
        loop {
            for turn in self.client.take() {
                if let Turn::Ready(word) = turn {
                    return word;
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Whether a message has gone each way.
    pub fn is_done(&self) -> bool {
        self.has_said && self.has_heard
    }

    /// Passes on what has come, and talks on the channel once it is open.
    ///
    /// # Panics
    /// When the other side says something that makes no sense.
    pub fn step(&mut self) {
        for turn in self.client.take() {
            match turn {
                Turn::Ready(_) => {}
                Turn::Call => self.peer.create_offer().expect("nothing stands against it"),
                Turn::Signal(signal) => self.hear(&signal),
            }
        }
        for event in self.peer.take_events() {
            self.tell(event);
        }
        if !self.has_said && self.channel.state() == ChannelState::Open {
            self.channel.put(b"hello", true).expect("it is open");
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
        .expect("it makes sense, and comes in turn");
    }

    fn tell(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::DescriptionCreated { kind, sdp } => {
                self.peer.set_local_description(kind, &sdp).expect("just created");
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
