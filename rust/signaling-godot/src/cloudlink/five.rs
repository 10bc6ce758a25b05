//! A session of CloudLink 5: one connection to the lobbies, and one to the PeerServer, under the id
//! that the first one tells.

use std::collections::HashMap;

use godot::prelude::*;
use signaling_core::Cause;
use signaling_net::{ClientConfig, ClientHandle, QueueFull};
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::client::{Answer, Ask};
use signaling_protocols::cloudlink5::peer_server::{self, PeerEvent, PeerRequest, PeerSession};
use signaling_protocols::cloudlink5::wire::{CreateReply, JoinReply, LobbyInfo, Role, User};
use signaling_protocols::cloudlink5::{LobbyEvent, LobbyOptions, LobbyRequest, LobbySession};

use super::event::{Event, Member};
use super::trouble;
use crate::client::failure::{Failure, Trouble};
use crate::client::request::Misuse;
use crate::json;
use crate::line;

/// The main thread's end of both connections; the network thread has the other.
pub(super) struct Five {
    lobby: ClientHandle<LobbySession>,
    /// Where the PeerServer is.
    peer_base: String,
    peer: Option<ClientHandle<PeerSession>>,
    /// Set when the PeerServer lets us in: before, we do not enter a lobby, because offers would
    /// come to nothing.
    is_reachable: bool,
    /// What waits for that. At most one way into a lobby.
    early: Vec<(u64, Ask)>,
    /// What was asked for, until it is answered. The session refuses what is too much.
    asked: HashMap<u64, Ask>,
    me: Member,
    has_ended: bool,
}

impl Five {
    /// Starts to connect.
    pub(super) fn connect(
        base: &str,
        peer_base: &str,
        game: &GString,
        options: LobbyOptions,
    ) -> Result<Self, Misuse> {
        let endpoint =
            line::endpoint(&GString::from(&format!("{base}/?ugi={}", game.uri_encode())))?;
        // A peer server that cannot be reached is better told of now.
        line::endpoint(&GString::from(peer_base))?;
        let lobby =
            line::connect(endpoint, |_| LobbySession::new(options), ClientConfig::default())?;
        Ok(Self {
            lobby,
            peer_base: peer_base.to_owned(),
            peer: None,
            is_reachable: false,
            early: Vec::new(),
            asked: HashMap::new(),
            me: Member::default(),
            has_ended: false,
        })
    }

    pub(super) fn ask(&mut self, ticket: u64, ask: Ask) -> Result<(), QueueFull> {
        if !self.is_reachable && matches!(ask, Ask::Create(_) | Ask::Join(_)) {
            self.early.push((ticket, ask));
            return Ok(());
        }
        self.lobby.request(LobbyRequest::Ask { ticket, ask: ask.clone() })?;
        self.asked.insert(ticket, ask);
        Ok(())
    }

    pub(super) fn signal(&self, to: String, signal: Signal) -> Result<(), QueueFull> {
        self.tell_peer_server(PeerRequest::Signal { to, signal })
    }

    /// A connection to a peer is over.
    pub(super) fn forget(&self, peer: String) -> Result<(), QueueFull> {
        self.tell_peer_server(PeerRequest::Forget { peer })
    }

    /// The connection to the PeerServer ends with this object, so that the lobby tells of the end.
    pub(super) fn close(&self) -> Result<(), QueueFull> {
        self.lobby.request(LobbyRequest::Close)
    }

