//! libdatachannel, configured as the official plugin does: all defaults, negotiation by hand, and
//! what arrives queued until it is asked for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datachannel::{
    DataChannelHandler, DataChannelInfo, DataChannelInit, IceCandidate, PeerConnectionHandler,
    Reliability, RtcConfig, RtcDataChannel, RtcPeerConnection, SdpType, SessionDescription,
};
use parking_lot::Mutex;

use crate::engine::{Channel, Connection, Engine};
use crate::signal::{Kind, Signal};

pub struct LibDataChannel;

pub struct LibConnection {
    // Before the connection that they belong to, which must outlive them.
    #[expect(clippy::vec_box, reason = "the library holds a pointer to each")]
    channels: Vec<Box<RtcDataChannel<Inbox>>>,
    inboxes: Vec<Inbox>,
    peer: Box<RtcPeerConnection<Outbox>>,
    outbox: Outbox,
}

/// What the library's threads have to say.
#[derive(Clone, Default)]
struct Outbox(Arc<Mutex<Vec<Signal>>>);

/// What arrived on a channel.
#[derive(Clone, Default)]
struct Inbox {
    is_open: Arc<AtomicBool>,
    messages: Arc<Mutex<VecDeque<Vec<u8>>>>,
}

impl Engine for LibDataChannel {
    type Connection = LibConnection;

    fn start() -> Self {
        Self
    }

    fn connect(&self) -> LibConnection {
        let config =
            RtcConfig::new::<&str>(&[]).bind_address(&"127.0.0.1").disable_auto_negotiation();
        let outbox = Outbox::default();
        let mut peer = RtcPeerConnection::new(&config, outbox.clone()).expect("a valid config");
        let inboxes: Vec<Inbox> = Channel::ALL.map(|_| Inbox::default()).into();
        let channels = Channel::ALL.iter().zip(&inboxes).map(|(channel, inbox)| {
            let label = format!("{channel:?}");
            peer.create_data_channel_ex(&label, inbox.clone(), &init(*channel))
                .expect("the channel is valid")
        });
        let channels = channels.collect();
        LibConnection { channels, inboxes, peer, outbox }
    }
}

fn init(channel: Channel) -> DataChannelInit {
    let reliability = Reliability {
        unordered: !channel.is_ordered(),
        unreliable: !channel.is_reliable(),
        ..Reliability::default()
    };
    DataChannelInit::default()
        .reliability(reliability)
        .negotiated()
        .manual_stream()
        .stream(channel.id())
}

impl Connection for LibConnection {
    fn offer(&mut self) {
        self.peer.set_local_description(SdpType::Offer).expect("nothing stands against it");
    }

    fn accept(&mut self, signal: &Signal) {
        let accepted = match signal.kind {
            Kind::Offer => self
                .peer
                .set_remote_description(&description(signal, SdpType::Offer))
                .and_then(|()| self.peer.set_local_description(SdpType::Answer)),
            Kind::Answer => self.peer.set_remote_description(&description(signal, SdpType::Answer)),
            Kind::Candidate => self.peer.add_remote_candidate(&IceCandidate {
                candidate: signal.text.clone(),
                mid: signal.mid.clone(),
            }),
        };
        accepted.expect("it comes from its own kind");
    }

    fn signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.outbox.0.lock())
    }

    fn is_open(&self) -> bool {
        self.inboxes.iter().all(|inbox| inbox.is_open.load(Ordering::Acquire))
    }

    fn send(&mut self, channel: Channel, message: &[u8]) -> bool {
        self.channels[channel.index()].send(message).is_ok()
    }

    fn buffered(&self, channel: Channel) -> usize {
        self.channels[channel.index()].buffered_amount()
    }

    fn receive(&mut self, channel: Channel) -> Option<Vec<u8>> {
        self.inboxes[channel.index()].messages.lock().pop_front()
    }
}

fn description(signal: &Signal, sdp_type: SdpType) -> SessionDescription {
    let sdp = webrtc_sdp::parse_sdp(&signal.text, false).expect("it comes from its own kind");
    SessionDescription { sdp, sdp_type }
}

impl PeerConnectionHandler for Outbox {
    type DCH = Inbox;

    fn data_channel_handler(&mut self, _info: DataChannelInfo) -> Inbox {
        unreachable!("all channels are negotiated")
    }

    fn on_description(&mut self, description: SessionDescription) {
        let kind = match description.sdp_type {
            SdpType::Offer => Kind::Offer,
            _ => Kind::Answer,
        };
        self.0.lock().push(Signal::description(kind, &description.sdp.to_string()));
    }

    fn on_candidate(&mut self, candidate: IceCandidate) {
        self.0.lock().push(Signal::candidate(&candidate.mid, &candidate.candidate));
    }
}

impl DataChannelHandler for Inbox {
    fn on_open(&mut self) {
        self.is_open.store(true, Ordering::Release);
    }

    fn on_message(&mut self, message: &[u8]) {
        self.messages.lock().push_back(message.to_vec());
    }
}
