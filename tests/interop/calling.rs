//! The protocol "calling-signaling" with `rtc-lib`, the client library that others use: with our
//! server, and on it with our client.

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use signaling_net::{ClientConfig, ClientHandle, Endpoint, connect};
use signaling_protocols::Signal;
use signaling_protocols::calling::client::SessionOptions;
use signaling_protocols::calling::{
    CallingSession, ClientEvent, ClientRequest, Event, Payload, PeerChange, PeerView, Reply,
    Request, Status, handshake,
};
use signaling_webrtc::{
    ChannelHandle, ChannelInit, ChannelState, PeerEvent, PeerHandle, PeerOptions, Reliability,
    SdpKind, Transport,
};
use tokio::runtime::{Builder, Runtime};

use crate::counterpart::Counterpart;
use crate::server::{Server, hears, until, wait};

const ROOM: &str = "den";
const NAMESPACE: &str = "lounge";
/// What the other side calls its channel, too.
const CHANNEL: &str = "data";

static TRANSPORT: Transport = Transport::new();

pub(crate) fn trials() -> Vec<Trial> {
    let alone = |scenario| trial(scenario, move |server| alone(server, scenario));
    vec![
        alone("namespaces"),
        alone("rooms"),
        alone("invitations"),
        alone("signs_of_life"),
        trial("we_are_there_first", we_are_there_first),
        trial("they_are_there_first", they_are_there_first),
        trial("we_invite_them", we_invite_them),
        trial("they_invite_us", they_invite_us),
    ]
}

fn trial(name: &str, run: impl Fn(&Server) -> Result<()> + Send + 'static) -> Trial {
    let run = move || run(&Server::start("calling")?).map_err(|error| format!("{error:#}").into());
    Trial::test(format!("rtc_lib::{name}"), run)
}

/// They do this among themselves.
fn alone(server: &Server, scenario: &str) -> Result<()> {
    let mut they = rtc_lib(server, scenario)?;
    until(&mut they, |they| hears(they, "done"))
}

fn we_are_there_first(server: &Server) -> Result<()> {
    let mut we = Caller::start(server, Entrance::Joining)?;
    until_inside(&mut we)?;
    exchange(&mut we, &mut rtc_lib(server, "one")?)
}

fn they_are_there_first(server: &Server) -> Result<()> {
    let mut they = rtc_lib(server, "one")?;
    until(&mut they, |they| hears(they, "joined"))?;
    exchange(&mut Caller::start(server, Entrance::Joining)?, &mut they)
}

fn we_invite_them(server: &Server) -> Result<()> {
    let mut we = Caller::start(server, Entrance::Inviting)?;
    until_inside(&mut we)?;
    exchange(&mut we, &mut rtc_lib(server, "invited")?)
}

fn they_invite_us(server: &Server) -> Result<()> {
    let mut we = Caller::start(server, Entrance::Invited)?;
    exchange(&mut we, &mut rtc_lib(server, "inviting")?)
}

fn until_inside(we: &mut Caller) -> Result<()> {
    wait(|| {
        we.step()?;
        Ok(we.is_inside)
    })
}

/// What we say on the channel comes back; then we leave, and they notice.
fn exchange(we: &mut Caller, they: &mut Counterpart) -> Result<()> {
    let is_open = |channel: &ChannelHandle| channel.state() == ChannelState::Open;
    let opened = wait(|| {
        we.step()?;
        Ok(we.channel.as_ref().is_some_and(is_open))
    });
    opened.with_context(|| format!("no channel\n{}", they.log()))?;
    we.channel()?.put("grüße".as_bytes(), true)?;
    let mut echo = None;
    wait(|| {
        echo = we.channel()?.take();
        we.step()?;
        Ok(echo.is_some())
    })?;
    ensure!(echo.is_some_and(|echo| echo.text && echo.data == "grüße".as_bytes()), "another echo");
    we.ask(Request::Leave { room: ROOM.to_owned() })?;
    until(they, |they| hears(they, "done"))
}

/// A process with rtc-lib in it that does this.
fn rtc_lib(server: &Server, scenario: &str) -> Result<Counterpart> {
    server.counterpart("rtc_lib.js", &[&server.url("/calling"), scenario])
}

/// How we come together with them.
#[derive(Debug, Clone, Copy)]
enum Entrance {
    Joining,
    /// We invite whoever is announced in the namespace.
    Inviting,
    /// They see us there, and invite us.
    Invited,
}

/// Our client in a room, and its connection to the other peer.
struct Caller {
    session: ClientHandle<CallingSession>,
    /// What the session runs on.
    _runtime: Runtime,
    next_ticket: u64,
    is_inside: bool,
    /// The other peer.
    other: Option<String>,
    peer: PeerHandle,
    /// Made by us, or announced by the other peer.
    channel: Option<ChannelHandle>,
}

