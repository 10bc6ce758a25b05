//! Our client of CloudLink 5.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::Session;
use signaling_net::{ClientConfig, ClientHandle, Endpoint, connect};
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::channels::link::DEFAULT;
use signaling_protocols::cloudlink5::channels::{
    Heard, Link, NewChannel, Packet, Piece, Scope, Side,
};
use signaling_protocols::cloudlink5::client::{Answer, Ask};
use signaling_protocols::cloudlink5::peer_server::{
    self, PeerEvent, PeerRequest, PeerSession, Serialization,
};
use signaling_protocols::cloudlink5::wire::{CreateReply, JoinReply};
use signaling_protocols::cloudlink5::{LobbyEvent, LobbyOptions, LobbyRequest, LobbySession};
use signaling_webrtc::{
    ChannelHandle, ChannelInit, ChannelState, PeerEvent as Event, PeerHandle, PeerOptions,
    Reliability, SdpKind, Transport,
};
use tokio::runtime::{Builder, Runtime};

use crate::counterpart::Counterpart;
use crate::server::{Server, hears, until, wait};

static TRANSPORT: Transport = Transport::new();

/// Our client in a lobby, and its connection to the other peer.
pub(super) struct Caller<'a> {
    server: &'a Server,
    lobbies: ClientHandle<LobbySession>,
    /// From the moment on at which we know what we are called.
    peers: Option<ClientHandle<PeerSession>>,
    /// What the sessions run on.
    runtime: Runtime,
    /// What to enter, until we can be reached.
    place: Option<Ask>,
    is_inside: bool,
    /// The id of the other peer.
    other: String,
    peer: PeerHandle,
    /// From the offer on.
    link: Option<Link>,
    /// By their labels.
    channels: BTreeMap<String, ChannelHandle>,
    /// What was said on which channel.
    heard: Vec<(String, Packet)>,
    pub(super) is_told_of_the_end: bool,
    pub(super) they_are_done: bool,
}

impl<'a> Caller<'a> {
    /// Enters a lobby, and waits until that is done.
    pub(super) fn start(server: &'a Server, place: Ask) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let session = LobbySession::new(LobbyOptions::named("Ada"));
        let mut caller = Self {
            server,
            lobbies: dial(server, &runtime, "/?ugi=interop", session),
            peers: None,
            runtime,
            place: Some(place),
            is_inside: false,
            other: String::new(),
            peer: TRANSPORT.peer(PeerOptions::default())?,
            link: None,
            channels: BTreeMap::new(),
            heard: Vec::new(),
            is_told_of_the_end: false,
            they_are_done: false,
        };
        wait(|| {
            caller.step()?;
            Ok(caller.is_inside)
        })?;
        Ok(caller)
    }

    /// Closes everything.
    pub(super) fn leave(&self) -> Result<()> {
        self.peer.close();
        Ok(self.lobbies.request(LobbyRequest::Close)?)
    }

    /// Begins a connection.
    fn call(&mut self) -> Result<()> {
        self.link = Some(Link::new(Side::Offering, Serialization::Raw));
        self.create_channel(DEFAULT, true, None)?;
        Ok(self.peer.create_offer()?)
    }

    fn create_channel(&mut self, label: &str, ordered: bool, id: Option<u16>) -> Result<()> {
        let (label, protocol) = (label.to_owned(), String::new());
        let reliability = Reliability::Reliable;
        let init =
            ChannelInit { label: label.clone(), protocol, ordered, reliability, negotiated: id };
        self.channels.insert(label, self.peer.create_channel(init)?);
        Ok(())
    }

    /// Opens a channel on both sides.
    pub(super) fn open(&mut self, label: &str) -> Result<()> {
        let link = self.link.as_mut().context("there is an offer")?;
        let (NewChannel { id, label, is_ordered }, pieces) = link.open(label, false)?;
        self.create_channel(&label, is_ordered, Some(id))?;
        self.put(DEFAULT, &pieces)
    }

    pub(super) fn is_open(&self, label: &str) -> bool {
        self.channels.get(label).is_some_and(|it| it.state() == ChannelState::Open)
    }

    pub(super) fn is_closed(&self, label: &str) -> bool {
        self.channels.get(label).is_some_and(|it| it.state() == ChannelState::Closed)
    }

    pub(super) fn say(&mut self, label: &str, packet: &Packet) -> Result<()> {
        let pieces = self.link.as_mut().context("there is an offer")?.write(label, packet);
        self.put(label, &pieces)
    }

    fn put(&self, label: &str, pieces: &[Piece]) -> Result<()> {
        let channel = self.channels.get(label).context("there is a channel")?;
        pieces.iter().try_for_each(|piece| Ok(channel.put(&piece.data, piece.is_text)?))
    }

