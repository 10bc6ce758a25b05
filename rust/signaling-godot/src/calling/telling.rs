//! The client's turn, once a frame: what has happened is noted, and then told by signals.

use std::rc::Rc;

use godot::prelude::*;
use godot::signal::ConnectHandle;
use signaling_core::Cause;
use signaling_protocols::Signal;
use signaling_protocols::calling::{
    ClientEvent, Event, Invitation, Payload, PeerChange, PeerView, Refusal, Reply, Scope, handshake,
};

use super::neighbours::Neighbours;
use super::places::{Change, Places};
use super::state::State;
use super::{CallingClient, trouble, value};
use crate::client::failure::{Failure, Trouble};
use crate::client_node::{ClientNode, emit_failed, has, is_current, tell_link, tell_state};
use crate::line;

impl ClientNode for CallingClient {
    type State = State;
    type Event = ClientEvent;
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

    fn take_events(&mut self) -> Option<Vec<ClientEvent>> {
        self.session.as_ref().map(|session| session.take_events())
    }

    fn turn_event(this: &mut Gd<Self>, epoch: u64, event: ClientEvent) {
        match event {
            ClientEvent::Told(event) => Self::turn_told(this, epoch, event),
            ClientEvent::Answered { ticket, result } => {
                Self::turn_answer(this, epoch, ticket, &result);
            }
            ClientEvent::Disconnected { code, reason, cause } => {
                Self::turn_end(this, epoch, code, &reason, cause);
            }
            ClientEvent::Malformed { .. } => {}
        }
    }

    fn turn_connections(this: &mut Gd<Self>) {
        let Some(neighbours) = this.bind().neighbours.clone() else { return };
        for event in neighbours.turn() {
            if !has(this, &neighbours) {
                return;
            }
            tell_link(this, &neighbours, &event);
        }
    }

    fn stop(this: Gd<Self>) {
        Self::stop(this);
    }
}

impl CallingClient {
    fn turn_told(this: &mut Gd<Self>, epoch: u64, event: Event) {
        this.bind_mut().note(&event);
        tell_state(this);
        if !is_current(this, epoch) {
            return;
        }
        let neighbours = this.bind().neighbours.clone();
        if let Some(neighbours) = neighbours {
            neighbours.note(&event);
        }
        if is_current(this, epoch) {
            tell(this, event);
        }
    }

    /// What became of our own place in a room is told before the answer.
    ///
    /// What was asked before the server had let us in fails as the connection does, see `note_end`.
    fn turn_answer(this: &mut Gd<Self>, epoch: u64, ticket: u64, result: &Result<Reply, Refusal>) {
        if matches!(result, Err(Refusal::ConnectionLost)) && this.bind().user.is_empty() {
            return;
        }
        let Some(question) = this.bind_mut().asked.take(ticket) else { return };
        let change = match result {
            Ok(reply) => this.bind_mut().places.note_reply(&question.what, reply),
            Err(_) => None,
        };
        if let Some(change) = change {
            Self::connect_peers(this, &change);
            if is_current(this, epoch) {
                tell_change(this, &change);
            }
        }
        // Whoever waits for it is told, whatever has become of the node.
        question.answer(result);
    }

    fn turn_end(this: &mut Gd<Self>, epoch: u64, code: u16, reason: &str, cause: Cause) {
        let trouble = trouble::of_end(code, reason, cause);
        this.bind_mut().note_end(trouble.as_ref());
        tell_state(this);
        if is_current(this, epoch)
            && let Some(trouble) = trouble
        {
            emit_failed(this, &trouble);
        }
        if is_current(this, epoch) {
            this.signals().disconnected().emit(i64::from(code), reason);
        }
    }

    /// Brings what the getters return up to date, before the signal is emitted.
    fn note(&mut self, event: &Event) {
        if let Event::Hello { user, .. } = event {
            self.user.clone_from(user);
            self.state = State::Connected;
        }
        self.places.note(event);
    }

    fn note_end(&mut self, trouble: Option<&Trouble>) {
        self.state = State::Failed;
        (self.session, self.places) = (None, Places::default());
        let before = trouble.filter(|_| self.user.is_empty()).cloned();
        // Whoever was told first that something is lost may have asked for more, which nobody hears.
        self.asked.cancel(&before.unwrap_or_else(|| trouble::of(Failure::NotConnected)));
    }

    /// What our own coming and going means to the WebRTC connections.
    fn connect_peers(this: &mut Gd<Self>, change: &Change) {
        match change {
            Change::Entered(room) => {
                let new = this.bind().new_neighbours(room);
                if let Some(neighbours) = new {
                    this.bind_mut().neighbours = Some(Rc::clone(&neighbours));
                    neighbours.assign();
                    Self::greet(this, &neighbours);
                }
            }
            Change::Left(room) => {
                let is_there = |neighbours: &mut Rc<Neighbours>| neighbours.room() == room.as_str();
                let old = this.bind_mut().neighbours.take_if(is_there);
                if let Some(neighbours) = old {
                    neighbours.close();
                }
            }
        }
    }

    /// Connects to those who are in the room already, unless a handler has left it.
    fn greet(this: &Gd<Self>, neighbours: &Rc<Neighbours>) {
        if !has(this, neighbours) {
            return;
        }
        let view = this.bind().places.view(neighbours.room()).cloned();
        if let Some(view) = view {
            neighbours.greet(&view.peers);
        }
    }

