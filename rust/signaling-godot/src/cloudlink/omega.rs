//! A session of CloudLink Omega, in either numbering.

use std::mem;

use godot::prelude::*;
use signaling_net::{ClientConfig, ClientHandle, QueueFull};
use signaling_protocols::Signal;
use signaling_protocols::omega::{
    ClientEvent, ClientRequest, LobbyEntry, Numbering, OmegaSession, Party,
};

use super::event::{Event, Member};
use super::trouble;
use crate::client::failure::{Failure, Trouble};
use crate::client::request::Misuse;
use crate::line;

/// The main thread's end of a session; the network thread has the other.
pub(super) struct Omega {
    handle: ClientHandle<OmegaSession>,
    /// The way into a lobby that was asked for.
    asked: Option<u64>,
}

impl Omega {
    /// Starts to connect, with the game's name behind the path.
    pub(super) fn connect(
        base: &str,
        numbering: Numbering,
        game: &str,
        user: &str,
    ) -> Result<Self, Misuse> {
        let endpoint =
            line::endpoint(&GString::from(&(base.to_owned() + &numbering.target(game))))?;
        let session = |_| OmegaSession::new(numbering, user);
        let handle = line::connect(endpoint, session, ClientConfig::default())?;
        Ok(Self { handle, asked: None })
    }

    /// Asks for a way into a lobby.
    pub(super) fn enter(&mut self, ticket: u64, request: ClientRequest) -> Result<(), QueueFull> {
        self.handle.request(request)?;
        self.asked = Some(ticket);
        Ok(())
    }

    pub(super) fn signal(&self, to: String, signal: Signal) -> Result<(), QueueFull> {
        self.handle.request(ClientRequest::Send { to, signal })
    }

    pub(super) fn suspect(&self, id: String) -> Result<(), QueueFull> {
        self.handle.request(ClientRequest::Suspect { id })
    }

    pub(super) fn close(&self) -> Result<(), QueueFull> {
        self.handle.request(ClientRequest::Close)
    }

    /// What has happened since the last call.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        let told = self.handle.take_events();
        told.into_iter().flat_map(|event| self.events(event)).collect()
    }

    fn events(&mut self, event: ClientEvent) -> Vec<Event> {
        match event {
            ClientEvent::Hosting { lobby } => self.entered(lobby, true),
            ClientEvent::Joined { lobby } => self.entered(lobby, false),
            ClientEvent::Refused(refusal) => self.answered(Err(trouble::of_refusal(refusal))),
            event => told(event).into_iter().collect(),
        }
    }

    fn entered(&mut self, lobby: String, is_host: bool) -> Vec<Event> {
        let answer = self.answered(Ok(lobby.to_variant()));
        [Event::Entered { lobby, is_host }].into_iter().chain(answer).collect()
    }

    fn answered(&mut self, answer: Result<Variant, Trouble>) -> Vec<Event> {
        let ticket = mem::take(&mut self.asked);
        ticket.map(|ticket| Event::Answered { ticket, answer }).into_iter().collect()
    }
}

fn told(event: ClientEvent) -> Option<Event> {
    Some(match event {
        ClientEvent::Opened { id } => Event::Opened(Member { id, ..Member::default() }),
        ClientEvent::PeerFound(party) => Event::MemberJoined(party.into()),
        ClientEvent::HostFound(party) => Event::MemberFound(party.into()),
        ClientEvent::PeerGone { id } => Event::MemberLeft(id),
        ClientEvent::HostChanged { host, .. } => Event::HostChanged(host.into()),
        ClientEvent::HostGone { .. } => Event::HostGone,
        ClientEvent::LobbyClosed { .. } => Event::Out(Failure::HostLeft),
        ClientEvent::LobbyFound(entry) => Event::LobbyListed(listed(&entry)),
        ClientEvent::Signal { from, signal } => Event::Told { from: from.into(), signal },
        ClientEvent::ChannelWanted { from, id, name, ordered } => {
            Event::ChannelRequested { from: from.into(), id, name, ordered }
        }
        ClientEvent::Violation { message } => Event::Warned(message),
        ClientEvent::Disconnected { code, reason, cause } => Event::Ended { code, reason, cause },
        _ => return None,
    })
}

fn listed(entry: &LobbyEntry) -> VarDictionary {
    vdict! {
        "name" => &*entry.lobby,
        "host" => &*entry.host.id,
        "host_name" => &*entry.host.name,
        // As in CloudLink 5: besides the host, and -1 for no limit.
        "max_players" => entry.max_members.map_or(-1, |max| i64::from(max) - 1),
        "has_password" => entry.has_password,
    }
}

impl From<Party> for Member {
    fn from(Party { id, name }: Party) -> Self {
        Self { id, name, ..Self::default() }
    }
}