    /// Says something to all that comes back as something for us.
    pub(super) fn exchange(
        &mut self,
        they: &mut Counterpart,
        label: &str,
        payload: &str,
    ) -> Result<()> {
        let message = |scope| Packet::Message { scope, payload: payload.to_owned() };
        self.say(label, &message(Scope::Global))?;
        let answer = (label.to_owned(), message(Scope::Private));
        self.until(they, |we| {
            let heard = we.heard.pop();
            ensure!(heard.as_ref().is_none_or(|heard| *heard == answer), "another answer");
            Ok(heard.is_some())
        })
    }

    pub(super) fn until(
        &mut self,
        they: &mut Counterpart,
        mut condition: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        until(they, |they| {
            self.they_are_done |= hears(they, "done")?;
            self.step()?;
            condition(self)
        })
    }

    /// Passes on what has come.
    fn step(&mut self) -> Result<()> {
        self.lobbies.take_events().into_iter().try_for_each(|event| self.notice(event))?;
        let events = self.peers.as_ref().map(ClientHandle::take_events).unwrap_or_default();
        events.into_iter().try_for_each(|event| self.hear(event))?;
        self.peer.take_events().into_iter().try_for_each(|event| self.tell(event))?;
        for label in self.channels.keys().cloned().collect::<Vec<_>>() {
            while let Some(message) = self.channels.get(&label).and_then(ChannelHandle::take) {
                self.read(&label, &message.data, message.text)?;
            }
        }
        Ok(())
    }

    fn notice(&mut self, event: LobbyEvent) -> Result<()> {
        match event {
            LobbyEvent::Welcomed(me) => {
                let mut rng = StdRng::seed_from_u64(1);
                let token = peer_server::draw_token(&mut rng);
                let target = peer_server::target(&me.instance_id, &token);
                let session = PeerSession::new(rng);
                self.peers = Some(dial(self.server, &self.runtime, &target, session));
                Ok(())
            }
            LobbyEvent::Answered { answer, .. } => {
                let is_inside =
                    [Answer::Created(CreateReply::Created), Answer::Joined(JoinReply::Joined)];
                ensure!(is_inside.contains(&answer), "{answer:?}");
                self.is_inside = true;
                Ok(())
            }
            // Whoever is there connects to whoever joins.
            LobbyEvent::PeerJoined(peer) => {
                (*peer.instance_id).clone_into(&mut self.other);
                self.call()
            }
            LobbyEvent::Violation(why) | LobbyEvent::Warning(why) => bail!(why),
            _ => Ok(()),
        }
    }

    fn hear(&mut self, event: PeerEvent) -> Result<()> {
        match event {
            // We can be reached now.
            PeerEvent::Opened => {
                let ask = self.place.take().context("it opens once")?;
                self.lobbies.request(LobbyRequest::Ask { ticket: 1, ask })?;
            }
            PeerEvent::Connecting { from, channel } => {
                self.other = from;
                self.link = Some(Link::new(Side::Answering, channel.serialization));
            }
            PeerEvent::Signal { signal: Signal::Offer { sdp }, .. } => {
                self.peer.set_remote_description(SdpKind::Offer, &sdp)?;
            }
            PeerEvent::Signal { signal: Signal::Answer { sdp }, .. } => {
                self.peer.set_remote_description(SdpKind::Answer, &sdp)?;
            }
            PeerEvent::Signal { signal: Signal::Candidate { mid, index, sdp }, .. } => {
                self.peer.add_candidate(&mid, index, &sdp)?;
            }
            other => bail!("{other:?}"),
        }
        Ok(())
    }

    fn tell(&mut self, event: Event) -> Result<()> {
        let signal = match event {
            Event::DescriptionCreated { kind, sdp } => {
                self.peer.set_local_description(kind, &sdp)?;
                match kind {
                    SdpKind::Offer => Signal::Offer { sdp },
                    SdpKind::Answer => Signal::Answer { sdp },
                }
            }
            Event::CandidateCreated { mid, index, candidate: sdp } => {
                Signal::Candidate { mid, index, sdp }
            }
            Event::ChannelAnnounced(channel) => {
                self.channels.insert(channel.init().label.clone(), channel);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let peers = self.peers.as_ref().context("we have a name")?;
        Ok(peers.request(PeerRequest::Signal { to: self.other.clone(), signal })?)
    }

    fn read(&mut self, label: &str, data: &[u8], is_text: bool) -> Result<()> {
        let link = self.link.as_mut().context("there is an offer")?;
        match link.read(label, data, is_text) {
            Heard::Packet(packet) => self.heard.push((label.to_owned(), packet)),
            Heard::Opened(NewChannel { id, label, is_ordered }) => {
                self.create_channel(&label, is_ordered, Some(id))?;
            }
            Heard::Closed => self.is_told_of_the_end = true,
            Heard::Unfinished => {}
            Heard::Ignored => bail!("they said what means nothing: {data:?}"),
        }
        Ok(())
    }
}

fn dial<C: Session>(
    server: &Server,
    runtime: &Runtime,
    target: &str,
    session: C,
) -> ClientHandle<C> {
    let url = Endpoint::Url(server.url(target));
    connect(runtime.handle(), url, session, ClientConfig::default())
}
