//! PeerJS, the client library of PeerServers that clients of CloudLink 5 use: with our server, and
//! on it with our client.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::Trial;
use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_net::{ClientConfig, ClientHandle, Endpoint, connect};
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::channels::link::DEFAULT;
use signaling_protocols::cloudlink5::channels::{
    Heard, Link, NewChannel, Packet, Piece, Scope, Side,
};
use signaling_protocols::cloudlink5::peer_server::{
    self, PeerEvent, PeerRequest, PeerSession, Serialization,
};
use signaling_webrtc::{
    ChannelHandle, ChannelInit, ChannelState, PeerEvent as Event, PeerHandle, PeerOptions,
    Reliability, SdpKind, Transport,
};
use tokio::runtime::{Builder, Runtime};

use crate::counterpart::Counterpart;
use crate::server::{Server, hears, until, wait};

/// The ids of our client and of theirs.
const WE: &str = "we";
const THEY: &str = "they";

static TRANSPORT: Transport = Transport::new();

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, run: fn(&Server) -> Result<()>| {
        let run =
            move || run(&Server::start("peerserver")?).map_err(|error| format!("{error:#}").into());
        Trial::test(format!("peerjs::{name}"), run)
    };
    vec![
        trial("two_of_them", |server| until_done(&mut peerjs(server, &["two"])?)),
        trial("who_is_refused", |server| until_done(&mut peerjs(server, &["refused"])?)),
        trial("we_call_them", we_call_them),
        trial("they_call_us_in_binary", |server| they_call_us(server, "binary", 100_000)),
        // They send no larger messages in JSON.
        trial("they_call_us_in_json", |server| they_call_us(server, "json", 16_000)),
        trial("they_call_us_in_text", |server| they_call_us(server, "raw", 100_000)),
    ]
}

fn we_call_them(server: &Server) -> Result<()> {
    let mut they = peerjs(server, &["wait"])?;
    until(&mut they, |they| hears(they, "ready"))?;
    let mut we = Caller::start(server)?;
    we.call()?;
    converse(&mut we, &mut they, 100_000)
}

fn they_call_us(server: &Server, serialization: &str, bytes: usize) -> Result<()> {
    let mut we = Caller::start(server)?;
    let mut they = peerjs(server, &["call", serialization])?;
    converse(&mut we, &mut they, bytes)?;
    // In text there is no way to say so on the channel.
    ensure!(we.is_told_of_the_end == (serialization != "raw"), "the end of the connection");
    Ok(())
}

/// What we say on every channel comes back, also a message of so many bytes; they open a channel for each of ours; at the end they
/// close the connection.
fn converse(we: &mut Caller, they: &mut Counterpart, bytes: usize) -> Result<()> {
    we.until(they, |we| Ok(we.is_open(DEFAULT)))?;
    let large = format!(r#""{}""#, "x".repeat(bytes));
    for payload in [r#""grüße""#, &large] {
        we.exchange(they, DEFAULT, payload)?;
    }
    we.open("chat")?;
    // They open theirs once they have ours; before, they would not hear what we say on it.
    we.until(they, |we| Ok(we.is_open("chat back")))?;
    for label in ["chat", "chat back"] {
        we.exchange(they, label, r#"{"a":[1,"ü"]}"#)?;
    }
    we.say(DEFAULT, &Packet::Hangup)?;
    we.until(they, |we| Ok(we.is_told_of_the_end || we.is_closed(DEFAULT)))?;
    we.peer.close();
    we.until(they, |we| Ok(we.they_are_done))
}

/// A process with PeerJS in it that does this.
fn peerjs(server: &Server, scenario: &[&str]) -> Result<Counterpart> {
    server.counterpart("peerjs.js", &[&[&*server.addr], scenario].concat())
}

fn until_done(they: &mut Counterpart) -> Result<()> {
    until(they, |they| hears(they, "done"))
}

/// Our client at the PeerServer, and its connection to the other peer.
struct Caller {
    session: ClientHandle<PeerSession>,
    /// What the session runs on.
    _runtime: Runtime,
    peer: PeerHandle,
    /// From the offer on.
    link: Option<Link>,
    /// By their labels.
    channels: BTreeMap<String, ChannelHandle>,
    /// What was said on which channel.
    heard: Vec<(String, Packet)>,
    is_told_of_the_end: bool,
    they_are_done: bool,
}

impl Caller {
    /// Connects to the server, and waits until others can call us.
    fn start(server: &Server) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut rng = StdRng::seed_from_u64(1);
        let target = peer_server::target(WE, &peer_server::draw_token(&mut rng));
        let (url, session) = (Endpoint::Url(server.url(&target)), PeerSession::new(rng));
        let session = connect(runtime.handle(), url, session, ClientConfig::default());
        wait(|| Ok(session.take_events().contains(&PeerEvent::Opened)))?;
        Ok(Self {
            session,
            _runtime: runtime,
            peer: TRANSPORT.peer(PeerOptions::default())?,
            link: None,
            channels: BTreeMap::new(),
            heard: Vec::new(),
            is_told_of_the_end: false,
            they_are_done: false,
        })
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
    fn open(&mut self, label: &str) -> Result<()> {
        let link = self.link.as_mut().context("there is an offer")?;
        let (NewChannel { id, label, is_ordered }, pieces) = link.open(label, false)?;
        self.create_channel(&label, is_ordered, Some(id))?;
        self.put(DEFAULT, &pieces)
    }

    fn is_open(&self, label: &str) -> bool {
        self.channels.get(label).is_some_and(|it| it.state() == ChannelState::Open)
    }

    fn is_closed(&self, label: &str) -> bool {
        self.channels.get(label).is_some_and(|it| it.state() == ChannelState::Closed)
    }

    fn say(&mut self, label: &str, packet: &Packet) -> Result<()> {
        let pieces = self.link.as_mut().context("there is an offer")?.write(label, packet);
        self.put(label, &pieces)
    }

    fn put(&self, label: &str, pieces: &[Piece]) -> Result<()> {
        let channel = self.channels.get(label).context("there is a channel")?;
        pieces.iter().try_for_each(|piece| Ok(channel.put(&piece.data, piece.is_text)?))
    }

    /// Says something to all that comes back as something for us.
    fn exchange(&mut self, they: &mut Counterpart, label: &str, payload: &str) -> Result<()> {
        let message = |scope| Packet::Message { scope, payload: payload.to_owned() };
        self.say(label, &message(Scope::Global))?;
        let answer = (label.to_owned(), message(Scope::Private));
        self.until(they, |we| {
            let heard = we.heard.pop();
            ensure!(heard.as_ref().is_none_or(|heard| *heard == answer), "another answer");
            Ok(heard.is_some())
        })
    }

    fn until(
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
        self.session.take_events().into_iter().try_for_each(|event| self.hear(event))?;
        self.peer.take_events().into_iter().try_for_each(|event| self.tell(event))?;
        for label in self.channels.keys().cloned().collect::<Vec<_>>() {
            while let Some(message) = self.channels.get(&label).and_then(ChannelHandle::take) {
                self.read(&label, &message.data, message.text)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, event: PeerEvent) -> Result<()> {
        match event {
            PeerEvent::Connecting { channel, .. } => {
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
        Ok(self.session.request(PeerRequest::Signal { to: THEY.to_owned(), signal })?)
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
