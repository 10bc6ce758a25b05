//! Our own engine.

use std::net::{IpAddr, Ipv4Addr};

use signaling_webrtc::{
    ChannelHandle, ChannelInit, ChannelState, PeerEvent, PeerHandle, PeerOptions, Reliability,
    SdpKind, Transport,
};

use crate::engine::{Channel, Connection, Engine};
use crate::signal::{Kind, Signal};

pub struct Native(Transport);

pub struct NativeConnection {
    peer: PeerHandle,
    channels: [ChannelHandle; 3],
}

impl Engine for Native {
    type Connection = NativeConnection;

    fn start() -> Self {
        Self(Transport::with_local_addresses(|| vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]))
    }

    fn connect(&self) -> NativeConnection {
        let peer = self.0.peer(PeerOptions::default()).expect("a thread can be had");
        let channels = Channel::ALL
            .map(|channel| peer.create_channel(init(channel)).expect("the channel is valid"));
        NativeConnection { peer, channels }
    }
}

fn init(channel: Channel) -> ChannelInit {
    ChannelInit {
        label: format!("{channel:?}"),
        protocol: String::new(),
        ordered: channel.is_ordered(),
        reliability: match channel.is_reliable() {
            true => Reliability::Reliable,
            false => Reliability::MaxRetransmits(0),
        },
        negotiated: Some(channel.id()),
    }
}

impl Connection for NativeConnection {
    fn offer(&mut self) {
        self.peer.create_offer().expect("nothing stands against it");
    }

    fn accept(&mut self, signal: &Signal) {
        let text = &signal.text;
        let accepted = match signal.kind {
            Kind::Offer => self.peer.set_remote_description(SdpKind::Offer, text),
            Kind::Answer => self.peer.set_remote_description(SdpKind::Answer, text),
            Kind::Candidate => self.peer.add_candidate(&signal.mid, 0, text),
        };
        accepted.expect("it comes from our own kind");
    }

    fn signals(&mut self) -> Vec<Signal> {
        let events = self.peer.take_events().into_iter();
        events.filter_map(|event| self.signal(event)).collect()
    }

    fn is_open(&self) -> bool {
        self.channels.iter().all(|channel| channel.state() == ChannelState::Open)
    }

    fn send(&mut self, channel: Channel, message: &[u8]) -> bool {
        self.channels[channel.index()].put(message, false).is_ok()
    }

    fn buffered(&self, channel: Channel) -> usize {
        self.channels[channel.index()].buffered_amount()
    }

    fn receive(&mut self, channel: Channel) -> Option<Vec<u8>> {
        self.channels[channel.index()].take().map(|message| message.data)
    }
}

impl NativeConnection {
    fn signal(&self, event: PeerEvent) -> Option<Signal> {
        match event {
            PeerEvent::DescriptionCreated { kind, sdp } => {
                self.peer.set_local_description(kind, &sdp).expect("it was just created");
                let kind = if kind == SdpKind::Offer { Kind::Offer } else { Kind::Answer };
                Some(Signal::description(kind, &sdp))
            }
            PeerEvent::CandidateCreated { mid, candidate, .. } => {
                Some(Signal::candidate(&mid, &candidate))
            }
            _ => None,
        }
    }
}