    /// What has happened since the last call.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for event in self.lobby.take_events() {
            self.hear(event, &mut events);
        }
        let peer = self.peer.as_ref().filter(|_| !self.is_entering());
        for event in peer.map(ClientHandle::take_events).unwrap_or_default() {
            self.hear_peer_server(event, &mut events);
        }
        events
    }

    /// The members of a lobby offer at once; their offers may overtake the word that we are in.
    fn is_entering(&self) -> bool {
        self.asked.values().any(|ask| matches!(ask, Ask::Create(_) | Ask::Join(_)))
    }

    fn hear(&mut self, event: LobbyEvent, events: &mut Vec<Event>) {
        events.push(match event {
            LobbyEvent::Welcomed(user) => return self.introduce(user.into(), events),
            LobbyEvent::Answered { ticket, answer } => return self.answer(ticket, answer, events),
            LobbyEvent::RoleChanged(Role::None) => Event::Out(Failure::Closed),
            LobbyEvent::HostChanged(user) => Event::HostChanged(user.into()),
            LobbyEvent::PeerJoined(user) => Event::MemberJoined(user.into()),
            LobbyEvent::PeerLeft(id) => Event::MemberLeft(id.to_string()),
            LobbyEvent::LobbyListed(name) => Event::LobbyListed(vdict! { "name" => &*name }),
            LobbyEvent::LobbyClosed(name) => Event::LobbyUnlisted(name.to_string()),
            LobbyEvent::Warning(text) | LobbyEvent::Violation(text) => Event::Warned(text),
            LobbyEvent::Disconnected { code, reason, cause } => {
                return self.end((code, reason, cause), events);
            }
            LobbyEvent::RoleChanged(_) | LobbyEvent::Relay(_) | LobbyEvent::Malformed { .. } => {
                return;
            }
        });
    }

    /// The lobbies know us by an id, by which the PeerServer is to know us too.
    fn introduce(&mut self, me: Member, events: &mut Vec<Event>) {
        self.me = me;
        match self.connect_to_peer_server() {
            Ok(peer) => self.peer = Some(peer),
            Err(misuse) => self.end((1006, misuse.message, Cause::Unreachable), events),
        }
    }

    fn connect_to_peer_server(&self) -> Result<ClientHandle<PeerSession>, Misuse> {
        let mut rng = line::randomness()?;
        let target = peer_server::target(&self.me.id, &peer_server::draw_token(&mut rng));
        let endpoint = line::endpoint(&GString::from(&format!("{}{target}", self.peer_base)))?;
        line::connect(endpoint, |_| PeerSession::new(rng), ClientConfig::default())
    }

    fn hear_peer_server(&mut self, event: PeerEvent, events: &mut Vec<Event>) {
        let member = |id: String| Member { id, ..Member::default() };
        events.push(match event {
            PeerEvent::Opened => return self.become_reachable(events),
            PeerEvent::Connecting { from, channel } => {
                Event::Connecting { from: member(from), serialization: channel.serialization }
            }
            PeerEvent::Signal { from, signal } => Event::Told { from: member(from), signal },
            PeerEvent::Called { from } => Event::Called(from),
            PeerEvent::Refused { why } => Event::Warned(why),
            PeerEvent::Disconnected { code, reason, cause } => {
                return self.end((code, format!("PeerServer: {reason}"), cause), events);
            }
            // Whoever is gone is told of by the lobby, or by the connection.
            PeerEvent::PeerLeft { .. }
            | PeerEvent::Expired { .. }
            | PeerEvent::Malformed { .. } => return,
        });
    }

    fn become_reachable(&mut self, events: &mut Vec<Event>) {
        self.is_reachable = true;
        events.push(Event::Opened(self.me.clone()));
        for (ticket, ask) in std::mem::take(&mut self.early) {
            if self.ask(ticket, ask).is_err() {
                let answer = Err(trouble::of(Failure::Overloaded));
                events.push(Event::Answered { ticket, answer });
            }
        }
    }

    fn answer(&mut self, ticket: u64, answer: Answer, events: &mut Vec<Event>) {
        let Some(ask) = self.asked.remove(&ticket) else { return };
        if let Some((lobby, is_host)) = entered(&ask, &answer) {
            events.push(Event::Entered { lobby, is_host });
        }
        events.push(Event::Answered { ticket, answer: value(&ask, &answer) });
    }

    /// Either connection has ended; the other one is of no use alone.
    fn end(&mut self, (code, reason, cause): (u16, String, Cause), events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.has_ended, true) {
            events.push(Event::Ended { code, reason, cause });
        }
    }

    fn tell_peer_server(&self, request: PeerRequest) -> Result<(), QueueFull> {
        self.peer.as_ref().map_or(Ok(()), |peer| peer.request(request))
    }
}

/// The lobby that we are in by this answer, and whether we are its host.
fn entered(ask: &Ask, answer: &Answer) -> Option<(String, bool)> {
    match (ask, answer) {
        (Ask::Create(lobby), Answer::Created(CreateReply::Created)) => {
            Some((lobby.name.clone(), true))
        }
        (Ask::Join(lobby), Answer::Joined(JoinReply::Joined)) => Some((lobby.name.clone(), false)),
        _ => None,
    }
}

/// What a request comes to.
fn value(ask: &Ask, answer: &Answer) -> Result<Variant, Trouble> {
    if let Some(trouble) = trouble::of_answer(answer, matches!(ask, Ask::Manage(_))) {
        return Err(trouble);
    }
    Ok(match answer {
        Answer::Lobbies(names) => {
            let names = names.iter().map(|name| GString::from(&**name));
            names.collect::<PackedStringArray>().to_variant()
        }
        Answer::Found(Some(info)) => found(info).to_variant(),
        answer => entered(ask, answer).map(|(lobby, _)| lobby.to_variant()).unwrap_or_default(),
    })
}

fn found(info: &LobbyInfo) -> VarDictionary {
    vdict! {
        "host" => &*info.host.instance_id,
        "host_name" => &*info.host.username,
        "max_players" => info.max_players,
        "players" => json::count(info.current_players),
        "locked" => info.currently_locked,
        "has_password" => info.password_required,
    }
}

impl From<User> for Member {
    fn from(user: User) -> Self {
        let text = |text: &str| text.to_owned();
        Self { id: text(&user.instance_id), name: text(&user.username), pubkey: text(&user.pubkey) }
    }
}
