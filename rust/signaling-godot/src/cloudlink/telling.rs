//! The client's turn, once a frame: what has happened is noted, and then told by signals.

use std::rc::Rc;

use godot::prelude::*;
use godot::signal::ConnectHandle;
use signaling_core::PeerId;
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::channels::{Change, Packet, Scope};
use signaling_protocols::cloudlink5::peer_server::Serialization;

use super::CloudLinkClient;
use super::channels::{Channels, DefaultChannel, News};
use super::event::{Event, Member};
use super::neighbours::Neighbours;
use super::noting::Telling;
use super::place::Place;
use super::trouble;
use super::version::{State, Version};
use crate::client::failure::{Failure, Trouble};
use crate::client::request::{Outcome, SignalingRequest};
use crate::client_node::{ClientNode, emit_failed, has, is_current, tell_link, tell_state};
use crate::json;
use crate::line;
use crate::peers::{NamedMesh, Role};

impl ClientNode for CloudLinkClient {
    type State = State;
    type Event = Event;
    type Connections = Neighbours;

    fn turns(&mut self) -> &mut Option<ConnectHandle> {
        &mut self.turns
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn states(&mut self) -> (State, &mut State) {
        (self.state, &mut self.told_state)
    }

    fn connections(&self) -> Option<&Rc<Neighbours>> {
        self.neighbours.as_ref()
    }

    fn take_events(&mut self) -> Option<Vec<Event>> {
        self.session.as_ref().map(|session| session.borrow_mut().take_events())
    }

    fn turn_event(this: &mut Gd<Self>, epoch: u64, event: Event) {
        if this.bind().ignores(&event) {
            return;
        }
        let tellings = this.bind_mut().note(&event);
        tell_state(this);
        let has_new_host = tellings.iter().any(|telling| matches!(telling, Telling::Host(_)));
        if is_current(this, epoch) && has_new_host {
            Self::follow(this, &event);
        }
        if is_current(this, epoch) {
            Self::connect_members(this, &event);
        }
        for telling in tellings {
            if !is_current(this, epoch) {
                return;
            }
            tell(this, telling);
        }
        if is_current(this, epoch) {
            tell_event(this, event);
        }
    }

    fn turn_connections(this: &mut Gd<Self>) {
        let (neighbours, joined) = {
            let node = this.bind();
            (node.neighbours.clone(), node.place.is_some())
        };
        let Some(neighbours) = neighbours else { return };
        for news in neighbours.turn(joined) {
            if !has(this, &neighbours) {
                return;
            }
            tell_news(this, &neighbours, news);
        }
    }

    fn stop(this: Gd<Self>) {
        Self::stop(this);
    }
}

impl CloudLinkClient {
    /// Whether it is from somebody who cannot be in our lobby: anybody in the game can send to anybody.
    fn ignores(&self, event: &Event) -> bool {
        let (Event::Connecting { from, .. } | Event::Told { from, .. }) = event else {
            return false;
        };
        let is_stranger = self.place.as_ref().is_some_and(|place| !place.may_have(&from.id));
        if let Some(session) = self.session.as_ref().filter(|_| is_stranger) {
            // A queue this full belongs to a server that does not read.
            let _ = session.borrow().forget(&from.id);
        }
        is_stranger
    }

    /// What an event means to the WebRTC connections.
    fn connect_members(this: &mut Gd<Self>, event: &Event) {
        match event {
            Event::Entered { .. } => Self::begin_neighbours(this),
            Event::MemberJoined(member) => Self::meet(this, member),
            Event::MemberLeft(id) => Self::leave_alone(this, id),
            Event::Connecting { from, serialization } => {
                Self::expect(this, from, *serialization);
            }
            Event::Told { from, signal } => Self::hear(this, from, signal),
            Event::Out(_) => Self::replace_neighbours(this, None),
            Event::Ended { code, reason, cause } => {
                let is_over = trouble::of_end(*code, reason, *cause)
                    .is_none_or(|trouble| trouble.failure() == Failure::Kicked);
                if is_over {
                    Self::replace_neighbours(this, None);
                }
            }
            _ => {}
        }
    }

    fn begin_neighbours(this: &mut Gd<Self>) {
        let new = this.bind().new_neighbours().map(Rc::new);
        Self::replace_neighbours(this, new);
    }