impl Caller {
    fn start(server: &Server, entrance: Entrance) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let session = CallingSession::new(SessionOptions::default());
        let url = Endpoint::Url(server.url("/calling"));
        let session = connect(runtime.handle(), url, session, ClientConfig::default());
        let peer = TRANSPORT.peer(PeerOptions::default())?;
        let (other, channel) = (None, None);
        let (is_inside, next_ticket) = (false, 0);
        let mut caller =
            Self { session, _runtime: runtime, next_ticket, is_inside, other, peer, channel };
        caller.enter(entrance)?;
        Ok(caller)
    }

    fn enter(&mut self, entrance: Entrance) -> Result<()> {
        let (room, namespace) = (Some(ROOM.to_owned()), NAMESPACE.to_owned());
        let join = Request::Join { room, status: Status::default() };
        match entrance {
            Entrance::Joining => self.ask(join),
            Entrance::Inviting => {
                self.ask(Request::Subscribe { namespace })?;
                self.ask(join)
            }
            Entrance::Invited => self.ask(Request::RegisterUser { namespace }),
        }
    }

    fn ask(&mut self, request: Request) -> Result<()> {
        let (ticket, request) = (self.next_ticket, request.into());
        self.next_ticket += 1;
        Ok(self.session.request(ClientRequest::Ask { ticket, request })?)
    }

    fn channel(&self) -> Result<&ChannelHandle> {
        self.channel.as_ref().context("there is a channel")
    }

    /// Passes on what has come.
    fn step(&mut self) -> Result<()> {
        for event in self.session.take_events() {
            self.hear(event)?;
        }
        for event in self.peer.take_events() {
            self.tell(event)?;
        }
        Ok(())
    }

    fn hear(&mut self, event: ClientEvent) -> Result<()> {
        match event {
            ClientEvent::Answered { result: Ok(Reply::Room { view, .. }), .. } => {
                self.is_inside = true;
                self.other = view.peers.into_keys().next();
            }
            ClientEvent::Told(Event::UserAdded { user, .. }) => {
                // Without data they take no notice.
                let data = Payload::parse("{}").context("it is JSON")?;
                self.ask(Request::Invite { room: ROOM.to_owned(), user, data })?;
            }
            ClientEvent::Told(Event::Invited(invitation)) => {
                self.other = Some(invitation.user);
                let (handle, status) = (invitation.handle, Status::default());
                self.ask(Request::AcceptInvitation { handle, status })?;
            }
            ClientEvent::Told(
                Event::PeerAdded { user, peer: PeerView { pending: false, .. }, .. }
                | Event::PeerUpdated { user, change: PeerChange::Accepted, .. },
            ) => self.call(user)?,
            ClientEvent::Told(Event::Received { event, data, .. }) => {
                match handshake::decode(&event, &data) {
                    Some(Signal::Offer { sdp }) => {
                        self.peer.set_remote_description(SdpKind::Offer, &sdp)?;
                    }
                    Some(Signal::Answer { sdp }) => {
                        self.peer.set_remote_description(SdpKind::Answer, &sdp)?;
                    }
                    Some(Signal::Candidate { mid, index, sdp }) => {
                        self.peer.add_candidate(&mid, index, &sdp)?;
                    }
                    None => {}
                }
            }
            ClientEvent::Answered { result, .. } => drop(result?),
            ClientEvent::Disconnected { reason, .. } => anyhow::bail!("disconnected: {reason}"),
            _ => {}
        }
        Ok(())
    }

    /// Who was there first makes the channel, and the offer.
    fn call(&mut self, user: String) -> Result<()> {
        self.other = Some(user);
        self.channel = Some(self.peer.create_channel(ChannelInit {
            label: CHANNEL.to_owned(),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            negotiated: None,
        })?);
        Ok(self.peer.create_offer()?)
    }

    fn tell(&mut self, event: PeerEvent) -> Result<()> {
        let signal = match event {
            PeerEvent::DescriptionCreated { kind, sdp } => {
                self.peer.set_local_description(kind, &sdp)?;
                match kind {
                    SdpKind::Offer => Signal::Offer { sdp },
                    SdpKind::Answer => Signal::Answer { sdp },
                }
            }
            PeerEvent::CandidateCreated { mid, index, candidate: sdp } => {
                Signal::Candidate { mid, index, sdp }
            }
            PeerEvent::ChannelAnnounced(channel) => {
                self.channel = Some(channel);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let (event, data) = handshake::encode(&signal, &[CHANNEL]);
        let user = self.other.clone().context("there is another peer")?;
        self.ask(Request::Send { room: ROOM.to_owned(), user, event: event.to_owned(), data })
    }
}
