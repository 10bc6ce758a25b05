//! One client's session, in either numbering.
//!
//! ```text
//!   connecting ─ opened ─► greeting ─ INIT_OK ─► idle ─ Host, Join ─► asking ─► in a lobby
//!        │                     │                  │ ▲                   │            │
//!        │                     │                  │ └──── refused ──────┴── closed ──┤
//!        └─────────────────────┴─ disconnected ───┴──────────────────────────────────┴─► over
//! ```
//!
//! It lives as long as its connection: the protocol knows no way back into a lobby. A host makes
//! the offer to every peer that it is told of; peers wait for the offer of a host.
//!
//! For a `WebRTCMultiplayerPeer` the host is 1 and everybody else what
//! [`PeerId::of_name`](signaling_core::PeerId::of_name) makes of the id: all come to the same.
//!
//! Reading order:
//! - `event`: what a game may ask for and is told.
//! - this file: what both numberings have in common.
//! - `seed::client` and `late::client`: what each makes of it.

mod event;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::outputs::SessionOutputs;
use signaling_core::{Cause, Close, Frame, Session, SessionInput, SessionOutput};

pub use event::{ClientEvent, ClientRequest, HostGone, LobbyEntry, LobbyOptions, Party, Refusal};

use super::{late, seed};
use crate::Signal;
use crate::json::length;

/// After so long without anything from the server the connection counts as lost.
const SILENCE_LIMIT: Duration = Duration::from_secs(90);

/// What a session speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// That of the specification of October 2023.
    Seed,
    /// That of the clients of late 2023.
    Late,
}

impl Numbering {
    /// Path and query for a game, which must not be empty.
    pub fn target(self, game: &str) -> String {
        let game = utf8_percent_encode(game, NON_ALPHANUMERIC);
        match self {
            Self::Seed => format!("/ws/{game}?v=0"),
            Self::Late => format!("/signaling/{game}?v=0"),
        }
    }

    fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::Seed => &seed::client::Seed,
            Self::Late => &late::client::Late,
        }
    }
}

/// How a numbering says and hears what a session means.
pub(super) trait Dialect: Debug + Sync {
    /// How often the client gives a sign of life without being asked.
    fn keepalive_interval(&self) -> Option<Duration>;

    fn keepalive(&self) -> String;

    /// The first message.
    fn init(&self, name: &str) -> String;

    fn ask(&self, place: &Place) -> String;

    /// Sends something to another client, as a host or not.
    fn signal(&self, is_host: bool, to: &str, signal: &Signal) -> Vec<String>;

    /// Says that another client seems to be gone, where the server wants to know.
    fn suspect(&self, id: &str) -> Option<String>;

    /// Takes leave, where closing the connection is not enough.
    fn leave(&self) -> Option<String>;

    /// What a message means to a host, or to somebody else.
    fn hear(&self, is_host: bool, frame: Frame<'_>) -> Option<Heard>;
}

/// What a message of the server means, and what is to be said in return.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) meaning: Meaning,
    pub(super) reply: Option<String>,
}

#[derive(Debug)]
pub(super) enum Meaning {
    /// Nothing that anybody has to know.
    Nothing,
    /// The server knows us, by this id.
    Welcome(String),
    /// We have the place that we asked for.
    Granted,
    /// We do not have it.
    Refused(Refusal),
    /// Our lobby has another host.
    HostChanged { lobby: String, host: Party },
    /// We are out of the lobby.
    LobbyClosed { lobby: String },
    /// Anything else.
    Told(ClientEvent),
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Host { lobby: String, options: LobbyOptions },
    Peer { lobby: String, password: String },
}

/// The client side of both numberings.
#[derive(Debug)]
pub struct OmegaSession {
    dialect: &'static dyn Dialect,
    name: String,
    id: String,
    stage: Stage,
    /// What was asked for before the server knew us.
    early: Option<Place>,
    keepalive: Option<Keepalive>,
    out: SessionOutputs<ClientEvent>,
}

#[derive(Debug)]
enum Stage {
    Connecting,
    Greeting,
    Idle,
    Asking(Place),
    Inside { is_host: bool },
    Over,
}

impl OmegaSession {
    /// A session whose connection is being made, of a user with this name.
    pub fn new(numbering: Numbering, name: &str) -> Self {
        Self {
            dialect: numbering.dialect(),
            name: name.to_owned(),
            id: String::new(),
            stage: Stage::Connecting,
            early: None,
            keepalive: None,
            out: SessionOutputs::default(),
        }
    }
}

impl Session for OmegaSession {
    type Request = ClientRequest;
    type Event = ClientEvent;

    fn handle_input(&mut self, now: Instant, input: SessionInput<'_, ClientRequest>) {
        match (&self.stage, input) {
            (Stage::Over, _) => {}
            (Stage::Connecting, SessionInput::Opened) => self.open(now),
            (_, SessionInput::Frame(frame)) => self.receive(now, frame),
            (_, SessionInput::Request(request)) => self.request(request),
            (_, SessionInput::Closed { close, cause }) => self.end(&close, cause),
            (_, SessionInput::Timeout) => self.handle_timeout(now),
            (_, SessionInput::Opened) => {}
        }
    }