    /// Nothing is borrowed while the engine is called, because it emits signals.
    fn replace_neighbours(this: &mut Gd<Self>, new: Option<Rc<Neighbours>>) {
        let old = std::mem::replace(&mut this.bind_mut().neighbours, new.clone());
        if let Some(neighbours) = new {
            neighbours.assign();
        }
        if let Some(neighbours) = old {
            neighbours.close();
        }
    }

    fn new_neighbours(&self) -> Option<Neighbours> {
        let (place, session) = self.place.as_ref().zip(self.session.as_ref())?;
        let told = std::iter::empty();
        let configuration = line::configuration(&self.rtc_configuration, &self.ice_servers, told);
        let session = Rc::downgrade(session);
        // A queue this full belongs to a server that does not read.
        let carry = move |to: &str, signal: Signal| {
            if let Some(session) = session.upgrade() {
                let _ = session.borrow().signal(to, signal);
            }
        };
        if self.assign_multiplayer_peer {
            let api = self.base().get_multiplayer()?;
            let mesh = NamedMesh::new(role(place), configuration, api, Box::new(carry));
            Some(Neighbours::Multiplayer(mesh))
        } else if self.open_channels {
            let default = default_channel(self.spoken);
            let channels = Channels::new(configuration, default, Box::new(carry));
            Some(Neighbours::Channels(channels.into()))
        } else {
            None
        }
    }

    /// Where all are connected to the host, another host means other connections.
    fn follow(this: &mut Gd<Self>, event: &Event) {
        if !this.bind().place.as_ref().is_some_and(Place::is_star) {
            return;
        }
        match event {
            // The new host is not told who the others are: they offer to it.
            Event::HostChanged(host) => {
                Self::begin_neighbours(this);
                if this.is_instance_valid() && !this.bind().is_host() {
                    Self::meet(this, host);
                }
            }
            // Whoever offers is the host from now on.
            Event::Told { .. } => {
                let neighbours = this.bind().neighbours.clone();
                if neighbours.is_some_and(|neighbours| neighbours.has_had_a_host()) {
                    Self::begin_neighbours(this);
                }
            }
            _ => {}
        }
    }

    fn meet(this: &Gd<Self>, member: &Member) {
        let way = this.bind().way_to(member);
        if let Some((id, neighbours)) = way {
            neighbours.offer(id, member);
        }
    }

    fn expect(this: &Gd<Self>, from: &Member, written: Serialization) {
        let way = this.bind().way_to(from);
        if let Some((id, neighbours)) = way {
            neighbours.expect(id, from, written);
        }
    }

    fn hear(this: &Gd<Self>, from: &Member, signal: &Signal) {
        // CloudLink 5 tells of a new connection before.
        let begins = matches!(signal, Signal::Offer { .. }) && !this.bind().spoken.is_mesh();
        if begins {
            Self::expect(this, from, Serialization::Raw);
        }
        if !this.is_instance_valid() {
            return;
        }
        let way = this.bind().way_to(from);
        if let Some((_, neighbours)) = way {
            neighbours.hear(from, signal);
        }
    }

    fn leave_alone(this: &Gd<Self>, member: &str) {
        let (session, neighbours) = {
            let node = this.bind();
            (node.session.clone(), node.neighbours.clone())
        };
        if let Some(session) = session {
            // A queue this full belongs to a server that does not read.
            let _ = session.borrow().forget(member);
        }
        if let Some(neighbours) = neighbours {
            neighbours.leave_alone(member);
        }
    }