    /// Those of a room that we have entered, unless there are some of another one.
    fn new_neighbours(&self, room: &str) -> Option<Rc<Neighbours>> {
        if !self.assign_multiplayer_peer || self.neighbours.is_some() {
            return None;
        }
        let (session, api) = (self.session.as_ref()?, self.base().get_multiplayer()?);
        let told = std::iter::empty();
        let configuration = line::configuration(&self.rtc_configuration, &self.ice_servers, told);
        let session = Rc::downgrade(session);
        Some(Rc::new(Neighbours::new(room, &self.user, configuration, api, session)))
    }
}

fn tell(client: &Gd<CallingClient>, event: Event) {
    let mut signals = client.signals();
    match event {
        Event::Hello { user, server } => signals.connected().emit(&user, &server),
        Event::UserAdded { namespace, user, status } => {
            signals.namespace_user_added().emit(&namespace, &user, &value::dictionary(&status));
        }
        Event::UserUpdated { namespace, user, status } => {
            signals.namespace_user_changed().emit(&namespace, &user, &value::dictionary(&status));
        }
        Event::UserRemoved { namespace, user } => {
            signals.namespace_user_removed().emit(&namespace, &user);
        }
        Event::RoomAdded { namespace, room, view } => {
            let (status, members) = (value::dictionary(&view.status), value::members(&view.peers));
            signals.namespace_room_added().emit(&namespace, &room, &status, &members);
        }
        Event::RoomRemoved { namespace, room } => {
            signals.namespace_room_removed().emit(&namespace, &room);
        }
        Event::RoomUpdated { scope, room, status } => {
            let status = value::dictionary(&status);
            match scope {
                Scope::Room => signals.room_changed().emit(&room, &status),
                Scope::Namespace(namespace) => {
                    signals.namespace_room_changed().emit(&namespace, &room, &status);
                }
            }
        }
        Event::PeerAdded { scope, room, user, peer } => {
            tell_joined(client, &scope, &room, &user, &peer);
        }
        Event::PeerUpdated { scope, room, user, change } => {
            tell_changed(client, &scope, &room, &user, &change);
        }
        Event::PeerRemoved { scope: Scope::Room, room, user } => {
            signals.member_left().emit(&room, &user);
        }
        Event::PeerRemoved { scope: Scope::Namespace(namespace), room, user } => {
            signals.namespace_member_left().emit(&namespace, &room, &user);
        }
        Event::Received { room, user, event, data } => {
            tell_received(client, &room, &user, &event, &data);
        }
        Event::Invited(invitation) => tell_invited(client, &invitation),
        Event::Responded { handle, accepted } => {
            signals.invite_answered().emit(value::number(handle), accepted);
        }
        Event::Cancelled { handle } => signals.invite_cancelled().emit(value::number(handle)),
        Event::Error { text } => emit_failed(client, &trouble::of_text(&text)),
        Event::Ping => signals.pinged().emit(),
    }
}

fn tell_joined(client: &Gd<CallingClient>, scope: &Scope, room: &str, user: &str, peer: &PeerView) {
    let (mut signals, status) = (client.signals(), value::dictionary(&peer.status));
    match scope {
        Scope::Room => signals.member_joined().emit(room, user, &status, peer.pending),
        Scope::Namespace(namespace) => {
            let mut joined = signals.namespace_member_joined();
            joined.emit(&**namespace, room, user, &status, peer.pending);
        }
    }
}

fn tell_changed(
    client: &Gd<CallingClient>,
    scope: &Scope,
    room: &str,
    user: &str,
    change: &PeerChange,
) {
    let mut signals = client.signals();
    match (scope, change) {
        (Scope::Room, PeerChange::Status(status)) => {
            signals.member_changed().emit(room, user, &value::dictionary(status));
        }
        (Scope::Room, PeerChange::Accepted) => signals.member_accepted().emit(room, user),
        (Scope::Namespace(namespace), PeerChange::Status(status)) => {
            let mut changed = signals.namespace_member_changed();
            changed.emit(&**namespace, room, user, &value::dictionary(status));
        }
        (Scope::Namespace(namespace), PeerChange::Accepted) => {
            signals.namespace_member_accepted().emit(&**namespace, room, user);
        }
    }
}

fn tell_received(client: &Gd<CallingClient>, room: &str, user: &str, event: &str, data: &Payload) {
    let mut signals = client.signals();
    match handshake::decode(event, data) {
        Some(Signal::Offer { sdp }) => signals.offer_received().emit(room, user, &sdp),
        Some(Signal::Answer { sdp }) => signals.answer_received().emit(room, user, &sdp),
        Some(Signal::Candidate { mid, index, sdp }) => {
            signals.candidate_received().emit(room, user, &mid, i64::from(index), &sdp);
        }
        None => signals.message_received().emit(room, user, event, &value::variant(data)),
    }
}

fn tell_invited(client: &Gd<CallingClient>, invitation: &Invitation) {
    let Invitation { handle, user, user_status, room, data, .. } = invitation;
    let (number, status) = (value::number(*handle), value::dictionary(user_status));
    client.signals().invited().emit(number, &**room, &**user, &status, &value::variant(data));
}

fn tell_change(client: &Gd<CallingClient>, change: &Change) {
    let mut signals = client.signals();
    match change {
        Change::Entered(room) => signals.room_joined().emit(&**room),
        Change::Left(room) => signals.room_left().emit(&**room),
    }
}