    fn poll_output(&mut self) -> Option<SessionOutput<ClientEvent>> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.keepalive.as_ref()?.poll_timeout()
    }
}

impl OmegaSession {
    fn open(&mut self, now: Instant) {
        self.stage = Stage::Greeting;
        let interval = self.dialect.keepalive_interval();
        self.keepalive = Some(Keepalive::new(now, interval, Some(SILENCE_LIMIT)));
        self.out.send(self.dialect.init(&self.name));
    }

    fn receive(&mut self, now: Instant, frame: Frame<'_>) {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(now);
        }
        let Some(heard) = self.dialect.hear(self.is_host(), frame) else {
            return self.out.tell(ClientEvent::Malformed { bytes: length(frame) });
        };
        if let Some(reply) = heard.reply {
            self.out.send(reply);
        }
        self.learn(heard.meaning);
    }

    fn learn(&mut self, meaning: Meaning) {
        match (meaning, &self.stage) {
            (Meaning::Welcome(id), Stage::Greeting) => self.begin(id),
            (Meaning::Granted, Stage::Asking(place)) => {
                let place = place.clone();
                self.enter(place);
            }
            (Meaning::Refused(refusal), Stage::Asking(_)) => {
                self.stage = Stage::Idle;
                self.out.tell(ClientEvent::Refused(refusal));
            }
            (Meaning::HostChanged { lobby, host }, Stage::Inside { .. }) => {
                let is_me = host.id == self.id;
                self.stage = Stage::Inside { is_host: is_me };
                self.out.tell(ClientEvent::HostChanged { lobby, host, is_me });
            }
            (Meaning::LobbyClosed { lobby }, Stage::Inside { .. }) => {
                self.stage = Stage::Idle;
                self.out.tell(ClientEvent::LobbyClosed { lobby });
            }
            (Meaning::Told(event), _) => self.out.tell(event),
            _ => {}
        }
    }

    fn begin(&mut self, id: String) {
        self.stage = Stage::Idle;
        self.id.clone_from(&id);
        self.out.tell(ClientEvent::Opened { id });
        if let Some(place) = self.early.take() {
            self.ask(place);
        }
    }

    fn enter(&mut self, place: Place) {
        self.stage = Stage::Inside { is_host: matches!(place, Place::Host { .. }) };
        self.out.tell(match place {
            Place::Host { lobby, .. } => ClientEvent::Hosting { lobby },
            Place::Peer { lobby, .. } => ClientEvent::Joined { lobby },
        });
    }

    fn request(&mut self, request: ClientRequest) {
        match request {
            ClientRequest::Host { lobby, options } => self.ask(Place::Host { lobby, options }),
            ClientRequest::Join { lobby, password } => self.ask(Place::Peer { lobby, password }),
            ClientRequest::Send { to, signal } => {
                if matches!(self.stage, Stage::Inside { .. }) {
                    let texts = self.dialect.signal(self.is_host(), &to, &signal);
                    texts.into_iter().for_each(|text| self.out.send(text));
                }
            }
            ClientRequest::Suspect { id } => {
                if let (Stage::Inside { .. }, Some(text)) = (&self.stage, self.dialect.suspect(&id))
                {
                    self.out.send(text);
                }
            }
            ClientRequest::Close => self.leave(),
        }
    }

    fn ask(&mut self, place: Place) {
        match self.stage {
            Stage::Connecting | Stage::Greeting => self.early = Some(place),
            Stage::Idle => {
                self.out.send(self.dialect.ask(&place));
                self.stage = Stage::Asking(place);
            }
            Stage::Asking(_) | Stage::Inside { .. } | Stage::Over => {}
        }
    }

    fn leave(&mut self) {
        let is_known = !matches!(self.stage, Stage::Connecting | Stage::Greeting);
        if let Some(text) = self.dialect.leave().filter(|_| is_known) {
            self.out.send(text);
        }
        self.out.close(Close::normal());
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(beat) = self.keepalive.as_mut().and_then(|keepalive| keepalive.poll(now)) {
            match beat {
                Beat::Ping => self.out.send(self.dialect.keepalive()),
                Beat::Silent => {
                    self.keepalive = None;
                    self.out.close(Close::keepalive_timeout());
                }
            }
        }
    }

    fn end(&mut self, close: &Close, cause: Cause) {
        self.stage = Stage::Over;
        self.keepalive = None;
        let reason = close.reason.to_string();
        self.out.tell(ClientEvent::Disconnected { code: close.code, reason, cause });
    }

    fn is_host(&self) -> bool {
        matches!(self.stage, Stage::Inside { is_host: true })
    }
}