    /// The peer id of a member, and what connects us to the members.
    fn way_to(&self, member: &Member) -> Option<(PeerId, Rc<Neighbours>)> {
        let id = self.place.as_ref()?.peer_id(&member.id);
        Some((id, self.neighbours.clone()?))
    }
}

fn role(place: &Place) -> Role {
    match (place.is_star(), place.is_host()) {
        (true, true) => Role::Server,
        (true, false) => Role::Client(PeerId::of_name(place.me())),
        (false, _) => Role::Mesh(PeerId::of_name(place.me())),
    }
}

fn default_channel(version: Version) -> DefaultChannel {
    if version.is_mesh() { DefaultChannel::Announced } else { DefaultChannel::Agreed }
}

fn tell(client: &mut Gd<CloudLinkClient>, telling: Telling) {
    let mut signals = client.signals();
    match telling {
        Telling::Connected => {
            let me = client.bind().get_member();
            signals.connected().emit(&me);
        }
        Telling::Entered => {
            let lobby = client.bind().get_lobby();
            signals.lobby_joined().emit(&lobby);
        }
        Telling::Joined(member) => signals.member_joined().emit(&member.id),
        Telling::Left(id) => signals.member_left().emit(&id),
        Telling::Host(id) => {
            let is_me = client.bind().is_host();
            signals.host_changed().emit(&id, is_me);
        }
        Telling::Out(failure) => {
            signals.lobby_left().emit(failure, &Trouble::new(failure).message());
        }
        Telling::Failed(trouble) => emit_failed(client, &trouble),
        Telling::Disconnected { code, reason } => {
            signals.disconnected().emit(i64::from(code), &reason);
        }
    }
}

/// Tells what leaves nothing behind in the node.
fn tell_event(client: &mut Gd<CloudLinkClient>, event: Event) {
    let mut signals = client.signals();
    match event {
        Event::Answered { ticket, answer } => tell_answer(client, ticket, answer),
        Event::Told { from, signal } => tell_signal(client, &from.id, signal),
        Event::ChannelRequested { from, id, name, ordered } => {
            signals.channel_requested().emit(&from.id, id, &name, ordered);
        }
        Event::Called(from) => signals.call_received().emit(&from),
        Event::LobbyListed(lobby) => signals.lobby_listed().emit(&lobby),
        Event::LobbyUnlisted(lobby) => signals.lobby_unlisted().emit(&lobby),
        Event::Warned(message) => signals.warned().emit(&message),
        // They are told by what has become of the node.
        _ => {}
    }
}

fn tell_answer(client: &mut Gd<CloudLinkClient>, ticket: u64, answer: Result<Variant, Trouble>) {
    let request = {
        let mut node = client.bind_mut();
        node.entering = node.entering.filter(|entering| *entering != ticket);
        node.asked.remove(&ticket)
    };
    let outcome = match answer {
        Ok(value) => Outcome::done(value, VarDictionary::new()),
        Err(trouble) => Outcome::failed(trouble),
    };
    if let Some(request) = request {
        SignalingRequest::complete(&request, outcome);
    }
}

fn tell_signal(client: &Gd<CloudLinkClient>, from: &str, signal: Signal) {
    let mut signals = client.signals();
    match signal {
        Signal::Offer { sdp } => signals.offer_received().emit(from, &sdp),
        Signal::Answer { sdp } => signals.answer_received().emit(from, &sdp),
        Signal::Candidate { mid, index, sdp } => {
            signals.candidate_received().emit(from, &mid, i64::from(index), &sdp);
        }
    }
}

fn tell_news(client: &mut Gd<CloudLinkClient>, neighbours: &Rc<Neighbours>, news: News) {
    let mut signals = client.signals();
    match news {
        News::Link(event) => tell_link(client, neighbours, &event),
        News::Opened { member, channel } => signals.channel_opened().emit(&member, &channel),
        News::Closed { member, channel } => signals.channel_closed().emit(&member, &channel),
        News::Heard { member, channel, packet } => tell_heard(client, &member, &channel, packet),
        News::Gone { member } => {
            let session = client.bind().session.clone();
            if let Some(session) = session {
                // A queue this full belongs to a server that does not read.
                let _ = session.borrow().suspect(&member);
            }
        }
    }
}

fn tell_heard(client: &mut Gd<CloudLinkClient>, from: &str, channel: &str, packet: Packet) {
    let mut signals = client.signals();
    match packet {
        Packet::Message { scope, payload } => {
            let message = json::parsed(&payload);
            signals.message_received().emit(from, channel, &message, scope == Scope::Private);
        }
        Packet::Hangup => signals.call_ended().emit(from),
        Packet::Decline => signals.call_declined().emit(from),
        packet => {
            let change = client.bind_mut().shared.hear(from, packet);
            tell_change(client, from, change);
        }
    }
}

fn tell_change(client: &Gd<CloudLinkClient>, from: &str, change: Option<Change>) {
    let mut signals = client.signals();
    match change {
        Some(Change::Variable { id, value }) => {
            signals.variable_changed().emit(&id, &json::parsed(&value), from);
        }
        Some(Change::List { id, .. }) => {
            let items = client.bind().shared_list(&id);
            signals.list_changed().emit(&id, &items, from);
        }
        None => {}
    }
}
